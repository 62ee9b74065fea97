"""When a scheduled run begins: cron expressions in a time zone, spread by a hash, and what becomes of missed ones.

A schedule at given hours and minutes follows the clock on the wall: an hour that a switch of daylight saving time
leaves out is made up for at its end, and one that comes twice counts once. A schedule with a star as its minute or
hour follows elapsed time, so that nothing is made up and nothing left out.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from timonier.api.policies import BackupPolicy

__all__ = ["ConcurrencyPolicy", "Decision", "Schedule", "ScheduleError", "Timing", "decide", "jitter"]

ConcurrencyPolicy = Literal["Forbid", "Allow", "Replace"]

_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SAMPLE: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_LOOK_BACK: Final = timedelta(hours=1)


class ScheduleError(ValueError):
    """A schedule that cannot be followed; the message says why and what would do."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression in a time zone. Every time that goes in knows its zone; every one that comes out is in UTC."""

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, expression: str, time_zone: str = "UTC") -> "Schedule":
        """The schedule that is meant. Raises ScheduleError when it is none, or would never come.

        >>> Schedule.parse("@daily", "Europe/Paris").next(datetime(2026, 7, 1, 12, tzinfo=UTC)).isoformat()
        '2026-07-01T22:00:00+00:00'
        """
        fields = _NAMED.get(expression.strip().lower(), expression).split()
        if len(fields) != 5:
            raise ScheduleError(
                f"{expression!r} is no schedule: it needs five fields (minute, hour, day of month, month, day of "
                f"week), such as '30 2 * * *', or one of {', '.join(sorted(_NAMED))}"
            )
        plain = " ".join(fields)
        try:
            next(CronSim(plain, _SAMPLE))
        except (CronSimError, AssertionError, TypeError) as error:
            # The library asserts where fields are mixed that do not go together, such as MON#1/2.
            if str(error) == "Bad day-of-month" and _is_day_alone_at_fault(fields):
                raise _never(expression) from error
            told = f": {error}" if str(error) else ""
            raise ScheduleError(f"{expression!r} is no schedule{told.replace('Bad', 'it has a bad')}") from error
        except StopIteration as error:
            raise _never(expression) from error
        return cls(plain, _zone(time_zone))

    def next(self, after: datetime) -> datetime:
        """The first scheduled time later than `after`."""
        return next(self._times(after))

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last scheduled time later than `after` and no later than `until`, if there is one."""
        span = _FIRST_LOOK_BACK
        while True:
            # Nearest first: what was missed in a long time need not be counted one by one.
            start = max(after, until - span)
            found = None
            for time in self._times(start):
                if time > until:
                    break
                found = time
            if found is not None or start == after:
                return found
            span *= 2

    def _times(self, after: datetime) -> Iterator[datetime]:
        """All scheduled times later than `after`, in order, each once."""
        previous = after.astimezone(UTC)
        for time in CronSim(self.expression, after.astimezone(self.zone)):
            # Where the clock goes back or leaps, times come that have been or coincide.
            instant = time.astimezone(UTC)
            if instant > previous:
                yield instant
                previous = instant


def _is_day_alone_at_fault(fields: list[str]) -> bool:
    """True when the day is one of some month, but none of the months named."""
    try:
        CronSim(" ".join((*fields[:3], "*", *fields[4:])), _SAMPLE)
    except (CronSimError, AssertionError, TypeError):
        return False
    return True


def _never(expression: str) -> ScheduleError:
    return ScheduleError(f"{expression!r} never comes: no month that it names has such a day")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ScheduleError(
            f"{name!r} is no time zone: it needs a name of the IANA database, such as UTC or Europe/Paris"
        ) from error


def jitter(namespace: str, name: str, scheduled: datetime, most: timedelta) -> timedelta:
    """How much later than scheduled this one begins: whole seconds from none to `most`, always the same."""
    words = "\0".join((namespace, name, scheduled.astimezone(UTC).isoformat()))
    number = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")
    return timedelta(seconds=number % (int(most.total_seconds()) + 1))


@dataclass(frozen=True, slots=True)
class Timing:
    """A schedule and everything else that decides when a run of it begins."""

    schedule: Schedule
    jitter: timedelta = timedelta()
    starting_deadline: timedelta | None = None
    concurrency: ConcurrencyPolicy = "Forbid"
    suspended: bool = False

    @classmethod
    def of_backups(cls, policy: BackupPolicy) -> "Timing | None":
        """When the policy's backups begin; None when only on demand. Raises ScheduleError."""
        return cls._of(policy, policy.schedule)

    @classmethod
    def of_verification(cls, policy: BackupPolicy) -> "Timing | None":
        """When the policy's trial restores begin; None when never. Raises ScheduleError."""
        return cls._of(policy, policy.verify.schedule if policy.verify else None)

    @classmethod
    def _of(cls, policy: BackupPolicy, expression: str | None) -> "Timing | None":
        if expression is None:
            return None
        deadline = policy.starting_deadline_seconds
        return cls(
            schedule=Schedule.parse(expression, policy.time_zone),
            jitter=timedelta(seconds=policy.jitter_seconds),
            starting_deadline=None if deadline is None else timedelta(seconds=deadline),
            concurrency=policy.concurrency_policy,
            suspended=bool(policy.suspend),
        )

    def begins(self, namespace: str, name: str, scheduled: datetime) -> datetime:
        """When the run of a scheduled time may begin: at most halfway to the next, so that none is overtaken."""
        distance = self.schedule.next(scheduled) - scheduled
        return scheduled + jitter(namespace, name, scheduled, min(self.jitter, distance / 2))


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now about a schedule, and when to ask again.

    `scheduled` is the scheduled time in question; after Start, Replace and Miss it is the next question's `last`.
    Idle: nothing is due. Wait: `scheduled` is due, and begins once the run before has ended. Start: begin it.
    Replace: end what runs, then begin it. Miss: it is too late for it; leave it out.
    `again` is None while suspended, and while only the end of a run can change the answer.
    """

    action: Literal["Idle", "Wait", "Start", "Replace", "Miss"]
    scheduled: datetime | None
    again: datetime | None


def decide(timing: Timing, namespace: str, name: str, *, last: datetime, now: datetime, running: bool) -> Decision:
    """What to do at `now` for the application of this name, of which another run is `running` or not.

    `last` is the newest scheduled time that was begun or left out; before the first one, when the schedule was made.
    Of several that are due only the newest counts.
    """
    if timing.suspended:
        return Decision("Idle", None, None)
    scheduled = timing.schedule.latest(last, now)
    if scheduled is None:
        upcoming = timing.schedule.next(max(last, now))
        return Decision("Idle", None, timing.begins(namespace, name, upcoming))
    begins = timing.begins(namespace, name, scheduled)
    if now < begins:
        return Decision("Idle", None, begins)
    after_that = timing.begins(namespace, name, timing.schedule.next(scheduled))
    closes = None if timing.starting_deadline is None else begins + timing.starting_deadline
    if closes is not None and now > closes:
        return Decision("Miss", scheduled, after_that)
    if running and timing.concurrency == "Forbid":
        return Decision("Wait", scheduled, closes)
    return Decision("Replace" if running and timing.concurrency == "Replace" else "Start", scheduled, after_that)
