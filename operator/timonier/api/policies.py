"""Policies inside an Application: how its data is backed up, how it is upgraded, and what is done when it is unwell."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import ATOMIC, DEFAULTED, DnsLabel, DnsName, Model, Seconds, keyed_by, rules
from timonier.api.probes import Command, Hook, Probe
from timonier.api.runs import StoreRef

__all__ = [
    "BackupPolicy",
    "DumpCommands",
    "Hooks",
    "Method",
    "Migration",
    "RecoveryAction",
    "RecoveryBudget",
    "RecoveryPolicy",
    "Retention",
    "Rung",
    "UpgradePolicy",
    "VerifyPolicy",
]

Method = Literal["Files", "Command", "Snapshot"]

_Kept = Annotated[int, Field(ge=1, le=10000)]
_CRON = Annotated[str, Field(min_length=1, max_length=128)]


class DumpCommands(Model):
    """Commands in the application's container whose output and input are the data."""

    dump: Command = Field(description="Writes the data to its standard output.")
    load: Command = Field(
        description="Reads what dump wrote from its standard input, and replaces the present data by it. Run twice, it "
        "must leave the same as once."
    )
    container: DnsLabel | None = Field(default=None, description="Container; the application's if unset.")


class Hooks(Model):
    """What the application is made to do around a backup."""

    pre: tuple[Hook, ...] = Field(
        default=(), max_length=8, description="Before: quiesce. Each runs once at most.",
        json_schema_extra=keyed_by("name"),
    )  # fmt: skip
    post: tuple[Hook, ...] = Field(
        default=(), max_length=8,
        description="After: unquiesce. They run whatever happened, and again when it is not known whether they ran.",
        json_schema_extra=keyed_by("name"),
    )  # fmt: skip


class Retention(Model):
    """Which backups are kept; the last good one always is. Without any rule, all are."""

    last: _Kept | None = Field(default=None, description="The newest so many.")
    hourly: _Kept | None = Field(
        default=None, description="The newest of each of the last so many hours that have one."
    )
    daily: _Kept | None = Field(default=None, description="The newest of each of the last so many days that have one.")
    weekly: _Kept | None = Field(default=None, description="The newest of each of the last so many weeks with one.")
    monthly: _Kept | None = Field(default=None, description="The newest of each of the last so many months with one.")
    yearly: _Kept | None = Field(default=None, description="The newest of each of the last so many years with one.")
    max_age_days: Annotated[int, Field(ge=1, le=36500)] | None = Field(
        default=None, description="Days after which a backup goes even if another rule would keep it."
    )
    keep_failed: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=3, description="The newest so many failed ones, for their story.", json_schema_extra=DEFAULTED
    )


class VerifyPolicy(Model):
    """Regular trial restores: a backup is as good as its restore."""

    schedule: _CRON = Field(description="When, as a cron expression.")
    job: Command | None = Field(
        default=None,
        description="Program and arguments in the application's image, with the restored data in its place; exit code "
        "0 is good. Without it, names, sizes and contents are compared.",
    )


