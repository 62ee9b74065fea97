"""What an Application's backup policy asks for now: which backup to begin, which to let go, and how it stands. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.conditions import Condition, condition_of, merged
from timonier.api.moments import moment, span, stamp
from timonier.api.policies import BackupPolicy
from timonier.api.restore import Restore
from timonier.backups.retention import KeptBackup, retain
from timonier.backups.schedule import Decision, ScheduleError, Timing, decide
from timonier.backups.trial_plan import LOOK_AGAIN, failed_before, plan_trial
from timonier.engine.events import Transition
from timonier.runs import story
from timonier.runs.names import shortened
from timonier.runs.reasons import Reason, Words

__all__ = ["Forget", "Plan", "Refused", "backup_of", "plan"]

_LONGEST_NAME: Final = 50


@dataclass(frozen=True, slots=True)
class Forget:
    """Backups that go from one store; `runs` are their ids there."""

    store: tuple[str, str]
    runs: tuple[str, ...]
    backups: tuple[Backup, ...]

    @property
    def id(self) -> str:
        """The same for the same backups."""
        return hashlib.sha256("\0".join((*self.store, *self.runs)).encode()).hexdigest()[:8]


class Refused(NamedTuple):
    """Why a backup, or a restore on trial, may not begin though its time has come; None where it may."""

    backup: str | None = None
    trial: str | None = None


_NOTHING: Final = Refused()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: `create` a Backup, `cancel` others, have stores `forget`, `drop` objects that no store has a part of.

    `status` is this policy's part of the Application's status; `again` in how many seconds to look. `trial` is a
    Restore to create, `verified` what trial restores have found, by the name of the Backup.
    """

    status: dict[str, Any] = field(default_factory=dict)
    create: dict[str, Any] | None = None
    cancel: tuple[Backup, ...] = ()
    forget: tuple[Forget, ...] = ()
    drop: tuple[Backup, ...] = ()
    again: float | None = None
    events: tuple[Transition, ...] = ()
    trial: dict[str, Any] | None = None
    verified: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def plan(
    application: Application,
    backups: Sequence[Backup],
    used: frozenset[str],
    now: datetime,
    trials: Sequence[Restore] = (),
    refused: Refused = _NOTHING,
) -> Plan:
    """Decide for one Application. `backups` are all of it, `used` the names of those that a run relies on.

    `trials` are the Restores on trial that the policy has had made. `refused` says why something may not begin
    now, though its time has come: it waits, and is asked about again. Without a policy there is nothing to do, and
    nothing to say.
    """
    policy = application.spec.backup
    if policy is None:
        return Plan()
    good = _newest_good(backups)
    try:
        timing = Timing.of_backups(policy)
        trying = Timing.of_verification(policy)
    except ScheduleError as error:
        words = Reason.SCHEDULE_INVALID, f"spec.backup: {error}"
        return _told(application, _standing(good), words, Plan(), now)
    tried = plan_trial(application, trying, good, trials, now, held=refused.trial is not None)
    status = _standing(good) | dict(tried.status)
    decision: Decision | None = None
    if timing is not None:
        last = application.status.get("lastScheduleTime")
        begun = moment(last) if last else now
        under_way = [
            backup for backup in backups if backup.spec.reason == "Scheduled" and not story.is_over(backup.status)
        ]
        metadata = application.metadata
        decision = decide(timing, metadata.namespace, metadata.name, last=begun, now=now, running=bool(under_way))
        if refused.backup is not None and decision.action in ("Start", "Replace"):
            decision = Decision("Wait", decision.scheduled, now + LOOK_AGAIN)
        handled = decision.scheduled if decision.action in ("Start", "Replace", "Miss") else begun
        status["lastScheduleTime"] = stamp(handled or begun)
        if not policy.suspend:
            status["nextBackupTime"] = stamp(_next(timing, application, handled or begun, now))
        made = _acted(application, decision, under_way)
    else:
        made = Plan()
    words = _health(policy, timing, decision, backups, good, now)
    # That a trial may not begin is no reason to be silent about backups that fail.
    if why := refused.backup or (refused.trial if words[0] is Reason.BACKED_UP else None):
        words = Reason.AUTHOR_NOT_PERMITTED, why
    if words[0] is Reason.BACKED_UP and good is not None and (failed := tried.failed or failed_before(good)):
        words = Reason.TRIAL_FAILED, failed
    going = _going(policy, backups, used, now)
    made = Plan(create=made.create, cancel=made.cancel, forget=tuple(_by_store(going)), drop=_without_data(going))
    wait = (decision.again - now).total_seconds() if decision and decision.again else None
    again = None if wait is None else max(0.0, wait)
    again = min((each for each in (again, tried.again) if each is not None), default=None)
    if policy.retention is not None and policy.retention.max_age_days is not None:
        again = min(again or 3600.0, 3600.0)
    made = replace(made, again=again, trial=tried.create, verified=tried.verified)
    return _told(application, status, words, made, now)


