"""The Restore kind, v1: one return of an application's data, from a backup into a place."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import DEFAULTED, DnsLabel, DnsName, Model, keyed_by, rules
from timonier.api.metadata import Metadata
from timonier.api.policies import Method
from timonier.api.probes import Command, Hook, Probe
from timonier.api.runs import LocalRef, RunSpec, RunStatus, StoreRef, Time, immutable

__all__ = [
    "External",
    "InPlace",
    "NewApplication",
    "Restore",
    "RestoreFrom",
    "RestoreSpec",
    "RestoreStatus",
    "RestoreTo",
]


class Latest(Model):
    """The newest good backup of an application."""

    application: DnsName = Field(description="Application whose backup it is.")


class Before(Model):
    """The newest good backup of an application at a moment."""

    application: DnsName = Field(description="Application whose backup it is.")
    time: Time = Field(description="The moment: the backup holds data of then or earlier.")


class External(Model):
    """A backup in a store that has no Backup object here."""

    store_ref: StoreRef = Field(description="Where it is.")
    run: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Id of the run that made it, or of its snapshot."
    )


class RestoreFrom(Model):
    """Which backup."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.backupRef), has(self.latest), has(self.before), has(self.external)]"
                ".filter(x, x).size() == 1",
                "state exactly one of backupRef, latest, before and external",
            )
        )
    )
    backup_ref: LocalRef | None = Field(default=None, description="This Backup.")
    latest: Latest | None = Field(default=None, description="The newest good backup of an application.")
    before: Before | None = Field(default=None, description="The newest good backup of an application at a moment.")
    external: External | None = Field(default=None, description="A backup in a store that has no Backup object here.")


class InPlace(Model):
    """Over the data of a running application."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.confirm == self.application",
                "confirm must repeat the name of the application, whose present data is replaced",
                ".confirm",
            )
        )
    )
    application: DnsName = Field(description="Application whose data is replaced.")
    confirm: DnsName = Field(description="The application's name once more: its present data is replaced.")
    safety_backup: bool = Field(
        default=True,
        description="Back up the present data first, and bring it back should the restore fail after loading.",
        json_schema_extra=DEFAULTED,
    )


class NewApplication(Model):
    """Into an application that does not exist yet, made from the spec that the backup holds."""

    name: DnsLabel = Field(description="Name of the new Application.")
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Number of pods; that of the backup if unset."
    )
    without_schedule: bool = Field(
        default=True,
        description="Leave out the backup schedule, so that a copy does not fill the store.",
        json_schema_extra=DEFAULTED,
    )


class ClaimTarget(Model):
    """Into a volume that no application is managed on."""

    name: DnsName = Field(description="PersistentVolumeClaim; its content is replaced.")
    confirm: DnsName = Field(description="Its name once more: its present content is replaced.")


class Scratch(Model):
    """Into volumes that are gone afterwards: a restore on trial. The application is not touched."""

    application: DnsName = Field(description="Application that the backup is of, and whose volumes are made anew.")
    job: Command | None = Field(
        default=None,
        description="Program and arguments in the application's image, with the restored data in its place; exit code "
        "0 is good. Without it, names, sizes and contents are compared.",
    )


class RestoreTo(Model):
    """Where to."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.inPlace), has(self.newApplication), has(self.claim), has(self.scratch)]"
                ".filter(x, x).size() == 1",
                "state exactly one of inPlace, newApplication, claim and scratch",
            ),
            (
                "!has(self.claim) || self.claim.confirm == self.claim.name",
                "confirm must repeat the name of the claim, whose present content is replaced",
                ".claim.confirm",
            ),
        )
    )
    in_place: InPlace | None = Field(default=None, description="Over the data of a running application.")
    new_application: NewApplication | None = Field(
        default=None, description="Into an application that does not exist yet."
    )
    claim: ClaimTarget | None = Field(default=None, description="Into a volume that no application is managed on.")
    scratch: Scratch | None = Field(default=None, description="Into volumes that are gone afterwards, on trial.")


class RestoreHooks(Model):
    """What is done before the application is stopped and its data loaded, and after."""

    pre: tuple[Hook, ...] = Field(
        default=(),
        max_length=8,
        description="Before anything else, one after the other.",
        json_schema_extra=keyed_by("name"),
    )
    post: tuple[Hook, ...] = Field(
        default=(), max_length=8, description="In the end, whatever happened.", json_schema_extra=keyed_by("name")
    )


def _rules() -> dict[str, Any]:
    return immutable(
        "from", "to", "hooks", "verify",
        more=(
            (
                "!(has(self.hooks) || has(self.verify)) || has(self.to.inPlace) || has(self.to.newApplication)",
                "hooks and verify are about an application: they go with inPlace and newApplication",
            ),
            (
                "!has(self.hooks) || !has(self.hooks.pre) || has(self.to.inPlace)",
                "a new application has no pods before it has its data: hooks.pre goes with inPlace",
                ".hooks",
            ),
        ),
    )  # fmt: skip


class RestoreSpec(RunSpec):
    """Which backup goes where."""

    model_config = ConfigDict(json_schema_extra=_rules())
    from_: RestoreFrom = Field(alias="from", description="Which backup.")
    to: RestoreTo = Field(description="Where to.")
    hooks: RestoreHooks | None = Field(default=None, description="What is done before and after.")
    verify: tuple[Probe, ...] = Field(
        default=(),
        max_length=8,
        description="Probes that the application must pass with the restored data; else, in place, the safety backup "
        "is brought back.",
        json_schema_extra=keyed_by("name"),
    )


class RestoreStatus(RunStatus):
    """How far the restore is."""

    backup: Annotated[str, Field(max_length=253)] | None = Field(default=None, description="Backup that was chosen.")
    application: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Application that is restored."
    )
    method: Method | None = Field(default=None, description="How the backup was made, and so how it is loaded.")
    store: StoreRef | None = Field(default=None, description="Where the backup is.")
    snapshot_id: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, alias="snapshotID", description="Id of its snapshot in the store."
    )
    safety_backup: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Backup of the data that was there before."
    )
    bytes: Annotated[int, Field(ge=0, le=2**62)] | None = Field(default=None, description="Bytes of data restored.")
    quiesced: bool | None = Field(
        default=None,
        description="True while the application is stopped for the restore: the operator keeps it at zero.",
    )
    rolled_back: bool | None = Field(
        default=None, description="True when the restore failed and the data that was there before is back."
    )


class Restore(Model):
    """One object of the kind. `status` is what was last written, as JSON values."""

    api_version: Literal["timonier.dev/v1"] = "timonier.dev/v1"
    kind: Literal["Restore"] = "Restore"
    metadata: Metadata
    spec: RestoreSpec
    status: Mapping[str, Any] = {}
