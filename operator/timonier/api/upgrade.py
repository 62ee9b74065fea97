"""The Upgrade kind, v1: one change of an application from a revision to another. The operator makes these objects."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import DnsName, Model, Word
from timonier.api.metadata import Metadata
from timonier.api.policies import UpgradePolicy
from timonier.api.runs import LocalRef, RunSpec, RunStatus, Time, immutable

__all__ = ["Beside", "Downtime", "RollbackReason", "Rollout", "Upgrade", "UpgradeSpec", "UpgradeStatus"]

RollbackReason = Literal[
    "PreflightFailed", "BackupFailed", "MigrationFailed", "ProgressDeadlineExceeded", "VerificationFailed", "CrashLoop",
    "ImagePullFailed", "BakeFailed", "Cancelled", "TimedOut",
]  # fmt: skip


class UpgradeSpec(RunSpec):
    """From which revision to which, and by which rules."""

    model_config = ConfigDict(json_schema_extra=immutable("targetRef", "fromRevision", "toRevision", "policy"))
    target_ref: LocalRef = Field(description="Application that is changed.")
    from_revision: DnsName = Field(description="ControllerRevision that runs before.")
    to_revision: DnsName = Field(description="ControllerRevision that is to run.")
    policy: UpgradePolicy = Field(description="The rules, as they stood in the Application when the change was made.")
    from_version: Word | None = Field(default=None, description="Version that runs before, for people.")
    to_version: Word | None = Field(default=None, description="Version that is to run, for people.")


class Beside(Model):
    """A second workload beside the Application's own, while a revision is tried."""

    revision: DnsName = Field(description="ControllerRevision that its pods are made of.")
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Number of its pods; as many as the Application's own has if unset."
    )
    traffic: Literal["None", "Shared", "All"] = Field(
        description="Which requests to the Application's Service it gets; a Service of its own leads to it alone."
    )


class Rollout(Model):
    """What should run at this moment: the Application's workload is kept so."""

    revision: DnsName = Field(description="ControllerRevision that the pods are made of.")
    suspended: bool | None = Field(default=None, description="True while all pods are stopped for the change.")
    beside: Beside | None = Field(default=None, description="What is tried beside it.")


class Downtime(Model):
    """When the application served nobody."""

    start: Time = Field(description="When it began.")
    end: Time | None = Field(default=None, description="When it ended.")


class UpgradeStatus(RunStatus):
    """How far the upgrade is."""

    rollout: Rollout | None = Field(default=None, description="What should run at this moment.")
    has_run: bool | None = Field(
        default=None, description="True once a pod of the new revision has run, and may have changed data."
    )
    backup: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Backup of the data that was there before."
    )
    rollback_reason: RollbackReason | None = Field(default=None, description="Why it was rolled back.")
    rolled_back: bool | None = Field(
        default=None, description="True when the revision from before runs again, with its data as chosen."
    )
    downtime: Downtime | None = Field(default=None, description="When the application served nobody.")
    detected_time: Time | None = Field(default=None, description="When the new revision was found to be bad.")
    switched_time: Time | None = Field(
        default=None, description="When the Application's Service was last led to other pods."
    )
    held_time: Time | None = Field(
        default=None, description="Since when it waits, as no pods are asked for; that time does not count."
    )
    held_seconds: Annotated[int, Field(ge=0, le=2147483647)] | None = Field(
        default=None, description="Seconds that it has waited before, as no pods were asked for."
    )
    bake_until: Time | None = Field(default=None, description="When the new revision counts as good.")


class Upgrade(Model):
    """One object of the kind. `status` is what was last written, as JSON values."""

    api_version: Literal["timonier.dev/v1"] = "timonier.dev/v1"
    kind: Literal["Upgrade"] = "Upgrade"
    metadata: Metadata
    spec: UpgradeSpec
    status: Mapping[str, Any] = {}
