"""What a backup policy asks for: scheduled backups once each, old ones let go, a verdict that one can rely on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.conditions import condition_of
from timonier.api.restore import Restore
from timonier.backups.policy_plan import Plan, Refused, plan

NOW = datetime(2026, 11, 27, 8, 0, 30, tzinfo=UTC)
NOBODY: frozenset[str] = frozenset()


def application(status: dict[str, Any] | None = None, name: str = "web", **policy: Any) -> Application:
    storage = {"name": "data", "size": "1Gi", "mountPath": "/data"}
    spec = {"workload": {"image": {"repository": "web"}, "storage": [storage]}}
    given = {"backup": {"storeRef": {"name": "offsite"}, **policy}} if policy else {}
    metadata = {"name": name, "namespace": "shop", "uid": "u", "generation": 2}
    return Application.model_validate({"metadata": metadata, "spec": spec | given, "status": status or {}})


def backup(name: str, age: timedelta, phase: str | None = "Succeeded", reason: str = "Manual", **spec: Any) -> Backup:
    time = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"phase": phase, "backupTime": time, "completionTime": time, "size": "5Mi", "store": {"name": "offsite"}}
    if phase == "Failed":
        said["conditions"] = [{"type": "Succeeded", "status": "False", "reason": "X", "message": "no disk"}]
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "creationTimestamp": time}
    stated = {"targetRef": {"name": "web"}, "reason": reason, **spec}
    return Backup.model_validate({"metadata": metadata, "spec": stated, "status": said if phase else {}})


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def verdict(made: Plan) -> tuple[str, str]:
    found = condition_of(made.status, "BackupHealthy")
    assert found is not None
    return found["status"], found["reason"]


def test_without_a_policy_nothing_is_done_or_said() -> None:
    assert plan(application(), [backup("a", hours(1))], NOBODY, NOW) == Plan()


def test_a_new_schedule_begins_with_its_next_time_and_makes_up_for_nothing() -> None:
    made = plan(application(schedule="30 2 * * *"), [], NOBODY, NOW)
    assert (made.create, made.status["lastScheduleTime"]) == (None, "2026-11-27T08:00:30Z")
    assert made.status["nextBackupTime"] == "2026-11-28T02:30:00Z"
    assert made.again == hours(18.5).total_seconds() - 30
    assert verdict(made) == ("Unknown", "NoBackupYet")


def test_when_it_is_time_a_backup_is_made_whose_name_says_for_when() -> None:
    due = application({"lastScheduleTime": "2026-11-27T07:00:00Z"}, schedule="0 * * * *", timeoutSeconds=60)
    made = plan(due, [backup("a", hours(0.9))], NOBODY, NOW)
    assert made.create is not None
    assert made.create["metadata"]["name"] == "web-202611270800"
    assert made.create["spec"] == {
        "targetRef": {"name": "web"},
        "reason": "Scheduled",
        "scheduledTime": "2026-11-27T08:00:00Z",
        "timeoutSeconds": 60,
    }
    Backup.model_validate(made.create | {"metadata": made.create["metadata"] | {"uid": "x"}})
    assert made.status["lastScheduleTime"] == "2026-11-27T08:00:00Z"
    assert made.status["nextBackupTime"] == "2026-11-27T09:00:00Z"
    # Once remembered, it is not made again.
    after = application(dict(made.status), schedule="0 * * * *")
    assert plan(after, [], NOBODY, NOW).create is None


def test_what_its_author_may_not_begin_waits_and_is_begun_when_they_may() -> None:
    due = application({"lastScheduleTime": "2026-11-27T07:00:00Z"}, schedule="0 * * * *")
    held = plan(due, [backup("a", hours(0.9))], NOBODY, NOW, refused=Refused(backup="alice may not"))
    assert (held.create, held.status["lastScheduleTime"], held.again) == (None, "2026-11-27T07:00:00Z", 30.0)
    assert verdict(held) == ("False", "AuthorNotPermitted")
    assert [(event.type, event.note) for event in held.events] == [("Warning", "alice may not")]
    after = application(dict(held.status), schedule="0 * * * *")
    assert plan(after, [], NOBODY, NOW, refused=Refused(backup="alice may not")).events == (), "it is said once"
    assert plan(after, [], NOBODY, NOW).create is not None
    late = application(dict(held.status), schedule="0 * * * *", startingDeadlineSeconds=10)
    missed = plan(late, [], NOBODY, NOW, refused=Refused(backup="alice may not"))
    assert (missed.create, missed.status["lastScheduleTime"]) == (None, "2026-11-27T08:00:00Z")


def test_nor_does_a_restore_on_trial_begin() -> None:
    held = plan(due_trial(), [backup("good", hours(1))], NOBODY, NOW, refused=Refused(trial="alice may not"))
    assert (held.trial, held.status["lastVerificationTime"], held.again) == (None, "2026-11-27T07:00:00Z", 30.0)
    assert verdict(held) == ("False", "AuthorNotPermitted")
    # That hides nothing that is worse.
    backups = [backup("good", hours(2)), backup("bad", hours(1), "Failed")]
    assert (
        verdict(plan(due_trial(), backups, NOBODY, NOW, refused=Refused(trial="alice may not")))[1]
        == "LastBackupFailed"
    )


def test_long_names_stay_apart_and_fit() -> None:
    names = set()
    for letter in "ab":
        name = "x" * 51 + letter
        due = application({"lastScheduleTime": "2026-11-27T07:00:00Z"}, name=name, schedule="0 * * * *")
        made = plan(due, [], NOBODY, NOW).create
        assert made is not None
        assert len(made["metadata"]["name"]) <= 63
        names.add(made["metadata"]["name"])
    assert len(names) == 2


@pytest.mark.parametrize(
    ("policy", "created", "cancelled"), [("Forbid", False, 0), ("Allow", True, 0), ("Replace", True, 1)]
)
def test_while_another_scheduled_one_is_under_way(policy: str, created: bool, cancelled: int) -> None:
    due = application({"lastScheduleTime": "2026-11-27T07:00:00Z"}, schedule="0 * * * *", concurrencyPolicy=policy)
    running = [backup("r", hours(1), "Running", "Scheduled"), backup("m", hours(1), "Running")]
    made = plan(due, running, NOBODY, NOW)
    assert (made.create is not None, len(made.cancel)) == (created, cancelled)


def test_a_schedule_that_is_none_is_said_and_nothing_is_touched() -> None:
    wrong = application(schedule="30 25 * * *", retention={"last": 1})
    made = plan(wrong, [backup("a", hours(2)), backup("b", hours(1))], NOBODY, NOW)
    assert verdict(made) == ("False", "ScheduleInvalid")
    assert (made.create, made.forget, made.drop) == (None, (), ())
    assert made.status["lastBackup"]["name"] == "b"
    assert [event.type for event in made.events] == ["Warning"]


def test_the_last_good_one_is_named() -> None:
    made = plan(application(schedule="@daily"), [backup("a", hours(2)), backup("b", hours(1), "Failed")], NOBODY, NOW)
    assert made.status["lastBackup"] == {"name": "a", "time": "2026-11-27T06:00:30Z", "size": "5Mi"}
    assert verdict(made) == ("False", "LastBackupFailed")
    found = condition_of(made.status, "BackupHealthy")
    assert found is not None
    assert "no disk" in found["message"]


def test_a_schedule_that_is_not_kept_is_a_breach() -> None:
    late = application({"lastScheduleTime": "2026-11-27T08:00:00Z"}, schedule="0 * * * *", timeoutSeconds=600)
    kept = plan(late, [backup("old", hours(30)), backup("a", timedelta(minutes=59))], NOBODY, NOW)
    assert verdict(kept) == ("True", "BackedUp")
    made = plan(late, [backup("old", hours(30)), backup("a", hours(1.2))], NOBODY, NOW)
    assert verdict(made) == ("False", "Overdue")
    assert [event.reason for event in made.events] == ["Overdue"]
    found = condition_of(made.status, "BackupHealthy")
    assert found is not None
    assert found["message"] == (
        "the backup of 2026-11-27T07:00:00Z is overdue; the last good backup holds data of 1h12m ago"
    )


def test_what_retention_lets_go_is_forgotten_by_its_store_first() -> None:
    backups = [backup(f"b{age}", hours(age)) for age in (1, 2, 3)]
    backups += [backup("kept", hours(9), retain="Forever"), backup("used", hours(10))]
    made = plan(application(retention={"last": 1}), backups, frozenset({"used"}), NOW)
    (forget,) = made.forget
    assert (forget.store, forget.runs) == (("shop", "offsite"), ("uid-b2", "uid-b3"))
    assert [found.metadata.name for found in forget.backups] == ["b3", "b2"]
    assert made.drop == ()


def test_failed_ones_without_data_are_only_dropped() -> None:
    failed = [backup(f"f{age}", hours(age), "Failed") for age in (1, 2, 3)]
    for found in failed:
        del found.status["store"]  # type: ignore[attr-defined]
    made = plan(application(retention={"last": 1, "keepFailed": 1}), failed, NOBODY, NOW)
    assert [found.metadata.name for found in made.drop] == ["f3", "f2"]
    assert made.forget == ()


def test_the_same_backups_are_forgotten_by_a_job_of_the_same_name() -> None:
    backups = [backup(f"b{age}", hours(age)) for age in (1, 2, 3)]
    first, second = (
        plan(application(retention={"last": 1}), found, NOBODY, NOW).forget[0] for found in (backups, backups[::-1])
    )
    other = plan(application(retention={"last": 2}), backups, NOBODY, NOW).forget[0]
    assert first.id == second.id != other.id


TRIED = {"schedule": "0 * * * *"}


def trial(backup: str = "good", phase: str | None = "Succeeded", hour: int = 7, message: str = "") -> Restore:
    condition = {"type": "Succeeded", "status": "True", "reason": "X", "message": message}
    status = {
        "phase": phase,
        "backup": backup,
        "completionTime": f"2026-11-27T0{hour}:30:00Z",
        "conditions": [condition],
    }
    spec = {"from": {"backupRef": {"name": backup}}, "to": {"scratch": {"application": "web"}}}
    metadata = {"name": f"web-trial-{hour}", "namespace": "shop", "uid": f"t{hour}"}
    return Restore.model_validate({"metadata": metadata, "spec": spec, "status": status if phase else {}})


def due_trial(**policy: Any) -> Application:
    return application({"lastVerificationTime": "2026-11-27T07:00:00Z"}, verify=TRIED | policy)


def test_the_newest_good_backup_is_restored_on_trial_when_it_is_time() -> None:
    made = plan(due_trial(job=["look", "here"]), [backup("old", hours(5)), backup("good", hours(1))], NOBODY, NOW)
    assert made.trial is not None
    assert made.trial["metadata"]["name"] == "web-trial-202611270800"
    assert made.trial["metadata"]["ownerReferences"][0]["controller"] is True
    assert made.trial["spec"]["from"] == {"backupRef": {"name": "good"}}
    assert made.trial["spec"]["to"] == {"scratch": {"application": "web", "job": ["look", "here"]}}
    Restore.model_validate(made.trial | {"metadata": made.trial["metadata"] | {"uid": "x"}})
    assert made.status["lastVerificationTime"] == "2026-11-27T08:00:00Z"
    assert made.again == hours(1).total_seconds() - 30


def test_without_a_good_backup_or_while_another_trial_is_under_way_there_is_none() -> None:
    assert plan(due_trial(), [backup("bad", hours(1), "Failed")], NOBODY, NOW).trial is None
    running = plan(due_trial(), [backup("good", hours(1))], NOBODY, NOW, [trial(phase=None)])
    assert (running.trial, running.status["lastVerificationTime"]) == (None, "2026-11-27T07:00:00Z")
    new = plan(application(verify=TRIED), [backup("good", hours(1))], NOBODY, NOW)
    assert (new.trial, new.status["lastVerificationTime"]) == (None, "2026-11-27T08:00:30Z")


def test_what_a_trial_found_is_said_of_its_backup_and_counts_for_the_newest() -> None:
    good = backup("good", hours(1))
    passed = plan(due_trial(), [good], NOBODY, NOW, [trial(hour=6, phase="Failed", message="old"), trial()])
    assert passed.verified == {"good": {"time": "2026-11-27T07:30:00Z", "result": "Passed"}}
    assert verdict(passed) == ("True", "BackedUp")
    failed = plan(due_trial(), [good], NOBODY, NOW, [trial(phase="Failed", message="it has other files")])
    assert failed.verified["good"]["result"] == "Failed"
    assert verdict(failed) == ("False", "TrialFailed")
    assert "it has other files" in str(condition_of(failed.status, "BackupHealthy"))
    other = plan(due_trial(), [good], NOBODY, NOW, [trial("old", "Failed", message="gone")])
    assert verdict(other) == ("True", "BackedUp")
    known = good.model_copy(update={"status": {**good.status, "verified": {"time": "t", "result": "Failed"}}})
    assert verdict(plan(due_trial(), [known], NOBODY, NOW)) == ("False", "TrialFailed")


def test_a_schedule_of_trials_that_is_none_is_said() -> None:
    assert verdict(plan(application(verify={"schedule": "often"}), [], NOBODY, NOW)) == ("False", "ScheduleInvalid")
