from __future__ import annotations

from pathlib import Path

import pytest

from balise.checks.findings import Finding
from balise.checks.runner import Report
from balise.checks.settings import Settings, read_settings
from balise.model.errors import InputError


def _settings(folder: Path, table: str) -> Settings:
    path = folder / "pyproject.toml"
    path.write_text(table)
    return read_settings(path)


def test_reads_the_table(tmp_path: Path) -> None:
    settings = _settings(
        tmp_path,
        """
        [tool.balise.check]
        profile = "reference"
        suites = ["csv"]
        without-suites = ["crd"]
        kube-version = "1.31"
        ignore = ["bal1103"]
        baseline = "known.json"
        [tool.balise.check.severity]
        bal1113 = "error"
        goodpractices = "off"
        """,
    )
    weights = {"BAL1113": "error", "goodpractices": "off", "BAL1103": "off"}
    assert settings == Settings("reference", ("csv",), ("crd",), "1.31", weights, tmp_path / "known.json")


@pytest.mark.parametrize("text", ["", "[tool.balise]\nx = 1", "tool = 1"])
def test_no_table_is_no_setting(tmp_path: Path, text: str) -> None:
    assert _settings(tmp_path, text) == Settings()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("suits = []", "did you mean suites"),
        ('profile = "referenc"', "did you mean reference"),
        ('suites = ["csvs"]', "did you mean csv"),
        ("suites = 1", "list of texts"),
        ("kube-version = 1.31", "must be text"),
        ('ignore = ["BAL11O3"]', "no code or suite 'BAL11O3'"),
        ('severity = "x"', "must be a table"),
        ('severity = {BAL1113 = "fatal"}', "error, warning, off"),
        ("= 1", "not valid TOML"),
    ],
)
def test_says_what_is_wrong(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _settings(tmp_path, f"[tool.balise.check]\n{table}")


def test_a_code_weighs_more_than_its_suite() -> None:
    settings = Settings(severity={"csv": "off", "BAL1113": "warning"})
    dropped = Finding("csv", "error", "BAL1101", "", "", "")
    kept = Finding("csv", "error", "BAL1113", "", "", "")
    report = settings.weigh_report(Report("b", (dropped, kept)))
    assert [(each.code, each.level) for each in report.findings] == [("BAL1113", "warning")]
