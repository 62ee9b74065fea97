"""`balise catalog image`: the catalog as an OCI image on disk."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from balise.cli._catalog import sources
from balise.model.errors import InputError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "image"
HELP = "write a catalog as an image to an OCI layout, without a container engine"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("catalog", type=Path, metavar="CATALOG", help="the catalog's folder; it ends up in /configs")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the OCI layout, new or existing")
    parser.add_argument("--name", default="latest", metavar="TAG", help="the image's name there (default: %(default)s)")
    parser.add_argument("--platform", action="append", default=[], metavar="OS/ARCH",
                        help="may be repeated (default: linux on amd64, arm64, ppc64le and s390x)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the image and say what to do with it."""
    from balise.publish.catalog_image import PLATFORMS, write_catalog_image  # noqa: PLC0415 (only wanted here)

    for platform in args.platform:
        if platform.count("/") != 1 or not all(platform.split("/")):
            raise InputError(f"is {platform!r}", place="--platform", way_out="write it as linux/amd64")
    sources.load_valid(args.catalog)
    platforms = tuple(args.platform) or PLATFORMS
    digest = write_catalog_image(args.catalog, args.output, name=args.name, platforms=platforms)
    sys.stdout.write(
        f"{digest}\n"
        f"in {args.output} as {args.name}. To publish it:\n"
        f"  skopeo copy --all --preserve-digests oci:{args.output}:{args.name} docker://REGISTRY/NAME:{args.name}\n"
        "OLM v1: a ClusterCatalog with source.image.ref. OLM v0: a CatalogSource with image and\n"
        "  grpcPodConfig: {extractContent: {catalogDir: /configs, cacheDir: /tmp/cache}}\n"
    )
    return 0
