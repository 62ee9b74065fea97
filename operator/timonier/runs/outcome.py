"""What has become of a Job: read from it and its pod, as values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from timonier.api.moments import moment
from timonier.engine.contract import Manifest
from timonier.runs.reasons import Reason

__all__ = [
    "UNTOLD",
    "Lock",
    "Outcome",
    "Progress",
    "command_outcome",
    "finished",
    "has_ended",
    "has_succeeded",
    "next_look",
    "outcome_of",
    "probe_outcome",
    "progress_of",
]

UNTOLD: Final = datetime.max.replace(tzinfo=UTC)
"""The time of a lock that does not tell it: nobody can say that it is old."""

_CODES: Final = frozenset(Reason)
_LONGEST_SAID: Final = 500
_STUCK_WAITING: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
     "CreateContainerError"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that is under way. `trouble` says what it waits for, where that is worth telling.

    `again` is in how many seconds to look, where no watch tells of the next change.
    """

    trouble: str | None = None
    again: float | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a lock on a repository: the name that its pod gave itself, and when it last confirmed the lock."""

    hostname: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Job ended, and when: with `error` None and a `result`, or with an error and a message that says why.

    `locks` are those that its mover met, as they were when it ended.
    """

    error: Reason | None = None
    message: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    locks: tuple[Lock, ...] = ()
    ended: datetime | None = None


def finished(job: Manifest) -> bool:
    """The Job has ended, well or not, and so have its pods."""
    return _ended_as(job, "Complete") is not None or _ended_as(job, "Failed") is not None


def has_ended(pod: Manifest) -> bool:
    """Whether a pod is at work no more. One that is ending still is, and so is one whose node is not heard of."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def has_succeeded(pod: Manifest) -> bool:
    """Whether all that a pod was to do has been done well: its containers say so a second before its phase does."""
    status = pod.get("status", {})
    codes = [
        each.get("state", {}).get("terminated", {}).get("exitCode") for each in status.get("containerStatuses", ())
    ]
    return status.get("phase") == "Succeeded" or (bool(codes) and all(code == 0 for code in codes))


def next_look(since: str | None, now: datetime) -> float:
    """Seconds after which to look again at what has been waited for since then: few at first, and few beside that."""
    waited = (now - moment(since)).total_seconds() if since else 0.0
    return min(max(waited / 20, 0.5), 15.0)


def progress_of(pods: Sequence[Manifest]) -> Progress:
    """What the pod of a Job that runs waits for."""
    told = (words for pod in pods if (words := _waits_for(pod)))
    return Progress(next(told, None))


def outcome_of(job: Manifest, pods: Sequence[Manifest]) -> Outcome:
    """How a Job of the mover ended; `pods` are its own, of which the newest counts."""
    found = _outcome_of(job, pods)
    return replace(found, ended=found.ended or _end_of(job))


def command_outcome(job: Manifest, pods: Sequence[Manifest], failed: Reason) -> Outcome:
    """How a Job of an application's own command ended; `failed` is what it is called when it did not end well."""
    if _ended_as(job, "Complete") is not None:
        return Outcome(ended=_end_of(job))
    if (_ended_as(job, "Failed") or {}).get("reason") == "DeadlineExceeded":
        return Outcome(failed, "it did not end in time and was stopped", ended=_end_of(job))
    ended = next((found for pod in _newest_first(pods) if (found := _terminated(pod))), None)
    if ended is None:
        return Outcome(Reason.INTERRUPTED, "its pod went away before it was done", ended=_end_of(job))
    return Outcome(failed, _exit(ended), ended=_end_of(job))


def probe_outcome(job: Manifest, pods: Sequence[Manifest]) -> Outcome:
    """As `command_outcome`, of a probe: that somebody else ended its pod is no verdict, and it may be tried again."""
    found = command_outcome(job, pods, Reason.VERIFICATION_FAILED)
    late = (_ended_as(job, "Failed") or {}).get("reason") == "DeadlineExceeded"
    if found.error is Reason.VERIFICATION_FAILED and not late and any(map(_was_ended, pods)):
        return replace(found, error=Reason.INTERRUPTED)
    return found


def _was_ended(pod: Manifest) -> bool:
    ended = _terminated(pod) or {}
    killed = ended.get("exitCode") in (137, 143) and ended.get("reason") != "OOMKilled"
    conditions = pod.get("status", {}).get("conditions", ())
    return killed or any((each["type"], each["status"]) == ("DisruptionTarget", "True") for each in conditions)


