"""Which way leads from each version of a channel to its head, for OLM v0 and for OLM v1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from balise.model.catalog import Catalog
from balise.model.semver import Version
from balise.planner.channel_order import ChannelOrderError, newest_first
from balise.planner.universe import CatalogSource, Entry, SourceKey, entries_of

__all__ = ["ChannelWays", "Way", "channel_ways"]

_SOURCE: Final = SourceKey("catalog", "olm")


@dataclass(frozen=True, slots=True)
class Way:
    """The versions that follow one another, without the first; ``circular`` when the upgrades never end."""

    steps: tuple[str, ...] = ()
    circular: bool = False

    def end(self, start: str) -> str:
        """Where users who are at *start* stay."""
        return self.steps[-1] if self.steps else start


@dataclass(frozen=True, slots=True)
class ChannelWays:
    """The ways of one channel by the name of the bundle at which they begin.

    ``problem`` says why OLM v0 finds no order in the channel; then nobody goes anywhere.
    """

    head: str
    v0: Mapping[str, Way]
    v1: Mapping[str, Way]
    problem: str = ""


def channel_ways(catalog: Catalog, package: str, channel: str, starts: Mapping[str, Version | None]) -> ChannelWays:
    """The ways in one channel.

    Args:
        catalog: the catalog.
        package: one of its packages.
        channel: one of the package's channels.
        starts: names and versions of the bundles to start at, whether the channel offers them or not.
    """
    source = CatalogSource(_SOURCE, catalog.without_other_packages(package))
    entries = [entry for entry in entries_of(source) if entry.channel == channel]
    deprecated = {each.name for each in catalog.deprecations if each.package == package and each.schema == "olm.bundle"}
    v1 = {start: _walk(start, starts, lambda *at: _v1_step(entries, deprecated, *at)) for start in starts}
    try:
        chain = newest_first(entries)
    except ChannelOrderError as error:
        return ChannelWays("", {start: Way() for start in starts}, v1, error.message)
    v0 = {start: _walk(start, starts, lambda *at: _v0_step(chain, *at)) for start in starts}
    return ChannelWays(chain[0].name if chain else "", v0, v1)


_Step = Callable[[str, Version | None], Entry | None]


def _walk(start: str, versions: Mapping[str, Version | None], step: _Step) -> Way:
    steps: list[str] = []
    seen = {start}
    name, version = start, versions[start]
    while (following := step(name, version)) is not None:
        steps.append(following.name)
        if following.name in seen:
            return Way(tuple(steps), circular=True)
        seen.add(following.name)
        name, version = following.name, following.version
    return Way(tuple(steps))


def _v0_step(chain: Sequence[Entry], name: str, version: Version | None) -> Entry | None:
    """OLM v0: what covers the installed version and is nearest to the head."""
    found = next((entry for entry in chain if entry.covers(name, version)), None)
    return None if found is None or found.name == name else found


def _v1_step(entries: Iterable[Entry], deprecated: set[str], name: str, version: Version | None) -> Entry | None:
    """OLM v1: of the direct successors and what is installed, the highest version; what is not deprecated first."""
    ranked = [
        ((entry.name not in deprecated, entry.version), entry)
        for entry in entries
        if entry.version is not None and (entry.name == name or entry.covers(name, version))
    ]
    best = max(ranked, key=lambda each: each[0], default=None)
    return None if best is None or best[1].name == name else best[1]
