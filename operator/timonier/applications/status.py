"""What an Application's status says: verdicts with a reason from a closed list, numbers, addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.conditions import Condition, ConditionStatus, merged
from timonier.applications.reasons import Reason, Words
from timonier.applications.revisions import Course
from timonier.applications.scaling import desired_replicas
from timonier.applications.workload import image_reference, image_version
from timonier.engine.contract import Manifest

__all__ = ["Reason", "Verdict", "selector_text", "status_of", "verdict_of"]

_MOST_ENDPOINTS: Final = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is seen of the workload: number of pods by state, and what stands in the way, if anything."""

    desired: int
    replicas: int = 0
    ready: int = 0
    available: bool = False
    rolled_out: bool = False
    obstacle: Words | None = None
    """What needs a person: nothing goes on by itself."""
    trouble: Words | None = None
    """What keeps pods from getting ready; it may pass."""

    @property
    def complete(self) -> bool:
        """Every pod that is asked for is there, new and ready, and no other."""
        return self.rolled_out and self.obstacle is None and self.ready >= self.desired


def verdict_of(
    application: Application, live: Manifest | None, *, current: bool, trouble: Words | None = None
) -> Verdict:
    """Read the live workload. `current` False: it does not state what is wanted yet; what it says is about before.

    `trouble` is what its pods say."""
    desired = desired_replicas(application, live)
    if live is None:
        return Verdict(desired)
    status: Mapping[str, Any] = live.get("status", {})
    current = current and status.get("observedGeneration", 0) >= live["metadata"].get("generation", 1)
    replicas = status.get("replicas", 0)
    rolled_out = current and status.get("updatedReplicas", 0) == replicas == desired
    if live["kind"] == "StatefulSet":
        available = status.get("availableReplicas", 0) >= max(1, desired - 1)
        rolled_out = rolled_out and status.get("currentRevision") == status.get("updateRevision")
    else:
        available = _condition(live, "Available").get("status") == "True"
    return Verdict(
        desired=desired,
        replicas=replicas,
        ready=status.get("readyReplicas", 0),
        available=available,
        rolled_out=rolled_out,
        obstacle=_obstacle(live, trouble) if current and desired else None,
        trouble=trouble if desired else None,
    )


def _condition(live: Manifest, type_: str) -> Mapping[str, Any]:
    conditions: Sequence[Mapping[str, Any]] = live.get("status", {}).get("conditions", ())
    return next((condition for condition in conditions if condition.get("type") == type_), {})


def _obstacle(live: Manifest, trouble: Words | None) -> Words | None:
    failure = _condition(live, "ReplicaFailure")
    if failure.get("status") == "True":
        message = failure.get("message", "pods are refused")
        return (Reason.QUOTA_EXCEEDED if "exceeded quota" in message else Reason.FAILED_CREATE), message
    progress = _condition(live, "Progressing")
    if progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded":
        message = progress.get("message", "the rollout makes no progress")
        return Reason.PROGRESS_DEADLINE_EXCEEDED, f"{message} {trouble[1]}" if trouble else message
    return None


def status_of(
    application: Application,
    verdict: Verdict,
    selector: Mapping[str, Any],
    endpoints: Sequence[Mapping[str, str]],
    now: datetime,
    hold: str | None = None,
    going: Course | None = None,
) -> dict[str, Any]:
    """The complete status. `hold` names the run for which every pod of the suspended Application is stopped.

    `going` is about revisions, where it has any."""
    generation = application.metadata.generation
    conditions = merged(
        _conditions(application, verdict, hold, going or Course(application)),
        application.status.get("conditions", ()),
        generation=generation,
        now=now,
    )
    image = application.spec.workload.image
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": conditions,
        "image": image_reference(image),
        "version": image_version(image),
        "replicas": verdict.replicas,
        "readyReplicas": verdict.ready,
        "ready": f"{verdict.ready}/{verdict.desired}",
        "selector": selector_text(selector),
    }
    # The definition allows no more: many ports behind many addresses would make the whole status unwritable.
    named = [dict(endpoint) for endpoint in endpoints[:_MOST_ENDPOINTS]]
    return status | (dict(going.status) if going else {}) | ({"endpoints": named} if named else {})


def selector_text(selector: Mapping[str, Any]) -> str:
    """A label selector in the form that the scale subresource wants.

    >>> selector_text({"matchLabels": {"b": "2", "a": "1"}})
    'a=1,b=2'
    """
    parts = [f"{name}={value}" for name, value in sorted(selector.get("matchLabels", {}).items())]
    for expression in selector.get("matchExpressions", ()):
        key, operator, values = expression["key"], expression["operator"], ",".join(expression.get("values", ()))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(forms.get(operator, f"!{key}"))
    return ",".join(parts)


