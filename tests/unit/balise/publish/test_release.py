"""What a release edits, what it refuses, and whom it would strand: on texts and catalogs alone."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
import yaml

from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.errors import InputError
from balise.publish.release import (
    Plan,
    Project,
    Wish,
    diffs,
    hazards,
    plan_release,
    released_changelog,
    with_toml_value,
)
from balise.publish.template import parse_template

from .conftest import channel, demo_catalog, entry

PYPROJECT = """\
[project]
name = "demo"
version = "2.0.0" # of everything

[tool.balise]
package = "demo"
channels = ["stable"]
created-at = "2026-01-01T00:00:00Z"
"""
CHANGELOG = "# Changelog\n\n## Unreleased\n\n- Faster.\n\n## 2.0.0\n\n- All.\n"
SEMVER = """\
schema: olm.semver
generateMinorChannels: {minor}
generateMajorChannels: true
stable:
  bundles:
  - image: example.com/demo-bundle:v2.0.0
"""
BASIC = """\
schema: olm.template.basic
entries:
- {schema: olm.package, name: demo, defaultChannel: stable}
- schema: olm.channel
  package: demo
  name: stable
  entries:
  - name: demo.v1.1.0
  - name: demo.v1.2.0
    replaces: demo.v1.1.0
  - name: demo.v2.0.0
    replaces: demo.v1.2.0
