"""The upgrade graph of one channel, as opm's validation walks it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from balise.model.semver import Version

__all__ = ["Channel", "ChannelBundle", "GraphProblem", "graph_problem"]


@dataclass(slots=True)
class ChannelBundle:
    """An entry of a channel (``index`` in its list), and what its bundle adds."""

    name: str
    index: int
    replaces: str = ""
    skips: tuple[str, ...] = ()
    skip_range: str = ""
    version: Version = field(default_factory=Version)
    release: tuple[int | str, ...] = ()
    complete: bool = False
    """Whether there is an image, or objects that make it unnecessary."""

    def describe(self, version: Version, release: tuple[int | str, ...], *, complete: bool) -> None:
        """Add what the bundle says."""
        self.version, self.release, self.complete = version, release, complete

    @property
    def version_text(self) -> str:
        """Version and release as opm joins them."""
        return "-".join([str(self.version), *([".".join(map(str, self.release))] if self.release else [])])


@dataclass(slots=True)
class Channel:
    """A channel's entries by name, in the order of the file."""

    name: str
    bundles: dict[str, ChannelBundle] = field(default_factory=dict)


class GraphProblem(NamedTuple):
    """What is wrong with a channel's graph, and the entry at which it shows best."""

    check: str
    at: int
    message: str


def graph_problem(channel: Channel) -> GraphProblem | None:
    """The first thing that is wrong with the graph of a channel that has entries.

    There must be one head; from it ``replaces`` must lead, without a cycle and up to the first entry that is skipped or
    absent, over every entry that is not skipped.
    """
    incoming = Counter(
        target for bundle in channel.bundles.values() for target in (bundle.replaces, *bundle.skips) if target
    )
    # An empty skip counts as an edge to the entry without a name.
    incoming.update(skip for bundle in channel.bundles.values() for skip in bundle.skips if not skip)
    heads = [bundle for name, bundle in channel.bundles.items() if name not in incoming]
    if not heads:
        return GraphProblem("no-head", 0, "every entry is replaced or skipped by another, so there is no head")
    if len(heads) > 1:
        names = ", ".join(sorted(head.name for head in heads))
        return GraphProblem("several-heads", heads[1].index, f"nothing replaces or skips {names}: which is the head?")
    return _chain_problem(channel, heads[0])


def _chain_problem(channel: Channel, head: ChannelBundle) -> GraphProblem | None:
    skipped = {skip for bundle in channel.bundles.values() for skip in bundle.skips}
    chain = {head.name: None}
    current: ChannelBundle | None = head
    while current is not None and current.replaces not in skipped:
        if current.replaces in chain:
            names = list(chain)
            circle = [*names[names.index(current.replaces) :], current.replaces]
            return GraphProblem("cycle", current.index, f"the upgrades go in a circle: {' replaces '.join(circle)}")
        chain[current.replaces] = None
        current = channel.bundles.get(current.replaces)
    stranded = sorted(channel.bundles.keys() - chain.keys() - skipped)
    if stranded:
        message = f"from the head {head.name} no way leads to {', '.join(stranded)}"
        return GraphProblem("stranded", channel.bundles[stranded[0]].index, message)
    return None
