"""OLM v0's rules one by one: each test names the rule of the resolver that it is about."""

from __future__ import annotations

from typing import Any

import pytest

from balise.planner.rounds import Plan, plan
from balise.planner.scenarios import universe_of

Blob = dict[str, Any]


def package(name: str, default: str, channels: dict[str, list[Blob]], bundles: dict[str, list[Blob]]) -> list[Blob]:
    """Blobs of a package; bundles are named by version, entries likewise."""
    blobs: list[Blob] = [{"schema": "olm.package", "name": name, "defaultChannel": default}]
    for channel, entries in channels.items():
        blobs.append({"schema": "olm.channel", "package": name, "name": channel, "entries": entries})
    for version, properties in bundles.items():
        own = {"type": "olm.package", "value": {"packageName": name, "version": version}}
        blobs.append(
            {"schema": "olm.bundle", "package": name, "name": f"{name}.v{version}", "image": "r.example.com/x:1",
             "properties": [own, *properties]}
        )  # fmt: skip
    return blobs


def entry(name: str, replaces: str = "", skips: tuple[str, ...] = (), skip_range: str = "") -> Blob:
    return {"name": name, "replaces": replaces, "skips": list(skips), "skipRange": skip_range}


def chain(name: str, *versions: str) -> list[Blob]:
    """Entries that replace each other, oldest first."""
    names = [f"{name}.v{version}" for version in versions]
    return [entry(each, before) for each, before in zip(names, ["", *names], strict=False)]


def simple(name: str, *versions: str, **properties: list[Blob]) -> list[Blob]:
    """A package with one channel, stable, whose versions replace each other; properties by version with _ for dots."""
    bundles = {version: properties.get("v" + version.replace(".", "_"), []) for version in versions}
    return package(name, "stable", {"stable": chain(name, *versions)}, bundles)


def requires(name: str, versions: str) -> Blob:
    return {"type": "olm.package.required", "value": {"packageName": name, "versionRange": versions}}


def provides(kind: str) -> Blob:
    return {"type": "olm.gvk", "value": {"group": "example.com", "version": "v1", "kind": kind}}


def needs(kind: str) -> Blob:
    return {"type": "olm.gvk.required", "value": {"group": "example.com", "version": "v1", "kind": kind}}


def constraint(**value: Any) -> Blob:
    return {"type": "olm.constraint", "value": value}


def catalog(*packages: list[Blob], name: str = "cat", namespace: str = "olm", priority: int = 0) -> Blob:
    blobs = [blob for each in packages for blob in each]
    return {"name": name, "namespace": namespace, "priority": priority, "fbc": blobs}


def subscription(name: str, channel: str = "stable", installed: str = "", starting: str = "", **other: str) -> Blob:
    return {
        "name": f"sub-{name}", "package": name, "channel": channel, "source": "cat", "sourceNamespace": "olm",
        "startingCSV": starting, "installedCSV": installed, "currentCSV": installed, **other,
    }  # fmt: skip


def csv(name: str, *properties: Blob) -> Blob:
    base, _, version = name.partition(".v")
    own = {"type": "olm.package", "value": {"packageName": base, "version": version}}
    return {"name": name, "version": version, "replaces": "", "properties": [own, *properties]}


def planned(*catalogs: Blob, subscriptions: list[Blob], csvs: list[Blob] | None = None) -> Plan:
    return plan(universe_of({"catalogs": list(catalogs), "subscriptions": subscriptions, "csvs": csvs or []}))


def installs(found: Plan) -> list[list[str]]:
    return [[install.csv for install in each.installs] for each in found.rounds]


def upgrade(entries: list[Blob], start: str) -> Plan:
    """The upgrade of a.v1.0.0 or another version in a channel of bare bundles."""
    bundles: dict[str, list[Blob]] = {each["name"].removeprefix("a.v"): [] for each in entries}
    blobs = package("a", "stable", {"stable": entries}, bundles)
    return planned(catalog(blobs), subscriptions=[subscription("a", installed=start)], csvs=[csv(start)])


def blocked(found: Plan) -> str:
    assert found.blocked is not None
    return str(found.blocked)


# 1.0 When a resolution happens, and its scope


