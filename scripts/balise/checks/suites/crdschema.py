"""Suite ``crdschema``: the schemas inside CRDs, which the suite ``crd`` leaves out as its reference does.

The rules are those of apiextensions-apiserver (pkg/apiserver/schema, structural schemas) for CRDs of
apiextensions.k8s.io/v1: the API server refuses the CRD, and so the whole bundle, where one is broken. CEL rules are
not compiled; only their brackets and quotes are matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from balise.checks.registry import Options, Violation, check
from balise.checks.suites.bundleformat import balanced
from balise.model.documents import render_path
from balise.model.structural_schema import mismatches_below

if TYPE_CHECKING:
    from balise.model.bundle import Bundle, CustomResourceDefinition
    from balise.model.documents import FieldPath

__all__: list[str] = []

_SUITE: Final = "crdschema"
_TYPE: Final = "CRDSchemaNotValid"
_STRUCTURAL: Final = "apiextensions-apiserver, pkg/apiserver/schema/validation.go"
_VALIDATION: Final = "apiextensions-apiserver, pkg/apis/apiextensions/validation"
_MOST: Final = 20
"""Findings of one kind in one CRD; the same mistake is often made everywhere."""

Schema = Mapping[str, Any]


class _Place(NamedTuple):
    """A schema, where it is, and whether it is only a condition (below allOf, anyOf, oneOf or not)."""

    schema: Schema
    path: FieldPath
    root: bool
    condition: bool


def _roots(bundle: Bundle) -> Iterator[tuple[CustomResourceDefinition, int, Schema | None, FieldPath]]:
    for crd in bundle.crds:
        if crd.api != "v1":
            continue
        for index, version in enumerate(crd.spec.get("versions") or ()):
            path = ("spec", "versions", index, "schema", "openAPIV3Schema")
            yield crd, index, (version.get("schema") or {}).get("openAPIV3Schema"), path


def _schemas(schema: Schema, path: FieldPath, *, root: bool = True, condition: bool = False) -> Iterator[_Place]:
    """The schema and all in it."""
    yield _Place(schema, path, root, condition)
    for name, each in (schema.get("properties") or {}).items():
        yield from _schemas(each, (*path, "properties", name), root=False, condition=condition)
    for name in ("items", "additionalProperties", "not"):
        if isinstance(each := schema.get(name), Mapping):
            yield from _schemas(each, (*path, name), root=False, condition=condition or name == "not")
    for name in ("allOf", "anyOf", "oneOf"):
        for index, each in enumerate(schema.get(name) or ()):
            yield from _schemas(each, (*path, name, index), root=False, condition=True)


def _places(bundle: Bundle) -> Iterator[tuple[CustomResourceDefinition, _Place]]:
    for crd, _index, schema, path in _roots(bundle):
        if schema is not None:
            for place in _schemas(schema, path):
                yield crd, place


def _said(crd: CustomResourceDefinition, place: _Place, message: str, *below: str | int) -> Violation:
    inner = render_path(tuple(step for step in place.path[5:] if step not in ("properties", "items"))) or "the schema"
    return Violation(f"{inner}: {message} (in {crd.name})", crd.document, (*place.path, *below))


@check(
    "BAL3501",
    suites=_SUITE,
    type=_TYPE,
    hint="add schema.openAPIV3Schema with type: object to every version",
    reference=f"{_VALIDATION}: a schema is required in v1",
    example="""
        versions:
          - {name: v1, served: true, storage: true}
        # instead
        versions:
          - name: v1
            served: true
            storage: true
            schema:
              openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
        """,
)
def schema_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A version of a CRD has no schema.

    In apiextensions.k8s.io/v1 every version has a schema, if only one that keeps everything.
    """
    for crd, index, schema, _path in _roots(bundle):
        if schema is None:
            name = (crd.spec.get("versions") or ())[index].get("name", "")
            message = f"version {name!r} has no schema (in {crd.name})"
            yield Violation(message, crd.document, ("spec", "versions", index, "name"))


_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")


