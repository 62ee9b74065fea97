// A minimal operator on controller-runtime, written as its documentation teaches: the peer of the benchmark.
//
// It makes the same children of an Application as timonier does for an image and its ports, writes the same status, and
// tells by an event when an Application gets ready.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const label = "timonier.dev/application"

var groupVersion = schema.GroupVersion{Group: "timonier.dev", Version: "v1"}

type Image struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag,omitempty"`
}

type Port struct {
	Name          string `json:"name"`
	ContainerPort int32  `json:"containerPort"`
}

type Workload struct {
	Image Image  `json:"image"`
	Ports []Port `json:"ports,omitempty"`
}

type Scaling struct {
	Replicas int32 `json:"replicas"`
}

type Spec struct {
	Workload Workload `json:"workload"`
	Scaling  Scaling  `json:"scaling"`
}

type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Image              string             `json:"image,omitempty"`
	Version            string             `json:"version,omitempty"`
	Replicas           int32              `json:"replicas,omitempty"`
	ReadyReplicas      int32              `json:"readyReplicas,omitempty"`
	Selector           string             `json:"selector,omitempty"`
}

type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              Spec   `json:"spec"`
	Status            Status `json:"status,omitempty"`
}

func (in *Application) DeepCopyObject() runtime.Object {
	out := *in
	out.ObjectMeta = *in.ObjectMeta.DeepCopy()
	out.Spec.Workload.Ports = append([]Port(nil), in.Spec.Workload.Ports...)
	out.Status.Conditions = append([]metav1.Condition(nil), in.Status.Conditions...)
	return &out
}

type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Application `json:"items"`
}

func (in *ApplicationList) DeepCopyObject() runtime.Object {
	out := *in
	out.Items = make([]Application, len(in.Items))
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopyObject().(*Application)
	}
	return &out
}

type reconciler struct {
	client.Client
	scheme   *runtime.Scheme
	recorder events.EventRecorder
}

func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	app := &Application{}
	if err := r.Get(ctx, request.NamespacedName, app); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !app.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	deployment := &appsv1.Deployment{ObjectMeta: object(app)}
	if err := r.ensure(ctx, app, deployment, func() { deploy(app, deployment) }); err != nil {
		return reconcile.Result{}, err
	}
	if len(app.Spec.Workload.Ports) > 0 {
		service := &corev1.Service{ObjectMeta: object(app)}
		if err := r.ensure(ctx, app, service, func() { serve(app, service) }); err != nil {
			return reconcile.Result{}, err
		}
	}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: object(app)}
	if err := r.ensure(ctx, app, policy, func() { restrict(app, policy) }); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, r.report(ctx, app, deployment)
}

func (r *reconciler) ensure(ctx context.Context, app *Application, child client.Object, set func()) error {
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error {
		set()
		return controllerutil.SetControllerReference(app, child, r.scheme)
	})
	return err
}

func (r *reconciler) report(ctx context.Context, app *Application, deployment *appsv1.Deployment) error {
	before := app.Status
	before.Conditions = append([]metav1.Condition(nil), app.Status.Conditions...)
	status := &app.Status
	status.ObservedGeneration = app.Generation
	status.Image = image(app)
	status.Version = app.Spec.Workload.Image.Tag
	status.Replicas = deployment.Status.Replicas
	status.ReadyReplicas = deployment.Status.ReadyReplicas
	status.Selector = "app.kubernetes.io/instance=" + app.Name
	ready := deployment.Status.ObservedGeneration >= deployment.Generation &&
		deployment.Status.UpdatedReplicas == app.Spec.Scaling.Replicas &&
		deployment.Status.ReadyReplicas == app.Spec.Scaling.Replicas
	state, reason := metav1.ConditionFalse, "RolloutInProgress"
	if ready {
		state, reason = metav1.ConditionTrue, "Ready"
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: "Ready", Status: state, Reason: reason, ObservedGeneration: app.Generation,
		Message: fmt.Sprintf("%d of %d replicas are ready", status.ReadyReplicas, app.Spec.Scaling.Replicas),
	})
	if equality.Semantic.DeepEqual(before, *status) {
		return nil
	}
	if err := r.Status().Update(ctx, app); err != nil {
		return err
	}
	if ready && !meta.IsStatusConditionTrue(before.Conditions, "Ready") {
		r.recorder.Eventf(app, nil, corev1.EventTypeNormal, "Ready", "Reconcile", "%d replicas are ready", status.ReadyReplicas)
	}
	return nil
}

