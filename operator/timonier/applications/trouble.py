"""Why pods do not come up, in plain words: read from the pods themselves, and from events where those are silent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from timonier.applications.reasons import Reason, Words
from timonier.engine.contract import Manifest
from timonier.runs.outcome import has_ended

__all__ = ["Suspect", "due", "next_look", "stuck", "suspect", "trouble_of", "unready_for"]

_PATIENCE: Final = 5.0
_LONGEST_PAUSE: Final = 60.0

_PULL: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_START: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"}
)
_BY_EVENT: Final = {
    "FailedMount": Reason.VOLUME_NOT_READY,
    "FailedAttachVolume": Reason.VOLUME_NOT_READY,
    "Unhealthy": Reason.PROBE_FAILED,
}
_EXPECTED: Final = (Reason.SUSPENDED, Reason.RESTORING, Reason.UPGRADE_DOWNTIME, Reason.UPGRADE_FAILED)
_STUCK_AFTER: Final = 20.0
_LEARNT_FROM: Final = {"StatefulSet": frozenset({"FailedCreate"}), "Pod": frozenset(_BY_EVENT)}


@dataclass(frozen=True, slots=True)
class Suspect:
    """The object whose events may tell more. `uid` keeps it apart from earlier ones of its name."""

    kind: str
    name: str
    uid: str


def unready_for(status: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds since an Application became not Ready; None where it is, or where nobody expects it to be."""
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions", ())
    ready = next((found for found in conditions if found.get("type") == "Ready"), {})
    if ready.get("status") != "False" or ready.get("reason") in _EXPECTED:
        return None
    since = datetime.fromisoformat(ready["lastTransitionTime"])
    return max(0.0, (now - since.astimezone(UTC)).total_seconds())


def due(unready: float) -> bool:
    """Whether the pods are worth a look now."""
    return unready >= _PATIENCE


def next_look(unready: float) -> float:
    """Seconds until the pods are worth a look: most come up by themselves, and old trouble does not change quickly.

    What pods say changes without any change of the workload, so no watch tells when to look again.
    """
    return _PATIENCE - unready if unready < _PATIENCE else min(unready, _LONGEST_PAUSE)


def suspect(workload: Manifest, pods: Sequence[Manifest]) -> Suspect | None:
    """Whose events to ask for; None where the pods say it themselves, or where events would add nothing."""
    metadata = workload["metadata"]
    if workload["kind"] == "StatefulSet" and len(pods) < workload["spec"].get("replicas", 1):
        return Suspect("StatefulSet", metadata["name"], metadata["uid"])
    waiting = _unready(pods)
    if not waiting or any(_words(pod) for pod in waiting) or not waiting[0]["spec"].get("nodeName"):
        return None
    return Suspect("Pod", waiting[0]["metadata"]["name"], waiting[0]["metadata"]["uid"])


def trouble_of(pods: Sequence[Manifest], events: Sequence[Manifest] = ()) -> Words | None:
    """What keeps the newest pod that is in trouble from being ready; None where nothing is known."""
    told = next((words for pod in _unready(pods) if (words := _words(pod))), None)
    return told or _from_events(events)


def stuck(workload: Manifest, pods: Sequence[Manifest], now: datetime) -> list[Manifest]:
    """The pods of an older revision that a StatefulSet would wait for to get ready, for ever, before it replaces them.

    Source: https://github.com/kubernetes/kubernetes/issues/67250
    """
    status: Mapping[str, Any] = workload.get("status", {})
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 1)
    if not seen or not status.get("updateRevision") or not _waits_for_old_pods(workload):
        return []
    return [
        pod
        for pod in _unready(pods)
        if pod["metadata"].get("labels", {}).get("controller-revision-hash", "") != status["updateRevision"]
        and _unready_since(pod, now) >= _STUCK_AFTER
    ]


def _waits_for_old_pods(workload: Manifest) -> bool:
    """A StatefulSet that replaces all its pods, one after the other; one that was taken over may be told otherwise."""
    if (
        workload["kind"] != "StatefulSet"
        or workload["spec"].get("podManagementPolicy", "OrderedReady") != "OrderedReady"
    ):
        return False
    strategy = workload["spec"].get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    return strategy.get("type", "RollingUpdate") == "RollingUpdate" and partition == 0


def _unready_since(pod: Manifest, now: datetime) -> float:
    since = _condition(pod, "Ready").get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return (now - datetime.fromisoformat(since).astimezone(UTC)).total_seconds()


def _unready(pods: Iterable[Manifest]) -> list[Manifest]:
    """The pods that should get ready and are not, the newest first."""
    candidates = [
        pod
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and not has_ended(pod)
        and _condition(pod, "Ready").get("status") != "True"
    ]
    return sorted(candidates, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))[::-1]


def _condition(pod: Manifest, type_: str) -> Mapping[str, Any]:
    conditions: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("conditions", ())
    return next((condition for condition in conditions if condition.get("type") == type_), {})


def _words(pod: Manifest) -> Words | None:
    name = pod["metadata"]["name"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return Reason.UNSCHEDULABLE, _line(f"pod {name} fits on no node: {scheduled.get('message', 'no reason given')}")
    told = (words for container in _containers(pod) if (words := _of_container(name, container)))
    return next(told, None)


def _containers(pod: Manifest) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses", ())
    yield from status.get("containerStatuses", ())


def _of_container(pod: str, container: Mapping[str, Any]) -> Words | None:
    state = container.get("state", {})
    waiting: Mapping[str, Any] = state.get("waiting", {})
    ended: Mapping[str, Any] = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
    reason = waiting.get("reason", "")
    who = f"container {container['name']} of pod {pod}"
    if reason in _PULL:
        detail = waiting.get("message", reason).rpartition("ErrImagePull: ")[2]
        return Reason.IMAGE_PULL_FAILED, _line(f"pod {pod} cannot pull the image {container['image']}: {detail}")
    if reason in _START:
        return Reason.CONTAINER_CANNOT_START, _line(f"{who} cannot start: {waiting.get('message', reason)}")
    if ended.get("reason") in _START:
        return Reason.CONTAINER_CANNOT_START, _line(f"{who} cannot start: {ended.get('message', ended['reason'])}")
    if container.get("ready") or not ended or container.get("restartCount", 0) < (2 if "running" in state else 1):
        return None
    return Reason.CRASH_LOOP, f"{who} ends again and again: {_ending(ended)}"


def _ending(ended: Mapping[str, Any]) -> str:
    code, reason = ended.get("exitCode"), ended.get("reason", "Error")
    if reason == "OOMKilled":
        return f"exit code {code}, out of memory: raise workload.resources.limits.memory"
    if code == 0:
        return "exit code 0, though it should keep running"
    return f"exit code {code} ({reason}); kubectl logs --previous tells more"


def _from_events(events: Iterable[Manifest]) -> Words | None:
    told = [event for event in events if event.get("reason") in _LEARNT_FROM.get(event["regarding"]["kind"], ())]
    if not told:
        return None
    latest = max(told, key=_last_seen)
    note = latest.get("note", "")
    about = latest["regarding"]
    if about["kind"] == "StatefulSet":
        return (Reason.QUOTA_EXCEEDED if "exceeded quota" in note else Reason.FAILED_CREATE), _line(note)
    return _BY_EVENT[latest["reason"]], _line(f"pod {about['name']}: {note}")


def _last_seen(event: Manifest) -> str:
    series: Mapping[str, Any] = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or event.get("eventTime") or "")


def _line(text: str) -> str:
    return " ".join(text.split())
