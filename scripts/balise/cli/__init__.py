"""The balise command: one module of this package for each subcommand, registered by being there.

A command module (no leading underscore in its file name) exposes

- ``NAME``: the word typed after ``balise``; its module is the same word with ``_`` for ``-``;
- ``HELP``: one line for the list of commands;
- ``configure(parser)``: adds its arguments to an :class:`argparse.ArgumentParser`;
- ``run(args) -> int``: does the work and returns the exit code. Heavy imports belong inside it, so that every other
  command starts without them.

Expected failures are raised as :class:`balise.model.errors.BaliseError`; :func:`main` prints them and returns 1.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

from balise.model.errors import BaliseError

__all__ = ["Command", "commands", "main"]


class Command(Protocol):
    """What a module must expose to be a subcommand."""

    NAME: str
    HELP: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def commands() -> list[str]:
    """Names of the modules in this package that are commands, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``balise ARGV...`` and return its exit code: 0 fine, 1 an error found or bad input, 2 bad usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments).parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files and what is in them may hold what the terminal cannot show, or what is no text at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except BaliseError as error:
        sys.stderr.write(f"balise {args.command}: {error}\n")
        return 1
    except BrokenPipeError:
        # The reader of our output went away (`balise ... | head`): not an error. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="balise", description="Check, plan and publish operator bundles and file-based catalogs."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = arguments[0].replace("-", "_") if arguments else ""
    known = commands()
    # Only the command that was asked for is imported; the others matter to nobody but --help.
    for name in [wanted] if wanted in known else known:
        module = cast("Command", importlib.import_module(f"{__name__}.{name}"))
        choice = choices.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.configure(choice)
        choice.set_defaults(run=module.run)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415 (only wanted here, and slow to import)

        sys.stdout.write(f"balise {version('timonier')}\n")
        parser.exit()
