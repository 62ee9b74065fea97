"""What is done about trouble, and when: a ladder of actions, with time-outs, a budget and a brake. Pure.

An action is written into the history before it is taken, with what it is about, and each turn sees to it that the
newest one has really been taken: killed in between, the operator neither forgets it nor takes it twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from timonier.api.application import RecoveryEvent, RecoveryProbeStatus, RecoveryStatus
from timonier.api.conditions import Condition, merged, stated
from timonier.api.moments import moment, stamp
from timonier.api.policies import RecoveryAction, RecoveryPolicy, Rung
from timonier.engine.contract import Manifest
from timonier.engine.events import Transition
from timonier.recovery.troubles import Trouble, helps
from timonier.runs.names import shortened

__all__ = ["Plan", "Sight", "backup_before", "failing", "plan"]

SuspendedReason = Literal[
    "Watching", "Disabled", "RunUnderWay", "Storm", "BudgetSpent", "LadderExhausted", "AuthorNotPermitted"
]

_LADDER: Final = (Rung(action="RestartPod"), Rung(action="RestartPod"), Rung(action="Alert"))
_LONGEST_NAME: Final = 40
_LONGEST_HISTORY: Final = 20
_POLL: Final = 5.0
_FEWEST_FOR_STORM: Final = 2


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen. `trouble` is what is the matter now, `probes` are those that fail.

    `unwell` of `applications` in the namespace are in trouble. `pause` says what is under way that comes first.
    `before` is the revision that ran before the present one `revision`, `backup` the last good backup. `refused` says
    why no data may be restored now.
    """

    trouble: Trouble | None
    probes: tuple[RecoveryProbeStatus, ...] = ()
    unwell: int = 0
    applications: int = 1
    pause: str | None = None
    revision: str | None = None
    before: str | None = None
    backup: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to say, and which action is to have been taken by now.

    `recovered` is the time, in seconds, that it took until all was well, when that has just come.
    """

    status: Mapping[str, Any]
    act: RecoveryEvent | None = None
    events: tuple[Transition, ...] = ()
    again: float | None = None
    began: bool = False
    recovered: tuple[str, float] | None = field(default=None)


def plan(
    name: str, policy: RecoveryPolicy, status: Mapping[str, Any], generation: int, sight: Sight, now: datetime
) -> Plan:
    """Decide. `name` is the Application's, `status` its whole status."""
    before = RecoveryStatus.model_validate(status.get("recovery") or {})
    turn = _Turn(name, policy, before, sight, now)
    made = turn.well() if sight.trouble is None else turn.trouble(sight.trouble)
    condition = Condition("RecoverySuspended", "True" if turn.suspended else "False", *turn.words)
    conditions = merged([condition], status.get("conditions", ()), generation=generation, now=now)
    told = made.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    events = list(turn.events)
    if turn.suspended and stated(status.get("conditions", ()), "RecoverySuspended") != "True":
        events.append(Transition(f"Recovery{turn.words[0]}", turn.words[1], "Recover", "Warning"))
    return Plan(
        status={"conditions": conditions} | ({"recovery": told} if told else {}),
        act=turn.act,
        events=tuple(events),
        again=turn.again,
        began=turn.began,
        recovered=turn.recovered,
    )


