"""Where everybody ends up: every version that somebody may run, on every channel, under OLM v0 and v1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from balise.model.catalog import Catalog
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version
from balise.planner.explanation import channel_head, why_no_further
from balise.planner.extension import ClusterCatalog, Extension, Refusal, resolve_extension, walk
from balise.planner.index import CatalogIndex
from balise.planner.question import Question, installed_csv, universe_for
from balise.planner.rollout import Cluster, csv_facts
from balise.planner.rounds import plan
from balise.planner.universe import CatalogSource, Entry

__all__ = ["Hop", "Journey", "Start", "journeys", "starts"]


@dataclass(frozen=True, slots=True)
class Start:
    """A version that somebody may run; the empty name stands for a fresh installation.

    ``published`` tells whether the catalog has it; if not, it is only named by an edge, or was published earlier.
    """

    name: str
    published: bool = True
    min_kube_version: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One upgrade, and what comes with it: dependencies that are installed in the same go."""

    source: str
    target: str
    dependencies: tuple[str, ...] = ()
    min_kube_version: str = ""


@dataclass(frozen=True, slots=True)
class Journey:
    """The way of one version on one channel. ``stop`` says why it ends before the head; empty where it does not."""

    olm: Literal["v0", "v1"]
    package: str
    channel: str
    start: Start
    hops: tuple[Hop, ...]
    head: str
    stop: str
    refused: bool = False
    """Whether OLM v1 refuses the bundle that it chooses."""

    @property
    def end(self) -> str:
        """The version that it ends with."""
        return self.hops[-1].target if self.hops else self.start.name

    @property
    def reaches_head(self) -> bool:
        """Whether it ends at the head."""
        return not self.stop and self.end == self.head

    def exists_on(self, kube_version: Version) -> bool:
        """Whether anybody can run the start on that Kubernetes version."""
        minimum = _version(self.start.min_kube_version)
        return minimum is None or kube_version >= minimum

    def held_by(self, kube_version: Version) -> Hop | None:
        """The first hop that does not roll out on that Kubernetes version; None also where nobody can begin there."""
        for hop in self.hops if self.exists_on(kube_version) else ():
            minimum = _version(hop.min_kube_version)
            if minimum is not None and kube_version < minimum:
                return hop
        return None


def _version(text: str) -> Version | None:
    try:
        return Version.parse_tolerant(text) if text else None
    except InvalidVersionError:
        return None


def starts(catalog: Catalog, package: str, earlier: Sequence[str] = ()) -> list[Start]:
    """Everything that somebody may run: nothing yet, what is published, what edges name, what was published before."""
    published = [bundle.name for bundle in catalog.bundles_of(package)]
    named = {
        name
        for channel in catalog.channels_of(package)
        for entry in channel.entries
        for name in (entry.replaces, *entry.skips)
        if name
    }
    others = sorted((named | set(earlier)) - set(published))
    return [Start(""), *(Start(name) for name in published), *(Start(name, published=False) for name in others)]


def journeys(
    package: str, catalogs: Sequence[CatalogSource], index: CatalogIndex, earlier: Sequence[str] = ()
) -> Iterator[Journey]:
    """All journeys of the package, which the first of the catalogs has.

    Versions of other channels are included: their users may switch. Of what no catalog has and whose version cannot be
    told from its name, nothing is known but the edges that name it: it is left out.
    """
    # Dependencies are looked up in the index; everything else is about this package alone.
    catalogs = [replace(each, catalog=each.catalog.without_other_packages(package)) for each in catalogs]
    catalog = next(each.catalog for each in catalogs if each.catalog.package(package))
    served = [ClusterCatalog(each.key.name, each.catalog, each.priority) for each in catalogs]
    for channel in catalog.channels_of(package):
        for start in starts(catalog, package, earlier):
            mine = replace(start, min_kube_version=_minimum(index, catalogs, start.name))
            try:
                yield _v0(package, channel.name, mine, catalogs, index)
                yield _v1(package, channel.name, mine, catalogs, served)
            except InputError:
                continue


def _v0(package: str, channel: str, start: Start, catalogs: Sequence[CatalogSource], index: CatalogIndex) -> Journey:
    universe = universe_for(Question(package, channel, installed=start.name), catalogs)
    planned = plan(universe, Cluster(), index)
    subscription = next(s for s in planned.final.subscriptions if s.name == package)
    hops = []
    at = start.name
    for this in planned.rounds:
        mine = next((i for i in this.installs if package in i.for_subscriptions), None)
        if mine is None:
            continue
        dependencies = tuple(install.csv for install in this.installs if install is not mine)
        hops.append(Hop(at, mine.csv, dependencies, _minimum(index, catalogs, mine.csv)))
        at = mine.csv
    head = channel_head(universe, replace(subscription, starting_csv=""), index)
    if planned.blocked is not None:
        stop = str(planned.blocked)
    else:
        stop = "; ".join(why_no_further(planned.final, subscription, index))
    return Journey("v0", package, channel, start, tuple(hops), head.name if head else "", stop)


def _minimum(index: CatalogIndex, catalogs: Sequence[CatalogSource], name: str) -> str:
    entry = _entry(index, catalogs, name)
    return csv_facts(entry.facts).min_kube_version if entry else ""


def _entry(index: CatalogIndex, catalogs: Sequence[CatalogSource], name: str) -> Entry | None:
    for catalog in catalogs:
        source = index.source(catalog.key)
        found = source.named(name) if source else None
        if found is not None:
            return found
    return None


def _v1(
    package: str, channel: str, start: Start, catalogs: Sequence[CatalogSource], served: Sequence[ClusterCatalog]
) -> Journey:
    version = installed_csv(start.name, package, catalogs).version if start.name else ""
    asked = Extension(package, channels=(channel,), installed=start.name, installed_version=version)
    found = walk(asked, served)
    hops = []
    at = start.name
    for step in found.steps:
        hops.append(Hop(at, step.bundle.name))
        at = step.bundle.name
    highest = resolve_extension(Extension(package, channels=(channel,)), served)
    head = highest.bundle if isinstance(highest, Refusal) else highest.bundle.name
    stop = found.stopped.text if found.stopped else ""
    if not stop and at != head:
        stop = f"{at} stays: no entry of {channel} leads on from it, although {head} is there"
    refused = found.stopped is not None and bool(found.stopped.bundle)
    return Journey("v1", package, channel, start, tuple(hops), head, stop, refused)
