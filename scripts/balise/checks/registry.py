"""The register of checks: each is data and one function, registered by being decorated in its suite's module.

A suite is a module of :mod:`balise.checks.suites`; adding one there is all it takes for it to run, be explained and be
documented. Rules are generators: a finding is a :class:`Violation` that leads to a place in a document.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from balise.checks.findings import Level
    from balise.model.bundle import Bundle
    from balise.model.documents import Document, FieldPath
    from balise.model.image_index import Platform

__all__ = [
    "OPTIONAL_SUITES",
    "REFERENCE_SUITES",
    "Check",
    "Options",
    "Violation",
    "check",
    "checks",
    "declare",
    "find_check",
    "suites",
]

REFERENCE_SUITES: Final = (
    "csv",
    "crd",
    "bundle",
    "operatorhubv2",
    "standardcategories",
    "standardcapabilities",
    "object",
    "operatorgroup",
    "removedapis",
    "goodpractices",
)
"""The suites of operator-framework/api, in the order in which its verdicts are recorded."""


OPTIONAL_SUITES: Final = frozenset(("communityoperators", "packagemanifest", "scorecard"))
"""Suites that run only when they are asked for: they judge by what one place of publication, or one program, wants."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the person running the checks decides."""

    kube_version: str = ""
    """The Kubernetes version that the bundle is meant for, as typed; APIs removed by then are errors."""
    categories: frozenset[str] | None = None
    """Categories that are allowed instead of the standard ones."""
    platforms: Mapping[str, frozenset[Platform]] = field(default_factory=dict)
    """For images whose index is at hand: what they run on."""
    exact: bool = False
    """Find exactly what the reference finds, its blind spots and false alarms included."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A check's rule broken once."""

    message: str
    document: Document | None = None
    path: FieldPath = ()
    """Leads to the offending value in *document*, or to where a missing one belongs."""
    key_itself: bool = False
    """Whether the path's last key is what offends, not its value."""
    hint: str = ""
    """Instead of the check's own hint."""
    level: Level | None = None
    """Instead of the check's own level."""
    type: str = ""
    """Instead of the check's own type."""
    field: str = ""
    """The field as the reference names it, where it does."""


Rule = Callable[["Bundle", Options], Iterable[Violation]]
_Rule = TypeVar("_Rule", bound=Rule)


@dataclass(frozen=True, slots=True)
class Check:
    """A check and all there is to say about it."""

    code: str
    title: str
    suites: tuple[str, ...]
    """Where it runs; most run in one suite."""
    level: Level
    type: str
    """The reference's name for this kind of finding."""
    explanation: str
    example: str
    """YAML that has the defect, and after a line ``# instead`` the same without."""
    hint: str
    reference: str
    """The rule that this mirrors, or why we have it."""
    rule: Rule | None = field(compare=False)
    """None for what is found while loading, before there is a bundle to check."""


_CHECKS: dict[str, Check] = {}


def check(
    code: str,
    *,
    suites: str,
    level: Level = "error",
    type: str,  # noqa: A002 (the reference's word)
    hint: str,
    reference: str,
    example: str,
) -> Callable[[_Rule], _Rule]:
    """Register a rule: its docstring's first line is the title, the rest the explanation."""

    def register(rule: _Rule) -> _Rule:
        title, _, explanation = cleandoc(rule.__doc__ or "").partition("\n")
        text = " ".join(explanation.split())
        title = title.rstrip(".")
        declare(Check(code, title, tuple(suites.split()), level, type, text, cleandoc(example), hint, reference, rule))
        return rule

    return register


def declare(check: Check) -> Check:
    """Register a check that is complete, and return it."""
    if check.code in _CHECKS:
        raise ValueError(f"{check.code} is taken by {_CHECKS[check.code].title!r}")
    _CHECKS[check.code] = check
    return check


@cache
def checks() -> tuple[Check, ...]:
    """Every check, by code. Imports all suites."""
    from balise.checks import suites as package  # noqa: PLC0415 (the suites import this module)

    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return tuple(_CHECKS[code] for code in sorted(_CHECKS))


@cache
def suites() -> dict[str, tuple[Check, ...]]:
    """The checks of each suite."""
    names = dict.fromkeys(suite for each in checks() for suite in each.suites)
    return {name: tuple(each for each in checks() if name in each.suites) for name in names}


def find_check(code: str) -> Check | None:
    """The check with a code, in whatever case it is typed."""
    return next((each for each in checks() if each.code == code.upper()), None)
