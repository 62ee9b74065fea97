"""`balise catalog migrate`: from bundles held as objects to bundles held as metadata, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from balise.cli._catalog import sources

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "migrate"
HELP = "print a catalog whose bundles are held in the other form: metadata of the CSV, or all objects"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("catalog", type=Path, metavar="CATALOG", help="a catalog's folder, or a file")
    parser.add_argument("--to", choices=("metadata", "objects"), default="metadata",
                        help="objects are taken from the images' bundles (default: %(default)s)")  # fmt: skip
    sources.add_output(parser)
    sources.add_bundles(parser)


def run(args: argparse.Namespace) -> int:
    """Convert and print."""
    from balise.graph.merging import merge_catalogs  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.graph.migration import to_metadata, to_objects  # noqa: PLC0415
    from balise.graph.templates.sources import local_renderer  # noqa: PLC0415
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415

    blobs = merge_catalogs([(str(args.catalog), load_catalog(args.catalog))])
    if args.to == "metadata":
        sources.print_blobs([to_metadata(blob) for blob in blobs], args.output)
        return 0
    renderer = local_renderer(sources.places(args.bundle), bundles=args.bundles, objects=True)
    sources.print_blobs([to_objects(blob, renderer) for blob in blobs], args.output)
    return 0
