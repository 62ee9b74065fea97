"""What the person who runs ``balise check`` wants, from the command line and pyproject.toml; and inputs as folders."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from balise.checks.registry import Options
from balise.checks.runner import Report, Run
from balise.checks.settings import Settings, known_suites, read_settings, severities
from balise.model.errors import InputError

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterable, Iterator, Sequence

    from balise.checks.baseline import Baseline
    from balise.checks.catalog import CatalogReport
    from balise.checks.findings import Finding
    from balise.model.image_index import Platform

__all__ = ["Images", "Wishes", "mend", "wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to run, and what becomes of the findings."""

    run: Run
    settings: Settings
    baseline: Path | None

    def shaped(self, report: Report, baseline: Baseline | None) -> Report:
        """The report with its findings weighed, and without those that are known."""
        weighed = self.settings.weigh_report(report)
        return baseline.new_in(weighed) if baseline else weighed

    def shaped_catalog(self, report: CatalogReport, baseline: Baseline | None) -> CatalogReport:
        """The same for a catalog."""
        findings = self.settings.weigh(report.findings)
        return replace(report, findings=baseline.without_known(findings) if baseline else findings)


def wishes(args: argparse.Namespace, options: Options, pyproject: Path | None) -> Wishes:
    """The wishes of the command line before those of pyproject.toml. Raises InputError for unknown suites and codes."""
    # A profile or suites on the command line mean exactly these, whatever the project's own choice is.
    chosen = bool(args.profile or args.suite)
    settings = read_settings(pyproject) if pyproject and args.profile != "reference" else Settings()
    pairs = [(name, weight) for name, _, weight in (each.partition("=") for each in args.severity)]
    severity = severities([*pairs, *((code, "off") for code in args.ignore)], place="command line")
    options = replace(
        options,
        kube_version=options.kube_version or settings.kube_version,
        platforms=dict(_platforms(args.image_index)),
    )
    run = Run.of_profile(args.profile or settings.profile or "default", options)
    if suites := known_suites(args.suite, place="--suite") or (() if chosen else settings.suites):
        run = replace(run, suites=suites)
    without = {*known_suites(args.without_suite, place="--without-suite"), *(() if chosen else settings.without_suites)}
    run = replace(run, suites=tuple(suite for suite in run.suites if suite not in without))
    settings = replace(settings, severity={**settings.severity, **severity})
    return Wishes(run, settings, args.baseline or settings.baseline)


def _platforms(arguments: Sequence[str]) -> Iterator[tuple[str, frozenset[Platform]]]:
    from balise.model.image_index import read_platforms  # noqa: PLC0415 (rarely wanted)

    for argument in arguments:
        image, equals, file = argument.rpartition("=")
        if not equals:
            raise InputError(f"{argument!r} names no image", place="--image-index", way_out="write IMAGE=FILE")
        yield image, read_platforms(Path(file))


class Images:
    """Inputs as folders: images are unpacked into temporary ones, and reports speak of the image again."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._names: dict[str, str] = {}
        self.folders = [self._folder(path) for path in paths]

    def _folder(self, path: str) -> str:
        if os.path.isdir(path) and not os.path.exists(f"{path}/oci-layout"):  # noqa: PTH110, PTH112 (as it was given)
            return path
        from balise.model.image_archive import is_image, unpack  # noqa: PLC0415 (rarely wanted, and slow to import)

        if not is_image(Path(path)):
            return path
        if self._temporary is None:
            import tempfile  # noqa: PLC0415

            self._temporary = tempfile.TemporaryDirectory(prefix="balise-")
        folder = f"{self._temporary.name}/{len(self._names)}"
        unpack(Path(path), Path(folder))
        self._names[folder] = path
        return folder

    def __enter__(self) -> Images:
        return self

    def __exit__(self, *_: object) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def __bool__(self) -> bool:
        return bool(self._names)

    def named(self, reports: Iterable[Report]) -> Iterator[Report]:
        """The reports with the names that were given: ``bundle.tar`` and ``bundle.tar!/manifests/csv.yaml``."""
        for report in reports:
            path = self._names.get(report.path)
            yield report if path is None else self._renamed(report, path)

    def _renamed(self, report: Report, path: str) -> Report:
        def renamed(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
            return tuple(
                replace(each, file=f"{path}!{each.file.removeprefix(report.path)}" if each.file else "")
                for each in findings
            )

        return replace(
            report, path=path, findings=renamed(report.findings), load_problems=renamed(report.load_problems)
        )


def mend(reports: Sequence[Report], *, write: bool) -> tuple[str, frozenset[str]]:
    """Fix what can be fixed safely: a diff of it, and the paths of the bundles that it changes (or would)."""
    from balise.checks.fixes import FIXABLE, bundle_fixes, write_fixes  # noqa: PLC0415 (only wanted here)
    from balise.model.bundle import load_bundle  # noqa: PLC0415

    diffs, changed = [], set()
    for report in reports:
        codes = {finding.code for finding in report.findings} & FIXABLE
        if not codes:
            continue
        fixes = bundle_fixes(load_bundle(report.path), codes)
        if fixes:
            changed.add(report.path)
            diffs += [fix.diff() for fix in fixes]
        if write:
            write_fixes(fixes)
            for fix in fixes:
                sys.stderr.write(f"balise check: mended {', '.join(fix.codes)} in {fix.file}\n")
    return "".join(diffs), frozenset(changed)
