"""`balise check`: check bundles and file-based catalogs."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from balise.checks.cache import ResultCache
    from balise.checks.catalog import CatalogReport
    from balise.checks.discovery import Found
    from balise.checks.registry import Options
    from balise.checks.report import Outcome
    from balise.checks.runner import Report
    from balise.cli._check_wishes import Images, Wishes

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "check"
HELP = "check bundles and file-based catalogs"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "paths",
        nargs="*",
        default=["."],
        metavar="PATH",
        help="a bundle's folder, a tree of them, a bundle image (OCI layout or archive), or a catalog's folder"
        " (default: the working folder)",
    )
    parser.add_argument("--profile", choices=("default", "reference"),
                        help="reference: the reference tools' suites and verdict, nothing more")  # fmt: skip
    parser.add_argument("--suite", action="append", default=[], metavar="NAME",
                        help="run this suite instead of the profile's; may be repeated")  # fmt: skip
    parser.add_argument("--without-suite", action="append", default=[], metavar="NAME",
                        help="do not run this suite; may be repeated")  # fmt: skip
    parser.add_argument("--severity", action="append", default=[], metavar="CODE|SUITE=LEVEL",
                        help="count findings as error or warning, or turn them off; may be repeated")  # fmt: skip
    parser.add_argument("--ignore", action="append", default=[], metavar="CODE", help="same as --severity CODE=off")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="whose [tool.balise.check] counts (default: the nearest pyproject.toml)")  # fmt: skip
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="leave out the findings that FILE has")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE", help="write what is found to FILE")
    mending = parser.add_mutually_exclusive_group()
    mending.add_argument("--fix", action="store_true", help="mend what can be mended safely, then check again")
    mending.add_argument("--diff", action="store_true", help="show what --fix would change, and change nothing")
    parser.add_argument("--format", choices=("text", "concise", "json", "sarif", "github", "junit"), default="text",
                        help="(default: %(default)s)")  # fmt: skip
    parser.add_argument("--kube-version", default="", metavar="VERSION",
                        help="the Kubernetes that the bundles are for: APIs removed by then are errors")  # fmt: skip
    parser.add_argument("--categories", type=Path, metavar="FILE",
                        help='JSON with the allowed categories: {"categories": [...]} (default: the file that'
                        " $OPERATOR_BUNDLE_CATEGORIES names, else the standard ones)")  # fmt: skip
    parser.add_argument("--image-index", action="append", default=[], metavar="IMAGE=FILE",
                        help="an image's index as a file, for suite multiarch; may be repeated")  # fmt: skip
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each processor)")
    parser.add_argument("--no-cache", action="store_true",
                        help="neither use nor keep results ($BALISE_CACHE_DIR, else ~/.cache/balise)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Check. Returns 1 where there is an error."""
    since = time.time_ns()
    cache, key = None, b""
    # What changes files is done, whatever was said before.
    if not (args.no_cache or args.fix or args.diff or args.write_baseline):
        from balise.checks.cache import ResultCache, default_file  # noqa: PLC0415 (only where it is wanted)

        cache, key = ResultCache(default_file()), _output_key(args)
        if kept := cache.output(key):
            sys.stdout.write(kept.text)
            return kept.status
    return _check(args, cache, key, since)


def _check(args: argparse.Namespace, cache: ResultCache | None, key: bytes, since: int) -> int:
    from balise.checks.cache import Output, Snapshot  # noqa: PLC0415 (only wanted here)
    from balise.checks.discovery import find  # noqa: PLC0415
    from balise.checks.report import render  # noqa: PLC0415
    from balise.cli._check_wishes import Images, wishes  # noqa: PLC0415

    pyproject = _pyproject(args)
    wanted = wishes(args, _options(args), pyproject)
    with Images(args.paths) as inputs:
        found = find(inputs.folders)
        before = None
        if cache and not inputs:
            indexes = [each.rpartition("=")[2] for each in args.image_index]
            settings = (_categories_file(args), pyproject, wanted.baseline, *indexes)
            before = Snapshot.take((*(str(file) for file in settings if file), *found.everything()), since)
        reports = _reports(args, wanted, found.bundles)
        if args.fix or args.diff:
            reports, diff = _mended(args, wanted, reports, inputs)
            if args.diff:
                sys.stdout.write(diff)
                return 1 if diff else 0
        outcome = _outcome(args, wanted, inputs.named(reports), found)
    if args.write_baseline:
        return _write_baseline(args.write_baseline, outcome)
    status = 1 if outcome.failed else 0
    text = render(outcome, args.format, color=_color(), width=_width())
    sys.stdout.write(text)
    if cache and before:
        cache.keep_output(key, before, Output(text, status))
    return status


def _reports(args: argparse.Namespace, wanted: Wishes, paths: list[str]) -> list[Report]:
    from balise.checks.batch import check_bundles, processors  # noqa: PLC0415
    from balise.checks.cache import ResultCache, default_file  # noqa: PLC0415

    cache = None if args.no_cache else ResultCache(default_file())
    checked = check_bundles(paths, wanted.run, jobs=args.jobs or processors(), cache=cache)
    return list(_shown(checked, len(paths)))


