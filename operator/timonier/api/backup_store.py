"""The BackupStore kind, v1: where backups are kept, who may use it, and how it is looked after."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import DEFAULTED, DnsName, Key, Labels, Model, RelativePath, Size, keyed_by, rules, spelt
from timonier.api.metadata import Metadata
from timonier.api.probes import Url
from timonier.api.runs import ConditionModel, Time

__all__ = [
    "BackupStore",
    "BackupStoreSpec",
    "BackupStoreStatus",
    "Encryption",
    "PvcStore",
    "RestStore",
    "S3Store",
    "UsagePolicy",
]

_Count = Annotated[int, Field(ge=0, le=2147483647)]


class SecretKeyRef(Model):
    """One key of a Secret in the store's namespace."""

    name: DnsName = Field(description="Name of the Secret.")
    key: Key = Field(default="password", description="Key in it.", json_schema_extra=DEFAULTED)


class ConfigMapKeyRef(Model):
    """One key of a ConfigMap in the store's namespace."""

    name: DnsName = Field(description="Name of the ConfigMap.")
    key: Key = Field(default="ca.crt", description="Key in it.", json_schema_extra=DEFAULTED)


class SecretRef(Model):
    """A Secret in the store's namespace."""

    name: DnsName = Field(description="Name of the Secret.")


class S3Store(Model):
    """A bucket of a server that speaks S3."""

    endpoint: Url = Field(description="Address of the server, such as https://s3.example.")
    bucket: Annotated[
        str,
        spelt(
            r"^[a-z0-9][a-z0-9.-]+[a-z0-9]$",
            "must be lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
            min_length=3,
            max_length=63,
        ),
    ] = Field(description="Name of the bucket.")
    prefix: RelativePath | None = Field(default=None, description="Folder in the bucket; its root if unset.")
    region: Annotated[str, Field(max_length=63)] | None = Field(default=None, description="Region, where asked for.")
    credentials_secret_ref: SecretRef = Field(
        description="Secret with the keys accessKeyId and secretAccessKey, and sessionToken where there is one."
    )
    ca_bundle_ref: ConfigMapKeyRef | None = Field(
        default=None, description="Certificates that the server's is signed by; the system's if unset."
    )


class RestStore(Model):
    """A server that speaks restic's REST protocol, such as rest-server or rclone."""

    url: Url = Field(description="Address of the repository, such as https://backups.example:8000/shop.")
    credentials_secret_ref: SecretRef | None = Field(
        default=None, description="Secret with the keys username and password; nobody is logged in if unset."
    )
    ca_bundle_ref: ConfigMapKeyRef | None = Field(
        default=None, description="Certificates that the server's is signed by; the system's if unset."
    )


class PvcStore(Model):
    """A volume of this namespace."""

    claim_name: DnsName = Field(description="Name of the PersistentVolumeClaim.")
    sub_path: RelativePath | None = Field(default=None, description="Folder in it; its root if unset.")


class Encryption(Model):
    """How the backups are encrypted: always."""

    password_secret_ref: SecretKeyRef = Field(
        description="The password. Whoever loses it has lost every backup: keep a copy outside of the cluster."
    )


