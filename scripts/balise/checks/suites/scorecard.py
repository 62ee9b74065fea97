"""Suites ``examples`` and ``scorecard``: those of operator-sdk's scorecard tests that need no cluster.

The scorecard creates the examples in a cluster and looks at what happens. What can be told beforehand is told here:
whether the API server would take the examples, and whether a person gets forms and explanations for their fields.
The former, suite ``examples``, is for everybody; ``scorecard`` is both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from balise.checks.examples import inner_document
from balise.checks.registry import Options, Violation, check
from balise.model.csv import GVK
from balise.model.documents import parse_json, render_path
from balise.model.structural_schema import mismatches, unknown_fields

if TYPE_CHECKING:
    from balise.model.bundle import Bundle
    from balise.model.documents import Document, FieldPath
    from balise.model.yaml_text import Json

__all__: list[str] = []

_SUITE: Final = "scorecard"
_BOTH: Final = "examples scorecard"
_TYPE: Final = "ScorecardTest"
_REFERENCE: Final = "operator-sdk, internal/scorecard/tests"
_EXAMPLES: Final = ("metadata", "annotations", "alm-examples")
_MOST: Final = 10
"""Findings about one example; more would not make it clearer."""


class _Example(NamedTuple):
    """An example object, and where it stands."""

    gvk: GVK
    data: Mapping[str, Json]
    document: Document
    path: FieldPath

    def violation(self, path: FieldPath, message: str) -> Violation:
        where = render_path(path)
        text = f"example {self.gvk.kind}: {where}: {message}" if where else f"example {self.gvk.kind}: {message}"
        # Inside a text that cannot be taken apart, the annotation itself is the place.
        at = self.path if self.path == _EXAMPLES else (*self.path, *path)
        return Violation(text, self.document, at)


def _examples(bundle: Bundle) -> Iterator[_Example]:
    text = bundle.csv.annotations.get("alm-examples")
    try:
        found = parse_json(text) if text else None
    except ValueError:
        return
    inner = inner_document(bundle.csv.document, _EXAMPLES, found)
    for index, data in enumerate(found if isinstance(found, list) else ()):
        kind, api_version = (data.get(name) if isinstance(data, dict) else None for name in ("kind", "apiVersion"))
        if not isinstance(kind, str) or not isinstance(api_version, str):
            continue
        group, _, version = api_version.rpartition("/")
        gvk = GVK(group, version, kind)
        yield _Example(gvk, data, inner, (index,)) if inner else _Example(gvk, data, bundle.csv.document, _EXAMPLES)


def _schemas(bundle: Bundle) -> dict[GVK, Mapping[str, Any]]:
    """The schema of each kind that the bundle's CRDs define and have one for."""
    found: dict[GVK, Mapping[str, Any]] = {}
    for crd in bundle.crds:
        spec = crd.spec
        shared = spec.get("validation") or {}
        versions = {str(each.get("name", "")): each for each in spec.get("versions") or ()}
        for gvk in crd.gvks:
            own = versions.get(gvk.version, {}).get("schema") or shared
            if isinstance(schema := own.get("openAPIV3Schema"), Mapping):
                found[gvk] = schema
    return found


