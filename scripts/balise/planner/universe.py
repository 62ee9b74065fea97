"""What OLM v0's resolver sees: catalogs, Subscriptions and installed ClusterServiceVersions of one namespace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from balise.model.catalog import Bundle, Catalog, Property
from balise.model.semver import InvalidRangeError, InvalidVersionError, Version, VersionRange

__all__ = [
    "EXISTING",
    "GVK",
    "BundleFacts",
    "CatalogSource",
    "Entry",
    "InstalledCSV",
    "SourceKey",
    "Subscription",
    "Universe",
    "entries_of",
    "existing_entries",
]

#: Name of the virtual source that holds what is installed.
EXISTING = "@existing"

# The registry takes these out of what it lists for the resolver.
_CONTENT = frozenset(["olm.bundle.object", "olm.csv.metadata"])


#: OLM's default for the namespace whose catalogs serve every namespace.
GLOBAL_NAMESPACE = "olm"


class SourceKey(NamedTuple):
    """Name and namespace of a CatalogSource; both empty in a Subscription that takes from any."""

    name: str
    namespace: str

    @property
    def is_existing(self) -> bool:
        """Whether this is what is installed rather than a catalog."""
        return self.name == EXISTING and self.namespace != ""

    def __str__(self) -> str:
        return f"{self.name}/{self.namespace}"


class GVK(NamedTuple):
    """Group, version and kind of an API; compared exactly, case included."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.group}/{self.version})"


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """A CatalogSource and the catalog that it serves. Higher ``priority`` comes first among dependency candidates."""

    key: SourceKey
    catalog: Catalog
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A Subscription: what it asks for, and how far it is (``installed_csv``, ``current_csv``).

    An empty ``channel`` takes any channel; an empty ``source`` any catalog.
    """

    name: str
    package: str
    channel: str
    source: SourceKey
    starting_csv: str = ""
    installed_csv: str = ""
    current_csv: str = ""


@dataclass(frozen=True, slots=True)
class InstalledCSV:
    """A ClusterServiceVersion in the namespace.

    ``properties`` are those of the annotation ``operatorframework.io/properties``, or None where it is absent:
    then they are inferred from ``owned`` and ``required`` APIs.
    """

    name: str
    version: str
    replaces: str = ""
    phase: str = "Succeeded"
    properties: tuple[Property, ...] | None = ()
    owned: tuple[GVK, ...] = ()
    required: tuple[GVK, ...] = ()


@dataclass(frozen=True, slots=True)
class Universe:
    """All that one resolution depends on: a namespace with its Subscriptions, its CSVs and the catalogs it may use."""

    catalogs: tuple[CatalogSource, ...]
    subscriptions: tuple[Subscription, ...]
    csvs: tuple[InstalledCSV, ...]
    namespace: str = "ns"
    fail_forward: bool = False

    @property
    def considered(self) -> tuple[CatalogSource, ...]:
        """The catalogs that OLM looks into: the namespace's own, and those of the global catalog namespace."""
        return tuple(each for each in self.catalogs if each.key.namespace in (self.namespace, GLOBAL_NAMESPACE))

    def with_state(self, subscriptions: Iterable[Subscription], csvs: Iterable[InstalledCSV]) -> Universe:
        """The same catalogs with another state of the namespace."""
        return replace(self, subscriptions=tuple(subscriptions), csvs=tuple(csvs))


class BundleFacts:
    """A bundle's properties and what they say, worked out once and shared by its entries in several channels.

    ``content`` are the properties that hold manifests or what is shown of them: the resolver never sees those.
    """

    def __init__(self, properties: Sequence[Property], version: str, content: Sequence[Property] = ()) -> None:
        self.properties = tuple(properties)
        self.content = tuple(content)
        self._version = version

    @cached_property
    def version(self) -> Version | None:
        """The bundle's own version, read tolerantly; None where it cannot be read."""
        return _tolerant_version(self._version)

    @cached_property
    def package_names(self) -> tuple[str, ...]:
        """Package names of the ``olm.package`` properties."""
        return tuple(text(value, "packageName") for value in self._maps("olm.package"))

    @cached_property
    def packages(self) -> tuple[tuple[str, Version | None], ...]:
        """Package name and, where it parses, version of every ``olm.package`` property."""
        return tuple(
            (text(value, "packageName"), _strict_version(text(value, "version"))) for value in self._maps("olm.package")
        )

    @cached_property
    def provided(self) -> tuple[GVK, ...]:
        """APIs of the ``olm.gvk`` properties, repeated where a property is repeated."""
        return tuple(gvk_of(value) for value in self._maps("olm.gvk"))

    @cached_property
    def labels(self) -> frozenset[str]:
        """Labels of the ``olm.label`` properties."""
        return frozenset(text(value, "label") for value in self._maps("olm.label"))

    @cached_property
    def as_data(self) -> list[dict[str, Any]]:
        """The properties as a CEL rule sees them."""
        return [{"type": found.type, "value": _as_go_decodes(found.value)} for found in self.properties]

    @cached_property
    def deprecated(self) -> bool:
        """Whether an ``olm.deprecated`` property forbids the bundle."""
        return any(found.type == "olm.deprecated" for found in self.properties)

    def _maps(self, kind: str) -> list[dict[str, Any]]:
        return [found.value for found in self.properties if found.type == kind and isinstance(found.value, dict)]


