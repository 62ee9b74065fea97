"""kill -9 at every write of a backup, a restore and an upgrade: each ends as if nothing had been.

Nothing is done twice, and nothing is lost. The movers are played: what they were told is what would have been done
to data.
"""

import os
import re
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.applications import application
from harness.backups import backup, restore, wait_over, wait_store
from harness.crashes import Guillotine, run
from harness.fault_proxy import Moment
from harness.fixtures import Installation
from harness.kube import NAMESPACES, Kube
from harness.movers import PERSISTENT_VOLUMES, PlayedMovers, application_with_volume, played, waiting_store
from harness.upgrades import step_states, wait_upgrade
from timonier.api.resources import (
    APPLICATIONS,
    BACKUPS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    JOBS,
    NETWORK_POLICIES,
    RESTORES,
    SERVICES,
)

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


Outcome = dict[str, Any]

AROUND: Outcome = {
    "hooks": {when: [{"name": when, "job": {"command": [when]}}] for when in ("pre", "post")},
    "verify": [{"name": "rows", "job": {"command": ["count"]}}],
}


def scenario(cluster: Any, answer: Callable[[PlayedMovers], None]) -> Callable[[Kube, str], Outcome]:
    """A backup, and its restore in place with a safety backup, hooks and a probe."""

    def play(kube: Kube, namespace: str) -> Outcome:
        with played(cluster.kubeconfig, namespace) as movers:
            answer(movers)
            kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
            wait_over(kube, namespace, "first", seconds=90)
            kube.apply(restore(namespace, "web", **AROUND))
            back = wait_over(kube, namespace, "back", resource=RESTORES, seconds=120)
            kube.wait_condition(namespace, "web", "Ready", seconds=60)
            left = kube.wait("the Jobs of what is over are gone", lambda: _without_jobs(kube, namespace), 30)
        return {
            "tasks": Counter(_name(told) for _, told in movers.tasks if told["task"] != "survey"),
            "steps": {step["name"]: step["state"] for step in back["status"]["steps"]},
            "backups": left,
        }

    return play


def _without_jobs(kube: Kube, namespace: str) -> list[str]:
    """The names of the backups, once no Job of a run is left."""
    if kube.list(JOBS, namespace, "timonier.dev/run!=backupstore"):
        return []
    return sorted(_without_uid(found["metadata"]["name"]) for found in kube.list(BACKUPS, namespace))


def _without_uid(name: str) -> str:
    return re.sub("-[0-9a-f]{6}$", "", name)


def _name(told: dict[str, Any]) -> str:
    if told["task"] != "backup":
        return str(told["task"])
    return f"backup of {_without_uid(told['tags']['backup'])}"


def upgrades(cluster: Any) -> Callable[[Kube, str], Outcome]:
    """An upgrade with a backup and a migration, and one that never gets ready and is undone."""
    policy = {
        "migrations": [{"name": "schema", "command": ["up"], "downCommand": ["down"]}],
        "progressDeadlineSeconds": 5,
        "rollbackData": "Command",
    }
    backed_up = {"storeRef": {"name": "offsite"}}
    waiting = {"name": "more", "size": "1Gi", "mountPath": "/more", "storageClassName": "nowhere"}

    def shop(namespace: str, tag: str, *more: dict[str, Any]) -> dict[str, Any]:
        image = {"repository": "registry.example/web", "tag": tag}
        _, made = application_with_volume(namespace, backup=backed_up, upgrade=policy, workload={"image": image})
        made["spec"]["workload"]["storage"] += more
        return made

    def play(kube: Kube, namespace: str) -> Outcome:
        with played(cluster.kubeconfig, namespace) as movers:
            kube.apply(*waiting_store(namespace), application_with_volume(namespace)[0], shop(namespace, "1"))
            kube.wait_condition(namespace, "web", "Ready", seconds=60)
            wait_store(kube, namespace)
            kube.apply(shop(namespace, "2"))
            good = wait_upgrade(kube, namespace, "web-2")
            kube.apply(shop(namespace, "3", waiting))
            bad = wait_upgrade(kube, namespace, "web-3", phase="Failed")
            kube.wait("the failure is known", lambda: "failedRevision" in _status(kube, namespace), 30)
            jobs = kube.list(JOBS, namespace, "timonier.dev/keep")
        status = _status(kube, namespace)
        workload = kube.get(DEPLOYMENTS, namespace, "web") or {}
        return {
            "tasks": Counter(_name(told) for _, told in movers.tasks if told["task"] != "survey"),
            "good": step_states(good),
            "bad": step_states(bad) | {"reason": bad["rollbackReason"], "rolled back": bad["rolledBack"]},
            "commands": Counter(re.sub("-[0-9a-f]{8}-", "-", job["metadata"]["name"]) for job in jobs),
            "revisions": (status["revision"], status["failedRevision"]),
            "image": workload["spec"]["template"]["spec"]["containers"][0]["image"],
        }

    return play


