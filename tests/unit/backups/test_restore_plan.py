"""Which backup a restore takes, what keeps it from beginning, and which steps it has as things go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timonier.api.application import Application
from timonier.api.backup import Backup, Imported
from timonier.api.backup_store import BackupStore
from timonier.api.references import AUTHOR
from timonier.api.restore import NewApplication, Restore
from timonier.api.runs import StepStatus
from timonier.backups.restore_plan import (
    Surroundings,
    choice,
    claim_of_pod,
    facts,
    has_stopped,
    hooks_of,
    instruction,
    is_own,
    is_well,
    made_safe,
    new_application,
    obstacle,
    probe_of,
    run_of,
    safety_backup,
    target_of,
    tried_on,
)
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
IN_PLACE = {"inPlace": {"application": "web", "confirm": "web"}}


def backup(
    name: str = "first", application: str = "web", day: int = 1, phase: str = "Succeeded", **status: Any
) -> Backup:
    said = {
        "phase": phase,
        "method": "Files",
        "snapshotID": name,
        "volumes": ["data"],
        "store": {"name": "offsite"},
        "backupTime": f"2026-11-{day:02}T08:00:00Z",
        "completionTime": f"2026-11-{day:02}T09:00:00Z",
    }
    metadata = {"name": name, "namespace": "shop", "uid": name}
    return Backup.model_validate(
        {"metadata": metadata, "spec": {"targetRef": {"name": application}}, "status": said | status}
    )


def restore(
    source: dict[str, Any] | None = None,
    to: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
    **status: Any,
) -> Restore:
    spec = {"from": source or {"backupRef": {"name": "first"}}, "to": to or IN_PLACE, **(more or {})}
    return Restore.model_validate(
        {"metadata": {"name": "back", "namespace": "shop", "uid": "r"}, "spec": spec, "status": status}
    )


def application(*, ready: str = "True", suspend: bool = False) -> Application:
    condition = {"type": "Ready", "status": ready, "message": "as it is"}
    spec = {"workload": {"image": {"repository": "web"}}, "suspend": suspend}
    metadata = {"name": "web", "namespace": "shop", "uid": "u"}
    return Application.model_validate({"metadata": metadata, "spec": spec, "status": {"conditions": [condition]}})


STORE = BackupStore.model_validate(
    {
        "metadata": {"name": "offsite", "namespace": "shop", "uid": "s", "generation": 1},
        "spec": {"pvc": {"claimName": "c"}, "encryption": {"passwordSecretRef": {"name": "p"}}},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "message": "x"}]},
    }
)
ALL = [backup("a", day=1), backup("b", day=3), backup("c", day=5, phase="Failed"), backup("d", "other", day=9)]


@pytest.mark.parametrize(
    ("source", "chosen"),
    [
        ({"backupRef": {"name": "a"}}, "a"),
        ({"latest": {"application": "web"}}, "b"),
        ({"latest": {"application": "other"}}, "d"),
        ({"before": {"application": "web", "time": "2026-11-03T09:00:00Z"}}, "b"),
        # It was still being made then: some of what it holds may be younger.
        ({"before": {"application": "web", "time": "2026-11-03T08:59:59Z"}}, "a"),
        ({"before": {"application": "web", "time": "2026-11-01T10:00:00+02:00"}}, Reason.BACKUP_NOT_FOUND),
        ({"latest": {"application": "nobody"}}, Reason.BACKUP_NOT_FOUND),
        ({"backupRef": {"name": "x"}}, Reason.BACKUP_NOT_FOUND),
        ({"backupRef": {"name": "c"}}, Reason.BACKUP_NOT_COMPLETE),
    ],
)
def test_which_backup_is_meant(source: dict[str, Any], chosen: str) -> None:
    found = choice(restore(source), ALL)
    assert (found.metadata.name if isinstance(found, Backup) else found[0]) == chosen


AROUND = Surroundings(backup(), application(), store=STORE, places=("data", "logs"))
CLAIM = {"claim": {"name": "c", "confirm": "c"}}


@pytest.mark.parametrize(
    ("to", "fields", "reason"),
    [
        pytest.param(IN_PLACE, {}, None, id="nothing"),
        pytest.param(IN_PLACE, {"backup": backup(application="db")}, Reason.WRONG_APPLICATION, id="another's backup"),
        pytest.param(IN_PLACE, {"application": None}, Reason.APPLICATION_NOT_FOUND, id="no application"),
        pytest.param(IN_PLACE, {"places": ("logs",)}, Reason.VOLUMES_DIFFER, id="no such volume"),
        pytest.param(IN_PLACE, {"store": None}, Reason.STORE_NOT_FOUND, id="no store"),
        pytest.param(IN_PLACE, {"refused": "no"}, Reason.STORE_NOT_ALLOWED, id="usage policy"),
        pytest.param(IN_PLACE, {"rival": "backup x"}, Reason.ANOTHER_RUN, id="another run"),
        pytest.param(CLAIM, {"application": None, "claim": {}}, None, id="claim"),
        pytest.param(CLAIM, {"application": None}, Reason.CLAIM_NOT_FOUND, id="no claim"),
        pytest.param(CLAIM, {"claim": {}}, Reason.CLAIM_MANAGED, id="an application's claim"),
        pytest.param(CLAIM, {"application": None, "claim": {}, "users": ("p",)}, Reason.CLAIM_IN_USE, id="used claim"),
        pytest.param(
            CLAIM,
            {"application": None, "claim": {}, "backup": backup(volumes=["a", "b"])},
            Reason.VOLUMES_DIFFER,
            id="two volumes into one",
        ),
    ],
)
def test_what_keeps_it_from_beginning(to: dict[str, Any], fields: dict[str, Any], reason: Reason | None) -> None:
    found = obstacle(restore(to=to), replace(AROUND, **fields))
    assert (found[0] if found else None) == reason


def test_what_it_is_about_is_fixed_at_its_start() -> None:
    assert facts(restore(), AROUND) == {
        "backup": "first",
        "method": "Files",
        "store": {"name": "offsite", "namespace": "shop"},
        "snapshotID": "first",
        "application": "web",
    }


def whens(found: Restore) -> dict[str, str]:
    return {plan.name: plan.when for plan in run_of(found, {}).plans}


def test_the_application_is_stopped_again_only_when_its_data_has_been_touched() -> None:
    assert whens(restore()) == {
        "SafetyBackup": "Forward", "Quiesce": "Forward", "Load": "Forward", "Resume": "Forward",
        "Stop": "Never", "BringBack": "Never", "Restart": "Never",
    }  # fmt: skip
    stopped = whens(restore(quiesced=True))
    assert (stopped["Stop"], stopped["BringBack"], stopped["Restart"]) == ("Never", "Never", "Failure")
    loaded = whens(restore(steps=[{"name": "Load", "state": "Failed", "attempts": 1}]))
    assert (loaded["Stop"], loaded["BringBack"], loaded["Restart"]) == ("Failure", "Failure", "Failure")


HOOKS: dict[str, Any] = {
    "hooks": {
        "pre": [{"name": "close", "job": {"command": ["close"]}}],
        "post": [{"name": "open", "exec": {"command": ["open"]}}],
    },
    "verify": [{"name": "page", "http": {"port": 80}}, {"name": "rows", "exec": {"command": ["count"]}}],
}


def test_hooks_come_first_and_last_and_probes_before_what_undoes() -> None:
    in_place = restore(more=HOOKS)
    assert whens(in_place) == {
        "PreHook/close": "Forward", "SafetyBackup": "Forward", "Quiesce": "Forward", "Load": "Forward",
        "Resume": "Forward", "Verify/page": "Forward", "Verify/rows": "Forward", "Stop": "Never",
        "BringBack": "Never", "Restart": "Never", "PostHook/open": "Always",
    }  # fmt: skip
    loaded = [{"name": "Load", "state": "Succeeded", "attempts": 1}]
    assert list(whens(restore(more=HOOKS, method="Command", steps=loaded)).items()) == [
        ("PreHook/close", "Forward"), ("SafetyBackup", "Forward"), ("Load", "Forward"), ("Resume", "Forward"),
        ("Verify/page", "Forward"), ("Verify/rows", "Forward"), ("BringBack", "Failure"), ("PostHook/open", "Always"),
    ]  # fmt: skip
    new = restore(to={"newApplication": {"name": "copy"}}, more={**HOOKS, "hooks": {"post": HOOKS["hooks"]["post"]}})
    assert list(whens(new)) == ["Create", "Load", "Resume", "Verify/page", "Verify/rows", "PostHook/open"]
    assert [hook.name for hooks in hooks_of(in_place) for hook in hooks] == ["close", "open"]
    assert hooks_of(restore()) == ((), ())
    probe = probe_of(in_place, "Verify/rows")
    assert probe is not None
    assert probe.exec is not None
    assert probe_of(in_place, "Resume") is None


def test_the_plan_follows_the_status_within_a_turn() -> None:
    run = run_of(restore(), {"method": "Files"})
    assert run.replan is not None
    told = {plan.name: plan.when for plan in run.replan({"quiesced": True, "method": "Files"})}
    assert (told["Stop"], told["Restart"]) == ("Never", "Failure")


def test_without_a_safety_backup_and_into_a_claim_there_are_fewer_steps() -> None:
    place = {"inPlace": {**IN_PLACE["inPlace"], "safetyBackup": False}}
    assert "SafetyBackup" not in whens(restore(to=place))
    assert whens(restore(to=CLAIM)) == {"Load": "Forward"}


def test_the_safety_backup_is_the_restores_and_outlives_it() -> None:
    owner: dict[str, Any] = {
        "apiVersion": "timonier.dev/v1",
        "kind": "Restore",
        "metadata": {"namespace": "shop", "name": "b" * 63, "uid": "r"},
    }
    owner["status"] = {"store": {"name": "offsite"}, "method": "Command"}
    made = safety_backup(owner, "web", 60)
    assert made["spec"]["method"] == "Command"
    assert len(made["metadata"]["name"]) <= 63
    assert made["metadata"]["annotations"] == {"timonier.dev/made-for": "r"}
    assert "ownerReferences" not in made["metadata"]
    again = {**owner, "metadata": {**owner["metadata"], "uid": "s"}}
    assert safety_backup(again, "web", 60)["metadata"]["name"] != made["metadata"]["name"]
    Backup.model_validate(made | {"metadata": made["metadata"] | {"uid": "1"}})


def test_what_has_become_of_the_safety_backup() -> None:
    owner = {"metadata": {"name": "back", "uid": "r"}}

    def safety(**status: str) -> dict[str, Any]:
        metadata = {"name": "back-safety-r", "annotations": {"timonier.dev/made-for": "r"}}
        return {"metadata": metadata, "status": status}

    assert made_safe(owner, None) is None
    assert isinstance(made_safe(owner, safety()), Progress)
    assert made_safe(owner, safety(phase="Succeeded")) == Outcome()
    strange = safety(phase="Succeeded") | {"metadata": {"name": "back-safety"}}
    for failed in (made_safe(owner, safety(phase="Failed")), made_safe(owner, strange)):
        assert isinstance(failed, Outcome)
        assert failed.error is Reason.SAFETY_BACKUP_FAILED


def test_it_has_stopped_when_no_pod_is_left_and_none_will_come() -> None:
    evicted = {"metadata": {"name": "web-a"}, "status": {"phase": "Failed", "reason": "Evicted"}}
    assert has_stopped({"spec": {"replicas": 0}}, [evicted]) == Outcome()
    assert isinstance(has_stopped({"spec": {"replicas": 1}}, []), Progress)
    assert isinstance(has_stopped({"spec": {}}, []), Progress)
    assert isinstance(has_stopped({"spec": {"replicas": 0}}, [{}]), Progress)
    assert has_stopped({"spec": {"replicas": 0}}, []) == has_stopped(None, []) == Outcome()


def deployment(replicas: int, ready: int) -> dict[str, Any]:
    status = {"observedGeneration": 2, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": 2},
        "spec": {"replicas": replicas},
        "status": status,
    }


def test_it_is_well_when_its_pods_are_ready_whatever_else_is_asked_for() -> None:
    step = StepStatus(name="Resume", state="Running", start_time="2026-11-27T08:00:00Z")
    up, unready, down = deployment(1, 1), deployment(1, 0), deployment(0, 0)
    assert is_well(application(ready="False"), up, step, NOW) == Outcome()  # of another revision, it may be
    assert isinstance(is_well(application(), down, step, NOW), Progress)  # it was ready before it was stopped
    assert isinstance(is_well(application(), unready, step, NOW), Progress)
    assert is_well(application(suspend=True), down, step, NOW) == Outcome()
    late = is_well(application(), unready, step, NOW + timedelta(seconds=301))
    assert isinstance(late, Outcome)
    assert late.error is Reason.NOT_READY


NEW = {"newApplication": {"name": "copy"}}
SAVED = {
    "apiVersion": "timonier.dev/v1",
    "kind": "Application",
    "metadata": {"name": "web", "namespace": "old", "labels": {"team": "a"}, "annotations": {"note": "x"}},
    "spec": {
        "workload": {"image": {"repository": "web"}},
        "adopt": True,
        "suspend": True,
        "network": {"ingress": {"host": "web.example"}, "networkPolicy": "None"},
        "backup": {"storeRef": {"name": "offsite"}, "schedule": "@daily", "retention": {"last": 3}},
    },
}


def made_new(beside_the_old: bool = False, **place: Any) -> dict[str, Any]:
    found = restore(to={"newApplication": {"name": "copy", **place}})
    assert found.spec.to.new_application is not None
    return new_application(SAVED, found, found.spec.to.new_application, beside_the_old=beside_the_old)


def test_a_new_application_is_as_it_was_saved_but_makes_no_backups_of_its_own() -> None:
    made = made_new()
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("copy", "shop")
    assert made["metadata"]["labels"] == {"team": "a"}
    assert made["metadata"]["annotations"] == {"note": "x", "timonier.dev/restored-by": "r"}
    assert made["spec"] == {
        "workload": {"image": {"repository": "web"}},
        "network": {"ingress": {"host": "web.example"}, "networkPolicy": "None"},
        "backup": {"storeRef": {"name": "offsite"}, "retention": {"last": 3}},
    }
    assert is_own(made, restore(to=NEW))
    assert not is_own(SAVED, restore(to=NEW))


def test_a_new_application_acts_for_whoever_has_it_made_and_not_for_whom_the_store_says() -> None:
    theirs, place = (
        {**SAVED, "metadata": {**SAVED["metadata"], "annotations": {AUTHOR: "admin"}}},
        NewApplication(name="copy"),
    )  # type: ignore[dict-item]
    for author, annotations in (("alice", {AUTHOR: "alice"}), (None, {})):
        found = restore(to=NEW)
        stated = {AUTHOR: author} if author else {}
        found = found.model_copy(update={"metadata": found.metadata.model_copy(update={"annotations": stated})})
        made = new_application(theirs, found, place, beside_the_old=False)
        assert made["metadata"]["annotations"] == annotations | {"timonier.dev/restored-by": "r"}


def test_a_copy_leaves_the_way_in_to_the_one_that_has_it() -> None:
    assert made_new(beside_the_old=True)["spec"]["network"] == {"networkPolicy": "None"}


def test_what_a_person_asked_for_is_changed() -> None:
    made = made_new(replicas=1, withoutSchedule=False)
    assert made["spec"]["scaling"] == {"replicas": 1}
    assert made["spec"]["backup"]["schedule"] == "@daily"


def test_no_pod_of_a_new_application_runs_before_it_has_its_data() -> None:
    plans = run_of(restore(to=NEW), {}).plans
    assert [(plan.name, dict(plan.mark)) for plan in plans] == [
        ("Create", {"quiesced": True}), ("Load", {}), ("Resume", {"quiesced": False}),
    ]  # fmt: skip
    assert obstacle(restore(to=NEW), replace(AROUND, application=None)) is None
    found = obstacle(restore(to=NEW), AROUND)
    assert found is not None
    assert found[0] is Reason.APPLICATION_EXISTS


@pytest.mark.parametrize(
    ("volume", "name"),
    [("data-0", "data-web-0"), ("data-12", "data-web-12"), ("data", None), ("logs-0", None), ("data-x", None)],
)
def test_the_claim_that_a_pod_of_a_stateful_set_would_get(volume: str, name: str | None) -> None:
    storage = [{"name": "data", "size": "1Gi", "mountPath": "/data"}]
    spec = {"workload": {"kind": "StatefulSet", "image": {"repository": "web"}, "storage": storage}}
    stateful = Application.model_validate({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec})
    found = claim_of_pod(stateful, volume)
    assert (found["metadata"]["name"] if found else None) == name


@pytest.mark.parametrize(
    ("run", "chosen"),
    [
        ("a", "a"),
        ("old-run", "i"),
        ("5" * 8, "i"),
        ("5" * 7, Reason.BACKUP_NOT_COMPLETE),
        ("x", Reason.BACKUP_NOT_COMPLETE),
    ],
)
def test_a_backup_of_a_store_is_found_by_its_run_or_its_snapshot(run: str, chosen: Any) -> None:
    known = backup("i", snapshotID="5" * 64)
    spec = known.spec.model_copy(update={"imported": Imported(run="old-run", snapshot="5" * 64)})
    backups = [backup("a"), known.model_copy(update={"spec": spec})]
    source = {"external": {"storeRef": {"name": "offsite"}, "run": run}}
    found = choice(restore(source), backups)
    assert (found.metadata.name if isinstance(found, Backup) else found[0]) == chosen


def on_trial(job: list[str] | None = None) -> Restore:
    return restore(to={"scratch": {"application": "web"} | ({"job": job} if job else {})})


def test_on_trial_the_application_is_not_touched() -> None:
    found = on_trial()
    assert (target_of(found), tried_on(found), tried_on(restore())) == (None, "web", None)
    around = Surroundings(backup(), application(), store=STORE, places=("data",))
    assert obstacle(found, around) is None
    assert [step.name for step in run_of(found, facts(found, around)).plans] == ["Load"]
    assert facts(found, around)["application"] == "web"
    assert instruction({"method": "Files", "snapshotID": "s"}, on_trial=True)["task"] == "restore"
    told = {"method": "Files", "snapshotID": "s", "manifestHash": "h", "bytes": 5, "files": 2}
    assert instruction(told | {"volumes": ["data"]}).items() >= {"place": "/data/data", "bytes": 5, "files": 2}.items()
    assert instruction(told | {"volumes": ["data", "logs"]}).keys() == {"task", "snapshot", "target", "manifestHash"}
    assert instruction({"method": "Command", "snapshotID": "s"}, on_trial=True) == {"task": "prove", "snapshot": "s"}


def test_what_keeps_a_trial_from_beginning() -> None:
    def reason(found: Restore, **around: Any) -> Reason | None:
        usual: dict[str, Any] = {"backup": backup(), "application": application(), "store": STORE, "places": ("data",)}
        words = obstacle(found, Surroundings(**(usual | around)))
        return words[0] if words else None

    assert reason(on_trial(), application=None) is Reason.APPLICATION_NOT_FOUND
    assert reason(on_trial(), places=()) is Reason.VOLUMES_DIFFER
    assert reason(on_trial(["look"]), backup=backup(method="Command", volumes=[])) is Reason.NOT_SUPPORTED
    assert reason(on_trial(), backup=backup(method="Command", volumes=[])) is None


def test_its_status_names_the_safety_backup_that_it_makes() -> None:
    place = {"inPlace": {"application": "web", "confirm": "web"}}
    found = restore(to=place)
    step = next(plan for plan in run_of(found, {}).plans if plan.name == "SafetyBackup")
    manifest = {"metadata": {"namespace": "shop", "name": found.metadata.name, "uid": found.metadata.uid}}
    manifest |= {"apiVersion": "timonier.dev/v1", "status": {"store": {"name": "offsite"}, "method": "Files"}}
    made = safety_backup(manifest, "web", 60)
    assert step.mark == {"safetyBackup": made["metadata"]["name"]}
