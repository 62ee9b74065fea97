"""The kinds Application and Backup, v1alpha1: the simple form. Served beside v1, which is what is stored.

What a field means in v1 is decided by the lenses that conversion.py looks through; whatever v1 has beyond these fields
is kept, and not shown here.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, create_model

from timonier.api import backup as v1
from timonier.api.application import Config, DeletionPolicy
from timonier.api.fields import ATOMIC, DEFAULTED, DnsName, EnvName, Model, PortNumber, Quantity, Text, rules, spelt
from timonier.api.runs import Phase, immutable

__all__ = ["ApplicationSpec", "BackupSpec", "BackupStatus"]

_PATH_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_IMAGE = (
    r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?/)?"
    rf"{_PATH_PART}(/{_PATH_PART})*"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?"
    r"(@sha(256:[a-f0-9]{64}|512:[a-f0-9]{128}))?$"
)
Replicas = Annotated[int, Field(ge=0, le=1000)]


class ApplicationSpec(Model):
    """What the user wants, in the simple form."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.maxReplicas) || !has(self.targetCPUPercent)",
                "targetCPUPercent needs maxReplicas: it is what makes the number of pods follow the load",
                ".targetCPUPercent",
            ),
            (
                "!has(self.maxReplicas) || has(self.targetCPUPercent)",
                "maxReplicas needs targetCPUPercent: the load that the number of pods follows",
                ".maxReplicas",
            ),
            (
                "!has(self.maxReplicas) || has(self.cpu)",
                "maxReplicas needs cpu: the load is measured in percent of it",
                ".maxReplicas",
            ),
            (
                "!has(self.maxReplicas) || (self.replicas >= 1 && self.replicas <= self.maxReplicas)",
                "with maxReplicas, replicas is the fewest pods: it must be at least 1 and not greater than maxReplicas",
                ".replicas",
            ),
        )
    )
    image: Annotated[
        str,
        spelt(
            _IMAGE,
            "must be an image such as registry.example/team/web:1.0, with or without tag and digest",
            min_length=1,
            max_length=776,
        ),
    ] = Field(description="Image with tag or digest, such as registry.example/team/web:1.0.")
    stateful: bool = Field(
        default=False,
        description="Whether each pod has a name and volumes of its own: a StatefulSet instead of a Deployment.",
        json_schema_extra=DEFAULTED | rules(("self == oldSelf", "stateful cannot change: make a new Application")),
    )
    replicas: Replicas = Field(
        default=1, description="Number of pods; the fewest of them with maxReplicas.", json_schema_extra=DEFAULTED
    )
    max_replicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Most pods; with it the number of pods follows the load."
    )
    target_cpu_percent: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, alias="targetCPUPercent", description="Average use of cpu to keep, in percent."
    )
    cpu: Quantity | None = Field(default=None, description="CPU that is reserved for each pod, such as 100m.")
    memory: Quantity | None = Field(default=None, description="Memory that is reserved for each pod, such as 128Mi.")
    ports: tuple[PortNumber, ...] = Field(
        default=(),
        max_length=32,
        description="TCP ports that the container listens on. With any, a Service of the Application's name is made.",
        json_schema_extra=ATOMIC | rules(("self.all(p, self.exists_one(q, q == p))", "each port may be listed once")),
    )
    env: dict[EnvName, Text] = Field(default={}, max_length=256, description="Environment variables.")
    command: tuple[Text, ...] = Field(
        default=(), max_length=64, description="Program; the image's if unset.", json_schema_extra=ATOMIC
    )
    args: tuple[Text, ...] = Field(
        default=(), max_length=256, description="Its arguments; the image's if unset.", json_schema_extra=ATOMIC
    )
    config: Config | None = Field(
        default=None, description="Configuration that the Application carries itself: files and variables."
    )
    suspend: bool | None = Field(default=None, description="Stop every pod and keep all data, until it is unset.")
    deletion_policy: DeletionPolicy = Field(
        default="Retain",
        description="What happens to the application's volumes when the Application is deleted.",
        json_schema_extra=DEFAULTED,
    )


class BackupSpec(Model):
    """What is backed up, in the simple form."""

    model_config = ConfigDict(json_schema_extra=immutable("application", "type"))
    application: DnsName = Field(description="Application whose data is backed up.")
    type: Literal["full", "snapshot", "dump"] | None = Field(
        default=None,
        description="How: its files, snapshots of its volumes, or what its dump command writes; as its backup policy "
        "says if unset.",
    )
    keep_forever: bool = Field(
        default=False,
        description="Whether it stays when its backup policy would let it go.",
        json_schema_extra=DEFAULTED,
    )
    cancel: bool | None = Field(default=None, description="End the backup as soon as what it began is undone.")


_STATUS: Final[dict[str, Any]] = {
    name: (field.annotation, field) for name, field in v1.BackupStatus.model_fields.items() if name != "phase"
}
_STATE: Final[Any] = (Phase | None, Field(default=None, description="How far it is, in a word."))
BackupStatus: Final = create_model(
    "BackupStatus",
    __base__=Model,
    __doc__="How far the backup is: all that v1 says, with `state` for `phase`.",
    state=_STATE,
    **_STATUS,
)