@pytest.mark.parametrize(("namespace", "seen"), [("olm", True), ("ns", True), ("elsewhere", False)])
def test_catalogs_are_considered_in_the_own_and_the_global_namespace_only(namespace: str, seen: bool) -> None:
    found = planned(
        catalog(simple("a", "1.0.0"), namespace=namespace), subscriptions=[subscription("a", sourceNamespace=namespace)]
    )
    assert installs(found) == ([["a.v1.0.0"]] if seen else [])
    assert (found.blocked is None) == seen


# 1.3 Ordering inside one channel


def test_a_fresh_installation_gets_the_head() -> None:
    found = planned(catalog(simple("a", "1.0.0", "1.1.0", "1.2.0")), subscriptions=[subscription("a")])
    assert installs(found) == [["a.v1.2.0"]]


def test_order_is_by_replaces_never_by_version() -> None:
    blobs = package("a", "stable", {"stable": chain("a", "2.0.0", "1.0.0")}, {"1.0.0": [], "2.0.0": []})
    assert installs(planned(catalog(blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0"]]


def test_two_heads_stop_everything_and_are_named() -> None:
    blobs = package("a", "stable", {"stable": [entry("a.v1.0.0"), entry("a.v2.0.0")]}, {"1.0.0": [], "2.0.0": []})
    found = planned(catalog(blobs, simple("b", "1.0.0")), subscriptions=[subscription("a"), subscription("b")])
    assert installs(found) == []
    assert blocked(found) == (
        "channel stable of package a has 2 heads: none of a.v1.0.0, a.v2.0.0 is replaced or skipped by another entry"
    )
    assert found.blocked is not None
    assert found.blocked.retried


def test_a_channel_without_a_head_is_told() -> None:
    entries = [entry("a.v1.0.0", "a.v2.0.0"), entry("a.v2.0.0", "a.v1.0.0")]
    blobs = package("a", "stable", {"stable": entries}, {"1.0.0": [], "2.0.0": []})
    assert "has no head" in blocked(planned(catalog(blobs), subscriptions=[subscription("a")]))


def test_a_cycle_below_the_head_is_told_as_a_cycle() -> None:
    entries = [entry("a.v3.0.0", "a.v2.0.0"), entry("a.v2.0.0", "a.v1.0.0"), entry("a.v1.0.0", "a.v2.0.0")]
    blobs = package("a", "stable", {"stable": entries}, {"1.0.0": [], "2.0.0": [], "3.0.0": []})
    text = blocked(planned(catalog(blobs), subscriptions=[subscription("a")]))
    assert "goes round in circles: a.v2.0.0 replaces a.v1.0.0 replaces a.v2.0.0" in text


def test_a_skipped_entry_is_no_target_but_the_chain_goes_through_it() -> None:
    entries = [
        entry("a.v1.0.0"),
        entry("a.v1.1.0", "a.v1.0.0"),
        entry("a.v1.2.0", "a.v1.1.0", ("a.v1.1.0",)),
    ]
    assert installs(upgrade(entries, "a.v1.1.0")) == [["a.v1.2.0"]]
    # 1.1.0 alone replaces 1.0.0, and it is skipped: a silent stall.
    found = upgrade(entries, "a.v1.0.0")
    assert (installs(found), found.blocked) == ([], None)


# 1.4 Subscription -> candidates


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (entry("a.v1.2.0", "a.v1.1.0"), [["a.v1.1.0"], ["a.v1.2.0"]]),
        (entry("a.v1.2.0", "a.v1.1.0", ("a.v1.0.0",)), [["a.v1.2.0"]]),
        (entry("a.v1.2.0", "a.v1.1.0", (), "<1.2.0"), [["a.v1.2.0"]]),
        (entry("a.v1.2.0", "a.v1.1.0", (), ">1.0.0 <1.2.0"), [["a.v1.1.0"], ["a.v1.2.0"]]),
        (entry("a.v1.2.0", "a.v1.1.0", (), "not a range"), [["a.v1.1.0"], ["a.v1.2.0"]]),
    ],
    ids=["replaces", "skips", "skipRange", "skipRange without it", "unreadable skipRange is ignored"],
)
def test_an_upgrade_takes_the_candidate_nearest_the_head_that_covers(last: Blob, expected: list[list[str]]) -> None:
    assert installs(upgrade([entry("a.v1.0.0"), entry("a.v1.1.0", "a.v1.0.0"), last], "a.v1.0.0")) == expected


def test_the_skip_range_of_an_entry_below_the_head_works() -> None:
    entries = [entry("a.v2.0.0", "", (), ">=1.0.0 <2.0.0"), entry("a.v3.0.0", "a.v2.0.0")]
    assert installs(upgrade(entries, "a.v1.0.0")) == [["a.v2.0.0"], ["a.v3.0.0"]]


def test_nothing_covers_the_installed_version_so_it_stays_without_an_error() -> None:
    entries = [entry("a.v3.0.0", "", ("a.v2.0.0",)), entry("a.v2.0.0", "", (), ">=1.0.0 <2.0.0")]
    found = upgrade(entries, "a.v1.0.0")
    assert (installs(found), found.blocked) == ([], None)


def test_a_skip_range_over_newer_versions_never_ends() -> None:
    entries = [entry("a.v1.0.0"), entry("a.v1.1.0", "a.v1.0.0", (), "<2.0.0"), entry("a.v1.2.0", "a.v1.1.0")]
    text = blocked(upgrade([*entries, entry("a.v1.3.0", "a.v1.1.0", ("a.v1.2.0",))], "a.v1.3.0"))
    assert text.startswith("this never ends")


def test_a_new_version_upgrades_its_own_range_only_once() -> None:
    found = upgrade([entry("a.v1.0.0"), entry("a.v1.1.0", "a.v1.0.0", (), "<=1.1.0")], "a.v1.0.0")
    assert (installs(found), found.blocked) == ([["a.v1.1.0"]], None)


def test_starting_csv_installs_even_a_skipped_bundle_and_then_upgrades() -> None:
    entries = [entry("a.v1.0.0"), entry("a.v1.1.0", "a.v1.0.0"), entry("a.v1.2.0", "a.v1.0.0", ("a.v1.1.0",))]
    blobs = package("a", "stable", {"stable": entries}, {"1.0.0": [], "1.1.0": [], "1.2.0": []})
    found = planned(catalog(blobs), subscriptions=[subscription("a", starting="a.v1.1.0")])
    assert installs(found) == [["a.v1.1.0"], ["a.v1.2.0"]]


def test_starting_csv_does_not_matter_once_something_is_installed() -> None:
    found = planned(
        catalog(simple("a", "1.0.0", "1.1.0")),
        subscriptions=[subscription("a", installed="a.v1.0.0", starting="a.v9.9.9")],
        csvs=[csv("a.v1.0.0")],
    )
    assert installs(found) == [["a.v1.1.0"]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"source": "nowhere"}, "catalog nowhere in namespace olm offers nothing, or does not exist"),
        ({"package": "z"}, "there is no package z in catalog cat"),
        ({"channel": "ghost"}, "package a in catalog cat has no channel ghost, only stable"),
        ({"startingCSV": "a.v9"}, "startingCSV a.v9 is not in channel stable of package a in catalog cat"),
    ],
)
def test_what_a_subscription_names_must_exist(change: dict[str, str], expected: str) -> None:
    found = planned(catalog(simple("a", "1.0.0")), subscriptions=[{**subscription("a"), **change}])
    assert expected in blocked(found)
    assert found.blocked is not None
    assert not found.blocked.retried