def _mended(
    args: argparse.Namespace, wanted: Wishes, reports: list[Report], inputs: Images
) -> tuple[list[Report], str]:
    """The reports after mending, and a diff of it."""
    from balise.cli._check_wishes import mend  # noqa: PLC0415
    from balise.model.errors import InputError  # noqa: PLC0415

    if inputs:
        way_out = "mend the folder that it is built from"
        raise InputError("an image cannot be mended", place=", ".join(args.paths), way_out=way_out)
    diff, changed = mend([wanted.settings.weigh_report(report) for report in reports], write=args.fix)
    again = iter(_reports(args, wanted, [report.path for report in reports if report.path in changed]))
    return [next(again) if report.path in changed else report for report in reports], diff


def _outcome(args: argparse.Namespace, wanted: Wishes, reports: Iterator[Report], found: Found) -> Outcome:
    from balise.checks.report import Outcome  # noqa: PLC0415

    baseline = None
    if wanted.baseline and not args.write_baseline:
        from balise.checks.baseline import read_baseline  # noqa: PLC0415

        baseline = read_baseline(wanted.baseline)
    catalogs: tuple[CatalogReport, ...] = ()
    if found.catalogs:
        from balise.checks.batch import processors  # noqa: PLC0415
        from balise.checks.catalog import check_catalog  # noqa: PLC0415

        catalogs = tuple(check_catalog(path, jobs=args.jobs or processors()) for path in found.catalogs)
    everything = [*reports, *_operators(wanted, found.bundles)]
    bundles = tuple(wanted.shaped(report, baseline) for report in everything)
    shaped = tuple(wanted.shaped_catalog(report, baseline) for report in catalogs)
    return Outcome(bundles, shaped, baseline.met if baseline else 0, baseline.left if baseline else 0)


def _operators(wanted: Wishes, paths: list[str]) -> tuple[Report, ...]:
    """What there is to say of the folders that hold an operator's bundles, where a suite is about them."""
    if not {"communityoperators", "packagemanifest"}.intersection(wanted.run.suites):
        return ()
    from balise.checks.operators import check_operators  # noqa: PLC0415

    return check_operators(paths, wanted.run.suites)


def _write_baseline(file: Path, outcome: Outcome) -> int:
    from balise.checks.baseline import write_baseline  # noqa: PLC0415

    number = write_baseline(file, outcome.findings())
    sys.stdout.write(f"{number} findings in {file}: they count no more with --baseline {file}\n")
    return 0


def _pyproject(args: argparse.Namespace) -> Path | None:
    """The pyproject.toml with the settings: the one named, or that of the working folder or the nearest above it."""
    if args.config or args.profile == "reference":
        return Path(args.config) if args.config else None
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "pyproject.toml").is_file():
            return folder / "pyproject.toml"
        if (folder / ".git").exists():  # settings outside of the repository would not be its own
            return None
    return None


def _output_key(args: argparse.Namespace) -> bytes:
    """What the output depends on, apart from files."""
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    from balise.checks.cache import program_fingerprint  # noqa: PLC0415

    # (The number of processes makes no difference.)
    arguments = {name: value for name, value in vars(args).items() if name not in ("run", "jobs", "no_cache")}
    surroundings = [str(Path.cwd()), str(_categories_file(args)), str(_pyproject(args)), _color(), _width()]
    text = json.dumps([arguments, surroundings], sort_keys=True, default=str)
    return hashlib.blake2b(program_fingerprint() + text.encode(), digest_size=20).digest()


def _color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _width() -> int:
    return shutil.get_terminal_size((120, 0)).columns if sys.stdout.isatty() else 120


def _shown(reports: Iterator[Report], total: int) -> Iterator[Report]:
    """Count up on the terminal while many bundles are checked."""
    if total < 20 or not sys.stderr.isatty():
        yield from reports
        return
    for number, report in enumerate(reports, 1):
        filled = 30 * number // total
        sys.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {number}/{total} bundles")
        sys.stderr.flush()
        yield report
    sys.stderr.write("\r\x1b[K")


def _options(args: argparse.Namespace) -> Options:
    from balise.checks.registry import Options  # noqa: PLC0415

    file = _categories_file(args)
    return Options(args.kube_version, _categories(file) if file else None)


def _categories_file(args: argparse.Namespace) -> Path | None:
    given = args.categories or os.environ.get("OPERATOR_BUNDLE_CATEGORIES")
    return Path(given) if given else None


def _categories(file: Path) -> frozenset[str]:
    import json  # noqa: PLC0415

    from balise.model.documents import file_bytes  # noqa: PLC0415
    from balise.model.errors import InputError  # noqa: PLC0415

    way_out = 'write {"categories": ["First", "Second"]}'
    try:
        content = json.loads(file_bytes(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", place=str(file), way_out=way_out) from None
    found = content.get("categories") if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InputError("does not list categories", place=str(file), way_out=way_out)
    return frozenset(found)
