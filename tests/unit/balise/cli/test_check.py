"""`balise check` as other programs use it: the JSON report, the exit code, the second run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from balise import cli
from balise.checks.registry import REFERENCE_SUITES

CSV = """\
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata: {name: example.v1.0.0}
spec: {displayName: Example, icon: [{base64data: PHN2Zy8+, mediatype: image/tiff}]}
"""
CATALOG = "---\nschema: olm.package\nname: a\ndefaultChannel: b\n"

Check = Callable[..., tuple[int, Any]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    for name, text in (
        ("tree/example/1.0.0/manifests/csv.yaml", CSV),
        ("tree/example/1.0.1/manifests/csv.yaml", "kind: ClusterServiceVersion\n\tx: y\n"),
        ("tree/catalog/catalog.yaml", CATALOG),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BALISE_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments: str) -> tuple[int, Any]:
        status = cli.main(["check", "--profile", "reference", "--format", "json", *arguments])
        captured = capsys.readouterr()
        return status, json.loads(captured.out) if captured.out else captured.err

    return run


def test_the_report_of_a_tree(check: Check) -> None:
    status, report = check("tree")
    assert status == 1
    good, bad = report["bundles"]
    assert (good["path"], good["loadError"]) == ("tree/example/1.0.0", None)
    assert bad["path"] == "tree/example/1.0.1"
    assert "tree/example/1.0.1/manifests/csv.yaml: " in bad["loadError"]
    assert bad["findings"] == []
    assert {each["suite"] for each in good["findings"]} <= set(REFERENCE_SUITES)
    icon = next(each for each in good["findings"] if each["code"] == "BAL1410")
    place = {"file": "tree/example/1.0.0/manifests/csv.yaml", "line": 4, "column": 71}
    assert {name: icon[name] for name in ("suite", "level", "type", "field", *place)} == {
        "suite": "operatorhubv2", "level": "error", "type": "CSVFileNotValid", "field": "", **place
    }  # fmt: skip
    (catalog,) = report["catalogs"]
    assert (catalog["path"], catalog["valid"]) == ("tree/catalog", False)
    assert catalog["findings"][0]["file"] == "tree/catalog/catalog.yaml"


def test_what_cannot_be_checked_is_said(check: Check) -> None:
    status, said = check("nowhere")
    assert status == 1
    assert "nowhere: there is no such folder" in said


def test_the_second_run_is_the_first_one_s_output_until_something_changes(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.06)  # what has only just been written is not trusted
    first = check("tree")
    with monkeypatch.context() as patched:
        # What is kept is not made again.
        patched.setattr("balise.cli.check._check", lambda *_: pytest.fail("checked again"))
        assert check("tree") == first
        assert check("tree", "--jobs", "1") == first
    assert check("tree", "--no-cache") == first
    file = tmp_path / "tree/example/1.0.0/manifests/csv.yaml"
    file.write_text(CSV.replace("image/tiff", "image/gif"))
    assert check("tree") != first
    (tmp_path / "tree/example/1.0.2/manifests").mkdir(parents=True)
    (tmp_path / "tree/example/1.0.2/manifests/csv.yaml").write_text(CSV)
    assert len(check("tree")[1]["bundles"]) == 3


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/csv.yaml").write_text(CSV.replace("example.v1", "é😀"))
    (tmp_path / os.fsdecode(b"manifests/\xff.yaml")).write_text("kind: [")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for form in ("text", "concise", "json", "sarif", "github", "junit"):
        command = [sys.executable, "-m", "balise", "check", str(tmp_path), "--no-cache", "--format", form]
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (1, b"")
        assert b".yaml" in ended.stdout
