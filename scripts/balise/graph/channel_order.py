"""The order of a channel's entries, as OLM v0 sees it: by ``replaces``, never by version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from balise.model.errors import BaliseError

__all__ = ["ChannelOrderError", "Edges", "newest_first"]


class Edges(Protocol):
    """A bundle's place in a channel."""

    @property
    def name(self) -> str:
        """The bundle's."""

    @property
    def replaces(self) -> str:
        """Name of the bundle before it; empty for none."""

    @property
    def skips(self) -> Collection[str]:
        """Names of bundles that it stands for as well."""


_Entry = TypeVar("_Entry", bound=Edges)


class ChannelOrderError(BaliseError):
    """A channel whose entries have no order: OLM then resolves nothing at all in the namespace."""


def newest_first(entries: Sequence[_Entry], package: str, channel: str) -> list[_Entry]:
    """A channel's chain from its head downwards; *package* and *channel* are for what is said of it.

    Entries that another one skips are left out, although the chain is followed through them; so is whatever the chain
    does not reach. Neither can be installed, except by startingCSV.

    Raises:
        ChannelOrderError: when there is no head, more than one, or a cycle.
    """
    if not entries:
        return []
    by_name = {entry.name: entry for entry in entries}
    below: dict[str, _Entry] = {}
    covered: set[str] = set()
    skipped: set[str] = set()
    for entry in entries:
        if entry.replaces and entry.replaces in by_name:
            covered.add(entry.replaces)
            below[entry.name] = by_name[entry.replaces]
        skipped.update(skip for skip in entry.skips if skip in by_name)
    covered |= skipped
    where = f"channel {channel} of package {package}"
    heads = [entry for entry in entries if entry.name not in covered]
    if not heads:
        raise ChannelOrderError(
            f"{where} has no head: each of its entries is replaced or skipped by another one ({_names(entries)})",
            way_out="Let exactly one entry be the newest: one that no other entry replaces or skips.",
        )
    chains = [_chain(head, below, where) for head in heads]
    if len(chains) > 1:
        raise ChannelOrderError(
            f"{where} has {len(heads)} heads: none of {_names(heads)} is replaced or skipped by another entry",
            way_out="Let the newest one replace or skip the others; skipRange alone does not connect entries.",
        )
    return [entry for entry in chains[0] if entry.name not in skipped]


def _chain(head: _Entry, below: dict[str, _Entry], where: str) -> list[_Entry]:
    chain, seen = [head], {head.name}
    while (following := below.get(chain[-1].name)) is not None:
        if following.name in seen:
            cycle = [entry.name for entry in chain[[entry.name for entry in chain].index(following.name) :]]
            raise ChannelOrderError(
                f"{where} goes round in circles: {' replaces '.join([*cycle, following.name])}",
                way_out="Take one of these replaces away.",
            )
        seen.add(following.name)
        chain.append(following)
    return chain


def _names(entries: Sequence[Edges]) -> str:
    names = sorted(entry.name for entry in entries)
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"
