"""File-based catalogs: packages, channels, bundles and deprecations, as typed values.

A catalog is a stream of blobs, each with a ``schema``. Reading keeps every blob's own data beside its typed view, so
that nothing that opm would keep is lost when the catalog is written again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from balise.model.errors import InputError

__all__ = [
    "Bundle",
    "Catalog",
    "Channel",
    "ChannelEntry",
    "Deprecation",
    "Package",
    "Property",
    "catalog_from_blobs",
]

Blob = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """A bundle's property: its ``type`` and its ``value``, any JSON value."""

    type: str
    value: Any

    def canonical(self) -> str:
        """The value as compact JSON with sorted keys, for comparing and sorting."""
        return json.dumps(self.value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Property):
            return NotImplemented
        return self.type == other.type and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash((self.type, self.canonical()))


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """A bundle's place in a channel: its name and the edges that lead to it."""

    name: str
    replaces: str = ""
    skips: tuple[str, ...] = ()
    skip_range: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a package and its entries, in the order of the file."""

    package: str
    name: str
    entries: tuple[ChannelEntry, ...]
    blob: Blob = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle: its name is that of its ClusterServiceVersion; ``image`` is empty for a bundle kept inline."""

    package: str
    name: str
    image: str
    properties: tuple[Property, ...]
    blob: Blob = field(compare=False, repr=False)

    @property
    def version(self) -> str:
        """Version of the first ``olm.package`` property, or nothing."""
        for found in self.properties:
            if found.type == "olm.package" and isinstance(found.value, dict):
                return str(found.value.get("version") or "")
        return ""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A deprecated package, channel or bundle: ``schema`` says which, ``name`` is empty for the package."""

    package: str
    schema: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Package:
    """A package and the name of its default channel."""

    name: str
    default_channel: str
    blob: Blob = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that one catalog holds, in the order in which it was read."""

    packages: tuple[Package, ...] = ()
    channels: tuple[Channel, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    deprecations: tuple[Deprecation, ...] = ()
    blobs: tuple[Blob, ...] = field(default=(), compare=False, repr=False)

    def package(self, name: str) -> Package | None:
        """The package of that name, if there is one."""
        return next((package for package in self.packages if package.name == name), None)

    def channels_of(self, package: str) -> tuple[Channel, ...]:
        """The package's channels."""
        return tuple(channel for channel in self.channels if channel.package == package)

    def bundles_of(self, package: str) -> tuple[Bundle, ...]:
        """The package's bundles."""
        return tuple(bundle for bundle in self.bundles if bundle.package == package)

    def without_other_packages(self, package: str) -> Catalog:
        """The same catalog with only that package in it."""
        return catalog_from_blobs(blob for blob in self.blobs if package in _package_names(blob))


def _package_names(blob: Blob) -> tuple[Any, ...]:
    return (blob.get("name"),) if blob.get("schema") == "olm.package" else (blob.get("package"),)


def catalog_from_blobs(blobs: Iterable[Blob], *, place: str = "") -> Catalog:
    """Build a catalog from decoded blobs.

    Args:
        blobs: mappings, each with a ``schema``; those of a schema that is not OLM's are kept unread.
        place: where they come from, for messages.

    Raises:
        InputError: when a blob has not the form that its schema asks for.
    """
    packages: list[Package] = []
    channels: list[Channel] = []
    bundles: list[Bundle] = []
    deprecations: list[Deprecation] = []
    kept = []
    for number, raw in enumerate(blobs):
        reader = _Reader(raw, f"{place or 'catalog'}: document {number + 1}")
        kept.append(raw)
        match reader.text("schema"):
            case "olm.package":
                packages.append(Package(reader.text("name"), reader.text("defaultChannel"), raw))
            case "olm.channel":
                entries = tuple(_entry(entry) for entry in reader.parts("entries"))
                channels.append(Channel(reader.text("package"), reader.text("name"), entries, raw))
            case "olm.bundle":
                properties = tuple(Property(p.text("type"), p.blob.get("value")) for p in reader.parts("properties"))
                image = reader.text("image")
                bundles.append(Bundle(reader.text("package"), reader.text("name"), image, properties, raw))
            case "olm.deprecations":
                deprecations.extend(_deprecations(reader))
            case "":
                raise InputError("a blob has no schema", place=reader.place, way_out="Give it one, e.g. olm.bundle.")
            case _:
                pass
    return Catalog(tuple(packages), tuple(channels), tuple(bundles), tuple(deprecations), tuple(kept))


def _entry(reader: _Reader) -> ChannelEntry:
    skips = reader.list("skips")
    if not all(isinstance(skip, str) for skip in skips):
        raise InputError("'skips' must be a list of bundle names", place=reader.place)
    return ChannelEntry(reader.text("name"), reader.text("replaces"), tuple(skips), reader.text("skipRange"))


def _deprecations(reader: _Reader) -> Iterator[Deprecation]:
    package = reader.text("package")
    for entry in reader.parts("entries"):
        reference = _Reader(entry.blob.get("reference") or {}, entry.place)
        yield Deprecation(package, reference.text("schema"), reference.text("name"), entry.text("message"))


class _Reader:
    """A blob under reading, with its place for messages."""

    def __init__(self, blob: Any, place: str) -> None:
        if not isinstance(blob, Mapping):
            raise InputError(f"expected a mapping, found {type(blob).__name__}", place=place)
        self.blob = blob
        self.place = place

    def text(self, key: str) -> str:
        value = self.blob.get(key)
        if value is not None and not isinstance(value, str):
            raise InputError(f"{key!r} must be a string, found {value!r}", place=self.place)
        return value or ""

    def list(self, key: str) -> list[Any]:
        value = self.blob.get(key)
        if value is not None and not isinstance(value, list):
            raise InputError(f"{key!r} must be a list, found {value!r}", place=self.place)
        return value or []

    def parts(self, key: str) -> Iterator[_Reader]:
        for index, part in enumerate(self.list(key)):
            yield _Reader(part, f"{self.place}, {key}[{index}]")
