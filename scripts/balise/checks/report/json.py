"""The report for programs. Its fields are stable: some may be added, none changes its meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from balise.checks.fixes import FIXABLE

if TYPE_CHECKING:
    from balise.checks.findings import Finding
    from balise.checks.report.outcome import Outcome

__all__ = ["render"]


def render(outcome: Outcome) -> str:
    """One object: ``bundles`` and ``catalogs``, each with its path, its verdict and its findings."""
    document = {
        "bundles": [
            {
                "path": bundle.path,
                "loadError": bundle.load_error,
                "loadProblems": [_finding(each) for each in bundle.load_problems],
                "findings": [_finding(each) for each in bundle.findings],
            }
            for bundle in outcome.bundles
        ],
        "catalogs": [
            {"path": catalog.path, "valid": catalog.valid, "findings": [_finding(each) for each in catalog.findings]}
            for catalog in outcome.catalogs
        ],
    }
    # Escaped: an input's lone surrogates must not keep the report from being written.
    return json.dumps(document, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "suite": finding.suite,
        "level": finding.level,
        "code": finding.code,
        "type": finding.type,
        "field": finding.field,
        "message": finding.message,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "endColumn": finding.end_column,
        "hint": finding.hint,
        "fixable": finding.code in FIXABLE,
    }