def backup_of(application: Application, policy: BackupPolicy, scheduled: datetime) -> dict[str, Any]:
    """The Backup for one scheduled time: it has the same name each time, so that it is made once."""
    metadata = application.metadata
    return {
        "apiVersion": "timonier.dev/v1",
        "kind": "Backup",
        "metadata": {
            "namespace": metadata.namespace,
            "name": f"{shortened(metadata.name, _LONGEST_NAME)}-{scheduled:%Y%m%d%H%M}",
        },
        "spec": {
            "targetRef": {"name": metadata.name},
            "reason": "Scheduled",
            "scheduledTime": stamp(scheduled),
            "timeoutSeconds": policy.timeout_seconds,
        },
    }


def _acted(application: Application, decision: Decision, under_way: Sequence[Backup]) -> Plan:
    policy, scheduled = application.spec.backup, decision.scheduled
    if policy is None or scheduled is None or decision.action not in ("Start", "Replace"):
        return Plan()
    cancel = tuple(under_way) if decision.action == "Replace" else ()
    return Plan(create=backup_of(application, policy, scheduled), cancel=cancel)


def _next(timing: Timing, application: Application, handled: datetime, now: datetime) -> datetime:
    metadata = application.metadata
    return timing.begins(metadata.namespace, metadata.name, timing.schedule.next(max(handled, now)))


def _newest_good(backups: Iterable[Backup]) -> Backup | None:
    good = (backup for backup in backups if backup.status.get("phase") == "Succeeded")
    return max(good, key=lambda backup: (_time(backup), backup.metadata.name), default=None)


def _time(backup: Backup) -> datetime:
    """The moment whose data it holds; of one that failed, when that was."""
    status = backup.status
    return moment(status.get("backupTime") or status.get("completionTime") or backup.metadata.creation_timestamp)


def _standing(good: Backup | None) -> dict[str, Any]:
    if good is None:
        return {}
    size = good.status.get("size")
    named = {"name": good.metadata.name, "time": stamp(_time(good))}
    return {"lastBackup": named | ({"size": size} if size else {})}


def _health(
    policy: BackupPolicy,
    timing: Timing | None,
    decision: Decision | None,
    backups: Sequence[Backup],
    good: Backup | None,
    now: datetime,
) -> Words:
    over = [backup for backup in backups if story.is_over(backup.status) and backup.status["phase"] != "Cancelled"]
    latest = max(over, key=lambda backup: (backup.status.get("completionTime", ""), backup.metadata.name), default=None)
    age = f"the last good backup holds data of {span((now - _time(good)).total_seconds())} ago" if good else ""
    if timing is not None and not policy.suspend and (late := _overdue(policy, timing, good, backups, now)):
        return Reason.OVERDUE, f"{late}; {age or 'there is no good backup'}"
    if latest is not None and latest.status["phase"] == "Failed":
        said = condition_of(latest.status, "Succeeded") or {"message": "it failed"}
        return Reason.LAST_BACKUP_FAILED, f"the backup {latest.metadata.name} failed: {said['message']}"
    if policy.suspend:
        return Reason.SUSPENDED, "spec.backup.suspend is set: no scheduled backup begins"
    if decision is not None and decision.action == "Miss" and decision.scheduled is not None:
        return Reason.MISSED, f"the backup of {stamp(decision.scheduled)} could not begin in time and was left out"
    if good is None:
        return Reason.NO_BACKUP_YET, "there is no backup yet"
    return Reason.BACKED_UP, f"the backup {good.metadata.name} is good"


