"""Which steps an Upgrade takes, forward and back, and what its status says of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.application_specs import application
from timonier.api.application import Application
from timonier.api.backup_store import BackupStore
from timonier.api.moments import stamp
from timonier.api.upgrade import Upgrade
from timonier.applications.children import owner_reference
from timonier.applications.revisions import Revision, read_revision
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason
from timonier.runs.turn import Run, Seen, Turn, steps_of, turn
from timonier.upgrades.data import backup_before, made_backup, made_restore, restore_data
from timonier.upgrades.plan import (
    Surroundings,
    approved,
    bake_seconds,
    beside_taken,
    forbidden,
    migration_of,
    obstacle,
    paused,
    probe_of,
    record_of,
    run_of,
    store_ready,
)

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
SCHEMA = {"name": "schema", "command": ["up"], "downCommand": ["down"]}
INDEX = {"name": "index", "command": ["up"], "backoffLimit": 1}
VERIFY = {"name": "page", "http": {"port": 8080}}
BACKED_UP = {
    "backup": {"storeRef": {"name": "offsite"}, "method": "Command", "command": {"dump": ["d"], "load": ["l"]}}
}
MEETS = Outcome(Reason.MIGRATION_FAILED, "no such table")


def upgrade(status: dict[str, Any] | None = None, *, cancel: bool = False, **policy: Any) -> Upgrade:
    metadata = {"name": "web-2", "namespace": "shop", "uid": "u-2", "creationTimestamp": "2026-11-27T08:00:00Z"}
    spec = {
        "targetRef": {"name": "web"},
        "fromRevision": "web-1",
        "toRevision": "web-2",
        "policy": policy,
        "cancel": cancel or None,
    }
    return Upgrade.model_validate({"metadata": metadata, "spec": spec, "status": status or {}})


def follow(
    app: Application | None = None, cancel_at: str = "", news: dict[str, Any] | None = None, **policy: Any
) -> tuple[list[str], dict[str, Any]]:
    """Drive it to its end; every step ends well, but for those that `fails` names. What was begun, and the status.

    What was begun is followed by what was to run meanwhile, as `Rollout:web-2`, or `Quiesce:web-1-`, if stopped.
    """
    fails: dict[str, Outcome] = policy.pop("fails", {})
    status: dict[str, Any] = {}
    begun: list[str] = []
    now, seen = NOW, Seen()
    for _ in range(200):
        now += timedelta(seconds=1)
        cancel = bool(cancel_at) and any(step.startswith(cancel_at) for step in begun)
        current = upgrade(status, cancel=cancel, **policy)
        told = news if news and any(step.startswith("Rollout") for step in begun) else {}
        made = turn(run_of(current, app, now, told), seen, record_of(current, now), now)
        status, seen = made.status, Seen()
        if made.start is not None:
            rollout = status.get("rollout", {})
            runs = f"{rollout.get('revision', '')}{'-' if rollout.get('suspended') else ''}"
            begun.append(f"{made.start.name}:{runs}" if runs else made.start.name)
            stays = cancel_at and made.start.name.startswith(cancel_at) and not cancel
            seen = Seen(task=Progress() if stays else fails.get(made.start.name, Outcome()), job="job")
        elif made.again:
            now += timedelta(seconds=made.again)
        if status["phase"] in ("Succeeded", "Failed", "Cancelled"):
            return begun, status
    raise AssertionError(f"it does not end: {begun}")


def test_the_simplest_upgrade_looks_before_it_rolls_out() -> None:
    begun, status = follow()
    assert begun == ["Preflight", "Rollout:web-2"]
    assert (status["phase"], status["rollout"]) == ("Succeeded", {"revision": "web-2"})
    assert "rolledBack" not in status
    assert "downtime" not in status


def test_all_that_a_policy_may_ask_for_comes_in_its_order() -> None:
    policy = {
        "migrations": [SCHEMA, INDEX],
        "verify": [VERIFY],
        "bakeSeconds": 30,
        "approval": "Manual",
        "quiesce": True,
    }
    begun, status = follow(application(BACKED_UP), **policy)
    assert begun == [
        "Preflight", "Approve", "Backup", "Quiesce:web-1-", "Migrate/schema:web-1-", "Migrate/index:web-1-",
        "Rollout:web-2", "Verify/page:web-2", "Bake:web-2",
    ]  # fmt: skip
    assert (status["phase"], status["backup"], set(status["downtime"])) == (
        "Succeeded",
        "web-2-before-u2",
        {"start", "end"},
    )
    assert status["bakeUntil"] > status["startTime"]


@pytest.mark.parametrize(
    ("before", "app", "backs_up"),
    [("Auto", BACKED_UP, True), ("Auto", {}, False), ("Always", {}, True), ("Never", BACKED_UP, False)],
)
def test_whether_it_backs_up_first(before: str, app: dict[str, Any], backs_up: bool) -> None:
    begun, _ = follow(application(app), backupBefore=before)
    assert ("Backup" in begun) == backs_up


CANARY = {"strategy": "Canary", "canary": [{"replicas": 1, "seconds": 30}, {"replicas": 3, "seconds": 60}]}
MAIN = {"revision": "web-1"}


def beside(traffic: str, **fields: Any) -> dict[str, Any]:
    return {"beside": {"revision": "web-2", "traffic": traffic, **fields}}


def rollouts(status: dict[str, Any], **policy: Any) -> dict[str, Any]:
    """What is to run once each step has begun."""
    run = run_of(upgrade(status, **policy), application(), NOW)
    return {plan.name: plan.mark["rollout"] for plan in run.plans if "rollout" in plan.mark}


def test_with_blue_green_all_is_led_to_pods_that_are_known_to_be_good_and_back_at_once() -> None:
    policy = {"strategy": "BlueGreen", "verify": [VERIFY], "bakeSeconds": 30, "migrations": [SCHEMA]}
    begun, status = follow(**policy)
    assert [step.partition(":")[0] for step in begun] == [
        "Preflight", "Migrate/schema", "Preview", "Verify/page", "Switch", "Bake", "Rollout", "Promote",
    ]  # fmt: skip
    assert "downtime" not in status
    new = {"revision": "web-2"}
    assert rollouts({}, **policy) == {
        "Migrate/schema": MAIN,
        "Preview": MAIN | beside("None"),
        "Switch": MAIN | beside("All"),
        "Rollout": new | beside("All"),
        "Promote": new | beside("None"),
        "Withdraw": MAIN | beside("None"),
        "Rollback": MAIN,
        "Recover": MAIN,
    }
    for step, reason in (("Preview", "ProgressDeadlineExceeded"), ("Bake", "BakeFailed"), ("Switch", "CrashLoop")):
        error = Outcome(Reason(reason) if step != "Preview" else Reason.REFUSED, "bad")
        begun, status = follow(fails={step: error}, **policy)
        back = [] if step == "Preview" else ["Withdraw:web-1"]  # only what serves is to be led back from
        assert [each for each in begun if each.startswith("Withdraw")] == back
        assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]
        assert (status["rollbackReason"], status["rollout"]) == (reason, MAIN)


def test_with_canary_more_and_more_pods_are_watched() -> None:
    begun, status = follow(**CANARY, verify=[VERIFY], bakeSeconds=10)
    assert [step.partition(":")[0] for step in begun] == [
        "Preflight", "Canary/1", "Verify/page", "Bake/1", "Canary/2", "Bake/2", "Rollout", "Bake",
    ]  # fmt: skip
    assert rollouts({}, **CANARY) == {
        "Canary/1": MAIN | beside("Shared", replicas=1),
        "Canary/2": MAIN | beside("Shared", replicas=3),
        "Rollout": {"revision": "web-2"} | beside("Shared", replicas=3),
        "Rollback": MAIN,
        "Recover": MAIN,
    }
    assert [bake_seconds(upgrade(**CANARY, bakeSeconds=10), step) for step in ("Bake/1", "Bake/2", "Bake")] == [
        30,
        60,
        10,
    ]
    begun, status = follow(fails={"Bake/2": Outcome(Reason.BAKE_FAILED, "bad")}, **CANARY)
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]
    assert (status["rollbackReason"], status["rollout"]) == ("BakeFailed", MAIN)


@pytest.mark.parametrize(("policy", "first"), [(CANARY, "Canary/1"), ({"strategy": "BlueGreen"}, "Preview")])
def test_what_is_tried_begins_again_after_a_time_without_pods(policy: dict[str, Any], first: str) -> None:
    made = drive({}, application(), NOW, Seen(), **policy)
    while not (made.start and made.start.name == "Rollout"):
        made = drive(made.status, application(), NOW, Seen(task=Outcome()), **policy)
    made = drive(made.status, application({"suspend": True}), NOW, Seen(task=Outcome()), **policy)
    made = drive(made.status, application(), NOW, Seen(), **policy)
    assert made.start is not None
    assert (made.start.name, made.start.attempts) == (first, 2)
    assert made.status["rollout"]["revision"] == "web-1"


def test_what_cannot_be_tried_beside_is_said_before_anything_else() -> None:
    here = application()
    ours = {"kind": "Service", "metadata": {"name": "web-next", "ownerReferences": [owner_reference(here)]}}
    theirs = {"kind": "Service", "metadata": {"name": "web-next"}}
    adopted = {"metadata": {"annotations": {"timonier.dev/adopted": "true"}}}
    volume = {"name": "data", "size": "1Gi", "mountPath": "/data"}
    one_pod, members = ({"workload": {"kind": kind, "storage": [volume]}} for kind in ("Deployment", "StatefulSet"))
    ports = [
        application({"workload": {"ports": [{"name": name, "containerPort": number}]}})
        for name, number in (("http", 8080), ("web", 8080), ("http", 9090), ("web", 9090))
    ]

    def taken(
        new: Application, live: Any = None, *found: Any, old: Application = here, strategy: str = "Canary"
    ) -> Outcome | None:
        return beside_taken(new, old, live, found, strategy)

    assert (
        taken(here, {"metadata": {}}, ours)
        is taken(here)
        is taken(ports[3], old=ports[0], strategy="BlueGreen")
        is None
    )
    assert taken(ports[1], old=ports[0]) is taken(ports[2], old=ports[0]) is None
    for found in (
        taken(here, None, ours, theirs),
        taken(here, adopted),
        taken(application(one_pod)),
        taken(application(members)),
        taken(ports[3], old=ports[0]),  # no Service leads to both
    ):
        assert found is not None
        assert found.error is Reason.PREFLIGHT_FAILED


def test_what_fails_before_anything_was_touched_leaves_nothing_to_undo() -> None:
    for step, reason in (("Preflight", "PreflightFailed"), ("Backup", "BackupFailed")):
        begun, status = follow(application(BACKED_UP), fails={step: Outcome(Reason.REFUSED, "no")})
        assert begun[-1].startswith(step)
        assert (status["phase"], status["rollbackReason"]) == ("Failed", reason)
        assert "rolledBack" not in status
        assert "rollout" not in status


FAILURES = [
    ("Migrate/schema", Reason.MIGRATION_FAILED, "MigrationFailed"),
    ("Rollout", Reason.PROGRESS_DEADLINE_EXCEEDED, "ProgressDeadlineExceeded"),
    ("Rollout", Reason.CRASH_LOOP, "CrashLoop"),
    ("Rollout", Reason.IMAGE_PULL_FAILED, "ImagePullFailed"),
    ("Verify/page", Reason.VERIFICATION_FAILED, "VerificationFailed"),
    ("Bake", Reason.BAKE_FAILED, "BakeFailed"),
]


@pytest.mark.parametrize(("step", "error", "reason"), FAILURES)
def test_each_failure_has_its_reason_and_all_is_as_before(step: str, error: Reason, reason: str) -> None:
    policy = {"migrations": [SCHEMA], "verify": [VERIFY], "bakeSeconds": 5}
    begun, status = follow(fails={step: Outcome(error, "bad")}, **policy)
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]
    assert (status["phase"], status["rollbackReason"], status["rolledBack"]) == ("Failed", reason, True)
    assert status["rollout"] == {"revision": "web-1"}
    assert status["startTime"] <= status["detectedTime"] <= status["completionTime"]


def test_migrations_are_undone_in_reverse_and_only_those_that_had_begun() -> None:
    policy = {"migrations": [SCHEMA, INDEX | {"downCommand": ["down"], "backoffLimit": 0}, SCHEMA | {"name": "third"}]}
    begun, _ = follow(fails={"Migrate/index": MEETS}, rollbackData="Command", **policy)
    assert begun[1:] == [
        "Migrate/schema:web-1", "Migrate/index:web-1", "Rollback:web-1", "Undo/index:web-1", "Undo/schema:web-1",
        "Recover:web-1",
    ]  # fmt: skip


def test_with_all_pods_stopped_for_migrations_they_are_for_undoing_them() -> None:
    begun, status = follow(
        fails={"Rollout": Outcome(Reason.CRASH_LOOP, "bad")}, migrations=[SCHEMA], rollbackData="Command", quiesce=True
    )
    assert begun[1:] == [
        "Quiesce:web-1-", "Migrate/schema:web-1-", "Rollout:web-2", "Rollback:web-1-", "Undo/schema:web-1-",
        "Recover:web-1",
    ]  # fmt: skip
    assert "end" in status["downtime"]


def test_all_stay_stopped_on_the_way_back_only_where_something_may_be_at_work_on_the_data() -> None:
    policy = {"quiesce": True, "migrations": [SCHEMA, INDEX], "rollbackData": "Command"}
    late = Outcome(Reason.PROGRESS_DEADLINE_EXCEEDED, "a pod does not end")
    begun, _ = follow(fails={"Quiesce": late}, **policy)
    assert begun[1:] == ["Quiesce:web-1-", "Rollback:web-1", "Recover:web-1"]
    for data in ("None", "Command", "RestoreBackup"):  # the failed migration may still be ending
        begun, _ = follow(application(BACKED_UP), fails={"Migrate/schema": MEETS}, **policy | {"rollbackData": data})
        assert "Rollback:web-1-" in begun
    crash = Outcome(Reason.CRASH_LOOP, "bad")
    begun, _ = follow(fails={"Rollout": crash}, **policy | {"rollbackData": "None"})
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]
    begun, _ = follow(fails={"Rollout": crash}, **policy | {"migrations": [INDEX]})
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]


def drive(status: dict[str, Any], app: Application, now: datetime, seen: Seen, **policy: Any) -> Turn:
    current = upgrade(status, **policy)
    return turn(run_of(current, app, now), seen, record_of(current, now), now)


@pytest.mark.parametrize("none", [{"suspend": True}, {"scaling": {"replicas": 0}}])
@pytest.mark.parametrize("at", ["Rollout", "Verify/page", "Bake"])
def test_while_no_pods_are_asked_for_no_revision_is_good_or_bad(none: dict[str, Any], at: str) -> None:
    policy = {"verify": [VERIFY], "bakeSeconds": 30}
    now, seen, status = NOW, Seen(), dict[str, Any]()
    while True:
        made = drive(status, application(), now, seen, **policy)
        status = made.status
        if made.start is not None and made.start.name == at:
            break
        seen, now = Seen(task=Outcome(), job="job"), now + timedelta(seconds=1)
    # Its pods have just gone, and all that is asked of them fails.
    bad = Seen(task=Outcome(Reason.VERIFICATION_FAILED, "nobody answers"), job="job")
    made = drive(status, application(none), now, bad, **policy)
    assert made.stop is not None
    assert (made.stop.name, made.stop.job_ref, made.start) == (at, "job", None)
    states = {step.name: step.state for step in steps_of(made.status)}
    assert [states[name] for name in ("Rollout", "Verify/page", "Bake")] == ["Pending"] * 3
    assert "nothing would tell" in next(step.message or "" for step in steps_of(made.status) if step.name == "Rollout")
    # However long that takes, nothing is late.
    now += timedelta(days=30)
    made = drive(made.status, application(none), now, Seen(), **policy)
    assert (made.status["phase"], made.start, made.stop) == ("Running", None, None)
    made = drive(made.status, application(), now, Seen(), **policy)
    assert made.start is not None
    assert (made.start.name, made.start.start_time, made.start.attempts) == ("Rollout", stamp(now), 2)
    assert 30 * 86400 <= made.status["heldSeconds"] < 30 * 86400 + 10  # and what had been done in vain
    begun, status, seen = [made.start.name], made.status, Seen(task=Outcome(), job="job")
    while status["phase"] == "Running":
        now += timedelta(seconds=1)
        made = drive(status, application(), now, seen, **policy)
        status = made.status
        begun += [made.start.name] if made.start else []
    assert begun == ["Rollout", "Verify/page", "Bake"]
    assert status["phase"] == "Succeeded"
    late = drive(
        {**status, "phase": "Running", "steps": [{"name": "Rollout", "state": "Running"}], "conditions": []},
        application(), now + timedelta(seconds=3601), Seen(task=Progress()), **policy,
    )  # fmt: skip
    assert late.status["rollbackReason"] == "TimedOut"


@pytest.mark.parametrize("stops", [True, False])
def test_what_has_touched_nothing_does_not_begin_to_while_there_are_no_pods(stops: bool) -> None:
    none = application(BACKED_UP | {"suspend": True})
    policy = {"approval": "Manual", "migrations": [SCHEMA], "quiesce": stops}
    made = drive({}, none, NOW, Seen(), **policy)
    assert (made.status["phase"], made.start) == ("Pending", None)
    made = drive({}, application(BACKED_UP), NOW, Seen(), **policy)
    while made.start is None or made.start.name != "Approve":
        made = drive(made.status, application(BACKED_UP), NOW, Seen(task=Outcome()), **policy)
    made = drive(made.status, none, NOW, Seen(task=Progress()), **policy)
    assert {step.name: step.state for step in steps_of(made.status)}["Approve"] == "Running"
    made = drive(made.status, none, NOW, Seen(task=Outcome()), **policy)
    assert {step.name: step.state for step in steps_of(made.status)}["Backup"] == "Pending"
    assert (made.start, "rollout" in made.status) == (None, False)
    # What began meanwhile comes first.
    current = upgrade(made.status, **policy)
    rival = run_of(current, application(BACKED_UP), NOW, rival="restore monday")
    assert turn(rival, Seen(), record_of(current, NOW), NOW).start is None
    made = drive(made.status, application(BACKED_UP), NOW, Seen(), **policy)
    assert made.start is not None
    assert made.start.name == "Backup"
    # Once something was touched it goes on until pods are to tell how it is.
    while not any(step.name.startswith("Migrate") and step.state == "Running" for step in steps_of(made.status)):
        made = drive(made.status, application(BACKED_UP), NOW, Seen(task=Outcome()), **policy)
    made = drive(made.status, none, NOW, Seen(task=Outcome()), **policy)
    assert {step.name: step.state for step in steps_of(made.status)}["Rollout"] == "Pending"
    current = upgrade(made.status, cancel=True, **policy)
    made = turn(run_of(current, none, NOW), Seen(), record_of(current, NOW), NOW)
    assert made.start is not None
    assert made.start.name == "Rollback"
    assert {step.name: step.state for step in steps_of(made.status)}["Rollout"] == "Skipped"


def test_versions_that_must_not_run_beside_one_another_do_not_on_the_way_back() -> None:
    for data in ("None", "Command", "RestoreBackup"):
        fails = {"Rollout": Outcome(Reason.CRASH_LOOP, "bad")}
        begun, _ = follow(application(BACKED_UP), fails=fails, strategy="Recreate", rollbackData=data)
        assert "Rollback:web-1-" in begun
        assert begun[-1] == "Recover:web-1"
    begun, _ = follow(fails={"Quiesce": Outcome(Reason.PROGRESS_DEADLINE_EXCEEDED, "late")}, strategy="Recreate")
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]


def test_data_that_the_revision_before_did_not_have_is_not_backed_up() -> None:
    files = application(
        {
            "workload": {"storage": [{"name": "data", "size": "1Gi", "mountPath": "/data"}]},
            "backup": {"storeRef": {"name": "offsite"}, "method": "Files"},
        }
    )
    for backs_up, before in ((True, None), (False, revision(1))):
        run = run_of(upgrade(), files, NOW, before=before)
        assert ("Backup" in [plan.name for plan in run.plans]) == backs_up
    assert store_ready(upgrade(), files, None, revision(1)) is None
    missing = store_ready(upgrade(rollbackData="RestoreBackup"), files, store("True"), revision(1))
    assert missing is not None
    assert missing.message.endswith("the revision before has none")


def test_data_comes_back_from_the_backup_before_when_it_can_have_changed() -> None:
    policy = {"migrations": [SCHEMA], "rollbackData": "RestoreBackup"}
    begun, _ = follow(application(BACKED_UP), fails={"Migrate/schema": MEETS}, **policy)
    assert begun[-3:] == ["Rollback:web-1", "RestoreData:web-1", "Recover:web-1"]
    begun, status = follow(fails={"Preflight": Outcome(Reason.PREFLIGHT_FAILED, "no spec.backup")}, **policy)
    assert "rolledBack" not in status
    begun, _ = follow(application(BACKED_UP), fails={"Backup": Outcome(Reason.BACKUP_FAILED, "bad")}, **policy)
    assert begun[-1] == "Backup"


def test_data_that_nothing_but_the_old_version_has_worked_on_stays() -> None:
    fails = {"Rollout": Outcome(Reason.IMAGE_PULL_FAILED, "no such image")}
    begun, status = follow(application(BACKED_UP), fails=fails, rollbackData="RestoreBackup")
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]
    assert status["rolledBack"] is True
    begun, _ = follow(application(BACKED_UP), fails=fails, rollbackData="RestoreBackup", news={"hasRun": True})
    assert begun[-3:] == ["Rollback:web-1", "RestoreData:web-1", "Recover:web-1"]
    begun, _ = follow(application(BACKED_UP), cancel_at="Quiesce", quiesce=True, rollbackData="RestoreBackup")
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]


@pytest.mark.parametrize("step", ["Undo/schema", "RestoreData", "Rollback"])
def test_it_is_not_rolled_back_when_the_data_is_not(step: str) -> None:
    data = "Command" if step.startswith("Undo") else "RestoreBackup"
    fails = {"Rollout": Outcome(Reason.CRASH_LOOP, "bad"), step: Outcome(Reason.HOOK_FAILED, "cannot")}
    begun, status = follow(application(BACKED_UP), fails=fails, migrations=[SCHEMA], rollbackData=data)
    assert begun[-1] == "Recover:web-1"
    assert "rolledBack" not in status
    message = next(each["message"] for each in status["conditions"] if each["type"] == "Succeeded")
    assert message.endswith(f"then step {step} failed: cannot")


def test_data_is_not_undone_while_the_pods_could_not_be_rolled_back() -> None:
    for state, steps in (("Failed", {"Undo/schema", "RestoreData"}), ("Succeeded", set())):
        found = upgrade({"steps": [{"name": "Rollback", "state": state}]})
        names = {"Undo/schema", "RestoreData", "Recover", "Migrate/schema"}
        assert {name for name in names if forbidden(found, name) is not None} == steps


def test_a_migration_is_tried_again_as_often_as_it_says_itself() -> None:
    begun, _ = follow(fails={"Migrate/schema": MEETS}, migrations=[SCHEMA])
    assert begun.count("Migrate/schema:web-1") == 1
    begun, _ = follow(fails={"Migrate/index": MEETS}, migrations=[INDEX])
    assert begun.count("Migrate/index:web-1") == 2
    gone = Outcome(Reason.INTERRUPTED, "its pod went away")
    begun, status = follow(fails={"Migrate/schema": gone}, migrations=[SCHEMA])
    assert (begun.count("Migrate/schema:web-1"), status["rollbackReason"]) == (1, "MigrationFailed")


def test_paused_it_stays_as_it_is_until_a_person_says_so() -> None:
    begun, _ = follow(
        fails={"Verify/page": Outcome(Reason.VERIFICATION_FAILED, "bad")}, verify=[VERIFY], onFailure="Pause"
    )
    assert begun[-3:] == ["Pause:web-2", "Rollback:web-1", "Recover:web-1"]
    assert isinstance(paused(upgrade()), Progress)
    assert paused(upgrade(cancel=True)) == Outcome()


def test_cancelled_it_goes_back() -> None:
    begun, status = follow(cancel_at="Rollout")
    assert begun[-2:] == ["Rollback:web-1", "Recover:web-1"]
    assert (status["phase"], status["rollbackReason"], status["rolledBack"]) == ("Cancelled", "Cancelled", True)


def test_a_way_back_that_fails_is_said() -> None:
    begun, status = follow(
        fails={"Rollout": Outcome(Reason.CRASH_LOOP, "bad"), "Recover": Outcome(Reason.NOT_READY, "still bad")}
    )
    assert begun[-1] == "Recover:web-1"
    assert (status["phase"], status["rollbackReason"]) == ("Failed", "CrashLoop")
    assert "rolledBack" not in status


def revision(number: int) -> Revision:
    data = {"workload": {"image": {"repository": "web"}}}
    found = read_revision({"metadata": {"name": f"web-{number}"}, "revision": number, "data": data})
    assert found is not None
    return found


def test_what_keeps_it_from_beginning() -> None:
    all_there = Surroundings(application(), revision(1), revision(2))
    owned = upgrade()
    owner = {"uid": application().metadata.uid, "controller": True}
    owned = owned.model_copy(update={"metadata": owned.metadata.model_copy(update={"owner_references": (owner,)})})
    assert obstacle(owned, all_there) is None
    foreign = obstacle(upgrade(), all_there)
    assert foreign is not None
    assert foreign[0] is Reason.NOT_SUPPORTED
    for around, reason in (
        (replace(all_there, application=None), Reason.APPLICATION_NOT_FOUND),
        (replace(all_there, before=None), Reason.REVISION_NOT_FOUND),
        (replace(all_there, after=None), Reason.REVISION_NOT_FOUND),
        (replace(all_there, rival="restore monday"), Reason.ANOTHER_RUN),
    ):
        words = obstacle(owned, around)
        assert words is not None
        assert words[0] is reason


def test_approval_is_an_annotation() -> None:
    waits = approved(upgrade())
    assert isinstance(waits, Progress)
    assert "kubectl annotate upgrade web-2 timonier.dev/approve=true" in str(waits.trouble)
    found = upgrade()
    metadata = found.metadata.model_copy(update={"annotations": {"timonier.dev/approve": "true"}})
    assert approved(found.model_copy(update={"metadata": metadata})) == Outcome()


def store(ready: str) -> BackupStore:
    conditions = [{"type": "Ready", "status": ready, "reason": "Unreachable", "message": "it does not answer"}]
    spec = {"rest": {"url": "https://nobody.example"}, "encryption": {"passwordSecretRef": {"name": "p"}}}
    metadata = {"name": "offsite", "namespace": "shop", "uid": "s"}
    return BackupStore.model_validate(
        {"metadata": metadata, "spec": spec, "status": {"conditions": conditions, "observedGeneration": 0}}
    )


def test_a_backup_that_could_not_be_made_is_said_before_anything_else() -> None:
    backed_up = application(BACKED_UP)
    assert store_ready(upgrade(backupBefore="Never"), backed_up, None) is None
    assert store_ready(upgrade(), application(), None) is None
    assert store_ready(upgrade(), backed_up, store("True")) is None
    for missing in (
        store_ready(upgrade(), backed_up, None),
        store_ready(upgrade(), backed_up, store("False")),
        store_ready(upgrade(backupBefore="Always"), application(), store("True")),
        store_ready(upgrade(rollbackData="RestoreBackup"), application(), store("True")),
    ):
        assert missing is not None
        assert missing.error is Reason.PREFLIGHT_FAILED


def test_a_step_knows_its_migration_and_its_probe() -> None:
    found = upgrade(migrations=[SCHEMA, INDEX], verify=[VERIFY])
    steps = ("Migrate/index", "Undo/schema", "Migrate/x")
    assert [getattr(migration_of(found, step), "name", None) for step in steps] == ["index", "schema", None]
    assert [getattr(probe_of(found, step), "name", None) for step in ("Verify/page", "Verify/x")] == ["page", None]


def test_backup_and_restore_are_its_own_or_none() -> None:
    found = upgrade({"backup": "web-2-before"})
    made = backup_before(found, application(BACKED_UP))
    assert made_backup(found, None) is None
    assert made_restore(found, None) is None
    for phase, error in (("Succeeded", None), ("Failed", Reason.BACKUP_FAILED), ("Cancelled", Reason.BACKUP_FAILED)):
        outcome = made_backup(found, {**made, "status": {"phase": phase}})
        assert isinstance(outcome, Outcome)
        assert outcome.error is error
    assert isinstance(made_backup(found, made), Progress)
    foreign = {**made, "metadata": {"name": "web-2-before"}, "status": {"phase": "Succeeded"}}
    assert getattr(made_backup(found, foreign), "error", None) is Reason.BACKUP_FAILED
    slow = application({"backup": {**BACKED_UP["backup"], "timeoutSeconds": 7200}})
    assert backup_before(found, slow)["spec"]["timeoutSeconds"] == 7200
    assert restore_data(found, slow)["spec"]["timeoutSeconds"] == 21600
    back = restore_data(found, application(BACKED_UP))
    assert "ownerReferences" not in back["metadata"]
    assert back["spec"]["from"] == {"backupRef": {"name": "web-2-before"}}
    assert made_restore(found, {**back, "status": {"phase": "Succeeded"}}) == Outcome()
    assert getattr(made_restore(found, {**back, "status": {"phase": "Failed"}}), "error", None) is Reason.NOT_READY
    stranger = {**back, "metadata": {"name": "web-2-back"}, "status": {"phase": "Succeeded"}}
    assert getattr(made_restore(found, stranger), "error", None) is Reason.NOT_READY


def test_upgrades_of_applications_with_long_names_have_backups_of_their_own() -> None:
    def named(number: int) -> Upgrade:
        found = upgrade()
        metadata = found.metadata.model_copy(update={"name": f"{'a' * 52}-{number}"})
        return found.model_copy(update={"metadata": metadata})

    names = {str(backup_before(named(number), application())["metadata"]["name"]) for number in (2, 3, 20)}
    assert len(names) == 3
    assert max(map(len, names)) <= 63


def test_steps_stay_those_that_it_began_with() -> None:
    begun = run_of(upgrade(), application(BACKED_UP), NOW)
    made = turn(begun, Seen(), record_of(upgrade(), NOW), NOW)
    later: Run = run_of(upgrade(made.status), application(), NOW)
    assert [plan.name for plan in later.plans] == [step.name for step in steps_of(made.status)]
