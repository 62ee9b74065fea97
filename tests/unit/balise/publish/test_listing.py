"""What a listing takes from a catalog, and that nothing of it becomes markup, script or a request."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml

from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.errors import InputError
from balise.publish.installation import for_olm_v0, for_olm_v1
from balise.publish.listing import listing
from balise.publish.listing_page import detail_page, detail_path, index_page
from balise.publish.markdown import rendered
from balise.publish.preview import site

from .conftest import HOSTILE, bundle, channel, demo_catalog, entry

PIXEL = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg"/>').decode()
METADATA: dict[str, Any] = {
    "displayName": "Demo",
    "description": "# Demo\n\nIt *works*.",
    "annotations": {
        "description": "Shows things",
        "capabilities": "Full Lifecycle",
        "categories": "Database, Storage",
        "containerImage": "example.com/demo:v2",
        "repository": "https://example.com/source",
        "createdAt": "2026-01-01",
    },
    "crdDescriptions": {
        "owned": [{"kind": "Thing", "version": "v1", "name": "things.example.com", "description": "A thing."}],
        "required": [{"kind": "Other", "version": "v1", "name": "others.example.com", "displayName": "Another"}],
    },
    "installModes": [{"type": "OwnNamespace", "supported": True}, {"type": "AllNamespaces", "supported": False}],
    "keywords": ["demo"],
    "links": [{"name": "Docs", "url": "https://example.com/docs"}],
    "maintainers": [{"name": "Ann", "email": "ann@example.com"}],
    "maturity": "stable",
    "minKubeVersion": "1.28.0",
    "provider": {"name": "Example", "url": "https://example.com"},
}


def catalog(metadata: dict[str, Any] = METADATA, *, kind: str = "olm.csv.metadata") -> Catalog:
    head = bundle("2.0.0")
    head["properties"] = [*head["properties"], {"type": kind, "value": metadata}]
    package = {"schema": "olm.package", "name": "demo", "defaultChannel": "stable",
               "icon": {"mediatype": "image/svg+xml", "base64data": PIXEL}}  # fmt: skip
    stable = channel("stable", entry("1.0.0"), entry("2.0.0", "1.0.0"))
    return catalog_from_blobs([package, stable, channel("alpha", entry("1.0.0")), bundle("1.0.0"), head])


def test_listing_shows_what_a_new_user_gets() -> None:
    found = listing(catalog(), "demo")
    assert (found.bundle, found.version, found.channel) == ("demo.v2.0.0", "2.0.0", "stable")
    assert [(each.name, each.versions) for each in found.channels] == [
        ("stable", ("2.0.0", "1.0.0")),
        ("alpha", ("1.0.0",)),
    ]
    assert found.categories == ("Database", "Storage")
    assert [(api.display_name, api.required) for api in found.apis] == [("Thing", False), ("Another", True)]
    assert found.icon == f"data:image/svg+xml;base64,{PIXEL}"
    assert found.install_modes == ("OwnNamespace",)


def test_listing_reads_the_objects_of_a_catalog_of_the_older_form() -> None:
    spec = {key: value for key, value in METADATA.items() if key not in ("annotations", "crdDescriptions")}
    csv = {
        "kind": "ClusterServiceVersion",
        "metadata": {"annotations": METADATA["annotations"]},
        "spec": {**spec, "customresourcedefinitions": METADATA["crdDescriptions"]},
    }
    older = {"data": base64.b64encode(json.dumps(csv).encode()).decode()}
    assert listing(catalog(older, kind="olm.bundle.object"), "demo") == listing(catalog(), "demo")


@pytest.mark.parametrize(("package", "name"), [("other", ""), ("demo", "demo.v9.9.9")])
def test_what_is_not_there_is_told(package: str, name: str) -> None:
    with pytest.raises(InputError, match="its packages: demo"):
        listing(catalog(), package, name)


def test_listing_without_anything_can_be_shown() -> None:
    found = demo_catalog(channel("stable", entry("1.0.0")))
    text = detail_page(found, listing(found, "demo"))
    assert "The operator has no description." in text


WRONG: dict[str, Any] = {
    "displayName": 3,
    "annotations": [],
    "crdDescriptions": {"owned": "x"},
    "installModes": [1],
    "keywords": [{}],
    "links": {"a": 1},
    "maintainers": None,
    "provider": "me",
}


def test_fields_of_the_wrong_type_are_left_out() -> None:
    assert "demo" in detail_page(catalog(WRONG), listing(catalog(WRONG), "demo"))


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: hostile(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each) for each in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


@pytest.mark.parametrize("prefix", ["", "javascript:alert(1)//"])
def test_nothing_of_a_catalog_becomes_markup_or_is_asked_for(prefix: str) -> None:
    metadata = hostile(METADATA)
    metadata["description"] += f"\n\n<script>alert(1)</script> ![x](https://example.com/x.png) [y]({prefix}y)"
    metadata["links"] = [{"name": HOSTILE, "url": f"{prefix}https://x/{HOSTILE}"}]
    found = catalog(metadata)
    for text in (detail_page(found, listing(found, "demo")), index_page([listing(found, "demo")])):
        elements = Elements(text).found
        assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
        assert {str(each["src"])[:10] for tag, each in elements if tag == "img"} == {"data:image"}
        assert [tag for tag, _ in elements].count("script") == text.count("<script>") <= 1
        addresses = [str(each["href"]) for tag, each in elements if tag == "a"]
        assert not [each for each in addresses if each.startswith("javascript")]


def test_icon_that_is_no_picture_is_not_shown() -> None:
    icons = [{"mediatype": "text/html", "base64data": PIXEL}, {"mediatype": "image/png", "base64data": "?"}]
    for icon in icons:
        blobs = [{**each, "icon": icon} if each["schema"] == "olm.package" else each for each in catalog().blobs]
        assert listing(catalog_from_blobs(blobs), "demo").icon == ""


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A", "<h2>A</h2>"),
        ("###### A", "<h6>A</h6>"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("[a](javascript:x)", "[a](javascript:x)"),
        ("[a](https://b)", '<a href="https://b" rel="noopener noreferrer nofollow">a</a>'),
        ("![a](data:image/png;base64,AA)", "<p>a</p>"),
        ("|a|\n|:-:|\n|b|", '<td class="align-center">b</td>'),
    ],
)
def test_markdown_is_shown_safely(text: str, html: str) -> None:
    assert html in rendered(text, lowest_heading=2)


def test_installation_of_the_head_and_of_an_older_version() -> None:
    namespace, group, subscription = yaml.safe_load_all(for_olm_v0(listing(catalog(), "demo")))
    assert namespace["metadata"]["name"] == group["metadata"]["namespace"] == subscription["metadata"]["namespace"]
    assert group["spec"] == {"targetNamespaces": ["my-demo"]}
    assert "startingCSV" not in subscription["spec"]
    older = listing(catalog(), "demo", "demo.v1.0.0")
    *_, subscription = yaml.safe_load_all(for_olm_v0(older))
    assert subscription["spec"]["startingCSV"] == "demo.v1.0.0"
    assert subscription["spec"]["installPlanApproval"] == "Manual"
    extension = yaml.safe_load(for_olm_v1(older))
    assert extension["spec"]["source"]["catalog"]["version"] == "1.0.0"


def test_operator_for_all_namespaces_goes_where_such_operators_are() -> None:
    metadata = {**METADATA, "installModes": [{"type": "AllNamespaces", "supported": True}]}
    (subscription,) = yaml.safe_load_all(for_olm_v0(listing(catalog(metadata), "demo")))
    assert subscription["metadata"]["namespace"] == "operators"


def test_site_has_a_page_for_each_version_and_every_link_leads_to_one() -> None:
    pages = {path: make() for path, make in site(catalog()).items()}
    assert sorted(pages) == ["demo/demo.v1.0.0.html", "demo/demo.v2.0.0.html", "demo/index.html", "index.html"]
    for path, text in pages.items():
        for tag, attributes in Elements(text).found:
            target = str(attributes.get("href", "#"))
            if tag == "a" and not target.startswith(("#", "http", "mailto:")):
                folder = path.rpartition("/")[0]
                resolved = target.removeprefix("../") if target.startswith("../") else f"{folder}/{target}".lstrip("/")
                assert resolved.removeprefix("./") in pages, target


@pytest.mark.parametrize("name", ["..", ".", "a/../../b", "a\\b"])
def test_hostile_names_do_not_lead_out_of_the_site(name: str) -> None:
    for path in (detail_path(name), detail_path("p", name)):
        assert ".." not in path.split("/")
        assert path.count("/") == 1
