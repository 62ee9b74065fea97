"""Where the parts of an upgrade graph's picture are, and how they are drawn."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balise.graph.picture import Lane, lay_out
from balise.graph.svg import standalone
from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


def catalog(entries: Sequence[dict[str, Any]], *more: dict[str, Any], name: str = "stable") -> Catalog:
    names = {entry["name"] for entry in entries}
    bundles = [
        {
            "schema": "olm.bundle",
            "package": "p",
            "name": each,
            "image": "example.com/p:v1",
            "properties": [{"type": "olm.package", "value": {"packageName": "p", "version": each.removeprefix("p.v")}}],
        }
        for each in sorted(names)
    ]
    package = {"schema": "olm.package", "name": "p", "defaultChannel": name}
    return catalog_from_blobs([package, _channel(name, entries), *more, *bundles])


def _channel(name: str, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": "olm.channel", "package": "p", "name": name, "entries": list(entries)}


def lane(*entries: dict[str, Any]) -> Lane:
    return lay_out(catalog(entries), "p").lanes[0]


def test_versions_stand_in_the_order_of_versions_not_of_the_file_or_of_names() -> None:
    found = lane({"name": "p.v1.10.0", "replaces": "p.v1.9.0"}, {"name": "p.v1.9.0"}, {"name": "p.v1.10.0-rc.1"})
    assert [node.label for node in found.nodes] == ["1.9.0", "1.10.0-rc.1", "1.10.0"]


def test_default_channel_is_the_first_lane_and_a_version_has_one_column_in_all() -> None:
    beta = _channel("beta", [{"name": "p.v1.0.0"}, {"name": "p.v2.0.0", "replaces": "p.v1.0.0"}])
    picture = lay_out(catalog([{"name": "p.v1.0.0"}, {"name": "p.v2.0.0", "replaces": "p.v1.0.0"}], beta), "p")
    assert [each.channel for each in picture.lanes] == ["stable", "beta"]
    columns = [{node.name: node.column for node in each.nodes} for each in picture.lanes]
    assert columns[0] == columns[1]


@pytest.mark.parametrize(
    ("name", "caption"),
    [("p.v1.0.0", "skipped"), ("p.v1.1.0", "head"), ("p.v0.9.0", "outside")],
)
def test_caption_says_what_a_version_is(name: str, caption: str) -> None:
    found = lane(
        {"name": "p.v1.0.0", "replaces": "p.v0.9.0"},
        {"name": "p.v1.1.0", "replaces": "p.v0.9.0", "skips": ["p.v1.0.0"]},
    )
    assert found.node(name).caption == caption


def test_neighbours_are_joined_straight_and_others_around_what_lies_between() -> None:
    found = lane(
        {"name": "p.v1.0.0"},
        {"name": "p.v1.1.0", "replaces": "p.v1.0.0"},
        {"name": "p.v1.2.0", "replaces": "p.v1.0.0", "skips": ["p.v1.1.0"], "skipRange": "<1.2.0"},
    )
    edges = [(edge.kind, edge.sources, edge.target, edge.track) for edge in found.edges]
    assert edges == [
        ("replaces", ("p.v1.0.0",), "p.v1.1.0", 0),
        ("skips", ("p.v1.1.0",), "p.v1.2.0", 1),
        ("replaces", ("p.v1.0.0",), "p.v1.2.0", 1),
    ], "the skipRange covers nothing that is not replaced or skipped anyway"


def test_skip_range_hangs_on_one_rail_all_that_it_covers() -> None:
    found = lane(
        {"name": "p.v1.0.0"},
        {"name": "p.v1.1.0", "replaces": "p.v1.0.0"},
        {"name": "p.v1.2.0", "replaces": "p.v1.1.0", "skipRange": ">=1.0.0 <1.2.0"},
    )
    (edge,) = (edge for edge in found.edges if edge.kind == "skipRange")
    assert (edge.sources, edge.text) == (("p.v1.0.0",), "skipRange >=1.0.0 <1.2.0")


def test_range_that_olm_ignores_is_not_drawn() -> None:
    found = lane({"name": "p.v1.0.0"}, {"name": "p.v1.1.0", "replaces": "p.v1.0.0", "skipRange": "^1.0"})
    assert [edge.kind for edge in found.edges] == ["replaces"]


def test_unknown_package_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(InputError, match="its packages: p"):
        lay_out(catalog([{"name": "p.v1.0.0"}]), "q")


@st.composite
def channels(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(1, 8))
    names = [f"p.v1.{minor}.0" for minor in range(count)]
    entries = []
    for number, name in enumerate(names):
        others = st.lists(st.sampled_from(names), unique=True, max_size=4)
        replaces = draw(st.sampled_from(["", *names[:number]]))
        bound = draw(st.integers(0, count))
        entry = {"name": name, "skips": draw(others), "skipRange": draw(st.sampled_from(["", f"<1.{bound}.0"]))}
        entries.append(entry | ({"replaces": replaces} if replaces else {}))
    return entries


@given(channels())
def test_no_two_rails_overlap_and_all_stay_within_the_lane(entries: list[dict[str, Any]]) -> None:
    picture = lay_out(catalog(entries), "p")
    found = picture.lanes[0]
    columns = {node.name: node.column for node in found.nodes}
    rails = [edge for edge in found.edges if edge.track]
    for one, other in itertools.combinations(rails, 2):
        if (one.kind == "skips", one.track) == (other.kind == "skips", other.track):
            spans = [sorted(columns[name] for name in (*edge.sources, edge.target)) for edge in (one, other)]
            assert spans[0][-1] <= spans[1][0] or spans[1][-1] <= spans[0][0]
    for edge in rails:
        rail = found.y - edge.track * 15 if edge.kind == "skips" else found.bottom + edge.track * 15
        assert 0 < rail < found.height
    ET.fromstring(standalone(picture))


def test_svg_keeps_hostile_names_text_and_says_in_words_what_it_shows() -> None:
    name = "<script>&\"'"
    picture = lay_out(catalog([{"name": "p.v1.0.0"}, {"name": "p.v1.1.0", "replaces": "p.v1.0.0"}], name=name), "p")
    text = standalone(picture)
    root = ET.fromstring(text)
    assert root.findall(f".//{SVG}script") == []
    assert f"Channel {name} with 2 versions; head: 1.1.0." in (root.findtext(f"{SVG}desc") or "")
    assert text == standalone(picture)


def test_kinds_of_edges_differ_without_colour() -> None:
    text = standalone(lay_out(catalog([{"name": "p.v1.0.0"}]), "p"))
    style = text[text.index("<style>") : text.index("</style>")]
    for kind, mark in (("skips", "stroke-dasharray: 6 4"), ("skipRange", "stroke-dasharray: 0.1 4.4")):
        assert any(kind in line and mark in line for line in style.splitlines())
