"""The planner against a running OLM v0 (v0.46): what became of 36 Subscriptions, each in a namespace of its own.

The two catalogs, our own, were served by opm; every bundle was inline and had no deployment, so that its
ClusterServiceVersion succeeded at once. What each namespace had when nothing moved any more is recorded in
tests/fixtures/olm/outcomes.jsonl: the InstallPlans' ClusterServiceVersions in order, the Subscriptions that OLM made
itself, the ClusterServiceVersions left, and whether the resolution failed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from balise.planner.index import CatalogIndex
from balise.planner.rounds import plan
from balise.planner.scenarios import outcome, universe_of

FOLDER = Path(__file__).parents[3] / "fixtures" / "olm"


def lines(name: str) -> list[Any]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


OUTCOMES: dict[str, dict[str, Any]] = {each["id"]: each for each in lines("outcomes.jsonl")}
CATALOGS = [
    {"name": "cat0", "namespace": "olm", "priority": 0, "fbc": lines("cat0.jsonl")},
    {"name": "cat1", "namespace": "olm", "priority": 10, "fbc": lines("cat1.jsonl")},
]


@pytest.fixture(scope="module")
def index() -> CatalogIndex:
    return CatalogIndex(universe_of({"catalogs": CATALOGS, "subscriptions": [], "csvs": []}).considered)


@pytest.mark.parametrize("scenario", OUTCOMES)
def test_it_ends_as_the_running_olm_ended_it(scenario: str, index: CatalogIndex) -> None:
    seen = OUTCOMES[scenario]
    subscriptions = [{**each, "installedCSV": "", "currentCSV": ""} for each in seen["subscriptions"]]
    planned = outcome(
        plan(universe_of({"catalogs": CATALOGS, "subscriptions": subscriptions, "csvs": []}), index=index)
    )
    assert {
        "installPlans": [sorted(install["csv"] for install in each["installs"]) for each in planned["rounds"]],
        "newSubscriptions": sorted(name for each in planned["rounds"] for name in each["newSubscriptions"]),
        "final": sorted(planned["final"]),
        "blocked": planned["blocked"] is not None,
    } == {key: seen[key] for key in ("installPlans", "newSubscriptions", "final", "blocked")}


def test_the_recording_has_blocked_ones_several_steps_and_dependencies() -> None:
    assert sum(each["blocked"] for each in OUTCOMES.values()) >= 5
    assert sum(len(each["installPlans"]) > 1 for each in OUTCOMES.values()) >= 10
    assert sum(bool(each["newSubscriptions"]) for each in OUTCOMES.values()) >= 5
