"""When a store is looked at, and what is said of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timonier.api.backup_store import BackupStore
from timonier.api.conditions import condition_of
from timonier.backups.survey import Plan, due_survey, plan
from timonier.runs.outcome import Lock, Outcome, Progress
from timonier.runs.reasons import Reason

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
FOUND = Outcome(result={"repository": "r" * 64, "created": True, "checked": True, "snapshots": 3, "bytes": 2048})


def store(status: dict[str, Any] | None = None, generation: int = 1, **spec: Any) -> BackupStore:
    metadata = {"name": "offsite", "namespace": "shop", "uid": "1", "generation": generation}
    stated = {"encryption": {"passwordSecretRef": {"name": "p"}}, "pvc": {"claimName": "shelf"}, **spec}
    return BackupStore.model_validate({"metadata": metadata, "spec": stated, "status": status or {}})


def after(outcome: Outcome, now: datetime = NOW, before: BackupStore | None = None) -> tuple[BackupStore, Plan]:
    """A store that was looked at, with that outcome."""
    first = before or store()
    survey = due_survey(first, (), now)
    assert survey is not None
    made = plan(first, survey, outcome, now)
    return first.model_copy(update={"status": made.status}), made


def verdicts(status: Any, *types: str) -> list[tuple[str, str]]:
    found = [condition_of(status, type_) for type_ in types]
    return [(one["status"], one["reason"]) for one in found if one is not None]


def test_a_new_store_is_looked_at_checked_and_made() -> None:
    survey = due_survey(store(), ("r1",), NOW)
    assert survey is not None
    assert survey.instruction == {
        "task": "survey", "initialize": True, "check": True, "prune": True, "known": ["r1"],
    }  # fmt: skip
    made = plan(store(), survey, None, NOW)
    assert (made.survey, made.status["phase"]) == (survey, "Pending")
    assert verdicts(made.status, "Ready", "Progressing") == [("Unknown", "Checking"), ("True", "Checking")]
    assert "observedGeneration" not in made.status


def test_what_the_job_waits_for_is_said() -> None:
    survey = due_survey(store(), (), NOW)
    made = plan(store(), survey, Progress("its pod fits on no node"), NOW)
    found = condition_of(made.status, "Progressing")
    assert found is not None
    assert found["message"] == "its pod fits on no node"


def test_a_good_look_makes_it_available_until_the_next_one() -> None:
    known, made = after(FOUND)
    status = made.status
    assert (status["phase"], status["backups"], status["bytes"], status["size"]) == ("Available", 3, 2048, "2Ki")
    assert verdicts(status, "Ready", "Reachable", "IntegrityVerified", "QuotaExceeded", "Stalled", "Progressing") == [
        ("True", "Available"), ("True", "Reachable"), ("True", "Verified"), ("False", "WithinQuota"),
        ("False", "Healthy"), ("False", "Checked"),
    ]  # fmt: skip
    assert (made.survey, made.again) == (None, 3600.0)
    assert [event.reason for event in made.events] == ["Available"]
    assert due_survey(known, (), NOW + timedelta(seconds=3599)) is None
    again = due_survey(known, (), NOW + timedelta(seconds=3600))
    assert again is not None
    assert (again.checks, again.instruction["initialize"]) == (False, False)
    daily = due_survey(known, (), NOW + timedelta(days=1))
    assert daily is not None
    assert daily.checks


def test_a_survey_keeps_its_name_until_it_is_over_and_the_next_has_another() -> None:
    known, _ = after(FOUND)
    first, second = due_survey(store(), (), NOW), due_survey(store(), (), NOW + timedelta(seconds=50))
    third = due_survey(known, (), NOW + timedelta(hours=2))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.id == second.id != third.id


def test_a_change_of_the_spec_is_looked_at_at_once() -> None:
    known, _ = after(FOUND)
    changed = store(dict(known.status), generation=2)
    assert due_survey(changed, (), NOW) is not None


@pytest.mark.parametrize(
    ("error", "reachable", "stalled"),
    [
        (Reason.WRONG_PASSWORD, "True", "True"),
        (Reason.UNREACHABLE, "False", "False"),
        (Reason.CORRUPTED, "True", "True"),
        (Reason.CREDENTIALS_MISSING, "Unknown", "True"),
        (Reason.INTERRUPTED, "Unknown", "False"),
    ],
)
def test_what_is_wrong_is_said_as_what_it_is(error: Reason, reachable: str, stalled: str) -> None:
    _, made = after(Outcome(error, "It is so."))
    assert made.status["phase"] == "Unavailable"
    ready, found, needs = (condition_of(made.status, type_) for type_ in ("Ready", "Reachable", "Stalled"))
    assert ready is not None
    assert found is not None
    assert needs is not None
    assert (ready["status"], ready["reason"], found["status"], needs["status"]) == ("False", error, reachable, stalled)
    assert [(event.type, event.reason) for event in made.events] == [("Warning", error)]


def test_the_longer_something_is_wrong_the_later_it_is_looked_at_again() -> None:
    now, pauses = NOW, []
    known = store()
    for _ in range(9):
        known, made = after(Outcome(Reason.UNREACHABLE, "No answer."), now, known)
        assert made.again is not None
        pauses.append(made.again)
        now += timedelta(seconds=made.again)
    assert pauses == [10, 10, 20, 40, 80, 160, 320, 600, 600]


def test_a_lock_keeps_only_the_check_of_integrity_from_being_done() -> None:
    known, _ = after(FOUND)
    later = NOW + timedelta(days=2)
    locked = Outcome(Reason.LOCKED, "Locked.", locks=(Lock("host", NOW),))
    known, made = after(locked, later, known)
    assert verdicts(made.status, "Ready", "IntegrityVerified") == [("True", "Available"), ("True", "Locked")]
    assert made.status["lockHolder"] == "host"
    assert made.status["lastIntegrityCheckTime"] == "2026-11-27T08:00:00Z"
    _, made = after(FOUND, later + timedelta(hours=1), known)
    assert "lockHolder" not in made.status


def test_another_or_no_repository_is_never_taken_for_the_old_one() -> None:
    known, _ = after(FOUND)
    later = NOW + timedelta(hours=1)
    other = Outcome(result={**FOUND.result, "repository": "x" * 64})
    _, made = after(other, later, known)
    assert verdicts(made.status, "Ready", "Stalled") == [("False", "RepositoryChanged"), ("True", "RepositoryChanged")]
    assert made.status["repository"] == "r" * 64
    survey = due_survey(known, (), later)
    assert survey is not None
    assert survey.instruction["initialize"] is False
    _, made = after(Outcome(Reason.NOT_INITIALIZED, "There is none."), later, known)
    assert verdicts(made.status, "Ready") == [("False", "NotInitialized")]


def test_a_store_that_is_only_read_is_never_made() -> None:
    survey = due_survey(store(readOnly=True), (), NOW)
    assert survey is not None
    assert (survey.instruction["initialize"], survey.instruction["prune"]) == (False, False)


@pytest.mark.parametrize(
    ("quota", "status"),
    [
        ({"maxBackups": 4}, "False"),
        ({"maxBackups": 3}, "True"),
        ({"maxBytes": "3Ki"}, "False"),
        ({"maxBytes": "2Ki"}, "True"),
    ],
)
def test_the_quota(quota: dict[str, Any], status: str) -> None:
    first = store(quota=quota)
    _, made = after(FOUND, NOW, first)
    found = condition_of(made.status, "QuotaExceeded")
    assert found is not None
    assert found["status"] == status
