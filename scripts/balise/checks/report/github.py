"""Workflow commands that GitHub turns into annotations of the changed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balise.checks.findings import Finding
    from balise.checks.report.outcome import Outcome

__all__ = ["render"]


def render(outcome: Outcome) -> str:
    """One command for each finding."""
    return "".join(f"{_command(path, finding)}\n" for path, findings in outcome.parts() for finding in findings)


def _command(path: str, finding: Finding) -> str:
    properties = {"file": finding.file or path}
    if finding.line:
        properties |= {"line": str(finding.line), "col": str(finding.column)}
        if finding.end_column > finding.column:
            # GitHub highlights up to and including this column.
            properties["endColumn"] = str(finding.end_column - 1)
    properties["title"] = f"balise {finding.code}"
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = f"{finding.message}\nTo fix: {finding.hint}" if finding.hint else finding.message
    return f"::{finding.level} {written}::{_data(message)}"


def _data(text: str) -> str:
    """*text* escaped as the runner unescapes a command's message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
