"""The planner against what OLM v0's own resolver did."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from balise.planner.rounds import plan
from balise.planner.scenarios import outcome, universe_of

SCENARIOS = Path(os.environ.get("BALISE_CORPUS", "../shared/corpus")) / "resolver" / "scenarios.jsonl"


def differences() -> Iterator[str]:
    with SCENARIOS.open(encoding="utf-8") as lines:
        for line in lines:
            scenario: dict[str, Any] = json.loads(line)
            found, expected = outcome(plan(universe_of(scenario))), scenario["outcome"]
            # OLM's wording varies from run to run: only that it is blocked can be compared.
            for each in (found, expected):
                each["blocked"] = each["blocked"] is not None
            if found != expected:
                yield f"{scenario['id']}: planned {found}, OLM did {expected}"


@pytest.mark.skipif(not SCENARIOS.is_file(), reason="the corpus is not here: ../shared/corpus or $BALISE_CORPUS")
def test_every_scenario_ends_as_olm_ended_it_round_by_round() -> None:
    assert list(differences()) == []
