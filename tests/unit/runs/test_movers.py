"""Which locks may be broken, and that whoever breaks them is alone on its store.

The API server is played: what matters is in which order its answers come.
"""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from timonier.api.backup_store import BackupStore
from timonier.api.moments import stamp
from timonier.api.references import application_of
from timonier.api.resources import APPLICATIONS, BACKUPS, JOBS, Resource
from timonier.api.runs import StepStatus
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.client import Client
from timonier.engine.contract import Manifest
from timonier.runs.background import Background
from timonier.runs.mover import HOST_LABEL, Task, job_name
from timonier.runs.movers import Movers
from timonier.runs.outcome import UNTOLD, Lock, Outcome
from timonier.runs.reasons import Reason

BACKGROUND = Background(lambda _resource, _request: None)
MET = datetime(2024, 11, 27, 8, 0, tzinfo=UTC)
"""When the locks were met: so long ago that by the clock of today, each of them would be old."""
UID = "0a1b2c3d-0000-4000-8000-000000000000"
OWNER = {"metadata": {"namespace": "shop", "name": "nightly", "uid": UID}}
ELSEWHERE = "11111111-2222-4333-8444-555555555555-transfer-1"
"""The name of a mover of another cluster."""


class ApiServer:
    """Has pods of movers and the password of every store, and takes what is created; each answer takes a moment."""

    def __init__(self) -> None:
        self.pods: list[Manifest] = []
        self.created: list[str] = []

    async def get(self, _resource: Resource, _namespace: str, _name: str) -> Manifest:
        await asyncio.sleep(0)
        return {"kind": "Secret", "data": {"password": base64.b64encode(b"secret").decode()}}

    async def create(self, resource: Resource, manifest: Manifest) -> Manifest:
        await asyncio.sleep(0)
        if resource == JOBS:
            self.created.append(manifest["metadata"]["name"])
        given = {"uid": f"uid-{len(self.created)}", "resourceVersion": str(len(self.created) + 1)}
        return {**manifest, "metadata": {**manifest["metadata"], **given}}

    async def first_page(
        self, _resource: Resource, namespace: str, *, label_selector: str, field_selector: str
    ) -> tuple[Manifest, ...]:
        assert (namespace, field_selector) == ("shop", "")
        label, _, value = label_selector.removesuffix(")").replace(" in (", "=").partition("=")
        assert re.fullmatch("[a-z0-9](?:[a-z0-9-]{,61}[a-z0-9])?", value), "the API server refuses anything else"
        return tuple(pod for pod in self.pods if pod["metadata"]["labels"].get(label) == value)


def pod(host: str, phase: str, **status: Any) -> Manifest:
    metadata = {"name": host, "creationTimestamp": "2024-11-27T08:00:00Z", "labels": {HOST_LABEL: host}}
    return {"metadata": metadata, "status": {"phase": phase, **status}}


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def cache() -> Cache:
    cache = Cache(primaries=(APPLICATIONS, BACKUPS), application_of=application_of)
    cache.watches(JOBS)
    cache.observe(BACKUPS, {"metadata": {"namespace": "shop", "name": "nightly", "uid": UID, "resourceVersion": "1"}})
    return cache


@pytest.fixture
def movers(server: ApiServer, cache: Cache) -> Movers:
    client = cast(Client, server)
    return Movers(cache, Applier(client, cache), client, "mover", BACKGROUND)


def lock(hostname: str, minutes: float | None = 0) -> Lock:
    """A lock that was last confirmed so many minutes before it was met; None: it does not tell."""
    return Lock(hostname, UNTOLD if minutes is None else MET - timedelta(minutes=minutes))


def abandoned(movers: Movers, *locks: Lock) -> bool:
    return asyncio.run(movers.abandoned(Outcome(Reason.LOCKED, locks=locks, ended=MET)))


@pytest.mark.parametrize(("phase", "gone"), [("Pending", False), ("Running", False), ("Unknown", False),
                                             ("Succeeded", True), ("Failed", True), (None, True)])  # fmt: skip
@pytest.mark.parametrize("minutes", [0, 45])
def test_a_mover_of_this_cluster_holds_its_lock_for_as_long_as_its_pod_lives(
    movers: Movers, server: ApiServer, phase: str | None, gone: bool, minutes: float
) -> None:
    if phase:
        server.pods.append(pod(f"{UID}-transfer-1", phase))
    server.pods.append(pod(f"{UID}-transfer-2", "Running" if gone else "Succeeded"))
    assert abandoned(movers, lock(f"{UID}-transfer-1", minutes)) is gone


@pytest.mark.parametrize(("minutes", "gone"), [(0, False), (29.9, False), (30, True), (-600, False), (None, False)])
def test_of_others_only_the_time_tells(movers: Movers, minutes: float | None, gone: bool) -> None:
    assert abandoned(movers, lock(ELSEWHERE, minutes)) is gone


def test_one_lock_that_is_held_protects_all(movers: Movers) -> None:
    dead, old, held = lock(f"{UID}-transfer-1"), lock(ELSEWHERE, 31), lock(ELSEWHERE, 4)
    assert abandoned(movers, dead, old)
    assert not abandoned(movers, dead, old, held)
    assert not abandoned(movers)


@pytest.mark.parametrize(("hostname", "minutes"), [("", None), ("", 45), (f"{UID}-transfer-1", None)])
def test_a_lock_without_a_name_or_a_time_is_never_broken(movers: Movers, hostname: str, minutes: float | None) -> None:
    assert not abandoned(movers, lock(hostname, minutes))


