"""What is seen of a revision: whether its image is there, its pods get ready, and it stays well. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.conditions import condition_of
from timonier.api.moments import moment, stamp
from timonier.api.policies import UpgradePolicy
from timonier.api.references import NEXT_LABEL
from timonier.api.runs import StepStatus
from timonier.api.upgrade import Upgrade
from timonier.applications.beside import is_beside
from timonier.applications.exposure import has_service
from timonier.applications.reasons import Reason as Trouble
from timonier.applications.reasons import Words
from timonier.applications.revisions import Revision
from timonier.applications.scaling import stated_replicas
from timonier.applications.status import verdict_of
from timonier.applications.trouble import trouble_of
from timonier.applications.workload import mark_of
from timonier.backups.restore_plan import has_stopped
from timonier.engine.contract import Manifest
from timonier.runs.outcome import Outcome, Progress, has_ended
from timonier.runs.reasons import Reason
from timonier.runs.turn import steps_of
from timonier.upgrades.plan import RECOVER, SWITCH, WITH_PODS, at_stake, kind_of

__all__ = [
    "PULL_PATIENCE",
    "baking",
    "coming_back",
    "has_run",
    "image_seen",
    "is_tried",
    "leads",
    "left_to_go",
    "loader",
    "rolled",
    "rolling_back",
    "stop_all",
    "stopped",
    "switched",
]

PULL_PATIENCE: Final = 30.0
"""Seconds that an image may take to be pulled again after a failure: registries have bad moments."""
_POLL: Final = 1.0
_LEAST_PATIENCE: Final = 300
_SETTLES: Final = 5.0
"""Seconds from when a Service states other pods until every node leads there, with much to spare."""
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
    verdict = verdict_of(application, workload, current=mark_of(workload or {}) == revision)
    if verdict.complete:
        return Outcome()
    trouble = trouble_of(pods)
    told = f"{verdict.ready} of {verdict.desired} pods are ready" + (f"; {trouble[1]}" if trouble else "")
    if step.name == RECOVER:
        patience = max(policy.progress_deadline_seconds, _LEAST_PATIENCE)
        return _in_time(told, step, patience, Reason.NOT_READY, now)
    deadline = policy.progress_deadline_seconds
    late = _in_time(told, step, deadline, Reason.PROGRESS_DEADLINE_EXCEEDED, now)
    return _hopeless(pods, trouble, told, now) or late


def _hopeless(pods: Sequence[Manifest], trouble: Words | None, told: str, now: datetime) -> Outcome | None:
    """What will not come right by itself."""
    if trouble and trouble[0] is Trouble.IMAGE_PULL_FAILED and _pulling_for(pods, now) >= PULL_PATIENCE:
        return Outcome(Reason.IMAGE_PULL_FAILED, told)
    if trouble and trouble[0] is Trouble.CRASH_LOOP and max(map(_restarts, pods)) >= _MOST_RESTARTS:
        return Outcome(Reason.CRASH_LOOP, told)
    return None


def _in_time(told: str, step: StepStatus, seconds: int, late: Reason, now: datetime) -> Outcome | Progress:
    """Whether what is not there yet is waited for any longer."""
    return Outcome(late, f"not within {seconds} s: {told}") if _waited(step, now) >= seconds else Progress(told, _POLL)


def left_to_go(
    upgrade: Upgrade, pods: Sequence[Manifest], before: Revision, commands: Sequence[Manifest]
) -> list[Manifest]:
    """The pods that must have ended before the way back goes on: those of other revisions, and of commands.

    `pods` are all of the application, `commands` those of migrations and of probes that are Jobs. Where old pods have
    served beside these all the time and no data is undone, there is nothing to wait for.
    """
    if not (at_stake(upgrade) or upgrade.status.get("rollout", {}).get("suspended")):
        return []
    return [pod for pod in (*(each for each in pods if mark_of(each) != before.mark), *commands) if not has_ended(pod)]


def rolling_back(
    workload: Manifest | None,
    pods: Sequence[Manifest],
    left: Sequence[Manifest],
    upgrade: Upgrade,
    step: StepStatus,
    now: datetime,
    *,
    obstacle: str = "",
) -> Outcome | Progress:
    """Whether the pods are on their way back. Where data goes back as well, nothing is to be at work on it.

    Without that, a pod that does not end holds up nobody. `obstacle` is what the Application says that is in its way.

    `pods` are all of the application, `left` is as by `left_to_go`.
    """
    found = workload or {"metadata": {}}
    if mark_of(found) != upgrade.spec.from_revision:
        return coming_back(step, upgrade.spec.policy, now, obstacle)
    if found.get("status", {}).get("observedGeneration", 0) < found["metadata"].get("generation", 1):
        return Progress("the revision before is being brought back", _POLL)
    may_come = any(step.attempts and kind_of(step.name) in WITH_PODS for step in steps_of(upgrade.status))
    if not left and at_stake(upgrade) and may_come and _waited(step, now) < _SETTLES:
        return Progress("the last pods of the new revision may still come", _POLL)
    if left:
        name = left[0]["metadata"]["name"]
        told = f"it goes on once {len(left)} pods that may be at work on the data have ended, of which {name} is one"
        return Progress(f"{told}; if its node is gone for good, delete it with --force", _POLL)
    suspended = upgrade.status.get("rollout", {}).get("suspended")
    return has_stopped(workload, pods) if suspended and at_stake(upgrade) else Outcome()


def coming_back(step: StepStatus, policy: UpgradePolicy, now: datetime, obstacle: str) -> Outcome | Progress:
    """What is to be written on the way back is waited for: not without end where the Application cannot write it."""
    told = "the revision before is being brought back" + (f"; {obstacle}" if obstacle else "")
    if not obstacle:
        return Progress(told, _POLL)
    return _in_time(told, step, max(policy.progress_deadline_seconds, _LEAST_PATIENCE), Reason.NOT_READY, now)


def is_tried(service: Manifest | None, beside: Manifest | None, pods: Sequence[Manifest]) -> bool:
    """Whether something is left of what was tried beside the Application's workload: requests, or pods that stay."""
    led = NEXT_LABEL in (service or {}).get("spec", {}).get("selector", {})
    there = beside is not None and "deletionTimestamp" not in beside["metadata"]
    return led or there or any(is_beside(pod) and not _goes(pod) for pod in pods)


