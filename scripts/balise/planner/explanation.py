"""Plans in plain words: why this version, why not a newer one, why nothing more."""

from __future__ import annotations

from collections.abc import Sequence

from balise.model.errors import BaliseError
from balise.planner.index import CatalogIndex
from balise.planner.resolver import Blocked, candidates_in_order, resolve
from balise.planner.rounds import Install, Round
from balise.planner.universe import Entry, Subscription, Universe

__all__ = ["channel_head", "refused", "why_installed", "why_no_further"]


def why_installed(this: Round, install: Install, index: CatalogIndex) -> list[str]:
    """Why a round installs this CSV: what leads to it, and what was preferred but could not be."""
    serving = [s for s in this.before.subscriptions if s.name in install.for_subscriptions]
    if not serving:
        return [f"a dependency, from channel {install.channel} of package {install.package}"]
    subscription = serving[0]
    candidates = candidates_in_order(this.before, subscription, index)
    chosen = next((entry for entry in candidates if entry.name == install.csv), None)
    if chosen is None:
        return []
    current = next((csv for csv in this.before.csvs if csv.name == subscription.installed_csv), None)
    if current is not None:
        reasons = [_edge(chosen, current.name)]
    elif subscription.starting_csv:
        reasons = ["startingCSV of the Subscription"]
    else:
        head = candidates[0] is chosen
        reasons = [
            f"head of channel {chosen.channel}" if head else f"the newest of channel {chosen.channel} that can be had"
        ]
    preferred = candidates[: candidates.index(chosen)]
    return reasons + [refused(this.before, entry, index) for entry in preferred if entry.name != chosen.name]


def _edge(entry: Entry, installed: str) -> str:
    if entry.replaces == installed:
        return f"replaces {installed}"
    if installed in entry.skips:
        return f"skips {installed}"
    return f"its skipRange {entry.skip_range!r} contains the version of {installed}"


def refused(universe: Universe, entry: Entry, index: CatalogIndex) -> str:
    """Why the resolver does not take a candidate that it prefers."""
    outcome = resolve(universe, index, supposing=entry)
    if isinstance(outcome, Blocked):
        return f"not {entry.name}: {outcome}"
    return f"not {entry.name}: an earlier choice leaves no room for it"


def why_no_further(universe: Universe, subscription: Subscription, index: CatalogIndex) -> list[str]:
    """Why a settled Subscription stays where it is; nothing where it has reached the head of its channel.

    OLM reports neither an error nor a condition in this case: the Subscription says AtLatestKnown.
    """
    head = channel_head(universe, subscription, index)
    if head is None or head.name == subscription.installed_csv:
        return []
    try:
        candidates = [
            e for e in candidates_in_order(universe, subscription, index) if e.name != subscription.installed_csv
        ]
    except BaliseError as error:
        return [error.message]
    candidates = [entry for entry in candidates if entry.name != subscription.installed_csv]
    where = f"channel {head.channel}"
    if not subscription.installed_csv:
        return [f"nothing of {where} is installed"]
    if not candidates:
        return [
            f"{subscription.installed_csv} is not the head of {where}, {head.name}, and nothing that it can install "
            f"replaces it, skips it, or has it in its skipRange: it stays, and OLM says nothing about it"
        ]
    return [refused(universe, entry, index) for entry in candidates]


def channel_head(universe: Universe, subscription: Subscription, index: CatalogIndex) -> Entry | None:
    """The newest entry of the Subscription's channel, or None where there is no such channel or no single head."""
    fresh = universe.with_state((), ())
    asked = Subscription(subscription.name, subscription.package, subscription.channel, subscription.source)
    try:
        candidates: Sequence[Entry] = candidates_in_order(fresh, asked, index)
    except BaliseError:
        return None
    return candidates[0] if candidates else None
