from __future__ import annotations

import json
from pathlib import Path

import pytest

from balise.checks.registry import Options
from balise.checks.runner import Run, check_bundle
from balise.model.errors import InputError
from balise.model.image_index import Platform, read_platforms

IMAGE = "registry.example.com/example/operator:1.0.0"
AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")


def _edited(folder: Path, *, labels: str = "", pod: str = "", annotations: str = "", spec: str = "") -> Path:
    path = folder / "manifests" / "csv.yaml"
    text = path.read_text()
    text = text.replace("metadata:\n  name", f"metadata:\n  labels: {{{labels}}}\n  name", 1)
    text = text.replace(
        "              spec:\n", f"              spec:\n                {pod or 'priorityClassName: x'}\n"
    )
    text = text.replace("  annotations:\n", f"  annotations:\n    {annotations or 'a: b'}\n")
    path.write_text(text + spec)
    return folder


def _codes(folder: Path, **platforms: frozenset[Platform]) -> list[str]:
    options = Options(platforms={IMAGE if name == "own" else name: each for name, each in platforms.items()})
    return [each.code for each in check_bundle(folder, Run(("multiarch",), options)).findings]


AFFINITY = (
    "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
    "[{matchExpressions: [{key: kubernetes.io/arch, operator: %s, values: [%s]}]}]}}}"
)
ARM_LABEL = "operatorframework.io/arch.arm64: supported"


@pytest.mark.parametrize(
    ("labels", "pod", "codes"),
    [
        ("", "", []),
        (ARM_LABEL, "", ["BAL3103"]),
        (ARM_LABEL, AFFINITY % ("In", "arm64"), []),
        (ARM_LABEL, AFFINITY % ("In", "amd64"), ["BAL3102"]),
        (ARM_LABEL, AFFINITY % ("NotIn", "arm64"), ["BAL3102"]),
        (ARM_LABEL, AFFINITY % ("NotIn", "amd64"), []),
        (ARM_LABEL, AFFINITY % ("Exists", ""), []),
        (ARM_LABEL, AFFINITY % ("DoesNotExist", ""), ["BAL3102"]),
        (ARM_LABEL, "nodeSelector: {kubernetes.io/arch: arm64}", []),
        (ARM_LABEL, "nodeSelector: {kubernetes.io/arch: amd64}", ["BAL3102"]),
        ("operatorframework.io/os.windows: supported", "nodeSelector: {kubernetes.io/os: linux}", ["BAL3102"]),
        ("operatorframework.io/arch.amd64: 'yes'", "", ["BAL3101"]),
        ("operatorframework.io/os.Linux: supported", "", ["BAL3101"]),
    ],
)
def test_labels_against_scheduling(folder: Path, labels: str, pod: str, codes: list[str]) -> None:
    assert _codes(_edited(folder, labels=labels, pod=pod)) == codes


@pytest.mark.parametrize(
    ("labels", "platforms", "codes"),
    [
        ("", {AMD}, []),
        ("", {ARM}, ["BAL3104", "BAL3105"]),
        ("", {AMD, ARM}, ["BAL3105"]),
        (ARM_LABEL, {ARM}, ["BAL3103"]),
        (ARM_LABEL, {AMD}, ["BAL3103", "BAL3104", "BAL3105"]),
    ],
)
def test_labels_against_the_image(folder: Path, labels: str, platforms: set[Platform], codes: list[str]) -> None:
    assert _codes(_edited(folder, labels=labels), own=frozenset(platforms)) == codes


def test_other_images_need_what_the_operator_has(folder: Path) -> None:
    related = (
        "  relatedImages:\n    - {name: database, image: database}\n    - {name: operator, image: " + IMAGE + "}\n"
    )
    _edited(folder, spec=related)
    assert _codes(folder, own=frozenset({AMD}), database=frozenset({ARM})) == ["BAL3106"]
    assert _codes(folder, own=frozenset({AMD}), database=frozenset({AMD})) == []


@pytest.mark.parametrize(
    ("annotation", "codes"),
    [
        ("""operators.openshift.io/infrastructure-features: '["disconnected"]'""", []),
        ("operators.openshift.io/infrastructure-features: disconnected", ["BAL3107"]),
        ("features.operators.openshift.io/fips-compliant: 'true'", []),
        ("features.operators.openshift.io/fips-compliant: 'yes'", ["BAL3107"]),
    ],
)
def test_infrastructure_annotations(folder: Path, annotation: str, codes: list[str]) -> None:
    assert _codes(_edited(folder, annotations=annotation)) == codes


def test_reads_indexes_and_configurations(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    arm = {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    attestation = {"platform": {"os": "unknown", "architecture": "unknown"}}
    path.write_text(json.dumps({"manifests": [arm, attestation, {}]}))
    assert read_platforms(path) == {ARM}
    path.write_text(json.dumps({"os": "linux", "architecture": "amd64", "config": {}}))
    assert read_platforms(path) == {AMD}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"manifests": []}', "[" * 10000, '{"os": 1, "architecture": "x"}'])
def test_refuses_what_is_no_index(tmp_path: Path, text: str) -> None:
    path = tmp_path / "index.json"
    path.write_text(text)
    with pytest.raises(InputError, match="skopeo"):
        read_platforms(path)
