"""`balise plan`: what OLM will install, in which order, and why; or why it will not."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from balise.model.errors import InputError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "plan"
HELP = "tell what the Operator Lifecycle Manager will install, step by step, and why"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--scenarios", type=Path, metavar="FILE",
                        help="plan every scenario of a JSON-lines file, one line of JSON each")  # fmt: skip
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Plan and print."""
    if args.scenarios is not None:
        return _scenarios(args.scenarios)
    raise InputError("nothing to plan", way_out="Give --scenarios FILE.")


def _scenarios(path: Path) -> int:
    from balise.planner.scenarios import outcomes  # noqa: PLC0415 (slow imports, only wanted here)

    try:
        with path.open(encoding="utf-8") as lines:
            for outcome in outcomes(lines, str(path)):
                sys.stdout.write(json.dumps(outcome, ensure_ascii=False) + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", place=str(path)) from None
    return 0
