"""`balise plan` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from balise.cli import main

CATALOG = """\
schema: olm.package
name: a
defaultChannel: stable
---
schema: olm.channel
package: a
name: stable
entries:
- name: a.v1.0.0
- name: a.v1.1.0
  replaces: a.v1.0.0
- name: a.v1.2.0
  replaces: a.v1.1.0
  skipRange: ">=1.0.0 <1.2.0"
---
schema: olm.bundle
package: a
name: a.v1.0.0
properties:
- {type: olm.package, value: {packageName: a, version: 1.0.0}}
---
schema: olm.bundle
package: a
name: a.v1.1.0
properties:
- {type: olm.package, value: {packageName: a, version: 1.1.0}}
- {type: olm.csv.metadata, value: {minKubeVersion: 1.30.0}}
---
schema: olm.bundle
package: a
name: a.v1.2.0
properties:
- {type: olm.package, value: {packageName: a, version: 1.2.0}}
- {type: olm.package.required, value: {packageName: b, versionRange: ">=1.0.0"}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "catalog.yaml").write_text(CATALOG)
    return folder


def run(catalog: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    status = main(["plan", "--catalog", str(catalog), "--package", "a", *arguments])
    return status, capsys.readouterr().out.splitlines()


NOT_THE_HEAD = (
    "not a.v1.2.0: a.v1.2.0 requires an operator of package b with a version in '>=1.0.0', and no catalog offers one "
    "that can be chosen"
)


def test_a_fresh_installation_and_why_it_is_not_the_head(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(catalog, capsys) == (0, [
        "Subscription to a, channel stable of catalog catalog (head a.v1.2.0); nothing is installed",
        "InstallPlan 1",
        "  installs a.v1.1.0: the newest of channel stable that can be had",
        f"      {NOT_THE_HEAD}",
        "Stays at a.v1.1.0:",
        f"  - {NOT_THE_HEAD}",
    ])  # fmt: skip


def test_an_upgrade_that_waits_for_approval_and_for_a_newer_kubernetes(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--installed", "a.v1.0.0", "--approval", "manual", "--kube-version", "1.29"]
    status, lines = run(catalog, capsys, *arguments)
    assert status == 1
    assert lines[1] == "InstallPlan 1  (waits until somebody approves it)"
    assert lines[2] == "  installs a.v1.1.0: replaces a.v1.0.0"
    assert lines[4] == (
        "  but a.v1.1.0 stays Pending: it needs Kubernetes 1.30.0 or newer, and the cluster has 1.29.0 "
        "(RequirementsNotMet)"
    )
    assert lines[5] == "Until a.v1.1.0 runs, nothing in the namespace moves:"


def test_a_second_catalog_offers_the_dependency(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(
        "{schema: olm.package, name: b, defaultChannel: x}\n---\n"
        "{schema: olm.channel, package: b, name: x, entries: [{name: b.v1.0.0}]}\n---\n"
        "{schema: olm.bundle, package: b, name: b.v1.0.0, "
        "properties: [{type: olm.package, value: {packageName: b, version: 1.0.0}}]}\n"
    )
    status, lines = run(catalog, capsys, "--catalog", f"second={other}", "--installed", "a.v1.0.0")
    assert status == 0
    assert lines[2:] == [
        "  installs a.v1.2.0: its skipRange '>=1.0.0 <1.2.0' contains the version of a.v1.0.0",
        "  installs b.v1.0.0: a dependency, from channel x of package b",
        "  creates Subscription b-x-second-olm for it, approved automatically, pinned to channel x",
        "Settled: a.v1.2.0 is the head of channel stable",
    ]


def test_json(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--catalog", str(catalog), "--package", "a", "--format", "json", "--channel", "ghost"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["blocked"] == [
        "Subscription a asks for package a from channel ghost of catalog",
        "package a in catalog catalog has no channel ghost, only stable",
    ]
    assert (data["rounds"], data["final"]) == ([], [])


def test_olm_v1(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(catalog, capsys, "--olm", "v1", "--version", "1.1.x", "--installed", "a.v1.0.0") == (0, [
        "ClusterExtension for a, version 1.1.x (CatalogProvided); a.v1.0.0 is installed",
        "  installs a.v1.1.0 from catalog catalog",
        "Settled: a.v1.1.0",
    ])  # fmt: skip
    status, lines = run(catalog, capsys, "--olm", "v1")
    assert status == 1
    assert lines[-1] == "Stopped: a.v1.2.0 has a dependency (olm.package.required), which OLM v1 does not resolve"


def test_scenarios_give_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = {
        "id": "x",
        "catalogs": [],
        "subscriptions": [{"name": "s", "package": "a", "channel": "c", "source": "cat", "sourceNamespace": "olm"}],
        "csvs": [],
    }
    path = tmp_path / "scenarios.jsonl"
    path.write_text(json.dumps(scenario) + "\n\n" + json.dumps({**scenario, "id": "y", "subscriptions": []}) + "\n")
    assert main(["plan", "--scenarios", str(path), "--format", "json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["id"] == "x"
    assert "catalog cat in namespace olm offers nothing, or does not exist" in first["blocked"]
    assert second == {"id": "y", "rounds": [], "blocked": None, "final": []}
    assert main(["plan", "--scenarios", str(path)]) == 0
    assert "Scenario x\nSubscription to a, channel c of catalog cat; nothing is installed" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["{", "[]", '{"catalogs": 1}', '{"subscriptions": [{"name": 1}]}', '{"csvs": [1]}',
                                  '{"catalogs": [{"fbc": [{"schema": "olm.package", "name": 1}]}]}'])  # fmt: skip
def test_a_line_that_is_no_scenario_is_named(tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scenarios.jsonl"
    path.write_text(line + "\n")
    assert main(["plan", "--scenarios", str(path)]) == 1
    assert f"{path}:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--package", "z"], "there is no package z"),
        (["--installed", "nonsense"], "the version of nonsense is not known"),
        (["--kube-version", "x.y"], "--kube-version"),
        (["--catalog", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_told(
    catalog: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["plan", "--catalog", str(catalog), "--package", "a", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_nothing_to_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 1
    assert "Give --catalog DIR and --package NAME, or --scenarios FILE." in capsys.readouterr().err
