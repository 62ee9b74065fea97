"""Decoding with Go's strictness: what is refused, and what is let through."""

from __future__ import annotations

from typing import Any

import pytest

from balise.model.go_types import MismatchError, convert_partially, decode, is_zero, same
from balise.model.semver import Version

CSV = "ClusterServiceVersion"
CRD = "apiextensions.CustomResourceDefinition"


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        ([], (), "a list where a mapping belongs"),
        ({"spec": {"keywords": "db"}}, ("spec", "keywords"), "text where a list belongs"),
        ({"spec": {"keywords": [["db"]]}}, ("spec", "keywords", 0), "a list where text belongs"),
        ({"spec": {"version": 1.0}}, ("spec", "version"), "in quotes"),
        ({"spec": {"version": "one"}}, ("spec", "version"), "one"),
        ({"spec": {"version": None}}, ("spec", "version"), "null"),
        ({"spec": {"installModes": [{"supported": "yes"}]}}, ("spec", "installModes", 0, "supported"), "true or false"),
        ({"metadata": {"labels": ["a"]}}, ("metadata", "labels"), "a list where a mapping belongs"),
        ({"metadata": {"generation": 1.5}}, ("metadata", "generation"), "a whole number"),
        ({"metadata": {"generation": 2**63}}, ("metadata", "generation"), "64 bits"),
        ({"metadata": {"creationTimestamp": "today"}}, ("metadata", "creationTimestamp"), "not a time"),
        ({"spec": {"cleanup": {"enabled": 1}}}, ("spec", "cleanup", "enabled"), "true or false"),
    ],
)
def test_refused(value: Any, path: tuple[str | int, ...], said: str) -> None:
    with pytest.raises(MismatchError) as caught:
        decode(value, CSV, yaml=True)
    assert caught.value.path == path
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ({"unknown": 1}, {}),
        ({"Spec": {"DISPLAYNAME": "x"}}, {"spec": {"displayName": "x"}}),
        ({"spec": None, "kind": None}, {}),
        ({"metadata": {"generation": 2.0}}, {"metadata": {"generation": 2}}),
        # YAML's numbers and booleans become text where the type wants text.
        ({"spec": {"displayName": 1.10, "maturity": True}}, {"spec": {"displayName": "1.1", "maturity": "true"}}),
        ({"metadata": {"labels": {"a": 1}}}, {"metadata": {"labels": {"a": "1"}}}),
        ({"spec": {"keywords": [None, "a"]}}, {"spec": {"keywords": ["", "a"]}}),
        ({"spec": {"version": "v1.2"}}, {"spec": {"version": Version(1, 2, 0)}}),
    ],
)
def test_let_through(value: Any, found: Any) -> None:
    assert decode(value, CSV, yaml=True) == found


def test_json_has_no_numbers_for_text() -> None:
    with pytest.raises(MismatchError):
        decode({"metadata": {"labels": {"a": 1}}}, CSV)


def test_inline_fields_get_no_text_from_numbers() -> None:
    with pytest.raises(MismatchError):
        decode({"kind": 5}, CSV, yaml=True)


def test_of_two_spellings_the_later_in_order_counts() -> None:
    # Go sorts the names: K before k.
    assert decode({"kind": "a", "Kind": "b"}, CSV, yaml=True)["kind"] == "a"
    assert decode({"KIND": "a", "Kind": "b"}, CSV, yaml=True)["kind"] == "b"


def test_below_items_case_counts_and_nothing_becomes_text() -> None:
    def crd(schema: Any) -> Any:
        return {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}

    assert decode(crd({"items": {"Type": True}}), CRD, yaml=True)
    assert decode(crd({"Type": True}), CRD, yaml=True)
    for bad in ({"items": {"type": True}}, {"items": [{"type": 1}]}, {"additionalProperties": "x"}):
        with pytest.raises(MismatchError):
            decode(crd(bad), CRD, yaml=True)


@pytest.mark.parametrize("text", ["1", "100m", "0.5", ".5", "1.", "1e3", "1E", "64Mi", "+1", "m", "-", " 1 "])
def test_quantities(text: str) -> None:
    assert decode(text, "quantity") == text.strip()


@pytest.mark.parametrize("text", ["", "one", "1.2.3", "1mi", "1 Gi", "1e", "1K", "0x1", "--1", "1" * 50_000 + "x"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(MismatchError):
        decode(text, "quantity")


def test_zero_values() -> None:
    assert is_zero({"strategy": "", "spec": {}}, "NamedInstallStrategy")
    # A list that was written is not nil, even without elements.
    assert not is_zero({"spec": {"deployments": []}}, "NamedInstallStrategy")
    assert is_zero(Version(), "version")
    assert not is_zero(Version(0, 0, 0, ("a",)), "version")


def test_sameness_is_that_of_kubernetes() -> None:
    columns = "[]apiextensions.CustomResourceColumnDefinition"
    assert same(None, [], columns)
    assert same([{"name": "a"}], [{"name": "a", "priority": 0}], columns)
    assert not same([{"name": "a"}], [{"name": "b"}], columns)
    validation = "*apiextensions.CustomResourceValidation"
    assert not same(None, {}, validation)
    assert same({"openAPIV3Schema": {"required": []}}, {"openAPIV3Schema": {}}, validation)


def test_conversion_stops_at_the_first_value_of_another_type() -> None:
    found, problem = convert_partially({"spec": {"description": 1}, "metadata": {"name": "a"}}, CSV)
    assert problem is not None
    assert found["metadata"] == {"name": "a"}
    assert "description" not in (found["spec"] or {}) or found["spec"]["description"] is None
    assert convert_partially({"metadata": {"name": "a"}}, CSV)[1] is None
