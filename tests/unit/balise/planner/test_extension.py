"""OLM v1's rules one by one: which bundle a ClusterExtension gets, and which it refuses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from balise.model.catalog import catalog_from_blobs
from balise.planner.extension import ClusterCatalog, Extension, Policy, Refusal, resolve_extension, walk

Blob = dict[str, Any]


def bundle(version: str, *properties: Blob) -> Blob:
    own = {"type": "olm.package", "value": {"packageName": "a", "version": version}}
    return {"schema": "olm.bundle", "package": "a", "name": f"a.v{version}", "properties": [own, *properties]}


def catalog(
    channels: dict[str, list[Blob]], *bundles: Blob, name: str = "cat", priority: int = 0, deprecated: str = ""
) -> ClusterCatalog:
    blobs: list[Blob] = [{"schema": "olm.package", "name": "a", "defaultChannel": "stable"}]
    blobs += [{"schema": "olm.channel", "package": "a", "name": n, "entries": e} for n, e in channels.items()]
    if deprecated:
        entries = [{"reference": {"schema": "olm.bundle", "name": deprecated}, "message": "old"}]
        blobs.append({"schema": "olm.deprecations", "package": "a", "entries": entries})
    return ClusterCatalog(name, catalog_from_blobs([*blobs, *bundles]), priority)


def plain(*versions: str) -> ClusterCatalog:
    entries: list[Blob] = [{"name": f"a.v{version}"} for version in versions]
    for before, after in pairwise(entries):
        after["replaces"] = before["name"]
    return catalog({"stable": entries}, *(bundle(version) for version in versions))


def chosen(extension: Extension, *catalogs: ClusterCatalog) -> str:
    found = resolve_extension(extension, catalogs)
    return found.text if isinstance(found, Refusal) else found.bundle.name


def installed(version: str, wanted: str = "", policy: Policy = "CatalogProvided", *channels: str) -> Extension:
    return Extension("a", wanted, channels, policy, f"a.v{version}", version)


def test_the_highest_version_is_taken_whatever_the_channel() -> None:
    channels = {"stable": [{"name": "a.v1.0.0"}], "alpha": [{"name": "a.v2.0.0"}]}
    both = catalog(channels, bundle("1.0.0"), bundle("2.0.0"))
    assert chosen(Extension("a"), both) == "a.v2.0.0"
    assert chosen(Extension("a", channels=("stable",)), both) == "a.v1.0.0"


def test_a_version_range_and_a_pin() -> None:
    found = plain("1.0.0", "1.1.0", "2.0.0")
    assert chosen(Extension("a", "^1"), found) == "a.v1.1.0"
    assert chosen(Extension("a", "1.0.0"), found) == "a.v1.0.0"
    assert "no bundle of package a with a version in '3.x'" in chosen(Extension("a", "3.x"), found)
    assert "is no version range" in chosen(Extension("a", ">>1"), found)
    assert "a ClusterExtension takes 64" in chosen(Extension("a", " || ".join(["1.0.0"] * 9)), found)


def test_only_direct_successors_or_the_same_version_are_upgrades() -> None:
    found = plain("1.0.0", "1.1.0", "1.2.0")
    assert chosen(installed("1.0.0"), found) == "a.v1.1.0"
    assert [step.bundle.name for step in walk(installed("1.0.0"), [found]).steps] == ["a.v1.1.0", "a.v1.2.0"]
    assert chosen(installed("1.2.0"), found) == "a.v1.2.0"


def test_out_of_range_with_no_successor_is_an_error_not_a_stay() -> None:
    stopped = chosen(installed("1.2.0", "1.0.0"), plain("1.0.0", "1.1.0", "1.2.0"))
    assert "is a.v1.2.0 or replaces it, skips it, or has it in its skipRange" in stopped


def test_self_certified_goes_anywhere() -> None:
    found = plain("1.0.0", "1.1.0", "1.2.0")
    assert chosen(installed("1.2.0", "1.0.0", "SelfCertified"), found) == "a.v1.0.0"
    assert chosen(installed("1.0.0", "", "SelfCertified"), found) == "a.v1.2.0"


def test_a_skipped_entry_is_as_good_as_any() -> None:
    entries: list[Blob] = [
        {"name": "a.v3.0.0", "skips": ["a.v2.0.0"]},
        {"name": "a.v2.0.0", "skipRange": ">=1.0.0 <2.0.0"},
    ]
    found = catalog({"stable": entries}, bundle("2.0.0"), bundle("3.0.0"))
    assert chosen(installed("1.0.0"), found) == "a.v2.0.0"


def test_successors_count_in_the_selected_channels_only() -> None:
    channels = {
        "stable": [{"name": "a.v1.0.0"}, {"name": "a.v1.1.0", "replaces": "a.v1.0.0"}],
        "fast": [{"name": "a.v1.1.0"}],
    }
    found = catalog(channels, bundle("1.0.0"), bundle("1.1.0"))
    assert "no bundle" in chosen(installed("1.0.0", "", "CatalogProvided", "fast"), found)
    assert chosen(installed("1.0.0", "", "CatalogProvided", "stable"), found) == "a.v1.1.0"


def test_deprecated_bundles_come_last() -> None:
    found = catalog({"stable": [{"name": "a.v1.0.0"}, {"name": "a.v1.1.0", "replaces": "a.v1.0.0"}]},
                    bundle("1.0.0"), bundle("1.1.0"), deprecated="a.v1.1.0")  # fmt: skip
    assert chosen(Extension("a"), found) == "a.v1.0.0"
    assert chosen(Extension("a", "1.1.0"), found) == "a.v1.1.0"


def test_catalogs_by_priority_and_a_tie_is_an_error() -> None:
    first, second = plain("1.0.0"), plain("2.0.0")
    low = ClusterCatalog("low", second.catalog, -1)
    same = ClusterCatalog("same", second.catalog, 0)
    assert chosen(Extension("a"), first, low) == "a.v1.0.0"
    assert "catalogs cat, same all offer a with the same priority 0" in chosen(Extension("a"), first, same)


def test_build_metadata_is_a_release() -> None:
    found = catalog({"stable": [{"name": "a.v1.0.0"}, {"name": "a.v1.0.0+2"}, {"name": "a.v1.0.0+10"}]},
                    bundle("1.0.0"), bundle("1.0.0+2"), bundle("1.0.0+10"))  # fmt: skip
    assert chosen(Extension("a"), found) == "a.v1.0.0+10"


@pytest.mark.parametrize(
    ("found_property", "reason"),
    [
        ({"type": "olm.package.required", "value": {"packageName": "b", "versionRange": ">1.0.0"}}, "dependency"),
        ({"type": "olm.gvk.required", "value": {"group": "g", "kind": "K", "version": "v1"}}, "dependency"),
        ({"type": "olm.constraint", "value": {"all": {"constraints": []}}}, "dependency"),
        ({"type": "olm.csv.metadata", "value": {"installModes": [{"type": "AllNamespaces", "supported": False}]}},
         "AllNamespaces"),
        ({"type": "olm.csv.metadata", "value": {"apiServiceDefinitions": {"owned": [{"name": "v1"}]}}}, "APIService"),
    ],
)  # fmt: skip
def test_refusals_and_the_next_best_is_not_tried(found_property: Blob, reason: str) -> None:
    entries: list[Blob] = [{"name": "a.v1.0.0"}, {"name": "a.v1.1.0", "replaces": "a.v1.0.0"}]
    found = catalog({"stable": entries}, bundle("1.0.0"), bundle("1.1.0", found_property))
    refusal = resolve_extension(Extension("a"), [found])
    assert isinstance(refusal, Refusal)
    assert refusal.bundle == "a.v1.1.0"
    assert reason in refusal.text
