from __future__ import annotations

from pathlib import Path

import pytest

from balise import cli
from balise.generate.writing import compare, write


def test_writes_what_differs_and_nothing_else(tmp_path: Path) -> None:
    files = {"a.yaml": "a\n", "b/c.yaml": "c\n"}
    assert write(tmp_path, files).missing == ("a.yaml", "b/c.yaml")
    before = (tmp_path / "a.yaml").stat()
    (tmp_path / "b/c.yaml").write_text("changed\n")
    (tmp_path / "mine.txt").write_text("mine\n")
    difference = write(tmp_path, files)
    assert (difference.missing, difference.stale, difference.foreign) == ((), ("b/c.yaml",), ("mine.txt",))
    assert (tmp_path / "a.yaml").stat() == before
    assert (tmp_path / "b/c.yaml").read_text() == "c\n"
    assert (tmp_path / "mine.txt").read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.yaml", "b", "c.yaml", "mine.txt"]


def test_the_difference_reads_as_a_diff(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("one\ntwo\n")
    text = compare(tmp_path, {"a.yaml": "one\nthree\n"}).text
    assert "-two\n+three" in text


def test_command_generates_then_finds_nothing_stale(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["generate", "--config", str(project)]
    folder = project.parent / "bundle" / "1.2.3"
    assert cli.main([*command, "--check"]) == 1
    assert not folder.exists()
    assert cli.main(command) == 0
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert cli.main(command) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    assert cli.main([*command, "--check"]) == 0
    capsys.readouterr()
    (folder / "manifests" / "old.yaml").write_text("old\n")
    (folder / "metadata" / "annotations.yaml").write_text("annotations: {}\n")
    assert cli.main([*command, "--check"]) == 1
    captured = capsys.readouterr()
    assert "-annotations: {}" in captured.out
    assert "old.yaml was not generated" in captured.err
    assert cli.main(command) == 0
    assert (folder / "manifests" / "old.yaml").exists()


def test_command_tells_a_mistake_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["generate", "--config", str(tmp_path / "pyproject.toml")]) == 1
    assert "Traceback" not in capsys.readouterr().err
