"""A CSI driver's part in snapshots, played: where there is a node, by copies of folders.

The definition has no more of the VolumeSnapshot kind than is used here; its names and fields are those of the API.
Source: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.kube import Kube, Manifest, RefusedError
from harness.movers import PERSISTENT_VOLUMES
from timonier.api.moments import stamp
from timonier.api.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
    Resource,
)

__all__ = ["CLASS", "install_snapshots", "snapshot_driver"]

_NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
CLASS = "copied"
"""The storage class whose volumes the driver makes."""

_NAME = f"{VOLUME_SNAPSHOTS.plural}.{VOLUME_SNAPSHOTS.group}"
_OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": _NAME,
        # The API server serves names of k8s.io only where somebody says that it has been looked at.
        "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
    },
    "spec": {
        "group": VOLUME_SNAPSHOTS.group,
        "scope": "Namespaced",
        "names": {"plural": VOLUME_SNAPSHOTS.plural, "kind": VOLUME_SNAPSHOTS.kind},
        "versions": [
            {
                "name": VOLUME_SNAPSHOTS.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": _OBJECT, "status": _OBJECT}}},
            }
        ],
    },
}
_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": CLASS},
    "provisioner": "harness.test/copied",
}


def install_snapshots(kube: Kube) -> None:
    """Let the cluster have VolumeSnapshots, which nobody serves."""
    kube.apply(_DEFINITION, _STORAGE_CLASS)

    def established() -> bool:
        found = kube.get(CUSTOM_RESOURCE_DEFINITIONS, None, _NAME) or {}
        conditions = found.get("status", {}).get("conditions", ())
        return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)

    kube.wait("VolumeSnapshots are served", established)


@contextmanager
def snapshot_driver(kubeconfig: Path, namespace: str, folder: Path | None = None) -> Iterator[None]:
    """Serve the snapshots of a namespace while the block runs; with a `folder`, and all volumes of the class."""
    kube, over = Kube(kubeconfig), threading.Event()
    install_snapshots(kube)
    made: list[str] = []

    def serve() -> None:
        while not over.wait(0.1):
            with suppress(RefusedError):  # somebody else was first, or it went away meanwhile
                for claim in kube.list(PERSISTENT_VOLUME_CLAIMS, namespace) if folder else ():
                    _provision(kube, claim, folder, made)
                for snapshot in kube.list(VOLUME_SNAPSHOTS, namespace):
                    if "readyToUse" not in snapshot.get("status", {}):
                        _take(kube, snapshot, folder)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for name in made:
            kube.delete(PERSISTENT_VOLUMES, None, name)


def _take(kube: Kube, snapshot: Manifest, folder: Path | None) -> None:
    metadata = snapshot["metadata"]
    claim = kube.get(
        PERSISTENT_VOLUME_CLAIMS, metadata["namespace"], snapshot["spec"]["source"]["persistentVolumeClaimName"]
    )
    if claim is None:
        return
    if folder is not None:
        shutil.copytree(folder / claim["spec"]["volumeName"], folder / metadata["uid"], copy_function=_copy)
    status = {
        "readyToUse": True,
        "creationTime": stamp(datetime.now(UTC)),
        "restoreSize": claim["spec"]["resources"]["requests"]["storage"],
    }
    kube.patch(VOLUME_SNAPSHOTS, metadata["namespace"], metadata["name"], {"status": status}, "status")


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target)
    status = Path(source).stat()
    shutil.chown(target, status.st_uid, status.st_gid)


def _provision(kube: Kube, claim: Manifest, folder: Path | None, made: list[str]) -> None:
    metadata, spec = claim["metadata"], claim["spec"]
    if folder is None or spec.get("storageClassName") != CLASS or spec.get("volumeName"):
        return
    name = f"copied-{metadata['uid']}"
    place = folder / name
    if name in made:
        return
    source = spec.get("dataSource")
    if source:
        snapshot = kube.get(VOLUME_SNAPSHOTS, metadata["namespace"], source["name"])
        if snapshot is None or not snapshot.get("status", {}).get("readyToUse"):
            return
        shutil.copytree(folder / snapshot["metadata"]["uid"], place, copy_function=_copy)
    else:
        place.mkdir()
    (node,) = kube.list(_NODES, None)
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node["metadata"]["name"]]}]}
    made.append(name)
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "storageClassName": CLASS,
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(place)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                "claimRef": {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]},
            },
        }
    )
