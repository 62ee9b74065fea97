"""What a catalog lacks is said in the user's terms."""

from __future__ import annotations

from balise.model.catalog import catalog_from_blobs
from balise.planner.gaps import gaps


def test_missing_bundles_channels_and_unreadable_ranges() -> None:
    catalog = catalog_from_blobs(
        [
            {"schema": "olm.package", "name": "a", "defaultChannel": "main"},
            {"schema": "olm.channel", "package": "a", "name": "stable", "entries": [
                {"name": "a.v1.0.0", "skipRange": "^1"}, {"name": "a.v2.0.0", "replaces": "a.v1.0.0"}]},
            {"schema": "olm.bundle", "package": "a", "name": "a.v1.0.0"},
            {"schema": "olm.bundle", "package": "a", "name": "a.v3.0.0"},
        ]
    )  # fmt: skip
    assert list(gaps(catalog, "a")) == [
        "the default channel main of a does not exist; there is stable",
        "skipRange '^1' of a.v1.0.0 in channel stable cannot be read: OLM goes on as if there were none",
        "channel stable lists a.v2.0.0, and there is no such bundle: nobody can get it",
        "a.v3.0.0 is in no channel: nobody can get it",
    ]


def test_a_complete_package_lacks_nothing() -> None:
    catalog = catalog_from_blobs(
        [
            {"schema": "olm.package", "name": "a", "defaultChannel": "stable"},
            {"schema": "olm.channel", "package": "a", "name": "stable",
             "entries": [{"name": "a.v1.0.0", "replaces": "a.v0.9.0", "skipRange": "<1.0.0"}]},
            {"schema": "olm.bundle", "package": "a", "name": "a.v1.0.0"},
        ]
    )  # fmt: skip
    assert list(gaps(catalog, "a")) == []
