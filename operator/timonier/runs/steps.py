"""The steps of a run as its status has them, and what each turn of events makes of them: pure, one at a time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from timonier.api.moments import moment, stamp
from timonier.api.runs import StepStatus

__all__ = [
    "APPROVE",
    "PAUSE",
    "Steps",
    "begun",
    "current",
    "cut",
    "ended",
    "last_of",
    "planned",
    "put_back",
    "put_off",
    "retry_at",
    "seen",
    "step",
    "until_retry",
    "wait",
    "waiting",
]

Steps = tuple[StepStatus, ...]

APPROVE: Final = "Approve"
"""The step in which a run has touched nothing yet, and waits for a person: others go first meanwhile."""
PAUSE: Final = "Pause"
"""The step in which a run that failed is left as it is until a person has seen enough of it."""
_FIRST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 300.0
_LONGEST_MESSAGE: Final = 2048


def planned(names: Iterable[str]) -> Steps:
    """Steps that all wait for their turn, in order."""
    return tuple(StepStatus(name=name, state="Pending") for name in names)


def step(steps: Steps, name: str) -> StepStatus:
    """The step of that name. Raises LookupError when there is none."""
    return next(found for found in steps if found.name == name)


def current(steps: Steps) -> StepStatus | None:
    """The step that runs, else the first that waits for its turn; None when all are over."""
    running = next((found for found in steps if found.state == "Running"), None)
    return running or next((found for found in steps if found.state == "Pending"), None)


def last_of(steps: Steps) -> StepStatus | None:
    """The step that a run ended in: the first that failed, else the last that was done."""
    failed = next((found for found in steps if found.state == "Failed"), None)
    return failed or next((found for found in reversed(steps) if found.state == "Succeeded"), None)


def begun(steps: Steps, name: str, now: datetime) -> Steps:
    """One more attempt begins; the Job of the attempt before is none of this one's."""
    attempts = (step(steps, name).attempts or 0) + 1
    return _changed(
        steps, name, state="Running", attempts=attempts, start_time=stamp(now), end_time=None, job_ref=None,
        retry_time=None, message=None,
    )  # fmt: skip


def seen(steps: Steps, name: str, job: str | None, message: str | None) -> Steps:
    """The Job of the present attempt exists; `message` says what it waits for, if it does."""
    return _changed(steps, name, job_ref=job, message=_cut(message))


def put_off(steps: Steps, name: str, until: datetime, message: str) -> Steps:
    """The attempt failed, and there will be another one."""
    return _changed(steps, name, state="Pending", retry_time=stamp(until), message=_cut(message))


def put_back(steps: Steps, name: str) -> Steps:
    """The step is to be done once more, whatever came of it. Jobs are named after attempts, so these count on."""
    return _changed(
        steps, name, state="Pending", start_time=None, end_time=None, job_ref=None, retry_time=None, message=None,
        void_attempts=step(steps, name).attempts,
    )  # fmt: skip


def waiting(steps: Steps, name: str, message: str) -> Steps:
    """The step is not to begin now, and this is why."""
    return _changed(steps, name, message=_cut(message))


def ended(steps: Steps, name: str, state: str, now: datetime, message: str | None = None) -> Steps:
    """The step is over, as `state` says."""
    return _changed(steps, name, state=state, end_time=stamp(now), retry_time=None, message=_cut(message))


def wait(attempts: int) -> float:
    """Seconds until a step is tried again after so many attempts: 10, 20, 40 … 300.

    >>> [wait(attempts) for attempts in (1, 2, 3, 10)]
    [10.0, 20.0, 40.0, 300.0]
    """
    return float(min(_FIRST_PAUSE * 2.0 ** min(attempts - 1, 16), _LONGEST_PAUSE))


def retry_at(attempts: int, now: datetime) -> datetime:
    """When a step that failed for that many times is tried again."""
    return now + timedelta(seconds=wait(attempts))


def until_retry(found: StepStatus, now: datetime) -> float:
    """Seconds until a step may be tried again; 0 when it may now."""
    return max(0.0, (moment(found.retry_time) - now).total_seconds()) if found.retry_time else 0.0


def _changed(steps: Steps, name: str, **fields: Any) -> Steps:
    return tuple(found.model_copy(update=fields) if found.name == name else found for found in steps)


def cut(message: str) -> str:
    """As much of a message as a status has room for."""
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"


def _cut(message: str | None) -> str | None:
    return None if message is None else cut(message)
