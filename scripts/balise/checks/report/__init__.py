"""Saying what was found, in the form that the reader wants: a person, a program, a code host or a test server."""

from __future__ import annotations

from balise.checks.report.formats import FORMATS, render
from balise.checks.report.outcome import Catalog, Outcome

__all__ = ["FORMATS", "Catalog", "Outcome", "render"]
