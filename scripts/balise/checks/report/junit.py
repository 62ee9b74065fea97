"""JUnit's XML, as test servers read it: a suite for each bundle or catalog, a case for each finding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from balise.checks.findings import Finding
    from balise.checks.report.outcome import Outcome

__all__ = ["render"]

# XML 1.0 has no way of writing these, not even escaped.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(outcome: Outcome) -> str:
    """The document. An error is a failure; warnings are a passed case's output."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    errors = sum(finding.level == "error" for finding in outcome.findings())
    suites = list(outcome.parts())
    cases = [_cases(path, findings) for path, findings in suites]
    tests = sum(number for number, _ in cases)
    lines.append(f'<testsuites name="balise check" tests="{tests}" failures="{errors}" errors="0">')
    for (path, findings), (number, written) in zip(suites, cases, strict=True):
        failures = sum(finding.level == "error" for finding in findings)
        lines.append(f'  <testsuite name={_attribute(path)} tests="{number}" failures="{failures}" errors="0">')
        lines += written
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _cases(path: str, findings: tuple[Finding, ...]) -> tuple[int, list[str]]:
    """How many cases there are, and their XML: one for each finding, so that a server can follow each by its name."""
    if not findings:
        return 1, [f'    <testcase classname={_attribute(path)} name="balise check"/>']
    return len(findings), [line for finding in findings for line in _case(path, finding)]


def _case(path: str, finding: Finding) -> Iterator[str]:
    place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)
    name = _attribute(f"{finding.code} {place}".rstrip())
    yield f"    <testcase classname={_attribute(f'{path}.{finding.suite}')} name={name}>"
    body = "\n".join(filter(None, [place, finding.message, finding.hint and f"To fix: {finding.hint}"]))
    if finding.level == "error":
        message = _attribute(finding.message)
        yield f"      <failure message={message} type={_attribute(finding.code)}>{_text(body)}</failure>"
    else:
        yield f"      <system-out>{_text(body)}</system-out>"
    yield "    </testcase>"


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _text(text: str) -> str:
    clean = _FORBIDDEN.sub("\ufffd", text)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
