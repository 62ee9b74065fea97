"""Places and words on which a newcomer once stumbled: what is read first must lead to what has to be changed."""

from __future__ import annotations

from pathlib import Path

from balise.checks.findings import Finding
from balise.checks.runner import Run, check_bundle

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: examples.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Example, plural: examples, singular: example, listKind: ExampleList}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
    - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
OWNED = """\
  customresourcedefinitions:
    owned:
      - name: examples.example.com
        kind: Example
        version: v9
"""


def _found(folder: Path, code: str) -> Finding:
    findings = check_bundle(folder, Run.of_profile("default")).findings
    return next(finding for finding in findings if finding.code == code)


def test_a_wrong_version_is_told_with_the_right_ones_at_the_version(folder: Path) -> None:
    (folder / "manifests" / "crd.yaml").write_text(CRD)
    path = folder / "manifests" / "csv.yaml"
    path.write_text(path.read_text() + OWNED)
    found = _found(folder, "BAL1302")
    assert found.excerpt.strip() == "version: v9"
    assert found.message.endswith("defines v1, v2")
    assert "(v1, v2)" in _found(folder, "BAL1204").message


def test_an_odd_default_channel_is_shown_where_it_stands(folder: Path) -> None:
    path = folder / "metadata" / "annotations.yaml"
    path.write_text(path.read_text().replace("default.v1: stable", "default.v1: alpha"))
    assert "channel.default.v1: alpha" in _found(folder, "BAL1904").excerpt


def test_a_container_is_shown_by_its_name(folder: Path) -> None:
    assert "name: manager" in _found(folder, "BAL1902").excerpt


def test_one_of_many_examples_is_shown_itself(folder: Path) -> None:
    path = folder / "manifests" / "csv.yaml"
    examples = '|-\n      [{"apiVersion": "example.com/v1",\n        "kind": "Other"}]'
    path.write_text(path.read_text().replace("  annotations:\n", f"  annotations:\n    alm-examples: {examples}\n"))
    found = _found(folder, "BAL1108")
    assert (found.excerpt, found.column) == ('        "kind": "Other"}]', 17)


def test_a_wrong_key_is_underlined_itself(folder: Path) -> None:
    found = _found(folder, "BAL1116")
    assert found.excerpt[found.column - 1 : found.end_column - 1] == "olm.skiprange"
