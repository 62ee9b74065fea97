"""What every run's status says besides its steps: verdicts, phase, times. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from timonier.api.conditions import Condition, condition_of, merged
from timonier.api.moments import moment, span, stamp
from timonier.engine.events import Transition
from timonier.runs.reasons import Reason, Words
from timonier.runs.steps import Steps, current, last_of

__all__ = [
    "TERMINAL",
    "ended",
    "events",
    "has_failed",
    "held",
    "is_over",
    "released",
    "running",
    "seconds_kept",
    "seconds_left",
    "started",
    "waiting",
]

TERMINAL: Final = frozenset({"Succeeded", "Failed", "Cancelled"})
"""The phases in which nothing will happen any more."""

Status = Mapping[str, Any]


def is_over(status: Status) -> bool:
    """The run has ended."""
    return status.get("phase") in TERMINAL


def has_failed(status: Status) -> bool:
    """It will not end well: what is left is to undo and to clean up, if it is not over already."""
    found = condition_of(status, "Succeeded")
    return found is not None and found["status"] == "False"


def seconds_left(status: Status, since: str, timeout: int, now: datetime) -> float:
    """Seconds until the run has taken too long; before its start, since it was created (`since`).

    The time in which it was on hold does not count.
    """
    begun = status.get("startTime") or since
    return timeout - (now - moment(begun)).total_seconds() + _held_for(status, now)


def held(status: Status, since: str) -> dict[str, Any]:
    """It is on hold, since then or from before."""
    return {"heldTime": since, **status}


def released(status: Status, now: datetime) -> dict[str, Any]:
    """It is not on hold any more."""
    if "heldTime" not in status:
        return dict(status)
    without = {name: value for name, value in status.items() if name != "heldTime"}
    return without | {"heldSeconds": int(_held_for(status, now))}


def _held_for(status: Status, now: datetime) -> float:
    since = status.get("heldTime")
    return float(status.get("heldSeconds", 0)) + ((now - moment(since)).total_seconds() if since else 0.0)


def seconds_kept(status: Status, ttl: int | None, now: datetime) -> float | None:
    """Seconds until the object of a run that is over goes, by `ttlSecondsAfterFinished`; None when it stays."""
    ended_at = status.get("completionTime")
    if ttl is None or ended_at is None or not is_over(status):
        return None
    return max(0.0, ttl - (now - moment(ended_at)).total_seconds())


def waiting(status: Status, words: Words, generation: int, now: datetime) -> dict[str, Any]:
    """It has not begun, and this is why."""
    verdicts = [
        Condition("Accepted", "Unknown" if words[0] is Reason.SUSPENDED else "False", *words),
        Condition("Progressing", "False", *words),
        Condition("Succeeded", "Unknown", *words),
    ]
    return dict(status) | {"phase": "Pending"} | _verdicts(status, verdicts, generation, now)


def started(status: Status, steps: Steps, now: datetime) -> dict[str, Any]:
    """It begins now, with these steps."""
    return dict(status) | {"phase": "Running", "startTime": stamp(now)} | _steps(steps)


def running(status: Status, steps: Steps, failure: Words | None, generation: int, now: datetime) -> dict[str, Any]:
    """It is under way; with a `failure`, what is left is to undo and to clean up."""
    step = current(steps)
    doing = f"step {step.name}" if step else "all steps are done"
    if step is not None and step.message:
        doing = f"{doing}: {step.message}"
    reason = Reason.RETRYING if step is not None and step.retry_time else Reason.RUNNING
    verdicts = [
        Condition("Accepted", "True", Reason.ACCEPTED, "all that is needed is there"),
        Condition("Progressing", "True", reason, doing),
        Condition("Succeeded", "False", *failure) if failure else Condition("Succeeded", "Unknown", reason, doing),
    ]
    named = {"step": step.name} if step else {}
    return dict(status) | {"phase": "Running"} | named | _steps(steps) | _verdicts(status, verdicts, generation, now)


def ended(status: Status, steps: Steps, words: Words, generation: int, now: datetime) -> dict[str, Any]:
    """It is over: well with the reason Succeeded, on request with Cancelled, else failed."""
    reason, message = words
    well, cancelled = reason is Reason.SUCCEEDED, reason is Reason.CANCELLED
    was_accepted = bool(status.get("startTime"))
    accepted = (
        Condition("Accepted", "True", Reason.ACCEPTED, "all that was needed was there")
        if was_accepted
        else Condition("Accepted", "False", *words)
    )
    verdicts = [
        accepted,
        Condition("Progressing", "False", reason, message),
        Condition("Succeeded", "True" if well else "False", reason, message),
        *([Condition("Cancelled", "True", reason, message)] if cancelled else []),
    ]
    last = last_of(steps)
    begun = status.get("startTime")
    return (
        dict(status)
        | {"phase": "Succeeded" if well else "Cancelled" if cancelled else "Failed", "completionTime": stamp(now)}
        | ({"duration": span((now - moment(begun)).total_seconds())} if begun else {})
        | ({"step": last.name} if last else {})
        | _steps(steps)
        | _verdicts(status, verdicts, generation, now)
    )


def events(before: Status, after: Status, what: str) -> tuple[Transition, ...]:
    """What is worth an event: the start, each other obstacle, each retry, and the end."""
    was, is_ = _told(before), _told(after)
    if was == is_ or is_ is None:
        return ()
    phase, reason, message = is_
    if was is not None and was[:2] == is_[:2] and reason != Reason.RETRYING:
        return ()  # the same state in other words
    good = reason in (Reason.RUNNING, Reason.SUCCEEDED, Reason.CANCELLED)
    patient = phase == "Pending"
    note = f"{what}: {message}"
    return (Transition(reason, note, action=what.split(" ", 1)[0].capitalize(),
                       type="Normal" if good or patient else "Warning"),)  # fmt: skip


def _told(status: Status) -> tuple[str, str, str] | None:
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions", ())
    found = next((condition for condition in conditions if condition["type"] == "Succeeded"), None)
    return None if found is None else (str(status.get("phase")), found["reason"], found["message"])


def _steps(steps: Steps) -> dict[str, Any]:
    stated = [found.model_dump(mode="json", by_alias=True, exclude_none=True) for found in steps]
    return {"steps": stated} if stated else {}


def _verdicts(status: Status, verdicts: list[Condition], generation: int, now: datetime) -> dict[str, Any]:
    conditions = merged(verdicts, status.get("conditions", ()), generation=generation, now=now)
    return {"observedGeneration": generation, "conditions": conditions}