def _goes(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"] or has_ended(pod)


def loader(
    application: Application, pods: Sequence[Manifest], step: StepStatus, policy: UpgradePolicy, now: datetime
) -> Progress | None:
    """What the way back of the data waits for, where a pod loads it; None once one is ready, or none will be.

    `pods` are those of the revision before.
    """
    if any(map(_ready, pods)):
        return None
    if stated_replicas(application) == 0:
        return Progress("the data is loaded by a pod that is ready, and no pods are asked for", _POLL)
    late = _waited(step, now) >= max(policy.progress_deadline_seconds, _LEAST_PATIENCE)
    return None if late else Progress("the data is loaded by a pod that is ready, and none is yet", _POLL)


def stop_all(upgrade: Upgrade, step: StepStatus, left: Sequence[Manifest], now: datetime) -> Mapping[str, Any]:
    """What is added to the status when pods of the new revision do not go because those of the old one do not come.

    Without any pod, nothing is at work on the data; once it is undone, those of the old one get ready.
    """
    rollout, policy = upgrade.status.get("rollout", {}), upgrade.spec.policy
    stay = any("deletionTimestamp" not in pod["metadata"] for pod in left)
    due = stay and _waited(step, now) >= policy.progress_deadline_seconds
    if not due or rollout.get("suspended"):
        return {}
    downtime = upgrade.status.get("downtime") or {"start": stamp(now)}
    return {"rollout": {**rollout, "suspended": True}, "downtime": downtime}


def stopped(
    workload: Manifest | None, pods: Sequence[Manifest], step: StepStatus, policy: UpgradePolicy, now: datetime
) -> Outcome | Progress:
    """Whether every pod of the application is gone, or why that is not waited for any longer."""
    seen = has_stopped(workload, pods)
    if isinstance(seen, Outcome):
        return seen
    deadline = policy.progress_deadline_seconds
    return _in_time(seen.trouble or "", step, deadline, Reason.PROGRESS_DEADLINE_EXCEEDED, now)


def has_run(pods: Sequence[Manifest]) -> bool:
    """Whether a container of any of these pods has ever been started."""
    statuses = (status for pod in pods for status in pod.get("status", {}).get("containerStatuses", ()))
    return any(
        status.get("containerID")
        or status.get("restartCount")
        or {"running", "terminated"} & set(status.get("state", {}))
        for status in statuses
    )


def _pulling_for(pods: Sequence[Manifest], now: datetime) -> float:
    """Seconds for which a node has tried to pull an image that it cannot get."""
    waiting = (
        (pod, status)
        for pod in pods
        for status in pod.get("status", {}).get("containerStatuses", ())
        if status.get("state", {}).get("waiting", {}).get("reason") in _PULL
    )
    return max((_seconds(_pulled_since(pod, status), now) for pod, status in waiting), default=0.0)


def _pulled_since(pod: Manifest, status: Mapping[str, Any]) -> datetime:
    """Not before the pod had a node, and not while the container still ran."""
    scheduled = condition_of(pod["status"], "PodScheduled") or {}
    ended = status.get("lastState", {}).get("terminated") or {}
    times = (pod["metadata"]["creationTimestamp"], scheduled.get("lastTransitionTime"), ended.get("finishedAt"))
    return max(moment(time) for time in times if time)


def _restarts(pod: Manifest) -> int:
    statuses: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses", ())
    return max((status.get("restartCount", 0) for status in statuses), default=0)


def leads(service: Manifest | None, step: StepStatus) -> bool:
    """Whether the Application's Service states the pods that it is to lead to from that step on."""
    selector = (service or {}).get("spec", {}).get("selector", {})
    return service is not None and (NEXT_LABEL in selector) == (step.name == SWITCH)


def switched(
    application: Application,
    service: Manifest | None,
    upgrade: Upgrade,
    step: StepStatus,
    now: datetime,
    *,
    obstacle: str = "",
) -> Outcome | Progress:
    """Whether the Application's Service leads where it is to, and has for long enough that nobody is on the old way.

    Since when, `status.switchedTime` says; `obstacle` is what the Application says that is in its way.
    """
    if not has_service(application):
        return Outcome()
    if not leads(service, step):
        if step.name != SWITCH:
            return coming_back(step, upgrade.spec.policy, now, obstacle)
        told = "the Service is to lead to the pods beside the Application's own workload"
        deadline = upgrade.spec.policy.progress_deadline_seconds
        return _in_time(told, step, deadline, Reason.PROGRESS_DEADLINE_EXCEEDED, now)
    since = upgrade.status.get("switchedTime")
    left = _SETTLES - (_seconds(moment(since), now) if since else 0.0)
    return Progress("requests find their new way", left) if left > 0 else Outcome()


def baking(
    pods: Sequence[Manifest],
    probes: Outcome | Progress | None,
    step: StepStatus,
    seconds: int,
    policy: UpgradePolicy,
    now: datetime,
) -> Outcome | Progress:
    """Whether the new revision stays well for so many `seconds`, and has a pod that is, at the end.

    `pods` are those of it; `probes` is how asking it again and again goes. That the cluster has no room for all of them
    says nothing of the revision.
    """
    begun = moment(step.start_time) if step.start_time else now
    for pod in pods:
        if (words := _unwell(pod, begun, now)) is not None:
            return Outcome(Reason.BAKE_FAILED, words)
    if isinstance(probes, Outcome) and probes.error is not None:
        reason = Reason.BAKE_FAILED if probes.error is Reason.VERIFICATION_FAILED else probes.error
        return Outcome(reason, probes.message)
    left = seconds - (now - begun).total_seconds()
    if left > 0:
        return Progress(f"it is watched for {seconds} s", min(left, 2.0))
    if not any(map(_ready, pods)):
        late = -left >= policy.progress_deadline_seconds
        told = "no pod of it is ready at the end"
        return Outcome(Reason.BAKE_FAILED, told) if late else Progress(told, _POLL)
    return Progress("the last probes are under way", _POLL) if isinstance(probes, Progress) else Outcome()


def _unwell(pod: Manifest, begun: datetime, now: datetime) -> str | None:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"] or _taken_away(status):
        return None  # a node that is emptied says nothing of the revision; another pod takes its place
    for container in status.get("containerStatuses", ()):
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
        if (at := ended.get("finishedAt")) and moment(at) > begun:
            code = ended.get("exitCode")
            return f"container {container['name']} of pod {name} ended with exit code {code} ({ended.get('reason')})"
    ready = condition_of(status, "Ready")
    if ready is None or ready["status"] == "True":
        return None
    since = max(moment(ready.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]), begun)
    return (
        f"pod {name} has not been ready for {_UNREADY_PATIENCE:.0f} s"
        if _seconds(since, now) > _UNREADY_PATIENCE
        else None
    )


def _ready(pod: Manifest) -> bool:
    return (condition_of(pod.get("status", {}), "Ready") or {}).get("status") == "True" and not _goes(pod)


def _taken_away(status: Mapping[str, Any]) -> bool:
    """The pod was evicted, preempted, or lost its node.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
    """
    disrupted = condition_of(status, "DisruptionTarget") or {}
    return disrupted.get("status") == "True" or status.get("reason") in (
        "Evicted",
        "NodeLost",
        "Terminated",
        "Shutdown",
    )


def _waited(step: StepStatus, now: datetime) -> float:
    return _seconds(moment(step.start_time), now) if step.start_time else 0.0


def _seconds(since: datetime, now: datetime) -> float:
    return (now.astimezone(UTC) - since).total_seconds()
