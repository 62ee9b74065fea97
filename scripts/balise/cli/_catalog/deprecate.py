"""`balise catalog deprecate`: say that a package, a channel or a bundle should not be used any more."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "deprecate"
HELP = "deprecate the project's package, a channel or a bundle, in catalog/deprecations.yaml; build then publishes it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("message", help="what users see: why, and what to use instead; empty to take it back")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--channel", default="", metavar="NAME", help="a channel, instead of the whole package")
    what.add_argument("--bundle", default="", metavar="NAME", help="a bundle, such as app.v1.0.0")
    parser.add_argument("--config", type=Path, default=Path("pyproject.toml"), metavar="FILE",
                        help="the project's pyproject.toml (default: %(default)s)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Change the file."""
    from balise.generate import configuration, writing  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.graph.deprecations import deprecate  # noqa: PLC0415
    from balise.model.catalog import catalog_from_blobs  # noqa: PLC0415
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415
    from balise.model.yaml_writing import dump_all  # noqa: PLC0415

    settings = configuration.read(args.config)
    folder = settings.root / "catalog"
    file = folder / "deprecations.yaml"
    present = load_catalog(file) if file.is_file() else catalog_from_blobs([])
    published = load_catalog(folder / settings.package)
    blob = deprecate(published, present, settings.package, args.message, channel=args.channel, bundle=args.bundle)
    heading = "---\n# What is deprecated, and what users are told; `balise catalog deprecate` writes this file.\n"
    if blob["entries"]:
        writing.write(folder, {file.name: dump_all([blob]).replace("---\n", heading, 1)})
        sys.stdout.write(f"wrote {file}; balise catalog build publishes it\n")
    else:
        file.unlink(missing_ok=True)
        sys.stdout.write(f"nothing is deprecated any more; {file} is gone\n")
    return 0
