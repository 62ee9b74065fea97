"""An Application's life on a real API server, with the operator under its own service account."""

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.applications import PORTS, application
from harness.kube import CRDS, NAMESPACES, PODS, Kube, Manifest, RefusedError
from harness.operator_process import OperatorProcess
from harness.restricted_pods import restricted_spec
from timonier.api.resources import (
    APPLICATIONS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)

pytestmark = pytest.mark.cluster


def template(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]
    return found


def test_the_image_is_the_only_required_field(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace))
    ready = kube.wait_condition(namespace, "web", "Ready")
    deployment = kube.get(DEPLOYMENTS, namespace, "web")
    assert deployment is not None
    assert template(deployment)["spec"]["containers"][0]["image"] == "registry.example/web:1.0"
    assert ready["status"]["observedGeneration"] == ready["metadata"]["generation"]
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == ready["metadata"]["uid"]


def test_everything_at_once_and_gone_again(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    full = application(
        namespace,
        workload=PORTS,
        config={"files": {"/etc/web/site.conf": "a=1\n"}, "env": {"MODE": "blue"}},
        network={"ingress": {"host": "web.example.org"}},
        scaling={"replicas": 2},
    )
    kube.apply(full)
    kube.wait_condition(namespace, "web", "Ready")
    for resource in (SERVICES, INGRESSES, NETWORK_POLICIES, POD_DISRUPTION_BUDGETS, CONFIG_MAPS):
        owned = [child for child in kube.list(resource, namespace) if is_of(child, "web")]
        assert owned, f"no {resource}"
    bare = application(namespace, network={"networkPolicy": "None"})
    kube.apply(bare)
    for resource in (SERVICES, INGRESSES, NETWORK_POLICIES, POD_DISRUPTION_BUDGETS, CONFIG_MAPS):
        kube.wait(f"no {resource} left", lambda r=resource: not [c for c in kube.list(r, namespace) if is_of(c, "web")])


def is_of(child: Manifest, name: str) -> bool:
    return any(
        owner["kind"] == "Application" and owner["name"] == name
        for owner in child["metadata"].get("ownerReferences", ())
    )


def test_a_new_image_rolls_out(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    kube.apply(application(namespace, workload={"image": {"repository": "registry.example/web", "tag": "2.0"}}))
    ready = kube.wait_condition(namespace, "web", "Ready")
    deployment = kube.get(DEPLOYMENTS, namespace, "web")
    assert deployment is not None
    assert template(deployment)["spec"]["containers"][0]["image"].endswith(":2.0")
    assert ready["status"]["version"] == "2.0"


def test_what_is_taken_out_of_a_spec_goes_from_the_children(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    """Also inside of lists and maps that have one owner, of which the API server keeps no account field by field."""
    image = {"repository": "registry.example/web", "tag": "1.0"}
    secret = {"name": "s", "key": "k", "optional": True}
    kube.apply(
        application(
            namespace,
            workload=PORTS | {
                "image": image, "command": ["web", "--debug"], "serviceAccountName": "default",
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": secret}}],
                "tolerations": [{"key": "spot", "operator": "Exists"}],
            },
        )
    )  # fmt: skip
    kube.wait_condition(namespace, "web", "Ready")
    less = PORTS | {
        "image": image,
        "command": ["web"],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "tolerations": [{"key": "spot"}],
    }
    kube.apply(application(namespace, workload=less, network={"service": {"type": "LoadBalancer"}}))

    def gone() -> bool:
        pod = template(kube.get(DEPLOYMENTS, namespace, "web"))["spec"]
        policy = kube.get(NETWORK_POLICIES, namespace, "web")
        return (
            pod["containers"][0]["command"] == ["web"]
            and pod["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "s", "key": "k"}
            and pod["tolerations"] == [{"key": "spot"}]
            and not any("from" in rule for rule in policy["spec"]["ingress"])
        )

    kube.wait("nothing of it is left, and everybody may come in", gone)


def test_changed_config_rolls_the_pods(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace, config={"files": {"/etc/web.conf": "a=1\n"}}))
    kube.wait_condition(namespace, "web", "Ready")
    before = kube.get(DEPLOYMENTS, namespace, "web")
    kube.apply(application(namespace, config={"files": {"/etc/web.conf": "a=2\n"}}))
    assert before is not None

    def rolled() -> bool:
        after = kube.get(DEPLOYMENTS, namespace, "web")
        return after is not None and template(after) != template(before)

    kube.wait("the pod template changed", rolled)
    kube.wait_condition(namespace, "web", "Ready")


def test_kubectl_scale(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    kube.patch(APPLICATIONS, namespace, "web", {"spec": {"replicas": 3}}, subresource="scale")
    kube.wait_condition(namespace, "web", "Ready")
    deployment = kube.get(DEPLOYMENTS, namespace, "web")
    assert deployment is not None
    assert deployment["status"]["readyReplicas"] == 3
    scale = kube.request("GET", APPLICATIONS.url(namespace, "web", "scale"))
    assert scale["status"]["replicas"] == 3
    assert scale["status"]["selector"]


def test_the_autoscalers_replicas_are_never_fought(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    scaled = application(
        namespace,
        workload={"resources": {"requests": {"cpu": "100m"}}},
        scaling={"autoscaling": {"minReplicas": 2, "maxReplicas": 5, "metrics": [{"type": "cpu", "target": 70}]}},
    )
    kube.apply(application(namespace, scaling={"replicas": 3}))
    kube.wait_condition(namespace, "web", "Ready")
    kube.apply(scaled)
    kube.wait("an HPA", lambda: kube.get(HORIZONTAL_POD_AUTOSCALERS, namespace, "web"))

    def replicas() -> int:
        deployment = kube.get(DEPLOYMENTS, namespace, "web")
        assert deployment is not None
        count: int = deployment["spec"]["replicas"]
        return count

    time.sleep(1)
    assert replicas() == 3  # handed over as it was, neither reset to 1 nor to the minimum
    kube.patch(DEPLOYMENTS, namespace, "web", {"spec": {"replicas": 4}}, subresource="scale")  # as the autoscaler does
    kube.patch(APPLICATIONS, namespace, "web", {"metadata": {"labels": {"touched": "yes"}}})
    time.sleep(2)
    assert replicas() == 4
    kube.apply(application(namespace, scaling={"replicas": 2}))
    kube.wait("no HPA", lambda: kube.get(HORIZONTAL_POD_AUTOSCALERS, namespace, "web") is None)
    kube.wait("the number that the spec states again", lambda: replicas() == 2)


def scaled(replicas: int) -> Manifest:
    return {"spec": {"replicas": replicas}}


VANDALISM: dict[str, tuple[Resource, str, Callable[[Kube, str], None]]] = {
    "deployment deleted": (DEPLOYMENTS, "web", lambda k, ns: k.delete(DEPLOYMENTS, ns, "web")),
    "deployment scaled": (DEPLOYMENTS, "web", lambda k, ns: void(k.patch(DEPLOYMENTS, ns, "web", scaled(9)))),
    "service deleted": (SERVICES, "web", lambda k, ns: k.delete(SERVICES, ns, "web")),
    "service selector changed": (
        SERVICES, "web", lambda k, ns: void(k.patch(SERVICES, ns, "web", {"spec": {"selector": {"evil": "yes"}}})),
    ),
    "policy opened": (
        NETWORK_POLICIES, "web", lambda k, ns: void(k.patch(NETWORK_POLICIES, ns, "web", {"spec": {"ingress": [{}]}})),
    ),
    "policy deleted": (NETWORK_POLICIES, "web", lambda k, ns: k.delete(NETWORK_POLICIES, ns, "web")),
    "budget deleted": (POD_DISRUPTION_BUDGETS, "web", lambda k, ns: k.delete(POD_DISRUPTION_BUDGETS, ns, "web")),
    "our label removed": (
        SERVICES, "web",
        lambda k, ns: void(k.patch(SERVICES, ns, "web", {"metadata": {"labels": {"timonier.dev/application": None}}})),
    ),
}  # fmt: skip


def void(_: Any) -> None:
    """Make a lambda of an expression return None."""


@pytest.mark.parametrize("kind", VANDALISM)
def test_drift_is_repaired_in_less_than_5_seconds(
    kube: Kube, operator: OperatorProcess, namespace: str, kind: str
) -> None:
    resource, name, vandalise = VANDALISM[kind]
    kube.apply(application(namespace, workload=PORTS, scaling={"replicas": 2}))
    kube.wait_condition(namespace, "web", "Ready")
    good = content(kube.get(resource, namespace, name))
    vandalise(kube, namespace)
    started = time.monotonic()
    kube.wait(f"repair of: {kind}", lambda: content(kube.get(resource, namespace, name)) == good, seconds=5)
    print(f"{kind}: repaired in {time.monotonic() - started:.2f} s")


def content(manifest: Manifest | None) -> Manifest | None:
    """What a person would compare: spec, labels and owners."""
    if manifest is None:
        return None
    spec = copy.deepcopy(manifest.get("spec", {}))
    for assigned in ("clusterIP", "clusterIPs"):
        spec.pop(assigned, None)
    metadata = manifest["metadata"]
    return {"spec": spec, "labels": metadata.get("labels"), "owners": metadata.get("ownerReferences")}


def test_a_repair_is_told_by_an_event(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace, workload=PORTS))
    kube.wait_condition(namespace, "web", "Ready")
    kube.delete(SERVICES, namespace, "web")

    def told() -> bool:
        return any("web" in event["note"] and "Service" in event["note"] for event in events(kube, namespace))

    kube.wait("an event about the Service", told, seconds=10)


def events(kube: Kube, namespace: str) -> list[Manifest]:
    return [event for event in kube.list(EVENTS, namespace) if event["regarding"]["kind"] == "Application"]


def test_suspend_keeps_the_data_and_resume_brings_it_back(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    storage = [{"name": "data", "size": "1Gi", "mountPath": "/data"}]
    spec: dict[str, Any] = {"workload": {"kind": "StatefulSet", "storage": storage}, "scaling": {"replicas": 2}}
    kube.apply(application(namespace, "db", **copy.deepcopy(spec)))
    kube.wait_condition(namespace, "db", "Ready", seconds=60)
    claims = {claim["metadata"]["uid"] for claim in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)}
    assert len(claims) == 2
    kube.apply(application(namespace, "db", suspend=True, **copy.deepcopy(spec)))
    kube.wait_condition(namespace, "db", "Suspended")

    def replicas() -> int:
        workload = kube.get(STATEFUL_SETS, namespace, "db")
        assert workload is not None
        return int(workload["status"].get("replicas", 0))

    kube.wait("no pods", lambda: replicas() == 0)
    assert {claim["metadata"]["uid"] for claim in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)} == claims
    kube.apply(application(namespace, "db", **copy.deepcopy(spec)))
    kube.wait_condition(namespace, "db", "Ready", seconds=60)
    assert replicas() == 2
    assert {claim["metadata"]["uid"] for claim in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)} == claims


FOREIGN = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"legacy": "web"}},
        "template": {
            "metadata": {"labels": {"legacy": "web", "team": "blue"}},
            "spec": restricted_spec(
                {
                    "name": "main",
                    "image": "registry.example/web:1.0",
                    "ports": [{"containerPort": 8080, "name": "http"}],
                }
            ),
        },
    },
}


