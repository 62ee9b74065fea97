"""Edits of catalog templates: the new line in the style of its list, and not a byte elsewhere."""

from __future__ import annotations

import pytest
import yaml

from balise.model.errors import InputError
from balise.publish.template import Template, parse_template

SEMVER = """\
# ours
Schema: olm.semver
GenerateMajorChannels: true
candidate:
  bundles:
  - image: example.com/demo:v1.0.0   # the first
  # what follows is fine, too
stable: {bundles: [{image: "example.com/demo:v1.0.0"}]}
"""

BASIC = """\
---
schema: olm.template.basic
entries:
  - schema: olm.package
    name: demo
    defaultChannel: stable
  - schema: olm.channel
    name: stable
    package: demo
    entries:
      - name: demo.v1.0.0 # began here
      - name: demo.v1.1.0
        replaces: demo.v1.0.0

  # bundles
  - {schema: olm.bundle, image: "example.com/demo:v1.0.0"}
  - {schema: olm.bundle, image: "example.com/demo:v1.1.0"}
"""


def template(text: str) -> Template:
    return parse_template("template.yaml", text.encode())


def test_semver_template_is_read_in_whatever_case() -> None:
    found = template(SEMVER)
    assert found.schema == "olm.semver"
    assert found.images == ["example.com/demo:v1.0.0"]
    assert found.archetypes_of("1.0.0") == ["candidate", "stable"]
    assert found.channel_names("stable", 1, 2) == ["stable-v1"]


@pytest.mark.parametrize(
    ("archetype", "before", "after"),
    [
        (
            "candidate",
            "v1.0.0   # the first\n",
            "v1.0.0   # the first\n  - image: example.com/demo:v1.1.0\n",
        ),
        (
            "stable",
            '{image: "example.com/demo:v1.0.0"}]',
            '{image: "example.com/demo:v1.0.0"}, {image: "example.com/demo:v1.1.0"}]',
        ),
        ("fast", '0"}]}\n', '0"}]}\nfast:\n  bundles:\n  - image: example.com/demo:v1.1.0\n'),
    ],
)
def test_image_is_added_where_it_belongs(archetype: str, before: str, after: str) -> None:
    found = template(SEMVER).add_to_archetype(archetype, "example.com/demo:v1.1.0")
    assert found.text == SEMVER.replace(before, after)


def test_channel_and_bundle_are_added_to_a_basic_template() -> None:
    before = template(BASIC)
    place = before.channel("stable")
    assert place is not None
    found = before.add_to_channel(place, {"name": "demo.v1.2.0", "replaces": "demo.v1.1.0"})
    found = found.add_entry({"schema": "olm.bundle", "image": "example.com/demo:v1.2.0"})
    expected = BASIC.replace(
        "        replaces: demo.v1.0.0\n",
        "        replaces: demo.v1.0.0\n      - name: demo.v1.2.0\n        replaces: demo.v1.1.0\n",
    )
    assert found.text == expected + "  - schema: olm.bundle\n    image: example.com/demo:v1.2.0\n"


@pytest.mark.parametrize("name", ["demo.v1.0.0", "demo.v1.1.0"])
def test_skip_is_added_to_an_entry_and_then_to_its_list(name: str) -> None:
    found = template(BASIC)
    for skipped in ("demo.v0.9.0", "demo.v0.9.1"):
        place = found.channel("stable")
        assert place is not None
        found = found.add_skip(place, name, skipped)
    (channel,) = (each for each in yaml.safe_load(found.text)["entries"] if each["schema"] == "olm.channel")
    (entry,) = (each for each in channel["entries"] if each["name"] == name)
    assert entry["skips"] == ["demo.v0.9.0", "demo.v0.9.1"]
    assert "# began here" in found.text


def test_new_channel_is_written_as_a_person_would() -> None:
    blob = {"schema": "olm.channel", "package": "demo", "name": "alpha", "entries": [{"name": "demo.v1.0.0"}]}
    found = template(BASIC).add_entry(blob)
    assert found.text.endswith(
        "  - schema: olm.channel\n    package: demo\n    name: alpha\n    entries:\n    - name: demo.v1.0.0\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "schema: olm.semver\nstable: &a\n  bundles: [{image: x:v1}]\nfast: *a\n",
        "schema: olm.semver\nstable: {bundles: null}\n",
    ],
)
def test_what_cannot_be_edited_in_place_is_left_to_a_person(text: str) -> None:
    with pytest.raises(InputError, match="edit the template by hand"):
        template(text).add_to_archetype("stable", "x:v2")


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "a: 1\n---\nb: 1\n"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        template(text)
