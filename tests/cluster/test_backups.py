"""Stores and backups where no pod really runs: what is created, who may use what, and what is said when nothing comes.

The nodes are simulated: a mover's pod ends at once, and leaves nothing. tests/node has real ones.
"""

import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.applications import application
from harness.backups import backup, condition, restore, volume_store, wait_over, wait_store
from harness.fault_proxy import proxied
from harness.fixtures import Installation
from harness.kube import SECRETS, Kube, Manifest
from harness.movers import application_with_volume, played, waiting_store
from harness.operator_process import OperatorProcess
from harness.snapshots import install_snapshots, snapshot_driver
from timonier.api.resources import APPLICATIONS, BACKUP_STORES, BACKUPS, JOBS, RESTORES, VOLUME_SNAPSHOTS
from timonier.runs.names import made_name

pytestmark = pytest.mark.cluster

REST = {"rest": {"url": "https://nobody.example/shop"}}
RESULT = {"snapshot": "", "bytes": 1024, "added": 512, "files": 3, "manifestHash": "sha256:0"}
SELECTOR = {"from": "Selector", "selector": {"backups": "yes"}}


def rest_store(namespace: str, **spec: object) -> list[Manifest]:
    """A store of which nothing is ever asked."""
    manifests = volume_store(namespace, "offsite")[1:]
    del manifests[-1]["spec"]["pvc"]
    manifests[-1]["spec"] |= {**REST, **spec}
    return manifests


