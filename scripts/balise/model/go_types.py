"""Decoding into the ecosystem's API types with the strictness of Go's encoding/json, as the reference tools do.

A type is written as in go_types.txt: ``*T``, ``[]T``, ``{}T``, a struct's name, or a scalar: ``string``, ``bool``,
``int32``, ``int64``, ``float64``, ``bytes`` (base64), ``json`` and ``raw`` (anything), ``time``, ``quantity``,
``int-or-string``, ``version``, ``release``, ``schema-or-bool``, ``schema-or-array``, ``schema-or-strings``.

The rules, from encoding/json and sigs.k8s.io/yaml: an unknown field is ignored; a field's name matches exactly or else
without regard to case; null is the zero value; a number or boolean of *YAML* becomes text where the type wants text
(``yaml=True``), except below a type that decodes itself and in inline structs. Below a schema that decodes itself, case
counts, too.

:func:`decode` returns the value with canonical field names, text made of numbers, and nulls left out; a struct's field
is absent where Go would not have set it.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from balise.model.semver import InvalidVersionError, Version, prerelease_identifier
from balise.model.yaml_text import Json, format_float32

if TYPE_CHECKING:
    from collections.abc import Callable

    from balise.model.documents import FieldPath

__all__ = ["MismatchError", "convert_partially", "decode", "fields_of", "is_zero", "same"]


class MismatchError(ValueError):
    """A value is not of the type its place wants. ``path`` leads to it from the decoded root."""

    def __init__(self, expected: str, found: Json, *, why: str = "") -> None:
        super().__init__()
        self.expected = expected
        self.found = found
        self.why = why
        self.reversed_path: list[str | int] = []

    @property
    def path(self) -> FieldPath:
        """From the decoded root to the value."""
        return tuple(reversed(self.reversed_path))

    def __str__(self) -> str:
        if self.why:
            return self.why
        return f"{_describe(self.found)} where {self.expected} belongs"


def _describe(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def decode(value: Json, type_name: str, *, yaml: bool = False) -> Json:
    """*value* as a *type_name*; raises :class:`MismatchError`. ``yaml`` says that it comes from YAML, not from JSON."""
    return _decoder(type_name, "yaml" if yaml else "json")(value)


@cache
def _table() -> dict[str, str]:
    lines = Path(__file__).with_suffix(".txt").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#") and ": " in line)


@cache
def fields_of(struct: str) -> list[tuple[str, str, bool]]:
    """The fields of a struct: name, type, and whether it is inlined from another."""
    found = []
    for field in _table().get(struct, "").split():
        name, _, kind = field.partition("=")
        kind, at, _ = kind.partition("@")
        found.append((name, kind, bool(at)))
    return found


_Mode = Literal["yaml", "json", "exact"]
"""``exact`` is how schemas below ``items`` and the like are decoded: JSON, and names in no other case."""


@cache
def _decoder(kind: str, mode: _Mode) -> Callable[[Json], Json]:
    if kind.startswith("*"):
        return _decoder(kind[1:], mode)
    if kind.startswith("[]"):
        return _list_decoder(kind[2:], mode)
    if kind.startswith("{}"):
        return _map_decoder(kind[2:], mode)
    if kind == "string":
        return _yaml_text if mode == "yaml" else _text
    if kind in _SCALARS:
        return _SCALARS[kind]
    return _struct_decoder(kind, mode)


def _zero(kind: str) -> Json:
    """What null becomes as an element of a list or mapping: Go's zero value, as far as it is not just absent."""
    if kind.startswith(("*", "[]", "{}")) or kind in ("json", "raw", "bytes"):
        return None
    return {"string": "", "bool": False, "int32": 0, "int64": 0, "float64": 0.0}.get(kind, {})


def _list_decoder(item_kind: str, mode: _Mode) -> Callable[[Json], Json]:
    item_decoder = _late(item_kind, mode)
    zero = _zero(item_kind)

    def read(value: Json) -> Json:
        if value is None:
            return None
        if type(value) is not list:
            raise MismatchError("a list", value)
        found = []
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007 (read where it fails)
                found.append(zero if item is None else item_decoder(item))
        except MismatchError as error:
            error.reversed_path.append(index)
            raise
        return found

    return read


def _map_decoder(item_kind: str, mode: _Mode) -> Callable[[Json], Json]:
    item_decoder = _late(item_kind, mode)
    zero = _zero(item_kind)

    def read(value: Json) -> Json:
        if value is None:
            return None
        if type(value) is not dict:
            raise MismatchError("a mapping", value)
        found = {}
        key = ""
        try:
            for key, item in value.items():
                found[key] = zero if item is None else item_decoder(item)
        except MismatchError as error:
            error.reversed_path.append(key)
            raise
        return found

    return read


