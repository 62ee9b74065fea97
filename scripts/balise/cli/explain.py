"""`balise explain`: what a check looks for, why, and what to do about it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balise.checks.registry import Check

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "explain"
HELP = "explain a check by its code, or list them all"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("codes", nargs="*", metavar="CODE", help="as a finding shows it, e.g. BAL1114; none lists all")
    parser.add_argument("--all", action="store_true", help="explain every check")
    parser.add_argument("--format", choices=("text", "markdown"), default="text", help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if FILE is not up to date")


def run(args: argparse.Namespace) -> int:
    """Explain. Returns 1 when ``--check`` finds the file stale."""
    text = _text(args)
    if args.output is None:
        sys.stdout.write(text)
        return 0
    from balise.generate import writing  # noqa: PLC0415 (slow imports, only wanted here)

    write = writing.compare if args.check else writing.write
    difference = write(args.output.parent, {args.output.name: text}, alone=False)
    if args.check and difference:
        sys.stdout.write(f"{difference.text}\n")
        sys.stderr.write(f"balise explain: {args.output} is stale; run make generate and commit the result\n")
        return 1
    if not args.check:
        sys.stdout.write(f"wrote {args.output}\n" if difference else f"{args.output} is up to date\n")
    return 0


def _text(args: argparse.Namespace) -> str:
    from balise.checks import manual  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.checks.registry import checks  # noqa: PLC0415

    if args.all and args.format == "markdown":
        return manual.manual()
    if not (args.all or args.codes):
        return "".join(f"{each.code}  {each.level:7}  {each.title}\n" for each in checks())
    page = manual.as_markdown if args.format == "markdown" else manual.as_text
    if args.all:
        return "\n".join(page(each) for each in checks())
    return "\n".join(_hazard(code, args.format) or page(_find(code)) for code in args.codes)


def _hazard(code: str, wanted: str) -> str:
    """The page of a hazard that `balise prove` finds; empty where the code is not one of those."""
    if not code.upper().startswith("BAL5"):
        return ""
    from balise.proof.hazards import HAZARDS  # noqa: PLC0415

    found = HAZARDS.get(code.upper())
    if found is None:
        return ""
    title = f"### {found.code}\n\n**{found.title}.**" if wanted == "markdown" else f"{found.code}: {found.title}\n"
    return f"{title} {found.explanation}\n" if wanted == "markdown" else f"{title}\n{found.explanation}\n"


def _find(code: str) -> Check:
    from balise.checks.registry import checks, find_check  # noqa: PLC0415
    from balise.model.errors import InputError  # noqa: PLC0415

    if (found := find_check(code)) is None:
        import difflib  # noqa: PLC0415

        near = difflib.get_close_matches(code.upper(), [each.code for each in checks()], 3)
        raise InputError(
            f"there is no check {code!r}",
            way_out=f"did you mean {' or '.join(near)}?" if near else "balise explain lists them all",
        )
    return found