def foreign(namespace: str) -> Manifest:
    manifest = copy.deepcopy(FOREIGN)
    metadata = manifest["metadata"]
    assert isinstance(metadata, dict)
    metadata["namespace"] = namespace
    return manifest


def test_a_foreign_workload_is_not_touched_without_being_asked(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(foreign(namespace), manager="somebody")
    time.sleep(0.5)
    before = kube.get(DEPLOYMENTS, namespace, "web")
    kube.apply(application(namespace, scaling={"replicas": 5}))
    stalled = kube.wait_condition(namespace, "web", "Stalled")
    conditions = {condition["type"]: condition for condition in stalled["status"]["conditions"]}
    assert conditions["Stalled"]["reason"] == "Conflict"
    assert "adopt" in conditions["Stalled"]["message"]
    after = kube.get(DEPLOYMENTS, namespace, "web")
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]
    assert after["metadata"].get("ownerReferences") is None


def pod_uids(kube: Kube, namespace: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in kube.list(PODS, namespace)}


def test_adoption_restarts_nothing(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(foreign(namespace), manager="somebody")

    def settled() -> Manifest | None:
        workload = kube.get(DEPLOYMENTS, namespace, "web")
        return workload if workload and workload.get("status", {}).get("readyReplicas") == 2 else None

    before = kube.wait("the foreign deployment is ready", settled)
    assert before is not None
    pods = pod_uids(kube, namespace)
    kube.apply(application(namespace, workload=PORTS, adopt=True, scaling={"replicas": 2}))
    kube.wait_condition(namespace, "web", "Ready")
    after = kube.get(DEPLOYMENTS, namespace, "web")
    assert after is not None
    assert is_of(after, "web")
    assert template(after) == template(before)
    assert pod_uids(kube, namespace) == pods
    service = kube.get(SERVICES, namespace, "web")
    assert service is not None
    assert service["spec"]["selector"] == {"legacy": "web"}
    # From now on it is managed: a new image rolls out.
    kube.apply(
        application(namespace, adopt=True, scaling={"replicas": 2},
                    workload={**PORTS, "image": {"repository": "registry.example/web", "tag": "2.0"}})
    )  # fmt: skip
    ready = kube.wait_condition(namespace, "web", "Ready")
    assert ready["status"]["version"] == "2.0"


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_deletion_cleans_up_and_the_policy_decides_about_the_volumes(
    kube: Kube, operator: OperatorProcess, namespace: str, policy: str
) -> None:
    storage = [{"name": "data", "size": "1Gi", "mountPath": "/data"}]
    kube.apply(
        application(
            namespace, "db", workload={"kind": "StatefulSet", "storage": storage, **PORTS}, deletionPolicy=policy
        )
    )
    kube.apply(application(namespace, "one", workload={"storage": storage}, deletionPolicy=policy))
    for name in ("db", "one"):
        kube.wait_condition(namespace, name, "Ready", seconds=60)
    assert len(kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)) == 2
    for name in ("db", "one"):
        kube.delete(APPLICATIONS, namespace, name)
    for resource in (STATEFUL_SETS, DEPLOYMENTS, SERVICES, NETWORK_POLICIES):
        kube.wait(f"no {resource}", lambda r=resource: not kube.list(r, namespace), seconds=30)
    if policy == "Delete":
        kube.wait("no volumes", lambda: not kube.list(PERSISTENT_VOLUME_CLAIMS, namespace), seconds=30)
    else:
        assert len(kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)) == 2


