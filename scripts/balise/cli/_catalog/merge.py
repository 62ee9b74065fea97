"""`balise catalog merge`: one catalog of several."""

from __future__ import annotations

import argparse
from pathlib import Path

from balise.cli._catalog import sources

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "merge"
HELP = "print one catalog of several; what they have in common must be the same in all of them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("catalogs", type=Path, nargs="+", metavar="CATALOG", help="a catalog's folder, or a file")
    sources.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Merge and print."""
    from balise.graph.merging import merge_catalogs  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415

    sources.print_blobs(merge_catalogs((str(path), load_catalog(path)) for path in args.catalogs), args.output)
    return 0
