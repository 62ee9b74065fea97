"""What every kind of run shares: the fields of its spec that are not about its purpose, and the contract of its status.

A run has a spec that does not change, happens once, and stays as its own record.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from timonier.api.fields import (
    DEFAULTED,
    DnsLabel,
    DnsName,
    Model,
    Text,
    Word,
    keyed_by,
    rules,
)

__all__ = [
    "ConditionModel",
    "LocalRef",
    "Phase",
    "RunSpec",
    "RunStatus",
    "StepState",
    "StepStatus",
    "StoreRef",
    "Time",
    "immutable",
]

Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
"""A time in RFC 3339, in UTC when we write it."""

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled"]
StepState = Literal["Pending", "Running", "Succeeded", "Failed", "Skipped", "RolledBack"]


def immutable(*names: str, more: Sequence[tuple[str, str] | tuple[str, str, str]] = ()) -> dict[str, Any]:
    """For a model's `json_schema_extra`: these fields stay as they were created, unset ones included.

    `more` are rules beside those, as `rules` takes them.
    """
    return rules(
        *(
            (
                f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
                f"{name} cannot change: a run happens once; create another one",
                f".{name}",
            )
            for name in names
        ),
        *more,
    )


class LocalRef(Model):
    """Another object of the same namespace."""

    name: DnsName = Field(description="Name of the object.")


class StoreRef(Model):
    """A BackupStore."""

    name: DnsName = Field(description="Name of the BackupStore.")
    namespace: DnsLabel | None = Field(
        default=None, description="Namespace of the BackupStore, whose usagePolicy decides; the same one if unset."
    )


class RunSpec(Model):
    """The fields that every run has."""

    timeout_seconds: Annotated[int, Field(ge=10, le=604800)] = Field(
        default=3600, description="Seconds until the run has failed.", json_schema_extra=DEFAULTED
    )
    backoff_limit: Annotated[int, Field(ge=0, le=100)] = Field(
        default=3, description="How often a step that failed is tried again.", json_schema_extra=DEFAULTED
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31536000)] | None = Field(
        default=None,
        description="Seconds after its end when the run's object is removed; never if unset. A good Backup stays as "
        "long as retention wants its data.",
    )
    suspend: bool | None = Field(default=None, description="Wait before the start until it is unset.")
    cancel: bool | None = Field(default=None, description="End the run as soon as what it began is undone.")


class StepStatus(Model):
    """One step of a run."""

    name: Annotated[str, Field(max_length=128)] = Field(description="Name of the step.")
    state: StepState = Field(description="How far it is.")
    start_time: Time | None = Field(default=None, description="When it began.")
    end_time: Time | None = Field(default=None, description="When it ended.")
    attempts: Annotated[int, Field(ge=0, le=1000)] | None = Field(default=None, description="How often it was begun.")
    void_attempts: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="How many of these do not count, as it was to be done again whatever had come of it."
    )
    message: Text | None = Field(default=None, description="What it does, or why it failed, as a sentence.")
    job_ref: Annotated[str, Field(max_length=253)] | None = Field(default=None, description="Name of its Job.")
    retry_time: Time | None = Field(default=None, description="When it is tried again.")


class ConditionModel(Model):
    """One verdict."""

    type: Annotated[str, Field(max_length=316)] = Field(description="What the verdict is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="The verdict.")
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ] = Field(description="Why, as one word of a closed list.")
    message: Text = Field(description="Why, as a sentence.")
    observed_generation: Annotated[int, Field(ge=0)] = Field(description="Generation that the verdict is about.")
    last_transition_time: Time = Field(description="When status last changed.")


class RunStatus(Model):
    """How far a run is: the same fields for every kind of run."""

    observed_generation: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Generation of the spec that this status is about."
    )
    phase: Phase | None = Field(default=None, description="How far the run is, in a word; derived from the conditions.")
    step: Word | None = Field(default=None, description="Step that it is in, or ended in.")
    start_time: Time | None = Field(default=None, description="When it began to act.")
    completion_time: Time | None = Field(default=None, description="When it ended.")
    duration: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Time from start to end, such as 1m12s."
    )
    steps: tuple[StepStatus, ...] = Field(
        default=(), max_length=64, description="Its steps, in order.", json_schema_extra=keyed_by("name")
    )
    conditions: tuple[ConditionModel, ...] = Field(
        default=(),
        max_length=16,
        description="Verdicts: Accepted, Progressing, Succeeded, Cancelled and the kind's own.",
        json_schema_extra=keyed_by("type"),
    )  # fmt: skip
    log_tail: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="End of the log of the step that failed."
    )
