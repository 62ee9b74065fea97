"""Everything that one run found, in the order in which it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from balise.checks.findings import Finding
    from balise.checks.runner import Report

__all__ = ["Catalog", "Outcome"]


class Catalog(Protocol):
    """What a report of a file-based catalog tells."""

    @property
    def path(self) -> str:
        """Where the catalog is, as it was given."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found in it."""

    @property
    def valid(self) -> bool:
        """Whether opm would accept it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The reports of one run."""

    bundles: tuple[Report, ...] = ()
    catalogs: tuple[Catalog, ...] = ()
    known: int = 0
    """Findings left out because the baseline has them."""
    gone: int = 0
    """Findings of the baseline that are no longer there."""

    @property
    def failed(self) -> bool:
        """Whether there is an error anywhere."""
        return any(report.failed for report in self.bundles) or any(
            not report.valid or any(finding.level == "error" for finding in report.findings) for report in self.catalogs
        )

    def parts(self) -> Iterator[tuple[str, tuple[Finding, ...]]]:
        """Each bundle's and catalog's path and findings, the reasons for not loading included."""
        for bundle in self.bundles:
            yield bundle.path, bundle.load_problems + bundle.findings
        for catalog in self.catalogs:
            yield catalog.path, catalog.findings

    def findings(self) -> Iterator[Finding]:
        """All findings."""
        for _, found in self.parts():
            yield from found