func object(app *Application) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name}
}

func names(app *Application) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": app.Name, "app.kubernetes.io/instance": app.Name,
		"app.kubernetes.io/managed-by": "peer", label: app.Name,
	}
}

func selector(app *Application) map[string]string {
	return map[string]string{"app.kubernetes.io/instance": app.Name}
}

func image(app *Application) string {
	return app.Spec.Workload.Image.Repository + ":" + app.Spec.Workload.Image.Tag
}

func deploy(app *Application, deployment *appsv1.Deployment) {
	no, yes := false, true
	deployment.Labels = names(app)
	deployment.Spec.Replicas = &app.Spec.Scaling.Replicas
	if deployment.Spec.Selector == nil {
		deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: selector(app)}
	}
	template := &deployment.Spec.Template
	template.Labels = names(app)
	template.Spec.AutomountServiceAccountToken = &no
	template.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if len(template.Spec.Containers) != 1 {
		template.Spec.Containers = make([]corev1.Container, 1)
	}
	container := &template.Spec.Containers[0]
	container.Name = "app"
	container.Image = image(app)
	container.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	ports := make([]corev1.ContainerPort, 0, len(app.Spec.Workload.Ports))
	for _, port := range app.Spec.Workload.Ports {
		ports = append(ports, corev1.ContainerPort{Name: port.Name, ContainerPort: port.ContainerPort, Protocol: corev1.ProtocolTCP})
	}
	container.Ports = ports
}

func serve(app *Application, service *corev1.Service) {
	service.Labels = names(app)
	service.Spec.Type = corev1.ServiceTypeClusterIP
	service.Spec.Selector = selector(app)
	ports := make([]corev1.ServicePort, 0, len(app.Spec.Workload.Ports))
	for _, port := range app.Spec.Workload.Ports {
		ports = append(ports, corev1.ServicePort{
			Name: port.Name, Port: port.ContainerPort, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString(port.Name),
		})
	}
	service.Spec.Ports = ports
}

func restrict(app *Application, policy *networkingv1.NetworkPolicy) {
	policy.Labels = names(app)
	policy.Spec.PodSelector = metav1.LabelSelector{MatchLabels: selector(app)}
	policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	ports := make([]networkingv1.NetworkPolicyPort, 0, len(app.Spec.Workload.Ports))
	for _, port := range app.Spec.Workload.Ports {
		number, protocol := intstr.FromInt32(port.ContainerPort), corev1.ProtocolTCP
		ports = append(ports, networkingv1.NetworkPolicyPort{Port: &number, Protocol: &protocol})
	}
	policy.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
		Ports: ports, From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}},
	}}
}

func run() error {
	kubeconfig := flag.String("config", "", "kubeconfig")
	workers := flag.Int("workers", 16, "reconciles at once")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	config.UserAgent = "peer"
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	scheme.AddKnownTypes(groupVersion, &Application{}, &ApplicationList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	labelled, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		return err
	}
	ours := cache.ByObject{Label: labels.NewSelector().Add(*labelled)}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: "0"},
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}: ours, &corev1.Service{}: ours, &networkingv1.NetworkPolicy{}: ours,
		}},
	})
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&Application{}).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.Service{}).
		Owns(&networkingv1.NetworkPolicy{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(&reconciler{manager.GetClient(), scheme, manager.GetEventRecorder("peer")})
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