def test_a_mover_that_leaves_nothing_has_failed_and_another_one_comes(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(*rest_store(namespace))
    store = wait_store(kube, namespace, status="False")
    assert condition(store, "Ready")["reason"] in ("Failed", "Interrupted")
    assert condition(store, "Reachable")["status"] == "Unknown"
    (first,) = kube.list(JOBS, namespace)

    def is_followed() -> bool:
        names = [job["metadata"]["name"] for job in kube.list(JOBS, namespace)]
        return bool(names) and first["metadata"]["name"] not in names

    kube.wait("another look is taken, and the Job of the first is gone", is_followed, 40)
    kept = kube.wait(
        "no Secret outlives its Job",
        lambda: [found for found in kube.list(SECRETS, namespace) if found["type"] == "timonier.dev/mover"] == [],
        40,
    )
    assert kept


def test_a_store_without_its_password_says_which_secret_it_wants(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(rest_store(namespace)[-1])
    store = wait_store(kube, namespace, status="False", reason="CredentialsMissing")
    assert condition(store, "Ready")["message"].startswith("the Secret offsite-password,")
    assert condition(store, "Stalled")["status"] == "True"
    assert kube.list(JOBS, namespace) == []


def test_a_backup_waits_and_says_for_what(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    def waits_for(reason: str) -> Manifest:
        def reached() -> Manifest:
            accepted = condition(kube.get(BACKUPS, namespace, "first"), "Accepted")
            return accepted if accepted.get("reason") == reason else {}

        return kube.wait(f"the backup waits: {reason}", reached, 30)

    kube.apply(backup(namespace, "web"))
    waits_for("ApplicationNotFound")
    kube.apply(application(namespace, "web", workload={"storage": [{"name": "d", "size": "1Gi", "mountPath": "/d"}]}))
    waits_for("StoreNotFound")
    kube.apply(*rest_store(namespace))
    waits_for("StoreNotReady")
    assert kube.list(JOBS, namespace, "timonier.dev/run=backup") == []


def test_a_store_of_another_namespace_is_for_those_that_it_lets_in(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    vault = f"{namespace[:50]}-vault"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": vault}})
    try:
        kube.apply(*rest_store(vault, usagePolicy=SELECTOR))
        kube.apply(
            application(namespace, "web", workload={"storage": [{"name": "d", "size": "1Gi", "mountPath": "/d"}]})
        )
        foreign = backup(namespace, "web")
        foreign["spec"]["storeRef"]["namespace"] = vault
        kube.apply(foreign)

        def accepted(reason: str) -> bool:
            return bool(condition(kube.get(BACKUPS, namespace, "first"), "Accepted").get("reason") == reason)

        kube.wait("it is refused", lambda: accepted("StoreNotAllowed"), 30)
        labels = {"backups": "yes"}
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
        kube.wait("it is let in", lambda: accepted("StoreNotReady"), 30)
    finally:
        kube.delete_namespace_and_wait(vault)


def test_a_backup_of_what_has_no_data_fails_at_once(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(*rest_store(namespace), application(namespace, "web"), backup(namespace, "web"))
    failed = kube.wait(
        "it fails",
        lambda: (kube.get(BACKUPS, namespace, "first") or {}).get("status", {}).get("phase") == "Failed",
    )
    assert failed
    assert condition(kube.get(BACKUPS, namespace, "first"), "Succeeded")["reason"] == "NothingToBackUp"
    assert kube.get(BACKUP_STORES, namespace, "offsite") is not None


def test_a_backup_and_a_restore_with_all_that_belongs_to_them(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    with played(cluster.kubeconfig, namespace) as movers:
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
        made = wait_over(kube, namespace, "first", seconds=40)["status"]
        assert (made["snapshotID"], made["size"], made["volumes"]) == ("5" * 64, "1Ki", ["data"])
        kube.apply(restore(namespace, "web"))
        back = wait_over(kube, namespace, "back", resource=RESTORES, seconds=60)["status"]
        assert (back["backup"], back["quiesced"]) == ("first", False)
    tasks = [instruction["task"] for _, instruction in movers.tasks]
    assert tasks == ["survey", "backup", "backup", "restore"]
    assert movers.of("backup")[0]["first"] is True
    assert movers.of("restore")[0]["snapshot"] == "5" * 64
    assert movers.of("restore")[0]["manifestHash"] == made["manifestHash"]
    kube.wait("nothing is left", lambda: kube.list(JOBS, namespace, "timonier.dev/run!=backupstore") == [])
    assert kube.get(BACKUPS, namespace, back["safetyBackup"]) is not None


def test_a_load_that_fails_brings_back_what_was_there(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    snapshots = iter(("1" * 64, "2" * 64))

    def answer(instruction: dict[str, Any]) -> dict[str, Any] | None:
        if instruction["task"] == "backup":
            return {"ok": True, **RESULT, "snapshot": next(snapshots)}
        if instruction.get("snapshot") == "1" * 64:
            return {"ok": False, "error": "Corrupted", "message": "A file is damaged."}
        return None

    with played(cluster.kubeconfig, namespace) as movers:
        movers.answer = answer
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
        wait_over(kube, namespace, "first", seconds=40)
        kube.apply(restore(namespace, "web"))
        back = wait_over(kube, namespace, "back", resource=RESTORES, phase="Failed", seconds=60)
        assert [told["snapshot"] for told in movers.of("restore")] == ["1" * 64, "2" * 64]
    status = back["status"]
    assert (status["rolledBack"], status["quiesced"], status["step"]) == (True, False, "Load")
    assert condition(back, "Succeeded")["reason"] == "Corrupted"
    kube.wait_condition(namespace, "web", "Ready")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"from": {"backupRef": {"name": "nothing"}}}, "BackupNotFound"),
        ({"from": {"latest": {"application": "other"}}}, "BackupNotFound"),
        ({"to": {"inPlace": {"application": "other", "confirm": "other"}}}, "WrongApplication"),
        ({"to": {"claim": {"name": "web-data", "confirm": "web-data"}}}, "ClaimManaged"),
    ],
)
def test_a_restore_into_the_wrong_place_touches_nothing(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str, spec: dict[str, Any], reason: str
) -> None:
    with played(cluster.kubeconfig, namespace) as movers:
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
        kube.apply(application(namespace, "other"))
        wait_over(kube, namespace, "first", seconds=40)
        kube.apply(restore(namespace, "web", **spec))
        failed = wait_over(kube, namespace, "back", resource=RESTORES, phase="Failed")
        assert condition(failed, "Succeeded")["reason"] == reason
        assert movers.of("restore") == []
    assert "startTime" not in failed["status"]
    kube.patch(RESTORES, namespace, "back", {"spec": {"ttlSecondsAfterFinished": 1}})
    kube.wait("its object goes when its time has come", lambda: kube.get(RESTORES, namespace, "back") is None)


def test_a_backup_that_was_there_before_is_not_taken_for_the_safety_backup(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    with played(cluster.kubeconfig, namespace) as movers:
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
        wanted = restore(namespace, "web")
        kube.apply({**wanted, "spec": {**wanted["spec"], "suspend": True}})
        name = made_name("back", (kube.get(RESTORES, namespace, "back") or {})["metadata"]["uid"], "safety")
        kube.apply(backup(namespace, "web", name))
        wait_over(kube, namespace, "first", seconds=40)
        wait_over(kube, namespace, name, seconds=40)
        kube.patch(RESTORES, namespace, "back", {"spec": {"suspend": None}})
        failed = wait_over(kube, namespace, "back", resource=RESTORES, phase="Failed")
        assert condition(failed, "Succeeded")["reason"] == "SafetyBackupFailed"
        assert movers.of("restore") == []


def test_what_may_pass_is_tried_again_and_a_mover_that_is_killed_is_followed_by_another(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    failures = iter([{"ok": False, "error": "Unreachable", "message": "No answer."}])

    def answer(instruction: dict[str, Any]) -> dict[str, Any] | None:
        return next(failures, None) if instruction["task"] == "backup" else None

    with played(cluster.kubeconfig, namespace) as movers:
        movers.answer = answer
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
        made = wait_over(kube, namespace, "first", seconds=60)["status"]
        assert made["steps"][0]["attempts"] == 2
        first, second = movers.of("backup")
        assert first == {**second, "first": True}


def policy(**fields: Any) -> dict[str, Any]:
    return {"backup": {"storeRef": {"name": "offsite"}, **fields}}


def test_retention_has_the_store_forget_before_the_object_goes(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    with played(cluster.kubeconfig, namespace) as movers:
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace, **policy(retention={"last": 1})))
        for name in ("first", "second"):
            plain = backup(namespace, "web", name)
            del plain["spec"]["storeRef"]  # the Application says which
            kube.apply(plain)
            wait_over(kube, namespace, name, seconds=40)
        kube.wait("the first is gone", lambda: kube.get(BACKUPS, namespace, "first") is None, 30)
        (forgotten,) = movers.of("forget")
        assert len(forgotten["runs"]) == 1
        kept = kube.get(BACKUPS, namespace, "second")
        assert kept is not None
        assert forgotten["runs"] != [kept["metadata"]["uid"]]

        def last() -> Any:
            web = kube.get(APPLICATIONS, namespace, "web") or {}
            return web.get("status", {}).get("lastBackup", {}).get("name") == "second"

        kube.wait("the Application names its last backup", last)
        who = f'{{application="web",namespace="{namespace}"}}'
        scraped = operator.scrape()
        assert scraped[f"timonier_backup_healthy{who}"] == 1
        assert 0 <= time.time() - scraped[f"timonier_backup_last_success_timestamp_seconds{who}"] < 120
        assert scraped['timonier_run_duration_seconds_count{kind="Backup",phase="Succeeded"}'] >= 2
        kube.wait("nothing is left", lambda: kube.list(JOBS, namespace, "timonier.dev/run=application") == [])
        kube.delete(APPLICATIONS, namespace, "web")
        kube.wait("nothing is said of it any more", lambda: f"timonier_backup_healthy{who}" not in operator.scrape())


def test_a_schedule_makes_backups_and_replaces_one_that_hangs(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    """Its store never gets ready: what the schedule makes waits, and is replaced by what it makes next."""
    every_minute = policy(schedule="* * * * *", concurrencyPolicy="Replace")
    hanging = backup(namespace, "web", "hanging", reason="Scheduled")
    kube.apply(*waiting_store(namespace), *application_with_volume(namespace, **every_minute), hanging)

    def made() -> list[str]:
        return [
            found["metadata"]["name"] for found in kube.list(BACKUPS, namespace) if "web-2" in found["metadata"]["name"]
        ]

    (name,) = kube.wait("the schedule has made a backup", made, 90)
    found = kube.get(BACKUPS, namespace, name)
    assert found is not None
    assert (found["spec"]["reason"], found["spec"]["scheduledTime"][:10]) == (
        "Scheduled",
        f"{name[4:8]}-{name[8:10]}-{name[10:12]}",
    )
    wait_over(kube, namespace, "hanging", phase="Cancelled")
    web = kube.get(APPLICATIONS, namespace, "web")
    assert web is not None
    assert web["status"]["nextBackupTime"] > web["status"]["lastScheduleTime"]
    kube.apply(application_with_volume(namespace, **policy(schedule="61 * * * *"))[1])
    kube.wait(
        "the schedule is refused in words",
        lambda: condition(kube.get(APPLICATIONS, namespace, "web"), "BackupHealthy").get("reason") == "ScheduleInvalid",
    )


def test_an_api_server_that_is_unwell_for_a_while_only_delays_it(
    cluster: Any, kube: Kube, installation: Installation, namespace: str, tmp_path: Path
) -> None:
    installation.stop()
    refusals: Counter[int] = Counter()
    until = time.monotonic() + 25

    def refuse(method: str, path: str) -> int | None:
        unwell = time.monotonic() < until and "/leases" not in path and "watch" not in path
        status = secrets.choice((None, 429, 500, 503)) if unwell and method != "GET" else None
        refusals[status or 200] += 1
        return status

    with proxied(installation.kubeconfig) as proxy, played(cluster.kubeconfig, namespace) as movers:
        kubeconfig = proxy.kubeconfig(tmp_path / "unwell.kubeconfig")
        replica = installation.start(namespace, "--watch-namespaces", namespace, kubeconfig=kubeconfig)
        try:
            replica.wait_ready()
            proxy.refuse = refuse
            kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
            wait_over(kube, namespace, "first", seconds=120)
            kube.apply(restore(namespace, "web"))
            wait_over(kube, namespace, "back", resource=RESTORES, seconds=120)
        finally:
            replica.stop()
    assert Counter(instruction["task"] for _, instruction in movers.tasks if instruction["task"] != "survey") == {
        "backup": 2,
        "restore": 1,
    }
    assert min(refusals[status] for status in (429, 500, 503)) > 0


SNAPPED = {"method": "Snapshot", "storeRef": {"name": "offsite"}}


def asked_for(kube: Kube, namespace: str) -> Manifest:
    """The one snapshot that is asked for."""
    (found,) = kube.wait("a snapshot is asked for", lambda: kube.list(VOLUME_SNAPSHOTS, namespace))
    return found


def test_a_snapshot_is_copied_and_let_go_and_holds_up_the_application_no_longer_than_it_takes(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    hooks = {name: [{"name": name, "job": {"command": [name]}}] for name in ("pre", "post")}
    install_snapshots(kube)
    with played(cluster.kubeconfig, namespace) as movers:
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace, backup=SNAPPED | {"hooks": hooks}))
        wait_store(kube, namespace)
        kube.apply(backup(namespace, "web"))
        asked = asked_for(kube, namespace)
        assert asked["spec"]["source"] == {"persistentVolumeClaimName": "web-data"}
        assert movers.of("backup") == []
        with snapshot_driver(cluster.kubeconfig, namespace):
            made = wait_over(kube, namespace, "first", seconds=60)["status"]
    names = [step["name"] for step in made["steps"]]
    assert names == ["PreHook/pre", "Snapshot", "PostHook/post", "Transfer", "Release"]
    assert {step["state"] for step in made["steps"]} == {"Succeeded"}
    assert (made["method"], made["volumes"], made["snapshotID"]) == ("Snapshot", ["data"], "5" * 64)
    (told,) = movers.of("backup")
    assert (told["paths"], told["tags"]["method"]) == (["/data/data"], "Snapshot")
    kube.wait("the snapshot is let go", lambda: kube.list(VOLUME_SNAPSHOTS, namespace) == [])


def test_a_snapshot_that_fails_lets_the_application_go_on(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    hooks = {"post": [{"name": "thaw", "job": {"command": ["thaw"]}}]}
    install_snapshots(kube)
    with played(cluster.kubeconfig, namespace) as movers:
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace, backup=SNAPPED | {"hooks": hooks}))
        wait_store(kube, namespace)
        kube.apply(backup(namespace, "web"))
        name = asked_for(kube, namespace)["metadata"]["name"]
        error = {"status": {"readyToUse": False, "error": {"message": "no room in the array"}}}
        kube.patch(VOLUME_SNAPSHOTS, namespace, name, error, "status")

        def told() -> bool:
            steps = (kube.get(BACKUPS, namespace, "first") or {})["status"]["steps"]
            return any("no room in the array" in step.get("message", "") for step in steps)

        kube.wait("it says what is in the way", told)
        kube.patch(BACKUPS, namespace, "first", {"spec": {"cancel": True}})
        made = wait_over(kube, namespace, "first", phase="Cancelled")["status"]
    states = {step["name"]: step["state"] for step in made["steps"]}
    assert states == {
        "Snapshot": "Failed", "PostHook/thaw": "Succeeded", "Transfer": "Skipped", "Release": "Succeeded",
    }  # fmt: skip
    assert movers.of("backup") == []
    kube.wait("the snapshot is let go", lambda: kube.list(VOLUME_SNAPSHOTS, namespace) == [])
