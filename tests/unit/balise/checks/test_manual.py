from __future__ import annotations

import re
from pathlib import Path

import pytest

from balise import cli
from balise.checks.manual import SUITES, as_text, manual
from balise.checks.registry import Check, checks, find_check, suites

DOCS = Path(__file__).parents[4] / "docs" / "checks.md"


def test_the_manual_is_fresh() -> None:
    assert DOCS.read_text() == manual(), "run make generate and commit docs/checks.md"


def test_every_suite_has_its_line() -> None:
    assert suites().keys() == SUITES.keys()


@pytest.mark.parametrize("check", checks(), ids=lambda each: each.code)
def test_every_check_is_documented(check: Check) -> None:
    assert re.fullmatch(r"BAL\d{4}", check.code)
    assert check.title
    assert not check.title.endswith(".")
    assert len(check.explanation) > 25
    assert check.example
    assert "# instead" in check.example
    assert check.hint
    assert check.reference
    assert check.hint in as_text(check)


def test_explains_codes_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "bal1114", "BAL1101"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("BAL1114: ")
    assert "\nBAL1101: " in output


def test_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(checks())


def test_an_unknown_code_gets_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert find_check("BAL3333") is None
    assert cli.main(["explain", "BAL3333"]) == 1
    assert "did you mean BAL33" in capsys.readouterr().err


def test_tells_a_stale_file_from_a_fresh_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["explain", "--all", "--format", "markdown", "--output", str(tmp_path / "checks.md")]
    assert cli.main([*arguments, "--check"]) == 1
    assert cli.main(arguments) == 0
    assert cli.main([*arguments, "--check"]) == 0
    assert "is stale" in capsys.readouterr().err
