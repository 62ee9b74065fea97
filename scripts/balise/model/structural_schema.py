"""Objects held against a CRD's schema (OpenAPI v3, structural), as the API server does when one is created.

Covered: type with nullable and int-or-string, properties, additionalProperties, required, items, enum, lengths,
numbers of items and properties, minimum, maximum, multipleOf, uniqueItems, pattern, allOf, anyOf, oneOf, not, and
unknown fields, which the API server drops. Not covered: formats and CEL rules. A pattern that could take long, or
that only Go understands, is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from balise.model.documents import FieldPath
    from balise.model.yaml_text import Json

__all__ = ["Mismatch", "mismatches", "mismatches_below", "unknown_fields"]

Schema = Mapping[str, Any]


class Mismatch(NamedTuple):
    """What the API server would refuse, and where in the object."""

    path: FieldPath
    message: str


def mismatches(value: Json, schema: Schema, path: FieldPath = ()) -> Iterator[Mismatch]:
    """Everything in *value* that *schema* does not allow, apart from apiVersion, kind and metadata at the root."""
    properties = {name: each for name, each in (schema.get("properties") or {}).items() if name not in _ROOT_FIELDS}
    yield from _check(value, {**schema, "properties": properties, "type": "object"}, path)


def mismatches_below(value: Json, schema: Schema) -> Iterator[Mismatch]:
    """Like :func:`mismatches`, for a value inside an object."""
    yield from _check(value, schema, ())


_ROOT_FIELDS: Final = frozenset(("apiVersion", "kind", "metadata"))


def unknown_fields(value: Json, schema: Schema, path: FieldPath = ()) -> Iterator[FieldPath]:
    """The fields of *value* that *schema* does not know, so that the API server drops them."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    properties = schema.get("properties") or {}
    if isinstance(value, dict):
        others = schema.get("additionalProperties")
        for name, each in value.items():
            known = properties.get(name, others)
            embedded = schema.get("x-kubernetes-embedded-resource") or not path
            if known is None and not (embedded and name in _ROOT_FIELDS):
                yield (*path, name)
            elif isinstance(known, Mapping) and not (not path and name in _ROOT_FIELDS):
                yield from unknown_fields(each, known, (*path, name))
    elif isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        for index, each in enumerate(value):
            yield from unknown_fields(each, items, (*path, index))


def _check(value: Json, schema: Schema, path: FieldPath) -> Iterator[Mismatch]:
    if value is None and schema.get("nullable"):
        return
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if type(value) not in (int, str):
            yield Mismatch(path, f"an integer or a text belongs here, not {_shown(value)}")
            return
    elif wanted and not _is_of(value, wanted):
        yield Mismatch(path, f"a value of type {wanted} belongs here, not {_shown(value)}")
        return
    enum = schema.get("enum")
    if enum and not any(_same(value, each) for each in enum):
        yield Mismatch(path, f"{_shown(value)} is none of {', '.join(map(_shown, enum))}")
    match value:
        case dict():
            yield from _mapping(value, schema, path)
        case list():
            yield from _list(value, schema, path)
        case str():
            yield from _text(value, schema, path)
        case int() | float() if not isinstance(value, bool):
            yield from _number(value, schema, path)
    yield from _combinations(value, schema, path)


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def _is_of(value: Json, wanted: str) -> bool:
    # A type that OpenAPI does not have is no reason to refuse the example: the schema's own faults are not judged here.
    if wanted == "integer" and type(value) is float:
        return value.is_integer()
    return type(value) in _TYPES.get(wanted, (type(value),))


def _mapping(value: Mapping[str, Json], schema: Schema, path: FieldPath) -> Iterator[Mismatch]:
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in schema.get("required") or ():
        # A default fills in what is missing before it is asked for.
        if name not in value and "default" not in (properties.get(name) or {}):
            yield Mismatch((*path, name), f"{name} is required")
    for name, each in value.items():
        known = properties.get(name, others)
        if isinstance(known, Mapping):
            yield from _check(each, known, (*path, name))
    yield from _size(len(value), schema, path, "Properties", "fields")


def _list(value: list[Json], schema: Schema, path: FieldPath) -> Iterator[Mismatch]:
    yield from _size(len(value), schema, path, "Items", "items")
    if isinstance(items := schema.get("items"), Mapping):
        for index, each in enumerate(value):
            yield from _check(each, items, (*path, index))
    if schema.get("uniqueItems") and len({json.dumps(each, sort_keys=True) for each in value}) < len(value):
        yield Mismatch(path, "an item is there twice")


def _text(value: str, schema: Schema, path: FieldPath) -> Iterator[Mismatch]:
    yield from _size(len(value), schema, path, "Length", "characters")
    if (written := schema.get("pattern")) and _affordable(written, len(value)):
        pattern = _pattern(written)
        if pattern is not None and not pattern.search(value):
            yield Mismatch(path, f"{_shown(value)} does not match the pattern {written}")


# Go's expressions take linear time, Python's need not. A repeated group may take exponential time, and is passed over;
# the rest is bounded by the text's length to the power of the repetitions, and doubled by each branch.
_REPEATED_GROUP: Final = re.compile(r"\)[*+{]")
_MOST_STEPS: Final = 10**7


def _affordable(pattern: str, length: int) -> bool:
    if _REPEATED_GROUP.search(pattern):
        return False
    repetitions = sum(pattern.count(sign) for sign in "*+{")
    branches = pattern.count("|") + pattern.count("?")
    return (length + 2.0) ** min(repetitions + 1, 50) * 2.0 ** min(branches, 50) <= _MOST_STEPS


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None


def _number(value: float, schema: Schema, path: FieldPath) -> Iterator[Mismatch]:
    least, most, factor = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        yield Mismatch(path, f"{value} is less than allowed: {least}")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        yield Mismatch(path, f"{value} is more than allowed: {most}")
    if factor and type(value) is int and type(factor) is int and value % factor:
        yield Mismatch(path, f"{value} is no multiple of {factor}")


def _size(size: int, schema: Schema, path: FieldPath, name: str, what: str) -> Iterator[Mismatch]:
    least, most = schema.get(f"min{name}"), schema.get(f"max{name}")
    if least is not None and size < least:
        yield Mismatch(path, f"{size} {what}, fewer than the {least} demanded")
    if most is not None and size > most:
        yield Mismatch(path, f"{size} {what}, more than the {most} allowed")


def _combinations(value: Json, schema: Schema, path: FieldPath) -> Iterator[Mismatch]:
    for each in schema.get("allOf") or ():
        yield from _check(value, each, path)
    for name in ("anyOf", "oneOf"):
        alternatives = schema.get(name) or ()
        fitting = sum(next(_check(value, each, path), None) is None for each in alternatives)
        if alternatives and (fitting == 0 or (fitting > 1 and name == "oneOf")):
            yield Mismatch(path, f"{fitting} of the {len(alternatives)} alternatives ({name}) fit")
    if schema.get("not") is not None and next(_check(value, schema["not"], path), None) is None:
        yield Mismatch(path, "what the schema excludes (not)")


def _same(left: Json, right: Json) -> bool:
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
