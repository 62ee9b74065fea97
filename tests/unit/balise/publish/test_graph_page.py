"""The interactive page of the upgrade graph: as text, and as a person sees, hears and steers it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.errors import InputError
from balise.publish.graph_page import graph_page

from .conftest import bundle, channel, entry


class Elements(HTMLParser):
    """Every element's tag and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def test_same_catalog_gives_the_same_bytes(demo: Catalog) -> None:
    assert graph_page(demo) == graph_page(demo)


def test_names_of_a_catalog_never_become_markup(demo: Catalog) -> None:
    elements = Elements(graph_page(demo))
    assert elements.of("img") == []
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]


def test_page_asks_nobody_for_anything(demo: Catalog) -> None:
    text = graph_page(demo)
    elements = Elements(text)
    assert not [each for each in elements.found if "src" in each[1] or "style" in each[1]]
    assert {str(each["href"])[:5] for each in elements.of("link")} == {"data:"}
    assert {str(each["href"])[0] for each in elements.of("a")} == {"#"}
    assert "@import" not in text
    assert "url(" not in text


def test_policy_allows_exactly_the_style_and_the_script_that_are_there(demo: Catalog) -> None:
    text = graph_page(demo)
    (policy,) = (str(each["content"]) for each in Elements(text).of("meta") if "http-equiv" in each)
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_table_says_what_the_picture_says(demo: Catalog) -> None:
    text = graph_page(demo)
    (row,) = re.findall(r'<tr id="row:demo/stable/demo.v1.0.0">.*?</tr>', text)
    assert "Deprecated:</strong> Loses data." in row
    assert "Reaches the head in 2 steps" in row
    assert re.findall(r">([0-9.]+)</a>", row) == ["1.0.0", "1.1.0", "2.0.0"]
    (row,) = re.findall(r'<tr id="row:demo/v1/demo.v0.9.0">.*?</tr>', text)
    assert "Not in this channel" in row


def test_unknown_package_is_refused(demo: Catalog) -> None:
    with pytest.raises(InputError, match="no package other"):
        graph_page(demo, ("other",))


@pytest.fixture
def shown(demo: Catalog, browser: Any, tmp_path: Path) -> Any:
    path = tmp_path / "graph.html"
    path.write_text(graph_page(demo), "utf-8")
    page = browser.open(path.as_uri())
    yield page
    assert page.complaints == []
    page.command("Page.close")


ON = "[...document.querySelectorAll('a.node.on')].map((node) => node.dataset.name)"
FOCUS = "document.activeElement.getAttribute('aria-label')"


def test_keyboard_alone_chooses_a_version_and_shows_its_way(shown: Any) -> None:
    shown.press("Tab")
    assert shown.evaluate(FOCUS) == "demo.v2.0.0, head"
    outline = "getComputedStyle(document.activeElement.querySelector('rect')).strokeWidth"
    assert shown.evaluate(outline) == "4px", "the focus can be seen"
    shown.press(*["ArrowLeft"] * 5)
    assert shown.evaluate(FOCUS) == "demo.v1.0.0, deprecated"
    shown.press("Enter")
    assert shown.evaluate(ON) == ["demo.v1.0.0", "demo.v1.1.0", "demo.v2.0.0"]
    assert shown.evaluate("[...document.querySelectorAll('.step.on')].length") == 2
    assert shown.evaluate("document.querySelector('.choice h3').textContent") == "demo.v1.0.0 in channel stable"
    assert "Reaches the head in 2 steps" in shown.evaluate("document.querySelector('.choice').textContent")
    assert shown.evaluate("location.hash") == "#demo/stable/demo.v1.0.0"
    shown.press("Escape")
    assert shown.evaluate(ON) == []
    shown.press("Tab")
    assert shown.evaluate("document.activeElement.closest('.lane').dataset.channel").startswith("<img")


def test_mouse_chooses_and_an_address_leads_to_the_same(shown: Any) -> None:
    place = shown.evaluate(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
        "(document.getElementById('demo/v1/demo.v1.0.0').getBoundingClientRect())"
    )
    for kind in ("mousePressed", "mouseReleased"):
        shown.command("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
    shown.settle()
    assert shown.evaluate(ON) == ["demo.v1.0.0", "demo.v1.1.0"]
    address = shown.evaluate("location.href")
    shown.command("Page.navigate", url="about:blank")
    shown.go(address)
    assert shown.evaluate(ON) == ["demo.v1.0.0", "demo.v1.1.0"]


def test_screen_reader_is_told_every_version_and_hears_the_choice(shown: Any) -> None:
    links = shown.roles("link")
    assert "demo.v1.2.0, skipped" in links
    assert "demo.v0.9.0, outside" in links
    assert "" not in links
    assert len(shown.roles("status")) == 1
    assert "Channel stable" in shown.roles("region")


def test_colours_follow_the_reader(shown: Any) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    shown.colours("light")
    assert shown.evaluate(background) == "rgb(255, 255, 255)"
    shown.colours("dark")
    assert shown.evaluate(background) == "rgb(16, 22, 29)"


def test_long_way_is_told_by_its_ends() -> None:
    versions = [f"1.{minor}.0" for minor in range(30)]
    entries = [entry(version, versions[at - 1] if at else "") for at, version in enumerate(versions)]
    package = {"schema": "olm.package", "name": "demo", "defaultChannel": "stable"}
    found = graph_page(catalog_from_blobs([package, channel("stable", *entries), *map(bundle, versions)]))
    (row,) = re.findall(r'<tr id="row:demo/stable/demo.v1.0.0">.*?</tr>', found)
    assert "Reaches the head in 29 steps" in row
    assert "14 more" in row
    assert row.count("<li>") == 17


def test_page_of_several_packages_has_a_part_for_each(demo: Catalog) -> None:
    other = [{**blob, "package": "other"} for blob in demo.blobs if blob["schema"] in ("olm.channel", "olm.bundle")]
    package = {"schema": "olm.package", "name": "other", "defaultChannel": "stable"}
    text = graph_page(catalog_from_blobs([*demo.blobs, package, *other]))
    assert re.findall("<h2>(.*?)</h2>", text) == ["demo", "other"]
    assert 'id="other/stable/demo.v1.0.0"' in text
