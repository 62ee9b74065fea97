"""The upgrade graph of a package laid out for drawing: a lane for each channel, a column for each version.

Nothing is drawn here: :func:`lay_out` gives shapes with places, :mod:`balise.graph.svg` makes a picture of them. What a
version replaces directly is joined to it by a straight line; everything that it skips, or that its skipRange covers,
hangs on one rail, so that a channel of forty versions stays readable.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from balise.model.catalog import Catalog, Channel, ChannelEntry
from balise.model.errors import InputError
from balise.model.semver import InvalidRangeError, InvalidVersionError, Version, VersionRange

__all__ = ["NODE_HEIGHT", "TRACK", "Edge", "EdgeKind", "Lane", "Node", "Picture", "lay_out"]

EdgeKind = Literal["replaces", "skips", "skipRange"]

NODE_HEIGHT: Final = 34
_GAP: Final = 44
_MARGIN: Final = 20
TRACK: Final = 15
_CHARACTER: Final = 7.6
_SMALL_CHARACTER: Final = 5.4
_WIDEST_LABEL: Final = 24


@dataclass(frozen=True, slots=True)
class Node:
    """A version in a lane: a box in one of the picture's columns, with its top at the lane's ``y``.

    ``outside`` is a bundle that an edge of the channel leads from, and that the channel itself does not offer;
    ``skipped`` one that OLM v0 never installs; ``deprecated`` is the message, if there is one.
    """

    name: str
    label: str
    version: Version | None
    column: int
    head: bool = False
    skipped: bool = False
    outside: bool = False
    deprecated: str = ""

    @property
    def caption(self) -> str:
        """What a reader must know of the version, in words: a picture may be seen without its colours."""
        words = {"head": self.head, "skipped": self.skipped, "outside": self.outside, "deprecated": self.deprecated}
        return ", ".join(word for word, true in words.items() if true)


@dataclass(frozen=True, slots=True)
class Edge:
    """How users get to ``target``: from each of ``sources``, which are names of nodes in the same lane, left to right.

    ``track`` is 0 for a straight line; a rail runs that many tracks above (skips) or below the boxes.
    """

    kind: EdgeKind
    sources: tuple[str, ...]
    target: str
    track: int
    text: str
    """The edge as the catalog writes it, such as ``skipRange >=1.0.0 <1.2.0``."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A channel: its nodes from left to right and its edges; ``y`` is the top of the boxes in a lane of ``height``."""

    channel: str
    default: bool
    deprecated: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    y: float
    height: float

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    @property
    def bottom(self) -> float:
        """The bottom of the boxes."""
        return self.y + NODE_HEIGHT


@dataclass(frozen=True, slots=True)
class Picture:
    """A package's lanes, the default channel's first, all as wide as ``width``; every box is ``node_width`` wide."""

    package: str
    deprecated: str
    lanes: tuple[Lane, ...]
    width: float
    node_width: float

    def left(self, node: Node) -> float:
        """The left edge of a node's box."""
        return _MARGIN + node.column * (self.node_width + _GAP)


def lay_out(catalog: Catalog, package: str) -> Picture:
    """The picture of a package. The same catalog gives the same picture.

    Raises:
        InputError: when the catalog has no such package.
    """
    found = catalog.package(package)
    if found is None:
        names = ", ".join(sorted(each.name for each in catalog.packages)) or "none"
        raise InputError(f"there is no package {package} in the catalog", way_out=f"its packages: {names}")
    notes = {(each.schema, each.name): each.message for each in catalog.deprecations if each.package == package}
    versions = {bundle.name: _version(bundle.version) for bundle in catalog.bundles_of(package)}
    channels = sorted(catalog.channels_of(package), key=lambda each: (each.name != found.default_channel, each.name))
    shown = dict.fromkeys(name for channel in channels for name in _names(channel))
    for name in shown:
        versions.setdefault(name, _version_in_name(name))
    columns = _columns(shown, versions)
    labels = {name: _label(name, versions[name]) for name in shown}
    members = {channel.name: _nodes(channel, columns, labels, versions, notes) for channel in channels}
    captions = (node.caption for nodes in members.values() for node in nodes)
    node_width = max([56.0, *(len(label) * _CHARACTER + 22 for label in labels.values()),
                      *(len(caption) * _SMALL_CHARACTER + 18 for caption in captions)])  # fmt: skip
    grid = _Grid(columns, node_width, notes)
    lanes = tuple(
        grid.lane(channel, members[channel.name], default=channel.name == found.default_channel) for channel in channels
    )
    width = 2 * _MARGIN + len(columns) * (node_width + _GAP) - (_GAP if columns else 0)
    deprecated = notes.get(("olm.package", ""), "")
    return Picture(package, deprecated, lanes, width, node_width)


def _names(channel: Channel) -> Iterator[str]:
    for entry in channel.entries:
        yield entry.name
        yield from filter(None, (entry.replaces, *entry.skips))


def _version(text: str) -> Version | None:
    try:
        return Version.parse_tolerant(text)
    except InvalidVersionError:
        return None