def test_deleting_with_orphaned_dependents_leaves_the_application_running(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(application(namespace, workload=PORTS))
    kube.wait_condition(namespace, "web", "Ready")
    kube.delete(APPLICATIONS, namespace, "web", orphan=True)
    kube.wait("the application is gone", lambda: kube.get(APPLICATIONS, namespace, "web") is None)
    time.sleep(1)
    assert kube.get(DEPLOYMENTS, namespace, "web") is not None


def test_a_recreated_application_of_the_same_name_gets_its_own_children(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(application(namespace, workload=PORTS))
    kube.wait_condition(namespace, "web", "Ready")
    kube.delete(APPLICATIONS, namespace, "web")
    kube.wait("gone", lambda: kube.get(APPLICATIONS, namespace, "web") is None)
    kube.apply(application(namespace, workload=PORTS))
    ready = kube.wait_condition(namespace, "web", "Ready", seconds=60)
    deployment = kube.get(DEPLOYMENTS, namespace, "web")
    assert deployment is not None
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == ready["metadata"]["uid"]


@pytest.mark.parametrize("operator_is", ["there", "gone"])
def test_a_namespace_is_never_stuck(
    kube: Kube, operator_factory: Callable[[], OperatorProcess], namespace: str, operator_is: str
) -> None:
    operator = operator_factory()
    storage = [{"name": "data", "size": "1Gi", "mountPath": "/data"}]
    kube.apply(application(namespace, workload={**PORTS, "storage": storage}))
    kube.apply(application(namespace, "db", workload={"kind": "StatefulSet", "storage": storage}))
    kube.wait_condition(namespace, "web", "Ready", seconds=60)
    if operator_is == "gone":
        operator.kill()
    kube.delete(NAMESPACES, None, namespace)
    kube.wait("the namespace is gone", lambda: kube.get(NAMESPACES, None, namespace) is None, seconds=60)


def test_a_conflict_ends_when_the_foreign_object_goes(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    service: Manifest = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": "web"},
        "spec": {"ports": [{"port": 99, "protocol": "TCP"}], "selector": {"legacy": "web"}},
    }  # fmt: skip
    kube.apply(service, manager="somebody")
    kube.apply(application(namespace, workload=PORTS))
    kube.wait_condition(namespace, "web", "Stalled")
    found = kube.get(SERVICES, namespace, "web")
    assert found is not None
    assert found["spec"]["selector"] == {"legacy": "web"}
    kube.delete(SERVICES, namespace, "web")
    kube.wait_condition(namespace, "web", "Ready", seconds=60)


@pytest.mark.parametrize(
    ("kind", "scarce"), [("Deployment", "pods"), ("StatefulSet", "pods"), ("Deployment", "services")]
)
def test_a_quota_that_refuses_is_told(
    kind: str, scarce: str, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(
        {
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"namespace": namespace, "name": "none"},
            "spec": {"hard": {scarce: "0"}},
        }
    )  # fmt: skip
    kube.wait("the quota is counted", lambda: (
        kube.request("GET", f"/api/v1/namespaces/{namespace}/resourcequotas/none").get("status", {}).get("hard")
    ))  # fmt: skip
    kube.apply(application(namespace, workload=({"kind": kind} if scarce == "pods" else PORTS)))

    def told() -> bool:
        ready = kube.conditions(namespace, "web").get("Ready", {})
        return (ready.get("status"), ready.get("reason")) == ("False", "QuotaExceeded") and (
            f"exceeded quota: none, requested: {scarce}=1" in ready["message"]
        )

    kube.wait("Ready says quota", told)
    if scarce == "services":
        kube.wait(
            "the pods run all the same", lambda: kube.get(APPLICATIONS, namespace, "web")["status"]["ready"] == "1/1"
        )
        kube.request("DELETE", f"/api/v1/namespaces/{namespace}/resourcequotas/none")
        kube.wait_condition(namespace, "web", "Ready", seconds=60)


def test_why_a_pod_waits_is_told(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace, workload={"nodeSelector": {"value": ""}}))

    def told() -> bool:
        ready = kube.conditions(namespace, "web").get("Ready", {})
        return ready.get("reason") == "Unschedulable" and "didn't match Pod's node affinity" in ready["message"]

    kube.wait("Ready says that no node fits", told)
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")


def test_any_text_is_carried_to_the_container_as_it_is(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    """Emoji, controls, NUL, what YAML calls unprintable, and as much as there may be of it."""
    strange = "😀 \\ud83d ünïcode ☃ \u0000\u0001\u0085\u2028\ufeff\uffff\r\n\ttrailing \n"
    files = {"/etc/strange": strange} | {f"/etc/large{number}": "😀é\n" * 30_000 for number in range(4)}
    wanted = application(namespace, config={"files": files, "env": {"STRANGE": strange}})
    kube.request("POST", APPLICATIONS.url(namespace), wanted)
    kube.wait_condition(namespace, "web", "Ready")
    stored = kube.get(CONFIG_MAPS, namespace, "web-config")
    assert stored is not None
    assert sorted(stored["data"].values()) == sorted([strange, *files.values()])


def test_the_status_is_written_last_and_true(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    """Whoever sees Ready=True with observedGeneration==generation may rely on it, whatever edits race."""
    kube.apply(application(namespace))
    for replicas in (2, 4, 1, 3):
        kube.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": replicas}}})
        ready = kube.wait_condition(namespace, "web", "Ready")
        deployment = kube.get(DEPLOYMENTS, namespace, "web")
        assert deployment is not None
        if ready["spec"]["scaling"]["replicas"] == replicas:
            assert deployment["spec"]["replicas"] == replicas
            assert deployment["status"]["readyReplicas"] == replicas


def test_the_definition_is_established_and_explained(kube: Kube, operator: OperatorProcess) -> None:
    crd = kube.get(CRDS, None, "applications.timonier.dev")
    assert crd is not None
    conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_the_kind_cannot_change(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace))
    with pytest.raises(RefusedError, match="kind"):
        kube.apply(application(namespace, workload={"kind": "StatefulSet"}))
