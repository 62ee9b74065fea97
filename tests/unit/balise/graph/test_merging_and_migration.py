"""Catalogs merged, and converted from one form to the other."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from balise.graph.merging import merge_catalogs
from balise.graph.migration import to_metadata, to_objects
from balise.graph.rendering import RenderedBundle, render_bundle
from balise.model.bundle import load_bundle
from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.catalog_files import load_catalog
from balise.model.errors import InputError

REPOSITORY = Path(__file__).parents[4]
IMAGE = "registry.timonier.dev/timonier-bundle:v0.1.0"


def catalog(*blobs: dict[str, Any]) -> Catalog:
    return catalog_from_blobs(blobs)


PACKAGE = {"schema": "olm.package", "name": "app", "defaultChannel": "stable"}
CHANNEL = {"schema": "olm.channel", "package": "app", "name": "stable", "entries": [{"name": "app.v1"}]}
NOTES = {"schema": "acme.notes", "text": "x"}


def test_a_catalog_merged_with_itself_is_itself() -> None:
    own = load_catalog(REPOSITORY / "catalog/timonier")
    assert merge_catalogs([("a", own), ("b", own)]) == merge_catalogs([("a", own)]) == list(own.blobs)


def test_order_does_not_matter() -> None:
    left, right = catalog(PACKAGE, NOTES), catalog(CHANNEL, PACKAGE)
    assert merge_catalogs([("a", left), ("b", right)]) == merge_catalogs([("b", right), ("a", left)])
    assert merge_catalogs([("a", left), ("b", right)]) == [PACKAGE, CHANNEL, NOTES]


def test_what_differs_is_refused() -> None:
    with pytest.raises(InputError, match=r"^b: olm.channel stable differs from the one in a"):
        merge_catalogs([("a", catalog(CHANNEL)), ("b", catalog({**CHANNEL, "entries": []}))])


@pytest.fixture(scope="module")
def with_objects() -> RenderedBundle:
    return render_bundle(load_bundle(REPOSITORY / "bundle/0.1.0"), IMAGE, inline=True)


@pytest.fixture(scope="module")
def with_metadata() -> RenderedBundle:
    return render_bundle(load_bundle(REPOSITORY / "bundle/0.1.0"), IMAGE)


def test_forms_are_converted_into_each_other(with_objects: RenderedBundle, with_metadata: RenderedBundle) -> None:
    assert to_metadata(with_objects.blob) == with_metadata.blob
    assert to_objects(with_metadata.blob, lambda _: with_objects) == with_objects.blob


def test_what_is_converted_stays(with_objects: RenderedBundle, with_metadata: RenderedBundle) -> None:
    def refuse(image: str) -> RenderedBundle:
        raise AssertionError(image)

    assert to_metadata(with_metadata.blob) == with_metadata.blob
    assert to_objects(with_objects.blob, refuse) == with_objects.blob
    assert to_metadata(CHANNEL) == to_objects(CHANNEL, refuse) == CHANNEL


def test_without_an_image_the_objects_are_needed(with_objects: RenderedBundle) -> None:
    inline = {**with_objects.blob, "image": ""}
    assert to_metadata(inline) == inline


def test_objects_of_another_bundle_are_refused(with_objects: RenderedBundle, with_metadata: RenderedBundle) -> None:
    with pytest.raises(InputError, match=r"its bundle is timonier\.v0\.1\.0, the catalog has other there"):
        to_objects({**with_metadata.blob, "name": "other"}, lambda _: with_objects)


def test_csv_that_cannot_be_read_is_told() -> None:
    csv = {"kind": "ClusterServiceVersion", "spec": {"keywords": "x"}}
    data = base64.b64encode(json.dumps(csv).encode()).decode()
    properties = [{"type": "olm.bundle.object", "value": {"data": data}}]
    blob = {"schema": "olm.bundle", "name": "app.v1", "image": "app:1", "properties": properties}
    with pytest.raises(InputError, match=r"^bundle app\.v1: its ClusterServiceVersion: text where a list belongs"):
        to_metadata(blob)