class _Turn:
    """One decision, step by step."""

    def __init__(self, name: str, policy: RecoveryPolicy, before: RecoveryStatus, sight: Sight, now: datetime) -> None:
        self._name = name
        self._policy = policy
        self._before = before
        self._sight = sight
        self._now = now
        self.suspended = False
        self.words: tuple[str, str] = ("Watching", "nothing is the matter")
        self.act: RecoveryEvent | None = None
        self.events: list[Transition] = []
        self.again: float | None = None
        self.began = False
        self.recovered: tuple[str, float] | None = None

    def well(self) -> RecoveryStatus:
        """Nothing is the matter, or not any more."""
        before, history = self._before, self._before.history
        if before.trouble is not None and before.since is not None:
            took = (self._now - moment(before.since)).total_seconds()
            self.recovered = (before.trouble, took)
            done = [event for event in history if event.time >= before.since]
            self.events.append(Transition("Recovered", f"well again {took:.0f} s after {before.trouble}", "Recover"))
            if done:
                newest = history[0].model_copy(update={"recovered_seconds": int(took)})
                history = (newest, *history[1:])
        return RecoveryStatus(bad_revision=before.bad_revision, probes=self._sight.probes, history=history)

    def trouble(self, trouble: Trouble) -> RecoveryStatus:
        """Something is the matter: say so, and see whether it is time to do something."""
        before = self._before
        since = before.since if before.trouble is not None and before.since is not None else stamp(self._now)
        rung = before.rung or 0 if before.trouble is not None else 0
        made = RecoveryStatus(
            trouble=str(trouble.reason),
            message=trouble.message[:1024],
            since=since,
            rung=rung,
            bad_revision=before.bad_revision,
            probes=self._sight.probes,
            history=before.history,
        )
        self.again = _POLL
        self.words = ("Watching", f"{trouble.reason}: {trouble.message}")
        if before.trouble is None:
            self.events.append(Transition(str(trouble.reason), trouble.message, "Recover", "Warning"))
        waits = self._waits(since) or self._helps_yet()
        if self._held_up(trouble):
            return made
        if waits > 0:
            self.act = before.history[0] if self._is_fresh() else None
            self.again = min(waits, _POLL)
            return made
        return self._climb(trouble, made)

    def _waits(self, since: str) -> float:
        """Seconds until trouble has lasted long enough."""
        return max(0.0, self._policy.unhealthy_after_seconds - (self._now - moment(since)).total_seconds())

    def _helps_yet(self) -> float:
        """Seconds that the last action may still take to help, or that must lie between it and the next."""
        if not self._before.history:
            return 0.0
        newest = self._before.history[0]
        passed = (self._now - moment(newest.time)).total_seconds()
        least = float(self._policy.cooldown_seconds)
        if self._before.trouble is not None and self._before.since is not None and newest.time >= self._before.since:
            ladder = self._policy.ladder or _LADDER
            done = max(0, min((self._before.rung or 1) - 1, len(ladder) - 1))
            least = max(least, float(ladder[done].timeout_seconds))
        return max(0.0, least - passed)

    def _is_fresh(self) -> bool:
        """The newest action belongs to the trouble that there is."""
        before = self._before
        return bool(before.history and before.trouble and before.since and before.history[0].time >= before.since)

    def _held_up(self, trouble: Trouble) -> bool:
        """Whether nothing may be done, whatever the ladder says."""
        policy, sight = self._policy, self._sight
        if not policy.enabled:
            self._suspend("Disabled", f"{trouble.reason}, and spec.recovery.enabled is false")
        elif sight.pause is not None:
            self.words = ("RunUnderWay", f"{trouble.reason}; {sight.pause} comes first")
            return True
        elif (
            sight.unwell >= _FEWEST_FOR_STORM
            and sight.unwell * 100 > policy.storm_threshold_percent * sight.applications
        ):
            many = f"{sight.unwell} of {sight.applications} applications of the namespace are unwell at once"
            self._suspend("Storm", f"{many}: the trouble is not this one's")
        return self.suspended

    def _climb(self, trouble: Trouble, made: RecoveryStatus) -> RecoveryStatus:
        """Take the next rung that can help."""
        ladder = self._policy.ladder or _LADDER
        window = self._now - timedelta(seconds=self._policy.budget.window_seconds)
        spent = sum(1 for event in made.history if event.action != "Alert" and moment(event.time) > window)
        for index in range(made.rung or 0, len(ladder)):
            event = self._event(ladder[index].action, trouble)
            if event is None:
                continue
            if event.action == "RestoreBackup" and self._sight.refused is not None:
                self._suspend("AuthorNotPermitted", f"{trouble.reason}; {self._sight.refused}")
                return made
            if event.action != "Alert" and spent >= self._policy.budget.max_actions:
                seconds = self._policy.budget.window_seconds
                self._suspend("BudgetSpent", f"{trouble.reason}; {spent} actions in {seconds} s are all there may be")
                return made
            self.act, self.began = event, True
            about = f"{event.action} {event.target}" if event.target else event.action
            self.events.append(Transition(event.action, f"{about}: {trouble.message}", "Recover", "Warning"))
            bad = event.target if event.action == "RollbackRevision" else made.bad_revision
            history = (event, *made.history)[:_LONGEST_HISTORY]
            return made.model_copy(update={"rung": index + 1, "history": history, "bad_revision": bad})
        self._suspend("LadderExhausted", f"{trouble.reason}: all that may be done has been: {trouble.message}")
        return made.model_copy(update={"rung": len(ladder)})

    def _event(self, action: RecoveryAction, trouble: Trouble) -> RecoveryEvent | None:
        """The action, about whatever it is about; None where it cannot help, or there is nothing to do it with."""
        target = self._target(action, trouble) if helps(action, trouble.reason) else None
        if target is None:
            return None
        pod = trouble.pod if action == "RestartPod" else None
        return RecoveryEvent(
            time=stamp(self._now),
            action=action,
            reason=str(trouble.reason),
            target=target or None,
            uid=pod["metadata"]["uid"] if pod is not None else None,
            message=trouble.message[:1024],
        )

    def _target(self, action: RecoveryAction, trouble: Trouble) -> str | None:
        """None: there is nothing to do it with; empty: it is about nothing in particular."""
        if action == "RestartPod":
            return trouble.pod["metadata"]["name"] if trouble.pod is not None else None
        if action == "RollbackRevision":
            return self._sight.revision if self._sight.before is not None else None
        if action == "RestoreBackup":
            made = f"{shortened(self._name, _LONGEST_NAME)}-recovery-{int(self._now.timestamp())}"
            return made if self._sight.backup is not None else None
        return ""

    def _suspend(self, reason: SuspendedReason, message: str) -> None:
        self.suspended = True
        self.words = (reason, message)


def backup_before(backups: Iterable[Manifest], since: str) -> str | None:
    """The name of the newest good backup of before the trouble; None where there is none.

    What was backed up before a restore is what was to be replaced, and none to go back to by oneself.
    """
    good = [
        backup
        for backup in backups
        if backup.get("status", {}).get("phase") == "Succeeded"
        and backup["spec"].get("reason") != "PreRestore"
        and _held_at(backup) < moment(since)
    ]
    return max(good, key=_held_at)["metadata"]["name"] if good else None


def _held_at(backup: Manifest) -> datetime:
    status: Mapping[str, Any] = backup["status"]
    return moment(
        str(status.get("completionTime") or status.get("backupTime") or backup["metadata"]["creationTimestamp"])
    )


def failing(before: Sequence[RecoveryProbeStatus], name: str, message: str | None) -> tuple[RecoveryProbeStatus, ...]:
    """The probes that fail, after one more attempt of one of them; `message` None: it did not fail."""
    others = tuple(probe for probe in before if probe.name != name)
    if message is None:
        return others
    failures = next((probe.failures for probe in before if probe.name == name), 0) + 1
    return tuple(
        sorted((*others, RecoveryProbeStatus(name=name, failures=failures, message=message[:1024])), key=_name)
    )


def _name(probe: RecoveryProbeStatus) -> str:
    return probe.name
