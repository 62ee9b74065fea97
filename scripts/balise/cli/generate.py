"""`balise generate`: write the operator's bundle from its code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balise.generate.writing import Difference

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "generate"
HELP = "write the operator's bundle from its code and the [tool.balise] table of pyproject.toml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--config", type=Path, default=Path("pyproject.toml"), metavar="FILE",
                        help="the project's pyproject.toml (default: %(default)s)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="instead of tool.balise.output; VERSION is added")
    parser.add_argument("--registry", metavar="HOST/PATH", help="instead of tool.balise.registry")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; show what is stale and exit 1 if anything is"
    )


def run(args: argparse.Namespace) -> int:
    """Generate or check. Returns 1 when ``--check`` finds something stale."""
    from balise.generate import bundle, configuration, facts, reference, writing  # noqa: PLC0415 (slow imports, only wanted here)

    settings = configuration.read(args.config, registry=args.registry)
    known = facts.gather(settings)
    folder = (args.output or settings.output) / settings.version
    act = writing.compare if args.check else writing.write
    difference = act(folder, bundle.bundle_files(settings, known))
    for path in difference.foreign:
        sys.stderr.write(f"balise generate: {folder / path} was not generated, yet would ship; delete or move it\n")
    found = [(folder, folder, difference)]
    if settings.api_reference is not None and args.output is None:
        page = settings.api_reference
        text = {page.name: reference.api_reference(known.crds)}
        found.append((page, page.parent, act(page.parent, text, alone=False)))
    return _report_stale(found) if args.check else _report_written(found)


def _report_stale(found: list[tuple[Path, Path, Difference]]) -> int:
    for what, _, difference in found:
        sys.stdout.write(f"{difference.text}\n" if difference.text else "")
        if difference:
            sys.stderr.write(f"balise generate: {what} is stale; run balise generate and commit the result\n")
    return 1 if any(difference for _, _, difference in found) else 0


def _report_written(found: list[tuple[Path, Path, Difference]]) -> int:
    for what, folder, difference in found:
        changed = sorted((*difference.missing, *difference.stale))
        sys.stdout.write("".join(f"wrote {folder / path}\n" for path in changed) or f"{what} is up to date\n")
    return 0
