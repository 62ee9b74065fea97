"""The building stones of typed kinds: the model every one derives from, and bounded types for their fields."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from timonier.api import quantity

__all__ = [
    "ATOMIC",
    "DEFAULTED",
    "AbsolutePath",
    "Annotations",
    "DnsLabel",
    "DnsName",
    "EnvName",
    "FileMode",
    "Key",
    "LabelValue",
    "Labels",
    "Model",
    "Number",
    "PortName",
    "PortNumber",
    "PortRef",
    "QualifiedName",
    "Quantity",
    "RelativePath",
    "Seconds",
    "Size",
    "Text",
    "Word",
    "keyed_by",
    "rules",
    "spelt",
    "stated_fields",
]

DEFAULTED: dict[str, Any] = {"x-timonier-defaulted": True}
"""For `json_schema_extra`: the API server fills in this field's default. Others are the operator's to interpret."""


# At least one letter, no two '-' in a row: what IANA and so Kubernetes call a service name (RFC 6335, section 5.1).
_PORT_NAME = r"^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$"

ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
"""For `json_schema_extra`: a list that has one owner as a whole."""


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


def rules(*rows: tuple[str, str] | tuple[str, str, str]) -> dict[str, Any]:
    """For `json_schema_extra`: CEL rules, each with the message that a person sees.

    A third item is the path, from the rule's own place, of the field that the message is about.
    """
    names = ("rule", "message", "fieldPath")
    return {"x-kubernetes-validations": [dict(zip(names, row, strict=False)) for row in rows]}


def spelt(pattern: str, message: str, *, min_length: int | None = None, max_length: int) -> Any:
    """A field of text that `pattern` matches.

    The API server would answer a mismatch with the regular expression; in the definition it therefore becomes a CEL
    rule that answers with `message`. Patterns keep to what both Go's and Rust's regular expressions know.
    """
    return Field(
        min_length=min_length,
        max_length=max_length,
        pattern=pattern,
        json_schema_extra={"x-timonier-spelling": message},
    )


_LONGEST_QUANTITY = 32


def _quantity(value: Any) -> str:
    if isinstance(value, str) and len(value) > _LONGEST_QUANTITY:
        raise ValueError(f"a quantity has at most {_LONGEST_QUANTITY} characters")
    if quantity.amount(value) < 0:
        raise ValueError(f"{value} is negative: state an amount of 0 or more")
    return quantity.canonical(value)


# A segment of a path that is neither empty nor "..", nor begins with "..": such names are reserved in volumes.
_SEGMENT = r"([^/:.][^/:]*|\.([^/:.][^/:]*)?)"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"

Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": quantity.PATTERN,
            "maxLength": _LONGEST_QUANTITY,
            "minimum": 0,
            "x-timonier-spelling": "must be a number with a unit, such as 500m, 2, 512Mi or 10Gi, and not negative",
        }
    ),
]
"""A quantity that is not negative, kept in canonical spelling."""

Size = Annotated[
    str,
    spelt(
        r"^[1-9][0-9]*(\.[0-9]+)?([KMGTPE]i|[kMGTPE])?$",
        "must be a positive number of bytes with a unit, such as 512Mi or 10Gi",
        max_length=32,
    ),
    AfterValidator(_quantity),
]
"""A positive amount of bytes, kept in canonical spelling."""

PortRef = Annotated[
    Annotated[int, Field(ge=1, le=65535, strict=True)]
    | Annotated[str, Field(min_length=1, max_length=15, pattern=_PORT_NAME)],
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": 15,
            "minimum": 1,
            "maximum": 65535,
            "pattern": _PORT_NAME,
            "x-timonier-spelling": "must be a number from 1 to 65535 or the name of a port in workload.ports",
        }
    ),
]
"""A port by number or by name."""

DnsLabel = Annotated[
    str,
    spelt(
        f"^{_LABEL}$",
        "must be lower-case letters, digits and '-', with a letter or digit at both ends",
        min_length=1,
        max_length=63,
    ),
]
DnsName = Annotated[
    str,
    spelt(
        rf"^{_LABEL}(\.{_LABEL})*$",
        "must be lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part",
        min_length=1,
        max_length=253,
    ),
]
PortName = Annotated[
    str,
    spelt(
        _PORT_NAME,
        "must be lower-case letters, digits and single '-' between them, with at least one letter, such as http",
        min_length=1,
        max_length=15,
    ),
]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
EnvName = Annotated[
    str,
    spelt(
        r"^([-_a-zA-Z]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$",
        "must be letters, digits, '_', '-' and '.', not beginning with a digit or '..'",
        min_length=1,
        max_length=249,  # as a key of the ConfigMap that carries spec.config it gets a prefix of four
    ),
]
AbsolutePath = Annotated[
    str,
    spelt(
        f"^(/{_SEGMENT})+$",
        "must be an absolute path such as /etc/app, without ':', '//', a final '/' and parts that begin with '..'",
        min_length=2,
        max_length=512,
    ),
]
RelativePath = Annotated[
    str,
    spelt(
        f"^{_SEGMENT}(/{_SEGMENT})*$",
        "must be a relative path such as tls/ca.crt, without ':', '//', a final '/' and parts that begin with '..'",
        min_length=1,
        max_length=253,
    ),
]
Key = Annotated[
    str,
    spelt(
        r"^([-_a-zA-Z0-9]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$",
        "must be letters, digits, '_', '-' and '.', not beginning with '..'",
        min_length=1,
        max_length=253,
    ),
]
QualifiedName = Annotated[
    str,
    spelt(
        rf"^({_LABEL}(\.{_LABEL})*/)?{_NAME}$",
        "must be a name of letters, digits, '-', '_' and '.', after a DNS name and '/' where it has a prefix",
        min_length=1,
        max_length=317,
    ),
]
"""The key of a label, annotation or taint."""
LabelValue = Annotated[
    str,
    spelt(
        f"^({_NAME})?$",
        "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends",
        max_length=63,
    ),
]
Labels = Annotated[dict[QualifiedName, LabelValue], Field(max_length=32)]
Text = Annotated[str, Field(max_length=32768)]
Word = Annotated[str, Field(min_length=1, max_length=253)]
Seconds = Annotated[int, Field(ge=0, le=86400)]
Number = Annotated[int, Field(ge=0, le=2147483647)]
FileMode = Annotated[int, Field(ge=0, le=511)]
Annotations = Annotated[dict[QualifiedName, Annotated[str, Field(max_length=16384)]], Field(max_length=64)]
