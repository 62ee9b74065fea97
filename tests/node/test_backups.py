"""Backups of real volumes into real stores: what is made, what is said, and what is left behind."""

import time
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.audit import AuditLog
from harness.backups import backup, condition, restore, server_store, volume_store, wait_over, wait_store
from harness.fixtures import Installation, Kubectl
from harness.kube import PODS, Kube, Manifest
from harness.operator_process import OperatorProcess
from harness.permissions import NODE_ONLY_BACKUPS, exercised
from harness.shop import CHECKSUM, DUMP, LOAD, database_application, files_application, rows
from harness.snapshots import CLASS, snapshot_driver
from harness.stores import Stores, damage
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    LEASES,
    PERSISTENT_VOLUME_CLAIMS,
    RESTORES,
    VOLUME_SNAPSHOTS,
)

pytestmark = pytest.mark.node


@pytest.fixture
def files(kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, mover: str) -> str:
    """The namespace of an application with some files."""
    kube.apply(files_application(namespace))
    kube.wait_condition(namespace, "files", "Ready", seconds=60)
    in_files(kubectl, namespace, "mkdir -p /data/a/b; for n in $(seq 200); do echo $n > /data/a/b/$n; done")
    in_files(kubectl, namespace, "dd if=/dev/urandom of=/data/big bs=1M count=8")
    return namespace


def in_files(kubectl: Kubectl, namespace: str, script: str) -> str:
    """What a script says in the pod of the application with files."""
    return kubectl("exec", "--namespace", namespace, "deploy/files", "--", "sh", "-c", script).strip()


def checksum(kubectl: Kubectl, namespace: str) -> str:
    """Of names and contents of all files."""
    return in_files(kubectl, namespace, "cd /data && find . -type f | sort | xargs sha256sum | sha256sum")


@pytest.mark.parametrize("kind", ["rest", "s3"])
def test_files_are_backed_up_to_a_server(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores, kind: Literal["rest", "s3"]
) -> None:
    kube.apply(*server_store(files, stores(kind, tls=True)), backup(files, "files"))
    made = wait_over(kube, files, "first")["status"]
    assert (made["files"], made["bytes"] > 8 << 20, made["transferred"] > 8 << 20) == (201, True, True)
    store = wait_store(kube, files)["status"]
    assert (store["type"], store["phase"]) == (kind.upper(), "Available")
    assert made["repository"] == store["repository"]
    print(kubectl("get", "backupstores,backups", "--namespace", files))


