"""`balise sbom`: the bill of materials of an image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from balise.model.atomic_file import write_atomically
from balise.model.errors import InputError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "sbom"
HELP = "write the bill of materials of an image: its Debian and Python packages, in CycloneDX"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "image", type=Path, metavar="FOLDER", help="the image as an OCI layout (buildah push IMAGE oci:FOLDER)"
    )
    parser.add_argument("--lock", action="append", type=Path, default=[], metavar="FILE",
                        help="a requirements file whose hashes are to be stated; may be repeated")  # fmt: skip
    parser.add_argument("--name", default="", help="what the image is called (default: what its labels say)")
    parser.add_argument("-o", "--output", default="-", metavar="FILE|-", help="where to (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Read the image and write the document."""
    from balise.images import layout, packages  # noqa: PLC0415 (only wanted here)

    try:
        from balise.images import sbom  # noqa: PLC0415 (may not be installed)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed",
            place="balise sbom",
            way_out="pip install 'timonier[sbom]'",
        ) from None
    image = layout.open_layout(args.image)
    locked = {key: value for path in args.lock for key, value in packages.locked_hashes(_text(path)).items()}
    environment = (image.configuration.get("config") or {}).get("Env") or ()
    found = packages.installed(layout.files(image, packages.describes_packages), environment, locked)
    if not found:
        raise InputError("has no package that dpkg or pip knows", place=str(args.image))
    written = sbom.document(image, found, name=args.name)
    if args.output == "-":
        sys.stdout.write(written)
        return 0
    try:
        write_atomically(Path(args.output), written.encode())
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", place=args.output) from None
    sys.stdout.write(f"{len(found)} packages in {args.output}\n")
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(f"cannot be read: {error}", place=str(path)) from None
