"""Stores and backups where no pod really runs: what is created, who may use what, and what is said when nothing comes.

The nodes are simulated: a mover's pod ends at once, and leaves nothing. tests/node has real ones.
"""

import pytest

from harness.applications import application
from harness.backups import backup, condition, volume_store, wait_store
from harness.kube import SECRETS, Kube, Manifest
from harness.operator_process import OperatorProcess
from timonier.api.resources import BACKUP_STORES, BACKUPS, JOBS

pytestmark = pytest.mark.cluster

REST = {"rest": {"url": "https://nobody.example/shop"}}
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
