"""When scheduled runs begin."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timonier.api.policies import BackupPolicy
from timonier.backups.schedule import ConcurrencyPolicy, Decision, Schedule, ScheduleError, Timing, decide, jitter

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def times(expression: str, zone: str, after: str, number: int) -> list[str]:
    """The next so many times, as minutes on a clock in the zone with its distance to UTC."""
    schedule = Schedule.parse(expression, zone)
    found = []
    time = at(after)
    for _ in range(number):
        time = schedule.next(time)
        found.append(time.astimezone(schedule.zone).strftime("%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@hourly", "2026-07-01T13:00Z"),
        ("@daily", "2026-07-02T00:00Z"),
        ("@midnight", "2026-07-02T00:00Z"),
        ("@weekly", "2026-07-05T00:00Z"),
        ("@monthly", "2026-08-01T00:00Z"),
        ("@yearly", "2027-01-01T00:00Z"),
        (" @Annually ", "2027-01-01T00:00Z"),
        ("30 2 * * *", "2026-07-02T02:30Z"),
        ("*/20 * * * mon-fri", "2026-07-01T12:20Z"),
        ("0 0 29 2 *", "2028-02-29T00:00Z"),
        ("0 4 L * *", "2026-07-31T04:00Z"),
    ],
)
def test_the_next_time(expression: str, expected: str) -> None:
    assert Schedule.parse(expression).next(NOON) == at(expected)


@pytest.mark.parametrize(
    ("expression", "zone", "message"),
    [
        ("", "UTC", "needs five fields"),
        ("daily", "UTC", "needs five fields"),
        ("@reboot", "UTC", "needs five fields"),
        ("0 0 0 * * *", "UTC", "needs five fields"),
        ("60 0 * * *", "UTC", "it has a bad minute"),
        ("0 24 * * *", "UTC", "it has a bad hour"),
        ("0 0 32 1 *", "UTC", "it has a bad day-of-month"),
        ("0 0 * * funday", "UTC", "it has a bad day-of-week"),
        ("0 0 * * mon#1/2", "UTC", "is no schedule"),
        ("0 0 31 2 *", "UTC", "never comes"),
        ("0 0 31 4,6,9,11 *", "UTC", "never comes"),
        ("@daily", "Europe/Lutetia", "is no time zone"),
        ("@daily", "Europe", "is no time zone"),
        ("@daily", "../etc/passwd", "is no time zone"),
        ("@daily", "", "is no time zone"),
    ],
)
def test_what_cannot_be_followed_is_refused(expression: str, zone: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Schedule.parse(expression, zone)


@given(st.text(alphabet="0123456789*/-,#LW MONFEB@", max_size=24))
def test_whatever_the_text_it_is_a_schedule_or_refused(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except ScheduleError:
        return
    assert schedule.next(NOON) > NOON


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Paris", "2026-03-27T12:00Z", ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]),
        ("30 2 * * *", "Europe/Paris", "2026-10-24T12:00Z", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("30 2 * * *", "Europe/Paris", "2026-10-25T01:10Z", ["26 02:30 +0100"]),
        ("30 2,3 * * *", "Europe/Paris", "2026-03-29T00:00Z", ["29 03:00 +0200", "29 03:30 +0200", "30 02:30 +0200"]),
        ("0,30 2 * * *", "Europe/Paris", "2026-03-29T00:00Z", ["29 03:00 +0200", "30 02:00 +0200"]),
        ("@hourly", "Europe/Paris", "2026-03-29T00:00Z", ["29 03:00 +0200", "29 04:00 +0200"]),
        ("@hourly", "Europe/Paris", "2026-10-24T23:30Z", ["25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"]),
        ("0 6 * * *", "Asia/Kolkata", "2026-07-01T00:00Z", ["01 06:00 +0530", "02 06:00 +0530"]),
        ("@hourly", "Asia/Kolkata", "2026-07-01T00:00Z", ["01 06:00 +0530", "01 07:00 +0530"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00Z", ["04 02:30 +1100", "05 02:15 +1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00Z", ["05 01:45 +1100", "06 01:45 +1030"]),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00Z", ["24 01:00 +0300", "25 00:00 +0300"]),
    ],
)  # fmt: skip
def test_a_switch_of_daylight_saving_time(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert times(expression, zone, after, len(expected)) == expected


ZONES = st.sampled_from(["UTC", "Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"])
EXPRESSIONS = st.sampled_from(["30 2 * * *", "@hourly", "*/15 * * * *", "0,45 1-3 * * *", "@weekly", "5 */6 1,15 * *"])
INSTANTS = st.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)  # some of them are thousands of times, and a machine may be busy
@given(EXPRESSIONS, ZONES, INSTANTS, st.integers(0, 400))
def test_the_latest_is_the_last_of_the_next_ones(expression: str, zone: str, after: datetime, hours: int) -> None:
    schedule = Schedule.parse(expression, zone)
    until = after + timedelta(hours=hours)
    found = []
    time = schedule.next(after)
    while time <= until:
        found.append(time)
        time = schedule.next(time)
        assert time > found[-1]
    assert schedule.latest(after, until) == (found[-1] if found else None)


def test_years_of_missed_minutes_are_not_counted_one_by_one() -> None:
    ago = NOON - timedelta(days=3650)
    assert Schedule.parse("* * * * *").latest(ago, NOON) == NOON


@given(st.text(), st.text(), INSTANTS, st.integers(0, 3600))
def test_jitter_is_bounded_and_always_the_same(namespace: str, name: str, time: datetime, most: int) -> None:
    delay = jitter(namespace, name, time, timedelta(seconds=most))
    assert timedelta() <= delay <= timedelta(seconds=most)
    assert delay == jitter(namespace, name, time, timedelta(seconds=most))


def test_jitter_spreads_applications_and_days() -> None:
    most = timedelta(minutes=10)
    by_name = {jitter("shop", f"web-{number}", NOON, most) for number in range(200)}
    by_day = {jitter("shop", "web", NOON + timedelta(days=number), most) for number in range(200)}
    assert min(len(by_name), len(by_day)) > 100
    assert max(by_name) - min(by_name) > most * 0.9


def test_jitter_is_never_another_after_an_update() -> None:
    assert jitter("shop", "web", NOON, timedelta(hours=1)) == timedelta(seconds=3326)


def decided(
    now: str,
    *,
    expression: str = "0 * * * *",
    last: str = "2026-07-01T10:00Z",
    running: bool = False,
    deadline: int | None = None,
    concurrency: ConcurrencyPolicy = "Forbid",
    suspended: bool = False,
) -> Decision:
    limit = None if deadline is None else timedelta(seconds=deadline)
    timing = Timing(Schedule.parse(expression), timedelta(), limit, concurrency, suspended)
    return decide(timing, "shop", "web", last=at(last), now=at(now), running=running)


ELEVEN, TWELVE, THIRTEEN = at("2026-07-01T11:00Z"), at("2026-07-01T12:00Z"), at("2026-07-01T13:00Z")


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (decided("2026-07-01T10:59Z"), Decision("Idle", None, ELEVEN)),
        (decided("2026-07-01T11:00Z"), Decision("Start", ELEVEN, TWELVE)),
        (decided("2026-07-01T11:05Z", last="2026-07-01T11:00Z"), Decision("Idle", None, TWELVE)),
        (decided("2026-07-01T12:59Z", last="2026-06-01T00:00Z"), Decision("Start", TWELVE, THIRTEEN)),
        (decided("2026-07-01T12:05Z", running=True), Decision("Wait", TWELVE, None)),
        (decided("2026-07-01T12:05Z", running=True, concurrency="Allow"), Decision("Start", TWELVE, THIRTEEN)),
        (decided("2026-07-01T12:05Z", running=True, concurrency="Replace"), Decision("Replace", TWELVE, THIRTEEN)),
        (decided("2026-07-01T12:05Z", concurrency="Replace"), Decision("Start", TWELVE, THIRTEEN)),
        (decided("2026-07-01T12:05Z", deadline=300), Decision("Start", TWELVE, THIRTEEN)),
        (decided("2026-07-01T12:06Z", deadline=300), Decision("Miss", TWELVE, THIRTEEN)),
        (decided("2026-07-01T12:04Z", deadline=300, running=True), Decision("Wait", TWELVE, TWELVE + 5 * MINUTE)),
        (decided("2026-07-01T12:05Z", suspended=True), Decision("Idle", None, None)),
    ],
)
def test_what_is_done_now(decision: Decision, expected: Decision) -> None:
    assert decision == expected


def test_nothing_begins_before_its_jitter_has_passed() -> None:
    timing = Timing(Schedule.parse("0 * * * *"), timedelta(minutes=20))
    begins = timing.begins("shop", "web", TWELVE)
    assert TWELVE < begins <= TWELVE + timedelta(minutes=20)
    early = decide(timing, "shop", "web", last=ELEVEN, now=begins - timedelta(seconds=1), running=False)
    assert early == Decision("Idle", None, begins)
    assert decide(timing, "shop", "web", last=ELEVEN, now=begins, running=False).action == "Start"


@given(st.integers(0, 86400), INSTANTS)
def test_jitter_overtakes_no_later_one(seconds: int, time: datetime) -> None:
    timing = Timing(Schedule.parse("*/5 * * * *"), timedelta(seconds=seconds))
    scheduled = timing.schedule.next(time)
    assert timing.begins("shop", "web", scheduled) < timing.schedule.next(scheduled)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.sampled_from([None, 600]))
def test_whoever_asks_whenever_starts_each_time_once_and_in_order(pauses: list[int], deadline: int | None) -> None:
    limit = None if deadline is None else timedelta(seconds=deadline)
    timing = Timing(Schedule.parse("*/10 * * * *"), timedelta(seconds=200), limit)
    last = now = NOON
    done: list[datetime] = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        decision = decide(timing, "shop", "web", last=last, now=now, running=False)
        assert decision.again is not None
        assert decision.again > now
        if decision.scheduled is not None:
            done.append(last := decision.scheduled)
    assert all(earlier < later for earlier, later in zip(done, islice(done, 1, None), strict=False))


def test_a_policy_tells_when_backups_and_trial_restores_begin() -> None:
    policy = BackupPolicy.model_validate(
        {
            "storeRef": {"name": "store"},
            "schedule": "30 2 * * *",
            "timeZone": "Europe/Paris",
            "jitterSeconds": 60,
            "startingDeadlineSeconds": 600,
            "concurrencyPolicy": "Replace",
            "suspend": True,
            "verify": {"schedule": "@weekly"},
        }
    )
    backups = Timing(
        Schedule.parse("30 2 * * *", "Europe/Paris"), timedelta(minutes=1), timedelta(minutes=10), "Replace", True
    )
    assert Timing.of_backups(policy) == backups
    verification = Timing.of_verification(policy)
    assert verification is not None
    assert verification.schedule == Schedule.parse("@weekly", "Europe/Paris")


def test_without_a_schedule_nothing_begins() -> None:
    policy = BackupPolicy.model_validate({"storeRef": {"name": "store"}})
    assert Timing.of_backups(policy) is None
    assert Timing.of_verification(policy) is None
