"""Which backups go, and why each other one stays: the rules of `Retention` over what there is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from types import MappingProxyType
from typing import Final

from timonier.api.policies import Retention

__all__ = ["KeptBackup", "Verdict", "retain"]

# The hour is that of elapsed time, so that the one that comes twice in autumn is two; all others are of the calendar.
_PERIODS: Final[Mapping[str, Callable[[datetime], tuple[object, ...]]]] = MappingProxyType(
    {
        "hourly": lambda time: (time.date(), time.hour, time.utcoffset()),
        "daily": lambda time: (time.date(),),
        "weekly": lambda time: time.isocalendar()[:2],
        "monthly": lambda time: (time.year, time.month),
        "yearly": lambda time: (time.year,),
    }
)


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """One backup that has ended, as retention sees it.

    `time` knows its zone. `forever` is one that a person wants kept whatever the rules; `in_use` one that a run reads
    or relies on.
    """

    name: str
    time: datetime
    succeeded: bool
    forever: bool = False
    in_use: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What goes, oldest first, and what stays: by name, newest first, each with every reason for it.

    Reasons: `forever`, `in use`, `last good`, `all` (there is no rule), `last`, `hourly`, `daily`, `weekly`,
    `monthly`, `yearly`, `failed`.
    """

    goes: tuple[KeptBackup, ...]
    stays: Mapping[str, tuple[str, ...]]


def retain(backups: Iterable[KeptBackup], retention: Retention | None, *, zone: tzinfo, now: datetime) -> Verdict:
    """Judge all backups of one application; hours, days and so on are those of `zone`.

    Without a rule about good ones (`last` to `yearly`) all of them stay, until `max_age_days`. Only good ones count
    for a rule, and failed ones only for `keep_failed`.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.time, backup.name), reverse=True)
    reasons: dict[str, list[str]] = {backup.name: [] for backup in newest_first}
    for backup in newest_first:
        if backup.forever:
            reasons[backup.name].append("forever")
        if backup.in_use:
            reasons[backup.name].append("in use")
    good = [backup for backup in newest_first if backup.succeeded]
    if good:
        reasons[good[0].name].append("last good")
    for reason, kept in _by_rules(newest_first, good, retention, zone).items():
        for backup in _young(kept, retention, now):
            reasons[backup.name].append(reason)
    return Verdict(
        goes=tuple(backup for backup in reversed(newest_first) if not reasons[backup.name]),
        stays=MappingProxyType({name: tuple(why) for name, why in reasons.items() if why}),
    )


def _by_rules(
    backups: Sequence[KeptBackup], good: Sequence[KeptBackup], retention: Retention | None, zone: tzinfo
) -> dict[str, Sequence[KeptBackup]]:
    """What each rule would keep, whatever its age. Backups come newest first."""
    if retention is None:
        return {"all": backups}
    failed = [backup for backup in backups if not backup.succeeded]
    kept: dict[str, Sequence[KeptBackup]] = {"failed": failed[: retention.keep_failed]}
    if retention.last is not None:
        kept["last"] = good[: retention.last]
    for name, period in _PERIODS.items():
        number: int | None = getattr(retention, name)
        if number is not None:
            kept[name] = _newest_of_each(good, period, number, zone)
    if len(kept) == 1:
        kept["all"] = good
    return kept


def _newest_of_each(
    newest_first: Iterable[KeptBackup], period: Callable[[datetime], object], number: int, zone: tzinfo
) -> tuple[KeptBackup, ...]:
    """The newest of each of the last so many periods that have one."""
    found: dict[object, KeptBackup] = {}
    for backup in newest_first:
        found.setdefault(period(backup.time.astimezone(zone)), backup)
    return tuple(islice(found.values(), number))


def _young(backups: Iterable[KeptBackup], retention: Retention | None, now: datetime) -> list[KeptBackup]:
    """Those that are not too old for any rule."""
    if retention is None or retention.max_age_days is None:
        return list(backups)
    limit = timedelta(days=retention.max_age_days)
    return [backup for backup in backups if now - backup.time <= limit]
