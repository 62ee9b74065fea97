"""opm's semver template: bundles in candidate, fast and stable; channels and edges follow from their versions.

The edges are opm's: in each channel kind the highest patch of every minor version replaces that of the minor version
before, and skips everything older of the same major version; all other entries get no edge.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from balise.graph.rendering import Blob, RenderedBundle
from balise.graph.templates.sources import BundleRenderer
from balise.graph.templates.strict import Strict
from balise.model.documents import Document
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version

__all__ = ["SCHEMA", "render"]

SCHEMA: Final = "olm.semver"

Archetype = Literal["candidate", "fast", "stable"]
Kind = Literal["", "major", "minor"]

_ARCHETYPES: Final[tuple[Archetype, ...]] = ("candidate", "fast", "stable")
_KIND_RANK: Final[dict[Kind, int]] = {"": 0, "major": 1, "minor": 2}


@dataclass(frozen=True, slots=True)
class _Template:
    kinds: tuple[Kind, ...]
    """Which channels are generated: major, minor or both."""
    preference: Kind
    images: dict[Archetype, tuple[str, ...]]
    document: Document


@dataclass(slots=True)
class _Entry:
    """A bundle in one channel, and the edges that it gets."""

    archetype: Archetype
    kind: Kind
    channel: str
    name: str
    version: Version
    replaces: str = ""
    skips: list[str] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, int, Version]:
        return _ARCHETYPES.index(self.archetype), _KIND_RANK[self.kind], self.version

    @property
    def major_line(self) -> tuple[str, str, int]:
        return self.archetype, self.kind, self.version.major

    def blob(self) -> Blob:
        blob: Blob = {"name": self.name}
        if self.replaces:
            blob["replaces"] = self.replaces
        if self.skips:
            blob["skips"] = self.skips
        return blob


class _HighWater(NamedTuple):
    """The best channel so far, as candidate for the default channel."""

    archetype: int
    version: Version
    preferred: bool
    kind: int
    name: str


def render(document: Document, renderer: BundleRenderer) -> list[Blob]:
    """The catalog of a template: one package, its channels by name, its bundles by name."""
    template = _read(document)
    images = dict.fromkeys(image for images in template.images.values() for image in images)
    rendered = {image: renderer(image) for image in images}
    if not rendered:
        raise InputError(
            "names no bundle", place=document.file, way_out="list images under candidate, fast or stable: bundles"
        )
    versions, package = _versions(template, rendered)
    entries, default = _entries(template, versions)
    _link(entries)
    channels: dict[str, list[_Entry]] = {}
    for entry in entries:
        channels.setdefault(entry.channel, []).append(entry)
    for members in channels.values():
        members.sort(key=lambda entry: entry.version)
    head = channels[default][-1].name if default in channels else ""
    bundles = sorted(rendered.values(), key=lambda bundle: str(bundle.blob["name"]))
    return [
        _package_blob(package, default, next((each for each in bundles if each.blob["name"] == head), None)),
        *(
            {
                "schema": "olm.channel",
                "package": package,
                "name": name,
                "entries": [entry.blob() for entry in channels[name]],
            }
            for name in sorted(channels)
        ),
        *(bundle.blob for bundle in bundles),
    ]


def _package_blob(package: str, default: str, head: RenderedBundle | None) -> Blob:
    """The package, described as its default channel's highest version describes itself."""
    blob: Blob = {"schema": "olm.package", "name": package, "defaultChannel": default}
    if head is not None and head.description:
        blob["description"] = head.description
    if head is not None and head.icon is not None:
        blob["icon"] = head.icon
    return blob