def _conditions(application: Application, verdict: Verdict, hold: str | None, going: Course) -> list[Condition]:
    pods = f"{verdict.ready} of {verdict.desired} pods are ready"
    stopped = _stopped(application, hold)
    kept = "every pod is stopped and the data is kept"
    return [
        _ready(application, verdict, pods, stopped, going),
        _progressing(verdict, pods, going),
        _available(verdict, pods, stopped),
        _stalled(verdict, going),
        Condition("Suspended", "True", stopped[0], f"{kept}, as the {hold} is under way")
        if stopped and hold
        else Condition("Suspended", "True", stopped[0], f"{kept}; unset spec.suspend to go on")
        if stopped
        else Condition("Suspended", "False", Reason.RUNNING, "spec.suspend is not set"),
        *([_upgrade_failed(going)] if going.revision else []),
    ]


def _stopped(application: Application, hold: str | None) -> Words | None:
    """Why no pod is to run, if none is."""
    if hold:
        reason = Reason.RESTORING if hold.startswith("restore") else Reason.UPGRADE_DOWNTIME
        return reason, f"the {hold} is under way"
    return (Reason.SUSPENDED, "spec.suspend is set") if application.spec.suspend else None


def _ready(application: Application, verdict: Verdict, pods: str, stopped: Words | None, going: Course) -> Condition:
    if verdict.obstacle:
        return Condition("Ready", "False", *verdict.obstacle)
    if stopped:
        return Condition("Ready", "False", *stopped)
    if (words := _not_ready(verdict, pods, going)) is not None:
        return Condition("Ready", "False", *words)
    return Condition("Ready", "True", *_all_ready(application, verdict, pods))


def _all_ready(application: Application, verdict: Verdict, pods: str) -> Words:
    autoscaling = application.spec.scaling.autoscaling
    if autoscaling:
        between = f"the autoscaler keeps {autoscaling.min_replicas} to {autoscaling.max_replicas}"
        return Reason.AUTOSCALER_ACTIVE, f"{pods}; {between}"
    if verdict.desired == 0:
        return Reason.SCALED_TO_ZERO, "no pods are asked for"
    return Reason.ALL_REPLICAS_READY, pods


def _not_ready(verdict: Verdict, pods: str, going: Course) -> Words | None:
    """Why not all is as asked for; None when it is."""
    if verdict.trouble and not verdict.complete:
        reason, sentence = verdict.trouble
        return reason, f"{pods}; {sentence}"
    if going.upgrading:
        return Reason.UPGRADING, f"{going.upgrading}; {pods}"
    if verdict.complete:
        return going.failed
    return Reason.REPLICAS_NOT_READY if verdict.rolled_out else Reason.ROLLOUT_IN_PROGRESS, pods


def _progressing(verdict: Verdict, pods: str, going: Course) -> Condition:
    if going.upgrading:
        return Condition("Progressing", "True", Reason.UPGRADING, going.upgrading)
    if verdict.obstacle:
        return Condition("Progressing", "False", *verdict.obstacle)
    if verdict.rolled_out:
        return Condition("Progressing", "False", Reason.ROLLOUT_COMPLETE, "the wanted revision is rolled out")
    return Condition("Progressing", "True", Reason.ROLLOUT_IN_PROGRESS, pods)


def _available(verdict: Verdict, pods: str, stopped: Words | None) -> Condition:
    if stopped:
        return Condition("Available", "False", *stopped)
    if verdict.obstacle and verdict.obstacle[0] is Reason.CONFLICT and not verdict.available:
        return Condition("Available", "Unknown", *verdict.obstacle)
    if verdict.available or (verdict.rolled_out and verdict.desired == 0):
        return Condition("Available", "True", Reason.MINIMUM_REPLICAS_AVAILABLE, "enough pods are available")
    return Condition("Available", "False", Reason.MINIMUM_REPLICAS_UNAVAILABLE, pods)


def _stalled(verdict: Verdict, going: Course) -> Condition:
    obstacle = verdict.obstacle or going.failed
    status: ConditionStatus = "True" if obstacle else "False"
    reason, message = obstacle or (Reason.HEALTHY, "nothing stands in the way")
    return Condition("Stalled", status, reason, message)


def _upgrade_failed(going: Course) -> Condition:
    if going.failed:
        return Condition("UpgradeFailed", "True", *going.failed)
    return Condition("UpgradeFailed", "False", Reason.HEALTHY, "no upgrade to what the spec asks for has failed")
