"""One resolution of OLM v0: what it would install now, for all Subscriptions of a namespace together.

The namespace succeeds or fails as a whole: a Subscription that cannot be served, or a dependency that cannot be read,
leaves everything else in the namespace as it is, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from balise.graph.channel_order import newest_first
from balise.model.errors import BaliseError
from balise.planner.index import CatalogIndex, existing_candidates
from balise.planner.requirements import Requirement, requirements_of
from balise.planner.solver import (
    AtMostOne,
    Conflict,
    Constraint,
    Mandatory,
    Prohibited,
    Requires,
    Unsatisfiable,
    Variable,
    solve,
)
from balise.planner.universe import Entry, SourceKey, Subscription, Universe, existing_entries

__all__ = ["Blocked", "Choice", "Resolution", "candidates_in_order", "resolve"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A bundle to install, and the name of the CSV that it then says to replace."""

    entry: Entry
    replaces: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the namespace should hold beside what it holds."""

    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why nothing in the namespace moves: facts that cannot all be, and without any one of which it would move.

    ``retried`` tells OLM's two ways to fail apart: an error (tried again and again) or a contradiction (not tried again
    before something changes).
    """

    facts: tuple[str, ...]
    retried: bool = False

    def __str__(self) -> str:
        return "; ".join(self.facts)


def resolve(
    universe: Universe, index: CatalogIndex | None = None, *, supposing: Entry | None = None
) -> Resolution | Blocked:
    """Resolve a namespace once.

    Args:
        universe: the state of the namespace, and its catalogs.
        index: of the same catalogs, to be shared by several resolutions.
        supposing: a bundle that must be part of the result; asks why it is not, where it is not.
    """
    return _Resolver(universe, index or CatalogIndex(universe.considered)).resolve(supposing)


def candidates_in_order(universe: Universe, subscription: Subscription, index: CatalogIndex) -> list[Entry]:
    """What the Subscription could install now, dependencies aside: the preferred one first, the installed CSV left out.

    Raises:
        BaliseError: when its channel has no order.
    """
    resolver = _Resolver(universe, index)
    current = resolver.current(subscription)
    entries = resolver.offered(subscription, current)
    return [] if isinstance(entries, str) else list(_candidates(entries, current))


@dataclass(slots=True)
class _Bundle:
    """A bundle under consideration."""

    entry: Entry
    constraints: list[Constraint]
    replaces: str = ""


def _considered(entry: Entry) -> _Bundle:
    constraints: list[Constraint] = []
    if entry.source.is_existing and not entry.subscribed:
        constraints.append(Mandatory(f"{entry.name} is installed and no Subscription owns it, so it must stay"))
    if entry.facts.deprecated:
        constraints.append(Prohibited(f"{entry.name} has the property olm.deprecated, so it is never chosen"))
    return _Bundle(entry, constraints)


