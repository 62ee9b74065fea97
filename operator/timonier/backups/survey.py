"""When a store is looked at, and what its status says afterwards: pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from timonier.api import quantity
from timonier.api.backup_store import BackupStore
from timonier.api.conditions import Condition, condition_of, merged
from timonier.api.moments import moment, stamp
from timonier.engine.events import Transition
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason, Words

__all__ = ["Plan", "Survey", "due_survey", "plan"]

_SHORTEST_PAUSE: Final = 10.0
_LONGEST_PAUSE: Final = 600.0
_MOST_KNOWN: Final = 1500
# Nothing of it passes by itself: a person has to change something.
_STALLED: Final = frozenset(
    {Reason.WRONG_PASSWORD, Reason.CORRUPTED, Reason.REPOSITORY_CHANGED, Reason.NOT_INITIALIZED,
     Reason.CREDENTIALS_MISSING, Reason.PERMISSION_DENIED, Reason.REFUSED}
)  # fmt: skip
# The store answered, whatever it said.
_ANSWERED: Final = frozenset(
    {Reason.WRONG_PASSWORD, Reason.CORRUPTED, Reason.REPOSITORY_CHANGED, Reason.NOT_INITIALIZED, Reason.LOCKED,
     Reason.NO_SPACE, Reason.PERMISSION_DENIED}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Survey:
    """One look at a store. `id` is the same until it is over; `checks`: the repository's structure is verified."""

    id: str
    checks: bool
    instruction: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the status is to say, whether the survey goes on, and when to look again, in seconds."""

    status: dict[str, Any]
    survey: Survey | None
    again: float | None
    events: tuple[Transition, ...] = ()


def due_survey(store: BackupStore, known: Sequence[str], now: datetime) -> Survey | None:
    """The look that is due or under way; None when there is time until the next one.

    `known` are the runs of which nothing needs to be told.
    """
    if _seconds_left(store, now) > 0:
        return None
    status, spec = store.status, store.spec
    verified = status.get("lastIntegrityCheckTime")
    checks = not verified or _age(verified, now) >= spec.integrity_check_interval_seconds
    # Only a store that never had a repository gets one: one that is lost must not be replaced by an empty one.
    initialize = not status.get("repository") and not spec.read_only
    instruction = {
        "task": "survey",
        "initialize": initialize,
        "check": checks,
        # Together with the check: both need the repository to themselves.
        "prune": checks and not spec.read_only,
        "known": list(known[:_MOST_KNOWN]),
    }
    seed = f"{store.metadata.generation} {status.get('lastCheckTime')}"
    return Survey(hashlib.sha256(seed.encode()).hexdigest()[:8], checks, instruction)


def plan(store: BackupStore, survey: Survey | None, found: Progress | Outcome | None, now: datetime) -> Plan:
    """What is to be said and done. `found` is what has become of the survey's Job; None when there is none."""
    if survey is None:
        return Plan(_settled(store, now), None, _seconds_left(store, now))
    if not isinstance(found, Outcome):
        return Plan(_checking(store, found, now), survey, None)
    status = _judged(store, survey, found, now)
    return Plan(status, None, _pause(store, status, now), _events(store, status))


def _seconds_left(store: BackupStore, now: datetime) -> float:
    """Seconds until the store is to be looked at."""
    last = store.status.get("lastCheckTime")
    if last is None or store.status.get("observedGeneration") != store.metadata.generation:
        return 0.0
    return max(0.0, _pause(store, store.status, moment(last)) - _age(last, now))


def _pause(store: BackupStore, status: Mapping[str, Any], now: datetime) -> float:
    """Seconds between a look at that time and the next: the longer something is wrong, the longer it will be."""
    interval = float(store.spec.check_interval_seconds)
    ready = condition_of(status, "Ready")
    unfinished = condition_of(status, "IntegrityVerified")
    locked = unfinished is not None and unfinished["reason"] == Reason.LOCKED
    if ready is None or (ready["status"] == "True" and not locked):
        return interval
    since = unfinished if locked and unfinished is not None else ready
    wrong_for = (now - moment(since["lastTransitionTime"])).total_seconds()
    return min(interval, max(_SHORTEST_PAUSE, min(wrong_for, _LONGEST_PAUSE)))


def _age(time: str, now: datetime) -> float:
    return (now - moment(time)).total_seconds()


def _settled(store: BackupStore, now: datetime) -> dict[str, Any]:
    """Between two looks: only the quota may be another one."""
    return (
        dict(store.status)
        | {"observedGeneration": store.metadata.generation}
        | _conditions(
            store, _stated(store, "Ready"), _stated(store, "Reachable"), _stated(store, "IntegrityVerified"), now
        )
    )


def _checking(store: BackupStore, progress: Progress | None, now: datetime) -> dict[str, Any]:
    """While the Job runs, what was said before still holds; the generation is that which was looked at last."""
    trouble = progress.trouble if progress else None
    first = Condition("Ready", "Unknown", Reason.CHECKING, trouble or "the store is looked at for the first time")
    status = dict(store.status) | {"type": _type(store)}
    status.setdefault("phase", "Pending")
    ready, reachable = _stated(store, "Ready") or first, _stated(store, "Reachable")
    under_way = Condition("Progressing", "True", Reason.CHECKING, trouble or "the store is being looked at")
    return status | _conditions(store, ready, reachable, _stated(store, "IntegrityVerified"), now, under_way)


