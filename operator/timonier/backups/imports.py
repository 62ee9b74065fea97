"""Backups that a store holds and this cluster does not know: as objects, so that they can be restored. Pure."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from timonier.api import quantity
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.conditions import Condition, merged
from timonier.api.moments import stamp
from timonier.runs.reasons import Reason

__all__ = ["SNAPSHOT_LINE", "Found", "found_in", "imported", "known_runs", "status_of", "unknown"]

SNAPSHOT_LINE: Final = "TIMONIER-SNAPSHOT"
"""What begins a line of the mover's log that describes one backup."""
_LONGEST_NAME: Final = 63
_METHODS: Final = ("Files", "Command", "Snapshot")


@dataclass(frozen=True, slots=True)
class Found:
    """One backup in a store, as the mover describes it; `details` is the whole description."""

    run: str
    snapshot: str
    application: str
    namespace: str
    details: Mapping[str, Any]


def found_in(lines: Iterable[str]) -> Iterator[Found]:
    """The backups that the lines describe; what is not a description of one of ours is left out."""
    for line in lines:
        try:
            said = json.loads(line)
            told = (said["run"], said["snapshot"], said["application"], said["namespace"])
        except (ValueError, KeyError, TypeError):
            continue
        if all(isinstance(text, str) and text for text in told) and said.get("method") in _METHODS:
            yield Found(*told, details=said)


def known_runs(backups: Iterable[Backup]) -> dict[str, Backup]:
    """The Backups by the id of the run that made them, here or elsewhere."""
    return {(backup.spec.imported.run if backup.spec.imported else backup.metadata.uid): backup for backup in backups}


def unknown(found: Iterable[Found], store: BackupStore, backups: Iterable[Backup]) -> tuple[Found, ...]:
    """Those of the store's namespace that no object stands for, or only one without a status: it was just created."""
    known = {run for run, backup in known_runs(backups).items() if backup.status.get("phase")}
    return tuple(one for one in found if one.namespace == store.metadata.namespace and one.run not in known)


def imported(found: Found, store: BackupStore, taken: Collection[str]) -> dict[str, Any]:
    """The Backup that stands for it: by its old name, where that is free. `taken` are the names in use."""
    tags: Mapping[str, Any] = found.details.get("tags") or {}
    name = str(tags.get("backup") or found.application)[:_LONGEST_NAME].rstrip("-.")
    if name in taken:
        name = f"{name[: _LONGEST_NAME - 9].rstrip('-.')}-{found.run.replace('-', '')[:8]}"
    return {
        "apiVersion": "timonier.dev/v1",
        "kind": "Backup",
        "metadata": {"namespace": store.metadata.namespace, "name": name},
        "spec": {
            "targetRef": {"name": found.application},
            "storeRef": {"name": store.metadata.name},
            "method": found.details["method"],
            "reason": "Imported",
            "imported": {"run": found.run, "snapshot": found.snapshot},
        },
    }


def status_of(found: Found, store: BackupStore, repository: str, now: datetime) -> dict[str, Any]:
    """Its status: what the store tells of it."""
    details, tags = found.details, found.details.get("tags") or {}
    message = f"it was found in the BackupStore {store.metadata.name}"
    verdicts = [
        Condition("Accepted", "True", Reason.ACCEPTED, message),
        Condition("Progressing", "False", Reason.SUCCEEDED, message),
        Condition("Succeeded", "True", Reason.SUCCEEDED, message),
    ]
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "phase": "Succeeded",
        "completionTime": details.get("time") or stamp(now),
        "backupTime": details.get("time") or stamp(now),
        "conditions": merged(verdicts, (), generation=1, now=now),
        "method": details["method"],
        "store": {"name": store.metadata.name, "namespace": store.metadata.namespace},
        "repository": repository,
        "snapshotID": found.snapshot,
    }
    if volumes := tags.get("volumes"):
        status["volumes"] = sorted(str(volumes).split(","))
    if image := tags.get("image"):
        status["applicationImage"] = str(image)
    if details.get("bytes") is not None:
        status |= {"bytes": details["bytes"], "size": quantity.rounded(details["bytes"]), "files": details["files"]}
    return status | ({"manifestHash": details["manifestHash"]} if details.get("manifestHash") else {})