def test_a_channel_that_is_gone_blocks_even_who_has_it_installed_and_the_namespace() -> None:
    found = planned(
        catalog(simple("a", "1.0.0"), simple("b", "1.0.0")),
        subscriptions=[subscription("a", "gone", "a.v1.0.0"), subscription("b")],
        csvs=[csv("a.v1.0.0")],
    )
    assert installs(found) == []
    assert "has no channel gone" in blocked(found)
    assert "sub-b" not in blocked(found)


def test_with_no_channel_the_default_channel_comes_first() -> None:
    channels = {"alpha": chain("a", "1.0.0", "2.0.0"), "stable": chain("a", "1.0.0")}
    blobs = package("a", "stable", channels, {"1.0.0": [], "2.0.0": []})
    found = planned(catalog(blobs), subscriptions=[subscription("a", channel="")])
    # Then every channel offers upgrades.
    assert installs(found) == [["a.v1.0.0"], ["a.v2.0.0"]]


def test_the_installed_csv_says_what_it_replaces_not_the_bundle() -> None:
    entries = [entry("a.v1.0.0"), entry("a.v1.1.0", "a.v1.0.0"), entry("a.v1.2.0", "a.v1.1.0", ("a.v1.0.0",))]
    found = upgrade(entries, "a.v1.0.0")
    assert [install.replaces for each in found.rounds for install in each.installs] == ["a.v1.0.0"]