def _version_in_name(name: str) -> Version | None:
    """The version of a bundle that the catalog no longer holds, as names usually end: ``PACKAGE.vVERSION``."""
    return _version(name.partition(".")[2])


def _label(name: str, version: Version | None) -> str:
    label = str(version) if version else name
    return label if len(label) <= _WIDEST_LABEL else f"{label[: _WIDEST_LABEL - 1]}…"


def _columns(names: Iterable[str], versions: dict[str, Version | None]) -> dict[str, int]:
    """The column of each bundle, by version; what has none comes first."""

    def order(name: str) -> tuple[bool, Version, str]:
        version = versions[name]
        return version is not None, version or Version(), name

    return {name: column for column, name in enumerate(sorted(names, key=order))}


def _nodes(
    channel: Channel,
    columns: dict[str, int],
    labels: dict[str, str],
    versions: dict[str, Version | None],
    notes: dict[tuple[str, str], str],
) -> tuple[Node, ...]:
    entries = {entry.name for entry in channel.entries}
    skipped = {skip for entry in channel.entries for skip in entry.skips}
    covered = skipped | {entry.replaces for entry in channel.entries}
    return tuple(
        Node(
            name,
            labels[name],
            versions[name],
            columns[name],
            head=name in entries and name not in covered,
            skipped=name in skipped and name in entries,
            outside=name not in entries,
            deprecated=notes.get(("olm.bundle", name), ""),
        )
        for name in sorted(dict.fromkeys(_names(channel)), key=columns.__getitem__)
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """What all lanes of a package share."""

    columns: dict[str, int]
    node_width: float
    notes: dict[tuple[str, str], str]

    def lane(self, channel: Channel, nodes: tuple[Node, ...], *, default: bool) -> Lane:
        straight, above, below = self._edges(channel, nodes)
        above, below = self._on_tracks(above), self._on_tracks(below)
        y = 12 + TRACK * max((edge.track for edge in above), default=0)
        height = y + NODE_HEIGHT + 12 + TRACK * max((edge.track for edge in below), default=0)
        deprecated = self.notes.get(("olm.channel", channel.name), "")
        return Lane(channel.name, default, deprecated, nodes, (*straight, *above, *below), y, height)

    def _edges(self, channel: Channel, nodes: Sequence[Node]) -> tuple[list[Edge], list[Edge], list[Edge]]:
        """Straight lines, rails above the boxes, and rails below them; rails are still without a track."""
        columns = [node.column for node in nodes]
        straight: list[Edge] = []
        above: list[Edge] = []
        below: list[Edge] = []
        for entry in channel.entries:
            if entry.replaces:
                left, right = sorted((self.columns[entry.replaces], self.columns[entry.name]))
                between = bisect.bisect_left(columns, right) - bisect.bisect_right(columns, left)
                edge = Edge("replaces", (entry.replaces,), entry.name, 0, f"replaces {entry.replaces}")
                (below if between > 0 else straight).append(edge)
            # What is replaced as well needs no second line.
            skips = tuple(sorted({*entry.skips} - {entry.replaces, entry.name, ""}, key=self.columns.__getitem__))
            if skips:
                above.append(Edge("skips", skips, entry.name, 0, f"skips {', '.join(skips)}"))
            if in_range := self._in_range(entry, nodes):
                below.append(Edge("skipRange", in_range, entry.name, 0, f"skipRange {entry.skip_range}"))
        return straight, above, below

    def _in_range(self, entry: ChannelEntry, nodes: Sequence[Node]) -> tuple[str, ...]:
        try:
            wanted = VersionRange.parse(entry.skip_range) if entry.skip_range else None
        except InvalidRangeError:
            return ()  # OLM v0 ignores it, and opm does not take the catalog
        if wanted is None:
            return ()
        others = {entry.name, entry.replaces, *entry.skips}
        return tuple(node.name for node in nodes if node.version and node.name not in others and node.version in wanted)

    def _on_tracks(self, edges: list[Edge]) -> list[Edge]:
        """Each edge on the lowest track on which it touches no other, short ones first."""
        tracks: list[list[tuple[int, int]]] = []
        placed = []
        for edge in sorted(edges, key=lambda edge: (self._span(edge)[1] - self._span(edge)[0], *self._span(edge))):
            span = self._span(edge)
            free = (n for n, taken in enumerate(tracks) if all(_apart(span, other) for other in taken))
            track = next(free, len(tracks))
            tracks[track:] = tracks[track:] or [[]]
            tracks[track].append(span)
            placed.append(Edge(edge.kind, edge.sources, edge.target, track + 1, edge.text))
        return placed

    def _span(self, edge: Edge) -> tuple[int, int]:
        columns = sorted(self.columns[name] for name in itertools.chain(edge.sources, (edge.target,)))
        return columns[0], columns[-1]


def _apart(left: tuple[int, int], right: tuple[int, int]) -> bool:
    # Rails that only meet at one box do not overlap: they arrive and leave at different sides of it.
    return left[1] <= right[0] or right[1] <= left[0]
