"""Each form of the report, read by what it is made for: a JSON or XML parser, GitHub's rules of escaping, a person."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from balise.checks.catalog import CatalogReport
from balise.checks.findings import Finding
from balise.checks.registry import checks
from balise.checks.report import FORMATS, Outcome, render
from balise.checks.runner import Report

NASTY = 'a "b" <c> & 100%, d: e\n\x1b[0m\ud800]]>'
FOUND = Finding(
    "csv", "error", "BAL1116", "ValidationFailed", "metadata.annotations", "the annotation x must be written X",
    "bundle/ü b/csv.yaml", 12, 5, "write it right", 8, "    x: 'ü漢字' # why",
)  # fmt: skip
PLACELESS = Finding("bundleformat", "warning", "BAL3001", "BundleNotValid", "", NASTY)
PROBLEM = Finding("load", "error", "BAL1003", "LoadError", "", "not YAML", "broken/a.yaml", 3, 1)
OUTCOME = Outcome(
    (Report("bundle", (FOUND, PLACELESS)), Report("good"), Report("broken", load_problems=(PROBLEM,))),
    (CatalogReport("catalog", (Finding("catalog", "error", "BAL2001", "CatalogNotValid", "", "no", "c/x.yaml"),)),),
)


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_can_be_written_and_is_the_same_each_time(form: str) -> None:
    text = render(OUTCOME, form)
    assert text == render(OUTCOME, form)
    assert text.endswith("\n")


def test_json_is_the_stable_interface() -> None:
    document = json.loads(render(OUTCOME, "json"))
    assert [(each["path"], each["loadError"]) for each in document["bundles"]] == [
        ("bundle", None),
        ("good", None),
        ("broken", "broken/a.yaml: not YAML"),
    ]
    finding = document["bundles"][0]["findings"][0]
    for name in ("suite", "level", "code", "type", "field", "message", "file", "line", "column"):
        assert finding[name] == getattr(FOUND, name)
    assert finding["fixable"] is True
    assert document["bundles"][2]["findings"] == []
    assert document["catalogs"][0]["valid"] is False


def _sarif() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(OUTCOME, "sarif"))
    return document


def test_sarif_has_what_the_standard_requires() -> None:
    # SARIF 2.1.0: 3.13 sarifLog, 3.14 run, 3.18 tool, 3.19 toolComponent, 3.27 result, 3.28-3.30 location and region.
    document = _sarif()
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "balise"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["helpUri"].endswith(rule["id"].lower())
        assert rule["defaultConfiguration"]["level"] in ("error", "warning")
    assert len(run["results"]) == 4
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert ids[result["ruleIndex"]] == result["ruleId"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert re.fullmatch(r"[!-~]+", physical["artifactLocation"]["uri"])
        region = physical.get("region")
        if region:
            assert region["startLine"] >= 1
            assert region.get("endColumn", 10**6) > region["startColumn"] >= 1
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startColumn"] == 5


def test_sarif_fingerprints_stay_when_lines_move_and_differ_when_a_finding_is_there_twice() -> None:
    def prints(*lines: int) -> list[str]:
        found = tuple(Finding("csv", "error", "BAL1116", "", "", "m", "f", line, 1) for line in lines)
        document = json.loads(render(Outcome((Report("b", found),)), "sarif"))
        return [each["partialFingerprints"]["balise/v1"] for each in document["runs"][0]["results"]]

    assert prints(3, 9) == prints(4, 10)
    assert len(set(prints(3, 9))) == 2


def test_github_escapes_what_would_end_a_command() -> None:
    lines = render(OUTCOME, "github").splitlines()
    assert len(lines) == 4
    assert lines[0] == (
        "::error file=bundle/ü b/csv.yaml,line=12,col=5,endColumn=7,title=balise BAL1116"
        "::the annotation x must be written X%0ATo fix: write it right"
    )
    assert lines[1].startswith("::warning file=bundle,title=balise BAL3001::a ")
    assert "100%25, d: e%0A" in lines[1]
    odd = Outcome((Report("b", (Finding("csv", "error", "X", "", "", "m", "a:b,c%d\r.yaml"),)),))
    assert render(odd, "github").startswith("::error file=a%3Ab%2Cc%25d%0D.yaml,")


def test_junit_is_xml_whatever_was_found() -> None:
    root = ET.fromstring(render(OUTCOME, "junit"))
    assert root.tag == "testsuites"
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["bundle", "good", "broken", "catalog"]
    for suite in suites:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    assert root.get("tests") == "5"
    assert root.get("failures") == "3"
    failure = suites[0].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == FOUND.message
    output = suites[0].find("testcase/system-out")
    assert output is not None
    assert output.text == NASTY.replace("\x1b", "\ufffd").replace("\ud800", "\ufffd")


def test_text_points_at_the_place_and_shows_what_is_expected_once() -> None:
    text = render(Outcome((Report("bundle", (FOUND, FOUND)),)), "text")
    lines = text.splitlines()
    assert lines[0] == "bundle/ü b/csv.yaml:12:5: error BAL1116 the annotation x must be written X"
    assert lines[2] == " 12 |     x: 'ü漢字' # why"
    assert lines[3] == "    |     ^^^"
    assert text.count("to fix: write it right (balise check --fix does it)") == 2
    assert text.count("expected, for example:") == 1
    assert text.count("balise explain BAL1116") == 1
    assert lines[-2:] == [
        "2 errors in 1 bundle",
        "2 of them may be mended by balise itself: look with --diff, mend with --fix",
    ]


def test_carets_are_under_wide_characters_and_tabs() -> None:
    found = Finding("csv", "error", "X", "", "", "m", "f", 1, 4, end_column=6, excerpt="\t漢: 字字")
    lines = render(Outcome((Report("b", (found,)),)), "text").splitlines()
    assert lines[3] == "   | \t   ^^^"[:3] + "| \t   ^^^"


def test_long_lines_are_cut_around_the_place() -> None:
    found = Finding(
        "csv", "error", "X", "", "", "m", "f", 1, 501, end_column=505, excerpt="x" * 500 + "HERE" + "y" * 500
    )
    lines = render(Outcome((Report("b", (found,)),)), "text", width=80).splitlines()
    assert len(lines[2]) <= 80
    assert lines[2].index("HERE") == lines[3].index("^^^^")


def test_color_and_links_only_where_asked() -> None:
    assert "\x1b" not in render(Outcome((Report("b", (FOUND,)),)), "text")
    text = render(Outcome((Report("b", (FOUND,)),)), "text", color=True)
    assert "\x1b[1;31merror\x1b[0m" in text
    assert "\x1b]8;;https://timonier.dev/docs/checks#bal1116\x1b\\" in text


def test_nothing_found_is_said() -> None:
    assert render(Outcome((Report("b"),)), "text") == "nothing to complain about in 1 bundle\n"


def test_every_check_s_page_fits_into_sarif() -> None:
    found = tuple(Finding("x", each.level, each.code, "", "", "m") for each in checks())
    document = json.loads(render(Outcome((Report("b", found),)), "sarif"))
    assert len(document["runs"][0]["tool"]["driver"]["rules"]) == len(checks())
