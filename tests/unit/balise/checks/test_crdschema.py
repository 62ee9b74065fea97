from __future__ import annotations

from pathlib import Path

import pytest

from balise.checks.runner import Run, check_bundle

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: examples.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Example, plural: examples}
  versions:
    - name: v1
      served: true
      storage: true
"""


def _found(folder: Path, schema: str) -> list[tuple[str, str]]:
    text = f"{CRD}      schema:\n        openAPIV3Schema: {schema}\n" if schema else CRD
    (folder / "manifests" / "crd.yaml").write_text(text)
    return [(each.code, each.message) for each in check_bundle(folder, Run(("crdschema",))).findings]


@pytest.mark.parametrize(
    ("field", "code", "word"),
    [
        ("{type: string}", "", ""),
        ("{type: text}", "BAL3502", "'text' is no type"),
        ("{}", "BAL3502", "type is missing"),
        ("{x-kubernetes-int-or-string: true}", "", ""),
        ("{x-kubernetes-preserve-unknown-fields: true}", "", ""),
        ("{type: integer, anyOf: [{minimum: 1}, {maximum: -1}]}", "", ""),
        ("{type: array}", "BAL3503", "no items"),
        ("{type: array, items: [{type: string}]}", "BAL3503", "not a list"),
        ("{type: array, items: {type: object, properties: {z: {}}}}", "BAL3502", "spec.x.z: the type is missing"),
        ("{type: array, items: {type: string}, uniqueItems: true}", "BAL3504", "uniqueItems"),
        ("{type: object, additionalProperties: false}", "BAL3504", "cannot be false"),
        ("{type: object, additionalProperties: {type: string}}", "", ""),
        (
            "{type: object, properties: {a: {type: string}}, additionalProperties: true}",
            "BAL3504",
            "exclude each other",
        ),
        ("{type: object, patternProperties: {a: {type: string}}}", "BAL3504", "patternProperties"),
        ("{type: string, oneOf: [{default: a}]}", "BAL3504", "default is not allowed in a condition"),
        ("{type: integer, default: '3'}", "BAL3505", "type integer"),
        ("{type: integer, default: 3}", "", ""),
        (
            "{type: object, properties: {a: {type: string, maxLength: 1}}, default: {a: bc}}",
            "BAL3505",
            "more than the 1",
        ),
        ("{type: string, pattern: '['}", "BAL3506", "unterminated"),
        ("{type: string, pattern: '(?!a)b'}", "BAL3506", "Go does not know (?!"),
        (r"{type: string, pattern: '(a)\1'}", "BAL3506", r"Go does not know \1"),
        (r"{type: string, pattern: '\\1'}", "", ""),
        (r"{type: string, pattern: '^\pL+\z'}", "", ""),
        ("{type: integer, x-kubernetes-validations: [{rule: 'self > 0'}]}", "", ""),
        ("{type: integer, x-kubernetes-validations: [{rule: 'f(self'}]}", "BAL3507", "bracket"),
        ("{type: integer, x-kubernetes-validations: [{rule: ''}]}", "BAL3507", "empty"),
    ],
)
def test_each_rule(folder: Path, field: str, code: str, word: str) -> None:
    schema = f"{{type: object, properties: {{spec: {{type: object, properties: {{x: {field}}}}}}}}}"
    found = _found(folder, schema)
    assert [each for each, _ in found] == ([code] if code else [])
    assert not code or word in found[0][1]


def test_the_root_is_an_object_and_there_is_one(folder: Path) -> None:
    assert [code for code, _ in _found(folder, "{type: string}")] == ["BAL3502"]
    assert [code for code, _ in _found(folder, "{x-kubernetes-preserve-unknown-fields: true}")] == ["BAL3502"]
    assert [code for code, _ in _found(folder, "")] == ["BAL3501"]
