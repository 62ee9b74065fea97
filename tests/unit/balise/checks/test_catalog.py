"""Catalogs beside the verdicts that opm recorded, and each rule by itself, with its place."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest

from balise.checks.catalog import CatalogReport, check_catalog
from balise.checks.suites.catalog import CATALOG_CHECKS

CORPUS = Path(os.environ.get("BALISE_CORPUS", Path(__file__).parents[4].parent / "shared/corpus"))

# What opm says, as the name of a check of ours.
MEANINGS = [
    (r"unknown package .* for channel", "channel-package"),
    (r"unknown package .* for bundle", "bundle-package"),
    (r"not found in any channel entries", "bundle-no-entry"),
    (r"invalid channel \"ghost\":\s+└── channel must contain at least one bundle", "default-missing"),
    (r"default channel must be set", "default-unset"),
    (r"duplicate package", "package-twice"),
    (r"has duplicate channel", "channel-twice"),
    (r"has duplicate bundle", "bundle-twice"),
    (r"no olm.bundle blobs found", "entry-no-bundle"),
    (r"multiple channel heads", "several-heads"),
    (r"no channel head", "no-head"),
    (r"stranded bundles", "stranded"),
    (r"invalid skipRange", "skip-range"),
    (r"duplicate entry", "entry-twice"),
    (r"contains channel with no name", "channel-no-name"),
    (r"must have exactly 1 \"olm.package\" property", "package-property"),
    (r"does not match \"olm.package\" property", "package-mismatch"),
    (r"error parsing bundle .* version", "version"),
    (r"duplicate versions found", "version-twice"),
    (r"bundle image must be set", "bundle-no-image"),
    (r"package name must be set for bundle", "bundle-no-package"),
    (r"parse properties for bundle", "property"),
    (r"missing root schema field", "no-schema"),
    (r"parse (package|channel): ", "type"),
    (r"config contains package with no name", "package-no-name"),
    (r"invalid package name", "package-name"),
    (r"cannot deprecate (bundle|channel)", "deprecation-target"),
    (r"invalid deprecation: message must be set", "deprecation-message"),
    (r"maximum of one deprecation per package", "deprecation-twice"),
    (r"duplicate deprecation entry", "deprecation-entry-twice"),
    (r"object schema unknown", "deprecation-schema"),
    (r"package name must be empty for deprecated package", "deprecation-named"),
]


def test_verdicts_are_opms() -> None:
    recorded = CORPUS / "broken-catalogs.jsonl"
    if not recorded.is_file():
        pytest.skip(f"the corpus is not at {CORPUS} (set BALISE_CORPUS)")
    for verdict in map(json.loads, recorded.read_text().splitlines()):
        report = check_catalog(CORPUS / verdict["dir"])
        assert report.valid == verdict["valid"], verdict["dir"]
        if not report.valid:
            name = next(name for pattern, name in MEANINGS if re.search(pattern, verdict["message"]))
            assert {finding.code for finding in report.findings} == {CATALOG_CHECKS[name].code}, verdict["dir"]
    for directory in (CORPUS / "catalogs").iterdir():
        assert check_catalog(directory).valid, directory


PACKAGE = {"schema": "olm.package", "name": "app", "defaultChannel": "stable"}


def bundle(version: str, **changes: object) -> dict[str, object]:
    properties = [{"type": "olm.package", "value": {"packageName": "app", "version": version}}]
    return {"schema": "olm.bundle", "package": "app", "name": f"app.v{version}", "image": "example.org/app:1",
            "properties": properties, **changes}  # fmt: skip


def channel(*entries: dict[str, object], **changes: object) -> dict[str, object]:
    return {"schema": "olm.channel", "package": "app", "name": "stable", "entries": list(entries), **changes}


def edge(version: str, **edges: object) -> dict[str, object]:
    return {"name": f"app.v{version}", **edges}


def check(folder: Path, *blobs: object) -> CatalogReport:
    (folder / "catalog.yaml").write_text("".join(f"---\n{json.dumps(blob)}\n" for blob in blobs))
    return check_catalog(folder)


def names(report: CatalogReport) -> list[str]:
    by_code = {each.code: name for name, each in CATALOG_CHECKS.items()}
    return [by_code[finding.code] for finding in report.findings]


def with_graph(folder: Path, *entries: dict[str, object]) -> CatalogReport:
    versions = [str(entry["name"]).removeprefix("app.v") for entry in entries]
    return check(folder, PACKAGE, channel(*entries), *(bundle(version) for version in versions))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([edge("1.0.0")], [], id="one"),
        pytest.param([edge("1.0.0"), edge("1.1.0", replaces="app.v1.0.0")], [], id="chain"),
        pytest.param([edge("1.0.0", replaces="app.v0.9.0")], [], id="the tail may replace what is gone"),
        pytest.param([edge("1.0.0", skips=["app.v0.1.0"])], [], id="what is skipped may be gone"),
        pytest.param([edge("1.0.0"), edge("1.1.0", skips=["app.v1.0.0"])], [], id="skipped is covered"),
        pytest.param([edge("1.0.0"), edge("1.1.0")], ["several-heads"], id="two heads"),
        pytest.param([edge("1.0.0"), edge("1.1.0", skipRange="<1.1.0")], ["several-heads"], id="skipRange is no edge"),
        pytest.param(
            [edge("1.0.0", replaces="app.v1.1.0"), edge("1.1.0", replaces="app.v1.0.0")], ["no-head"], id="all replaced"
        ),
        pytest.param(
            [edge("1.0.0", replaces="app.v1.1.0"), edge("1.1.0", replaces="app.v1.0.0"),
             edge("1.2.0", replaces="app.v1.1.0")],
            ["cycle"], id="cycle below the head",
        ),
        pytest.param(
            [edge("1.0.0"), edge("1.1.0", replaces="app.v1.0.0"),
             edge("1.2.0", replaces="app.v1.1.0", skips=["app.v1.1.0"])],
            ["stranded"], id="the way ends at what is skipped",
        ),
        pytest.param([edge("1.0.0", skips=[""])], ["skip-empty"], id="empty skip"),
        pytest.param([edge("1.0.0", skipRange="^1.0.0")], ["skip-range"], id="no caret"),
    ],
)  # fmt: skip
def test_graph(tmp_path: Path, entries: list[dict[str, object]], expected: list[str]) -> None:
    assert names(with_graph(tmp_path, *entries)) == expected


def released(release: str) -> dict[str, object]:
    return {"type": "olm.package", "value": {"packageName": "app", "version": "1.0.0", "release": release}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"image": ""}, ["bundle-no-image"]),
        ({"image": "https://example.org/app"}, ["image"]),
        ({"image": "", "relatedImages": [{"image": "Example.org/App"}]}, ["image"]),
        ({"relatedImages": [{"name": "x"}]}, []),
        ({"properties": None}, ["package-property"]),
        ({"properties": [{"type": "olm.package", "value": {"packageName": "app", "version": 1}}]}, ["property"]),
        ({"properties": [{"type": "olm.package", "value": {"packageName": "app", "version": "1.0"}}]}, ["version"]),
        ({"properties": [released("01")]}, ["release"]),
        ({"properties": [released("1")]}, ["release-name"]),
        ({"properties": 5}, ["type"]),
        ({"name": None}, ["type"]),
        ({"Name": "app.v1.0.0"}, ["keys"]),
        ({"schema": ""}, ["no-schema"]),
    ],
)  # fmt: skip
def test_bundle(tmp_path: Path, changes: dict[str, object], expected: list[str]) -> None:
    assert names(check(tmp_path, PACKAGE, channel(edge("1.0.0")), bundle("1.0.0", **changes))) == expected


def with_objects(data: str) -> dict[str, object]:
    properties = [
        {"type": "olm.package", "value": {"packageName": "app", "version": "1.0.0"}},
        {"type": "olm.bundle.object", "value": {"data": data}},
    ]
    return bundle("1.0.0", image="", properties=properties)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (base64.b64encode(b"kind: ConfigMap").decode(), []),
        (base64.b64encode(b"{not read").decode(), []),  # opm believes what begins with a brace
        (base64.b64encode(b"a: [").decode(), ["bundle-object"]),
        ("%", ["bundle-object"]),
    ],
)
def test_bundle_with_objects_needs_no_image(tmp_path: Path, data: str, expected: list[str]) -> None:
    assert names(check(tmp_path, PACKAGE, channel(edge("1.0.0")), with_objects(data))) == expected


def test_entry_of_any_channel_needs_its_bundle(tmp_path: Path) -> None:
    fast = channel(edge("1.0.0"), name="fast")
    stable = channel(edge("1.0.0"), edge("9.0.0", replaces="app.v1.0.0"))
    assert names(check(tmp_path, PACKAGE, stable, fast, bundle("1.0.0"))) == ["entry-no-bundle"]


def test_first_stage_with_a_problem_is_the_last(tmp_path: Path) -> None:
    report = check(tmp_path, PACKAGE, PACKAGE, channel(edge("1.0.0"), edge("1.1.0")))
    assert names(report) == ["package-twice"]


def test_empty_channel_and_empty_package(tmp_path: Path) -> None:
    fast = {"schema": "olm.channel", "package": "app", "name": "fast"}
    assert names(check(tmp_path, PACKAGE, channel(edge("1.0.0")), fast, bundle("1.0.0"))) == ["channel-empty"]
    assert names(check(tmp_path, {"schema": "olm.package", "name": "app"})) == ["default-unset", "package-empty"]


@pytest.mark.parametrize("message", ["", None])
@pytest.mark.parametrize("reference", [("olm.bundle", "app.v1.0.0"), ("olm.channel", "stable"), ("olm.package", "")])
def test_deprecation_needs_a_message(tmp_path: Path, reference: tuple[str, str], message: str | None) -> None:
    entry = {"reference": dict(zip(("schema", "name"), reference, strict=True)), "message": message}
    blob = {"schema": "olm.deprecations", "package": "app", "entries": [entry]}
    report = check(tmp_path, PACKAGE, channel(edge("1.0.0")), bundle("1.0.0"), blob)
    assert names(report) == ["deprecation-message"]


def test_finding_says_where(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/catalog.yaml").write_text(
        "---\nschema: olm.package\nname: app\ndefaultChannel: stable\n"
        "---\nschema: olm.channel\npackage: app\nname: stable\nentries:\n- name: app.v1.0.0\n  replaces: 5\n"
    )
    (finding,) = check_catalog(tmp_path).findings
    assert (finding.file, finding.line, finding.column) == (str(tmp_path / "a/catalog.yaml"), 11, 13)
    assert finding.excerpt == "  replaces: 5"
    assert finding.message == "entries[0].replaces: a number where text belongs"


def test_large_catalog_is_read_by_several_processes_with_the_same_result(tmp_path: Path) -> None:
    padding = [{"type": "pad", "value": "x" * 50_000}]
    blobs = [PACKAGE, channel(*(edge(f"1.{n}.0", skips=[f"app.v1.{n - 1}.0"] if n else []) for n in range(60)))]
    for number in range(60):
        blob = bundle(f"1.{number}.0")
        blobs.append({**blob, "properties": [*blob["properties"], *padding]})  # type: ignore[misc]
    blobs[30]["image"] = "NOT AN IMAGE"
    one = check(tmp_path, *blobs)
    two = check_catalog(tmp_path, jobs=3)
    assert one.findings == two.findings
    assert names(two) == ["image"]


def test_every_check_is_documented() -> None:
    for each in CATALOG_CHECKS.values():
        assert each.title
        assert len(each.explanation) > 40
        assert "# instead" in each.example
        assert each.hint
