"""The method Snapshot: what the CSI driver is asked for, and the volumes that the mover gets of it. Pure.

Source: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from timonier.api import quantity
from timonier.api.application import Application
from timonier.api.moments import moment
from timonier.api.resources import BACKUPS, VOLUME_SNAPSHOTS
from timonier.api.runs import StepStatus
from timonier.applications.children import labels, manifest_of
from timonier.backups.volumes import name_of
from timonier.engine.contract import Manifest
from timonier.runs.mover import ClaimMount, ScratchMount, job_name
from timonier.runs.outcome import Outcome, Progress, next_look
from timonier.runs.owners import owned_by
from timonier.runs.reasons import Reason

__all__ = ["NO_SNAPSHOTS", "scratch_of", "snapshot_name", "taken", "usable", "volume_snapshot"]

NO_SNAPSHOTS: Final = Outcome(
    Reason.NOT_SUPPORTED, "this cluster has no VolumeSnapshots (snapshot.storage.k8s.io/v1): use the method Files"
)
_POLL: Final = 1.0
_PATIENCE: Final = 120.0
"""Seconds that a snapshot may take to be cut: the application may be held up by its hooks meanwhile."""


def snapshot_name(owner: Manifest, volume: str) -> str:
    """The name of the VolumeSnapshot of a backup's volume: the same each time."""
    return job_name(owner, volume, "snapshot")


def volume_snapshot(
    owner: Manifest, application: Application, mount: ClaimMount, class_name: str | None
) -> dict[str, Any]:
    """The VolumeSnapshot of a claim. It belongs to the Backup, and goes with it if not before."""
    return manifest_of(
        {
            "apiVersion": VOLUME_SNAPSHOTS.api_version,
            "kind": VOLUME_SNAPSHOTS.kind,
            "metadata": {
                "namespace": application.metadata.namespace,
                "name": snapshot_name(owner, name_of(mount.path)),
                "labels": labels(application),
                "ownerReferences": owned_by(owner, BACKUPS),
            },
            "spec": {
                "source": {"persistentVolumeClaimName": mount.claim},
                "volumeSnapshotClassName": class_name,
            },
        }
    )


def taken(found: Sequence[Manifest], step: StepStatus, now: datetime) -> Outcome | Progress:
    """Whether the moment that is backed up has passed for every volume: then the application may go on."""
    waiting = [each for each in found if not _status(each).get("creationTime") and not _is_ready(each)]
    if not waiting:
        return Outcome()
    told = f"the snapshot of {_source(waiting[0])} is not taken yet{_error(waiting[0])}"
    waited = (now - moment(step.start_time)).total_seconds() if step.start_time else 0.0
    if waited < _PATIENCE:
        return Progress(told, _POLL)
    return Outcome(Reason.FAILED, f"not within {_PATIENCE:.0f} s: {told}")


def usable(found: Sequence[Manifest], step: StepStatus, now: datetime) -> Progress | None:
    """What a volume made of a snapshot waits for; None when there is nothing. A driver may take hours."""
    waiting = next((each for each in found if not _is_ready(each)), None)
    if waiting is None:
        return None
    return Progress(
        f"the snapshot of {_source(waiting)} cannot be read yet{_error(waiting)}", next_look(step.start_time, now)
    )


def scratch_of(
    mounted: Sequence[ClaimMount], claims: Mapping[str, Manifest], found: Sequence[Manifest]
) -> tuple[ScratchMount, ...]:
    """For each volume another that is made of its snapshot, and goes with the mover; `claims` are by their names."""
    return tuple(
        ScratchMount(mount.path, _claim(claims[mount.claim], snapshot))
        for mount, snapshot in zip(mounted, found, strict=True)
    )


def _claim(original: Manifest, snapshot: Manifest) -> dict[str, Any]:
    spec = original["spec"]
    sizes = (
        spec["resources"]["requests"]["storage"],
        original.get("status", {}).get("capacity", {}).get("storage"),
        _status(snapshot).get("restoreSize"),
    )
    return manifest_of(
        {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": spec.get("storageClassName"),
            "resources": {"requests": {"storage": max(filter(None, sizes), key=quantity.amount)}},
            "dataSource": {
                "apiGroup": VOLUME_SNAPSHOTS.group,
                "kind": VOLUME_SNAPSHOTS.kind,
                "name": snapshot["metadata"]["name"],
            },
        }
    )


def _status(snapshot: Manifest) -> Mapping[str, Any]:
    found: Mapping[str, Any] = snapshot.get("status") or {}
    return found


def _is_ready(snapshot: Manifest) -> bool:
    return _status(snapshot).get("readyToUse") is True


def _source(snapshot: Manifest) -> str:
    return f"the volume {snapshot['spec']['source']['persistentVolumeClaimName']}"


def _error(snapshot: Manifest) -> str:
    message = (_status(snapshot).get("error") or {}).get("message")
    return f": {message}" if message else ""