# 1.5 Dependencies


def test_a_dependency_gets_a_pinned_subscription_of_its_own() -> None:
    blobs = [simple("a", "1.0.0", v1_0_0=[requires("b", ">=1.0.0")]), simple("b", "1.0.0", "1.1.0")]
    found = planned(catalog(*blobs), subscriptions=[subscription("a")])
    assert installs(found) == [["a.v1.0.0", "b.v1.1.0"]]
    (made,) = found.rounds[0].new_subscriptions
    assert (made.name, made.channel, made.starting_csv) == ("b-stable-cat-olm", "stable", "b.v1.1.0")


def test_a_head_without_its_dependency_falls_back_down_the_chain() -> None:
    blobs = simple("a", "1.0.0", "1.1.0", v1_1_0=[requires("b", ">=1.0.0")])
    assert installs(planned(catalog(blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0"]]


def test_an_upgrade_without_its_dependency_stalls_without_an_error() -> None:
    blobs = simple("a", "1.0.0", "1.1.0", v1_1_0=[requires("b", ">=1.0.0")])
    found = planned(catalog(blobs), subscriptions=[subscription("a", installed="a.v1.0.0")], csvs=[csv("a.v1.0.0")])
    assert (installs(found), found.blocked) == ([], None)


@pytest.mark.parametrize(
    "bad",
    [
        requires("b", "^1.0.0"),
        constraint(nonsense={}),
        constraint(failureMessage="nothing else"),
        constraint(cel={"rule": "properties.exists(p, p.type =="}),
        constraint(cel={"rule": "1 + 1"}),
        constraint(gvk={"group": "g", "kind": "K", "version": "v1", "plural": "ks"}),
        constraint(all={"constraints": [{"package": {"packageName": "b", "versionRange": "~1"}}]}),
    ],
    ids=["caret", "unknown field", "empty", "CEL syntax", "CEL type", "unknown inner field", "nested"],
)
def test_a_dependency_that_cannot_be_read_stops_the_namespace(bad: Blob) -> None:
    blobs = [simple("a", "1.0.0", "1.1.0", v1_0_0=[bad]), simple("b", "1.0.0")]
    found = planned(catalog(*blobs), subscriptions=[subscription("a"), subscription("b")])
    assert installs(found) == []
    assert found.blocked is not None
    assert found.blocked.retried
    assert "a.v1.0.0" in str(found.blocked)


def test_a_requirement_of_a_bundle_that_nobody_looks_at_stops_nothing() -> None:
    blobs = [simple("a", "1.0.0"), simple("b", "1.0.0", v1_0_0=[requires("c", "^1")])]
    assert installs(planned(catalog(*blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0"]]


@pytest.mark.parametrize(
    ("needed", "met"),
    [
        (constraint(gvk={"group": "example.com", "kind": "K", "version": "v1"}), True),
        (constraint(gvk={"group": "example.com", "kind": "k", "version": "v1"}), False),
        (constraint(package={"packageName": "b", "versionRange": "1.x"}), True),
        (constraint(package={"packageName": "b", "versionRange": "<1.0.0"}), False),
        (constraint(any={"constraints": [{"package": {"packageName": "z", "versionRange": ">0.0.0"}},
                                         {"package": {"packageName": "b", "versionRange": ">0.0.0"}}]}), True),
        (constraint(any={"constraints": []}), False),
        (constraint(cel={"rule": "properties.exists(p, p.type == 'tier' && p.value == 'gold')"}), True),
        (constraint(cel={"rule": "properties.exists(p, p.type == 'tier' && p.value == 'lead')"}), False),
        (constraint(cel={"rule": "properties.all(p, p.value.nothing == 1)"}), False),
        (constraint(cel={"rule": "properties.exists(p, p.type == 'count' && p.value == 3)"}), True),
        (constraint(cel={"rule": "properties.exists(p, p.type == 'count' && p.value + 1.0 == 4.0)"}), True),
        (constraint(cel={"rule": "properties.exists(p, p.type == 'count' && p.value + 1 == 4)"}), False),
        ({"type": "olm.label.required", "value": {"label": "good"}}, True),
        ({"type": "olm.label.required", "value": {"label": "bad"}}, False),
        ({"type": "unknown.required", "value": {}}, True),
    ],
)  # fmt: skip
def test_kinds_of_requirements(needed: Blob, met: bool) -> None:
    offer = [
        provides("K"),
        {"type": "tier", "value": "gold"},
        {"type": "count", "value": 3},
        {"type": "olm.label", "value": {"label": "good"}},
    ]
    blobs = [simple("a", "1.0.0", v1_0_0=[needed]), simple("b", "1.0.0", v1_0_0=offer)]
    found = planned(catalog(*blobs), subscriptions=[subscription("a")])
    assert (found.blocked is None) is met


def test_all_must_hold_for_one_bundle() -> None:
    parts = [{"package": {"packageName": name, "versionRange": ">=1.0.0"}} for name in ("b", "c")]
    both = constraint(all={"constraints": parts})
    blobs = [simple("a", "1.0.0", v1_0_0=[both]), simple("b", "1.0.0"), simple("c", "1.0.0")]
    assert "no catalog offers one" in blocked(planned(catalog(*blobs), subscriptions=[subscription("a")]))


def test_not_is_met_by_any_other_bundle_even_by_the_one_that_asks() -> None:
    other = constraint(**{"not": {"constraints": [{"package": {"packageName": "b", "versionRange": ">=0.0.0"}}]}})
    found = planned(catalog(simple("a", "1.0.0", v1_0_0=[other])), subscriptions=[subscription("a")])
    assert installs(found) == [["a.v1.0.0"]]


def test_a_bundle_may_meet_its_own_requirement() -> None:
    blobs = simple("a", "1.0.0", v1_0_0=[provides("K"), needs("K")])
    assert installs(planned(catalog(blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0"]]


def test_the_default_channel_beats_a_higher_version_in_another_one() -> None:
    b = package("b", "stable", {"alpha": chain("b", "1.0.0", "2.0.0"), "stable": chain("b", "1.0.0")},
                {"1.0.0": [], "2.0.0": []})  # fmt: skip
    blobs = [simple("a", "1.0.0", v1_0_0=[requires("b", ">=1.0.0")]), b]
    assert installs(planned(catalog(*blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0", "b.v1.0.0"]]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([catalog(simple("b", "1.0.0"), name="x", priority=9)], "cat"),
        ([], "cat"),
    ],
)
def test_the_same_catalog_beats_a_higher_priority(others: list[Blob], expected: str) -> None:
    mine = catalog(simple("a", "1.0.0", v1_0_0=[requires("b", ">=1.0.0")]), simple("b", "1.0.0"))
    found = planned(mine, *others, subscriptions=[subscription("a")])
    assert {install.csv: install.catalog.name for install in found.rounds[0].installs}["b.v1.0.0"] == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"name": "x", "priority": 1}, {"name": "w"}, "x"),
        ({"name": "x"}, {"name": "w"}, "w"),
        ({"name": "x", "namespace": "ns"}, {"name": "w"}, "x"),
        ({"name": "x", "namespace": "ns"}, {"name": "w", "priority": 1}, "w"),
    ],
    ids=["priority", "name", "own namespace", "priority before namespace"],
)
def test_order_of_other_catalogs(first: Blob, second: Blob, expected: str) -> None:
    mine = catalog(simple("a", "1.0.0", v1_0_0=[requires("b", ">=1.0.0")]))
    others = [catalog(simple("b", "1.0.0"), **first), catalog(simple("b", "1.0.0"), **second)]
    found = planned(mine, *others, subscriptions=[subscription("a")])
    assert {install.csv: install.catalog.name for install in found.rounds[0].installs}["b.v1.0.0"] == expected


def test_what_is_installed_is_preferred_to_what_a_catalog_offers() -> None:
    blobs = [simple("a", "1.0.0", v1_0_0=[requires("b", ">=0.5.0")]), simple("b", "0.9.0", "1.0.0")]
    found = planned(catalog(*blobs), subscriptions=[subscription("a")], csvs=[csv("b.v0.5.0")])
    assert installs(found) == [["a.v1.0.0"]]


def test_dependencies_are_transitive() -> None:
    blobs = [
        simple("a", "1.0.0", v1_0_0=[requires("b", ">=1.0.0")]),
        simple("b", "1.0.0", v1_0_0=[needs("K")]),
        simple("c", "1.0.0", v1_0_0=[provides("K")]),
    ]
    found = planned(catalog(*blobs), subscriptions=[subscription("a")])
    assert installs(found) == [["a.v1.0.0", "b.v1.0.0", "c.v1.0.0"]]


def test_a_prerelease_is_in_a_range_by_plain_precedence() -> None:
    blobs = [simple("a", "1.0.0", v1_0_0=[requires("b", ">=1.0.0 <2.0.0")]), simple("b", "2.0.0-rc.1")]
    assert installs(planned(catalog(*blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0", "b.v2.0.0-rc.1"]]


# 1.6 Invariants


def test_one_provider_of_an_api_in_a_namespace() -> None:
    blobs = [simple(name, "1.0.0", v1_0_0=[provides("K")]) for name in ("a", "b")]
    text = blocked(planned(catalog(*blobs), subscriptions=[subscription("a"), subscription("b")]))
    assert "only one of a.v1.0.0 (channel stable of cat) and b.v1.0.0 (channel stable of cat) may be installed" in text
    assert "able to provide the API K (example.com/v1)" in text


def test_a_bundle_that_names_an_api_twice_is_never_installed() -> None:
    blobs = simple("a", "1.0.0", "1.1.0", v1_1_0=[provides("K"), provides("K")])
    assert installs(planned(catalog(blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0"]]
    only = simple("a", "1.0.0", v1_0_0=[provides("K"), provides("K")])
    text = blocked(planned(catalog(only), subscriptions=[subscription("a")]))
    assert "able to provide the API K (example.com/v1) more than once, which is never allowed" in text


def test_an_orphaned_csv_of_the_same_package_blocks_its_subscription() -> None:
    found = planned(catalog(simple("a", "1.0.0", "1.1.0")), subscriptions=[subscription("a")], csvs=[csv("a.v1.0.0")])
    assert installs(found) == []
    assert "a.v1.0.0 is installed and no Subscription owns it, so it must stay" in blocked(found)


def test_a_deprecated_property_forbids_a_bundle_but_olm_deprecations_does_not() -> None:
    blobs = simple("a", "1.0.0", "1.1.0", v1_1_0=[{"type": "olm.deprecated", "value": {}}])
    assert installs(planned(catalog(blobs), subscriptions=[subscription("a")])) == [["a.v1.0.0"]]
    reference = {"schema": "olm.bundle", "name": "a.v1.1.0"}
    note = {"schema": "olm.deprecations", "package": "a", "entries": [{"reference": reference, "message": "old"}]}
    found = planned(catalog([*simple("a", "1.0.0", "1.1.0"), note]), subscriptions=[subscription("a")])
    assert installs(found) == [["a.v1.1.0"]]


# 1.7 The explanation is the smallest set of facts that conflict


def test_the_explanation_leaves_out_what_has_nothing_to_do_with_it() -> None:
    blobs = [
        simple("a", "1.0.0", v1_0_0=[requires("b", ">=2.0.0")]),
        simple("b", "1.0.0", "2.0.0", v2_0_0=[provides("K")]),
        simple("c", "1.0.0", v1_0_0=[provides("K")]),
        simple("d", "1.0.0"),
    ]
    found = planned(catalog(*blobs), subscriptions=[subscription("d"), subscription("c"), subscription("a")])
    assert found.blocked is not None
    assert list(found.blocked.facts) == [
        "Subscription sub-c asks for package c from channel stable of cat",
        "Subscription sub-a asks for package a from channel stable of cat",
        "Subscription sub-c is served only by c.v1.0.0",
        "Subscription sub-a is served only by a.v1.0.0",
        "a.v1.0.0 requires an operator of package b with a version in '>=2.0.0': b.v2.0.0",
        "only one of b.v2.0.0 (channel stable of cat) and c.v1.0.0 (channel stable of cat) may be installed: "
        "each is able to provide the API K (example.com/v1)",
    ]
