"""The forms of a report, by the name that ``--format`` takes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from balise.checks.report.outcome import Outcome

__all__ = ["FORMATS", "render"]

FORMATS: Final = ("text", "concise", "json", "sarif", "github", "junit")
"""``text`` shows each place, ``concise`` has a line for each finding, ``github`` annotates a pull request."""


def render(outcome: Outcome, form: str, *, color: bool = False, width: int = 120) -> str:
    """The report in one of :data:`FORMATS`, ending with a line end where there is anything to say.

    ``color`` and ``width`` (columns of the terminal) matter to people only, that is to ``text`` and ``concise``.
    """
    # Each form is read only when it is asked for: a single bundle's check must start fast.
    if form in ("text", "concise"):
        from balise.checks.report import text  # noqa: PLC0415

        return text.render(outcome, full=form == "text", color=color, width=width)
    module = importlib.import_module(f"balise.checks.report.{form}")
    rendered: str = module.render(outcome)
    return rendered
