"""Arguments that several actions share: where bundles and catalogs come from, and how blobs are printed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balise.model.errors import InputError

if TYPE_CHECKING:
    from balise.model.catalog import Catalog

__all__ = ["add_bundles", "add_output", "load_valid", "places", "print_blobs"]


def add_bundles(parser: argparse.ArgumentParser, *, folder: bool = True) -> None:
    """``--bundle`` and ``--bundles``."""
    parser.add_argument("--bundle", action="append", default=[], metavar="IMAGE=DIR",
                        help="where this image's bundle is: a folder or an OCI layout; may be repeated")  # fmt: skip
    if folder:
        parser.add_argument("--bundles", type=Path, metavar="DIR",
                            help="an OCI layout with the images, or a folder with a bundle for each version,"
                            " which is the image's tag")  # fmt: skip


def places(arguments: list[str]) -> dict[str, Path]:
    """The folder of each image that ``--bundle`` names."""
    found = {}
    for argument in arguments:
        image, equals, directory = argument.rpartition("=")
        if not equals or not image or not directory:
            raise InputError(f"is {argument!r}", place="--bundle", way_out="write it as IMAGE=DIR")
        found[image] = Path(directory)
    return found


def add_output(parser: argparse.ArgumentParser, *more: str, default: str = "yaml") -> None:
    """``-o``, the form in which a catalog is printed."""
    parser.add_argument("-o", "--output", choices=("yaml", "json", *more), default=default,
                        help="(default: %(default)s)")  # fmt: skip


def print_blobs(blobs: list[dict[str, Any]], output: str) -> None:
    """Print blobs as a catalog."""
    import json  # noqa: PLC0415 (slow imports, only wanted here)

    from balise.model.yaml_writing import dump_all  # noqa: PLC0415

    if output == "yaml":
        sys.stdout.write(dump_all(list(blobs)))
    else:
        sys.stdout.writelines(f"{json.dumps(blob, indent=4, ensure_ascii=False)}\n" for blob in blobs)


def load_valid(folder: Path) -> Catalog:
    """The catalog in a folder; raises InputError with everything that is wrong where opm would not take it."""
    from balise.checks.catalog import check_catalog  # noqa: PLC0415
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415

    report = check_catalog(folder)
    if not report.valid:
        first, more = report.findings[0], len(report.findings) - 1
        raise InputError(
            f"{first.code}: {first.message}" + (f" (and {more} more)" if more else ""),
            place=f"{first.file}:{first.line}:{first.column}",
            way_out=f"{first.hint}; balise check {folder} shows all",
        )
    return load_catalog(folder)
