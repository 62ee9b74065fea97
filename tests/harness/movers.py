"""Movers that are played: where no pod really runs, a test says what each of them leaves behind.

Their pods wait for a volume that never comes, so that no simulated node ends them first.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.applications import application
from harness.backups import volume_store
from harness.kube import PODS, Kube, Manifest, RefusedError
from timonier.api.resources import Resource

__all__ = ["AT_WORK", "MOVERS", "PlayedMovers", "application_with_volume", "played", "waiting_store"]

MOVERS = "timonier.dev/mover"
"""The label of movers' pods."""
AT_WORK: Final[dict[str, Any]] = {"ok": None}
"""The answer of a mover that is not done yet: it will be asked again."""
PERSISTENT_VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)

_NOWHERE = "nowhere"
_OF_JOBS = f"{MOVERS},batch.kubernetes.io/job-name"
_HASH = "sha256:0"
_RESULTS: dict[str, dict[str, Any]] = {
    "survey": {"repository": "r" * 64, "created": True, "checked": True, "snapshots": 1, "bytes": 1024},
    "backup": {"snapshot": "5" * 64, "bytes": 1024, "added": 512, "files": 3, "manifestHash": _HASH},
    "restore": {"snapshot": "5" * 64, "bytes": 1024, "files": 3, "manifestHash": _HASH, "inPlace": False},
    "forget": {"snapshots": 2, "pruned": False},
}

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]
"""What a mover leaves, from its instruction: the whole termination message; None leaves that to the default."""


@dataclass(slots=True)
class PlayedMovers:
    """`tasks` are the instructions that were carried out, in order, each with the name of its pod's Job."""

    answer: Answer = lambda _instruction: None
    tasks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, task: str) -> list[dict[str, Any]]:
        """The instructions of one kind of task."""
        return [instruction for _, instruction in self.tasks if instruction["task"] == task]


@contextmanager
def played(kubeconfig: Path, namespace: str) -> Iterator[PlayedMovers]:
    """End every mover of that namespace while the block runs, as if it had done what it was told."""
    movers, over, kube, done = PlayedMovers(), threading.Event(), Kube(kubeconfig), set[str]()

    def play() -> None:
        while not over.wait(0.05):
            with suppress(RefusedError):  # the pod, or the whole namespace, went away meanwhile
                for pod in kube.list(PODS, namespace, _OF_JOBS):
                    if pod["metadata"]["uid"] not in done and "deletionTimestamp" not in pod["metadata"]:
                        _end(kube, pod, movers, done)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield movers
    finally:
        over.set()
        thread.join()


def _end(kube: Kube, pod: Manifest, movers: PlayedMovers, done: set[str]) -> None:
    container = pod["spec"]["containers"][0]
    told = next(each["value"] for each in container["env"] if each["name"] == "TIMONIER_TASK")
    instruction: dict[str, Any] = json.loads(told.replace("$$(", "$("))
    left = movers.answer(instruction) or {"ok": True, **_RESULTS[instruction["task"]]}
    if left is AT_WORK:
        return
    done.add(pod["metadata"]["uid"])
    movers.tasks.append((pod["metadata"]["labels"]["batch.kubernetes.io/job-name"], instruction))
    ended = {"exitCode": 0 if left["ok"] else 1, "reason": "Completed" if left["ok"] else "Error",
             "message": json.dumps(left)}  # fmt: skip
    status = {
        "phase": "Succeeded" if left["ok"] else "Failed",
        "containerStatuses": [
            {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0,
             "state": {"terminated": ended}},
        ],
    }  # fmt: skip
    kube.patch(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], {"status": status}, "status")


def waiting_store(namespace: str, name: str = "offsite", **spec: Any) -> list[Manifest]:
    """A store on a volume that never comes: whoever mounts it waits, and can be played."""
    claim, password, store = volume_store(namespace, name, **spec)
    claim["spec"]["storageClassName"] = _NOWHERE
    return [claim, password, store]


def application_with_volume(namespace: str, name: str = "web", **spec: Any) -> list[Manifest]:
    """An application whose one volume is there, as far as the API server knows."""
    storage = {"name": "data", "size": "1Gi", "mountPath": "/data", "storageClassName": _NOWHERE}
    workload = {"storage": [storage]} | spec.pop("workload", {})
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{name}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": _NOWHERE,
            "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": namespace, "name": f"{name}-data"},
        },
    }
    return [volume, application(namespace, name, workload=workload, **spec)]
