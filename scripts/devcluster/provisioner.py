"""Volumes for claims: a background process of the cluster that gives each pending claim a folder on this machine.

Kubernetes leaves provisioning to programs like this one, and marks the claims that it waits for. On a real node a
volume is a folder of root's, which kubelet gives to a pod's `fsGroup` as it does with a disk; on simulated nodes
nothing mounts anything, and no folder is made.
"""

import logging
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devcluster.api import Api
from devcluster.configuration import PROVISIONER, STORAGE_CLASS
from devcluster.following import follow

__all__ = ["main", "needs_growth", "needs_volume", "volume_for", "volume_is_done"]

Manifest = dict[str, Any]

CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_MERGE = "application/merge-patch+json"


def needs_volume(claim: Manifest) -> bool:
    """The claim is ours and has no volume yet."""
    spec = claim["spec"]
    return (
        spec.get("storageClassName") == STORAGE_CLASS
        and not spec.get("volumeName")
        and "deletionTimestamp" not in claim["metadata"]
        and claim.get("status", {}).get("phase", "Pending") == "Pending"
    )


def volume_for(claim: Manifest, folder: Path, node: str | None = None) -> Manifest:
    """The volume of a claim, on the real node of that name or on simulated ones.

    Its name follows from the claim's uid, so making it twice is refused by the API server.
    """
    metadata, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{metadata['uid']}"
    path = str(folder / name)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        # With this annotation the controller leaves the deletion to the provisioner that it names.
        "metadata": {"name": name, "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": STORAGE_CLASS,
            **({"hostPath": {"path": path, "type": "DirectoryOrCreate"}} if node is None else _local(path, node)),
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


def _local(path: str, node: str) -> Manifest:
    # Unlike a hostPath, a local volume is given to a pod's fsGroup.
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"local": {"path": path}, "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}


def needs_growth(claim: Manifest) -> bool:
    """A bound claim of ours asks for another size than it has; the API server admits only larger ones."""
    wanted = claim["spec"].get("resources", {}).get("requests", {}).get("storage")
    has = claim.get("status", {}).get("capacity", {}).get("storage")
    return (
        claim["spec"].get("storageClassName") == STORAGE_CLASS
        and claim.get("status", {}).get("phase") == "Bound"
        and wanted is not None
        and has != wanted
    )


def volume_is_done(volume: Manifest) -> bool:
    """The volume is ours, its claim is gone, and nobody asked to keep it."""
    return (
        volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and volume.get("status", {}).get("phase") == "Released"
        and "deletionTimestamp" not in volume["metadata"]
    )


def _serve_claim(api: Api, folder: Path, node: str | None, claim: Manifest) -> None:
    if needs_volume(claim):
        volume = volume_for(claim, folder, node)
        if node is not None:
            Path(volume["spec"]["local"]["path"]).mkdir(mode=0o755, exist_ok=True)
        api.create(VOLUMES, volume)
    elif needs_growth(claim):
        size = claim["spec"]["resources"]["requests"]["storage"]
        metadata = claim["metadata"]
        capacity = {"capacity": {"storage": size}}
        api.request("PATCH", f"{VOLUMES}/{claim['spec']['volumeName']}", {"spec": capacity}, _MERGE)
        path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
        api.request("PATCH", path, {"status": capacity}, _MERGE)


def _serve_volume(api: Api, folder: Path, volume: Manifest) -> None:
    if volume_is_done(volume):
        shutil.rmtree(folder / volume["metadata"]["name"], ignore_errors=True)
        api.request("DELETE", f"{VOLUMES}/{volume['metadata']['name']}")


def _follow(api: Api, collection: str, serve: Callable[[Manifest], None]) -> None:
    def listed(items: list[Manifest]) -> None:
        for item in items:
            serve(item)

    def changed(kind: str, item: Manifest) -> None:
        if kind != "DELETED":
            serve(item)

    follow(api, collection, listed, changed)


def main(arguments: list[str]) -> int:
    """`python -m devcluster.provisioner KUBECONFIG FOLDER [NODE]`: serve until stopped. NODE: a real one."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    kubeconfig, folder = Path(arguments[0]), Path(arguments[1])
    node = arguments[2] if len(arguments) > 2 else None
    api = Api(kubeconfig)
    volumes = threading.Thread(
        target=_follow, args=(api, VOLUMES, lambda volume: _serve_volume(api, folder, volume)), daemon=True
    )
    volumes.start()
    _follow(api, CLAIMS, lambda claim: _serve_claim(api, folder, node, claim))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
