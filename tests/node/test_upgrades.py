"""Upgrades of a shop with real pods, data and requests: to a good version, and back from bad ones."""

import time
from typing import Any

import pytest

from harness.audit import AuditLog
from harness.backups import condition, server_store, wait_store
from harness.fixtures import Installation, Kubectl
from harness.kube import PODS, Kube, Manifest
from harness.operator_process import OperatorProcess
from harness.permissions import Permission, exercised
from harness.shop import (
    CHECKSUM,
    DUMP,
    LOAD,
    MIGRATION,
    MIGRATIONS_BEGUN,
    VERIFY,
    database_application,
    files_application,
    shop_application,
    visiting,
)
from harness.stores import Stores
from harness.upgrades import seconds_to_roll_back, step_states, wait_upgrade, wait_upgrade_step
from timonier.api.resources import APPLICATIONS, DEPLOYMENTS, LEASES, SERVICES, STATEFUL_SETS

pytestmark = pytest.mark.node

POLICY = {"migrations": [MIGRATION], "verify": [VERIFY], "progressDeadlineSeconds": 120}
DUMPED = {"method": "Command", "command": {"dump": DUMP, "load": LOAD}, "storeRef": {"name": "offsite"}}


@pytest.fixture
def shop_namespace(kube: Kube, operator: OperatorProcess, namespace: str, mover: str, shop: str) -> str:
    """The namespace of a database that a shop can use."""
    kube.apply(database_application(namespace))
    kube.wait_condition(namespace, "db", "Ready", seconds=90)
    return namespace


def sql(kubectl: Kubectl, namespace: str, statement: str) -> str:
    """What the database's own psql answers."""
    return kubectl("exec", "--namespace", namespace, "db-0", "--", "psql", "-XAtqc", statement).strip()


def orders_url(kube: Kube, namespace: str) -> str:
    """Where the shop answers: this machine has a route to Services."""
    service = kube.get(SERVICES, namespace, "shop")
    assert service is not None
    return f"http://{service['spec']['clusterIP']}:8080/orders/7"