class UsagePolicy(Model):
    """From which namespaces the store may be used."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.selector) == (self.from == 'Selector')",
                "selector goes with from: Selector, and only with it",
                ".selector",
            )
        )
    )
    from_: Literal["Same", "Selector", "All"] = Field(
        alias="from",
        default="Same",
        description="Same: only the store's own namespace. Selector: namespaces that carry the labels. All: every one.",
        json_schema_extra=DEFAULTED,
    )
    selector: Labels | None = Field(default=None, description="Labels of the namespaces.")


class StoreQuota(Model):
    """How much the store may hold."""

    max_bytes: Size | None = Field(default=None, description="Most bytes stored; no new backup beyond that.")
    max_backups: Annotated[int, Field(ge=1, le=100000)] | None = Field(
        default=None, description="Most backups; no new one beyond that."
    )


class RetentionLock(Model):
    """Nothing is removed before a date."""

    until: Time = Field(
        description="Until then retention removes no backup of the store. With the authorization webhook, nobody can "
        "change or delete the store, or delete a backup of it, either."
    )


class BackupStoreSpec(Model):
    """Where backups are kept."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.s3), has(self.pvc), has(self.rest)].filter(x, x).size() == 1",
                "state exactly one of s3, pvc and rest",
            ),
            (
                "!has(self.pvc) || !has(self.usagePolicy) || self.usagePolicy.from == 'Same'",
                "a volume can be mounted in its own namespace only: usagePolicy.from must be Same",
                ".usagePolicy",
            ),
            (
                "has(self.s3) == has(oldSelf.s3) && has(self.pvc) == has(oldSelf.pvc) && "
                "has(self.rest) == has(oldSelf.rest)",
                "the type of a store cannot change: create another one",
            ),
        )
    )
    s3: S3Store | None = Field(default=None, description="A bucket of a server that speaks S3.")
    pvc: PvcStore | None = Field(default=None, description="A volume of this namespace.")
    rest: RestStore | None = Field(default=None, description="A server that speaks restic's REST protocol.")
    encryption: Encryption = Field(description="How the backups are encrypted: always.")
    usage_policy: UsagePolicy = Field(
        default=UsagePolicy(),
        description="From which namespaces the store may be used.",
        json_schema_extra={"default": {"from": "Same"}} | DEFAULTED,
    )
    quota: StoreQuota | None = Field(default=None, description="How much the store may hold.")
    read_only: bool | None = Field(default=None, description="Take no new backups and remove none; restore only.")
    retention_lock: RetentionLock | None = Field(default=None, description="Remove nothing before a date.")
    check_interval_seconds: Annotated[int, Field(ge=60, le=604800)] = Field(
        default=3600,
        description="Seconds between looks at the store: reachable, whole, and what is in it.",
        json_schema_extra=DEFAULTED,
    )
    integrity_check_interval_seconds: Annotated[int, Field(ge=60, le=31536000)] = Field(
        default=86400, description="Seconds between checks of its integrity.", json_schema_extra=DEFAULTED
    )
    import_backups: bool = Field(
        default=True,
        description="Make Backup objects of the backups of this namespace's applications that are found in the store, "
        "so that a new cluster can restore them.",
        json_schema_extra=DEFAULTED,
    )


class BackupStoreStatus(Model):
    """What the operator observes."""

    observed_generation: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Generation of the spec that this status is about."
    )
    conditions: tuple[ConditionModel, ...] = Field(
        default=(),
        max_length=16,
        description="Verdicts: Ready, Progressing, Stalled, Reachable, IntegrityVerified, QuotaExceeded.",
        json_schema_extra=keyed_by("type"),
    )
    phase: Literal["Pending", "Available", "Unavailable"] | None = Field(
        default=None, description="Whether it can be used, in a word; derived from the conditions."
    )
    type: Literal["S3", "PVC", "REST"] | None = Field(default=None, description="What kind of store it is.")
    repository: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Identity of the repository; it stays the same for its whole life."
    )
    backups: _Count | None = Field(default=None, description="Backups in it.")
    bytes: Annotated[int, Field(ge=0, le=2**62)] | None = Field(default=None, description="Bytes stored.")
    size: Annotated[str, Field(max_length=32)] | None = Field(default=None, description="Bytes stored, for people.")
    last_check_time: Time | None = Field(default=None, description="When it was last looked at.")
    last_integrity_check_time: Time | None = Field(default=None, description="When its integrity was last checked.")
    last_prune_time: Time | None = Field(default=None, description="When space was last reclaimed.")
    lock_holder: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Pod that holds a lock on it."
    )


class BackupStore(Model):
    """One object of the kind. `status` is what was last written, as JSON values."""

    api_version: Literal["timonier.dev/v1"] = "timonier.dev/v1"
    kind: Literal["BackupStore"] = "BackupStore"
    metadata: Metadata
    spec: BackupStoreSpec
    status: Mapping[str, Any] = {}
