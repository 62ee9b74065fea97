"""What changes for users, in their words; and where a channel takes them, rule by rule of OLM v0's walk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from balise.graph.diff import compare_catalogs
from balise.graph.upgrades import End, candidates, journey
from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.catalog_files import load_catalog
from balise.model.semver import Version

CORPUS = Path(os.environ.get("BALISE_CORPUS", Path(__file__).parents[4].parent / "shared/corpus"))

Edges = dict[str, Any]


def catalog(
    channels: dict[str, dict[str, Edges]],
    *,
    default: str = "stable",
    images: dict[str, str] | None = None,
    deprecations: dict[tuple[str, str], str] | None = None,
) -> Catalog:
    """A catalog of package app: channels of versions with ``replaces``, ``skips`` (of versions) and ``range``."""
    blobs: list[dict[str, Any]] = [{"schema": "olm.package", "name": "app", "defaultChannel": default}]
    for name, entries in channels.items():
        blobs.append({"schema": "olm.channel", "package": "app", "name": name, "entries": [
            {"name": f"app.v{version}",
             **({"replaces": f"app.v{edges['replaces']}"} if "replaces" in edges else {}),
             **({"skips": [f"app.v{skip}" for skip in edges["skips"]]} if "skips" in edges else {}),
             **({"skipRange": edges["range"]} if "range" in edges else {})}
            for version, edges in entries.items()
        ]})  # fmt: skip
    for version in dict.fromkeys(version for entries in channels.values() for version in entries):
        properties = [{"type": "olm.package", "value": {"packageName": "app", "version": version}}]
        blobs.append({"schema": "olm.bundle", "package": "app", "name": f"app.v{version}",
                      "image": (images or {}).get(version, f"app:{version}"), "properties": properties})  # fmt: skip
    if deprecations:
        entries = [{"reference": {"schema": schema, "name": name}, "message": message}
                   for (schema, name), message in deprecations.items()]  # fmt: skip
        blobs.append({"schema": "olm.deprecations", "package": "app", "entries": entries})
    return catalog_from_blobs(blobs)


CHAIN: dict[str, Edges] = {"1.0.0": {}, "1.1.0": {"replaces": "1.0.0"}, "1.2.0": {"replaces": "1.1.0"}}


def walk(entries: dict[str, Edges], start: str) -> tuple[list[str], End]:
    (channel,) = catalog({"stable": entries}).channels
    versions = {f"app.v{version}": Version.parse(version) for version in [*entries, start]}
    found = journey(channel, f"app.v{start}", versions)
    return [step.removeprefix("app.v") for step in found.steps], found.end


@pytest.mark.parametrize(
    ("entries", "start", "steps", "end"),
    [
        pytest.param(CHAIN, "1.0.0", ["1.1.0", "1.2.0"], End.HEAD, id="one hop at a time along replaces"),
        pytest.param(CHAIN, "1.2.0", [], End.HEAD, id="at the head"),
        pytest.param(CHAIN, "0.1.0", [], End.STRANDED, id="nothing covers it"),
        pytest.param({**CHAIN, "1.2.0": {"replaces": "1.1.0", "range": "<1.2.0"}}, "1.0.0", ["1.2.0"], End.HEAD,
                     id="the head's skipRange is nearest to the head"),
        pytest.param({**CHAIN, "1.1.0": {"replaces": "1.0.0", "range": "<1.1.0"}},
                     "0.5.0", ["1.1.0", "1.2.0"], End.HEAD, id="a skipRange below the head counts, too"),
        pytest.param({**CHAIN, "1.2.0": {"replaces": "1.1.0", "skips": ["1.1.0"]}}, "1.0.0", [], End.STRANDED,
                     id="what is skipped cannot be gone through"),
        pytest.param({**CHAIN, "1.2.0": {"replaces": "1.1.0", "skips": ["1.1.0"]}}, "1.1.0", ["1.2.0"], End.HEAD,
                     id="who runs what is skipped is upgraded"),
        pytest.param({**CHAIN, "1.1.0": {"replaces": "1.0.0", "range": "<2.0.0"}},
                     "1.2.0", ["1.1.0", "1.2.0"], End.CIRCLE, id="a skipRange over newer versions takes users back"),
        pytest.param({"1.0.0": {}, "1.1.0": {}}, "1.0.0", [], End.BROKEN, id="two heads"),
        pytest.param({"1.0.0": {"replaces": "1.1.0"}, "1.1.0": {"replaces": "1.0.0"}}, "1.0.0", [], End.BROKEN,
                     id="no head"),
    ],
)  # fmt: skip
def test_journey(entries: dict[str, Edges], start: str, steps: list[str], end: End) -> None:
    assert walk(entries, start) == (steps, end)


def test_candidates_are_the_chain_without_what_is_skipped() -> None:
    (channel,) = catalog({"s": {**CHAIN, "1.2.0": {"replaces": "1.1.0", "skips": ["1.1.0"]}}}).channels
    assert [entry.name for entry in candidates(channel)] == ["app.v1.2.0", "app.v1.0.0"]


def told(old: Catalog, new: Catalog) -> list[str]:
    signs = {"danger": "!", "change": "~", "note": " "}
    return [f"{signs[change.weight]} {change.message}" for change in compare_catalogs(old, new)]


def test_a_new_version_is_an_upgrade_for_everybody() -> None:
    new = {**CHAIN, "1.3.0": {"replaces": "1.2.0", "range": "<1.3.0"}}
    assert told(catalog({"stable": CHAIN}), catalog({"stable": new})) == [
        "~ new users of stable get 1.3.0 instead of 1.2.0",
        "~ users of 1.0.0 and 1.1.0 on stable now go to 1.3.0 in one step (before: they went to 1.2.0 in 1 to 2 steps)",
        "~ users of 1.2.0 on stable now go to 1.3.0 in one step (before: they stayed)",
        "  1.3.0 is new",
    ]


def test_a_skip_that_cuts_the_chain_strands_users() -> None:
    new = {**CHAIN, "1.2.0": {"replaces": "1.1.0", "skips": ["1.1.0"]}}
    assert told(catalog({"stable": CHAIN}), catalog({"stable": new})) == [
        "! users of 1.0.0 on stable now get no upgrade (before: they went to 1.2.0 in 2 steps)"
    ]


def test_what_blocks_a_namespace_is_a_danger() -> None:
    old = catalog({"stable": CHAIN, "fast": CHAIN})
    assert told(old, catalog({"stable": CHAIN}))[0].startswith("! channel fast is gone: its Subscriptions cannot be")
    assert told(old, catalog_from_blobs([]))[0].startswith("! package app is gone")
    two_heads = {**CHAIN, "1.3.0": {}}
    assert told(catalog({"stable": CHAIN}), catalog({"stable": two_heads}))[0] == (
        "! channel stable has no single head any more: OLM v0 resolves nothing where it is subscribed to"
    )


def test_publishing_again_under_the_same_name_is_a_danger() -> None:
    (message,) = told(catalog({"stable": CHAIN}), catalog({"stable": CHAIN}, images={"1.1.0": "app:other"}))
    assert message.startswith("! app.v1.1.0 was published again with another image: who runs it keeps the old one")


def test_default_channel_and_deprecations_are_told() -> None:
    channels = {"stable": CHAIN, "fast": CHAIN}
    old = catalog(channels, deprecations={("olm.channel", "fast"): "Old.", ("olm.package", ""): "Old."})
    deprecations = {("olm.channel", "fast"): "Use stable.", ("olm.bundle", "app.v1.0.0"): "A bug."}
    new = catalog(channels, default="fast", deprecations=deprecations)
    assert told(old, new) == [
        "~ users who ask for no channel now get fast instead of stable;"
        " existing Subscriptions that name none move, too",
        "~ bundle app.v1.0.0 is now deprecated: A bug.",
        "  the deprecation of channel fast now says: Use stable.",
        "  package app is not deprecated any more",
    ]


def test_many_versions_are_told_shortly() -> None:
    entries: dict[str, Edges] = {"1.0.0": {}}
    for minor in range(1, 12):
        entries[f"1.{minor}.0"] = {"replaces": f"1.{minor - 1}.0"}
    new = {**entries, "2.0.0": {"replaces": "1.11.0", "range": "<2.0.0"}}
    assert (
        "~ users of 1.0.0 to 1.10.0 (11 versions) on stable now go to 2.0.0 in one step"
        " (before: they went to 1.11.0 in 1 to 11 steps)"
    ) in told(catalog({"stable": entries}), catalog({"stable": new}))


def test_nothing_changes_from_a_catalog_to_itself() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"the corpus is not at {CORPUS} (set BALISE_CORPUS)")
    for folder in ("kube-green", "rabbitmq-cluster-operator", "kepler-operator"):
        found = load_catalog(CORPUS / "catalogs" / folder)
        assert compare_catalogs(found, found) == []
