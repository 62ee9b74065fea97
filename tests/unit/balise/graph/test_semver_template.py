"""The semver template: channels, edges and the default channel, rule by rule of opm's generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balise.graph.rendering import RenderedBundle
from balise.graph.templates import render_template
from balise.model.errors import InputError
from balise.model.semver import Version


def rendered(image: str) -> RenderedBundle:
    """The bundle of an image app:VERSION or package/app:VERSION, with ``_`` for the plus of build metadata."""
    path, _, tag = image.rpartition(":")
    package = path.partition("/")[0] if "/" in path else "app"
    version = tag.replace("_", "+")
    properties = [{"type": "olm.package", "value": {"packageName": package, "version": version}}]
    blob = {"schema": "olm.bundle", "name": f"{package}.v{version}", "package": package, "image": image,
            "properties": properties}  # fmt: skip
    return RenderedBundle(blob, f"About {version}", {"base64data": "", "mediatype": tag})


def catalog(template: str) -> list[dict[str, Any]]:
    return render_template(Path("template.yaml"), f"schema: olm.semver\n{template}".encode(), rendered)


def listing(**archetypes: str) -> str:
    return "".join(
        f"{name}:\n  bundles:\n" + "".join(f"  - image: app:{version}\n" for version in versions.split())
        for name, versions in archetypes.items()
    )


def channels(template: str) -> dict[str, list[tuple[str, str, list[str]]]]:
    """Version, version replaced and versions skipped of every entry of every channel."""

    def short(name: str) -> str:
        return name.removeprefix("app.v")

    return {
        blob["name"]: [
            (short(entry["name"]), short(entry.get("replaces", "")), [short(skip) for skip in entry.get("skips", ())])
            for entry in blob["entries"]
        ]
        for blob in catalog(template)
        if blob["schema"] == "olm.channel"
    }


def default_channel(template: str) -> str:
    return str(catalog(template)[0]["defaultChannel"])


def test_highest_patch_of_each_minor_replaces_that_of_the_minor_before_and_skips_all_older_ones() -> None:
    assert channels(listing(stable="1.0.0 1.0.1 1.1.0 1.1.1 1.2.0")) == {
        "stable-v1.0": [("1.0.0", "", []), ("1.0.1", "", ["1.0.0"])],
        "stable-v1.1": [("1.1.0", "", []), ("1.1.1", "1.0.1", ["1.0.0", "1.1.0"])],
        "stable-v1.2": [("1.2.0", "1.1.1", ["1.0.0", "1.0.1", "1.1.0"])],
    }


def test_major_channels_hold_all_minors() -> None:
    assert channels("generateMajorChannels: true\n" + listing(fast="1.0.1 1.1.0 2.0.0")) == {
        "fast-v1": [("1.0.1", "", []), ("1.1.0", "1.0.1", [])],
        "fast-v2": [("2.0.0", "", [])],
    }


def test_no_edge_crosses_major_versions_or_archetypes() -> None:
    found = channels(listing(candidate="0.9.0 1.0.0", fast="1.0.0 1.0.1"))
    assert found == {
        "candidate-v0.9": [("0.9.0", "", [])],
        "candidate-v1.0": [("1.0.0", "", [])],
        "fast-v1.0": [("1.0.0", "", []), ("1.0.1", "", ["1.0.0"])],
    }


def test_order_is_by_version_not_by_text_nor_by_the_list() -> None:
    found = channels("generateMajorChannels: true\n" + listing(stable="1.10.0 1.9.0 1.9.0-rc.1"))
    assert found["stable-v1"] == [("1.9.0-rc.1", "", []), ("1.9.0", "", ["1.9.0-rc.1"]),
                                  ("1.10.0", "1.9.0", ["1.9.0-rc.1"])]  # fmt: skip


def test_both_kinds_are_linked_apart() -> None:
    template = "generateMajorChannels: true\ngenerateMinorChannels: true\n" + listing(stable="1.0.0 1.1.0")
    assert sorted(channels(template)) == ["stable-v1", "stable-v1.0", "stable-v1.1"]
    assert channels(template)["stable-v1.1"] == [("1.1.0", "1.0.0", [])]


@pytest.mark.parametrize(
    ("template", "default"),
    [
        pytest.param(listing(candidate="3.0.0", fast="2.0.0", stable="1.0.0"), "stable-v1.0", id="archetype first"),
        pytest.param(listing(stable="1.0.0 1.2.0 1.1.0"), "stable-v1.2", id="higher version"),
        pytest.param("generateMajorChannels: true\n" + listing(stable="1.0.0 2.0.0"), "stable-v2", id="major"),
        pytest.param(
            "generateMajorChannels: true\ngenerateMinorChannels: true\n" + listing(stable="1.0.0"),
            "stable-v1.0",
            id="minor where nothing is preferred",
        ),
        pytest.param(
            "generateMajorChannels: true\ngenerateMinorChannels: true\ndefaultChannelTypePreference: major\n"
            + listing(stable="1.0.0"),
            "stable-v1",
            id="the preferred kind where versions are equal",
        ),
        pytest.param(
            "generateMajorChannels: true\ngenerateMinorChannels: true\ndefaultChannelTypePreference: major\n"
            + listing(stable="1.0.0 1.1.0"),
            "stable-v1.1",
            id="a channel counts with its lowest version, so a later minor beats the preferred major",
        ),
        pytest.param(listing(candidate="0.0.0-rc.1"), "", id="below 0.0.0 nothing is chosen"),
    ],
)  # fmt: skip
def test_default_channel(template: str, default: str) -> None:
    assert default_channel(template) == default


def test_package_is_described_by_the_default_channels_highest_version() -> None:
    package = catalog(listing(stable="1.0.0 1.0.2 1.0.1", fast="9.0.0"))[0]
    assert package == {
        "schema": "olm.package",
        "name": "app",
        "defaultChannel": "stable-v1.0",
        "description": "About 1.0.2",
        "icon": {"base64data": "", "mediatype": "1.0.2"},
    }


def test_bundle_in_several_archetypes_is_written_once() -> None:
    blobs = catalog(listing(candidate="1.0.0", stable="1.0.0"))
    assert [blob["name"] for blob in blobs if blob["schema"] == "olm.bundle"] == ["app.v1.0.0"]


def test_keys_may_be_in_any_case() -> None:
    template = b"Schema: olm.semver\nGenerateMajorChannels: true\nStable:\n  Bundles:\n  - Image: app:1.0.0\n"
    blobs = render_template(Path("t.yaml"), template, rendered)
    assert [blob["name"] for blob in blobs] == ["app", "stable-v1", "app.v1.0.0"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("stable: {bundles: [{image: 'app:1.0.0', name: x}]}", r"template.yaml:2:47: .*name is not known"),
        ("stabel: {}", r"stabel is not known\n.*did you mean stable"),
        ("generateMajorChannels: 1", "expected true or false"),
        ("stable: {bundles: {}}", "is not a list"),
        ("stable: {bundles: [x]}", "is not a mapping"),
        ("", "names no bundle"),
        ("defaultChannelTypePreference: patch", "expected major or minor"),
        ("defaultChannelTypePreference: major", "no such channels are generated"),
        ("generateMajorChannels: true\ndefaultChannelTypePreference: minor", "no such channels are generated"),
        (listing(stable="1.0.0 1.0.0"), r"template.yaml:5:5: bundle app.v1.0.0 is listed twice in stable"),
        (listing(stable="1.0.0_a 1.0.0_b"), "differ at most by build metadata"),
        (listing(stable="1.0"), "does not have the form MAJOR.MINOR.PATCH"),
        ("stable: {bundles: [{image: 'app:1.0.0'}, {image: 'other/x:1.0.0'}]}", "belongs to package other, not to app"),
    ],
)
def test_refused(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        catalog(template)


@given(st.sets(st.tuples(*[st.integers(0, 3)] * 3), min_size=1), st.booleans())
def test_laws(numbers: set[tuple[int, int, int]], major: bool) -> None:
    versions = [".".join(map(str, each)) for each in numbers]
    switch = "generateMajorChannels: true\n" if major else ""
    found = channels(switch + listing(stable=" ".join(versions)))
    entries = [entry for members in found.values() for entry in members]
    assert sorted(entry[0] for entry in entries) == sorted(versions)  # nothing is lost, nothing is there twice
    for name, replaces, skips in entries:
        assert all(Version.parse(older) < Version.parse(name) for older in filter(None, (replaces, *skips)))
        assert replaces not in skips
        assert all(older.split(".")[0] == name.split(".")[0] for older in filter(None, (replaces, *skips)))
    for members in found.values():  # one head each, which whoever is in the channel reaches
        covered = {older for _, replaces, skips in members for older in (replaces, *skips)}
        assert [name for name, _, _ in members if name not in covered] == [members[-1][0]]
