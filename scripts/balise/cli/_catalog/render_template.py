"""`balise catalog render-template`: the catalog that one of opm's templates describes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from balise.cli._catalog import sources

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "render-template"
HELP = "print the catalog that a semver, basic or substitutes template describes, without a registry"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("template", metavar="FILE|-", help="the template, or - for standard input")
    sources.add_output(parser, "mermaid", default="json")
    sources.add_bundles(parser)
    parser.add_argument("--migrate-level", choices=("none", "bundle-object-to-csv-metadata"), default="none",
                        help="what the catalog keeps of a bundle: all objects, or the CSV's metadata (default: none,"
                        " as opm has it)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Render and print."""
    from balise.graph.mermaid import mermaid  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.graph.templates import render_template  # noqa: PLC0415
    from balise.graph.templates.sources import local_renderer  # noqa: PLC0415
    from balise.model.catalog import catalog_from_blobs  # noqa: PLC0415
    from balise.model.catalog_blobs import in_order  # noqa: PLC0415
    from balise.model.documents import file_bytes  # noqa: PLC0415

    path = Path("<stdin>" if args.template == "-" else args.template)
    data = sys.stdin.buffer.read() if args.template == "-" else file_bytes(path)
    objects = args.migrate_level == "none"
    renderer = local_renderer(sources.places(args.bundle), bundles=args.bundles, objects=objects)
    blobs = in_order(render_template(path, data, renderer))
    if args.output == "mermaid":
        sys.stdout.write(mermaid(catalog_from_blobs(blobs, place=str(path))))
    else:
        sources.print_blobs(blobs, args.output)
    return 0
