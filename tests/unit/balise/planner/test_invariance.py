"""Changes of a catalog that must not change a plan."""

from __future__ import annotations

import copy
import itertools
import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from balise.planner.rounds import plan
from balise.planner.scenarios import outcome, universe_of

Blob = dict[str, Any]
VERSIONS = ["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0"]
KINDS = ["K", "L"]


def _properties(draw: st.DrawFn, package: str, version: str, packages: list[str]) -> list[Blob]:
    found: list[Blob] = [{"type": "olm.package", "value": {"packageName": package, "version": version}}]
    gvk = {"group": "g.example.com", "version": "v1"}
    found += [{"type": "olm.gvk", "value": {**gvk, "kind": k}} for k in KINDS if draw(st.integers(0, 3)) == 0]
    if draw(st.integers(0, 3)) == 0:
        found.append({"type": "olm.gvk.required", "value": {**gvk, "kind": draw(st.sampled_from(KINDS))}})
    if draw(st.integers(0, 3)) == 0:
        versions = draw(st.sampled_from([">=1.0.0", "<2.0.0", ">=1.1.0 <2.0.0"]))
        value = {"packageName": draw(st.sampled_from(packages)), "versionRange": versions}
        found.append({"type": "olm.package.required", "value": value})
    return found


@st.composite
def scenarios(draw: st.DrawFn) -> Blob:
    """Universes with valid channels: chains with random skips and skipRanges."""
    packages = ["a", "b", "c"]
    blobs: list[Blob] = []
    for package in packages:
        channels = draw(st.lists(st.sampled_from(["alpha", "beta", "stable"]), min_size=1, max_size=2, unique=True))
        blobs.append({"schema": "olm.package", "name": package, "defaultChannel": channels[0]})
        versions = draw(st.lists(st.sampled_from(VERSIONS), min_size=1, unique=True).map(sorted))
        for channel in channels:
            entries: list[Blob] = []
            for before, version in itertools.pairwise(["", *versions]):
                entry: Blob = {"name": f"{package}.v{version}"}
                if before:
                    entry["replaces"] = f"{package}.v{before}"
                if draw(st.booleans()):
                    entry["skipRange"] = f"<{version}"
                if len(entries) > 1 and draw(st.booleans()):
                    entry["skips"] = [entries[-2]["name"]]
                entries.append(entry)
            blobs.append({"schema": "olm.channel", "package": package, "name": channel, "entries": entries})
        blobs += [
            {"schema": "olm.bundle", "package": package, "name": f"{package}.v{version}", "image": "",
             "properties": _properties(draw, package, version, packages)}
            for version in versions
        ]  # fmt: skip
    channel = next(b["name"] for b in blobs if b["schema"] == "olm.channel" and b["package"] == "a")
    installed = draw(st.sampled_from(["", "a.v1.0.0"]))
    subscription = {"name": "sub-a", "package": "a", "channel": channel, "source": "cat", "sourceNamespace": "olm",
                    "installedCSV": installed, "currentCSV": installed}  # fmt: skip
    own = {"type": "olm.package", "value": {"packageName": "a", "version": "1.0.0"}}
    csvs = [{"name": installed, "version": "1.0.0", "properties": [own]}] if installed else []
    catalog = {"name": "cat", "namespace": "olm", "priority": 0, "fbc": blobs}
    return {"catalogs": [catalog], "subscriptions": [subscription], "csvs": csvs}


def result(scenario: Blob) -> Blob:
    found = outcome(plan(universe_of(scenario)))
    return {**found, "blocked": found["blocked"] is not None}


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_a_package_that_nobody_can_reach_changes_nothing(scenario: Blob) -> None:
    before = result(scenario)
    own = {"type": "olm.package", "value": {"packageName": "z", "version": "1.0.0"}}
    # Even one that cannot be read: nobody looks at it.
    bad = {"type": "olm.package.required", "value": {"packageName": "a", "versionRange": "^1"}}
    scenario["catalogs"][0]["fbc"] += [
        {"schema": "olm.package", "name": "z", "defaultChannel": "stable"},
        {"schema": "olm.channel", "package": "z", "name": "stable", "entries": [{"name": "z.v1.0.0"}]},
        {"schema": "olm.bundle", "package": "z", "name": "z.v1.0.0", "image": "", "properties": [own, bad]},
    ]
    assert result(scenario) == before


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_a_channel_entry_that_is_skipped_and_covers_nothing_changes_nothing(scenario: Blob) -> None:
    before = result(scenario)
    blobs = scenario["catalogs"][0]["fbc"]
    channel = next(blob for blob in blobs if blob["schema"] == "olm.channel" and blob["package"] == "a")
    head = channel["entries"][-1]
    head["skips"] = [*head.get("skips", []), "a.v0.0.1"]
    channel["entries"].append({"name": "a.v0.0.1"})
    own = {"type": "olm.package", "value": {"packageName": "a", "version": "0.0.1"}}
    blobs.append({"schema": "olm.bundle", "package": "a", "name": "a.v0.0.1", "image": "", "properties": [own]})
    assert result(scenario) == before


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_renaming_channels_consistently_renames_them_in_the_plan_and_nothing_else(scenario: Blob) -> None:
    renamed = copy.deepcopy(scenario)
    # The new names keep the order of the old ones, which decides between channels that are equal otherwise.
    for blob in renamed["catalogs"][0]["fbc"]:
        for key, schema in (("defaultChannel", "olm.package"), ("name", "olm.channel")):
            if blob["schema"] == schema:
                blob[key] = f"x-{blob[key]}"
    for subscription in renamed["subscriptions"]:
        subscription["channel"] = f"x-{subscription['channel']}"
    expected = result(scenario)
    for each in expected["rounds"]:
        each["newSubscriptions"] = [made.replace("/", "/x-", 1) for made in each["newSubscriptions"]]
    assert result(renamed) == expected


@settings(max_examples=40, deadline=None)
@given(scenarios(), st.randoms(use_true_random=False))
def test_the_order_of_the_blobs_and_saying_everything_twice_change_nothing(
    scenario: Blob, shuffler: random.Random
) -> None:
    merged = copy.deepcopy(scenario)
    blobs = merged["catalogs"][0]["fbc"]
    # Merging a catalog with itself: the same blobs, once.
    merged["catalogs"][0]["fbc"] = [json.loads(text) for text in dict.fromkeys(map(json.dumps, [*blobs, *blobs]))]
    shuffler.shuffle(merged["catalogs"][0]["fbc"])
    assert result(merged) == result(scenario)


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_a_settled_plan_is_a_fixed_point(scenario: Blob) -> None:
    found = plan(universe_of(scenario))
    if found.blocked is None:
        again = plan(found.final)
        assert (again.rounds, again.blocked) == ((), None)


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_what_is_final_has_one_bundle_of_a_package_and_one_provider_of_an_api(scenario: Blob) -> None:
    found = plan(universe_of(scenario))
    packages = [p.value["packageName"] for c in found.final.csvs for p in c.properties or () if p.type == "olm.package"]
    apis = [p.canonical() for c in found.final.csvs for p in c.properties or () if p.type == "olm.gvk"]
    assert len(packages) == len(set(packages))
    assert len(apis) == len(set(apis))
