"""Running suites of checks on bundles: what to run, and what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from balise.checks.findings import Finding
from balise.checks.ignores import without_ignored
from balise.checks.registry import OPTIONAL_SUITES, REFERENCE_SUITES, Check, Options, Violation, suites
from balise.checks.suites.catalog import CATALOG_SUITE
from balise.checks.suites.ignores import IGNORES_SUITE
from balise.checks.suites.load import LOAD_CHECKS, LOAD_SUITE
from balise.model.bundle import (
    Bundle,
    BundleFiles,
    BundleLoadError,
    LoadProblem,
    load_bundle_files,
    read_bundle_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from balise.model.documents import Memo
    from balise.model.errors import InputError

__all__ = ["PROFILES", "Report", "Run", "check_bundle", "check_files", "check_loaded", "run_suites", "unreadable"]

_MAX_MESSAGE: Final = 1000

PROFILES: Final = ("default", "reference")
"""``reference`` runs exactly the suites of the reference's recorded verdicts; ``default`` those and ours."""


@dataclass(frozen=True, slots=True)
class Run:
    """What to run."""

    suites: tuple[str, ...] = REFERENCE_SUITES
    options: Options = field(default_factory=Options)
    merge: bool = False
    """Say only once what several suites say of one place."""

    @classmethod
    def of_profile(cls, profile: str, options: Options = Options()) -> Run:  # noqa: B008 (a constant value)
        """What a profile runs."""
        if profile == "reference":
            return cls(REFERENCE_SUITES, replace(options, exact=True))
        further = sorted(suites().keys() - {LOAD_SUITE, CATALOG_SUITE, *REFERENCE_SUITES, *OPTIONAL_SUITES})
        return cls((*REFERENCE_SUITES, *further), options, merge=True)


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say about one bundle."""

    path: str
    findings: tuple[Finding, ...] = ()
    load_problems: tuple[Finding, ...] = ()
    """Why the directory is no bundle, of suite ``load``; then nothing else was checked."""

    @property
    def load_error(self) -> str | None:
        """The load problems as one text; None for a bundle."""
        if not self.load_problems:
            return None
        return "; ".join(f"{each.file}: {each.message}" if each.file else each.message for each in self.load_problems)

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return bool(self.load_problems) or any(finding.level == "error" for finding in self.findings)


def check_bundle(path: Path | str, run: Run) -> Report:
    """Load the directory and run the suites on it; raises InputError where *path* is no directory to read."""
    return check_files(read_bundle_files(path), str(path), run)


def check_files(files: BundleFiles, path: str, run: Run, memo: Memo | None = None) -> Report:
    """Like :func:`check_bundle`, of files that are read already; texts that *memo* knows are read no more."""
    try:
        bundle = load_bundle_files(files, memo)
    except BundleLoadError as error:
        return Report(path, load_problems=tuple(_load_finding(problem) for problem in error.problems))
    return replace(check_loaded(bundle, run), path=path)


def check_loaded(bundle: Bundle, run: Run) -> Report:
    """Run the suites on a bundle that is loaded already."""
    findings = tuple(run_suites(bundle, run))
    if IGNORES_SUITE in run.suites:
        files = {f"{bundle.path}/{name}": data for name, data in bundle.files.items()}
        findings = without_ignored(findings, files, run.suites)
    return Report(bundle.path, findings)


def run_suites(bundle: Bundle, run: Run) -> Iterator[Finding]:
    """The findings, suite by suite."""
    seen = set()
    known = suites()
    for suite in run.suites:
        for check in known.get(suite, ()):
            for finding in _findings(check, suite, bundle, run.options):
                key = (finding.code, finding.file, finding.line, finding.column, finding.message)
                if not run.merge or key not in seen:
                    yield finding
                seen.add(key)


def _findings(check: Check, suite: str, bundle: Bundle, options: Options) -> Iterator[Finding]:
    violations: Iterable[Violation] = check.rule(bundle, options) if check.rule else ()
    for violation in violations:
        kind, level = violation.type or check.type, violation.level or check.level
        message, hint = _shortened(violation.message), violation.hint or check.hint
        document = violation.document
        if document is None:
            yield Finding(suite, level, check.code, kind, violation.field, message, hint=hint)
            continue
        span = document.span(violation.path, key_itself=violation.key_itself)
        yield Finding(
            suite,
            level,
            check.code,
            kind,
            violation.field,
            message,
            document.file,
            span.start.line,
            span.start.column,
            hint,
            span.end_column,
            document.source_line(span.start.line),
        )


def _shortened(message: str) -> str:
    """The message, which may quote what somebody wrote, at a length that can be shown."""
    if len(message) <= _MAX_MESSAGE:
        return message
    return f"{message[: _MAX_MESSAGE - 301]}…{message[-300:]}"


def unreadable(path: str, error: InputError) -> Finding:
    """Why a directory could not be read at all, as a finding."""
    check = LOAD_CHECKS["unreadable"]
    return Finding(
        LOAD_SUITE, "error", check.code, check.type, "", error.message, path, hint=error.way_out or check.hint
    )


def _load_finding(problem: LoadProblem) -> Finding:
    check = LOAD_CHECKS[problem.kind]
    file, line, column = problem.position
    excerpt = problem.source.source_line(line) if problem.source else ""
    return Finding(
        LOAD_SUITE,
        "error",
        check.code,
        check.type,
        "",
        _shortened(problem.message),
        file,
        line,
        column,
        check.hint,
        column + 1,
        excerpt,
    )