def _struct_decoder(struct: str, mode: _Mode) -> Callable[[Json], Json]:
    # sigs.k8s.io/yaml looks for an inline struct's fields in the wrong place, so that nothing becomes text there.
    fields = {
        name: _late(kind, "json" if inline and mode == "yaml" else mode) for name, kind, inline in fields_of(struct)
    }
    null_refused = {name for name, kind, _ in fields_of(struct) if kind in ("version", "release")}
    folded = {} if mode == "exact" else {name.lower(): name for name in reversed(fields)}

    def read(value: Json) -> Json:
        if value is None:
            return None
        if type(value) is not dict:
            raise MismatchError("a mapping", value)
        found = {}
        key = ""
        odd = False
        try:
            for key, item in value.items():
                decoder = fields.get(key)
                if decoder is None:
                    odd = odd or key.lower() in folded
                elif item is not None or key in null_refused:
                    found[key] = decoder(item)
            if odd:
                # Go decodes the fields in the order of their names: of two that differ in case the later one counts.
                for key in sorted(value):
                    name = folded.get(key.lower())
                    if key not in fields and name is not None and value[key] is not None:
                        item = fields[name](value[key])
                        if name not in value or key > name:
                            found[name] = item
        except MismatchError as error:
            error.reversed_path.append(key)
            raise
        return found

    return read


def _late(kind: str, mode: _Mode) -> Callable[[Json], Json]:
    """The decoder of a type that may contain itself: looked up when first used."""
    if kind in _SCALARS or kind == "string":
        return _decoder(kind, mode)
    resolved: list[Callable[[Json], Json]] = []

    def read(value: Json) -> Json:
        if not resolved:
            resolved.append(_decoder(kind, mode))
        return resolved[0](value)

    return read


def _text(value: Json) -> Json:
    if type(value) is not str:
        raise MismatchError("text", value)
    return value


def _yaml_text(value: Json) -> Json:
    kind = type(value)
    if kind is str:
        return value
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        return format_float32(value)
    raise MismatchError("text", value)


def _bool(value: Json) -> Json:
    if type(value) is not bool:
        raise MismatchError("true or false", value)
    return value


def _integer(bits: int) -> Callable[[Json], Json]:
    limit = 2 ** (bits - 1)

    def read(value: Json) -> Json:
        if type(value) is float and value.is_integer() and abs(value) < 1e21:
            value = int(value)  # Go writes such a float without a fraction
        if type(value) is not int:
            raise MismatchError("a whole number", value)
        if not -limit <= value < limit:
            raise MismatchError(f"a {bits}-bit number", value, why=f"{value} does not fit in {bits} bits")
        return value

    return read


def _float(value: Json) -> Json:
    if type(value) not in (int, float):
        raise MismatchError("a number", value)
    return value


def _anything(value: Json) -> Json:
    return value


def _bytes(value: Json) -> Json:
    if type(value) is not str:
        raise MismatchError("base64 text", value)
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise MismatchError("base64 text", value, why="the text is not base64") from None
    return value


_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)([.,]\d+)?(Z|[-+]\d\d:\d\d)\Z", re.ASCII)


def _time(value: Json) -> Json:
    import datetime as dt  # noqa: PLC0415 (slow to import, and times are rare)

    found = _RFC3339.match(_text(value))
    problem = MismatchError("a time", value, why=f"{value!r} is not a time such as 2026-01-31T09:00:00Z")
    if found is None:
        raise problem
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    try:
        dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        raise problem from None
    return value


# Kubernetes takes a number without any digits, such as "m", for 0.
_QUANTITY = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]*)?(?:[numkMGTPE]?|[KMGTPE]i|[eE][-+]?[0-9]{1,18})\Z")


def _quantity(value: Json) -> Json:
    if type(value) in (int, float):
        return value
    text = value.strip() if type(value) is str else None
    if not text or not _QUANTITY.match(text):
        raise MismatchError("a quantity", value, why=f"{value!r} is not a quantity such as 100m, 0.5 or 64Mi")
    return text


def _int_or_string(value: Json) -> Json:
    return value if type(value) is str else _SCALARS["int32"](value)


def _version(value: Json) -> Json:
    if type(value) is not str:
        if type(value) in (int, float):
            raise MismatchError("text", value, why=f'a version must be text: write "{value}" in quotes, in full')
        raise MismatchError("a version", value)
    try:
        return Version.parse_tolerant(value)
    except InvalidVersionError as error:
        raise MismatchError("a version", value, why=str(error)) from None


