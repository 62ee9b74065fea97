"""SARIF 2.1.0 (OASIS), as code scanning services read it."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from balise.checks.registry import Check, find_check
from balise.checks.report.text import DOCUMENTATION

if TYPE_CHECKING:
    from balise.checks.findings import Finding
    from balise.checks.report.outcome import Outcome

__all__ = ["render"]

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(outcome: Outcome) -> str:
    """One run with the rules that found something, and a result for each finding."""
    found = [(path, finding) for path, findings in outcome.parts() for finding in findings]
    codes = sorted({finding.code for _, finding in found})
    rules = [_rule(code, find_check(code)) for code in codes]
    indexes = {code: index for index, code in enumerate(codes)}
    seen: dict[str, int] = {}
    results = [_result(path, finding, indexes[finding.code], seen) for path, finding in found]
    run = {
        "tool": {
            "driver": {
                "name": "balise",
                "version": version("timonier"),
                "informationUri": "https://timonier.dev/docs",
                "rules": rules,
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: str, check: Check | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code, "helpUri": f"{DOCUMENTATION}#{code.lower()}"}
    if check is None:
        return rule
    return rule | {
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.explanation or check.title},
        "help": {"text": f"{check.explanation}\n\n{check.example}\n\nTo fix: {check.hint}"},
        "defaultConfiguration": {"level": check.level},
        "properties": {"tags": list(check.suites)},
    }


def _result(path: str, finding: Finding, index: int, seen: dict[str, int]) -> dict[str, Any]:
    file = finding.file or path
    physical: dict[str, Any] = {"artifactLocation": _location(file)}
    if finding.line:
        region: dict[str, Any] = {"startLine": finding.line, "startColumn": max(1, finding.column)}
        if finding.end_column > finding.column:
            region["endColumn"] = finding.end_column
        if finding.excerpt:
            region["snippet"] = {"text": finding.excerpt}
        physical["region"] = region
    # The same whatever is inserted above it, so that a service can follow a finding from one commit to the next.
    stable = "\0".join((finding.code, file, finding.message)).encode("utf-8", "surrogatepass")
    fingerprint = hashlib.sha256(stable).hexdigest()[:32]
    seen[fingerprint] = seen.get(fingerprint, 0) + 1
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.level,
        "message": {"text": f"{finding.message}. To fix: {finding.hint}" if finding.hint else finding.message},
        "locations": [{"physicalLocation": physical}],
        "partialFingerprints": {"balise/v1": f"{fingerprint}:{seen[fingerprint]}"},
    }


def _location(file: str) -> dict[str, str]:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix(), errors="surrogatepass"), "uriBaseId": "%SRCROOT%"}
