"""`balise check` as it is typed: settings, flags, baselines, fixes and images, on a small bundle with three defects."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from balise import cli

CSV = """\
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata:
  name: example-operator.v1.0.0
  annotations:
    capabilities: basic install
    olm.skiprange: '<1.0.0'
spec:
  displayName: Example
  version: 1.0.0
  minKubeVersion: v1.28
  installModes: [{type: AllNamespaces, supported: true}]
  install: {strategy: deployment, spec: {deployments: [{name: example}]}}
"""
ANNOTATIONS = """\
annotations:
  operators.operatorframework.io.bundle.mediatype.v1: registry+v1
  operators.operatorframework.io.bundle.manifests.v1: manifests/
  operators.operatorframework.io.bundle.metadata.v1: metadata/
  operators.operatorframework.io.bundle.package.v1: example-operator
  operators.operatorframework.io.bundle.channels.v1: stable
"""
ERRORS = {"BAL1114", "BAL1116", "BAL1501"}

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    for name, text in (("manifests/csv.yaml", CSV), ("metadata/annotations.yaml", ANNOTATIONS)):
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BALISE_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments: str, path: str = "bundle") -> tuple[int, str]:
        status = cli.main(["check", path, "--format", "concise", *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def _codes(output: str, level: str = r"\w+") -> set[str]:
    return set(re.findall(rf": {level} (BAL\d+) ", output))


def test_suites_and_severities_from_flags(check: Check) -> None:
    status, output = check()
    assert status == 1
    assert _codes(output, "error") >= ERRORS
    status, output = check("--suite", "standardcapabilities")
    assert _codes(output) == {"BAL1501"}
    assert _codes(check("--suite", "csv", "--without-suite", "csv")[1]) == set()
    status, output = check("--suite", "csv", "--severity", "csv=warning", "--severity", "BAL1114=off")
    assert status == 0
    assert "BAL1116" in _codes(output, "warning")
    assert "BAL1114" not in output
    assert check("--suite", "standardcapabilities", "--ignore", "bal1501")[0] == 0


def test_settings_from_pyproject_and_flags_before_them(check: Check, tmp_path: Path) -> None:
    assert _codes(check()[1]) >= ERRORS
    (tmp_path / "pyproject.toml").write_text(
        '[tool.balise.check]\nsuites = ["csv"]\n[tool.balise.check.severity]\nBAL1116 = "off"\n'
    )
    assert ERRORS & _codes(check()[1]) == {"BAL1114"}
    assert "BAL1116" in _codes(check("--severity", "BAL1116=error")[1])
    assert _codes(check("--suite", "standardcapabilities")[1]) == {"BAL1501"}
    assert _codes(check("--profile", "reference")[1]) >= ERRORS
    other = tmp_path / "other.toml"
    other.write_text('[tool.balise.check]\nsuites = ["standardcapabilities"]\n')
    assert _codes(check("--config", str(other))[1]) == {"BAL1501"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--suite", "csb"), "did you mean csv"),
        (("--severity", "BAL9999=error"), "no code or suite 'BAL9999'"),
        (("--severity", "BAL1114"), "use one of error, warning, off"),
        (("--image-index", "x"), "write IMAGE=FILE"),
        (("--baseline", "none.json"), "cannot be read"),
    ],
)
def test_bad_wishes_are_explained(check: Check, arguments: tuple[str, ...], said: str) -> None:
    status, output = check(*arguments)
    assert status == 1
    assert said in output


def test_a_baseline_leaves_only_what_is_new(check: Check, tmp_path: Path) -> None:
    assert check("--write-baseline", "known.json")[0] == 0
    status, output = check("--baseline", "known.json")
    assert status == 0
    assert _codes(output) == set()
    csv = tmp_path / "bundle" / "manifests" / "csv.yaml"
    csv.write_text("# moved\n" + CSV.replace("basic install", "Basic Install").replace("displayName: Example", "x: y"))
    status, output = check("--baseline", "known.json")
    assert status == 1
    assert _codes(output, "error") == {"BAL1115"}
    assert "no longer there" in output


def test_diff_shows_and_fix_writes(check: Check, tmp_path: Path) -> None:
    csv = tmp_path / "bundle" / "manifests" / "csv.yaml"
    status, output = check("--diff")
    assert status == 1
    assert "+  minKubeVersion: 1.28.0" in output
    assert csv.read_text() == CSV
    _, output = check("--fix")
    assert not ERRORS & _codes(output)
    assert csv.read_text().splitlines()[10] == "  minKubeVersion: 1.28.0"
    assert check("--diff") == (0, "")


def test_ignored_in_place(check: Check, tmp_path: Path) -> None:
    csv = tmp_path / "bundle" / "manifests" / "csv.yaml"
    csv.write_text(CSV.replace("v1.28\n", "v1.28  # balise: ignore[BAL1114]\n"))
    assert "BAL1114" not in check()[1]
    assert "BAL1114" in check("--profile", "reference")[1]
    csv.write_text(CSV.replace("v1.28\n", "1.28.0  # balise: ignore[BAL1114]\n"))
    assert "BAL0001" in _codes(check()[1])


def test_an_image_is_checked_like_its_folder(check: Check, tmp_path: Path) -> None:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add("bundle/manifests", "manifests")
        tar.add("bundle/metadata", "metadata")
    with tarfile.open("bundle.tar", "w") as tar:
        manifest = json.dumps([{"Layers": ["layer.tar"]}]).encode()
        for name, data in (("layer.tar", layer.getvalue()), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    status, output = check(path="bundle.tar")
    assert status == 1
    assert _codes(output) == _codes(check()[1])
    assert "bundle.tar!/manifests/csv.yaml:11:19: error BAL1114" in output
    status, output = check("--fix", path="bundle.tar")
    assert status == 1
    assert "an image cannot be mended" in output


def test_what_is_no_image_is_refused(check: Check, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "is a file, not a folder" in check(path="notes.txt")[1]
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add("notes.txt")
    assert "no OCI layout and no archive of one image" in check(path="x.tar")[1]


def test_files_are_called_alike_wherever_one_stands(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv, annotations = (tmp_path / "bundle" / name for name in ("manifests/csv.yaml", "metadata/annotations.yaml"))
    csv.write_text(CSV.replace("v1.28\n", "v1.28  # balise: ignore[BAL1114]\n"))
    annotations.write_text(ANNOTATIONS.replace("v1: stable", "v1: alpha"))
    monkeypatch.chdir(tmp_path / "bundle")
    for _ in range(2):  # the second time from the cache
        _, output = check(path=".")
        assert "BAL1114" not in output
        assert "./manifests/csv.yaml:6:19: error BAL1501" in output
        assert "./metadata/annotations.yaml:6:54: warning BAL1904" in output
    monkeypatch.chdir(tmp_path)
    assert "bundle/manifests/csv.yaml:6:19: error BAL1501" in check()[1]
