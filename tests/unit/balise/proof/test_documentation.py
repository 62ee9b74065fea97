"""The page on planning names every hazard as the code does."""

from __future__ import annotations

from pathlib import Path

from balise.proof.hazards import HAZARDS


def test_every_hazard_is_on_the_page() -> None:
    page = (Path(__file__).parents[4] / "docs" / "planning.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| BAL")]
    assert rows == [f"| {code} | {hazard.title} |" for code, hazard in sorted(HAZARDS.items())]
