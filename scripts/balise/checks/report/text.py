"""The report for people: each finding with its line, a caret, what to do, and where to read more."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from balise.checks.fixes import FIXABLE
from balise.checks.manual import example_parts
from balise.checks.registry import find_check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from balise.checks.findings import Finding
    from balise.checks.report.outcome import Outcome

__all__ = ["DOCUMENTATION", "clip", "render"]

DOCUMENTATION: Final = "https://timonier.dev/docs/checks"
"""The published docs/checks.md; each code is an anchor in it."""

_STYLES: Final = {"error": "1;31", "warning": "1;33", "bold": "1", "dim": "2", "place": "1;34", "good": "1;32"}


class _Painter:
    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.color and text else text

    def link(self, text: str, target: str) -> str:
        """A link that terminals make clickable, and that others show as its text."""
        return f"\x1b]8;;{target}\x1b\\{text}\x1b]8;;\x1b\\" if self.color else text


def render(outcome: Outcome, *, full: bool = True, color: bool = False, width: int = 120) -> str:
    """All findings and a summary."""
    paint = _Painter(color)
    lines: list[str] = []
    shown: set[str] = set()
    for _, findings in outcome.parts():
        # Suites are no order to work in: a person goes through a file from its beginning to its end.
        for finding in sorted(findings, key=lambda each: (each.file, each.line, each.column, each.code)):
            lines.append(_headline(finding, paint))
            if full:
                lines += _excerpt(finding, paint, width)
                lines += _advice(finding, paint, first=finding.code not in shown)
                lines.append("")
                shown.add(finding.code)
    lines += _summary(outcome, paint)
    return "\n".join(lines) + "\n"


def _headline(finding: Finding, paint: _Painter) -> str:
    place = f"{paint('bold', _place(finding))}: " if finding.file else ""
    code = paint.link(paint(finding.level, finding.code), f"{DOCUMENTATION}#{finding.code.lower()}")
    return f"{place}{paint(finding.level, finding.level)} {code} {finding.message}"


def _place(finding: Finding) -> str:
    return ":".join([finding.file, *(str(number) for number in (finding.line, finding.column) if number)])


def _excerpt(finding: Finding, paint: _Painter, width: int) -> Iterator[str]:
    if not finding.line or not finding.excerpt.strip():
        return
    number = str(finding.line)
    margin = " " * len(number)
    bar = paint("place", "|")
    text, start, end = clip(finding.excerpt, finding.column - 1, finding.end_column - 1, width - len(number) - 4)
    indent = "".join("\t" if character == "\t" else " " * _columns(character) for character in text[:start])
    yield f" {margin} {bar}"
    yield f" {paint('place', number)} {bar} {text}"
    yield f" {margin} {bar} {indent}{paint(finding.level, '^' * max(1, sum(map(_columns, text[start:end]))))}"


def clip(line: str, start: int, end: int, width: int) -> tuple[str, int, int]:
    """The part of a line that is shown, at most *width* characters, and where ``line[start:end]`` is in it.

    >>> clip("spec: {icon: []}", 6, 16, 40)
    ('spec: {icon: []}', 6, 16)
    >>> clip("x" * 10 + "HERE" + "y" * 90, 10, 14, 20)
    ('xxxxxxxxxxHEREyyyyy…', 10, 14)
    """
    if width < 10 or len(line) <= width:
        return line, start, min(end, len(line))
    first = min(max(0, start - width // 2), len(line) - width)
    text = line[first : first + width]
    if first:
        text = f"…{text[1:]}"
    if first + width < len(line):
        text = f"{text[:-1]}…"
    return text, start - first, min(end - first, len(text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _advice(finding: Finding, paint: _Painter, *, first: bool) -> Iterator[str]:
    margin = " " * (len(str(finding.line)) + 2) if finding.line else "  "
    sign = paint("place", "=")
    check = find_check(finding.code)
    if finding.hint:
        fixable = paint("good", " (balise check --fix does it)") if finding.code in FIXABLE else ""
        yield f"{margin}{sign} {paint('bold', 'to fix')}: {finding.hint}{fixable}"
    if first and check:
        _, _, instead = example_parts(check)
        # What is expected, shown: once for each check, and only where it is short enough not to drown the finding.
        if instead and instead.count("\n") < 8:
            yield f"{margin}{sign} {paint('bold', 'expected')}, for example:"
            yield from (f"{margin}     {paint('dim', line)}" for line in instead.splitlines())
        yield f"{margin}{sign} {paint('bold', 'why')}: balise explain {finding.code}"


def _summary(outcome: Outcome, paint: _Painter) -> Iterator[str]:
    findings = list(outcome.findings())
    errors = sum(finding.level == "error" for finding in findings)
    warnings = len(findings) - errors
    counts = [
        count(number, word)
        for number, word in ((len(outcome.bundles), "bundle"), (len(outcome.catalogs), "catalog"))
        if number
    ]
    where = f" in {' and '.join(counts)}" if counts else ""
    if not findings:
        yield paint("good", f"nothing to complain about{where}")
    else:
        said = " and ".join(
            count(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number
        )
        yield paint("error" if errors else "warning", f"{said}{where}")
    if fixable := sum(finding.code in FIXABLE for finding in findings):
        yield f"{fixable} of them may be mended by balise itself: look with --diff, mend with --fix"
    if outcome.known:
        yield f"{count(outcome.known, 'finding')} of the baseline left out"
    if outcome.gone:
        yield f"{count(outcome.gone, 'finding')} of the baseline no longer there: write it again with --write-baseline"


def count(number: int, word: str) -> str:
    """A number and its word.

    >>> count(1, "error"), count(2, "error")
    ('1 error', '2 errors')
    """
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
