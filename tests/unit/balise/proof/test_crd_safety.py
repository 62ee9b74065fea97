"""OLM v1's CRD upgrade checks, rule by rule, and OLM v0's on stored versions."""

from __future__ import annotations

from typing import Any

import pytest

from balise.proof.crd_safety import (
    by_kube_version,
    compare_crds,
    removed_stored_versions,
    served_versions,
    stored_versions,
)

JSON = dict[str, Any]


def version(name: str, schema: JSON | None = None, *, served: bool = True, storage: bool = False) -> JSON:
    root = {"type": "object", "properties": {"spec": schema or {"type": "object"}}}
    return {"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": root}}


def crd(*versions: JSON, scope: str = "Namespaced", conversion: str = "None", stored: list[str] | None = None) -> JSON:
    found: JSON = {"spec": {"scope": scope, "conversion": {"strategy": conversion}, "versions": list(versions)}}
    if stored:
        found["status"] = {"storedVersions": stored}
    return found


def field(**schema: Any) -> JSON:
    return {"type": "object", "properties": {"f": schema}}


def checks(old: JSON, new: JSON) -> list[str]:
    """Names of the checks that fail when one schema of spec.f takes another's place in version v1."""
    return [problem.check for problem in compare_crds(crd(version("v1", old)), crd(version("v1", new)))]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"type": "string"}, {"type": "integer"}, ["type"]),
        ({"type": "string"}, {"type": "string", "default": "x"}, ["default"]),
        ({"type": "string", "default": "x"}, {"type": "string"}, ["default"]),
        ({"type": "string", "default": "x"}, {"type": "string", "default": "y"}, ["default"]),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, ["enum"]),
        ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a"]}, ["enum"]),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a", "b"]}, []),
        ({"type": "string", "enum": ["a"]}, {"type": "string"}, ["enum"]),
        *(
            case
            for low, high in zip(
                ["minimum", "minItems", "minLength", "minProperties"],
                ["maximum", "maxItems", "maxLength", "maxProperties"],
                strict=True,
            )
            for case in [
                ({}, {low: 1}, [low]), ({low: 1}, {low: 2}, [low]), ({low: 2}, {low: 1}, []), ({low: 1}, {}, []),
                ({}, {high: 1}, [high]), ({high: 2}, {high: 1}, [high]), ({high: 1}, {high: 2}, []),
                ({high: 1}, {}, []),
            ]
        ),
        ({"pattern": "a"}, {"pattern": "b"}, ["pattern"]),
        ({"pattern": "a"}, {}, ["pattern"]),
        ({}, {"pattern": "a"}, ["pattern"]),
        ({"nullable": True}, {}, ["nullable"]),
        ({}, {"nullable": True}, ["nullable"]),
        ({"nullable": False}, {}, []),
        ({"description": "a"}, {"description": "b"}, []),
        ({"format": "int32"}, {"format": "int64"}, ["unhandled"]),
        ({}, {"x-kubernetes-validations": [{"rule": "true"}]}, ["unhandled"]),
        ({"x-kubernetes-preserve-unknown-fields": True}, {}, ["unhandled"]),
        ({"uniqueItems": False}, {}, []),
    ],
)  # fmt: skip
def test_a_change_of_one_field(old: JSON, new: JSON, expected: list[str]) -> None:
    assert checks(field(**old), field(**new)) == expected


def test_a_removed_field_is_one_problem_for_each_place() -> None:
    old = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}
    found = compare_crds(crd(version("v1", old)), crd(version("v1")))
    assert [(problem.check, problem.path) for problem in found] == [
        ("existingFieldRemoval", ".spec.a"),
        ("existingFieldRemoval", ".spec.a.b"),
    ]


def test_a_new_optional_field_is_fine_and_a_new_required_one_is_not() -> None:
    new = {"type": "object", "properties": {"f": {"type": "string"}}}
    assert checks({"type": "object"}, new) == []
    found = compare_crds(crd(version("v1")), crd(version("v1", {**new, "required": ["f"]})))
    assert [str(problem) for problem in found] == ["v1 .spec: f becomes required"]


def test_places_in_items_and_additional_properties_are_found() -> None:
    def within(schema: JSON) -> JSON:
        return {"type": "object", "properties": {"l": {"type": "array", "items": schema}}}

    found = compare_crds(
        crd(version("v1", within({"type": "string"}))), crd(version("v1", within({"type": "integer"})))
    )
    assert [(problem.check, problem.path) for problem in found] == [("type", ".spec.l[]")]
    # What is below additionalProperties also shows one place above, as something that is not judged.
    old, new = ({"type": "object", "additionalProperties": {"type": kind}} for kind in ("string", "integer"))
    assert checks(old, new) == ["unhandled", "type"]


def test_scope() -> None:
    found = compare_crds(crd(version("v1")), crd(version("v1"), scope="Cluster"))
    assert [problem.check for problem in found] == ["scope"]


def test_a_stored_version_must_stay() -> None:
    old = crd(version("v1alpha1", served=False), version("v1", storage=True), stored=["v1alpha1", "v1"])
    new = crd(version("v1", storage=True))
    assert removed_stored_versions(old, new) == ["v1alpha1"]
    assert [problem.check for problem in compare_crds(old, new)] == ["storedVersionRemoval"]
    assert removed_stored_versions({**old, "status": {"storedVersions": ["v1"]}}, new) == []


def test_without_a_status_the_storage_version_counts() -> None:
    old = crd(version("v1beta1", storage=True), version("v1"))
    assert stored_versions(old) == ["v1beta1"]
    assert removed_stored_versions(old, crd(version("v1", storage=True))) == ["v1beta1"]


def test_served_versions_must_agree_unless_a_webhook_converts_or_they_never_did() -> None:
    text, number = field(type="string"), field(type="integer")
    old = crd(version("v1alpha1", text))
    new = [version("v1alpha1", text), version("v1", number)]
    found = compare_crds(old, crd(*new))
    assert [(problem.check, problem.version) for problem in found] == [("type", "v1alpha1 -> v1")]
    assert compare_crds(old, crd(*new, conversion="Webhook")) == []
    assert compare_crds(crd(*new), crd(*new)) == []
    assert compare_crds(old, crd(new[0], {**new[1], "served": False})) == []


def test_a_crd_is_safe_beside_itself() -> None:
    same = crd(version("v1alpha1", field(type="string")), version("v1", field(type="string", enum=["a"])))
    assert compare_crds(same, same) == []


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    names = ["v10", "v2", "v1", "v11alpha2", "v10beta3", "v3beta1", "foo1", "foo10", "v12alpha1", "v1beta1"]
    assert by_kube_version(names) == [
        "foo10", "foo1", "v11alpha2", "v12alpha1", "v1beta1", "v3beta1", "v10beta3", "v1", "v2", "v10",
    ]  # fmt: skip
    assert served_versions(crd(version("v1"), version("v1alpha1"), version("v2", served=False))) == ["v1alpha1", "v1"]
