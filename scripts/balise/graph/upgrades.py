"""Where a channel takes the users of each version, as OLM v0 walks: by edges, never by version, one step at a time.

Dependencies and what is installed beside are not looked at: for those there is the planner.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from balise.graph.channel_order import ChannelOrderError, newest_first
from balise.model.catalog import Channel, ChannelEntry
from balise.model.semver import InvalidRangeError, Version, VersionRange

__all__ = ["End", "Journey", "candidates", "journey"]


class End(Enum):
    """How a journey ends."""

    HEAD = "at the head"
    STRANDED = "below the head"
    CIRCLE = "nowhere: it goes round in a circle"
    BROKEN = "nowhere: the channel has no single head"


@dataclass(frozen=True, slots=True)
class Journey:
    """The bundles that a user is taken to, one after the other, and how that ends."""

    start: str
    steps: tuple[str, ...]
    end: End

    @property
    def last(self) -> str:
        """Where the user is in the end."""
        return self.steps[-1] if self.steps else self.start


def candidates(channel: Channel) -> list[ChannelEntry]:
    """What OLM v0 can install from a channel, head first; empty where it finds no single head, or a circle.

    That is the chain of ``replaces`` from the head, without what is skipped.
    """
    try:
        return newest_first(channel.entries, channel.package, channel.name)
    except ChannelOrderError:
        return []


def journey(channel: Channel, start: str, versions: dict[str, Version]) -> Journey:
    """Where a user of the bundle *start* is taken; *versions* tells the version of each bundle."""
    offered = candidates(channel)
    if not offered:
        return Journey(start, (), End.BROKEN)
    steps: list[str] = []
    current = start
    while True:
        found = _next(offered, current, versions.get(current))
        if found is None or found.name == current:
            end = End.HEAD if current == offered[0].name else End.STRANDED
            return Journey(start, tuple(steps), end)
        if found.name in (start, *steps):
            return Journey(start, (*steps, found.name), End.CIRCLE)
        steps.append(found.name)
        current = found.name


def _next(offered: list[ChannelEntry], current: str, version: Version | None) -> ChannelEntry | None:
    """The candidate nearest to the head that upgrades *current*."""
    for entry in offered:
        if entry.replaces == current or current in entry.skips or _in_range(version, entry.skip_range):
            return entry
    return None


def _in_range(version: Version | None, skip_range: str) -> bool:
    if version is None or not skip_range:
        return False
    try:
        return version in VersionRange.parse(skip_range)
    except InvalidRangeError:
        return False  # OLM ignores it, too
