"""A catalog's upgrade graph as Mermaid text, the picture that ``opm`` draws: old to new, one box for each channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from balise.model.catalog import Catalog, Channel, ChannelEntry
from balise.model.errors import InputError
from balise.model.semver import InvalidRangeError, InvalidVersionError, Version, VersionRange

__all__ = ["MermaidOptions", "mermaid"]

_NO_VERSION: Final = Version()


@dataclass(frozen=True, slots=True)
class MermaidOptions:
    """What is drawn, and how."""

    package: str = ""
    """Only this package."""
    minimum: str = ""
    """Only edges at or above this bundle's version."""
    v0_semantics: bool = True
    """Show which edges are of no use to OLM v0, because what they lead to or from is skipped."""


@dataclass(slots=True)
class _Drawing:
    """What was drawn so far: links are numbered across all channels, as Mermaid numbers them."""

    versions: dict[str, Version]
    deprecated: set[tuple[str, str]]
    v0_semantics: bool
    links: int = 0
    useless_links: list[int] = field(default_factory=list)
    classes: dict[str, list[str]] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    """Nodes of the channels that are deprecated."""


def mermaid(catalog: Catalog, options: MermaidOptions = MermaidOptions()) -> str:
    """The text of the picture.

    Raises:
        InputError: when a bundle has no version, or the minimum is no bundle of the catalog.
    """
    drawing = _Drawing(_versions(catalog), _deprecated(catalog), options.v0_semantics)
    if options.minimum and options.minimum not in drawing.versions:
        raise InputError(f"there is no bundle {options.minimum} in the catalog", way_out="name one of its bundles")
    boxes: dict[str, list[str]] = {}
    deprecated_package = ""
    for channel in sorted(catalog.channels, key=lambda channel: channel.name):
        shown = _filtered(channel, catalog, drawing.versions, options)
        if shown is None:
            continue
        boxes.setdefault(channel.package, []).extend(_channel_lines(shown, drawing))
        if ("olm.package", channel.package) in drawing.deprecated:
            deprecated_package = channel.package
    return "".join(f"{line}\n" for line in _lines(boxes, deprecated_package, drawing))


def _versions(catalog: Catalog) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for bundle in catalog.bundles:
        try:
            found.setdefault(bundle.name, Version.parse(bundle.version))
        except InvalidVersionError as error:
            raise InputError(f"bundle {bundle.name}: {error}") from None
    return found


def _deprecated(catalog: Catalog) -> set[tuple[str, str]]:
    return {(each.schema, each.package if each.schema == "olm.package" else each.name) for each in catalog.deprecations}


def _lines(boxes: dict[str, list[str]], deprecated_package: str, drawing: _Drawing) -> Iterator[str]:
    yield "graph LR"
    yield "  classDef deprecated fill:#E8960F"
    yield "  classDef skipped stroke:#FF0000,stroke-width:4px"
    yield "  classDef deprecatedskipped fill:#E8960F,stroke:#FF0000,stroke-width:4px"
    for package in sorted(boxes):
        yield f"  %% package {_quoted(package)}"
        yield f"  subgraph {_quoted(package)}"
        yield from boxes[package]
        yield "  end"
    if deprecated_package:
        yield f"style {deprecated_package} fill:#989695"
    yield from (f"style {channel} fill:#DCD0FF" for channel in drawing.channels)
    for name in sorted(drawing.classes):
        yield f"class {','.join(sorted(drawing.classes[name]))} {name}"
    if drawing.useless_links:
        links = ",".join(map(str, drawing.useless_links))
        yield f"linkStyle {links} stroke:#FF0000,stroke-width:3px,stroke-dasharray:5;"


def _channel_lines(channel: Channel, drawing: _Drawing) -> Iterator[str]:
    box = f"{channel.package}-{channel.name}"
    if ("olm.channel", channel.name) in drawing.deprecated:
        drawing.channels.append(box)
    yield f"    %% channel {_quoted(channel.name)}"
    yield f"    subgraph {box}[{_quoted(channel.name)}]"
    entries = sorted(channel.entries, key=lambda entry: drawing.versions.get(entry.name, _NO_VERSION), reverse=True)
    # reverse=True keeps equal versions in their order, as opm's sort does for channels that are not long.
    skipped: set[str] = set()
    for entry in entries:
        node = f"{box}-{entry.name}"
        yield f"      {node}[{_quoted(entry.name)}]"
        style = ("deprecated" if ("olm.bundle", entry.name) in drawing.deprecated else "") + (
            "skipped" if entry.name in skipped else ""
        )
        if style:
            drawing.classes.setdefault(style, []).append(node)
        yield from _edge_lines(channel, box, entry, skipped, drawing)
    yield "    end"


def _edge_lines(channel: Channel, box: str, entry: ChannelEntry, skipped: set[str], drawing: _Drawing) -> Iterator[str]:
    def edge(old: str, label: str) -> str:
        return f"      {box}-{old}[{_quoted(old)}]-- {label} --> {box}-{entry.name}[{_quoted(entry.name)}]"

    def link(name: str) -> None:
        if drawing.v0_semantics and name in skipped:
            drawing.useless_links.append(drawing.links)
        drawing.links += 1

    for skip in entry.skips:
        yield edge(skip, "skip")
        link(skip)
        if drawing.v0_semantics:
            skipped.add(skip)
    for name in _in_range(channel, entry.skip_range, drawing.versions):
        yield edge(name, f'"skipRange({entry.skip_range})"')
        link(entry.name)
    if entry.replaces:
        yield edge(entry.replaces, "replace")
        link(entry.name)


def _in_range(channel: Channel, skip_range: str, versions: dict[str, Version]) -> Iterator[str]:
    try:
        wanted = VersionRange.parse(skip_range) if skip_range else None
    except InvalidRangeError:
        return
    for entry in channel.entries:
        if wanted is not None and versions.get(entry.name, _NO_VERSION) in wanted:
            yield entry.name


def _filtered(
    channel: Channel, catalog: Catalog, versions: dict[str, Version], options: MermaidOptions
) -> Channel | None:
    """The channel with the entries and edges that are to be shown; None without any."""
    if not options.minimum and not options.package:
        return channel
    if options.package not in ("", channel.package):
        return None
    if options.minimum and channel.package != _package_of(catalog, options.minimum):
        return None
    entries = []
    for entry in channel.entries:
        kept = _above(entry, versions, options.minimum)
        bare = not (entry.replaces or entry.skips or entry.skip_range)
        high = not options.minimum or versions.get(entry.name, _NO_VERSION) >= versions[options.minimum]
        if kept.replaces or kept.skips or kept.skip_range or entry.name == options.minimum or (bare and high):
            entries.append(kept)
    return replace(channel, entries=tuple(entries)) if entries else None


def _package_of(catalog: Catalog, bundle: str) -> str:
    found = (channel.package for channel in catalog.channels for each in channel.entries if each.name == bundle)
    return next(found, "")


def _above(entry: ChannelEntry, versions: dict[str, Version], minimum: str) -> ChannelEntry:
    if not minimum:
        return entry
    if entry.name == minimum:
        return ChannelEntry(entry.name)
    floor = versions[minimum]
    try:
        covers = bool(entry.skip_range) and floor in VersionRange.parse(entry.skip_range)
    except InvalidRangeError:
        covers = False
    return ChannelEntry(
        entry.name,
        entry.replaces if entry.replaces and versions.get(entry.replaces, _NO_VERSION) >= floor else "",
        tuple(skip for skip in entry.skips if versions.get(skip, _NO_VERSION) >= floor),
        entry.skip_range if covers else "",
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
