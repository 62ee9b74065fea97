"""The data of an application around an upgrade: the backup before, and the way back to it. Pure."""

from typing import Any, Final

from timonier.api.application import Application
from timonier.api.references import MADE_FOR
from timonier.api.resources import BACKUPS, RESTORES
from timonier.api.upgrade import Upgrade
from timonier.engine.contract import Manifest
from timonier.runs.names import made_name
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.owners import made
from timonier.runs.reasons import Reason

__all__ = ["backup_before", "backup_name", "made_backup", "made_restore", "restore_data", "restore_name"]

_POLL: Final = 1.0
_LONGEST_TIMEOUT: Final = 604800
_KEPT_SECONDS: Final = 2592000
_TIMES_A_BACKUP: Final = 3
"""A restore saves what is there, loads, and waits for pods."""


def backup_name(upgrade: Upgrade) -> str:
    """The name of the backup that is made first: the same each time."""
    return made_name(upgrade.metadata.name, upgrade.metadata.uid, "before")


def backup_before(upgrade: Upgrade, application: Application) -> dict[str, Any]:
    """The Backup of the data that is there before. It is the policy's to keep or let go, as any other."""
    metadata = upgrade.metadata
    limit = {"timeoutSeconds": application.spec.backup.timeout_seconds} if application.spec.backup else {}
    return {
        "apiVersion": BACKUPS.api_version,
        "kind": BACKUPS.kind,
        "metadata": {
            "namespace": metadata.namespace,
            "name": backup_name(upgrade),
            "annotations": {MADE_FOR: metadata.uid},
        },
        "spec": {"targetRef": {"name": upgrade.spec.target_ref.name}, "reason": "PreUpgrade"} | limit,
    }


def made_backup(upgrade: Upgrade, backup: Manifest | None) -> Outcome | Progress | None:
    """What has become of the backup before; one of the same name that is not this Upgrade's is none."""
    return made(
        backup, upgrade.metadata.uid, BACKUPS, Reason.BACKUP_FAILED, "the data could not be backed up", again=_POLL
    )


def restore_name(upgrade: Upgrade) -> str:
    """The name of the Restore that brings the data back: the same each time."""
    return made_name(upgrade.metadata.name, upgrade.metadata.uid, "back")


def restore_data(upgrade: Upgrade, application: Application) -> dict[str, Any]:
    """The Restore of the backup before. What is there by then is backed up first, and comes back when that fails.

    The Upgrade does not own it: whoever deletes that must not have data that is half loaded.
    """
    metadata, name = upgrade.metadata, upgrade.spec.target_ref.name
    backup = application.spec.backup
    seconds = min(_TIMES_A_BACKUP * backup.timeout_seconds, _LONGEST_TIMEOUT) if backup else None
    return {
        "apiVersion": RESTORES.api_version,
        "kind": RESTORES.kind,
        "metadata": {
            "namespace": metadata.namespace,
            "name": restore_name(upgrade),
            "annotations": {MADE_FOR: metadata.uid},
        },
        "spec": {
            "from": {"backupRef": {"name": upgrade.status["backup"]}},
            "to": {"inPlace": {"application": name, "confirm": name}},
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
        }
        | ({"timeoutSeconds": seconds} if seconds else {}),
    }


def made_restore(upgrade: Upgrade, restore: Manifest | None) -> Outcome | Progress | None:
    """What has become of the restore of the data; one of the same name that is not this Upgrade's is none."""
    return made(
        restore, upgrade.metadata.uid, RESTORES, Reason.NOT_READY, "the data could not be brought back", again=_POLL
    )
