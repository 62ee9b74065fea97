"""How many pods: the number to state, the autoscaler, the disruption budget, and handing the number over."""

from typing import Any

from timonier.api.application import Application, Scaling
from timonier.api.fields import stated_fields
from timonier.api.resources import HORIZONTAL_POD_AUTOSCALERS, POD_DISRUPTION_BUDGETS
from timonier.applications.children import MANAGER, REPLICAS_ANNOTATION, child, workload_resource
from timonier.engine.contract import Manifest
from timonier.engine.difference import owned_fields

__all__ = [
    "autoscaler",
    "desired_replicas",
    "disruption_budget",
    "handed_over",
    "kept_replicas",
    "sized",
    "stated_replicas",
    "suspended",
]


def suspended(application: Application) -> Application:
    """The Application as it would be with spec.suspend."""
    return application.model_copy(update={"spec": application.spec.model_copy(update={"suspend": True})})


def stated_replicas(application: Application) -> int | None:
    """The number of pods to state in the workload; None leaves it to the autoscaler."""
    if application.spec.suspend:
        return 0
    return None if application.spec.scaling.autoscaling else application.spec.scaling.replicas


def sized(application: Application, replicas: int) -> Application:
    """The Application as it would be with that number of pods."""
    scaling = Scaling(replicas=replicas)
    return application.model_copy(update={"spec": application.spec.model_copy(update={"scaling": scaling})})


def desired_replicas(application: Application, live: Manifest | None) -> int:
    """The number of pods there should be now: what the autoscaler wrote, where it decides."""
    stated = stated_replicas(application)
    autoscaling = application.spec.scaling.autoscaling
    if stated is not None or autoscaling is None:
        return stated or 0
    return max(_live_replicas(live), autoscaling.min_replicas)


def _live_replicas(live: Manifest | None) -> int:
    return int(live["spec"].get("replicas", 1)) if live is not None else 0


def kept_replicas(application: Application, live: Manifest | None) -> int | None:
    """The number of pods that the autoscaler had asked for, while all are stopped; None where it is not to be kept."""
    if live is None or not application.spec.suspend or application.spec.scaling.autoscaling is None:
        return None
    return _last_replicas(live) or None


def _last_replicas(live: Manifest) -> int:
    """What there are, or were before all were stopped."""
    told = live["metadata"].get("annotations", {}).get(REPLICAS_ANNOTATION, "")
    return _live_replicas(live) or (int(told) if told.isdecimal() else 0)


def handed_over(application: Application, live: Manifest | None) -> dict[str, Any] | None:
    """The manifest that keeps the number of pods while the operator stops stating it; None where nothing is to keep.

    Server-side apply resets a field that its only owner leaves out. Another field manager therefore takes the number
    over first; the autoscaler overwrites it as it likes.
    """
    autoscaling = application.spec.scaling.autoscaling
    if autoscaling is None or application.spec.suspend:
        return None
    if live is None:
        if autoscaling.min_replicas == 1:
            return None  # what a workload is created with
    elif _live_replicas(live) != 0 and "f:replicas" not in owned_fields(live, MANAGER).get("f:spec", {}):
        return None
    resource = workload_resource(application)
    before = 0 if live is None else _last_replicas(live)
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"namespace": application.metadata.namespace, "name": application.metadata.name},
        "spec": {"replicas": max(before, autoscaling.min_replicas)},
    }


def autoscaler(application: Application, *, shrinks: bool = True) -> dict[str, Any] | None:
    """The HorizontalPodAutoscaler; none while suspended. Without `shrinks` it takes away no pods for now.

    While other pods serve beside the Application's own, or instead of them, what these have to do says too little.
    """
    autoscaling = application.spec.scaling.autoscaling
    if autoscaling is None or application.spec.suspend:
        return None
    resource = workload_resource(application)
    metrics = [
        {
            "type": "Resource",
            "resource": {
                "name": metric.type,
                "target": {"type": "Utilization", "averageUtilization": metric.target},
            },
        }
        for metric in autoscaling.metrics
    ]
    body = {
        "scaleTargetRef": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": application.metadata.name,
        },
        "minReplicas": autoscaling.min_replicas,
        "maxReplicas": autoscaling.max_replicas,
        "metrics": metrics,
        "behavior": stated_fields(autoscaling.behavior)
        | ({} if shrinks else {"scaleDown": {"selectPolicy": "Disabled"}}),
    }
    return child(application, HORIZONTAL_POD_AUTOSCALERS, application.metadata.name, {"spec": body})


def disruption_budget(application: Application, selector: dict[str, Any]) -> dict[str, Any] | None:
    """At most one pod is away for maintenance of nodes; none where there is only one pod, which would block drains."""
    scaling = application.spec.scaling
    most = scaling.autoscaling.max_replicas if scaling.autoscaling else scaling.replicas
    if most <= 1 or application.spec.suspend:
        return None
    # Pods that are broken anyway never hold up the drain of a node.
    body = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector}
    return child(application, POD_DISRUPTION_BUDGETS, application.metadata.name, {"spec": body})