@pytest.mark.parametrize(("minutes", "told"), [
    (31, {"unlock": True, "abandoned": [f"2024-11-27T07:29:00Z {ELSEWHERE}"]}),
    (4, {}),
])  # fmt: skip
def test_the_next_attempt_is_told_which_locks_the_last_one_met(
    movers: Movers, server: ApiServer, cache: Cache, minutes: int, told: dict[str, Any]
) -> None:
    name = job_name(OWNER, "Transfer", 1)
    time = stamp(MET - timedelta(minutes=minutes))
    message = {"ok": False, "error": "Locked", "locks": [{"hostname": ELSEWHERE, "time": time}]}
    left = {"exitCode": 1, "message": json.dumps(message), "finishedAt": stamp(MET)}
    server.pods = [pod(f"{UID}-transfer-1", "Failed", containerStatuses=[{"state": {"terminated": left}}])]
    server.pods[0]["metadata"]["labels"]["batch.kubernetes.io/job-name"] = name
    # The Job was told of it only when the API server was there again.
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": stamp(MET + timedelta(hours=1))}
    metadata = {"namespace": "shop", "name": name, "uid": "1", "resourceVersion": "2"}
    cache.observe(JOBS, {"metadata": metadata, "status": {"conditions": [failed]}})
    for attempts, expected in ((1, {}), (2, told)):
        step = StepStatus(name="Transfer", state="Running", attempts=attempts)
        assert asyncio.run(movers.breaking_again(OWNER, step)) == expected


@pytest.mark.parametrize("minutes", [4, 45])
@pytest.mark.parametrize("rest", ["", "-", "-transfer-", "-a,b=c", "-ä", "-Transfer-1", "transfer-1", "-" + "x" * 60])
def test_a_name_that_no_mover_of_ours_has_is_that_of_somebody_else(movers: Movers, rest: str, minutes: float) -> None:
    assert abandoned(movers, lock(UID + rest, minutes)) is (minutes > 30)


def test_a_mover_that_forgets_belongs_to_an_application(movers: Movers, server: ApiServer, cache: Cache) -> None:
    uid = UID.replace("0a", "0b")
    metadata = {"namespace": "shop", "name": "web", "uid": uid, "resourceVersion": "1"}
    cache.observe(APPLICATIONS, {"metadata": metadata})
    assert abandoned(movers, lock(f"{uid}-forget-1", 4))
    server.pods.append(pod(f"{uid}-forget-1", "Running"))
    assert not abandoned(movers, lock(f"{uid}-forget-1", 45))


def store(namespace: str, name: str = "offsite") -> BackupStore:
    spec = {"encryption": {"passwordSecretRef": {"name": "password"}}, "rest": {"url": "https://rest.example"}}
    return BackupStore.model_validate({"metadata": {"namespace": namespace, "name": name, "uid": "1"}, "spec": spec})


def task(name: str, *, unlock: bool = False) -> Task:
    told: Mapping[str, Any] = {"task": "backup", "unlock": unlock}
    return Task(name, name, told, 60)


STORES = [pytest.param(store("shop"), id="own store"), pytest.param(store("vault"), id="store of another namespace")]


@pytest.mark.parametrize("used", STORES)
@pytest.mark.parametrize("unlocks", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("at_once", [True, False])
def test_whoever_breaks_locks_is_alone_on_its_store(
    movers: Movers, server: ApiServer, used: BackupStore, unlocks: tuple[bool, bool], at_once: bool
) -> None:
    async def begin() -> list[Outcome | None]:
        starts = [movers.start(OWNER, BACKUPS, task(f"job-{index}", unlock=unlock), used)
                  for index, unlock in enumerate(unlocks)]  # fmt: skip
        return list(await asyncio.gather(*starts)) if at_once else [await start for start in starts]

    first, second = asyncio.run(begin())
    assert first is None
    assert second is not None
    assert second.error is Reason.LOCKED
    assert "job-0" in second.message
    assert server.created == ["job-0"]


def test_others_go_on_beside_each_other(movers: Movers, server: ApiServer) -> None:
    async def begin() -> None:
        assert await movers.start(OWNER, BACKUPS, task("one"), store("shop")) is None
        assert await movers.start(OWNER, BACKUPS, task("two"), store("shop")) is None
        assert await movers.start(OWNER, BACKUPS, task("three", unlock=True), store("shop", "other")) is None
        assert await movers.start(OWNER, BACKUPS, task("three", unlock=True), store("shop", "other")) is None

    asyncio.run(begin())
    assert server.created[:3] == ["one", "two", "three"]


@pytest.mark.parametrize("unlocks", [(True, False), (False, True)])
def test_a_job_that_has_ended_is_in_nobodys_way(movers: Movers, cache: Cache, unlocks: tuple[bool, bool]) -> None:
    async def begin() -> None:
        assert await movers.start(OWNER, BACKUPS, task("one", unlock=unlocks[0]), store("shop")) is None
        (job,) = cache.all(JOBS)
        status = {"conditions": [{"type": "Failed", "status": "True"}]}
        cache.observe(JOBS, {**job, "metadata": {**job["metadata"], "resourceVersion": "9"}, "status": status})
        assert await movers.start(OWNER, BACKUPS, task("two", unlock=unlocks[1]), store("shop")) is None

    asyncio.run(begin())


def test_a_job_of_an_operator_before_this_one_counts(server: ApiServer, cache: Cache) -> None:
    async def begin() -> Outcome | None:
        client = cast(Client, server)
        before, after = (Movers(cache, Applier(client, cache), client, "mover", BACKGROUND) for _ in range(2))
        assert await before.start(OWNER, BACKUPS, task("one", unlock=True), store("shop")) is None
        return await after.start(OWNER, BACKUPS, task("two"), store("shop"))

    found = asyncio.run(begin())
    assert found is not None
    assert found.error is Reason.LOCKED