def _release(value: Json) -> Json:
    if type(value) is not str:
        raise MismatchError("a release", value)
    try:
        return tuple(prerelease_identifier(part) for part in value.split("."))
    except InvalidVersionError as error:
        raise MismatchError("a release", value, why=str(error)) from None


_SCHEMA: Final = "apiextensions.JSONSchemaProps"


def _schema_or_bool(value: Json) -> Json:
    if type(value) is bool:
        return value
    if type(value) is not dict:
        raise MismatchError("true, false or a schema", value)
    return _decoder(_SCHEMA, "exact")(value)


def _schema_or_array(value: Json) -> Json:
    if type(value) is dict:
        return _decoder(_SCHEMA, "exact")(value)
    return _decoder("[]" + _SCHEMA, "exact")(value) if type(value) is list else {}


def _schema_or_strings(value: Json) -> Json:
    if type(value) is dict:
        return _decoder(_SCHEMA, "exact")(value)
    return _decoder("[]string", "exact")(value) if type(value) is list else {}


_SCALARS: dict[str, Callable[[Json], Json]] = {
    "bool": _bool,
    "int32": _integer(32),
    "int64": _integer(64),
    "float64": _float,
    "bytes": _bytes,
    "json": _anything,
    "raw": _anything,
    "time": _time,
    "quantity": _quantity,
    "int-or-string": _int_or_string,
    "version": _version,
    "release": _release,
    "schema-or-bool": _schema_or_bool,
    "schema-or-array": _schema_or_array,
    "schema-or-strings": _schema_or_strings,
}


def is_zero(value: Json, kind: str) -> bool:
    """Whether a decoded value is its Go type's zero value: an empty list that was written is not."""
    if value is None:
        return True
    if kind.startswith(("*", "[]", "{}")) or kind in ("json", "raw", "bytes"):
        return False
    if kind in _SCALARS or kind == "string":
        return not value or (kind == "version" and value == Version() and not value.build)
    return all(is_zero(value.get(name), field) for name, field, _ in fields_of(kind))


def same(left: Json, right: Json, kind: str) -> bool:
    """Whether two decoded values are equal to Kubernetes, for which an empty list or mapping is like none at all."""
    if kind.startswith("*"):
        return (left is None) == (right is None) and (left is None or same(left, right, kind[1:]))
    if kind.startswith("[]"):
        left, right = left or [], right or []
        return len(left) == len(right) and all(same(*pair, kind[2:]) for pair in zip(left, right, strict=True))
    if kind.startswith("{}"):
        left, right = left or {}, right or {}
        return left.keys() == right.keys() and all(same(left[key], right[key], kind[2:]) for key in left)
    if kind.startswith("schema-or-") and isinstance(left, dict) and isinstance(right, dict):
        kind = _SCHEMA
    if kind in _SCALARS or kind == "string":
        return bool(left == right or (not left and not right and is_zero(left, kind) and is_zero(right, kind)))
    left, right = left or {}, right or {}
    return left == right or all(same(left.get(name), right.get(name), field) for name, field, _ in fields_of(kind))


def convert_partially(value: Json, type_name: str) -> tuple[Json, MismatchError | None]:
    """*value* (already JSON) as Kubernetes' unstructured converter sets it: field by field in the type's own order.

    It goes up to the first that does not fit. Returns what was set until then, and what stopped it.
    """
    found: dict[str, Any] = {}
    return found, _convert_struct(value, type_name, found)


def _convert_struct(value: Json, struct: str, into: dict[str, Any]) -> MismatchError | None:
    if not isinstance(value, dict):
        return MismatchError("a mapping", value)
    for name, kind, _ in fields_of(struct):
        item = value.get(name)
        if item is None:
            continue
        into[name], error = _convert(item, kind)
        if error is not None:
            return error
    return None


def _convert(value: Json, kind: str) -> tuple[Json, MismatchError | None]:
    kind = kind.lstrip("*")
    if kind.startswith("[]") and isinstance(value, list):
        items: list[Any] = [_zero(kind[2:])] * len(value)
        for index, item in enumerate(value):
            if item is not None:
                items[index], error = _convert(item, kind[2:])
                if error is not None:
                    return items, error
        return items, None
    if kind not in _SCALARS and kind != "string" and not kind.startswith(("[]", "{}")):
        found: dict[str, Any] = {}
        return found, _convert_struct(value, kind, found)
    try:
        return decode(value, kind), None
    except MismatchError as error:
        return None, error
