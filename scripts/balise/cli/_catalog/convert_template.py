"""`balise catalog convert-template`: a template from a catalog that was written by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from balise.cli._catalog import sources

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "convert-template"
HELP = "print the basic or substitutes template that describes a catalog"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("kind", choices=("basic", "substitutes"),
                        help="basic names bundles by image; substitutes has the whole catalog, to put others in place"
                        " of some bundles")  # fmt: skip
    parser.add_argument("catalog", type=Path, metavar="CATALOG", help="a catalog's folder, or a file")
    sources.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Convert and print."""
    from balise.graph.templates import basic, substitutes  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415

    catalog = load_catalog(args.catalog)
    template = basic.template_of(catalog) if args.kind == "basic" else substitutes.template_of(catalog)
    sources.print_blobs([template], args.output)
    return 0
