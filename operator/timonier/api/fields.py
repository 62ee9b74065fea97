"""The building stones of typed kinds: the model every one derives from, and bounded types for their fields."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from timonier.api import quantity

__all__ = [
    "DEFAULTED",
    "AbsolutePath",
    "Annotations",
    "DnsLabel",
    "DnsName",
    "EnvName",
    "FileMode",
    "Key",
    "Model",
    "Number",
    "PortName",
    "PortNumber",
    "PortRef",
    "Quantity",
    "Seconds",
    "Size",
    "Text",
    "Word",
    "keyed_by",
    "rules",
    "stated_fields",
]

DEFAULTED: dict[str, Any] = {"x-timonier-defaulted": True}
"""For `json_schema_extra`: the API server fills in this field's default. Others are the operator's to interpret."""


class Model(BaseModel):
    """A frozen part of a kind, spelt in camelCase outside; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


def stated_fields(model: BaseModel | None) -> dict[str, Any]:
    """What the user wrote, as JSON values, without what the model would default."""
    if model is None:
        return {}
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def keyed_by(*names: str) -> dict[str, Any]:
    """For `json_schema_extra`: a list whose items are told apart, and merged, by these fields."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(names)}


def rules(*pairs: tuple[str, str], **extra: Any) -> dict[str, Any]:
    """For `json_schema_extra`: CEL rules with the message that a person sees; `extra` goes into each of them."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message, **extra} for rule, message in pairs]}


def _quantity(value: Any) -> str:
    return quantity.canonical(value)


Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": quantity.PATTERN,
            "maxLength": 32,
        }
    ),
]
"""A quantity, kept in canonical spelling."""

Size = Annotated[
    str,
    AfterValidator(_quantity),
    Field(max_length=32, pattern=r"^[1-9][0-9]*(\.[0-9]+)?([KMGTPE]i|[kMGTPE])?$"),
]
"""A positive amount of bytes, kept in canonical spelling."""

PortRef = Annotated[
    int | str,
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": 15,
            "minimum": 1,
            "maximum": 65535,
        }
    ),
]
DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
DnsName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]
PortName = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
EnvName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
AbsolutePath = Annotated[str, Field(min_length=2, max_length=512, pattern=r"^/[^:]*$")]
Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Text = Annotated[str, Field(max_length=32768)]
Word = Annotated[str, Field(min_length=1, max_length=253)]
Seconds = Annotated[int, Field(ge=0, le=86400)]
Number = Annotated[int, Field(ge=0, le=2147483647)]
FileMode = Annotated[int, Field(ge=0, le=511)]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=16384)]], Field(max_length=64)]