def test_files_come_back_in_place_and_what_was_there_before_into_another_volume(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    before = checksum(kubectl, files)
    kube.apply(*server_store(files, stores()), backup(files, "files"))
    wait_over(kube, files, "first")
    in_files(kubectl, files, "rm -r /data/a; echo new > /data/new")

    around: Manifest = {
        "hooks": {"pre": [hook("close", "touch /data/closed")], "post": [hook("open", "echo open > /tmp/story")]},
        "verify": [hook("whole", "test -d /data/a && ! test -e /data/new"), by_job("look", "true")],
    }
    kube.apply(restore(files, "files", **around))
    made = wait_over(kube, files, "back", resource=RESTORES)["status"]
    print(kubectl("get", "backups,restores,pods,jobs", "--namespace", files))
    assert made["bytes"] > 8 << 20
    assert {step["name"]: step["state"] for step in made["steps"]} == {
        "PreHook/close": "Succeeded", "SafetyBackup": "Succeeded", "Quiesce": "Succeeded", "Load": "Succeeded",
        "Resume": "Succeeded", "Verify/whole": "Succeeded", "Verify/look": "Succeeded",
        "Stop": "Skipped", "BringBack": "Skipped", "Restart": "Skipped", "PostHook/open": "Succeeded",
    }  # fmt: skip
    assert checksum(kubectl, files) == before
    assert in_files(kubectl, files, "cat /tmp/story") == "open"
    kube.apply(volume_store(files, "spare")[0])
    spare = {"claim": {"name": "spare", "confirm": "spare"}}
    kube.apply(restore(files, "files", made["safetyBackup"], "elsewhere", to=spare))
    made = wait_over(kube, files, "elsewhere", resource=RESTORES)["status"]
    assert [step["name"] for step in made["steps"]] == ["Load"]
    volume = kube.get(PERSISTENT_VOLUME_CLAIMS, files, "spare")
    assert volume is not None
    folder = Path(
        kube.request("GET", f"/api/v1/persistentvolumes/{volume['spec']['volumeName']}")["spec"]["local"]["path"]
    )
    assert sorted(path.name for path in folder.iterdir()) == ["big", "closed", "new"]
    assert folder.joinpath("new").read_text() == "new\n"


def test_data_that_the_application_is_not_well_with_is_not_kept(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    kube.apply(*server_store(files, stores()), backup(files, "files"))
    wait_over(kube, files, "first")
    in_files(kubectl, files, "echo newer > /data/a/newer")
    before = checksum(kubectl, files)
    probe = hook("newer", "cat /data/a/newer", intervalSeconds=1, failureThreshold=2)
    post = [hook("open", "echo open > /tmp/story")]
    kube.apply(restore(files, "files", verify=[probe], hooks={"post": post}, backoffLimit=0))
    failed = wait_over(kube, files, "back", resource=RESTORES, phase="Failed")
    assert condition(failed, "Succeeded")["reason"] == "VerificationFailed"
    assert "failed 2 times in a row" in condition(failed, "Succeeded")["message"]
    assert (failed["status"]["rolledBack"], failed["status"]["step"]) == (True, "Verify/newer")
    assert checksum(kubectl, files) == before
    assert in_files(kubectl, files, "cat /tmp/story") == "open"


@pytest.mark.slow
def test_a_volume_as_a_store_serves_applications_of_different_users(
    kube: Kube, kubectl: Kubectl, files: str, postgres: str
) -> None:
    kube.apply(*volume_store(files), database_application(files))
    kube.wait_condition(files, "db", "Ready", seconds=90)
    before = checksum(kubectl, files)
    kube.apply(backup(files, "files", store="shelf"), backup(files, "db", "of-db", store="shelf"))
    wait_over(kube, files, "first")
    made = wait_over(kube, files, "of-db")["status"]
    assert (made["volumes"], made["files"] > 500) == (["data-0"], True)
    in_files(kubectl, files, "rm -r /data/a /data/big")
    kube.apply(restore(files, "files"))
    wait_over(kube, files, "back", resource=RESTORES)
    assert checksum(kubectl, files) == before


@pytest.mark.slow
def test_with_a_wrong_password_or_a_damaged_repository_nothing_is_touched(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    server = stores()
    kube.apply(*server_store(files, server), backup(files, "files"))
    wait_over(kube, files, "first")
    held = sorted(path.name for path in server.files("offsite").rglob("*") if path.is_file())
    wrong = server_store(files, server, password="another one")
    wrong[-1]["spec"]["checkIntervalSeconds"] = 3000  # another generation: it is looked at at once
    kube.apply(*wrong)
    store = wait_store(kube, files, status="False", reason="WrongPassword")
    assert condition(store, "Stalled")["status"] == "True"
    kube.apply(backup(files, "files", "second"), restore(files, "files"))
    kube.wait(
        "the backup waits for the store",
        lambda: condition(kube.get(BACKUPS, files, "second"), "Accepted").get("reason") == "StoreNotReady",
    )
    kube.wait(
        "the restore waits for the store",
        lambda: condition(kube.get(RESTORES, files, "back"), "Accepted").get("reason") == "StoreNotReady",
    )
    assert sorted(path.name for path in server.files("offsite").rglob("*") if path.is_file()) == held
    assert in_files(kubectl, files, "ls /data") == "a\nbig"
    kube.apply(*server_store(files, server))
    wait_over(kube, files, "second")
    wait_over(kube, files, "back", resource=RESTORES)

    damage(server.files("offsite"))
    in_files(kubectl, files, "rm -r /data/a")
    before = checksum(kubectl, files)
    unsafe = {"inPlace": {"application": "files", "confirm": "files", "safetyBackup": False}}
    kube.apply(restore(files, "files", name="damaged", to=unsafe))
    failed = wait_over(kube, files, "damaged", resource=RESTORES, phase="Failed", seconds=150)
    assert condition(failed, "Succeeded")["reason"] == "Corrupted"
    kube.wait_condition(files, "files", "Ready", seconds=60)
    assert checksum(kubectl, files) == before


def mover_pod(kube: Kube, namespace: str, kind: str, phase: str = "Running") -> Manifest:
    """The mover's pod of a run, once it is in that phase."""

    def found() -> Manifest | None:
        pods = kube.list(PODS, namespace, f"timonier.dev/run={kind}")
        return next((pod for pod in pods if pod["status"]["phase"] == phase), None)

    pod = kube.wait(f"the mover of a {kind} is {phase}", found, 60, 0.02)
    assert pod is not None
    return pod


@pytest.mark.slow
def test_a_mover_that_is_killed_is_followed_by_another_and_a_store_that_is_away_is_waited_for(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    in_files(kubectl, files, "dd if=/dev/urandom of=/data/bigger bs=1M count=120")
    server = stores()
    kube.apply(*server_store(files, server))
    wait_store(kube, files)
    kube.apply(backup(files, "files"))
    pod = mover_pod(kube, files, "backup")
    kubectl("delete", "pod", pod["metadata"]["name"], "--namespace", files, "--grace-period=0", "--force")

    def follows() -> bool:
        pods = kube.list(PODS, files, "timonier.dev/run=backup")
        return any("-2-" in found["metadata"]["name"] and found["status"]["phase"] == "Running" for found in pods)

    kube.wait("another mover runs", follows, 60, 0.02)
    server.stop()
    time.sleep(5)
    server.start()
    made = wait_over(kube, files, "first", seconds=200)["status"]
    assert (made["steps"][0]["attempts"] >= 2, made["files"]) == (True, 202)


def test_an_operator_that_is_killed_is_followed_by_another(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores, installation: Installation
) -> None:
    before = checksum(kubectl, files)
    kube.apply(*server_store(files, stores()))
    wait_store(kube, files)
    kube.apply(backup(files, "files"))
    mover_pod(kube, files, "backup")
    installation.running().kill()
    kube.delete(LEASES, installation.namespace, "timonier")
    installation.running()
    made = wait_over(kube, files, "first")["status"]
    assert made["steps"][0]["attempts"] == 1

    in_files(kubectl, files, "rm -r /data/a")
    kube.apply(restore(files, "files"))
    mover_pod(kube, files, "restore")
    installation.running().kill()
    kube.delete(LEASES, installation.namespace, "timonier")
    installation.running()
    wait_over(kube, files, "back", resource=RESTORES)
    assert checksum(kubectl, files) == before


@pytest.mark.slow
def test_a_full_disk_of_the_store_is_said_as_what_it_is(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    in_files(kubectl, files, "dd if=/dev/urandom of=/data/bigger bs=1M count=60")
    kube.apply(*server_store(files, stores(megabytes=24)), backup(files, "files", backoffLimit=0))
    failed = wait_over(kube, files, "first", phase="Failed", seconds=150)
    assert condition(failed, "Succeeded")["reason"] in ("NoSpace", "Unreachable")
    assert "snapshotID" not in failed["status"]


@pytest.mark.slow
def test_a_new_cluster_finds_the_backups_and_makes_the_application_anew(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    """Everything of the namespace but the store's files is lost."""
    before = checksum(kubectl, files)
    server = stores()
    kube.apply(*server_store(files, server), backup(files, "files"))
    made = wait_over(kube, files, "first")["status"]
    for resource, name in ((BACKUPS, "first"), (BACKUP_STORES, "offsite"), (APPLICATIONS, "files")):
        kube.delete(resource, files, name)
    kube.delete(PERSISTENT_VOLUME_CLAIMS, files, "files-data")
    kube.wait("the volume is gone", lambda: kube.get(PERSISTENT_VOLUME_CLAIMS, files, "files-data") is None, 60)

    kube.apply(*server_store(files, server))
    found = kube.wait("the backup is found", lambda: (kube.get(BACKUPS, files, "first") or {}).get("status"), 60)
    same = ("snapshotID", "bytes", "files", "manifestHash", "volumes", "size", "applicationImage", "method")
    assert {name: found.get(name) for name in same} == {name: made[name] for name in same}
    latest = {"latest": {"application": "files"}}
    kube.apply(restore(files, "files", **{"from": latest, "to": {"newApplication": {"name": "files"}}}))
    wait_over(kube, files, "back", resource=RESTORES, seconds=150)
    assert checksum(kubectl, files) == before
    print(kubectl("get", "applications,backupstores,backups,restores", "--namespace", files))


@pytest.mark.slow
def test_a_database_is_copied_with_its_volume(kube: Kube, kubectl: Kubectl, files: str, postgres: str) -> None:
    kube.apply(*volume_store(files), database_application(files))
    kube.wait_condition(files, "db", "Ready", seconds=90)
    run_sql(kubectl, files, "db", rows(100_000))
    before = run_sql(kubectl, files, "db", CHECKSUM)
    assert before.startswith("100000 ")
    # The files of a database that runs are no backup of it: it is stopped for the time.
    kube.apply(database_application(files, suspend=True))
    kube.wait("it is stopped", lambda: kube.get(PODS, files, "db-0") is None, 60)
    kube.apply(backup(files, "db", store="shelf"))
    wait_over(kube, files, "first")
    kube.apply(database_application(files))
    copy = {"newApplication": {"name": "copy"}}
    kube.apply(restore(files, "db", to=copy))
    wait_over(kube, files, "back", resource=RESTORES, seconds=150)
    assert run_sql(kubectl, files, "copy", CHECKSUM) == before

    kube.wait_condition(files, "db", "Ready", seconds=90)
    run_sql(kubectl, files, "db", "delete from orders where id % 3 = 0")
    kube.apply(restore(files, "db", name="again"))
    wait_over(kube, files, "again", resource=RESTORES, seconds=150)
    assert run_sql(kubectl, files, "db", CHECKSUM) == before


def run_sql(kubectl: Kubectl, namespace: str, application: str, statement: str) -> str:
    """What the database's own psql answers."""
    return kubectl("exec", "--namespace", namespace, f"{application}-0", "--", "psql", "-XAtqc", statement).strip()


DUMPED = {"method": "Command", "command": {"dump": DUMP, "load": LOAD}, "storeRef": {"name": "offsite"}}


@pytest.fixture
def database(kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, mover: str, postgres: str) -> str:
    """The namespace of a database with 100,000 rows, whose dumps go into the store offsite."""
    kube.apply(database_application(namespace, backup=DUMPED))
    kube.wait_condition(namespace, "db", "Ready", seconds=90)
    run_sql(kubectl, namespace, "db", rows(100_000))
    return namespace


def test_a_database_is_dumped_and_loaded_while_it_runs(
    kube: Kube, kubectl: Kubectl, database: str, stores: Stores, installation: Installation, audit: AuditLog
) -> None:
    before = run_sql(kubectl, database, "db", CHECKSUM)
    kube.apply(*server_store(database, stores()), backup(database, "db"))
    made = wait_over(kube, database, "first")["status"]
    assert (made["method"], made["files"], made["bytes"] > 4 << 20) == ("Command", 1, True)

    run_sql(kubectl, database, "db", "delete from orders where id % 3 = 0")
    kube.apply(restore(database, "db"))
    back = wait_over(kube, database, "back", resource=RESTORES)["status"]
    assert [step["name"] for step in back["steps"] if step["state"] == "Succeeded"] == [
        "SafetyBackup",
        "Load",
        "Resume",
    ]
    assert run_sql(kubectl, database, "db", CHECKSUM) == before

    kube.apply(restore(database, "db", name="beside", to={"newApplication": {"name": "copy"}}))
    wait_over(kube, database, "beside", resource=RESTORES)
    assert run_sql(kubectl, database, "copy", CHECKSUM) == before
    calls = [call for call in audit.calls(installation.user) if call.resource]
    assert set(exercised(calls)) >= NODE_ONLY_BACKUPS


@pytest.mark.slow
def test_a_load_that_fails_leaves_the_database_as_it_was_and_a_dump_that_fails_is_no_backup(
    kube: Kube, kubectl: Kubectl, database: str, stores: Stores
) -> None:
    kube.apply(*server_store(database, stores()), backup(database, "db"))
    wait_over(kube, database, "first")
    before = run_sql(kubectl, database, "db", "delete from orders where id % 3 = 0") or run_sql(
        kubectl, database, "db", CHECKSUM
    )
    refusing = {**DUMPED, "command": {"dump": DUMP, "load": ["sh", "-c", "cat > /dev/null; echo no room >&2; exit 3"]}}
    kube.apply(database_application(database, backup=refusing))
    kube.apply(restore(database, "db", backoffLimit=0))
    failed = wait_over(kube, database, "back", resource=RESTORES, phase="Failed")
    assert condition(failed, "Succeeded")["reason"] == "CommandFailed"
    assert "exit code 3: no room" in condition(failed, "Succeeded")["message"]
    assert run_sql(kubectl, database, "db", CHECKSUM) == before

    halfway = {**DUMPED, "command": {"dump": ["sh", "-c", "echo part; exit 4"], "load": LOAD}}
    kube.apply(database_application(database, backup=halfway), backup(database, "db", "half", backoffLimit=0))
    none = wait_over(kube, database, "half", phase="Failed")
    assert "exit code 4" in condition(none, "Succeeded")["message"]
    assert "snapshotID" not in none["status"]


def hook(name: str, script: str, **fields: object) -> Manifest:
    return {"name": name, "exec": {"command": ["sh", "-c", script]}, **fields}


def by_job(name: str, script: str, **fields: object) -> Manifest:
    return {"name": name, "job": {"command": ["sh", "-c", script]}, **fields}


def test_hooks_run_around_a_backup_and_those_afterwards_whatever_happened(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    hooks = {
        "pre": [hook("freeze", "echo freeze >> /data/story"), by_job("look", "true")],
        "post": [hook("thaw", "echo thaw >> /data/story")],
    }
    policy = {"storeRef": {"name": "offsite"}, "hooks": hooks}
    kube.apply(files_application(files, backup=policy), *server_store(files, stores()), backup(files, "files"))
    made = wait_over(kube, files, "first")["status"]
    assert [(step["name"], step["state"]) for step in made["steps"]] == [
        ("PreHook/freeze", "Succeeded"), ("PreHook/look", "Succeeded"), ("Transfer", "Succeeded"),
        ("PostHook/thaw", "Succeeded"),
    ]  # fmt: skip
    assert in_files(kubectl, files, "cat /data/story") == "freeze\nthaw"

    hooks["pre"].append(hook("refuse", "echo not now >&2; exit 7"))
    hooks["post"].append(by_job("tolerated", "exit 1", onError="Continue"))
    kube.apply(files_application(files, backup=policy), backup(files, "files", "second"))
    failed = wait_over(kube, files, "second", phase="Failed")
    assert condition(failed, "Succeeded")["reason"] == "HookFailed"
    assert "exit code 7: not now" in condition(failed, "Succeeded")["message"]
    assert [step["state"] for step in failed["status"]["steps"]] == [
        "Succeeded", "Succeeded", "Failed", "Skipped", "Succeeded", "Succeeded",
    ]  # fmt: skip
    assert in_files(kubectl, files, "cat /data/story") == "freeze\nthaw\nfreeze\nthaw"


@pytest.mark.slow
def test_an_operator_that_is_killed_during_a_hook_thaws_what_it_froze_and_freezes_nothing_twice(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores, installation: Installation
) -> None:
    hooks = {
        "pre": [hook("freeze", "echo freeze >> /data/story; sleep 15")],
        "post": [hook("thaw", "echo thaw >> /data/story")],
    }
    policy = {"storeRef": {"name": "offsite"}, "hooks": hooks}
    kube.apply(files_application(files, backup=policy), *server_store(files, stores()), backup(files, "files"))
    kube.wait("it is frozen", lambda: "freeze" in in_files(kubectl, files, "cat /data/story || true"), 60)
    installation.running().kill()
    kube.delete(LEASES, installation.namespace, "timonier")
    installation.running()
    failed = wait_over(kube, files, "first", phase="Failed")
    assert condition(failed, "Succeeded")["reason"] == "HookFailed"
    assert in_files(kubectl, files, "cat /data/story") == "freeze\nthaw"


def test_a_backup_is_restored_on_trial_by_schedule_and_on_demand(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    look = ["sh", "-c", "test $(ls /data/a/b | wc -l) = 200"]
    policy: dict[str, Any] = {"storeRef": {"name": "offsite"}, "verify": {"schedule": "@daily", "job": look}}
    kube.apply(*server_store(files, stores()), files_application(files, backup=policy), backup(files, "files"))
    wait_over(kube, files, "first")
    before = checksum(kubectl, files)
    last = iter(range(5, 100))

    def begun() -> bool:
        """As if the last one had been due long ago: done again, as the operator may just write otherwise."""
        kube.patch(APPLICATIONS, files, "files", {"status": {"lastVerificationTime": "2026-01-01T00:00:00Z"}}, "status")
        policy["retention"] = {"last": next(last)}  # a spec that changes is looked at
        kube.apply(files_application(files, backup=policy))
        time.sleep(2)
        return bool(kube.list(RESTORES, files))

    kube.wait("a trial begins", begun, 60)
    bad = {"scratch": {"application": "files", "job": ["sh", "-c", "echo no such file >&2; exit 4"]}}
    kube.apply(restore(files, "files", name="bad", to=bad, backoffLimit=0))
    failed = wait_over(kube, files, "bad", resource=RESTORES, phase="Failed")
    assert condition(failed, "Succeeded")["reason"] == "VerificationFailed"
    assert "exit code 4: no such file" in condition(failed, "Succeeded")["message"]

    def verified() -> str | None:
        found = kube.get(BACKUPS, files, "first") or {}
        result: str | None = found["status"].get("verified", {}).get("result")
        return result

    assert kube.wait("a trial has ended", verified, 120, 0.5) == "Passed"
    print(kubectl("get", "backups,restores", "--namespace", files))
    kube.apply(files_application(files, backup={"storeRef": {"name": "offsite"}}))
    kube.wait(
        "the volumes of trials are gone",
        lambda: [found["metadata"]["name"] for found in kube.list(PERSISTENT_VOLUME_CLAIMS, files)] == ["files-data"],
        60,
    )
    assert checksum(kubectl, files) == before


def test_a_snapshot_has_what_was_there_at_one_moment_while_the_application_goes_on(
    cluster: Any, kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, mover: str,
    stores: Stores, tmp_path: Path,
) -> None:  # fmt: skip
    def hook(name: str, script: str) -> Manifest:
        return {"name": name, "exec": {"command": ["sh", "-c", script]}}

    storage = {"name": "data", "size": "1Gi", "mountPath": "/data", "storageClassName": CLASS}
    hooks = {"pre": [hook("freeze", "touch /data/frozen")], "post": [hook("thaw", "mv /data/frozen /data/later")]}
    policy = {"method": "Snapshot", "storeRef": {"name": "offsite"}, "hooks": hooks}
    with snapshot_driver(cluster.kubeconfig, namespace, tmp_path):
        kube.apply(*server_store(namespace, stores()))
        kube.apply(files_application(namespace, workload={"storage": [storage]}, backup=policy))
        kube.wait_condition(namespace, "files", "Ready", seconds=60)
        in_files(kubectl, namespace, "dd if=/dev/urandom of=/data/big bs=1M count=64")
        before = in_files(kubectl, namespace, "sha256sum /data/big")
        kube.apply(backup(namespace, "files"))
        made = wait_over(kube, namespace, "first")["status"]
        print(kubectl("get", "backups,pods,pvc", "--namespace", namespace))
        times = {step["name"]: step for step in made["steps"]}
        assert times["PostHook/thaw"]["endTime"] <= times["Transfer"]["startTime"]
        assert (made["method"], made["files"], made["bytes"]) == ("Snapshot", 2, 64 << 20)
        assert kube.list(VOLUME_SNAPSHOTS, namespace) == []
        kube.wait(
            "the mover's volume goes with it",
            lambda: (
                [found["metadata"]["name"] for found in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace)]
                == ["files-data"]
            ),
        )
        in_files(kubectl, namespace, "rm /data/big; echo new > /data/new")
        kube.apply(restore(namespace, "files"))
        wait_over(kube, namespace, "back", resource=RESTORES, seconds=120)
        assert in_files(kubectl, namespace, "ls /data").split() == ["big", "frozen"]
        assert in_files(kubectl, namespace, "sha256sum /data/big") == before