def _judged(store: BackupStore, survey: Survey, outcome: Outcome, now: datetime) -> dict[str, Any]:
    status: dict[str, Any] = dict(store.status) | {
        "observedGeneration": store.metadata.generation,
        "type": _type(store),
        "lastCheckTime": stamp(now),
    }
    status.pop("lockHolder", None)
    words = _words(store, outcome)
    if words is None:
        found = outcome.result
        status |= {
            "repository": found["repository"],
            "backups": found["snapshots"],
            "bytes": found["bytes"],
            "size": quantity.rounded(found["bytes"]),
        }
        if survey.checks:
            status["lastIntegrityCheckTime"] = stamp(now)
        if survey.instruction["prune"]:
            status["lastPruneTime"] = stamp(now)
    elif words[0] is Reason.LOCKED and outcome.locks:
        status["lockHolder"] = outcome.locks[0].hostname
    ready = _ready(store, words)
    status["phase"] = "Available" if ready.status == "True" else "Unavailable"
    reachable = _reachable(store, words)
    judged = store.model_copy(update={"status": status})
    return status | _conditions(judged, ready, reachable, _integrity(store, survey, words), now)


def _words(store: BackupStore, outcome: Outcome) -> Words | None:
    if outcome.error is not None:
        return outcome.error, outcome.message
    known, found = store.status.get("repository"), outcome.result["repository"]
    if known and known != found:
        return Reason.REPOSITORY_CHANGED, (
            f"the repository at that place is {found[:12]}, and was {known[:12]}: bring the old one back, or create "
            "another BackupStore for the new one"
        )
    return None


def _ready(store: BackupStore, words: Words | None) -> Condition:
    if words is None:
        return Condition("Ready", "True", Reason.AVAILABLE, "the store can be used")
    if words[0] is Reason.LOCKED and store.status.get("repository"):
        # Only the check of integrity needs the repository to itself.
        return Condition("Ready", "True", Reason.AVAILABLE, "the store can be used")
    if words[0] is Reason.NOT_INITIALIZED and store.status.get("repository"):
        return Condition("Ready", "False", Reason.NOT_INITIALIZED,
                         f"the repository that was there is gone: {words[1]}")  # fmt: skip
    return Condition("Ready", "False", *words)


def _reachable(store: BackupStore, words: Words | None) -> Condition | None:
    if words is None or words[0] in _ANSWERED:
        return Condition("Reachable", "True", Reason.REACHABLE, "the store answers")
    if words[0] is Reason.UNREACHABLE:
        return Condition("Reachable", "False", *words)
    return _stated(store, "Reachable")


def _integrity(store: BackupStore, survey: Survey, words: Words | None) -> Condition | None:
    before = _stated(store, "IntegrityVerified")
    if words is None:
        verified = Condition("IntegrityVerified", "True", Reason.VERIFIED, "the structure of the repository is whole")
        return verified if survey.checks else before
    if words[0] is Reason.CORRUPTED:
        return Condition("IntegrityVerified", "False", *words)
    if words[0] is Reason.LOCKED:
        status: Literal["True", "Unknown"] = "True" if before and before.status == "True" else "Unknown"
        return Condition("IntegrityVerified", status, Reason.LOCKED, f"it could not be checked: {words[1]}")
    return before


def _conditions(
    store: BackupStore,
    ready: Condition | None,
    reachable: Condition | None,
    integrity: Condition | None,
    now: datetime,
    progressing: Condition | None = None,
) -> dict[str, Any]:
    stalled = ready is not None and ready.status == "False" and ready.reason in _STALLED
    given = [
        ready,
        progressing or Condition("Progressing", "False", Reason.CHECKED, "the store has been looked at"),
        Condition("Stalled", "True", ready.reason, ready.message)
        if stalled and ready is not None
        else Condition("Stalled", "False", Reason.HEALTHY, "nothing needs a person"),
        reachable or Condition("Reachable", "Unknown", Reason.NOT_CHECKED, "the store has not been asked yet"),
        integrity or Condition("IntegrityVerified", "Unknown", Reason.NOT_CHECKED, "it has not been checked yet"),
        _quota(store),
    ]
    stated = [condition for condition in given if condition is not None]
    previous: Sequence[Any] = store.status.get("conditions", ())
    return {"conditions": merged(stated, previous, generation=store.metadata.generation, now=now)}


def _quota(store: BackupStore) -> Condition:
    quota, status = store.spec.quota, store.status
    if quota is not None and quota.max_backups is not None and status.get("backups", 0) >= quota.max_backups:
        message = f"it holds {status['backups']} backups of {quota.max_backups}"
        return Condition("QuotaExceeded", "True", Reason.QUOTA_EXCEEDED, message)
    if quota is not None and quota.max_bytes and status.get("bytes", 0) >= quantity.amount(quota.max_bytes):
        message = f"it holds {status['size']} of {quota.max_bytes}"
        return Condition("QuotaExceeded", "True", Reason.QUOTA_EXCEEDED, message)
    return Condition("QuotaExceeded", "False", Reason.WITHIN_QUOTA, "the store has room by its quota")


def _stated(store: BackupStore, type_: str) -> Condition | None:
    found = condition_of(store.status, type_)
    return None if found is None else Condition(type_, found["status"], found["reason"], found["message"])


def _events(store: BackupStore, status: dict[str, Any]) -> tuple[Transition, ...]:
    before, after = condition_of(store.status, "Ready"), condition_of(status, "Ready")
    if after is None or (before is not None and (before["status"], before["reason"]) == (
        after["status"], after["reason"]
    )):  # fmt: skip
        return ()
    kind: Literal["Normal", "Warning"] = "Normal" if after["status"] == "True" else "Warning"
    return (Transition(after["reason"], after["message"], action="Check", type=kind),)


def _type(store: BackupStore) -> str:
    return "S3" if store.spec.s3 else "REST" if store.spec.rest else "PVC"
