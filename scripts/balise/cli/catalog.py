"""`balise catalog ACTION`: file-based catalogs. Each action is a module of :mod:`balise.cli._catalog`."""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from balise.cli import Command

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "catalog"
HELP = "build, compare, convert and draw file-based catalogs"

_ACTIONS: Final = (
    "build",
    "render",
    "render_template",
    "convert_template",
    "diff",
    "deprecate",
    "merge",
    "migrate",
    "image",
    "graph",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name in _ACTIONS:
        module = cast("Command", importlib.import_module(f"balise.cli._catalog.{name}"))
        action = actions.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.configure(action)
        action.set_defaults(act=module.run)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    status: int = args.act(args)
    return status
