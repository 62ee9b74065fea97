"""Which way leads to the head; rules of OLM, checked against small channels."""

from __future__ import annotations

from typing import Any

import pytest

from balise.model.semver import Version
from balise.publish.ways import ChannelWays, Way, channel_ways

from .conftest import channel, demo_catalog, entry


def ways(*entries: dict[str, Any], deprecations: tuple[dict[str, Any], ...] = ()) -> ChannelWays:
    starts = {each["name"]: Version.parse(each["name"].removeprefix("demo.v")) for each in entries}
    return channel_ways(demo_catalog(channel("stable", *entries), deprecations=deprecations), "demo", "stable", starts)


def versions(way: Way) -> list[str]:
    return [name.removeprefix("demo.v") for name in way.steps]


def test_v0_takes_what_covers_the_version_and_is_nearest_to_the_head() -> None:
    found = ways(
        entry("1.0.0"),
        entry("1.0.1", "1.0.0"),
        entry("1.1.0", "1.0.1", skip_range="<1.1.0"),
        entry("1.2.0", "1.1.0"),
    )
    assert versions(found.v0["demo.v1.0.0"]) == ["1.1.0", "1.2.0"]
    assert found.head == "demo.v1.2.0"
    assert found.v0["demo.v1.2.0"] == Way()


def test_v0_stays_silently_where_the_target_is_itself_skipped_and_v1_goes_there() -> None:
    found = ways(entry("1.0.0"), entry("1.2.0", "1.1.0", skip_range=">=1.0.0 <1.2.0"), entry("2.0.0", skips=("1.2.0",)))
    assert versions(found.v0["demo.v1.0.0"]) == []
    assert found.problem  # 1.0.0 is a second head


def test_v0_and_v1_part_where_a_skipped_version_covers_the_installed_one() -> None:
    found = ways(
        entry("1.0.0"),
        entry("1.1.0", "1.0.0", skip_range="<1.1.0"),
        entry("1.2.0", "1.0.0", skips=("1.1.0",), skip_range=">=1.1.0 <1.2.0"),
    )
    assert versions(found.v0["demo.v1.0.0"]) == ["1.2.0"]
    assert versions(found.v1["demo.v1.0.0"]) == ["1.2.0"]
    assert versions(found.v0["demo.v1.1.0"]) == ["1.2.0"]


def test_range_that_covers_newer_versions_never_ends() -> None:
    found = ways(entry("1.0.0"), entry("1.1.0", "1.0.0", skip_range="<2.0.0"), entry("1.2.0", "1.1.0"))
    way = found.v0["demo.v1.2.0"]
    assert way.circular
    assert versions(way) == ["1.1.0", "1.2.0"]


def test_v1_prefers_what_is_not_deprecated() -> None:
    found = ways(
        entry("1.0.0"),
        entry("1.1.0", "1.0.0"),
        entry("1.2.0", "1.1.0", skips=("1.0.0",)),
        deprecations=({"reference": {"schema": "olm.bundle", "name": "demo.v1.2.0"}, "message": "broken"},),
    )
    assert versions(found.v1["demo.v1.0.0"]) == ["1.1.0"]
    assert versions(found.v0["demo.v1.0.0"]) == ["1.2.0"]


@pytest.mark.parametrize("start", ["0.9.0", "1.0.5"])
def test_way_starts_at_versions_that_the_channel_does_not_offer(start: str) -> None:
    catalog = demo_catalog(
        channel("stable", entry("1.0.0", "0.9.0"), entry("1.1.0", "1.0.0", skip_range=">1.0.0 <1.1.0"))
    )
    found = channel_ways(catalog, "demo", "stable", {f"demo.v{start}": Version.parse(start)})
    assert found.v0[f"demo.v{start}"].steps[-1] == "demo.v1.1.0"
