"""What the operator reads of an object's metadata."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from timonier.api.fields import DnsLabel, DnsName, Key

__all__ = ["Metadata"]


class Metadata(BaseModel):
    """What the operator reads of an object's metadata; the rest is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: DnsName
    namespace: DnsLabel
    uid: Key
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Mapping[str, Any], ...] = ()