class BackupPolicy(Model):
    """How the application's data is backed up."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.method) && self.method == 'Command') == has(self.command)",
                "command goes with method: Command, and only with it",
                ".command",
            ),
            (
                "!has(self.verify) || !has(self.verify.job) || !has(self.method) || self.method != 'Command'",
                "verify.job goes with the methods Files and Snapshot, whose data has a place",
                ".verify",
            ),
            ("has(self.storeRef)", "storeRef is needed: a BackupStore", ".storeRef"),
        )
    )
    store_ref: StoreRef | None = Field(default=None, description="Where to.")
    method: Method = Field(
        default="Files",
        description="Files copies the volumes of workload.storage; Snapshot copies VolumeSnapshots of these, so that "
        "all is of one moment and hooks hold up the application no longer; Command stores the output of a command.",
        json_schema_extra=DEFAULTED,
    )
    command: DumpCommands | None = Field(default=None, description="Commands of the method Command.")
    volume_snapshot_class_name: DnsName | None = Field(
        default=None, description="VolumeSnapshotClass of the method Snapshot; the driver's default if unset."
    )
    schedule: _CRON | None = Field(
        default=None,
        description="When, as a cron expression such as '30 2 * * *' or @daily; only on demand if unset.",
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="UTC", description="Time zone of the schedules, such as Europe/Paris.", json_schema_extra=DEFAULTED
    )
    jitter_seconds: Seconds = Field(
        default=0,
        description="Begin up to so many seconds later, each application another time, so that not all begin at once.",
        json_schema_extra=DEFAULTED,
    )
    starting_deadline_seconds: Annotated[int, Field(ge=10, le=604800)] | None = Field(
        default=None, description="A backup that could not begin within so many seconds is left out; never if unset."
    )
    concurrency_policy: Literal["Forbid", "Allow", "Replace"] = Field(
        default="Forbid",
        description="What happens to a scheduled backup while another one of the application runs.",
        json_schema_extra=DEFAULTED,
    )
    suspend: bool | None = Field(default=None, description="Begin no scheduled backups until it is unset.")
    hooks: Hooks | None = Field(default=None, description="What the application is made to do around a backup.")
    retention: Retention | None = Field(default=None, description="Which backups are kept; all if unset.")
    verify: VerifyPolicy | None = Field(default=None, description="Regular trial restores.")
    timeout_seconds: Annotated[int, Field(ge=10, le=604800)] = Field(
        default=3600, description="Seconds until a backup has failed.", json_schema_extra=DEFAULTED
    )


class Migration(Model):
    """One change of the data that a new revision needs."""

    name: DnsLabel = Field(description="Name, unique in the list.")
    command: Command = Field(description="Program and arguments, run once for each revision, before its pods start.")
    down_command: Command | None = Field(
        default=None, description="Undoes it; for rollbackData: Command. Without it, such a migration is not undone."
    )
    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, description="Image; that of the new revision if unset."
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=600, description="Seconds until it has failed.", json_schema_extra=DEFAULTED
    )
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0, description="How often it is tried again after a failure.", json_schema_extra=DEFAULTED
    )


def _upgrade_rules() -> dict[str, Any]:
    return rules(
        (
            "self.rollbackData != 'RestoreBackup' || self.backupBefore != 'Never'",
            "rollbackData: RestoreBackup needs the backup that backupBefore: Never leaves out",
            ".rollbackData",
        ),
        (
            "(self.strategy == 'Canary') == (has(self.canary) && self.canary.size() > 0)",
            "canary says how many pods are tried for how long, with strategy: Canary, which needs it",
            ".canary",
        ),
        (
            "!(self.strategy in ['BlueGreen', 'Canary']) || !self.quiesce",
            "with strategy BlueGreen or Canary both versions run beside one another: quiesce cannot be",
            ".quiesce",
        ),
    )


class CanaryStep(Model):
    """So many pods of the new revision, for so long."""

    replicas: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="Pods of the new revision, beside all those of the old one: their share of the requests."
    )
    seconds: Annotated[int, Field(ge=1, le=86400)] = Field(
        default=60,
        description="Seconds that they must stay well, by the probes and without restarts.",
        json_schema_extra=DEFAULTED,
    )


class UpgradePolicy(Model):
    """How a change of the image, the configuration or a Secret that is referred to is carried out."""

    model_config = ConfigDict(json_schema_extra=_upgrade_rules())
    strategy: Literal["Rolling", "Recreate", "BlueGreen", "Canary"] = Field(
        default="Rolling",
        description="Rolling replaces pods one after the other, and serves meanwhile where volumes allow it; "
        "Recreate stops all first. BlueGreen has all pods of the new revision beside the old ones, verifies them, and "
        "leads all requests to them at once; Canary leads a share to a few. Both need a Deployment whose volumes can "
        "be shared.",
        json_schema_extra=DEFAULTED,
    )
    canary: tuple[CanaryStep, ...] = Field(
        default=(), max_length=8, description="With strategy Canary: how many pods are tried for how long, in order.",
        json_schema_extra=ATOMIC,
    )  # fmt: skip
    backup_before: Literal["Auto", "Always", "Never"] = Field(
        default="Auto",
        description="Whether the data is backed up first, as spec.backup says. Auto: when there is spec.backup.",
        json_schema_extra=DEFAULTED,
    )
    migrations: tuple[Migration, ...] = Field(
        default=(), max_length=16, description="Changes of the data, in order, before the new pods start.",
        json_schema_extra=keyed_by("name"),
    )  # fmt: skip
    quiesce: bool = Field(
        default=False,
        description="Stop all pods while migrations run, which then have the volumes of a Deployment.",
        json_schema_extra=DEFAULTED,
    )
    verify: tuple[Probe, ...] = Field(
        default=(), max_length=8, description="Probes that the new revision must pass once its pods are ready.",
        json_schema_extra=keyed_by("name"),
    )  # fmt: skip
    bake_seconds: Seconds = Field(
        default=0,
        description="Seconds that the new revision must stay well, by the probes and without restarts.",
        json_schema_extra=DEFAULTED,
    )
    progress_deadline_seconds: Annotated[int, Field(ge=5, le=86400)] = Field(
        default=600,
        description="Seconds for the pods to get ready, and with quiesce to end first.",
        json_schema_extra=DEFAULTED,
    )
    approval: Literal["Auto", "Manual"] = Field(
        default="Auto",
        description="Manual waits, after preflight and before the backup, for the annotation timonier.dev/approve: "
        "'true' on the Upgrade.",
        json_schema_extra=DEFAULTED,
    )
    on_failure: Literal["Rollback", "Pause"] = Field(
        default="Rollback",
        description="What happens when it fails; Pause leaves all as it is, and rolls back once the Upgrade has the "
        "annotation timonier.dev/rollback: 'true'.",
        json_schema_extra=DEFAULTED,
    )
    rollback_data: Literal["None", "Command", "RestoreBackup"] = Field(
        default="None",
        description="What a rollback does with data that migrations have changed: nothing, the migrations' "
        "downCommand, or the backup from before.",
        json_schema_extra=DEFAULTED,
    )
    revision_history_limit: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="Ended Upgrades and their revisions that are kept.", json_schema_extra=DEFAULTED
    )

    @property
    def tries_beside(self) -> bool:
        """Whether pods of the new revision are tried beside the Application's own workload."""
        return self.strategy in ("BlueGreen", "Canary")


