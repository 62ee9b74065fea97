"""The blobs of a file-based catalog as opm writes them: typed, with the fields it always writes, in its order."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

from balise.model.go_types import decode
from balise.model.yaml_text import Json

__all__ = ["BLOB_TYPES", "PROPERTY_TYPES", "canonical", "in_order", "meta"]

Blob = dict[str, Any]

BLOB_TYPES: Final = {
    "olm.package": "catalog.Package",
    "olm.channel": "catalog.Channel",
    "olm.bundle": "Bundle",
    "olm.deprecations": "Deprecation",
}
"""The type that a blob of each schema is decoded into."""

PROPERTY_TYPES: Final = {
    "olm.package": "property.Package",
    "olm.package.required": "PackageRequired",
    "olm.gvk": "GVK",
    "olm.gvk.required": "GVKRequired",
    "olm.bundle.object": "BundleObject",
    "olm.csv.metadata": "CSVMetadata",
    "olm.channel": "property.Channel",
}
"""The types of the properties whose values opm decodes."""

_RANK: Final = {"olm.package": 0, "olm.channel": 1, "olm.bundle": 2, "olm.deprecations": 4}


def meta(blob: Mapping[str, Any], name: str) -> str:
    """A blob's schema, package or name, which opm finds in whatever case the key is written; empty without one."""
    value = blob.get(name)
    if value is None:
        value = next((blob[key] for key in blob if key.lower() == name), None)
    return value if isinstance(value, str) else ""


def canonical(blob: Mapping[str, Any]) -> Blob:
    """A blob as opm would write it after reading it; raises MismatchError where opm could not read it.

    >>> canonical({"Schema": "olm.bundle", "Image": "example.org/b:1", "unknown": 1})
    {'schema': 'olm.bundle', 'image': 'example.org/b:1'}
    """
    schema = meta(blob, "schema")
    kind = BLOB_TYPES.get(schema)
    if kind is None:
        return dict(blob)
    fields: dict[str, Any] = decode(dict(blob), kind) or {}
    match schema:
        case "olm.package":
            always: Blob = {"schema": "", "name": "", "defaultChannel": ""}
            if "icon" in fields:
                icon = {"base64data": "", "mediatype": "", **fields["icon"]}
                fields["icon"] = {**icon, "base64data": _same_base64(icon["base64data"])}
        case "olm.channel":
            always = {"schema": "", "name": "", "package": "", "entries": None}
            fields["entries"] = _each(fields.get("entries"), {"name": ""})
        case "olm.bundle":
            always = {"schema": "", "image": ""}
            fields["relatedImages"] = _each(fields.get("relatedImages"), {"name": "", "image": ""})
        case _:
            always = {"schema": "", "package": "", "entries": None}
            fields["entries"] = _each(fields.get("entries"), {"reference": {}, "message": ""})
            for entry in fields["entries"] or ():
                entry["reference"] = _written(entry["reference"], {"schema": ""})
    if "properties" in fields:
        fields["properties"] = _each(fields["properties"], {"type": "", "value": None})
    return _written(fields, always)


def _each(values: list[Any] | None, always: Mapping[str, Json]) -> list[Blob] | None:
    return None if values is None else [_written(value, always) for value in values]


def _written(value: Mapping[str, Json], always: Mapping[str, Json]) -> Blob:
    kept = {name: each for name, each in value.items() if name in always or each not in (None, "", [])}
    return {name: kept.get(name, default) for name, default in always.items()} | kept


def _same_base64(text: str) -> str:
    """The same bytes, written without line breaks."""
    return base64.b64encode(base64.b64decode(text)).decode()


def in_order(blobs: Iterable[Blob]) -> list[Blob]:
    """Blobs in the order in which opm writes them.

    Package by package its olm.package, channels and bundles by name, other schemas, its deprecations; then what belongs
    to no package.
    """

    def place(blob: Blob) -> tuple[bool, str, int, str]:
        schema = meta(blob, "schema")
        package = meta(blob, "name" if schema == "olm.package" else "package")
        rank = _RANK.get(schema, 3)
        return not package, package, rank, schema if rank == 3 else meta(blob, "name") if rank in (1, 2) else ""

    return sorted(blobs, key=place)
