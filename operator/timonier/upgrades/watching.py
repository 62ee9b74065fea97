"""What is seen of a revision: whether its image is there, its pods get ready, and it stays well. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.conditions import condition_of
from timonier.api.moments import moment
from timonier.api.policies import UpgradePolicy
from timonier.api.runs import StepStatus
from timonier.api.upgrade import Upgrade
from timonier.applications.children import REVISION_ANNOTATION
from timonier.applications.reasons import Reason as Trouble
from timonier.applications.status import verdict_of
from timonier.applications.trouble import trouble_of
from timonier.engine.contract import Manifest
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason
from timonier.upgrades.plan import RECOVER

__all__ = ["PULL_PATIENCE", "baking", "image_seen", "rolled", "rolling_back"]

PULL_PATIENCE: Final = 30.0
"""Seconds that an image may take to be pulled again after a failure: registries have bad moments."""
_POLL: Final = 1.0
_LEAST_PATIENCE: Final = 300
_POD_PATIENCE: Final = 60.0
_UNREADY_PATIENCE: Final = 30.0
_MOST_RESTARTS: Final = 3
_PULL: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_PULL_NEVER: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})


def image_seen(pods: Sequence[Manifest], events: Sequence[Manifest], waited: float) -> Outcome | Progress:
    """Whether a node has the image, from the pod that tries to start it; `waited` is in seconds."""
    if not pods:
        told = next((str(event.get("note", "")) for event in events), "nothing tells why")
        if waited < _POD_PATIENCE:
            return Progress("a pod that looks whether the image is there is being made", _POLL)
        return Outcome(Reason.PREFLIGHT_FAILED, f"no pod of the new revision can be made: {told}")
    status: Mapping[str, Any] = pods[-1].get("status", {})
    return _of_container(status, waited) or _of_pod(status, waited)


def _of_container(status: Mapping[str, Any], waited: float) -> Outcome | Progress | None:
    container: Mapping[str, Any] = next(iter(status.get("containerStatuses", ())), {})
    waiting: Mapping[str, Any] = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULL:
        if waited < PULL_PATIENCE and reason not in _PULL_NEVER:
            return Progress(f"the image cannot be pulled: {message}", _POLL)
        return Outcome(Reason.IMAGE_PULL_FAILED, f"the image cannot be pulled: {message or reason}")
    if reason == "CreateContainerConfigError":
        return Outcome(Reason.PREFLIGHT_FAILED, f"the image cannot be started: {message}")
    return Outcome() if container.get("imageID") or "Error" in reason else None


def _of_pod(status: Mapping[str, Any], waited: float) -> Outcome | Progress:
    if status.get("phase") in ("Running", "Succeeded", "Failed"):
        return Outcome()
    scheduled = condition_of(status, "PodScheduled") or {}
    if waited >= _POD_PATIENCE and scheduled.get("status") == "False":
        return Outcome(Reason.PREFLIGHT_FAILED, f"a pod of it fits on no node: {scheduled.get('message', '')}")
    return Progress("the image is being looked for", _POLL)


def rolled(
    application: Application,
    revision: str,
    workload: Manifest | None,
    pods: Sequence[Manifest],
    step: StepStatus,
    policy: UpgradePolicy,
    now: datetime,
) -> Outcome | Progress:
    """Whether every pod is of that revision and ready, or why it will not come to that.

    `application` is it at that revision, `pods` are those of it. On the way back there is nothing else to try, so
    whatever takes its time is waited for.
    """
    stated = workload is not None and workload["metadata"].get("annotations", {}).get(REVISION_ANNOTATION) == revision
    verdict = verdict_of(application, workload, current=stated)
    if verdict.complete:
        return Outcome()
    waited = (now - moment(step.start_time)).total_seconds() if step.start_time else 0.0
    trouble = trouble_of(pods)
    told = f"{verdict.ready} of {verdict.desired} pods are ready" + (f"; {trouble[1]}" if trouble else "")
    if step.name == RECOVER:
        patience = max(policy.progress_deadline_seconds, _LEAST_PATIENCE)
        return (
            Progress(told, _POLL)
            if waited < patience
            else Outcome(Reason.NOT_READY, f"not within {patience} s: {told}")
        )
    if trouble and trouble[0] is Trouble.IMAGE_PULL_FAILED and waited >= PULL_PATIENCE:
        return Outcome(Reason.IMAGE_PULL_FAILED, told)
    if trouble and trouble[0] is Trouble.CRASH_LOOP and max(map(_restarts, pods)) >= _MOST_RESTARTS:
        return Outcome(Reason.CRASH_LOOP, told)
    if waited >= policy.progress_deadline_seconds:
        return Outcome(Reason.PROGRESS_DEADLINE_EXCEEDED, f"not within {policy.progress_deadline_seconds} s: {told}")
    return Progress(told, _POLL)


def rolling_back(
    application: Application,
    revision: str,
    workload: Manifest | None,
    upgrade: Upgrade,
    step: StepStatus,
    now: datetime,
) -> Outcome | Progress:
    """Whether the pods are on their way back. Where data goes back as well, none of the new revision is to be left."""
    waited = (now - moment(step.start_time)).total_seconds() if step.start_time else 0.0
    found = workload or {"metadata": {}}
    stated = found["metadata"].get("annotations", {}).get(REVISION_ANNOTATION) == revision
    status: Mapping[str, Any] = found.get("status", {})
    seen = stated and status.get("observedGeneration", 0) >= found["metadata"].get("generation", 1)
    replaced = seen and status.get("updatedReplicas", 0) == status.get("replicas", 0)
    if replaced or (seen and upgrade.spec.policy.rollback_data == "None"):
        return Outcome()
    if waited >= _POD_PATIENCE:
        return Outcome(message=f"not all pods of {application.metadata.name} were replaced; it goes on all the same")
    return Progress("the revision before is being brought back", _POLL)


def _restarts(pod: Manifest) -> int:
    statuses: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses", ())
    return max((status.get("restartCount", 0) for status in statuses), default=0)


def baking(
    pods: Sequence[Manifest], probes: Outcome | Progress | None, step: StepStatus, policy: UpgradePolicy, now: datetime
) -> Outcome | Progress:
    """Whether the new revision stays well. `pods` are those of it; `probes` is how asking it again and again goes."""
    begun = moment(step.start_time) if step.start_time else now
    for pod in pods:
        if (words := _unwell(pod, begun, now)) is not None:
            return Outcome(Reason.BAKE_FAILED, words)
    if isinstance(probes, Outcome) and probes.error is not None:
        reason = Reason.BAKE_FAILED if probes.error is Reason.VERIFICATION_FAILED else probes.error
        return Outcome(reason, probes.message)
    left = policy.bake_seconds - (now - begun).total_seconds()
    if left > 0:
        return Progress(f"it is watched for {policy.bake_seconds} s", min(left, 2.0))
    return Progress("the last probes are under way", _POLL) if isinstance(probes, Progress) else Outcome()


def _unwell(pod: Manifest, begun: datetime, now: datetime) -> str | None:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
        if (at := ended.get("finishedAt")) and moment(at) > begun:
            code = ended.get("exitCode")
            return f"container {container['name']} of pod {name} ended with exit code {code} ({ended.get('reason')})"
    ready = condition_of(status, "Ready")
    if ready is None or ready["status"] == "True" or "deletionTimestamp" in pod["metadata"]:
        return None
    since = max(moment(ready.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]), begun)
    return (
        f"pod {name} has not been ready for {_UNREADY_PATIENCE:.0f} s"
        if _seconds(since, now) > _UNREADY_PATIENCE
        else None
    )


def _seconds(since: datetime, now: datetime) -> float:
    return (now.astimezone(UTC) - since).total_seconds()