RecoveryAction = Literal["RestartPod", "RollbackRevision", "RestoreBackup", "Alert"]


class Rung(Model):
    """One rung of the ladder."""

    action: RecoveryAction = Field(
        description="RestartPod deletes the pod, as gently as it asks for; RollbackRevision brings back the revision "
        "before, with spec.upgrade; RestoreBackup the data of the last good backup; Alert only tells."
    )
    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = Field(
        default=300, description="Seconds to wait for it to help before the next rung.", json_schema_extra=DEFAULTED
    )


class RecoveryBudget(Model):
    """How much may be done by itself."""

    max_actions: Annotated[int, Field(ge=1, le=100)] = Field(
        default=5, description="Most actions within the window.", json_schema_extra=DEFAULTED
    )
    window_seconds: Annotated[int, Field(ge=60, le=604800)] = Field(
        default=3600, description="Length of the window.", json_schema_extra=DEFAULTED
    )


class RecoveryProbe(Model):
    """A command in a running container that tells whether the application is well although its pods look so."""

    name: DnsLabel = Field(description="Name, unique in the list.")
    command: Command = Field(description="Program and arguments; exit code 0 is good.")
    container: DnsLabel | None = Field(default=None, description="Container; the application's if unset.")
    indicates: Literal["Unwell", "DataLoss"] = Field(
        default="Unwell",
        description="What a failure means: DataLoss goes to RestoreBackup, where that is on the ladder.",
        json_schema_extra=DEFAULTED,
    )  # fmt: skip
    interval_seconds: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=30, description="Seconds between attempts.", json_schema_extra=DEFAULTED
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = Field(
        default=10, description="Seconds until an attempt has failed.", json_schema_extra=DEFAULTED
    )
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3, description="Failures in a row that count.", json_schema_extra=DEFAULTED
    )


class RecoveryPolicy(Model):
    """What is done when the application is unwell."""

    enabled: bool = Field(default=True, description="Act; false only tells.", json_schema_extra=DEFAULTED)
    ladder: tuple[Rung, ...] = Field(
        default=(), max_length=8,
        description="What is tried, in order. If unset: RestartPod twice, then Alert; nothing that changes data or "
        "revision.",
        json_schema_extra=ATOMIC,
    )  # fmt: skip
    budget: RecoveryBudget = Field(
        default=RecoveryBudget(), description="How much may be done by itself.",
        json_schema_extra={"default": {"maxActions": 5, "windowSeconds": 3600}} | DEFAULTED,
    )  # fmt: skip
    unhealthy_after_seconds: Annotated[int, Field(ge=10, le=86400)] = Field(
        default=120, description="Seconds that trouble must last before anything is done.", json_schema_extra=DEFAULTED
    )
    storm_threshold_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=50,
        description="When more than this share of the namespace's applications is unwell at once, the trouble is not "
        "theirs, and nothing is done.",
        json_schema_extra=DEFAULTED,
    )
    cooldown_seconds: Seconds = Field(
        default=60, description="Seconds between two actions.", json_schema_extra=DEFAULTED
    )
    probes: tuple[RecoveryProbe, ...] = Field(
        default=(), max_length=8, description="Commands that tell what pods do not.",
        json_schema_extra=keyed_by("name"),
    )  # fmt: skip
