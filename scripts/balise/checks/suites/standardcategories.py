"""Suite ``standardcategories``: under which headings a catalog lists the operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from balise.checks.registry import Options, Violation, check

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__ = ["STANDARD_CATEGORIES"]

STANDARD_CATEGORIES: Final = frozenset(
    (
        "AI/Machine Learning",
        "Application Runtime",
        "Big Data",
        "Cloud Provider",
        "Database",
        "Developer Tools",
        "Integration & Delivery",
        "Logging & Tracing",
        "Modernization & Migration",
        "Monitoring",
        "Networking",
        "Observability",
        "OpenShift Optional",
        "Security",
        "Storage",
        "Streaming & Messaging",
    )
)


@check(
    "BAL1551",
    suites="standardcategories",
    type="CSVFileNotValid",
    hint=f"choose among: {', '.join(sorted(STANDARD_CATEGORIES))}; or name a file of your own with --categories",
    reference="standardcategories.go: checkCategories",
    example="""
        metadata:
          annotations:
            categories: Databases
        # instead
        metadata:
          annotations:
            categories: Database, Monitoring
        """,
)
def categories(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """A category is none of the standard ones.

    The annotation ``categories`` is a list with commas. A catalog has a fixed set of headings; an operator under any
    other is not found there. A catalog of one's own can have its own.
    """
    text = bundle.csv.annotations.get("categories")
    allowed = STANDARD_CATEGORIES if options.categories is None else options.categories
    for category in () if text is None else text.split(","):
        if category.strip() not in allowed:
            path = ("metadata", "annotations", "categories")
            yield Violation(f"{category.strip()!r} is no category", bundle.csv.document, path)
