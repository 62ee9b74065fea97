"""Deprecations show as conditions of a Subscription, each where it belongs."""

from __future__ import annotations

import pytest

from balise.model.catalog import catalog_from_blobs
from balise.planner.deprecations import deprecation_conditions
from balise.planner.question import Question, source_of, universe_for


@pytest.mark.parametrize(
    ("channel", "installed", "expected"),
    [
        ("stable", "a.v2.0.0", ["PackageDeprecated", "Deprecated"]),
        ("old", "a.v2.0.0", ["PackageDeprecated", "ChannelDeprecated", "Deprecated"]),
        ("old", "a.v1.0.0", ["PackageDeprecated", "ChannelDeprecated", "BundleDeprecated", "Deprecated"]),
        ("stable", "", ["PackageDeprecated", "Deprecated"]),
    ],
)
def test_conditions_of_a_subscription(channel: str, installed: str, expected: list[str]) -> None:
    references = [{"schema": "olm.package"}, {"schema": "olm.channel", "name": "old"},
                  {"schema": "olm.bundle", "name": "a.v1.0.0"}]  # fmt: skip
    catalog = catalog_from_blobs(
        [
            {"schema": "olm.package", "name": "a", "defaultChannel": "stable"},
            {"schema": "olm.package", "name": "b", "defaultChannel": "stable"},
            {"schema": "olm.deprecations", "package": "a",
             "entries": [{"reference": reference, "message": "gone soon"} for reference in references]},
        ]
    )  # fmt: skip
    universe = universe_for(Question("a", channel, installed), [source_of("cat", catalog)])
    found = deprecation_conditions(universe, universe.subscriptions[0])
    assert [condition.type for condition in found] == expected
    assert all("gone soon" in condition.message for condition in found)
    other = universe_for(Question("b", channel), [source_of("cat", catalog)])
    assert deprecation_conditions(other, other.subscriptions[0]) == []
