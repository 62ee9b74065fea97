"""The suites communityoperators and packagemanifest: one bundle, and the folder of an operator's bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise.checks.operators import check_operators
from balise.checks.runner import Run, check_bundle

PREFIX = "operators.operatorframework.io.bundle."
Write = Callable[..., Path]


def _good(version: str, **spec: Any) -> dict[str, Any]:
    annotations = {
        "capabilities": "Basic Install",
        "categories": "Database, Drivers and plugins",
        "containerImage": "registry.example.com/example/operator:1.0",
        "createdAt": "2026-01-02T03:04:05Z",
        "repository": "https://example.com/source",
        "support": "Example Ltd",
        "alm-examples": '[{"apiVersion": "example.com/v1", "kind": "Example"}]',
        "description": "Runs examples",
    }
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {"name": f"example.v{version}", "annotations": annotations},
        "spec": {
            "displayName": "Example",
            "description": "Runs examples of all kinds",
            "icon": [{"base64data": "AAAA", "mediatype": "image/png"}],
            "version": version,
            "maintainers": [{"name": "Jane", "email": "jane@example.com"}],
            "provider": {"name": "Example Ltd"},
            "links": [{"name": "Site", "url": "https://example.com"}],
            "keywords": ["example"],
            **spec,
        },
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(version: str, csv: dict[str, Any] | None = None, *, channels: str = "stable", **spec: Any) -> Path:
        folder = tmp_path / "example" / version
        for name in ("manifests", "metadata"):
            (folder / name).mkdir(parents=True)
        (folder / "manifests" / "csv.yaml").write_text(yaml.safe_dump(csv or _good(version, **spec)))
        annotations = {f"{PREFIX}package.v1": "example", f"{PREFIX}channels.v1": channels}
        (folder / "metadata" / "annotations.yaml").write_text(yaml.safe_dump({"annotations": annotations}))
        return folder

    return write


def _codes(folder: Path) -> list[tuple[str, str]]:
    return [(each.code, each.level) for each in check_bundle(folder, Run(("communityoperators",))).findings]


def _operator(paths: list[Path], suite: str = "communityoperators") -> list[tuple[str, str]]:
    reports = check_operators([str(path) for path in paths], (suite,))
    return [(each.code, each.message) for report in reports for each in report.findings]


def test_a_good_bundle_has_no_finding(write: Write) -> None:
    assert _codes(write("1.0.0")) == []


@pytest.mark.parametrize(
    ("path", "value", "level"),
    [
        ("metadata.annotations.capabilities", "basic", "error"),
        ("metadata.annotations.categories", "Databases", "warning"),
        ("metadata.annotations.containerImage", "operator:1", "error"),
        ("metadata.annotations.createdAt", "yesterday", "error"),
        ("metadata.annotations.repository", "example.com", "warning"),
        ("metadata.annotations.support", None, "error"),
        ("metadata.annotations.alm-examples", "[]", "error"),
        ("metadata.annotations.description", "short", "warning"),
        ("spec.displayName", "x" * 2, "error"),
        ("spec.description", None, "error"),
        ("spec.icon", [{"base64data": "A!", "mediatype": "image/png"}], "error"),
        ("spec.icon", [{"base64data": "AAAA", "mediatype": "image/bmp"}], "error"),
        ("spec.maintainers", [{"name": "Jane"}], "error"),
        ("spec.provider", {}, "error"),
        ("spec.links", [], "error"),
        ("spec.keywords", [], "error"),
    ],
)
def test_required_fields(write: Write, path: str, value: Any, level: str) -> None:
    csv = _good("1.0.0")
    *parents, last = path.split(".")
    target = csv
    for step in parents:
        target = target[step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    assert _codes(write("1.0.0", csv)) == [("BAL3201", level)]


def test_names_of_operator_and_folder(write: Write) -> None:
    csv = _good("1.0.0")
    csv["metadata"]["name"] = "other.v1.0.0"
    assert _codes(write("1.0.0", csv)) == [("BAL3202", "error")]
    assert _codes(write("one", _good("1.0.1"))) == [("BAL3203", "error")]
    folder = write("2.0.0")
    moved = folder.rename(folder.parents[1] / "2.0.0")
    assert [code for code, _ in _codes(moved)] == ["BAL3202"]


def test_network_policies(write: Write) -> None:
    folder = write("1.0.0")
    (folder / "manifests" / "n.yaml").write_text("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n")
    assert _codes(folder) == [("BAL3204", "error")]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("catalog_templates: [{template_name: a, channels: [b], replaces: c, skips: [d], skipRange: '<1.0.0'}]", 0),
        ("catalog_templates: []", 1),
        ("catalog_templates: [{template_name: a}]", 1),
        ("catalog_templates: [{template_name: 1, channels: a}]", 2),
        ("a: [", 1),
    ],
)
def test_release_config(write: Write, text: str, count: int) -> None:
    folder = write("1.0.0")
    (folder / "release-config.yaml").write_text(text)
    assert _codes(folder) == [("BAL3205", "error")] * count


@pytest.mark.parametrize(
    ("minimum", "platforms", "found"),
    [
        ("1.25.0", "v4.12", []),
        ("1.25.0", "v4.12-v4.14", []),
        ("1.25.0", "v4.10", [("BAL3210", "error")]),
        ("1.25.0", "=v4.11", [("BAL3210", "error")]),
        ("1.25.0", "4.12-4.x", [("BAL3210", "error")]),
        ("1.25.0", None, [("BAL3210", "warning")]),
        ("newest", "v4.12", [("BAL3210", "error")]),
        (None, "v4.10", []),
    ],
)
def test_platform_versions(write: Write, minimum: str | None, platforms: str | None, found: list[str]) -> None:
    folder = write("1.0.0", **({"minKubeVersion": minimum} if minimum else {}))
    if platforms:
        with (folder / "metadata" / "annotations.yaml").open("a") as file:
            file.write(f"  com.redhat.openshift.versions: {platforms}\n")
    assert _codes(folder) == found


@pytest.mark.parametrize(
    ("own", "replaced", "said"),
    [
        ("v4.12", "v4.12", ""),
        ("v4.14", "v4.12", ""),
        ("v4.10", "v4.12", "4.10 and later"),
        ("v4.12", "v4.12-v4.13", "4.13"),
    ],
)
def test_the_replaced_bundle_is_where_its_successor_is(write: Write, own: str, replaced: str, said: str) -> None:
    paths = [write("1.0.0"), write("1.1.0", replaces="example.v1.0.0")]
    for path, platforms in zip(paths, (replaced, own), strict=True):
        with (path / "metadata" / "annotations.yaml").open("a") as file:
            file.write(f"  com.redhat.openshift.versions: {platforms}\n")
    found = _operator(paths)
    assert [code for code, _ in found] == (["BAL3211"] if said else [])
    assert not said or said in found[0][1]


def test_upgrade_graph(write: Write, tmp_path: Path) -> None:
    paths = [write("1.0.0"), write("1.1.0", replaces="example.v1.0.0"), write("1.2.0", replaces="example.v1.1.0")]
    (tmp_path / "example" / "ci.yaml").write_text("updateGraph: replaces-mode\nfbc: {enabled: true}\n")
    assert _operator(paths) == []
    ((code, message),) = _operator([*paths, write("1.0.1")])
    assert code == "BAL3207"
    assert "replaces example.v1.0.1" in message
    ((code, message),) = _operator(
        [write("2.0.0", replaces="example.v2.1.0"), write("2.1.0", replaces="example.v2.0.0")]
    )
    assert code == "BAL3206"
    assert message.endswith("example.v2.0.0 replaces example.v2.1.0 replaces example.v2.0.0")


def test_skips_and_ranges_are_upgrades_too(write: Write, tmp_path: Path) -> None:
    csv = _good("1.2.0", skips=["example.v1.1.0"])
    csv["metadata"]["annotations"]["olm.skipRange"] = "<1.1.0"
    paths = [write("1.0.0"), write("1.1.0"), write("1.2.0", csv)]
    (tmp_path / "example" / "ci.yaml").write_text("updateGraph: replaces-mode\nfbc: {enabled: true}\n")
    assert _operator(paths) == []


def test_bundles_that_use_several_names(write: Write) -> None:
    csv = _good("1.1.0")
    csv["metadata"]["name"] = "other.v1.1.0"
    assert [code for code, _ in _operator([write("1.0.0"), write("1.1.0", csv)])] == ["BAL3208"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("updateGraph: semver-mode\nfbc: {enabled: true}", []),
        ("{}", ["updateGraph is not set", "file-based catalogs"]),
        ("updateGraph: replaces\nfbc: {enabled: true}", ["neither replaces-mode nor semver-mode"]),
        ("updateGraph: semver-mode\nreviewers: jane\nfbc: []", ["list of names", "fbc must be"]),
        ("updateGraph: semver-mode\nfbc: {enabled: true, catalog_mapping: [{}]}", ["template_name and type"]),
        ("a: [", ["not YAML"]),
        ("[]", ["no mapping"]),
    ],
)
def test_configuration(write: Write, tmp_path: Path, text: str, words: list[str]) -> None:
    path = write("1.0.0")
    (tmp_path / "example" / "ci.yaml").write_text(text)
    found = _operator([path])
    assert {code for code, _ in found} <= {"BAL3209"}
    assert len(found) == len(words)
    for (_, message), word in zip(found, words, strict=True):
        assert word in message


@pytest.mark.parametrize(
    ("mapping", "channels", "word"),
    [
        ("[{template_name: a.yaml, type: olm.semver}]", "[Fast, Stable]", ""),
        ("[{template_name: a.yaml, type: olm.semver}]", "[fast]", "only the channels"),
        ("[{template_name: a.yaml, type: olm.template.basic}]", "[fast]", ""),
        ("[{template_name: b.yaml, type: olm.semver}]", "[Fast]", "not in the fbc.catalog_mapping"),
    ],
)
def test_catalog_mapping(write: Write, tmp_path: Path, mapping: str, channels: str, word: str) -> None:
    path = write("1.0.0")
    (path / "release-config.yaml").write_text(f"catalog_templates: [{{template_name: a.yaml, channels: {channels}}}]")
    (tmp_path / "example" / "ci.yaml").write_text(
        f"updateGraph: semver-mode\nfbc: {{enabled: true, catalog_mapping: {mapping}}}"
    )
    found = _operator([path])
    assert len(found) == bool(word)
    assert not word or word in found[0][1]


STABLE = "{name: stable, currentCSV: example.v1.1.0}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"packageName: example\nchannels: [{STABLE}]", []),
        (f"channels: [{STABLE}]", ["packageName is missing"]),
        ("packageName: example", ["no channels"]),
        (
            "packageName: example\nchannels: [{name: a}, x]",
            ["no currentCSV", "no name", "no currentCSV", "defaultChannel"],
        ),
        (f"packageName: example\nchannels: [{STABLE}, {STABLE}]\ndefaultChannel: x", ["twice", "is no channel"]),
        ("packageName: example\nchannels: [{name: a, currentCSV: none}]", ["no folder has"]),
        ("[", ["not YAML"]),
    ],
)
def test_package_manifests(write: Write, tmp_path: Path, text: str, words: list[str]) -> None:
    paths = [write("1.0.0"), write("1.1.0", replaces="example.v1.0.0")]
    (tmp_path / "example" / "example.package.yaml").write_text(text)
    found = _operator(paths, "packagemanifest")
    assert len(found) == len(words)
    for (_, message), word in zip(found, words, strict=True):
        assert word in message


def test_a_package_manifest_s_chain_must_be_whole(write: Write, tmp_path: Path) -> None:
    path = write("1.1.0", replaces="example.v1.0.0")
    (tmp_path / "example" / "example.package.yaml").write_text(f"packageName: example\nchannels: [{STABLE}]")
    assert _operator([path], "packagemanifest") == [
        ("BAL3402", "example.v1.1.0 replaces example.v1.0.0, which no folder has")
    ]