class _Resolver:
    def __init__(self, universe: Universe, index: CatalogIndex) -> None:
        self._universe = universe
        self._index = index
        self._existing = existing_entries(universe)
        self._bundles: dict[Entry, _Bundle] = {}
        self._known_candidates: dict[tuple[SourceKey, Requirement], _Candidates] = {}
        self._errors: list[BaliseError] = []

    def resolve(self, supposing: Entry | None) -> Resolution | Blocked:
        self._expand(self._existing)
        if self._errors:
            return _failed(self._errors)
        variables = [self._subscription(subscription) for subscription in self._universe.subscriptions]
        if self._errors:
            return _failed(self._errors)
        # A channel and a name in it are all that OLM tells bundles of one catalog apart by.
        bundles = {bundle.entry.identifier: bundle for bundle in self._bundles.values()}
        if supposing is not None and supposing.identifier in bundles:
            bundles[supposing.identifier].constraints.append(Mandatory(""))
        installed: list[Variable] = []
        offered: list[Variable] = []
        for identifier, bundle in bundles.items():
            variable = Variable(identifier, bundle.constraints, bundle)
            (installed if bundle.entry.source.is_existing else offered).append(variable)
        # Go walks a map of more than eight variables in any order; a smaller one mostly as it was filled: what is
        # installed comes first.
        solution = solve([*installed, *variables, *offered, *_invariants(bundles)])
        if isinstance(solution, Unsatisfiable):
            return Blocked(_explained(solution, supposing))
        chosen = [variable.subject for variable in solution if isinstance(variable.subject, _Bundle)]
        return Resolution(
            tuple(
                Choice(bundle.entry, bundle.replaces or bundle.entry.replaces)
                for bundle in chosen
                if not bundle.entry.source.is_existing
            )
        )

    def _subscription(self, subscription: Subscription) -> Variable:
        variable = Variable(
            f"subscription:{subscription.name}",
            [Mandatory(f"Subscription {subscription.name} asks for {_asked(subscription)}")],
        )
        current = self.current(subscription)
        entries = self.offered(subscription, current)
        if isinstance(entries, str):
            variable.constraints.append(Prohibited(entries))
            return variable
        try:
            candidates = _candidates(entries, current)
        except BaliseError as error:
            self._errors.append(error)
            return variable
        self._expand(candidates)
        identifiers = [entry.identifier for entry in candidates]
        if current is not None:
            for entry in candidates:
                bundle = self._bundles[entry]
                bundle.replaces = current.name
                reason = f"{entry.name} replaces {current.name}"
                bundle.constraints.append(Conflict(current.identifier, reason))
            identifiers.append(current.identifier)
        wanted = _one_of([e.name for e in candidates] + ([f"the installed {current.name}"] if current else []))
        reason = f"Subscription {subscription.name} is served only by {wanted}"
        if not identifiers:
            reason = f"{_asked(subscription)} has nothing that could be installed: all of it is skipped"
        variable.constraints.append(Requires(tuple(identifiers), reason))
        return variable

    def current(self, subscription: Subscription) -> Entry | None:
        """What is installed for the Subscription."""
        return next((entry for entry in self._existing if entry.name == subscription.installed_csv), None)

    def offered(self, subscription: Subscription, current: Entry | None) -> list[Entry] | str:
        """Entries of the subscribed channel, or what is missing: a mistake even if nothing is to be installed."""
        key = subscription.source
        if key.name or key.namespace:
            source = self._index.source(key)
            everything: Sequence[Entry] = source.entries if source else ()
            of_package: Sequence[Entry] = source.of_package(subscription.package) if source else ()
        else:
            sources = self._index.preferred(None, "")
            everything = [*(entry for each in sources for entry in each.entries), *self._existing]
            of_package = [entry for entry in everything if entry.in_package(subscription.package)]
        if not everything:
            return f"catalog {key.name} in namespace {key.namespace} offers nothing, or does not exist"
        catalog = f"catalog {key.name}" if key.name else "any catalog"
        if not of_package:
            return f"there is no package {subscription.package} in {catalog}"
        entries = [entry for entry in of_package if subscription.channel in ("", entry.channel)]
        if not entries:
            channels = sorted({entry.channel for entry in of_package})
            return (
                f"package {subscription.package} in {catalog} has no channel {subscription.channel}, "
                f"only {_one_of(channels, 'and')}"
            )
        if current is None and subscription.starting_csv:
            entries = [entry for entry in entries if entry.name == subscription.starting_csv]
            if not entries:
                return (
                    f"startingCSV {subscription.starting_csv} is not in channel {subscription.channel or '(any)'} "
                    f"of package {subscription.package} in {catalog}"
                )
        return entries

    def _expand(self, entries: Iterable[Entry]) -> None:
        """Take bundles into consideration, with all that they may require, and what that may require, and so on."""
        stack = list(entries)
        pushed: set[int] = set()
        while stack:
            entry = stack.pop()
            if entry in self._bundles:
                continue
            bundle = self._bundles[entry] = _considered(entry)
            try:
                requirements = requirements_of(entry.facts.properties)
            except BaliseError as error:
                self._errors.append(BaliseError(f"{entry.name}: {error.message}", way_out=error.way_out))
                continue
            for requirement in requirements:
                try:
                    candidates = self._candidates(entry, requirement)
                except BaliseError as error:
                    self._errors.append(error)
                    continue
                bundle.constraints.append(
                    Requires(candidates.identifiers, _DependencyReason(entry, requirement, candidates.entries))
                )
                if id(candidates) not in pushed:
                    pushed.add(id(candidates))
                    stack.extend(candidates.entries)

    def _candidates(self, entry: Entry, requirement: Requirement) -> _Candidates:
        """What may meet an entry's requirement: what is installed, then its own catalog, then the others."""
        known = self._known_candidates.get((entry.source, requirement))
        if known is None:
            found = existing_candidates(self._existing, requirement)
            for source in self._index.preferred(entry.source, self._universe.namespace):
                found += source.candidates(requirement)
            known = _Candidates(tuple(found), tuple(candidate.identifier for candidate in found))
            self._known_candidates[entry.source, requirement] = known
        return known


