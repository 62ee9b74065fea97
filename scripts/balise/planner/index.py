"""Catalogs made ready for the resolver's questions: who is in a package, who meets a requirement, in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeVar

from balise.graph.channel_order import ChannelOrderError, newest_first
from balise.planner.requirements import AllOf, AnyOf, OfPackage, Provides, Requirement, WithLabel
from balise.planner.universe import GVK, CatalogSource, Entry, SourceKey, entries_of

__all__ = ["CatalogIndex", "SourceIndex", "existing_candidates"]

K = TypeVar("K")


class SourceIndex:
    """One catalog's entries, found by what they are and by what they offer."""

    def __init__(self, source: CatalogSource) -> None:
        self.key = source.key
        self.priority = source.priority
        self.entries = entries_of(source)
        self._candidates: dict[Requirement, list[Entry] | ChannelOrderError] = {}

    def of_package(self, package: str) -> Sequence[Entry]:
        """Entries that the catalog or an ``olm.package`` property puts into that package."""
        return self._by_package.get(package, ())

    def named(self, name: str) -> Entry | None:
        """An entry of that name, in whatever channel."""
        return self._by_name.get(name)

    def candidates(self, requirement: Requirement) -> list[Entry]:
        """Entries that can meet the requirement, the preferred ones first.

        Default channels come first, then packages and channels by name; within a channel, the head first. An entry that
        its channel skips is no candidate.

        Raises:
            ChannelOrderError: when a channel that has a candidate has no order.
        """
        found = self._candidates.get(requirement)
        if found is None:
            try:
                found = self._sorted(requirement)
            except ChannelOrderError as error:
                found = error
            self._candidates[requirement] = found
        if isinstance(found, ChannelOrderError):
            raise found
        return found

    def _sorted(self, requirement: Requirement) -> list[Entry]:
        groups = {(entry.package, entry.channel): None for entry in self._matching(requirement)}
        loaded: dict[tuple[bool, str, str], dict[Entry, None]] = defaultdict(dict)
        for package, channel in groups:
            for entry in self.of_package(package):
                if entry.channel == channel:
                    loaded[not entry.in_default_channel, entry.package, entry.channel][entry] = None
        ordered = (entry for group in sorted(loaded) for entry in newest_first(list(loaded[group]), *group[1:]))
        return [entry for entry in ordered if requirement.met_by(entry)]

    def _matching(self, requirement: Requirement) -> list[Entry]:
        return [entry for entry in self._narrowed(requirement) if requirement.met_by(entry)]

    def _narrowed(self, requirement: Requirement) -> Iterable[Entry]:
        """A superset of the entries that meet the requirement, as small as is easy to get."""
        match requirement:
            case OfPackage(package):
                return self.of_package(package)
            case Provides(gvk):
                return self._by_api.get(gvk, ())
            case WithLabel(label):
                return self._by_label.get(label, ())
            case AllOf(parts) if parts:
                return min((list(self._narrowed(part)) for part in parts), key=len)
            case AnyOf(parts):
                return dict.fromkeys(entry for part in parts for entry in self._narrowed(part))
            case _:
                return self.entries

    @cached_property
    def _by_name(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def _by_package(self) -> dict[str, list[Entry]]:
        return _grouped(self.entries, lambda entry: {entry.package, *entry.facts.package_names})

    @cached_property
    def _by_api(self) -> dict[GVK, list[Entry]]:
        return _grouped(self.entries, lambda entry: set(entry.facts.provided))

    @cached_property
    def _by_label(self) -> dict[str, list[Entry]]:
        return _grouped(self.entries, lambda entry: entry.facts.labels)


def _grouped(entries: Iterable[Entry], keys: Callable[[Entry], Iterable[K]]) -> dict[K, list[Entry]]:
    groups: dict[K, list[Entry]] = defaultdict(list)
    for entry in entries:
        for key in keys(entry):
            groups[key].append(entry)
    return groups


class CatalogIndex:
    """All catalogs that a namespace may use. Made once, asked in every round."""

    def __init__(self, catalogs: Iterable[CatalogSource]) -> None:
        self._sources = {catalog.key: SourceIndex(catalog) for catalog in catalogs}

    def source(self, key: SourceKey) -> SourceIndex | None:
        """The catalog of that name and namespace."""
        return self._sources.get(key)

    def preferred(self, first: SourceKey | None, namespace: str) -> list[SourceIndex]:
        """Catalogs in order of preference: *first*, then by priority, then those in *namespace*, then by name."""
        return sorted(
            self._sources.values(),
            key=lambda source: (
                source.key != first, -source.priority, source.key.namespace != namespace, source.key.name,
                source.key.namespace,
            ),
        )  # fmt: skip


def existing_candidates(existing: Sequence[Entry], requirement: Requirement) -> list[Entry]:
    """Installed CSVs that meet the requirement, by package.

    Raises:
        ChannelOrderError: when two of one package do: they have no order, and OLM gives up.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in existing:
        if requirement.met_by(entry):
            groups[entry.package].append(entry)
    for package, group in groups.items():
        if len(group) > 1:
            names = " and ".join(sorted(entry.name for entry in group))
            of = f"of package {package}" if package else "of no known package"
            raise ChannelOrderError(
                f"{names} are both installed, both {of} and both {requirement}: OLM cannot tell which to prefer",
                way_out="Delete all but one of these ClusterServiceVersions.",
            )
    return [entry for package in sorted(groups) for entry in groups[package]]
