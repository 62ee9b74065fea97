"""From bundles held as objects to bundles held as metadata, and back.

Metadata alone cannot be turned into objects: those are in the bundle's image. They are taken from where its bundle is.
"""

from __future__ import annotations

from balise.graph.rendering import Blob, held_csv
from balise.graph.templates.sources import BundleRenderer
from balise.model.catalog_blobs import canonical
from balise.model.csv_metadata import csv_metadata
from balise.model.errors import InputError
from balise.model.go_types import MismatchError, decode

__all__ = ["to_metadata", "to_objects"]


def to_metadata(blob: Blob) -> Blob:
    """A bundle with its ClusterServiceVersion's metadata instead of its objects, as opm migrates it.

    Left as it is: whatever is no bundle, has no image that the objects could be pulled from, holds no
    ClusterServiceVersion, or has the metadata already.
    """
    properties: list[Blob] = blob.get("properties") or []
    types = {each["type"] for each in properties}
    if blob.get("schema") != "olm.bundle" or not blob.get("image") or "olm.csv.metadata" in types:
        return blob
    csv = held_csv(properties)
    if csv is None:
        return blob
    try:
        fields = decode(csv, "ClusterServiceVersion")
    except MismatchError as error:
        raise InputError(f"its ClusterServiceVersion: {error}", place=f"bundle {blob.get('name')}") from None
    kept = [each for each in properties if each["type"] != "olm.bundle.object"]
    return {**blob, "properties": [*kept, {"type": "olm.csv.metadata", "value": csv_metadata(fields)}]}


def to_objects(blob: Blob, renderer: BundleRenderer) -> Blob:
    """A bundle with its objects instead of its metadata; *renderer* must give bundles with their objects."""
    types = {each["type"] for each in blob.get("properties") or ()}
    if blob.get("schema") != "olm.bundle" or "olm.bundle.object" in types:
        return blob
    rendered = renderer(blob["image"]).blob
    if rendered["name"] != blob.get("name"):
        raise InputError(
            f"its bundle is {rendered['name']}, the catalog has {blob.get('name')} there", place=blob["image"]
        )
    objects = [each for each in rendered["properties"] if each["type"] == "olm.bundle.object"]
    kept = [each for each in blob["properties"] if each["type"] != "olm.csv.metadata"]
    return canonical({**blob, "properties": [*kept, *objects]})
