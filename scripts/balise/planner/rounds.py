"""Round after round of OLM v0, until nothing moves any more: the InstallPlans that a namespace will see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from balise.planner.index import CatalogIndex
from balise.planner.resolver import Blocked, Choice, Resolution, resolve
from balise.planner.rollout import Cluster, Obstacle, obstacles
from balise.planner.universe import InstalledCSV, SourceKey, Subscription, Universe

__all__ = ["MAX_ROUNDS", "Install", "Plan", "Round", "plan"]

#: More rounds than any graph in sight needs; one that repeats a state is stopped long before.
MAX_ROUNDS = 1000

_ANY_CLUSTER = Cluster()


@dataclass(frozen=True, slots=True)
class Install:
    """A ClusterServiceVersion that an InstallPlan creates, and what its ``spec.replaces`` then says."""

    csv: str
    replaces: str
    package: str
    channel: str
    catalog: SourceKey
    version: str
    for_subscriptions: tuple[str, ...]
    """Subscriptions that it serves; none for a dependency."""


@dataclass(frozen=True, slots=True)
class Round:
    """One InstallPlan: its CSVs, and Subscriptions made for dependencies.

    ``obstacles`` keep a CSV from rolling out once it is there; ``before`` is the namespace that OLM saw.
    """

    installs: tuple[Install, ...]
    new_subscriptions: tuple[Subscription, ...]
    obstacles: tuple[Obstacle, ...]
    before: Universe = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """All rounds, why it stopped if it did not settle, and the namespace as it is then."""

    rounds: tuple[Round, ...]
    blocked: Blocked | None
    final: Universe


def plan(universe: Universe, cluster: Cluster = _ANY_CLUSTER, index: CatalogIndex | None = None) -> Plan:
    """What OLM v0 makes of a namespace, with every InstallPlan approved.

    Between rounds every CSV without an obstacle has succeeded, what it replaces is gone, and Subscriptions have moved
    on to what was installed for them. A CSV with an obstacle stays, and so does what it replaces.

    Args:
        universe: the namespace and its catalogs.
        cluster: what may stop a CSV after it was planned.
        index: of the same catalogs, to be shared by several plans.
    """
    index = index or CatalogIndex(universe.considered)
    state = _refreshed(universe)
    rounds: list[Round] = []
    seen = {_state_key(state)}
    while True:
        resolution = resolve(state, index)
        if isinstance(resolution, Blocked):
            return Plan(tuple(rounds), resolution, state)
        this, state = _executed(state, resolution, cluster)
        if this is None:
            return Plan(tuple(rounds), None, state)
        rounds.append(this)
        key = _state_key(state)
        if key in seen or len(rounds) == MAX_ROUNDS:
            return Plan(tuple(rounds), _endless(rounds), state)
        seen.add(key)


def _endless(rounds: Sequence[Round]) -> Blocked:
    steps = ", then ".join(f"{i.csv} replaces {i.replaces}" for r in rounds[-2:] for i in r.installs)
    return Blocked((f"this never ends: {steps}, and so on; an entry's skipRange covers a version newer than itself",))


def _refreshed(universe: Universe) -> Universe:
    """Subscriptions as OLM sets them before it resolves: what they planned, and exists, counts as installed."""
    names = {csv.name for csv in universe.csvs}
    subscriptions = (
        replace(s, installed_csv=s.current_csv) if s.current_csv in names and s.current_csv != s.installed_csv else s
        for s in universe.subscriptions
    )
    return universe.with_state(subscriptions, universe.csvs)


def _state_key(universe: Universe) -> tuple[object, ...]:
    subscriptions = sorted((s.name, s.installed_csv, s.current_csv) for s in universe.subscriptions)
    return tuple(subscriptions), tuple(sorted(csv.name for csv in universe.csvs))


def _executed(state: Universe, resolution: Resolution, cluster: Cluster) -> tuple[Round | None, Universe]:
    """The InstallPlan for a resolution, and the namespace after it; None when there is nothing to do."""
    existing = {csv.name for csv in state.csvs}
    subscriptions = list(state.subscriptions)
    installs: list[Install] = []
    added: list[Subscription] = []
    created: list[Choice] = []
    for choice in resolution.choices:
        serving = [number for number, s in enumerate(state.subscriptions) if _serves(choice, s)]
        names = {state.subscriptions[number].current_csv for number in serving}
        if names == {choice.entry.name} and choice.entry.name in existing:
            continue
        installs.append(_install(choice, (state.subscriptions[number].name for number in serving)))
        if not serving:
            added.append(_dependency_subscription(choice))
        for number in serving:
            subscriptions[number] = replace(subscriptions[number], current_csv=choice.entry.name)
        if choice.entry.name not in existing:
            created.append(choice)
    if not installs:
        return None, state
    known = {s.name for s in subscriptions}
    subscriptions += (s for s in added if s.name not in known)
    csvs, found = _rolled_out(state.csvs, created, cluster)
    installs.sort(key=lambda install: install.csv)
    added.sort(key=lambda s: s.name)
    this = Round(tuple(installs), tuple(added), tuple(found), state)
    return this, _refreshed(state.with_state(subscriptions, csvs))


def _rolled_out(
    csvs: Sequence[InstalledCSV], created: Sequence[Choice], cluster: Cluster
) -> tuple[list[InstalledCSV], list[Obstacle]]:
    """The CSVs after an InstallPlan, and what keeps some of its own from succeeding."""
    after = {csv.name: csv for csv in csvs}
    found: list[Obstacle] = []
    for choice in created:
        chain = _chain_below(choice.replaces, after)
        mine = obstacles(choice.entry, chain[:1], cluster)
        found += mine
        phase = "Failed" if any(o.phase == "Failed" for o in mine) else "Pending" if mine else "Succeeded"
        after[choice.entry.name] = _installed(choice, phase)
        for name in chain:
            if mine:
                after[name] = replace(after[name], phase="Replacing")
            else:
                del after[name]
    return list(after.values()), found


def _chain_below(name: str, csvs: Mapping[str, InstalledCSV]) -> list[str]:
    """The installed CSV of that name, what it replaces, and so on."""
    chain: list[str] = []
    while name in csvs and name not in chain:
        chain.append(name)
        name = csvs[name].replaces
    return chain


def _serves(choice: Choice, subscription: Subscription) -> bool:
    entry = choice.entry
    if subscription.package != entry.package or subscription.channel not in ("", entry.channel):
        return False
    return subscription.source in (SourceKey("", ""), entry.source)


def _install(choice: Choice, subscriptions: Iterable[str]) -> Install:
    entry = choice.entry
    version = str(entry.version) if entry.version else ""
    return Install(
        entry.name, choice.replaces, entry.package, entry.channel, entry.source, version, tuple(subscriptions)
    )


def _dependency_subscription(choice: Choice) -> Subscription:
    entry = choice.entry
    return Subscription(
        name=f"{entry.package}-{entry.channel}-{entry.source.name}-{entry.source.namespace}",
        package=entry.package,
        channel=entry.channel,
        source=entry.source,
        starting_csv=entry.name,
        current_csv=entry.name,
    )


def _installed(choice: Choice, phase: str) -> InstalledCSV:
    return InstalledCSV(
        name=choice.entry.name,
        version=str(choice.entry.version or ""),
        replaces=choice.replaces,
        phase=phase,
        properties=choice.entry.facts.properties,
    )