@check(
    "BAL3301",
    suites=_BOTH,
    level="warning",
    type=_TYPE,
    hint="correct the example, so that it can be created as it stands",
    reference="ours: what kube-apiserver does when the example is created, CEL rules and formats apart",
    example="""
        # the CRD's schema says "replicas: {type: integer}"
        alm-examples: |-
          [{"apiVersion": "example.com/v1", "kind": "Example", "spec": {"replicas": "3"}}]
        # instead
        alm-examples: |-
          [{"apiVersion": "example.com/v1", "kind": "Example", "spec": {"replicas": 3}}]
        """,
)
def example_invalid(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An example is refused by the schema of its CRD.

    User interfaces offer the examples as a start, and people apply them unchanged. Types, required fields,
    enumerations, bounds and patterns are compared; CEL rules and formats are not.
    """
    schemas = _schemas(bundle) if "alm-examples" in bundle.csv.annotations else {}
    for example in _examples(bundle) if schemas else ():
        if (schema := schemas.get(example.gvk)) is not None:
            for path, message in islice(mismatches(example.data, schema), _MOST):
                yield example.violation(path, message)


@check(
    "BAL3302",
    suites=_BOTH,
    level="warning",
    type=_TYPE,
    hint="correct the field's name, or add the field to the CRD's schema",
    reference=f"{_REFERENCE}: olm-crds-have-validation",
    example="""
        # the CRD's schema has "replicas"
        alm-examples: |-
          [{"apiVersion": "example.com/v1", "kind": "Example", "spec": {"replica": 3}}]
        # instead
        alm-examples: |-
          [{"apiVersion": "example.com/v1", "kind": "Example", "spec": {"replicas": 3}}]
        """,
)
def example_unknown_field(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An example has a field that its CRD does not know.

    The API server drops such a field without a word, so that the example does not do what it shows.
    """
    schemas = _schemas(bundle) if "alm-examples" in bundle.csv.annotations else {}
    for example in _examples(bundle) if schemas else ():
        if (schema := schemas.get(example.gvk)) is not None:
            for path in islice(unknown_fields(example.data, schema), _MOST):
                yield example.violation(path, "the CRD's schema has no such field; it would be dropped")


@check(
    "BAL3303",
    suites=_BOTH,
    level="warning",
    type=_TYPE,
    hint="add a spec that shows the most important fields",
    reference=f"{_REFERENCE}: basic-check-spec",
    example="""
        alm-examples: |-
          [{"apiVersion": "example.com/v1", "kind": "Example", "metadata": {"name": "example"}}]
        # instead
        alm-examples: |-
          [{"apiVersion": "example.com/v1", "kind": "Example", "spec": {"replicas": 3}}]
        """,
)
def example_without_spec(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An example has no spec.

    An example without a spec does not show how the kind is used. Kinds whose schema has no spec are not meant.
    """
    schemas = _schemas(bundle)
    for example in _examples(bundle):
        properties = schemas.get(example.gvk, {}).get("properties") or {"spec": {}}
        if "spec" not in example.data and "spec" in properties:
            yield example.violation((), "there is no spec")


_OWNED: Final = ("spec", "customresourcedefinitions", "owned")


def _owned(bundle: Bundle) -> Iterator[tuple[Mapping[str, Any], GVK, FieldPath]]:
    entries = (bundle.csv.spec.get("customresourcedefinitions") or {}).get("owned") or ()
    for index, entry in enumerate(entries):
        group = str(entry.get("name", "")).partition(".")[2]
        yield entry, GVK(group, str(entry.get("version", "")), str(entry.get("kind", ""))), (*_OWNED, index)


@check(
    "BAL3304",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="list the kinds of objects that the operator makes for it, under resources",
    reference=f"{_REFERENCE}: olm-crds-have-resources",
    example="""
        owned:
          - {name: examples.example.com, kind: Example, version: v1}
        # instead
        owned:
          - name: examples.example.com
            kind: Example
            version: v1
            resources:
              - {kind: Deployment, version: apps/v1}
        """,
)
def no_resources(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An owned CRD lists no resources.

    User interfaces show the objects that belong to a custom resource by this list.
    """
    for entry, gvk, path in _owned(bundle):
        if not entry.get("resources"):
            yield Violation(f"{gvk.kind} lists no resources", bundle.csv.document, path)


def _undescribed(bundle: Bundle, section: str) -> Iterator[Violation]:
    schemas = _schemas(bundle)
    used = {example.gvk: example.data for example in _examples(bundle)}
    for entry, gvk, path in _owned(bundle):
        schema = (schemas.get(gvk, {}).get("properties") or {}).get(section) or {}
        # The scorecard asks for what an example uses; of the status, which no example sets, for what the schema has.
        example = used.get(gvk, {}).get(section)
        fields = list(example) if isinstance(example, dict) else list(schema.get("properties") or ())
        described = {
            str(each.get("path", "")).split(".")[0].split("[")[0] for each in entry.get(f"{section}Descriptors") or ()
        }
        if missing := [field for field in fields if field not in described]:
            message = f"{gvk.kind} has no {section}Descriptors for {', '.join(missing)}"
            yield Violation(message, bundle.csv.document, (*path, f"{section}Descriptors"))


@check(
    "BAL3305",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="add a specDescriptor with path, displayName and description for each field",
    reference=f"{_REFERENCE}: olm-spec-descriptors",
    example="""
        owned:
          - {name: examples.example.com, kind: Example, version: v1}
        # instead
        owned:
          - name: examples.example.com
            kind: Example
            version: v1
            specDescriptors:
              - {path: replicas, displayName: Replicas, description: How many there are}
        """,
)
def spec_descriptors(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A field of the spec has no descriptor.

    Descriptors give a field its label, explanation and widget in forms. Asked for are the fields that the example
    uses, or all of the schema's where there is no example.
    """
    yield from _undescribed(bundle, "spec")


@check(
    "BAL3306",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="add a statusDescriptor with path, displayName and description for each field",
    reference=f"{_REFERENCE}: olm-status-descriptors",
    example="""
        owned:
          - {name: examples.example.com, kind: Example, version: v1}
        # instead
        owned:
          - name: examples.example.com
            kind: Example
            version: v1
            statusDescriptors:
              - {path: phase, displayName: Phase, description: How far it is}
        """,
)
def status_descriptors(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A field of the status has no descriptor.

    User interfaces show those fields of the status that have a descriptor, and no others.
    """
    yield from _undescribed(bundle, "status")
