"""`balise catalog diff`: what changes for users from one catalog to the next."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "diff"
HELP = "say what changes for users when one catalog takes the place of another; exit 1 if it would harm some"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("old", type=Path, metavar="OLD", help="the folder (or file) of the catalog that is published")
    parser.add_argument("new", type=Path, metavar="NEW", help="that of the catalog that is to take its place")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="(default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Compare. Returns 1 when a change harms users."""
    import dataclasses  # noqa: PLC0415 (slow imports, only wanted here)
    import json  # noqa: PLC0415

    from balise.graph.diff import compare_catalogs  # noqa: PLC0415
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415

    changes = compare_catalogs(load_catalog(args.old), load_catalog(args.new))
    harmful = [change for change in changes if change.weight == "danger"]
    if args.format == "json":
        sys.stdout.write(json.dumps([dataclasses.asdict(change) for change in changes], indent=2) + "\n")
        return 1 if harmful else 0
    signs = {"danger": "!", "change": "~", "note": " "}
    package = ""
    for change in changes:
        if change.package != package:
            package = change.package
            sys.stdout.write(f"{package}\n")
        sys.stdout.write(f"  {signs[change.weight]} {change.message}\n")
    if not changes:
        sys.stdout.write("nothing changes for anybody\n")
    if harmful:
        noun = "change harms" if len(harmful) == 1 else "changes harm"
        sys.stdout.write(f"{len(harmful)} {noun} users (marked !)\n")
    return 1 if harmful else 0
