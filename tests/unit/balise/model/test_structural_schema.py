from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balise.model.structural_schema import mismatches, unknown_fields


def _said(schema: dict[str, Any], value: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(each.path, each.message) for each in mismatches({"x": value}, {"properties": {"x": schema}})]


@pytest.mark.parametrize(
    ("schema", "value", "word"),
    [
        ({"type": "integer"}, "1", "type integer"),
        ({"type": "integer"}, 1.0, None),
        ({"type": "integer"}, True, "type integer"),
        ({"type": "string"}, None, "type string"),
        ({"type": "string", "nullable": True}, None, None),
        ({"x-kubernetes-int-or-string": True}, "50%", None),
        ({"x-kubernetes-int-or-string": True}, 1.5, "an integer or a text"),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'none of "a", "b"'),
        ({"type": "object", "required": ["y"]}, {}, "y is required"),
        ({"type": "object", "required": ["y"], "properties": {"y": {"default": 1}}}, {}, None),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"k": 1}, "type string"),
        ({"type": "object", "maxProperties": 0}, {"k": 1}, "more than the 0"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], "type string"),
        ({"type": "array", "minItems": 1}, [], "fewer than the 1"),
        ({"type": "array", "uniqueItems": True}, [1, 1], "twice"),
        ({"type": "string", "pattern": "^a+$"}, "b", "pattern"),
        ({"type": "string", "pattern": "^[a"}, "b", None),
        ({"type": "string", "maxLength": 1}, "ab", "more than the 1"),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, 1, "less than allowed"),
        ({"type": "number", "maximum": 1}, 1.5, "more than allowed"),
        ({"type": "integer", "multipleOf": 2}, 3, "multiple of 2"),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 2}, "2 of the 2"),
        ({"anyOf": [{"minimum": 5}]}, 1, "0 of the 1"),
        ({"not": {"required": ["a"]}}, {"a": 1}, "excludes"),
        ({"allOf": [{"minimum": 2}]}, 1, "less than"),
    ],
)
def test_each_keyword(schema: dict[str, Any], value: Any, word: str | None) -> None:
    said = _said(schema, value)
    assert len(said) == (word is not None)
    if word:
        assert word in said[0][1]


def test_paths_lead_to_the_value() -> None:
    schema = {"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}}
    assert [each.path for each in mismatches({"a": [{}, {"b": 1}]}, schema)] == [("a", 1, "b")]


def test_the_root_s_own_fields_are_the_api_server_s() -> None:
    schema = {"properties": {"metadata": {"type": "string"}, "apiVersion": {"type": "integer"}}}
    value = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}}
    assert not list(mismatches(value, schema))
    assert not list(unknown_fields(value, schema))


def test_unknown_fields() -> None:
    schema = {
        "properties": {
            "spec": {
                "properties": {
                    "map": {"additionalProperties": {"properties": {"k": {}}}},
                    "free": {"x-kubernetes-preserve-unknown-fields": True},
                    "list": {"items": {"properties": {"k": {}}}},
                    "pod": {"x-kubernetes-embedded-resource": True, "properties": {"spec": {}}},
                }
            }
        }
    }
    value = {
        "spec": {
            "map": {"any": {"k": 1, "no1": 1}},
            "free": {"x": {"y": 1}},
            "list": [{"no2": 1}],
            "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "no3": 1},
            "no4": 1,
        }
    }
    assert [path[-1] for path in unknown_fields(value, schema)] == ["no1", "no2", "no3", "no4"]


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(a*)*b$", "^((a|b)*c*)+$", "(a{1,9}){1,9}$", "^.*.*.*.*.*x$", "a?" * 30 + "b"]
)
@pytest.mark.timeout(10)
def test_no_pattern_takes_long(pattern: str) -> None:
    started = time.perf_counter()
    _said({"type": "string", "pattern": pattern}, "a" * 40 + "!")
    assert time.perf_counter() - started < 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)
_LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "number", "boolean", "array", "object"]),
        "minimum": st.integers(-2, 2),
        "exclusiveMinimum": st.booleans(),
        "maximum": st.integers(-2, 2),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 2),
        "minItems": st.integers(0, 2),
        "maxProperties": st.integers(0, 2),
        "uniqueItems": st.booleans(),
        "required": st.lists(st.sampled_from("xyz"), min_size=1, max_size=2, unique=True),
        "enum": st.lists(st.sampled_from(["", "a", 1, None]), min_size=1, unique_by=repr),
        "pattern": st.sampled_from(["a", "^a$"]),
    },
)
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=5,
)


@given(_SCHEMAS, _VALUES)
def test_agrees_with_json_schema(schema: dict[str, Any], value: Any) -> None:
    if "exclusiveMinimum" in str(schema) and "minimum" not in str(schema):
        return  # the draft wants both
    ours = not _said(schema, value)
    theirs = jsonschema.Draft4Validator({"properties": {"x": schema}}).is_valid({"x": value})
    assert ours == theirs
