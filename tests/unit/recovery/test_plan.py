"""What is done about trouble, and when: the ladder, its time-outs, the budget, the brake, and what is remembered."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonier.api.application import RecoveryProbeStatus
from timonier.api.policies import RecoveryPolicy
from timonier.recovery.plan import Plan, Sight, backup_before, failing, plan
from timonier.recovery.troubles import Trouble, TroubleReason

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
POD = {"metadata": {"name": "web-a", "uid": "a"}}
CRASHES = Trouble(TroubleReason.CRASH_LOOP, "it ends again and again", POD)
LOST = Trouble(TroubleReason.DATA_LOST, "the files are gone")
FULL = Trouble(TroubleReason.UNSCHEDULABLE, "no node has room", POD)


class Patient:
    """An Application, and the time that passes."""

    def __init__(self, **policy: Any) -> None:
        usual = {"unhealthyAfterSeconds": 10, "cooldownSeconds": 0}
        self.policy = RecoveryPolicy.model_validate(usual | policy)
        self.status: Mapping[str, Any] = {}
        self.now = NOW
        self.told: list[str] = []

    def turn(self, trouble: Trouble | None = CRASHES, after: float = 0, **sight: Any) -> Plan:
        self.now += timedelta(seconds=after)
        made = plan("web", self.policy, self.status, 1, Sight(trouble, **sight), self.now)
        self.status = made.status
        self.told += [event.reason for event in made.events]
        return made

    @property
    def suspended(self) -> tuple[str, str]:
        (found,) = self.status["conditions"]
        return found["status"], found["reason"]

    @property
    def recovery(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.status.get("recovery", {})
        return found


def ladder(*actions: str, seconds: int = 60) -> dict[str, Any]:
    return {"ladder": [{"action": action, "timeoutSeconds": seconds} for action in actions]}


def test_while_all_is_well_nothing_is_remembered() -> None:
    patient = Patient()
    made = patient.turn(None)
    assert (patient.recovery, made.act, made.again, made.events) == ({}, None, None, ())
    assert patient.suspended == ("False", "Watching")


def test_trouble_must_last_before_anything_is_done() -> None:
    patient = Patient()
    made = patient.turn()
    assert (made.act, made.again) == (None, 5)
    assert (patient.recovery["trouble"], patient.recovery["since"]) == ("CrashLoop", "2026-11-27T08:00:00Z")
    assert patient.turn(after=9).act is None
    assert patient.told == ["CrashLoop"]
    act = patient.turn(after=1).act
    assert act is not None
    assert (act.action, act.target, act.uid, act.reason) == ("RestartPod", "web-a", "a", "CrashLoop")


def test_what_was_decided_is_done_until_its_time_is_over_and_only_begun_once() -> None:
    patient = Patient(**ladder("RestartPod", "Alert"))
    patient.turn()
    first = patient.turn(after=10)
    assert first.began
    again = patient.turn(after=5)
    assert (again.act, again.began) == (first.act, False)
    assert len(patient.recovery["history"]) == 1


def test_the_ladder_is_climbed_rung_by_rung_and_then_a_person_is_needed() -> None:
    patient = Patient(**ladder("RestartPod", "RollbackRevision", "Alert"))
    patient.turn()
    seen: dict[str, Any] = {"revision": "web-3", "before": "web-2"}
    patient.turn(after=10, **seen)
    assert patient.turn(after=59, **seen).began is False
    act = patient.turn(after=1, **seen).act
    assert act is not None
    assert (act.action, act.target, patient.recovery["badRevision"]) == ("RollbackRevision", "web-3", "web-3")
    assert patient.turn(after=60).began
    assert patient.suspended[0] == "False"
    patient.turn(after=60)
    assert patient.suspended == ("True", "LadderExhausted")
    patient.turn(after=60)
    assert patient.told == ["CrashLoop", "RestartPod", "RollbackRevision", "Alert", "RecoveryLadderExhausted"]
    assert [event["action"] for event in patient.recovery["history"]] == ["Alert", "RollbackRevision", "RestartPod"]


def test_well_again_the_time_that_it_took_is_remembered_and_the_ladder_begins_anew() -> None:
    patient = Patient()
    patient.turn()
    patient.turn(after=10)
    made = patient.turn(None, after=20)
    assert made.recovered == ("CrashLoop", 30)
    assert patient.recovery["history"][0]["recoveredSeconds"] == 30
    assert "trouble" not in patient.recovery
    assert patient.told[-1] == "Recovered"
    patient.turn(after=1000)
    assert patient.turn(after=10).began


def test_trouble_that_passes_by_itself_is_nobodys_merit() -> None:
    patient = Patient()
    patient.turn()
    patient.turn(after=10)
    patient.turn(None, after=5)
    patient.turn(after=100)
    made = patient.turn(None, after=5)
    assert made.recovered == ("CrashLoop", 5)
    assert patient.recovery["history"][0]["recoveredSeconds"] == 15


def test_what_cannot_help_is_left_out() -> None:
    patient = Patient(**ladder("RestartPod", "RollbackRevision", "RestoreBackup", "Alert"))
    patient.turn(FULL)
    act = patient.turn(FULL, after=10, backup="monday").act
    assert act is not None
    assert act.action == "Alert"  # no node would have room for another pod; there is no revision before
    patient = Patient(**ladder("RestartPod", "RestoreBackup"))
    patient.turn(LOST)
    act = patient.turn(LOST, after=10, backup="monday").act
    assert act is not None
    assert (act.action, str(act.target).startswith("web-recovery-")) == ("RestoreBackup", True)
    patient = Patient(**ladder("RestartPod", "RestoreBackup"))
    patient.turn(LOST)
    patient.turn(LOST, after=10)
    assert patient.suspended == ("True", "LadderExhausted")  # there is no backup


def test_data_that_the_author_may_not_restore_waits_until_they_may() -> None:
    patient = Patient(**ladder("RestartPod", "RestoreBackup"))
    patient.turn(LOST)
    held = patient.turn(LOST, after=10, backup="monday", refused="alice may not")
    assert (held.act, held.began) == (None, False)
    assert patient.suspended == ("True", "AuthorNotPermitted")
    act = patient.turn(LOST, after=10, backup="monday").act
    assert act is not None
    assert act.action == "RestoreBackup"


def test_nothing_that_changes_data_or_revision_is_on_the_ladder_by_itself() -> None:
    patient = Patient()
    seen: dict[str, Any] = {"revision": "web-3", "before": "web-2", "backup": "monday"}
    for _ in range(50):
        made = patient.turn(after=100, **seen)
        assert made.act is None or made.act.action in ("RestartPod", "Alert")
    for _ in range(50):
        made = patient.turn(LOST, after=100, **seen)
        assert made.act is None or made.act.action == "Alert"


def test_a_run_that_is_under_way_comes_first() -> None:
    patient = Patient()
    patient.turn()
    made = patient.turn(after=60, pause="upgrade web-3")
    assert (made.act, patient.suspended) == (None, ("False", "RunUnderWay"))
    assert patient.turn(after=1).began


def test_a_storm_is_not_this_applications_trouble() -> None:
    patient = Patient()
    patient.turn()
    made = patient.turn(after=60, unwell=6, applications=10)
    assert (made.act, patient.suspended) == (None, ("True", "Storm"))
    assert patient.turn(after=5, unwell=5, applications=10).began
    assert patient.suspended == ("False", "Watching")
    patient = Patient()
    patient.turn()
    assert patient.turn(after=60, unwell=1, applications=1).began  # one alone is no storm


def test_the_budget_is_for_the_window_and_telling_is_free() -> None:
    patient = Patient(**ladder("RestartPod", seconds=10), budget={"maxActions": 2, "windowSeconds": 600})
    for _ in range(2):
        patient.turn(after=20)
        assert patient.turn(after=20).began
        patient.turn(None, after=10)
    patient.turn(after=20)
    assert patient.turn(after=20).act is None
    assert patient.suspended == ("True", "BudgetSpent")
    assert patient.turn(after=600).began
    assert patient.suspended == ("False", "Watching")


def test_two_actions_have_some_time_between_them() -> None:
    patient = Patient(cooldownSeconds=120)
    patient.turn()
    patient.turn(after=10)
    patient.turn(None, after=5)
    patient.turn(after=5)
    assert patient.turn(after=50).began is False
    assert patient.turn(after=60).began


def test_switched_off_it_only_tells() -> None:
    patient = Patient(enabled=False)
    patient.turn()
    made = patient.turn(after=1000)
    assert (made.act, patient.suspended, patient.recovery["trouble"]) == (None, ("True", "Disabled"), "CrashLoop")


def test_a_probe_that_fails_is_counted_and_one_that_succeeds_is_forgotten() -> None:
    found = failing((), "files", "gone")
    found = failing(found, "files", "gone")
    found = failing(found, "answers", "late")
    assert [(each.name, each.failures) for each in found] == [("answers", 1), ("files", 2)]
    assert failing(found, "files", None) == (RecoveryProbeStatus(name="answers", failures=1, message="late"),)


def test_the_backup_to_go_back_to_is_the_newest_good_one_of_before() -> None:
    def made(name: str, hour: int, phase: str = "Succeeded", reason: str = "Scheduled") -> dict[str, Any]:
        status = {"phase": phase, "completionTime": f"2026-11-27T{hour:02}:00:00Z"}
        return {"metadata": {"name": name}, "spec": {"reason": reason}, "status": status}

    backups = [
        made("old", 1), made("good", 2), made("failed", 3, "Failed"), made("damaged", 4, reason="PreRestore"),
        made("after", 6), {"metadata": {"name": "new"}, "spec": {}},
    ]  # fmt: skip
    assert backup_before(backups, "2026-11-27T05:00:00Z") == "good"
    assert backup_before(backups, "2026-11-27T00:30:00Z") is None
    assert backup_before(backups, "2026-11-27T07:00:00Z") == "after"


EPISODES = st.lists(
    st.tuples(st.sampled_from([None, CRASHES, LOST, FULL]), st.integers(0, 200), st.booleans()), max_size=60
)


@pytest.mark.parametrize("policy", [{}, ladder("RestartPod", "RollbackRevision", "RestoreBackup", "Alert", seconds=10)])
@given(EPISODES)
def test_whatever_happens_there_are_never_more_actions_than_the_budget_allows(
    policy: dict[str, Any], episodes: list[tuple[Trouble | None, int, bool]]
) -> None:
    patient = Patient(**policy, budget={"maxActions": 3, "windowSeconds": 300})
    taken: list[datetime] = []
    for trouble, seconds, busy in episodes:
        made = patient.turn(
            trouble, after=seconds, pause="backup" if busy else None, revision="b", before="a", backup="c"
        )
        if made.began and made.act is not None and made.act.action != "Alert":
            assert not busy
            taken.append(patient.now)
        assert sum(1 for time in taken if time > patient.now - timedelta(seconds=300)) <= 3
        assert len(patient.recovery.get("history", ())) <= 20
        assert (trouble is None) == ("trouble" not in patient.recovery)
