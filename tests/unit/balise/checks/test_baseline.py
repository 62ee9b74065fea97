from __future__ import annotations

import json
from pathlib import Path

import pytest

from balise.checks.baseline import read_baseline, write_baseline
from balise.checks.findings import Finding
from balise.checks.runner import Report
from balise.model.errors import InputError


def _finding(file: Path, message: str = "wrong", line: int = 1) -> Finding:
    return Finding("csv", "error", "BAL1101", "", "", message, str(file), line)


def test_hides_as_many_as_there_were_whatever_their_lines(tmp_path: Path) -> None:
    path, file = tmp_path / "baseline.json", tmp_path / "bundle" / "csv.yaml"
    assert write_baseline(path, [_finding(file), _finding(file), _finding(file, "other")]) == 3
    baseline = read_baseline(path)
    moved = [_finding(file, line=7), _finding(file, line=8), _finding(file, line=9)]
    report = baseline.new_in(Report("bundle", tuple(moved)))
    assert report.findings == (moved[2],)
    assert (baseline.met, baseline.left) == (2, 1)


def test_is_relative_to_its_folder_and_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(path, [_finding(tmp_path / "b"), _finding(tmp_path / "a")])
    absolute = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    write_baseline(Path("baseline.json"), [_finding(Path("a")), _finding(Path("b"))])
    assert path.read_bytes() == absolute
    assert [each["file"] for each in json.loads(absolute)["findings"]] == ["a", "b"]
    assert [each.name for each in tmp_path.iterdir()] == ["baseline.json"]


def test_hides_why_a_bundle_cannot_be_loaded_too(tmp_path: Path) -> None:
    path, problem = tmp_path / "baseline.json", _finding(tmp_path / "csv.yaml")
    write_baseline(path, [problem])
    assert not read_baseline(path).new_in(Report("bundle", load_problems=(problem,))).failed


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version": 2}', '{"version": 1, "findings": 1}', '{"version": 1, "findings": [{"file": "a"}]}',
     '{"version": 1, "findings": [{"file": "a", "code": "b", "message": "c", "count": true}]}', "[" * 5000],
)  # fmt: skip
def test_refuses_what_is_no_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(InputError, match="--write-baseline"):
        read_baseline(path)


def test_says_where_it_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_baseline(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_baseline(tmp_path / "none" / "b.json", [])
