"""The Backup kind, v1: one backup of an application's data, from its making to its removal."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import DEFAULTED, DnsName, Model, rules
from timonier.api.metadata import Metadata
from timonier.api.policies import Method
from timonier.api.runs import LocalRef, RunSpec, RunStatus, StoreRef, Time, immutable

__all__ = ["FIXED", "Backup", "BackupReason", "BackupSpec", "BackupStatus", "Imported"]

BackupReason = Literal["Manual", "Scheduled", "PreUpgrade", "PreRestore", "PreScaleIn", "PreDelete", "Imported"]


FIXED = ("targetRef", "storeRef", "method", "reason", "imported", "scheduledTime")
"""Fields of the spec that stay as they were created."""


class Imported(Model):
    """Where in a store a backup was found that this cluster did not make."""

    run: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="Id of the run that made it.")
    snapshot: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="Id of its snapshot.")


def _rules() -> dict[str, Any]:
    kept = immutable(*FIXED)
    own = rules(
        (
            "has(self.imported) == (has(self.reason) && self.reason == 'Imported')",
            "imported goes with reason: Imported, and only with it",
            ".imported",
        ),
    )
    key = "x-kubernetes-validations"
    return {key: [*kept[key], *own[key]]}


class BackupSpec(RunSpec):
    """What is backed up, and where to."""

    model_config = ConfigDict(json_schema_extra=_rules())
    target_ref: LocalRef = Field(description="Application whose data is backed up.")
    store_ref: StoreRef | None = Field(
        default=None, description="Where to; spec.backup.storeRef of the Application if unset."
    )
    method: Method | None = Field(default=None, description="How; spec.backup.method of the Application if unset.")
    reason: BackupReason = Field(default="Manual", description="What it is made for.", json_schema_extra=DEFAULTED)
    retain: Literal["Policy", "Forever"] = Field(
        default="Policy",
        description="Policy leaves it to spec.backup.retention of the Application; Forever keeps it.",
        json_schema_extra=DEFAULTED,
    )
    scheduled_time: Time | None = Field(default=None, description="Time of the schedule that it is for.")
    imported: Imported | None = Field(default=None, description="Where in the store it was found.")


class Verification(Model):
    """What the last restore on trial found."""

    time: Time = Field(description="When it ended.")
    result: Literal["Passed", "Failed"] = Field(description="What it found.")
    message: Annotated[str, Field(max_length=2048)] | None = Field(default=None, description="Why, as a sentence.")


class BackupStatus(RunStatus):
    """How far the backup is, and what it holds."""

    method: Method | None = Field(default=None, description="How it was made.")
    store: StoreRef | None = Field(default=None, description="Where it is.")
    repository: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Identity of the repository that holds it."
    )
    snapshot_id: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, alias="snapshotID", description="Id of its snapshot in the store."
    )
    volume_snapshots: tuple[DnsName, ...] = Field(
        default=(), max_length=32, description="VolumeSnapshots that hold it.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    volumes: tuple[Annotated[str, Field(max_length=253)], ...] = Field(
        default=(), max_length=256, description="Volumes whose files it holds, by their names in workload.storage.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    bytes: Annotated[int, Field(ge=0, le=2**62)] | None = Field(default=None, description="Bytes of data in it.")
    size: Annotated[str, Field(max_length=32)] | None = Field(default=None, description="Bytes of data, for people.")
    transferred: Annotated[int, Field(ge=0, le=2**62)] | None = Field(
        default=None, description="Bytes added to the store."
    )
    files: Annotated[int, Field(ge=0, le=2**62)] | None = Field(default=None, description="Files in it.")
    manifest_hash: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Hash over name, type, size and mode of every file; a restore is compared with it."
    )
    application_revision: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Revision of the Application whose data it is."
    )
    application_image: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Image of the Application whose data it is."
    )
    backup_time: Time | None = Field(default=None, description="The moment whose data it holds.")
    verified: Verification | None = Field(default=None, description="What the last restore on trial found.")
    deletion_protected: bool | None = Field(
        default=None, description="True for the last good backup: retention never removes it."
    )


class Backup(Model):
    """One object of the kind. `status` is what was last written, as JSON values."""

    api_version: Literal["timonier.dev/v1"] = "timonier.dev/v1"
    kind: Literal["Backup"] = "Backup"
    metadata: Metadata
    spec: BackupSpec
    status: Mapping[str, Any] = {}
