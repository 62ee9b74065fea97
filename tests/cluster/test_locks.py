"""Locks of a repository: waited for while somebody may hold them, and broken once nobody does any more.

The movers are played, so a test says which locks each of them meets. What breaks all locks must be alone on its store.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from harness.backups import backup, restore, wait_over, wait_store
from harness.kube import PODS, Kube, Manifest
from harness.movers import AT_WORK, MOVERS, PlayedMovers, application_with_volume, played, waiting_store
from harness.operator_process import OperatorProcess
from harness.restricted_pods import restricted_pod
from timonier.api.backup_store import BackupStore
from timonier.api.moments import stamp
from timonier.api.resources import BACKUP_STORES, BACKUPS, JOBS, RESTORES, Resource
from timonier.runs.mover import STORE_LABEL, UNLOCK_LABEL, store_label

pytestmark = pytest.mark.cluster

ELSEWHERE = "11111111-2222-4333-8444-555555555555-transfer-1"
"""The name of a mover of another cluster."""


def lock(hostname: str, *, minutes: float = 0) -> dict[str, Any]:
    """A lock as a mover tells of it, last confirmed so many minutes ago."""
    return {"hostname": hostname, "time": stamp(datetime.now(UTC) - timedelta(minutes=minutes))}


def locked(*locks: dict[str, Any]) -> dict[str, Any]:
    return {"ok": False, "error": "Locked", "message": "Somebody holds a lock.", "locks": list(locks)}


def holder(kube: Kube, namespace: str, hostname: str) -> None:
    """The pod of a mover of that name, which runs."""
    mover = {"name": "mover", "image": "mover"}
    kube.apply(restricted_pod(namespace, hostname, mover, {MOVERS: hostname}, schedulerName="nobody"))
    kube.patch(PODS, namespace, hostname, {"status": {"phase": "Running"}}, "status")


@dataclass(slots=True)
class Backups:
    """Backups of one application and one store each. `meets` has the locks that each of them meets.

    Whatever else is done meets the lock of another cluster that nobody has confirmed for long.
    """

    kube: Kube
    namespace: str
    movers: PlayedMovers
    meets: dict[str, Callable[[], list[dict[str, Any]]]] = field(default_factory=dict)

    def answer(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """The third attempt meets no locks any more, nor does one that has broken them."""
        if told.get("unlock"):
            return None
        if told["task"] != "backup":
            return locked(lock(ELSEWHERE, minutes=31))
        name = told["tags"]["backup"]
        met = self.meets.get(name)
        return None if met is None or len(self.unlocks(name)) == 2 else locked(*met())

    def unlocks(self, name: str) -> list[bool]:
        """Of each attempt of that backup, whether it was told to break locks."""
        return [told.get("unlock", False) for told in self.movers.of("backup") if told["tags"]["backup"] == name]

    def begin(self, *names: str) -> None:
        for name in names:
            made = backup(self.namespace, name, name, name, backoffLimit=0)
            self.kube.apply(*application_with_volume(self.namespace, name), made)


@contextmanager
def stores(cluster: Any, kube: Kube, namespace: str, *names: str) -> Iterator[PlayedMovers]:
    """Stores that are ready, and movers that are played."""
    with played(cluster.kubeconfig, namespace) as movers:
        for name in names:
            kube.apply(*waiting_store(namespace, name))
        for name in names:
            wait_store(kube, namespace, name)
        yield movers


def read(kube: Kube, resource: Resource, namespace: str, name: str) -> Manifest:
    found = kube.get(resource, namespace, name)
    assert found is not None
    return found


def transfer(kube: Kube, namespace: str, name: str) -> Manifest:
    """The state of the one step that a backup has; empty before it begins."""
    steps = read(kube, BACKUPS, namespace, name).get("status", {}).get("steps")
    return dict(steps[0]) if steps else {}


def at_work(kube: Kube, namespace: str, store: str) -> list[tuple[str, bool]]:
    """The owners of the Jobs on a store that have not ended, and whether they break locks."""
    label = store_label(BackupStore.model_validate(read(kube, BACKUP_STORES, namespace, store)))
    jobs = [job["metadata"] for job in kube.list(JOBS, namespace, f"{STORE_LABEL}={label}")
            if not job["status"].get("conditions")]  # fmt: skip
    return [(job["ownerReferences"][0]["name"], UNLOCK_LABEL in job["labels"]) for job in jobs]


def test_locks_are_broken_where_nobody_holds_them_and_waited_for_elsewhere(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    expected = {
        "ends": [False, False, True],
        "goes": [False, False, True],
        "dead": [False, True],
        "old": [False, True],
        "lately": [False, False, False],
        "mixed": [False, False, False],
        "malformed": [False, False, False],
    }
    with stores(cluster, kube, namespace, *expected) as movers:
        backups = Backups(kube, namespace, movers)
        uids = {store["metadata"]["name"]: store["metadata"]["uid"] for store in kube.list(BACKUP_STORES, namespace)}
        hosts = {name: f"{uid}-survey-1" for name, uid in uids.items()}
        for name in ("ends", "goes", "mixed"):
            holder(kube, namespace, hosts[name])
        backups.meets = {
            "ends": lambda: [lock(hosts["ends"], minutes=45)],
            "goes": lambda: [lock(hosts["goes"])],
            "dead": lambda: [lock(hosts["dead"])],
            "old": lambda: [lock(ELSEWHERE, minutes=31)],
            "lately": lambda: [lock(ELSEWHERE, minutes=29)],
            "mixed": lambda: [lock(hosts["dead"]), lock(ELSEWHERE, minutes=31), lock(hosts["mixed"])],
            "malformed": lambda: [{}, {"hostname": ELSEWHERE, "time": "long ago"}],
        }
        movers.answer = backups.answer
        backups.begin(*expected)
        kube.apply(*waiting_store(namespace, "late"))
        wait_over(kube, namespace, "old", seconds=40)
        kube.apply(restore(namespace, "old", "old"))
        kube.wait("they are tried again", lambda: {len(backups.unlocks(name)) for name in expected} == {2}, 40)
        for name in ("ends", "goes"):
            assert read(kube, BACKUPS, namespace, name)["status"]["phase"] == "Running"
        kube.patch(PODS, namespace, hosts["ends"], {"status": {"phase": "Failed"}}, "status")
        kube.delete(PODS, namespace, hosts["goes"])
        for name, unlocks in expected.items():
            made = wait_over(kube, namespace, name, seconds=60)
            assert (name, backups.unlocks(name)) == (name, unlocks)
            assert made["status"]["steps"][0]["attempts"] == len(unlocks)
        wait_store(kube, namespace, "late")
        wait_over(kube, namespace, "back", resource=RESTORES, seconds=60)
        for task in ("survey", "restore"):
            assert [told.get("unlock", False) for told in movers.of(task)][-2:] == [False, True]


def test_whoever_breaks_locks_is_alone_on_the_store(
    cluster: Any, kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    over = Event()

    def answer(told: dict[str, Any]) -> dict[str, Any] | None:
        name = told.get("tags", {}).get("backup")
        if name in ("breaks", "waits") and not told.get("unlock") and not over.is_set():
            return locked(lock(ELSEWHERE, minutes=31))
        return AT_WORK if name in ("breaks", "works") and not over.is_set() else None

    def begin(name: str, store: str) -> None:
        kube.apply(*application_with_volume(namespace, name), backup(namespace, name, name, store))

    def comes_second(name: str) -> bool:
        return "comes first" in transfer(kube, namespace, name).get("message", "")

    with stores(cluster, kube, namespace, "left", "right") as movers:
        movers.answer = answer
        begin("breaks", "left")
        begin("waits", "right")
        kube.wait("a lock is met", lambda: transfer(kube, namespace, "waits").get("retryTime"), 20)
        begin("works", "right")
        kube.wait("locks are broken", lambda: at_work(kube, namespace, "left") == [("breaks", True)], 30)
        begin("next", "left")
        kube.patch(BACKUP_STORES, namespace, "left", {"spec": {"checkIntervalSeconds": 120}})
        kube.wait("who comes then waits", lambda: comes_second("next"), 10)
        kube.wait("who would break locks waits", lambda: comes_second("waits"), 20)
        kube.wait(
            "the look at the store waits",
            lambda: read(kube, BACKUP_STORES, namespace, "left")["status"]["observedGeneration"] == 2,
            10,
        )
        assert at_work(kube, namespace, "left") == [("breaks", True)]
        assert at_work(kube, namespace, "right") == [("works", False)]
        over.set()
        for name in ("breaks", "works", "next"):
            wait_over(kube, namespace, name, seconds=40)
