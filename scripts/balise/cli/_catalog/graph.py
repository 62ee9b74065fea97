"""`balise catalog graph`: a picture of the upgrades that a catalog offers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from balise.cli._catalog import sources

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "graph"
HELP = "draw the channels of a catalog and the upgrades in them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("catalog", type=Path, metavar="CATALOG", help="the catalog's folder")
    parser.add_argument("-p", "--package", default="", metavar="NAME", help="only this package")
    parser.add_argument("--minimum", default="", metavar="BUNDLE", help="only edges at or above this bundle's version")
    parser.add_argument("--v0-semantics", action=argparse.BooleanOptionalAction, default=True,
                        help="show which edges are of no use to OLM v0 (default: yes)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Draw."""
    from balise.graph.mermaid import MermaidOptions, mermaid  # noqa: PLC0415 (slow imports, only wanted here)

    options = MermaidOptions(args.package, args.minimum, args.v0_semantics)
    sys.stdout.write(mermaid(sources.load_valid(args.catalog), options))
    return 0
