"""The ``[tool.balise.check]`` table of pyproject.toml: what is checked, and how much each finding weighs.

    [tool.balise.check]
    profile = "default"               # or "reference"
    suites = ["csv", "bundle"]        # instead of the profile's
    without-suites = ["scorecard"]
    kube-version = "1.31"
    ignore = ["BAL1103"]
    baseline = "balise-baseline.json" # relative to pyproject.toml

    [tool.balise.check.severity]
    BAL1113 = "error"                 # a code or a suite; "error", "warning" or "off"
    goodpractices = "off"

What is given on the command line comes before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from balise.checks.registry import checks, find_check, suites
from balise.checks.runner import PROFILES, Report
from balise.model.errors import InputError

if TYPE_CHECKING:
    from balise.checks.findings import Finding, Level

__all__ = ["Settings", "known_suites", "read_settings", "severities"]

_WEIGHTS: Final = ("error", "warning", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """The table, or what stands for one that is not there. Empty fields leave the choice to the command line."""

    profile: str = ""
    suites: tuple[str, ...] = ()
    without_suites: tuple[str, ...] = ()
    kube_version: str = ""
    severity: Mapping[str, str] = field(default_factory=dict)
    """``error``, ``warning`` or ``off`` for codes and for suites; a code's counts more than its suite's."""
    baseline: Path | None = None

    def weigh(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings that are not off, at the level that they are given here."""
        return tuple(self._weighed(findings)) if self.severity else tuple(findings)

    def _weighed(self, findings: Iterable[Finding]) -> Iterable[Finding]:
        for finding in findings:
            weight = self.severity.get(finding.code) or self.severity.get(finding.suite)
            if weight is None:
                yield finding
            elif weight != "off":
                yield replace(finding, level=cast("Level", weight))

    def weigh_report(self, report: Report) -> Report:
        """The report with its findings weighed; why a bundle cannot be loaded stays an error."""
        return replace(report, findings=self.weigh(report.findings)) if self.severity else report


def severities(pairs: Iterable[tuple[str, str]], *, place: str) -> dict[str, str]:
    """Weights of codes and suites, checked; raises InputError for unknown ones, saying what may be meant."""
    found = {}
    for name, weight in pairs:
        if weight not in _WEIGHTS:
            raise InputError(
                f"severity of {name} is {weight!r}", place=place, way_out=f"use one of {', '.join(_WEIGHTS)}"
            )
        known = find_check(name)
        if known is None and name not in suites():
            raise _unknown("code or suite", name, [*(each.code for each in checks()), *suites()], place)
        found[known.code if known else name] = weight
    return found


def _unknown(what: str, name: str, known: Iterable[str], place: str) -> InputError:
    import difflib  # noqa: PLC0415 (only for a mistake)

    known = sorted(known)
    near = difflib.get_close_matches(name, known, 3, 0.6)
    way_out = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known[:40])}"
    return InputError(f"there is no {what} {name!r}", place=place, way_out=way_out)


def read_settings(path: Path) -> Settings:
    """The settings in a pyproject.toml; the default ones where it has no such table. Raises InputError."""
    import tomllib  # noqa: PLC0415 (only for projects that have one)

    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", place=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not valid TOML: {error}", place=str(path)) from None
    table: Any = document
    for name in ("tool", "balise", "check"):
        table = table.get(name) if isinstance(table, dict) else None
    if table is None:
        return Settings()
    place = f"{path}: tool.balise.check"
    if not isinstance(table, dict):
        raise InputError("must be a table", place=place)
    known = ("profile", "suites", "without-suites", "kube-version", "ignore", "severity", "baseline")
    for key in table:
        if key not in known:
            raise _unknown("setting", key, known, place)
    profile, baseline = _text(table, "profile", place), _text(table, "baseline", place)
    if profile and profile not in PROFILES:
        raise _unknown("profile", profile, PROFILES, place)
    severity = table.get("severity", {})
    if not isinstance(severity, dict):
        raise InputError("severity must be a table", place=place, way_out='write, for example, BAL1113 = "error"')
    off = [(code, "off") for code in _texts(table, "ignore", place)]
    return Settings(
        profile,
        known_suites(_texts(table, "suites", place), place=place),
        known_suites(_texts(table, "without-suites", place), place=place),
        _text(table, "kube-version", place),
        severities([*severity.items(), *off], place=place),
        path.parent / baseline if baseline else None,
    )


def known_suites(names: Iterable[str], *, place: str) -> tuple[str, ...]:
    """The names, each of which must be a suite's. Raises InputError."""
    names = tuple(names)
    for name in names:
        if name not in suites():
            raise _unknown("suite", name, suites(), place)
    return names


def _text(table: Mapping[str, Any], key: str, place: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise InputError(f"{key} must be text, not {value!r}", place=place)
    return value


def _texts(table: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{key} must be a list of texts, not {value!r}", place=place)
    return tuple(value)
