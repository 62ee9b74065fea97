"""opm's basic template: a catalog written by hand, except for its bundles, which are named by image only."""

from __future__ import annotations

from typing import Any, Final

from balise.checks.catalog import reading_problem
from balise.graph.rendering import Blob
from balise.graph.templates.sources import BundleRenderer
from balise.model.catalog import Catalog
from balise.model.catalog_blobs import canonical, in_order, meta
from balise.model.documents import Document, FieldPath
from balise.model.errors import InputError

__all__ = ["SCHEMA", "render", "template_entries", "template_of"]

SCHEMA: Final = "olm.template.basic"


def render(document: Document, renderer: BundleRenderer) -> list[Blob]:
    """The entries, with each bundle's content in place of its image."""
    found = []
    for path, blob in template_entries(document):
        if blob.get("schema") != "olm.bundle":
            found.append(blob)
            continue
        if not blob["image"] or blob.get("package") or blob.get("properties") or blob.get("relatedImages"):
            raise _wrong(
                document,
                path,
                "a bundle of a basic template has an image and nothing else",
                "leave schema and image; package, properties and relatedImages come from the image",
            )
        found.append(renderer(blob["image"]).blob)
    return in_order(found)


def template_of(catalog: Catalog) -> Blob:
    """The template that describes a catalog; raises InputError for a bundle without an image to be named by."""
    entries = []
    for raw in catalog.blobs:
        if meta(raw, "schema") != "olm.bundle":
            entries.append(dict(raw))
            continue
        image = canonical(raw)["image"]
        if not image:
            raise InputError(
                f"bundle {meta(raw, 'name')} has no image, and a basic template names bundles by image",
                way_out="give it one, or convert to a substitutes template",
            )
        entries.append({"schema": "olm.bundle", "image": image})
    return {"schema": SCHEMA, "entries": entries}


def template_entries(document: Document) -> list[tuple[FieldPath, Blob]]:
    """The blobs below ``entries`` as opm reads them, and where each stands."""
    data: dict[str, Any] = document.data
    # Of fields that differ in case only, the last one counts; but all must have the right form.
    found: list[tuple[FieldPath, Blob]] = []
    for key in (key for key in data if key.lower() == "entries"):
        entries = data[key]
        if entries is None:
            continue
        if not isinstance(entries, list):
            raise _wrong(document, (key,), "entries must be a list of catalog blobs")
        found = [((key, index), _blob(document, (key, index), entry)) for index, entry in enumerate(entries)]
    return found


def _blob(document: Document, path: FieldPath, entry: object) -> Blob:
    if not isinstance(entry, dict):
        raise _wrong(document, path, "a catalog blob is a mapping with a schema, such as olm.channel")
    problem = reading_problem(entry)
    if problem is not None:
        raise _wrong(document, (*path, *problem[0]), problem[1])
    return canonical(entry)


def _wrong(document: Document, path: FieldPath, message: str, way_out: str = "") -> InputError:
    return InputError(message, place=":".join(map(str, document.locate(path))), way_out=way_out)
