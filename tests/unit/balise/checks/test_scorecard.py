from __future__ import annotations

from pathlib import Path

import pytest

from balise.checks.findings import Finding
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
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {replicas: {type: integer}, size: {type: string}}}
            status: {type: object, properties: {phase: {type: string}}}
"""
OWNED = """\
  customresourcedefinitions:
    owned:
      - name: examples.example.com
        kind: Example
        version: v1
"""
DESCRIBED = """\
        resources: [{kind: Deployment, version: apps/v1}]
        specDescriptors: [{path: replicas}, {path: 'size.unit'}]
        statusDescriptors: [{path: phase}]
"""


def _found(folder: Path, examples: str, owned: str = OWNED + DESCRIBED, suite: str = "scorecard") -> list[Finding]:
    (folder / "manifests" / "crd.yaml").write_text(CRD)
    path = folder / "manifests" / "csv.yaml"
    text = path.read_text().replace("  annotations:\n", f"  annotations:\n    alm-examples: {examples}\n")
    path.write_text(text + owned)
    return list(check_bundle(folder, Run((suite,))).findings)


def _example(fields: str) -> str:
    return f"""|-
      [
        {{
          "apiVersion": "example.com/v1", "kind": "Example",
          {fields}
        }}
      ]"""


def test_a_good_example_has_no_finding(folder: Path) -> None:
    assert _found(folder, _example('"spec": {"replicas": 3}')) == []


@pytest.mark.parametrize(
    ("fields", "code", "column"),
    [
        ('"spec": {"replicas": "3"}', "BAL3301", 32),
        ('"spec": {"replica": 3}', "BAL3302", 31),
        ('"metadata": {}', "BAL3303", 9),
    ],
)
def test_places_are_inside_the_annotation(folder: Path, fields: str, code: str, column: int) -> None:
    (found,) = _found(folder, _example(fields), suite="examples")
    line = 9 if code == "BAL3303" else 11
    assert (found.code, found.line, found.column) == (code, line, column)
    assert found.excerpt.strip() in (fields, "{")


def test_without_a_block_the_annotation_is_the_place(folder: Path) -> None:
    text = """'[{"apiVersion": "example.com/v1", "kind": "Example", "spec": {"replicas": "3"}}]'"""
    (found,) = _found(folder, text)
    assert (found.code, found.line) == ("BAL3301", 7)
    assert "spec.replicas" in found.message


@pytest.mark.parametrize("text", ["'{'", "'{}'", "'[1]'", "''", """'[{"kind": 1}]'"""])
def test_unreadable_examples_are_another_suite_s(folder: Path, text: str) -> None:
    assert _found(folder, text, suite="examples") == []


def test_resources_and_descriptors(folder: Path) -> None:
    found = _found(folder, _example('"spec": {"replicas": 3, "size": "1"}'), OWNED)
    assert [(each.code, each.message.rpartition(" for ")[2]) for each in found] == [
        ("BAL3304", "Example lists no resources"),
        ("BAL3305", "replicas, size"),
        ("BAL3306", "phase"),
    ]
