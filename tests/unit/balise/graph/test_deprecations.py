"""Deprecations set and taken back."""

from __future__ import annotations

import pytest

from balise.graph.deprecations import deprecate
from balise.graph.rendering import Blob
from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.errors import InputError

PUBLISHED = catalog_from_blobs([
    {"schema": "olm.package", "name": "app", "defaultChannel": "stable"},
    {"schema": "olm.channel", "package": "app", "name": "stable", "entries": [{"name": "app.v1"}]},
    {"schema": "olm.bundle", "package": "app", "name": "app.v1"},
])  # fmt: skip
NONE = catalog_from_blobs([])


def with_entries(*entries: Blob) -> Catalog:
    return catalog_from_blobs([{"schema": "olm.deprecations", "package": "app", "entries": list(entries)}])


CHANNEL = {"reference": {"schema": "olm.channel", "name": "stable"}, "message": "Old."}
PACKAGE = {"reference": {"schema": "olm.package"}, "message": "Gone."}


def test_entries_are_added_replaced_and_ordered() -> None:
    blob = deprecate(PUBLISHED, with_entries(CHANNEL), "app", "Gone.")
    assert blob == {"schema": "olm.deprecations", "package": "app", "entries": [PACKAGE, CHANNEL]}
    again = deprecate(PUBLISHED, with_entries(PACKAGE, CHANNEL), "app", "New.", channel="stable")
    assert again["entries"] == [PACKAGE, {**CHANNEL, "message": "New."}]
    assert deprecate(PUBLISHED, NONE, "app", "Bug.", bundle="app.v1")["entries"] == [
        {"reference": {"schema": "olm.bundle", "name": "app.v1"}, "message": "Bug."}
    ]


def test_entries_are_taken_back() -> None:
    assert deprecate(PUBLISHED, with_entries(PACKAGE, CHANNEL), "app", "", channel="stable")["entries"] == [PACKAGE]


@pytest.mark.parametrize(
    ("message", "arguments", "problem"),
    [
        ("x", {"channel": "fast"}, "package app has no channel fast\n  it has stable"),
        ("x", {"bundle": "app.v2"}, r"package app has no bundle app\.v2\n  it has app\.v1"),
        ("", {"channel": "stable"}, "channel stable is not deprecated"),
        ("", {}, "package app is not deprecated"),
    ],
)
def test_what_is_not_there_is_told(message: str, arguments: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        deprecate(PUBLISHED, NONE, "app", message, **arguments)
