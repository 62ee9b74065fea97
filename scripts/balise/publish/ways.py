"""Which way leads from each version of a channel to its head, for OLM v0 and for OLM v1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from balise.graph.channel_order import ChannelOrderError, newest_first
from balise.model.catalog import Catalog
from balise.model.semver import Version
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
        catalog: the catalog; of several packages, all are read.
        package: one of its packages.
        channel: one of the package's channels.
        starts: names and versions of the bundles to start at, whether the channel offers them or not.
    """
    own = [
        entry
        for entry in entries_of(CatalogSource(_SOURCE, catalog))
        if (entry.package, entry.channel) == (package, channel)
    ]
    versions = {**starts, **{entry.name: entry.version for entry in own}}
    deprecated = {each.name for each in catalog.deprecations if each.package == package and each.schema == "olm.bundle"}
    v1 = _ways(versions, starts, lambda *at: _v1_step(own, deprecated, *at))
    try:
        chain = newest_first(own, package, channel)
    except ChannelOrderError as error:
        return ChannelWays("", {start: Way() for start in starts}, v1, error.message)
    v0 = _ways(versions, starts, lambda *at: _v0_step(chain, *at))
    return ChannelWays(chain[0].name if chain else "", v0, v1)


def _ways(
    versions: Mapping[str, Version | None],
    starts: Iterable[str],
    step: Callable[[str, Version | None], Entry | None],
) -> dict[str, Way]:
    following = {name: found.name for name, version in versions.items() if (found := step(name, version)) is not None}
    return {start: _walk(start, following) for start in starts}


def _walk(start: str, following: Mapping[str, str]) -> Way:
    steps: list[str] = []
    seen = {start}
    at = following.get(start)
    while at is not None:
        steps.append(at)
        if at in seen:
            return Way(tuple(steps), circular=True)
        seen.add(at)
        at = following.get(at)
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
