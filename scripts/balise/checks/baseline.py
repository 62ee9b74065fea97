"""Baselines: what was wrong on the day a repository adopted the checks, so that only what is new is reported.

A baseline is a JSON file made to be committed and read in review. A finding is known by its code, its file (relative to
the baseline's folder) and its message, not by its line: what is inserted above it does not bring it back.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from balise.checks.runner import Report
from balise.model.atomic_file import write_atomically
from balise.model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from balise.checks.findings import Finding

__all__ = ["Baseline", "read_baseline", "write_baseline"]

_VERSION = 1


class _Known(NamedTuple):
    file: str
    code: str
    message: str


class Baseline:
    """The findings of a baseline that have not been met yet. Each entry hides as many findings as it counts."""

    def __init__(self, folder: Path, entries: Counter[_Known]) -> None:
        self._folder = folder
        self._left = entries
        self.met = 0
        """Findings that were left out so far."""

    @property
    def left(self) -> int:
        """Findings of the baseline that were not met (yet)."""
        return self._left.total()

    def without_known(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings that are new."""
        return tuple(finding for finding in findings if not self._meet(finding))

    def new_in(self, report: Report) -> Report:
        """The report without what is known."""
        return replace(
            report,
            findings=self.without_known(report.findings),
            load_problems=self.without_known(report.load_problems),
        )

    def _meet(self, finding: Finding) -> bool:
        known = _known(finding, self._folder)
        if not self._left[known]:
            return False
        self._left[known] -= 1
        self.met += 1
        return True


def _known(finding: Finding, folder: Path) -> _Known:
    file = Path(os.path.relpath(finding.file, folder)).as_posix() if finding.file else ""
    return _Known(file, finding.code, finding.message)


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises InputError where it is none."""
    way_out = "write it again with --write-baseline"
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", place=str(path), way_out=way_out) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no baseline: {error}", place=str(path), way_out=way_out) from None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise InputError(f"is no baseline of version {_VERSION}", place=str(path), way_out=way_out)
    entries: Counter[_Known] = Counter()
    found = document.get("findings")
    for index, entry in enumerate(found if isinstance(found, list) else [None]):
        match entry:
            case {"file": str(file), "code": str(code), "message": str(message)} if _is_count(entry.get("count", 1)):
                entries[_Known(file, code, message)] += entry.get("count", 1)
            case _:
                raise InputError(f"findings[{index}] is no finding", place=str(path), way_out=way_out)
    return Baseline(path.parent, entries)


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def write_baseline(path: Path, findings: Iterable[Finding]) -> int:
    """Write the findings as a baseline, sorted, and return how many there are."""
    counted = Counter(_known(finding, path.parent) for finding in findings)
    entries = [known._asdict() | ({"count": count} if count > 1 else {}) for known, count in sorted(counted.items())]
    text = json.dumps({"version": _VERSION, "findings": entries}, indent=2) + "\n"
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", place=str(path)) from None
    return counted.total()