def _candidates(entries: Sequence[Entry], current: Entry | None) -> dict[Entry, None]:
    candidates: dict[Entry, None] = {}
    for entry in _in_channel_order(entries):
        if current is not None and not entry.covers(current.name, current.version):
            continue
        # With no channel asked for, the same bundle in another channel is as good. Which of them OLM takes depends on
        # how Go walks a small map: nearly always the last one by channel name comes first.
        same = sorted((other for other in entries if other.name == entry.name), key=lambda other: other.channel)
        candidates.update((other, None) for other in reversed(same))
    return candidates


def _in_channel_order(entries: Sequence[Entry]) -> list[Entry]:
    by_channel = sorted(entries, key=lambda entry: (not entry.in_default_channel, entry.channel))
    groups = [list(group) for _, group in groupby(by_channel, key=lambda entry: entry.channel)]
    return [entry for group in groups for entry in newest_first(group, group[0].package, group[0].channel)]


class _Candidates(NamedTuple):
    entries: tuple[Entry, ...]
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _DependencyReason:
    """Put into words only when somebody asks: there are far more dependencies than conflicts."""

    entry: Entry
    requirement: Requirement
    candidates: tuple[Entry, ...]

    def __str__(self) -> str:
        reason = f"{self.entry.name} requires an operator {self.requirement}"
        if self.candidates:
            return f"{reason}: {_one_of([candidate.name for candidate in self.candidates])}"
        return f"{reason}, and no catalog offers one that can be chosen"


def _invariants(bundles: dict[str, _Bundle]) -> list[Variable]:
    """A namespace holds at most one bundle of a package and one provider of an API."""
    packages: dict[str, list[str]] = {}
    apis: dict[str, list[str]] = {}
    for identifier, bundle in bundles.items():
        for package in bundle.entry.facts.package_names:
            packages.setdefault(package, []).append(identifier)
        for gvk in bundle.entry.facts.provided:
            apis.setdefault(str(gvk), []).append(identifier)
    texts = [(package, members, f"of package {package}") for package, members in packages.items()]
    texts += [(api, members, f"able to provide the API {api}") for api, members in apis.items()]
    return [
        Variable(f"invariant:{text}", [AtMostOne(tuple(members), text)])
        for _, members, text in texts
        if len(members) > 1
    ]


def _failed(errors: Sequence[BaliseError]) -> Blocked:
    return Blocked(tuple(dict.fromkeys(error.message for error in errors)), retried=True)


def _explained(conflict: Unsatisfiable, supposed: Entry | None) -> tuple[str, ...]:
    """The conflict in words, reading from what is asked for to what stands in its way.

    Where a bundle is only supposed to be chosen, nobody needs to hear who asked for it.
    """
    mentioned = set()
    for subject, constraint in conflict.core:
        mentioned.add(subject)
        if isinstance(constraint, Requires):
            mentioned.update(constraint.candidates)
    order = (Mandatory, Requires, Prohibited, Conflict, AtMostOne)
    facts = []
    for subject, constraint in sorted(conflict.core, key=lambda applied: order.index(type(applied[1]))):
        if supposed is not None and subject.startswith("subscription:"):
            continue
        if isinstance(constraint, AtMostOne):
            members = [member for member in constraint.members if member in mentioned] or list(constraint.members)
            names = sorted({_name(member) for member in members})
            if len(names) == 1:
                facts.append(f"{names[0]} is {constraint.reason} more than once, which is never allowed")
            else:
                facts.append(f"only one of {_one_of(names, 'and')} may be installed: each is {constraint.reason}")
        else:
            facts.append(str(constraint.reason))
    return tuple(fact for fact in dict.fromkeys(facts) if fact)


def _name(identifier: str) -> str:
    catalog, _, channel, name = identifier.split("/", 3)
    return f"{name} (channel {channel} of {catalog})" if channel else f"the installed {name}"


def _asked(subscription: Subscription) -> str:
    channel = f"channel {subscription.channel}" if subscription.channel else "any channel"
    return f"package {subscription.package} from {channel} of {subscription.source.name or 'any catalog'}"


def _one_of(names: Sequence[str], word: str = "or") -> str:
    distinct = list(dict.fromkeys(names))
    if len(distinct) > 6:
        distinct = [*distinct[:5], f"{len(distinct) - 5} more"]
    if len(distinct) < 2:
        return "".join(distinct)
    return f"{', '.join(distinct[:-1])} {word} {distinct[-1]}"
