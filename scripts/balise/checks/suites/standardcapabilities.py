"""Suite ``standardcapabilities``: the operator's capability level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from balise.checks.registry import Options, Violation, check

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__ = ["CAPABILITY_LEVELS"]

CAPABILITY_LEVELS: Final = ("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot")
"""From least to most."""


@check(
    "BAL1501",
    suites="standardcapabilities",
    type="CSVFileNotValid",
    hint=f"use one of {', '.join(CAPABILITY_LEVELS)}",
    reference="standardcapabilities.go: checkCapabilities",
    example="""
        metadata:
          annotations:
            capabilities: basic install
        # instead
        metadata:
          annotations:
            capabilities: Basic Install
        """,
)
def capability_level(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The capability level is none of the five.

    The annotation ``capabilities`` says what the operator can do, in one of five levels written exactly so.
    """
    level = bundle.csv.annotations.get("capabilities")
    if level is not None and level not in CAPABILITY_LEVELS:
        message = f"{level!r} is no capability level"
        yield Violation(message, bundle.csv.document, ("metadata", "annotations", "capabilities"))
