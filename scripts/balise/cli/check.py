"""`balise check`: check bundles and file-based catalogs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balise.checks.catalog import CatalogReport
    from balise.checks.registry import Options

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


def run(args: argparse.Namespace) -> int:
    """Check. Returns 1 where there is an error."""
    from balise.checks.discovery import find  # noqa: PLC0415 (only wanted here)
    from balise.checks.report import Outcome, render  # noqa: PLC0415
    from balise.checks.runner import Run, check_bundle  # noqa: PLC0415

    wanted = Run.of_profile(args.profile, _options(args))
    found = find(args.paths)
    catalogs: tuple[CatalogReport, ...] = ()
    if found.catalogs:
        from balise.checks.catalog import check_catalog  # noqa: PLC0415

        catalogs = tuple(check_catalog(path) for path in found.catalogs)
    outcome = Outcome(tuple(check_bundle(path, wanted) for path in found.bundles), catalogs)
    sys.stdout.write(render(outcome, args.format, color=sys.stdout.isatty()))
    return 1 if outcome.failed else 0


def _options(args: argparse.Namespace) -> Options:
    import os  # noqa: PLC0415

    from balise.checks.registry import Options  # noqa: PLC0415

    file = args.categories or os.environ.get("OPERATOR_BUNDLE_CATEGORIES")
    return Options(args.kube_version, _categories(Path(file)) if file else None)


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