- {schema: olm.bundle, image: "example.com/demo:v1.1.0"}
- {schema: olm.bundle, image: "example.com/demo:v1.2.0"}
- {schema: olm.bundle, image: "example.com/demo:v2.0.0"}
"""
STABLE = channel("stable", entry("1.1.0"), entry("1.2.0", "1.1.0"), entry("2.0.0", "1.2.0"))


def project(template: str = BASIC, **more: Any) -> Project:
    found: dict[str, Any] = {
        "package": "demo",
        "version": "2.0.0",
        "pyproject": PYPROJECT,
        "template": parse_template("catalog/template.yaml", template.encode()),
        "catalog": demo_catalog(STABLE),
        "changelog": CHANGELOG,
        "channels": ("stable",),
        "bundles": frozenset(("1.1.0", "1.2.0", "2.0.0")),
        "image": "example.com/other:v3.0.0",
    }
    return Project(**found | more)


def plan(version: str, *channels: str, template: str = BASIC, **more: Any) -> Plan:
    return plan_release(project(template, **more), Wish(version, "2026-03-31", channels))


def entries(found: Plan, name: str) -> list[dict[str, Any]]:
    blobs = yaml.safe_load(found.template)["entries"]
    return next(each["entries"] for each in blobs if each["schema"] == "olm.channel" and each["name"] == name)


def test_version_date_changelog_and_template_are_edited_and_nothing_else() -> None:
    found = plan("2.1.0")
    assert found.reasons == ()
    assert found.pyproject == PYPROJECT.replace('"2.0.0" #', '"2.1.0" #').replace("2026-01-01", "2026-03-31")
    assert found.changelog == CHANGELOG.replace("## Unreleased\n", "## Unreleased\n\n## 2.1.0\n")
    assert found.template.startswith(BASIC.removesuffix("- {schema: olm.bundle")[:200])
    assert entries(found, "stable")[-1] == {"name": "demo.v2.1.0", "replaces": "demo.v2.0.0"}
    assert yaml.safe_load(found.template)["entries"][-1] == {
        "schema": "olm.bundle",
        "image": "example.com/demo:v2.1.0",
    }


def test_semver_template_lists_the_image_named_as_the_others() -> None:
    found = plan("2.1.0", template=SEMVER.format(minor="false"), channels=("stable-v2",))
    assert found.template == SEMVER.format(minor="false") + "  - image: example.com/demo-bundle:v2.1.0\n"
    assert tomllib.loads(found.pyproject)["tool"]["balise"]["channels"] == ["stable-v2"]


def test_new_major_version_enters_the_channels_that_opm_will_make_of_it() -> None:
    found = plan("3.0.0", "stable", "fast", template=SEMVER.format(minor="true"))
    channels = tomllib.loads(found.pyproject)["tool"]["balise"]["channels"]
    assert channels == ["stable-v3", "stable-v3.0", "fast-v3", "fast-v3.0"]


def test_new_channel_begins_with_what_leads_to_the_version() -> None:
    found = plan("2.1.0", "stable", "alpha")
    assert entries(found, "alpha") == [
        {"name": "demo.v1.1.0"},
        {"name": "demo.v1.2.0", "replaces": "demo.v1.1.0"},
        {"name": "demo.v2.0.0", "replaces": "demo.v1.2.0"},
        {"name": "demo.v2.1.0", "replaces": "demo.v2.0.0"},
    ]
    assert "channel alpha is new" in found.notes[0]


def test_backport_gets_a_channel_of_its_own_and_a_way_to_the_head_of_the_others() -> None:
    found = plan("1.2.1", "stable-1.2")
    assert found.reasons == ()
    assert [each["name"] for each in entries(found, "stable-1.2")] == ["demo.v1.1.0", "demo.v1.2.0", "demo.v1.2.1"]
    assert entries(found, "stable")[-1] == {"name": "demo.v2.0.0", "replaces": "demo.v1.2.0", "skips": ["demo.v1.2.1"]}
    assert any("2.0.0 in stable now skips 1.2.1" in note for note in found.notes)


REFUSED = {
    "lower than the head": (("1.2.1", "stable"), {}, "1.2.1 is lower than 2.0.0, the head of stable"),
    "bundle is there": (("1.2.0",), {}, "1.2.0 has a bundle already"),
    "tag is there": (("2.0.0",), {"released": frozenset(("2.0.0",))}, "2.0.0 has a bundle already"),
    "nothing to tell": (("2.1.0",), {"changelog": "## Unreleased\n\n## 2.0.0\n- All\n"}, "says nothing"),
    "no channel": (("2.1.0",), {"channels": ()}, "no channel is given"),
    "channel opm does not make": (
        ("2.1.0", "alpha"),
        {"template": SEMVER.format(minor="false")},
        "has the channels candidate, fast, stable, not alpha",
    ),
    "unknown template": (("2.1.0",), {"template": "schema: olm.template.substitutes\n"}, "is not known here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_what_to_do(case: str) -> None:
    arguments, more, reason = REFUSED[case]
    found = plan(*arguments, **more)
    assert any(reason in each for each in found.reasons), found.reasons
    assert found.template == ""


def test_version_that_is_developed_has_its_bundle_already_and_is_listed_only_once() -> None:
    changelog = "## Unreleased\n\n## 2.0.0\n\n- All.\n"
    found = plan("2.0.0", "stable", "alpha", changelog=changelog)
    assert found.reasons == ()
    assert found.changelog == changelog
    assert [each["name"] for each in entries(found, "stable")] == ["demo.v1.1.0", "demo.v1.2.0", "demo.v2.0.0"]
    assert entries(found, "alpha")[-1] == {"name": "demo.v2.0.0", "replaces": "demo.v1.2.0"}
    assert found.template.count("example.com/demo:v2.0.0") == 1
    assert plan("2.0.0", template=SEMVER.format(minor="false")).template == SEMVER.format(minor="false")


@pytest.mark.parametrize(
    ("channels", "text"),
    [
        (("stable-v2",), "schema: olm.semver\ngenerateMajorChannels: true\nstable:\n  bundles:\n"),
        (("alpha", "stable"), "schema: olm.template.basic\nentries:\n- schema: olm.package\n  name: demo\n"),
    ],
)
def test_first_release_begins_a_template(channels: tuple[str, ...], text: str) -> None:
    begun = plan_release(
        replace(project(), template=None, catalog=Catalog(), bundles=frozenset()),
        Wish("2.0.0", "2026-03-31", channels),
    )
    assert begun.reasons == ()
    assert begun.template.startswith(text)
    assert "image: example.com/other:v3.0.0" in begun.template


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0+4", "", "../1.0.0"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InputError):
        plan(version)


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("## Unreleased\n- a\n", "## 1.0.0 - 2026-03-31"),
        ("## Unreleased\n- a\n## 0.9.0\n", "## 1.0.0\n"),
        ("## [Unreleased]\n\n- a\n\n## [0.9.0] - 2025-01-01\n", "## [1.0.0] - 2026-03-31"),
        ("## unreleased\n### Fixed\n- a\n", "## 1.0.0 - 2026-03-31"),
    ],
)
def test_changelog_heading_follows_those_that_are_there(text: str, heading: str) -> None:
    found = released_changelog(text, "1.0.0", "2026-03-31")
    assert found is not None
    assert heading in found
    assert found.index("nreleased") < found.index(heading) < found.index("- a")


@pytest.mark.parametrize("text", ["", "## Unreleased\n", "## Unreleased\n### Added\n\n## 0.9.0\n- a\n", "- a\n"])
def test_changelog_without_news_is_no_changelog(text: str) -> None:
    assert released_changelog(text, "1.0.0", "2026-03-31") is None


def test_toml_is_edited_in_its_table_only() -> None:
    text = '[a]\nversion = "1"\n[b.c] # here\nversion = "1"   # keep\nlist = ["x", "y"]\n'
    found = with_toml_value(with_toml_value(text, "b.c", "version", "2"), "b.c", "list", ["z"])
    assert found == '[a]\nversion = "1"\n[b.c] # here\nversion = "2"   # keep\nlist = ["z"]\n'
    with pytest.raises(InputError, match="not on a line of its own"):
        with_toml_value('[b]\nc = {version = "1"}\n', "b.c", "version", "2")


# --- Hazards ---


def after(*channels: dict[str, Any], without: str = "") -> Catalog:
    found = demo_catalog(*channels)
    return catalog_from_blobs(blob for blob in found.blobs if blob.get("name") != without)


def told(new: Catalog, version: str = "2.1.0-rc.1") -> list[str]:
    return list(hazards(demo_catalog(STABLE), new, "demo", version))


def test_release_on_top_strands_nobody() -> None:
    top = entry("2.1.0-rc.1", "2.0.0")
    assert told(after({**STABLE, "entries": [*STABLE["entries"], top]})) == []


def test_channel_that_goes_strands_its_subscribers() -> None:
    new = after(channel("other", *STABLE["entries"], entry("2.1.0-rc.1", "2.0.0")))
    assert any("channel stable is gone" in each for each in told(new))


def test_bundle_that_goes_strands_who_runs_it() -> None:
    top = entry("2.1.0-rc.1", "2.0.0")
    new = after(channel("stable", entry("1.2.0"), entry("2.0.0", "1.2.0"), top), without="demo.v1.1.0")
    found = told(new)
    assert any("1.1.0 is gone" in each and "no way on" in each for each in found)
    assert any("users of 1.1.0 on stable now get no upgrade" in each for each in found)


def test_version_below_every_head_is_offered_to_nobody() -> None:
    below = channel("stable", entry("1.1.0"), entry("1.2.0", "1.1.0"), entry("1.2.1", "1.2.0"), entry("2.0.0", "1.2.1"))
    assert any("1.2.1 is lower than 2.0.0, the head of stable" in each for each in told(after(below), "1.2.1"))
    with_home = after(below, channel("stable-1.2", entry("1.2.0"), entry("1.2.1", "1.2.0")))
    assert told(with_home, "1.2.1") == []


def test_version_in_no_channel_is_told() -> None:
    assert told(after(STABLE)) == ["no channel has 2.1.0-rc.1"]


@pytest.mark.parametrize(("name", "told_of"), [("demo.v1.2.0", True), ("demo.v2.0.0", False)])
def test_bundle_published_again_is_told_unless_it_is_the_one_being_developed(name: str, told_of: bool) -> None:
    blobs = [
        {**blob, "image": "example.com/else:v1"} if blob.get("name") == name else blob
        for blob in demo_catalog(STABLE).blobs
    ]
    found = told(catalog_from_blobs(blobs), "2.0.0")
    assert any(f"{name} was published again" in each for each in found) == told_of


def test_new_bundle_is_shown_beside_the_one_before_it() -> None:
    before = {"bundle/1.9.0/a.yaml": "v: 1.9.0\n", "bundle/1.10.0/a.yaml": "v: 1.10.0\n", "b": "1\n"}
    new = {"bundle/1.11.0/a.yaml": "v: 1.11.0\n", "bundle/1.11.0/new.yaml": "n\n", "b": "2\n"}
    text = "".join(diffs(before, new, "bundle"))
    assert "--- bundle/1.10.0/a.yaml\n+++ bundle/1.11.0/a.yaml" in text
    assert "--- /dev/null\n+++ bundle/1.11.0/new.yaml" in text
    assert "--- b\n+++ b\n" in text