def images(kube: Kube, namespace: str) -> set[str]:
    """Of the shop's pods that are not about to go."""
    pods = kube.list(PODS, namespace, "timonier.dev/application=shop")
    return {pod["spec"]["containers"][0]["image"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def test_a_shop_is_upgraded_without_a_failed_request_and_comes_back_from_every_bad_version(
    kube: Kube, kubectl: Kubectl, shop_namespace: str, stores: Stores, installation: Installation, audit: AuditLog
) -> None:
    namespace = shop_namespace
    # Of the bad ones, only v3 harms data, and only v4 is waited for in vain.
    harmless = {"backupBefore": "Never"}
    special = {"v4": harmless | {"progressDeadlineSeconds": 20}, "v5": harmless}

    def shop_of(version: str) -> Manifest:
        policy = POLICY | special.get(version, {"rollbackData": "RestoreBackup"})
        return shop_application(namespace, version, backup=DUMPED, upgrade=policy)

    kube.apply(*server_store(namespace, stores()), shop_of("v1"))
    wait_store(kube, namespace)
    kube.wait_condition(namespace, "shop", "Ready", seconds=90)
    before = sql(kubectl, namespace, CHECKSUM)
    with visiting(orders_url(kube, namespace)) as visits:
        kube.wait("v1 serves", lambda: visits.good["v1"] > 5)
        kube.apply(shop_of("v2"))
        made = wait_upgrade(kube, namespace, "shop-2")
        kube.wait_condition(namespace, "shop", "Ready", seconds=60)
        known = visits.good["v2"]
        kube.wait("v2 serves", lambda: visits.good["v2"] > known + 5)
    print(kubectl("get", "applications,upgrades,backups,jobs", "--namespace", namespace))
    print(f"v2: {made['duration']}, {visits.total} requests, {len(visits.failures)} failed")
    assert not visits.failures
    assert step_states(made) | {"Migrate/schema": "Succeeded", "Verify/sums": "Succeeded"} == step_states(made)
    assert sql(kubectl, namespace, CHECKSUM) == before
    assert sql(kubectl, namespace, "select distinct currency from orders") == "EUR"
    assert (kube.get(APPLICATIONS, namespace, "shop") or {})["status"]["revision"] == "shop-2"

    bad = (
        ("v3", "shop-3", "MigrationFailed"),
        ("v4", "shop-4", "ProgressDeadlineExceeded"),
        ("v5", "shop-5", "VerificationFailed"),
    )
    with visiting(orders_url(kube, namespace)) as visits:
        for version, name, reason in bad:
            kube.apply(shop_of(version))
            failed = wait_upgrade(kube, namespace, name, phase="Failed", seconds=180)
            found, back = seconds_to_roll_back(failed)
            print(f"{version}: {reason} known after {found:.0f} s, all as before {back:.0f} s later")
            assert (failed["rollbackReason"], failed["rolledBack"]) == (reason, True)
            assert condition({"status": failed}, "Succeeded")["reason"] == reason
            kube.wait("only v2 runs", lambda: images(kube, namespace) == {"example.test/shop:v2"}, 60)
            assert sql(kubectl, namespace, CHECKSUM) == before
    print(kubectl("get", "applications,upgrades,backups,restores,jobs", "--namespace", namespace))
    print(f"bad versions: {visits.total} requests, {visits.failures} failed")
    assert visits.failures == []
    application = kube.get(APPLICATIONS, namespace, "shop")
    assert application is not None
    assert application["spec"]["workload"]["image"]["tag"] == "v5"
    assert (application["status"]["revision"], application["status"]["failedRevision"]) == ("shop-2", "shop-5")
    assert condition(application, "UpgradeFailed")["status"] == "True"
    assert (condition(application, "Ready")["reason"], condition(application, "Available")["status"]) == (
        "UpgradeFailed",
        "True",
    )
    assert ("timonier.dev", "restores", "create") in calls_of(installation, audit)


def calls_of(installation: Installation, audit: AuditLog) -> set[Permission]:
    """What the operator was seen to do since the test began."""
    return set(exercised([call for call in audit.calls(installation.user) if call.resource]))


@pytest.mark.slow
def test_migrations_are_undone_by_their_own_commands_with_all_pods_stopped_and_the_operator_killed(
    kube: Kube, kubectl: Kubectl, shop_namespace: str, installation: Installation
) -> None:
    namespace = shop_namespace
    policy = POLICY | {"rollbackData": "Command", "quiesce": True, "progressDeadlineSeconds": 15}
    kube.apply(shop_application(namespace, "v1", replicas=1, upgrade=policy))
    kube.wait_condition(namespace, "shop", "Ready", seconds=90)
    # v2's migration with a program that never gets ready: what it did is undone.
    broken = {"probes": {"readiness": {"httpGet": {"path": "/none", "port": "http"}, "periodSeconds": 1}}}
    kube.apply(shop_application(namespace, "v2", replicas=1, upgrade=policy, workload=broken))

    def killed_in(step: str) -> None:
        wait_upgrade_step(kube, namespace, "shop-2", step)
        installation.running().kill()
        kube.delete(LEASES, installation.namespace, "timonier")
        installation.running()

    killed_in("Migrate/schema")
    wait_upgrade_step(kube, namespace, "shop-2", "Rollout")
    assert sql(kubectl, namespace, "select count(*) from orders where currency = 'EUR'") == "1000"
    killed_in("Undo/schema")
    failed = wait_upgrade(kube, namespace, "shop-2", phase="Failed")
    assert (failed["rollbackReason"], failed["rolledBack"]) == ("ProgressDeadlineExceeded", True)
    assert {"Quiesce", "Migrate/schema", "Undo/schema", "Recover"} <= {
        name for name, state in step_states(failed).items() if state == "Succeeded"
    }
    assert "end" in failed["downtime"]
    assert sql(kubectl, namespace, MIGRATIONS_BEGUN) == "v2"
    columns = "select count(*) from information_schema.columns where table_name = 'orders' and column_name = 'currency'"
    assert sql(kubectl, namespace, columns) == "0"
    kube.wait("v1 serves again", lambda: images(kube, namespace) == {"example.test/shop:v1"}, 30)


def stateful(namespace: str, **workload: Any) -> Manifest:
    """A StatefulSet of two with files."""
    policy = {"progressDeadlineSeconds": 10}
    return files_application(
        namespace, workload={"kind": "StatefulSet", **workload}, scaling={"replicas": 2}, upgrade=policy
    )


@pytest.mark.slow
def test_a_stateful_set_comes_back_although_its_pod_never_gets_ready_and_an_image_that_is_not_there_is_noticed_first(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, installation: Installation, audit: AuditLog
) -> None:
    kube.apply(stateful(namespace))
    kube.wait_condition(namespace, "files", "Ready", seconds=60)
    kube.apply(stateful(namespace, probes={"readiness": {"tcpSocket": {"port": 1234}, "periodSeconds": 1}}))
    failed = wait_upgrade(kube, namespace, "files-2", phase="Failed", seconds=120)
    found, back = seconds_to_roll_back(failed)
    print(f"never ready: known after {found:.0f} s, all as before {back:.0f} s later")
    assert (failed["rollbackReason"], failed["rolledBack"]) == ("ProgressDeadlineExceeded", True)
    workload = kube.get(STATEFUL_SETS, namespace, "files")
    assert workload is not None
    assert workload["status"]["readyReplicas"] == 2
    assert ("", "pods", "delete") in calls_of(installation, audit)

    pods = {pod["metadata"]["uid"] for pod in kube.list(PODS, namespace, "timonier.dev/application=files")}
    image = {"repository": "example.test/nobody-has-it", "tag": "1", "pullPolicy": "Never"}
    kube.apply(stateful(namespace, image=image))
    failed = wait_upgrade(kube, namespace, "files-3", phase="Failed", seconds=60)
    assert failed["rollbackReason"] == "ImagePullFailed"
    assert step_states(failed)["Rollout"] == "Skipped"
    assert {pod["metadata"]["uid"] for pod in kube.list(PODS, namespace, "timonier.dev/application=files")} == pods
    print(kubectl("get", "applications,upgrades", "--namespace", namespace))


def test_a_new_version_is_tried_beside_the_old_one_by_some_requests_or_by_none(
    kube: Kube, kubectl: Kubectl, shop_namespace: str
) -> None:
    namespace = shop_namespace
    canary = {"strategy": "Canary", "canary": [{"replicas": 1, "seconds": 8}], "verify": [VERIFY]}
    green = {"strategy": "BlueGreen", "verify": [VERIFY], "bakeSeconds": 5}

    def shop_of(version: str, policy: Manifest) -> Manifest:
        return shop_application(namespace, version, replicas=2, upgrade=policy)

    kube.apply(shop_of("v1", canary))
    kube.wait_condition(namespace, "shop", "Ready", seconds=90)
    with visiting(orders_url(kube, namespace)) as visits:
        kube.apply(shop_of("v2", canary | {"migrations": [MIGRATION]}))
        wait_upgrade_step(kube, namespace, "shop-2", "Bake/1", seconds=120)
        before = visits.good.copy()
        wait_upgrade_step(kube, namespace, "shop-2", "Rollout")
        share = visits.good - before
        made = wait_upgrade(kube, namespace, "shop-2")
    print(f"canary of v2: {dict(share)} while one of three, {made['duration']}, {visits.failures} failed")
    assert visits.failures == []
    assert 0.15 < share["v2"] / share.total() < 0.55
    kube.wait("only v2 runs", lambda: images(kube, namespace) == {"example.test/shop:v2"}, 60)
    # What is bad gets a share of the requests at most, or none at all.
    for name, policy in (("shop-3", canary), ("shop-4", green)):
        with visiting(orders_url(kube, namespace)) as visits:
            kube.apply(shop_of("v5", policy))
            failed = wait_upgrade(kube, namespace, name, phase="Failed", seconds=120)
        print(f"v5 by {policy['strategy']}: {dict(visits.good)}, {visits.failures} failed")
        assert (failed["rollbackReason"], failed["rolledBack"]) == ("VerificationFailed", True)
        assert visits.failures == []
        assert images(kube, namespace) == {"example.test/shop:v2"}
        time.sleep(1)  # until no request is on its way to what goes
        assert (0 < visits.good["v5"] < visits.good["v2"]) == (policy is canary)
        assert (visits.good["v5"] == 0) == (policy is green)
    # What is good gets all of them from one moment to the next.
    with visiting(orders_url(kube, namespace)) as visits:
        kube.apply(shop_of("v1", green))
        wait_upgrade_step(kube, namespace, "shop-5", "Switch", seconds=120)
        kube.wait("v1 serves", lambda: visits.good["v1"] > 5)
        time.sleep(1)
        before = visits.good.copy()
        wait_upgrade_step(kube, namespace, "shop-5", "Rollout")
        serving = visits.good - before
        made = wait_upgrade(kube, namespace, "shop-5", seconds=180)
    print(f"v1 beside v2: {dict(serving)} once switched, {made['duration']}, {visits.failures} failed")
    print(kubectl("get", "applications,upgrades,deployments,services", "--namespace", namespace))
    assert visits.failures == []
    assert (serving["v2"], serving["v1"] > 5) == (0, True)
    kube.wait("nothing is left beside it", lambda: kube.get(DEPLOYMENTS, namespace, "shop-next") is None)