def _overdue(
    policy: BackupPolicy, timing: Timing, good: Backup | None, backups: Sequence[Backup], now: datetime
) -> str | None:
    """A scheduled time so long ago that its backup should be there, and no good one since: the schedule is not kept."""
    patience = timedelta(seconds=policy.timeout_seconds + policy.jitter_seconds)
    first = min((_created(backup) for backup in backups), default=now)
    due = timing.schedule.latest(max(first, now - timedelta(days=366)), now - patience)
    if due is None or (good is not None and _time(good) >= due):
        return None
    return f"the backup of {stamp(due)} is overdue"


def _created(backup: Backup) -> datetime:
    return moment(backup.metadata.creation_timestamp)


def _told(application: Application, status: Mapping[str, Any], words: Words, made: Plan, now: datetime) -> Plan:
    reason, message = words
    verdict: Literal["True", "False", "Unknown"] = (
        "True" if reason is Reason.BACKED_UP else "Unknown" if reason in _UNDECIDED else "False"
    )
    previous: Sequence[Mapping[str, Any]] = application.status.get("conditions", ())
    condition = Condition("BackupHealthy", verdict, reason, message)
    conditions = merged([condition], previous, generation=application.metadata.generation, now=now)
    before = condition_of(application.status, "BackupHealthy")
    events: tuple[Transition, ...] = ()
    if (before is None or before["reason"] != reason) and reason not in _SILENT:
        kind: Literal["Normal", "Warning"] = "Warning" if verdict == "False" else "Normal"
        events = (Transition(reason, message, action="Backup", type=kind),)
    return replace(made, status=dict(status) | {"conditions": conditions}, events=events)


_UNDECIDED: Final = frozenset({Reason.NO_BACKUP_YET, Reason.SUSPENDED})
_SILENT: Final = frozenset({Reason.NO_BACKUP_YET, Reason.BACKED_UP})


def _going(policy: BackupPolicy, backups: Sequence[Backup], used: frozenset[str], now: datetime) -> list[Backup]:
    """What retention lets go, the oldest first."""
    if policy.retention is None:
        return []
    ended = {backup.metadata.name: backup for backup in backups if story.is_over(backup.status)}
    kept = [
        KeptBackup(
            name=name,
            time=_time(backup),
            succeeded=backup.status["phase"] == "Succeeded",
            forever=backup.spec.retain == "Forever",
            in_use=name in used,
        )
        for name, backup in ended.items()
    ]
    verdict = retain(kept, policy.retention, zone=_zone(policy), now=now)
    return [ended[found.name] for found in verdict.goes]


def _zone(policy: BackupPolicy) -> tzinfo:
    return ZoneInfo(policy.time_zone)


def _by_store(going: Iterable[Backup]) -> Iterable[Forget]:
    stores: dict[tuple[str, str], list[Backup]] = {}
    for backup in going:
        if _has_data(backup):
            store = backup.status["store"]
            stores.setdefault((store.get("namespace", backup.metadata.namespace), store["name"]), []).append(backup)
    for store, found in sorted(stores.items()):
        yield Forget(store, tuple(sorted(map(_run_id, found))), tuple(found))


def _without_data(going: Iterable[Backup]) -> tuple[Backup, ...]:
    return tuple(backup for backup in going if not _has_data(backup))


def _has_data(backup: Backup) -> bool:
    """Something of it may be in a store: a run that began may have left a part."""
    return "store" in backup.status


def _run_id(backup: Backup) -> str:
    return backup.spec.imported.run if backup.spec.imported else backup.metadata.uid
