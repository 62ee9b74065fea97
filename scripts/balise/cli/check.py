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
    from balise.checks.registry import Options
    from balise.checks.runner import Report

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "check"
HELP = "check bundles and file-based catalogs"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a bundle's folder, a tree of them, or a catalog's folder"
    )
    parser.add_argument("--profile", choices=("default", "reference"), default="default",
                        help="reference: the reference tools' suites and verdict, nothing more")  # fmt: skip
    parser.add_argument("--format", choices=("text", "concise", "json", "sarif", "github", "junit"), default="text",
                        help="(default: %(default)s)")  # fmt: skip
    parser.add_argument("--kube-version", default="", metavar="VERSION",
                        help="the Kubernetes that the bundles are for: APIs removed by then are errors")  # fmt: skip
    parser.add_argument("--categories", type=Path, metavar="FILE",
                        help='JSON with the allowed categories: {"categories": [...]} (default: the file that'
                        " $OPERATOR_BUNDLE_CATEGORIES names, else the standard ones)")  # fmt: skip

    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each processor)")
    parser.add_argument("--no-cache", action="store_true",
                        help="neither use nor keep results ($BALISE_CACHE_DIR, else ~/.cache/balise)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Check. Returns 1 where there is an error."""
    since = time.time_ns()
    cache, key = None, b""
    if not args.no_cache:
        from balise.checks.cache import ResultCache, default_file  # noqa: PLC0415 (only where it is wanted)

        cache, key = ResultCache(default_file()), _output_key(args)
        if kept := cache.output(key):
            sys.stdout.write(kept.text)
            return kept.status
    return _check(args, cache, key, since)


def _check(args: argparse.Namespace, cache: ResultCache | None, key: bytes, since: int) -> int:
    from balise.checks.batch import check_bundles, processors  # noqa: PLC0415 (only wanted here)
    from balise.checks.cache import Output, Snapshot  # noqa: PLC0415
    from balise.checks.discovery import find  # noqa: PLC0415
    from balise.checks.report import Outcome, render  # noqa: PLC0415
    from balise.checks.runner import Run  # noqa: PLC0415

    wanted = Run.of_profile(args.profile, _options(args))
    found = find(args.paths)
    settings = [str(file) for file in (_categories_file(args),) if file]
    before = Snapshot.take((*settings, *found.everything()), since) if cache else None
    jobs = args.jobs or processors()
    bundles = tuple(_shown(check_bundles(found.bundles, wanted, jobs=jobs, cache=cache), len(found.bundles)))
    catalogs: tuple[CatalogReport, ...] = ()
    if found.catalogs:
        from balise.checks.catalog import check_catalog  # noqa: PLC0415

        catalogs = tuple(check_catalog(path, jobs=jobs) for path in found.catalogs)
    outcome = Outcome(bundles, catalogs)
    status = 1 if outcome.failed else 0
    text = render(outcome, args.format, color=_color(), width=_width())
    sys.stdout.write(text)
    if cache and before:
        cache.keep_output(key, before, Output(text, status))
    return status


def _output_key(args: argparse.Namespace) -> bytes:
    """What the output depends on, apart from files."""
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    from balise.checks.cache import program_fingerprint  # noqa: PLC0415

    # (The number of processes makes no difference.)
    arguments = {name: value for name, value in vars(args).items() if name not in ("run", "jobs", "no_cache")}
    surroundings = [str(Path.cwd()), str(_categories_file(args)), _color(), _width()]
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
