from __future__ import annotations

import pytest

from balise.checks.findings import Finding
from balise.checks.ignores import ignores_in, without_ignored
from balise.checks.suites.ignores import IGNORES_SUITE

TEXT = b"""\
# balise: ignore[BAL1101]
# a reason in words
a: 1
b: 2  # balise: ignore[bal1102, BAL1103]
c: '# balise: ignore[BAL1104]'
d: |
  # balise: ignore[BAL1105]
e: x# balise: ignore[BAL1106]
"""


def _finding(line: int, code: str, file: str = "f") -> Finding:
    return Finding("csv", "error", code, "", "", "wrong", file, line, 1)


def test_comments_speak_for_their_line_or_the_next_one_that_is_no_comment() -> None:
    assert [(each.code, sorted(each.lines)) for each in ignores_in(TEXT)] == [
        ("BAL1101", [1, 3]),
        ("bal1102", [4]),
        ("BAL1103", [4]),
    ]


def test_a_file_without_ignores_is_not_parsed() -> None:
    assert ignores_in(b"\tnot: yaml [") == ()


def test_comments_are_found_in_a_file_that_is_not_yaml() -> None:
    assert [each.code for each in ignores_in(b"a: 1 # balise: ignore[BAL1101]\n\tb")] == ["BAL1101"]


@pytest.mark.parametrize(
    ("finding", "kept"),
    [
        (_finding(3, "BAL1101"), False),
        (_finding(4, "BAL1102"), False),
        (_finding(4, "BAL1101"), True),
        (_finding(3, "BAL1101", "another"), True),
        (_finding(0, "BAL1101"), True),
    ],
)
def test_only_that_code_on_that_line_is_silenced(finding: Finding, kept: bool) -> None:
    assert without_ignored([finding], {"f": TEXT}, ["csv"]) == ((finding,) if kept else ())


def test_what_ignores_nothing_is_a_finding() -> None:
    found = without_ignored([_finding(4, "BAL1102")], {"f": TEXT}, ["csv", IGNORES_SUITE])
    assert [(each.code, each.line, each.column) for each in found] == [("BAL0001", 1, 1), ("BAL0001", 4, 7)]
    assert "BAL1103" in found[1].message


def test_ignores_of_suites_that_did_not_run_are_not_judged() -> None:
    assert without_ignored([], {"f": TEXT}, ["object", IGNORES_SUITE]) == ()


@pytest.mark.parametrize(("comment", "word"), [("ignore", "no code"), ("ignore[]", "no code"), ("ignore[X1]", "'X1'")])
def test_unknown_codes_are_findings(comment: str, word: str) -> None:
    (found,) = without_ignored([], {"f": f"a: 1 # balise: {comment}".encode()}, [IGNORES_SUITE])
    assert found.code == "BAL0002"
    assert word in found.message
