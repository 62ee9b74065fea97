"""opm's substitutes template: a whole catalog, and bundles that take the place of others in its upgrade graph."""

from __future__ import annotations

from typing import Any, Final

from balise.checks.catalog import check_blobs
from balise.graph.rendering import Blob, held_csv
from balise.graph.templates.basic import template_entries
from balise.graph.templates.sources import BundleRenderer
from balise.model.catalog import Catalog
from balise.model.catalog_blobs import in_order
from balise.model.documents import Document, FieldPath
from balise.model.errors import InputError
from balise.model.go_types import MismatchError, decode
from balise.model.semver import InvalidVersionError, Version, prerelease_identifier

__all__ = ["SCHEMA", "render", "template_of"]

SCHEMA: Final = "olm.template.substitutes"

Order = tuple[Version, bool, tuple[tuple[bool, int, str], ...]]


def render(document: Document, renderer: BundleRenderer) -> list[Blob]:
    """The entries with every substitution made."""
    blobs = [blob for _, blob in template_entries(document)]
    _must_be_valid(document, ("entries",), blobs, "the entries are no valid catalog")
    bases: set[str] = set()
    images: dict[str, str] = {}
    for path, image, base in _substitutions(document):

        def wrong(message: str, way_out: str = "", path: FieldPath = path) -> InputError:
            return InputError(message, place=":".join(map(str, document.locate(path))), way_out=way_out)

        if not image or not base or image == base:
            raise wrong("a substitution needs a name (the new bundle's image) and a base (the old bundle's name)")
        if base in bases:
            raise wrong(f"{base} is substituted twice", "substitute the first substitute instead")
        if image in images:
            raise wrong(f"{image} cannot substitute both {images[image]} and {base}")
        bases.add(base)
        images[image] = base
        old = next((blob for blob in blobs if blob["schema"] == "olm.bundle" and blob.get("name") == base), None)
        if old is None:
            raise wrong(f"there is no bundle {base} to substitute", "name one of the entries")
        new = renderer(image).blob
        try:
            newer = _order(new) > _order(old)
        except InvalidVersionError as error:
            raise wrong(str(error)) from None
        if not newer:
            raise wrong(f"{new['name']} is not newer than {base}", "a substitute has a higher version or release")
        for blob in blobs:
            if blob["schema"] == "olm.channel":
                substitute(blob, base, new["name"])
        blobs.append(new)
        _must_be_valid(document, path, blobs, f"with {new['name']} for {base} the catalog is not valid")
    return in_order(blobs)


def template_of(catalog: Catalog) -> Blob:
    """The template that describes a catalog, still without substitutions."""
    return {"schema": SCHEMA, "entries": [dict(raw) for raw in catalog.blobs], "substitutions": []}


def _must_be_valid(document: Document, path: FieldPath, blobs: list[Blob], message: str) -> None:
    if problems := check_blobs(blobs):
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        place = ":".join(map(str, document.locate(path)))
        raise InputError(f"{message}: {problems[0]}{more}", place=place)


def substitute(channel: Blob, base: str, name: str) -> None:
    """Put *name* where *base* is in a channel's graph: it inherits the edges, and skips the base."""
    entries: list[Blob] = channel["entries"] or []
    heirs = []
    for entry in entries:
        if entry["name"] == base:
            heir: Blob = {"name": name, **{key: entry.pop(key) for key in ("replaces", "skipRange") if key in entry}}
            heir["skips"] = [*entry.pop("skips", ()), base]
            heirs.append(heir)
    for entry in entries:
        skips = entry.get("skips") or []
        if entry.get("replaces") == base:
            entry["replaces"] = name
            entry["skips"] = [*skips, base]
        elif base in skips:
            entry["skips"] = [*(skip for skip in skips if skip != base), name]
    channel["entries"] = [*entries, *reversed(heirs)]


def _substitutions(document: Document) -> list[tuple[FieldPath, str, str]]:
    data: dict[str, Any] = document.data
    key = next((key for key in data if key.lower() == "substitutions"), "substitutions")
    values = data.get(key)
    found: list[tuple[FieldPath, str, str]] = []
    for index, value in enumerate(values if isinstance(values, list) else [values] if values is not None else ()):
        path = (key, index) if isinstance(values, list) else (key,)
        fields = {each.lower(): value[each] for each in value} if isinstance(value, dict) else {}
        pair = (fields.get("name") or "", fields.get("base") or "")
        if (
            not isinstance(values, list)
            or not isinstance(value, dict)
            or not all(isinstance(each, str) for each in pair)
        ):
            raise InputError(
                "substitutions is a list of mappings with name and base",
                place=":".join(map(str, document.locate(path))),
            )
        found.append((path, *pair))
    return found


def _order(bundle: Blob) -> Order:
    """Version, then release; a bundle without a release comes before those with one."""
    values = [each["value"] for each in bundle.get("properties") or () if each["type"] == "olm.package"]
    if len(values) != 1:
        raise InvalidVersionError(f"bundle {bundle.get('name')} has {len(values)} olm.package properties, not one")
    try:
        fields = decode(values[0], "property.Package") or {}
    except MismatchError as error:
        raise InvalidVersionError(f"bundle {bundle.get('name')}: its olm.package property has {error}") from None
    version = Version.parse(fields.get("version", ""))
    release = fields.get("release") or (".".join(version.build) if _is_legacy_release(bundle) else "")
    identifiers = [prerelease_identifier(part) for part in release.split(".")] if release else []
    return (
        version,
        bool(release),
        tuple((isinstance(part, str), 0 if isinstance(part, str) else part, str(part)) for part in identifiers),
    )


def _is_legacy_release(bundle: Blob) -> bool:
    """Whether build metadata counts as a release: only where the CSV says that it substitutes another."""
    csv = held_csv(bundle["properties"])
    metadata = csv.get("metadata") if csv else None
    if csv is None:
        values = [each["value"] for each in bundle["properties"] if each["type"] == "olm.csv.metadata"]
        metadata = values[0] if values else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and bool(annotations.get("olm.substitutesFor"))