def tries(kube: Kube, namespace: str) -> Outcome:
    """An upgrade by blue-green, and one of which nothing gets ready; an upgrade by canary."""
    storage = {"name": "data", "size": "1Gi", "mountPath": "/data", "storageClassName": "nowhere"}
    waiting = {"storage": [storage | {"accessMode": "ReadWriteMany"}]}
    quick = {"progressDeadlineSeconds": 10, "strategy": "BlueGreen"}
    canary = {"strategy": "Canary", "canary": [{"replicas": 1, "seconds": 1}]}

    def shop(tag: str, policy: dict[str, Any], **more: Any) -> dict[str, Any]:
        ports = [{"name": "http", "containerPort": 8080}]
        workload = {"image": {"repository": "registry.example/web", "tag": tag}, "ports": ports, **more}
        return application(namespace, workload=workload, upgrade=policy)

    kube.apply(shop("1", quick))
    kube.wait_condition(namespace, "web", "Ready", seconds=60)
    kube.apply(shop("2", quick))
    good = wait_upgrade(kube, namespace, "web-2")
    kube.apply(shop("3", quick, **waiting))
    bad = wait_upgrade(kube, namespace, "web-3", phase="Failed")
    kube.apply(shop("4", canary))
    last = wait_upgrade(kube, namespace, "web-4")
    resources = (CONFIG_MAPS, DEPLOYMENTS, NETWORK_POLICIES, SERVICES)

    def left() -> list[str]:
        return [f"{each.kind} {found['metadata']['name']}" for each in resources
                for found in kube.list(each, namespace, "timonier.dev/next")]  # fmt: skip

    kube.wait("nothing is left beside it", lambda: left() == [], 30)
    service, workload = kube.get(SERVICES, namespace, "web") or {}, kube.get(DEPLOYMENTS, namespace, "web") or {}
    return {
        "states": [step_states(status) for status in (good, bad, last)],
        "reason": (bad["rollbackReason"], bad["rolledBack"]),
        "image": workload["spec"]["template"]["spec"]["containers"][0]["image"],
        "service": service["spec"]["selector"],
    }


def _status(kube: Kube, namespace: str) -> dict[str, Any]:
    status: dict[str, Any] = (kube.get(APPLICATIONS, namespace, "web") or {})["status"]
    return status


def test_killed_at_every_write_of_a_backup_and_a_restore(
    cluster: Any, kube: Kube, installation: Installation, tmp_path: Path
) -> None:
    play = scenario(cluster, lambda _movers: None)
    undisturbed = killed_at_writes(kube, installation, tmp_path, "runs", play)
    assert undisturbed["tasks"] == {"backup of first": 1, "backup of back-safety": 1, "restore": 1}


def test_killed_at_every_write_of_an_upgrade_and_of_one_that_is_rolled_back(
    cluster: Any, kube: Kube, installation: Installation, tmp_path: Path
) -> None:
    undisturbed = killed_at_writes(kube, installation, tmp_path, "upgrades", upgrades(cluster))
    assert undisturbed["tasks"] == {"backup of web-2-before": 1, "backup of web-3-before": 1}
    assert undisturbed["commands"] == {
        "web-2-migrate-schema-1": 1, "web-3-migrate-schema-1": 1, "web-3-undo-schema-1": 1,
    }  # fmt: skip


def test_killed_at_every_write_of_what_is_tried_beside(kube: Kube, installation: Installation, tmp_path: Path) -> None:
    if os.environ.get("KILL_STRIDE"):
        pytest.skip("not where only a part of all writes is to be tried: it takes two minutes")
    undisturbed = killed_at_writes(kube, installation, tmp_path, "tries", tries)
    assert undisturbed["image"] == "registry.example/web:4"
    assert undisturbed["service"] == {"timonier.dev/application": "web"}


def killed_at_writes(
    kube: Kube, installation: Installation, tmp_path: Path, name: str, play: Callable[[Kube, str], Outcome]
) -> Outcome:
    """Play a scenario undisturbed, and once for each write at which the operator is killed: each ends the same."""
    installation.stop()
    undisturbed, proxy = run(kube, installation, tmp_path, f"{name}-none", play)
    writes = [f"{write.method} {write.path}" for write in proxy.writes if "/events" not in write.path]
    numbers = [write.number for write in proxy.writes if "/events" not in write.path]
    # All of them take an hour; each run takes another one, so that none is left out for long. EVERY_WRITE=8 takes an
    # eighth of them.
    chosen = list(zip(numbers, writes, strict=True))
    stride = int(os.environ.get("EVERY_WRITE") or 0)
    chosen = chosen[secrets.randbelow(stride) :: stride] if stride else [secrets.choice(chosen)]
    failures = []
    for number, write in chosen:
        moment = Moment.BEFORE if number % 2 else Moment.AFTER
        namespace = f"{name}-{number}-{moment.value}"
        try:
            result, _ = run(kube, installation, tmp_path, namespace, play, Guillotine(number, moment))
        except AssertionError as error:
            result = {"error": str(error)}
        if result != undisturbed:
            failures.append(f"killed {moment.value} write {number} ({write}): {result}")
        kube.delete(NAMESPACES, None, namespace)
        kube.delete(PERSISTENT_VOLUMES, None, f"{namespace}-web")
    kube.delete(NAMESPACES, None, f"{name}-none")
    kube.delete(PERSISTENT_VOLUMES, None, f"{name}-none-web")
    print(f"killed at {len(chosen)} of {len(numbers)} writes: {', '.join(str(number) for number, _ in chosen)}")
    assert not failures, "\n".join(failures)
    return undisturbed