def _end_of(job: Manifest) -> datetime | None:
    found = _ended_as(job, "Complete") or _ended_as(job, "Failed") or {}
    time = found.get("lastTransitionTime")
    return moment(time) if time else None


def _outcome_of(job: Manifest, pods: Sequence[Manifest]) -> Outcome:
    failed = _ended_as(job, "Failed")
    if failed is not None and failed.get("reason") == "DeadlineExceeded":
        return Outcome(Reason.TIMED_OUT, "it did not end in time and was stopped")
    if failed is None and not pods:
        return Outcome(Reason.INTERRUPTED, "its pod was removed before its result could be read")
    for pod in _newest_first(pods):
        first = _terminated(pod, "initContainerStatuses")
        if first is not None:
            return _followed(_left(first), pod)
    ended = next((found for pod in _newest_first(pods) if (found := _terminated(pod))), None)
    if ended is None:
        return Outcome(Reason.INTERRUPTED, "its pod went away before it was done")
    return _left(ended)


def _followed(mover: Outcome, pod: Manifest) -> Outcome:
    """How a mover and what came after it ended."""
    if mover.error is not None:
        return mover
    ended = _terminated(pod)
    if ended is None:
        return Outcome(Reason.INTERRUPTED, "its pod went away before it was done")
    if ended.get("exitCode") == 0:
        return mover
    return Outcome(Reason.VERIFICATION_FAILED, f"with the restored data, {_exit(ended)}", ended=mover.ended)


def _exit(ended: Mapping[str, Any]) -> str:
    said = " ".join(str(ended.get("message", "")).split())[-_LONGEST_SAID:]
    return f"it ended with exit code {ended.get('exitCode')}" + (f": {said}" if said else "")


def _ended_as(job: Manifest, type_: str) -> Mapping[str, Any] | None:
    conditions: Sequence[Mapping[str, Any]] = job.get("status", {}).get("conditions", ())
    return next((found for found in conditions if (found.get("type"), found.get("status")) == (type_, "True")), None)


def _newest_first(pods: Sequence[Manifest]) -> list[Manifest]:
    return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]), reverse=True)


def _terminated(pod: Manifest, which: str = "containerStatuses") -> Mapping[str, Any] | None:
    statuses = pod.get("status", {}).get(which, ())
    return next((ended for status in statuses if (ended := status.get("state", {}).get("terminated"))), None)


def _left(ended: Mapping[str, Any]) -> Outcome:
    """The termination message, which is the mover's result; killed movers leave none."""
    try:
        said = json.loads(ended.get("message") or "")
    except ValueError:
        said = None
    if not isinstance(said, dict) or "ok" not in said:
        return _left_nothing(ended)
    # The Job may learn of it much later.
    at = moment(ended["finishedAt"]) if ended.get("finishedAt") else None
    if said["ok"]:
        return Outcome(result={name: value for name, value in said.items() if name != "ok"}, ended=at)
    code = said.get("error")
    return Outcome(
        Reason(code) if code in _CODES else Reason.FAILED,
        str(said.get("message", "the mover did not say why")),
        locks=tuple(map(_lock, said.get("locks", ()))),
        ended=at,
    )


def _lock(said: Mapping[str, Any]) -> Lock:
    try:
        time = moment(str(said.get("time")))
    except ValueError:
        time = UNTOLD
    return Lock(str(said.get("hostname", "")), time)


def _left_nothing(ended: Mapping[str, Any]) -> Outcome:
    code, reason = ended.get("exitCode"), ended.get("reason", "Error")
    if reason == "OOMKilled":
        return Outcome(Reason.INTERRUPTED, "its container was killed for want of memory")
    if code in (137, 143):
        return Outcome(Reason.INTERRUPTED, f"its container was killed (exit code {code})")
    return Outcome(Reason.FAILED, f"its container ended without a result: exit code {code} ({reason})")


def _waits_for(pod: Manifest) -> str | None:
    status = pod.get("status", {})
    for condition in status.get("conditions", ()):
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            return f"its pod fits on no node: {condition.get('message', 'no reason given')}"
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _STUCK_WAITING:
            return f"its container cannot start: {waiting.get('message', waiting['reason'])}"
    return None
