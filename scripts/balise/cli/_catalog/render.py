"""`balise catalog render`: bundles as a catalog holds them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from balise.cli._catalog import sources
from balise.model.errors import InputError

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "render"
HELP = "print the olm.bundle of bundles in folders"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="a bundle's folder")
    parser.add_argument("--image", default="", metavar="REFERENCE",
                        help="where it can be pulled from; may hold {package}, {name} and {version} (default: nowhere,"
                        " so that the catalog holds all objects)")  # fmt: skip
    parser.add_argument("--migrate-level", choices=("none", "bundle-object-to-csv-metadata"), default="none",
                        help="what the catalog keeps of a bundle with an image: all objects, or the CSV's metadata"
                        " (default: none, as opm has it)")  # fmt: skip
    sources.add_output(parser, default="json")


def run(args: argparse.Namespace) -> int:
    """Render and print."""
    from balise.graph.rendering import render_bundle  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.model.bundle import BundleLoadError, load_bundle  # noqa: PLC0415

    blobs = []
    for folder in args.bundles:
        try:
            bundle = load_bundle(folder)
        except BundleLoadError as error:
            raise InputError(f"the bundle cannot be loaded: {error}", place=str(folder)) from None
        image = _image(args.image, bundle)
        blobs.append(render_bundle(bundle, image, inline=args.migrate_level == "none").blob)
    sources.print_blobs(blobs, args.output)
    return 0


def _image(template: str, bundle: Bundle) -> str:
    names = {"package": bundle.annotations.package, "name": bundle.csv.name, "version": bundle.csv.version}
    try:
        return template.format_map(names)
    except (KeyError, ValueError, IndexError, AttributeError):
        raise InputError(
            f"is {template!r}", place="--image", way_out="it may hold {package}, {name} and {version}"
        ) from None