def _as_go_decodes(value: Any) -> Any:
    """The value with every number as a float: `p.value + 1` then has operands of two types, which CEL does not add."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [_as_go_decodes(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_go_decodes(item) for key, item in value.items()}
    return value


def text(value: dict[str, Any], key: str) -> str:
    """A string field of a property's value; nothing when it is absent or not a string."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def gvk_of(value: dict[str, Any]) -> GVK:
    """The API that a property's value names."""
    return GVK(text(value, "group"), text(value, "version"), text(value, "kind"))


def _strict_version(version: str) -> Version | None:
    try:
        return Version.parse(version)
    except InvalidVersionError:
        return None


def _tolerant_version(version: str) -> Version | None:
    try:
        return Version.parse_tolerant(version)
    except InvalidVersionError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One bundle in one channel of one catalog, or one installed CSV (no channel). Compared by identity."""

    name: str
    package: str
    channel: str
    source: SourceKey
    facts: BundleFacts
    in_default_channel: bool = False
    replaces: str = ""
    skips: tuple[str, ...] = ()
    skip_range: str = ""
    subscribed: bool = False

    @property
    def version(self) -> Version | None:
        """The bundle's version; None where it cannot be read."""
        return self.facts.version

    @property
    def identifier(self) -> str:
        """Catalog, its namespace, channel and name: what OLM's messages call the bundle.

        The package is no part of it, so two packages of one catalog must not share channel and bundle names.
        """
        return f"{self.source.name}/{self.source.namespace}/{self.channel}/{self.name}"

    def in_package(self, package: str) -> bool:
        """Whether an ``olm.package`` property or the catalog puts the bundle into that package."""
        return self.package == package or package in self.facts.package_names

    def in_range(self, versions: VersionRange) -> bool:
        """Whether a version of the bundle, by property or by CSV, is in the range."""
        if any(version is not None and version in versions for _, version in self.facts.packages):
            return True
        return self.version is not None and self.version in versions

    def covers(self, name: str, version: Version | None) -> bool:
        """Whether this entry is an upgrade from the named CSV: by replaces, by skips or by skipRange."""
        if self.replaces == name or name in self.skips:
            return True
        if not self.skip_range or version is None:
            return False
        try:
            return version in VersionRange.parse(self.skip_range)
        except InvalidRangeError:
            # OLM ignores a skipRange that it cannot read, without a word.
            return False


def entries_of(source: CatalogSource) -> list[Entry]:
    """Entries of a catalog as OLM builds them from what its registry lists: one for each bundle in each channel."""
    catalog = source.catalog
    defaults = {package.name: package.default_channel for package in catalog.packages}
    facts = {(bundle.package, bundle.name): _bundle_facts(bundle) for bundle in catalog.bundles}
    entries = []
    for channel in catalog.channels:
        if channel.package not in defaults:
            continue
        for found in channel.entries:
            known = facts.get((channel.package, found.name))
            if known is None:
                continue
            entries.append(
                Entry(
                    name=found.name,
                    package=channel.package,
                    channel=channel.name,
                    source=source.key,
                    facts=known,
                    in_default_channel=channel.name == defaults[channel.package],
                    replaces=found.replaces,
                    skips=found.skips,
                    skip_range=found.skip_range,
                )
            )
    return entries


def _bundle_facts(bundle: Bundle) -> BundleFacts:
    listed: list[Property] = []
    content: list[Property] = []
    for found in bundle.properties:
        (content if found.type in _CONTENT else listed).append(found)
    if not any(found.type == "olm.package" for found in listed):
        listed.append(Property("olm.package", {"packageName": bundle.package, "version": bundle.version}))
    return BundleFacts(listed, bundle.version, content)


def existing_entries(universe: Universe) -> list[Entry]:
    """Entries of the virtual source: the CSVs of the namespace, with neither channel nor edges."""
    key = SourceKey(EXISTING, universe.namespace)
    entries = []
    hidden = _failing_forward(universe.csvs) if universe.fail_forward else frozenset()
    for csv in universe.csvs:
        if csv.name in hidden:
            continue
        properties = _projected(csv, universe.subscriptions)
        facts = BundleFacts(properties, csv.version if _tolerant_version(csv.version) else "0.0.0")
        entries.append(
            Entry(
                name=csv.name,
                package=facts.package_names[-1] if facts.package_names else "",
                channel="",
                source=key,
                facts=facts,
                subscribed=any(subscription.installed_csv == csv.name for subscription in universe.subscriptions),
            )
        )
    return entries


def _failing_forward(csvs: Sequence[InstalledCSV]) -> frozenset[str]:
    """CSVs being replaced by one that failed, or by one that is itself being replaced so: fail-forward hides them."""
    replaced_by = {csv.replaces: csv for csv in csvs if csv.replaces}
    hidden = set()
    for csv in csvs:
        last, seen = csv, {csv.name}
        while (following := replaced_by.get(last.name)) is not None and following.name not in seen:
            last = following
            seen.add(last.name)
        if csv.phase == "Replacing" and last.phase == "Failed":
            hidden.add(csv.name)
    return frozenset(hidden)


def _projected(csv: InstalledCSV, subscriptions: Sequence[Subscription]) -> tuple[Property, ...]:
    if csv.properties is not None:
        return csv.properties
    inferred = [Property("olm.gvk", gvk._asdict()) for gvk in sorted(csv.owned)]
    inferred += [Property("olm.gvk.required", gvk._asdict()) for gvk in sorted(csv.required)]
    packages = {s.package for s in subscriptions if s.installed_csv == csv.name and s.package}
    if len(packages) == 1:
        inferred.append(Property("olm.package", {"packageName": packages.pop(), "version": csv.version}))
    return tuple(inferred)
