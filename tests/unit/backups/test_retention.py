"""Which backups go, and why the others stay."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonier.api.policies import Retention
from timonier.backups.retention import KeptBackup, Verdict, retain

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def good(text: str, **more: bool) -> KeptBackup:
    """A good backup named by its time."""
    return KeptBackup(text, datetime.fromisoformat(text).replace(tzinfo=UTC), succeeded=True, **more)


def failed(text: str, **more: bool) -> KeptBackup:
    return KeptBackup(text, datetime.fromisoformat(text).replace(tzinfo=UTC), succeeded=False, **more)


def judged(backups: Sequence[KeptBackup], zone: ZoneInfo = PARIS, **rules: Any) -> Verdict:
    return retain(backups, Retention.model_validate(rules), zone=zone, now=NOW)


def gone(verdict: Verdict) -> list[str]:
    return [backup.name for backup in verdict.goes]


def test_the_newest_of_each_period_stays_for_every_reason_that_it_has() -> None:
    backups = [
        good("2025-12-31T10:00"),
        good("2026-05-01T10:00"),
        good("2026-06-30T10:00"),
        good("2026-07-12T10:00"),
        good("2026-07-13T10:00"),
        good("2026-07-14T09:00"),
        good("2026-07-14T10:00"),
    ]
    verdict = judged(backups, last=1, daily=2, weekly=2, monthly=3, yearly=2)
    assert verdict.stays == {
        "2026-07-14T10:00": ("last good", "last", "daily", "weekly", "monthly", "yearly"),
        "2026-07-13T10:00": ("daily",),
        "2026-07-12T10:00": ("weekly",),
        "2026-06-30T10:00": ("monthly",),
        "2026-05-01T10:00": ("monthly",),
        "2025-12-31T10:00": ("yearly",),
    }
    assert gone(verdict) == ["2026-07-14T09:00"]


@pytest.mark.parametrize(("zone", "expected"), [("UTC", "2026-07-13T21:00"), ("Europe/Paris", "2026-07-12T21:00")])
def test_days_are_those_of_the_zone(zone: str, expected: str) -> None:
    """The second and third are of one day in UTC; in Paris the third is of the next one."""
    backups = [good("2026-07-12T21:00"), good("2026-07-13T21:00"), good("2026-07-13T22:30")]
    assert gone(judged(backups, daily=2, zone=ZoneInfo(zone))) == [expected]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    backups = [good("2025-10-26T00:30"), good("2025-10-26T01:30")]
    assert gone(judged(backups, hourly=2)) == []


def test_weeks_do_not_end_with_the_year() -> None:
    backups = [good("2025-12-29T10:00"), good("2025-12-31T10:00"), good("2026-01-02T10:00")]
    assert gone(judged(backups, weekly=1)) == ["2025-12-29T10:00", "2025-12-31T10:00"]


def test_without_a_rule_all_good_ones_stay() -> None:
    backups = [good("2020-01-01T00:00"), good("2026-07-01T00:00"), failed("2026-07-02T00:00")]
    assert gone(retain(backups, None, zone=UTC, now=NOW)) == []
    assert gone(judged(backups)) == []
    assert judged(backups).stays["2020-01-01T00:00"] == ("all",)


def test_what_is_too_old_goes_whatever_else_would_keep_it_but_the_last_good_one() -> None:
    backups = [good("2026-01-01T00:00"), good("2026-02-01T00:00"), failed("2026-02-02T00:00")]
    verdict = judged(backups, last=10, yearly=3, maxAgeDays=30)
    assert gone(verdict) == ["2026-01-01T00:00", "2026-02-02T00:00"]
    assert verdict.stays == {"2026-02-01T00:00": ("last good",)}
    assert gone(judged(backups, maxAgeDays=30)) == ["2026-01-01T00:00", "2026-02-02T00:00"]


def test_the_edge_of_the_age() -> None:
    backups = [good("2026-07-14T11:59"), good("2026-07-14T12:00"), good("2026-07-15T12:00")]
    assert gone(judged(backups, last=3, maxAgeDays=1)) == ["2026-07-14T11:59"]


def test_failed_ones_count_for_no_rule_but_their_own() -> None:
    backups = [good("2026-07-10T00:00"), failed("2026-07-11T00:00"), failed("2026-07-12T00:00")]
    verdict = judged(backups, last=1, daily=1, keepFailed=1)
    assert gone(verdict) == ["2026-07-11T00:00"]
    assert verdict.stays["2026-07-12T00:00"] == ("failed",)
    assert gone(judged(backups, last=1, keepFailed=0)) == ["2026-07-11T00:00", "2026-07-12T00:00"]


def test_what_is_in_use_or_kept_forever_stays_however_old() -> None:
    backups = [
        good("2026-01-01T00:00", forever=True),
        good("2026-01-02T00:00", in_use=True),
        failed("2026-01-03T00:00", in_use=True, forever=True),
        good("2026-07-14T00:00"),
    ]
    verdict = judged(backups, last=1, maxAgeDays=2, keepFailed=0)
    assert gone(verdict) == []
    assert verdict.stays["2026-01-03T00:00"] == ("forever", "in use")
    assert verdict.stays["2026-07-14T00:00"] == ("last good", "last")


TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2026, 7, 15, 12), timezones=st.just(UTC))  # noqa: DTZ001
CLOSE_TIMES = st.integers(0, 400).map(lambda hours: NOW - timedelta(hours=hours))
BACKUPS = st.lists(
    st.builds(
        KeptBackup,
        name=st.uuids().map(str),
        time=TIMES | CLOSE_TIMES,
        succeeded=st.sampled_from([True, True, False]),
        forever=st.sampled_from([False, False, False, True]),
        in_use=st.sampled_from([False, False, False, True]),
    ),
    max_size=25,
    unique_by=lambda backup: backup.name,
)
_NUMBERS = st.none() | st.integers(1, 8)
RETENTIONS = st.builds(
    Retention,
    last=_NUMBERS,
    hourly=_NUMBERS,
    daily=_NUMBERS,
    weekly=_NUMBERS,
    monthly=_NUMBERS,
    yearly=_NUMBERS,
    max_age_days=st.none() | st.integers(1, 400),
    keep_failed=st.integers(0, 4),
)
ZONES = st.sampled_from([UTC, PARIS, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/New_York")])


@given(BACKUPS, RETENTIONS, ZONES, st.sampled_from([*RULES, "max_age_days", "keep_failed"]), st.integers(1, 5))
def test_a_bigger_rule_never_deletes_more(
    backups: list[KeptBackup], retention: Retention, zone: Any, rule: str, more: int
) -> None:
    number = getattr(retention, rule)
    if number is None:
        return
    bigger = retention.model_copy(update={rule: number + more})
    kept = set(retain(backups, retention, zone=zone, now=NOW).stays)
    assert kept <= set(retain(backups, bigger, zone=zone, now=NOW).stays)


@given(BACKUPS, RETENTIONS, ZONES)
def test_what_stayed_stays_when_it_is_judged_again(backups: list[KeptBackup], retention: Retention, zone: Any) -> None:
    first = retain(backups, retention, zone=zone, now=NOW)
    again = retain([backup for backup in backups if backup.name in first.stays], retention, zone=zone, now=NOW)
    assert again == Verdict((), first.stays)


@given(BACKUPS, RETENTIONS, ZONES)
def test_the_last_good_one_what_is_in_use_and_what_is_kept_forever_stay(
    backups: list[KeptBackup], retention: Retention, zone: Any
) -> None:
    verdict = retain(backups, retention, zone=zone, now=NOW)
    newest = max((backup for backup in backups if backup.succeeded), key=lambda one: one.time, default=None)
    assert newest is None or any(
        backup.succeeded and backup.time == newest.time for backup in backups if backup.name in verdict.stays
    )
    assert not any(backup.in_use or backup.forever for backup in verdict.goes)


@given(BACKUPS, RETENTIONS, ZONES)
def test_each_backup_either_goes_or_stays_for_a_reason(
    backups: list[KeptBackup], retention: Retention, zone: Any
) -> None:
    verdict = retain(backups, retention, zone=zone, now=NOW)
    assert sorted([*gone(verdict), *verdict.stays]) == sorted(backup.name for backup in backups)
    assert all(verdict.stays.values())


@given(st.data(), BACKUPS, RETENTIONS, ZONES)
def test_the_order_of_the_list_does_not_matter(
    data: st.DataObject, backups: list[KeptBackup], retention: Retention, zone: Any
) -> None:
    shuffled = data.draw(st.permutations(backups))
    assert retain(shuffled, retention, zone=zone, now=NOW) == retain(backups, retention, zone=zone, now=NOW)