@check(
    "BAL3502",
    suites=_SUITE,
    type=_TYPE,
    hint=f"give every schema one of the types {', '.join(_TYPES)}",
    reference=f"{_STRUCTURAL}: types of structural schemas",
    example="""
        properties:
          replicas: {minimum: 0}
        # instead
        properties:
          replicas: {type: integer, minimum: 0}
        """,
)
def types(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A schema has no type, or one that does not exist.

    Every value's schema says its type; left out it may only be with x-kubernetes-int-or-string, or with
    x-kubernetes-preserve-unknown-fields below the root. The root is an object. Conditions below allOf, anyOf, oneOf
    and not have none.
    """
    for crd, place in _places(bundle):
        schema, kind = place.schema, place.schema.get("type")
        free = schema.get("x-kubernetes-int-or-string") or (
            schema.get("x-kubernetes-preserve-unknown-fields") and not place.root
        )
        if kind and kind not in _TYPES:
            yield _said(crd, place, f"{kind!r} is no type", "type")
        elif place.root and kind != "object":
            yield _said(crd, place, f"the root must be of type object, not {kind or 'none'}", "type")
        elif not kind and not place.condition and not free:
            yield _said(crd, place, "the type is missing", "type")


@check(
    "BAL3503",
    suites=_SUITE,
    type=_TYPE,
    hint="say what the list's items are, in one schema",
    reference=f"{_STRUCTURAL}, {_VALIDATION}: items",
    example="""
        hosts: {type: array}
        # instead
        hosts: {type: array, items: {type: string}}
        """,
)
def items(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A list's items have no schema.

    A schema of type array has items, and they are one schema, not a list of them.
    """
    for crd, place in _places(bundle):
        if place.schema.get("type") == "array" and not place.condition:
            if place.schema.get("items") is None:
                yield _said(crd, place, "the list has no items", "items")
            elif not isinstance(place.schema["items"], Mapping):
                yield _said(crd, place, "items must be one schema, not a list of them", "items")


_FORBIDDEN: Final = ("$ref", "$schema", "id", "definitions", "dependencies", "patternProperties", "additionalItems")


@check(
    "BAL3504",
    suites=_SUITE,
    type=_TYPE,
    hint="remove the keyword; Kubernetes has x-kubernetes-list-type: set instead of uniqueItems",
    reference=f"{_STRUCTURAL}, {_VALIDATION}: forbidden keywords",
    example="""
        tags: {type: array, items: {type: string}, uniqueItems: true}
        # instead
        tags: {type: array, items: {type: string}, x-kubernetes-list-type: set}
        """,
)
def forbidden_keywords(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A schema uses a keyword that Kubernetes does not allow.

    References, definitions and pattern properties, uniqueItems: true, and additionalProperties: false or beside
    properties cannot be in a CRD's schema. Conditions below allOf, anyOf, oneOf and not say nothing of defaults,
    nullable or descriptions.
    """
    for crd, place in _places(bundle):
        schema = place.schema
        for name in _FORBIDDEN:
            if schema.get(name):
                yield _said(crd, place, f"{name} is not allowed", name)
        if schema.get("uniqueItems"):
            yield _said(crd, place, "uniqueItems cannot be true", "uniqueItems")
        if schema.get("additionalProperties") is False:
            yield _said(crd, place, "additionalProperties cannot be false", "additionalProperties")
        elif schema.get("properties") and schema.get("additionalProperties") and not place.condition:
            yield _said(crd, place, "properties and additionalProperties exclude each other", "additionalProperties")
        for name in ("default", "nullable", "description", "additionalProperties") if place.condition else ():
            if schema.get(name) not in (None, "", False):
                yield _said(crd, place, f"{name} is not allowed in a condition", name)


@check(
    "BAL3505",
    suites=_SUITE,
    type=_TYPE,
    hint="write a default that the schema allows",
    reference="apiextensions-apiserver, pkg/apiserver/schema/defaulting/validation.go",
    example="""
        replicas: {type: integer, default: "3"}
        # instead
        replicas: {type: integer, default: 3}
        """,
)
def defaults(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A default is not allowed by its own schema.

    The API server would write a value that it would then refuse.
    """
    for crd, place in _places(bundle):
        if place.condition or place.schema.get("default") is None:
            continue
        for path, message in islice(mismatches_below(place.schema["default"], place.schema), 3):
            yield _said(crd, place, f"the default does not fit: {message}", "default", *path)


_NOT_IN_GO: Final = re.compile(r"\(\?(?:=|!|<=|<!|>|#|\()|(?<!\\)(?:\\\\)*\\[1-9]")
# What Python says of faults that are faults in Go, too; the two differ in many a valid expression.
_FAULTS: Final = (
    "unterminated",
    "missing )",
    "unbalanced",
    "nothing to repeat",
    "bad character range",
    "bad escape (end",
)


@check(
    "BAL3506",
    suites=_SUITE,
    type=_TYPE,
    hint="write it as an expression of RE2, without look-around and back-references",
    reference=f"{_VALIDATION}: patterns are compiled by Go",
    example="""
        name: {type: string, pattern: "^(?!kube-).*$"}
        # instead
        name: {type: string, pattern: "^[a-z]+$"}
        """,
)
def patterns(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A pattern is no regular expression of Go's.

    Go has no look-ahead, look-behind and back-references; and brackets must match.
    """
    for crd, place in _places(bundle):
        pattern = place.schema.get("pattern")
        if isinstance(pattern, str) and (fault := _fault(pattern)):
            yield _said(crd, place, f"the pattern {pattern!r} cannot be compiled: {fault}", "pattern")


def _fault(pattern: str) -> str:
    if found := _NOT_IN_GO.search(pattern):
        return f"Go does not know {found[0]}"
    try:
        re.compile(pattern)
    except re.error as error:
        return error.msg if error.msg.startswith(_FAULTS) else ""
    except (OverflowError, RecursionError):
        return ""
    return ""


@check(
    "BAL3507",
    suites=_SUITE,
    type=_TYPE,
    hint="correct the rule",
    reference="apiextensions-apiserver, pkg/apiserver/schema/cel; only brackets and quotes are matched here",
    example="""
        x-kubernetes-validations:
          - {rule: "size(self.name) > 0 &&"}
          - {rule: "(self.min <= self.max"}
        # instead
        x-kubernetes-validations:
          - {rule: "self.min <= self.max"}
        """,
)
def cel_rules(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A CEL rule is empty, or a bracket or quote in it has no counterpart.

    The API server compiles the rules and refuses the CRD where one does not compile. Here their types and names are not
    looked at.
    """
    for crd, place in _places(bundle):
        for index, each in enumerate(place.schema.get("x-kubernetes-validations") or ()):
            rule = each.get("rule") if isinstance(each, Mapping) else None
            path = ("x-kubernetes-validations", index, "rule")
            if not isinstance(rule, str) or not rule.strip():
                yield _said(crd, place, "the rule is empty", *path)
            elif not balanced(rule):
                yield _said(crd, place, f"the rule {rule!r} has a bracket or a quote without its counterpart", *path)
