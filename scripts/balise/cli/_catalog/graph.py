"""`balise catalog graph`: a picture of the upgrades that a catalog offers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from balise.cli._catalog import sources
from balise.model.errors import InputError

if TYPE_CHECKING:
    from balise.model.catalog import Catalog

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "graph"
HELP = "draw the channels of a catalog and the upgrades in them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("catalog", type=Path, metavar="CATALOG", help="the catalog's folder")
    parser.add_argument("-p", "--package", default="", metavar="NAME", help="only this package")
    parser.add_argument("--format", choices=("mermaid", "svg", "html"), default="mermaid",
                        help="html: a page that shows the way from a version (default: %(default)s)")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of standard output")
    parser.add_argument("--minimum", default="", metavar="BUNDLE",
                        help="mermaid: only edges at or above this bundle's version")  # fmt: skip
    parser.add_argument("--v0-semantics", action=argparse.BooleanOptionalAction, default=True,
                        help="mermaid: show which edges are of no use to OLM v0 (default: yes)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Draw."""
    text = _drawn(sources.load_valid(args.catalog), args)
    if args.output is None:
        sys.stdout.write(text)
        return 0
    try:
        args.output.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", place=str(args.output)) from error
    return 0


def _drawn(catalog: Catalog, args: argparse.Namespace) -> str:
    # The imports are slow, and only one of them is wanted.
    if args.format == "mermaid":
        from balise.graph.mermaid import MermaidOptions, mermaid  # noqa: PLC0415

        return mermaid(catalog, MermaidOptions(args.package, args.minimum, args.v0_semantics))
    if args.minimum:
        raise InputError("only a mermaid picture can leave versions out", place="--minimum")
    if args.format == "html":
        from balise.publish.graph_page import graph_page  # noqa: PLC0415

        return graph_page(catalog, (args.package,) if args.package else ())
    from balise.graph.picture import lay_out  # noqa: PLC0415
    from balise.graph.svg import standalone  # noqa: PLC0415

    names = sorted(package.name for package in catalog.packages)
    if not args.package and len(names) != 1:
        known = ", ".join(names[:10])
        raise InputError(f"has {len(names)} packages", place=str(args.catalog), way_out=f"name one of {known} with -p")
    return standalone(lay_out(catalog, args.package or names[0]))