def _read(document: Document) -> _Template:
    root = Strict(document).mapping((), {"schema", "generateMajorChannels", "generateMinorChannels",
                                         "defaultChannelTypePreference", *_ARCHETYPES})  # fmt: skip
    major, minor = root.flag("generateMajorChannels"), root.flag("generateMinorChannels")
    minor = minor or not major
    preference = root.text("defaultChannelTypePreference") or ("minor" if minor else "major")
    if preference not in ("major", "minor"):
        raise root.wrong("defaultChannelTypePreference", f"is {preference!r}", "expected major or minor")
    if not (minor if preference == "minor" else major):
        raise root.wrong(
            "defaultChannelTypePreference",
            f"is {preference}, and no such channels are generated",
            f"set generate{preference.title()}Channels: true, or prefer the other kind",
        )
    images: dict[Archetype, tuple[str, ...]] = {}
    for archetype in _ARCHETYPES:
        bundles = root.child(archetype, {"bundles"})
        images[archetype] = tuple(
            entry.text("image") for entry in (bundles.children("bundles", {"image"}) if bundles else ())
        )
    kinds: tuple[Kind, ...] = tuple(kind for kind, wanted in (("major", major), ("minor", minor)) if wanted)  # type: ignore[misc]
    return _Template(kinds, "major" if preference == "major" else "minor", images, document)


def _versions(
    template: _Template, rendered: dict[str, RenderedBundle]
) -> tuple[dict[Archetype, dict[str, Version]], str]:
    """Name and version of each archetype's bundles, and the package that they all belong to."""
    package = ""
    found: dict[Archetype, dict[str, Version]] = {}
    for archetype in _ARCHETYPES:
        versions: dict[str, Version] = {}
        for index, image in enumerate(template.images[archetype]):
            blob = rendered[image].blob
            place = ":".join(map(str, template.document.locate((archetype, "bundles", index))))
            own_package, version = _package_property(blob, place)
            if own_package != (package := package or own_package):
                raise InputError(f"{image} belongs to package {own_package}, not to {package}", place=place)
            if blob["name"] in versions:
                raise InputError(f"bundle {blob['name']} is listed twice in {archetype}", place=place)
            twin = next((name for name, other in versions.items() if other == version), None)
            if twin is not None:
                raise InputError(
                    f"{blob['name']} and {twin} have versions that differ at most by build metadata, which gives no"
                    " order",
                    place=place,
                    way_out="give one of them another version, or leave it out",
                )
            versions[blob["name"]] = version
        found[archetype] = versions
    return found, package


def _package_property(blob: dict[str, Any], place: str) -> tuple[str, Version]:
    values = [each["value"] for each in blob["properties"] if each["type"] == "olm.package"]
    if len(values) != 1:
        raise InputError(f"bundle {blob['name']} has {len(values)} olm.package properties, not one", place=place)
    try:
        return str(values[0]["packageName"]), Version.parse(str(values[0]["version"]))
    except InvalidVersionError as error:
        raise InputError(f"bundle {blob['name']}: {error}", place=place) from None


def _entries(template: _Template, versions: dict[Archetype, dict[str, Version]]) -> tuple[list[_Entry], str]:
    """All entries, still without edges, and the default channel.

    Channels compete for being the default when they are made, so each with its lowest version.
    """
    entries: list[_Entry] = []
    channels: set[str] = set()
    best = _HighWater(0, Version(), preferred=False, kind=0, name="")
    for rank, archetype in enumerate(_ARCHETYPES):
        for name, version in sorted(versions[archetype].items(), key=lambda item: item[1]):
            for kind in template.kinds:
                suffix = f"{version.major}" if kind == "major" else f"{version.major}.{version.minor}"
                channel = f"{archetype}-v{suffix}"
                if channel not in channels:
                    channels.add(channel)
                    rival = _HighWater(rank, version, kind == template.preference, _KIND_RANK[kind], channel)
                    best = rival if rival[:4] > best[:4] else best
                entries.append(_Entry(archetype, kind, channel, name, version))
    return entries, best.name


def _link(entries: list[_Entry]) -> None:
    """Give the last entry of each minor version its edges."""
    entries.sort(key=lambda entry: entry.order)
    for _, line in itertools.groupby(entries, key=lambda entry: entry.major_line):
        older: list[str] = []
        replaces = ""
        for _, patches in itertools.groupby(line, key=lambda entry: entry.version.minor):
            names = _link_minor(list(patches), older, replaces)
            older += names
            replaces = names[-1]


def _link_minor(patches: list[_Entry], older: Iterable[str], replaces: str) -> list[str]:
    names = [entry.name for entry in patches]
    head = patches[-1]
    head.replaces = replaces
    head.skips = sorted({*older, *names[:-1]} - {replaces})
    return names
