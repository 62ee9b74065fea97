"""What can go wrong with a catalog, each hazard with a code and a function that finds it: BAL5001 to BAL5015.

All of these pass `opm validate`, and all of them hurt users. ``unsafe`` means that somebody gets stuck, goes round in
circles or is refused; ``note`` that somebody is surprised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import cleandoc
from typing import Any, Final, Literal

from balise.model.catalog import Bundle, Catalog, ChannelEntry
from balise.model.errors import BaliseError
from balise.model.semver import InvalidRangeError, InvalidVersionError, Version, VersionRange
from balise.planner.extension import refusals
from balise.planner.index import CatalogIndex
from balise.planner.requirements import requirement_of
from balise.planner.universe import CatalogSource
from balise.proof.changes import Change, changes
from balise.proof.contents import Contents, mapping, sequence
from balise.proof.journeys import Hop, Journey
from balise.proof.objects import refused_objects

__all__ = ["HAZARDS", "Finding", "Hazard", "Scene", "findings"]

Level = Literal["unsafe", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A hazard found: about which package, channel and bundle (or edge ``a -> b``), and what exactly."""

    code: str
    level: Level
    package: str
    channel: str
    subject: str
    text: str


@dataclass(frozen=True)
class Scene:
    """Everything that a package's proof looks at."""

    package: str
    catalogs: Sequence[CatalogSource]
    index: CatalogIndex
    journeys: Sequence[Journey]
    contents: Mapping[str, Contents] = field(default_factory=dict)
    previous: Catalog | None = None
    kube_versions: Sequence[Version] = ()
    objects: Sequence[Mapping[str, Any]] = ()
    """Existing custom resources, held against the schemas of every upgrade."""

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog that has the package."""
        return next(each.catalog for each in self.catalogs if each.catalog.package(self.package))

    @cached_property
    def bundles(self) -> dict[str, Bundle]:
        """Bundles of the package by name."""
        return {bundle.name: bundle for bundle in self.catalog.bundles_of(self.package)}

    @cached_property
    def edges(self) -> list[tuple[str, str]]:
        """Upgrades that somebody makes, in a stable order."""
        hops = ((hop.source, hop.target) for journey in self.journeys for hop in journey.hops if hop.source)
        return sorted(set(hops))

    def version(self, name: str) -> Version | None:
        """The version of a published bundle."""
        bundle = self.bundles.get(name)
        return _version(bundle.version) if bundle else None

    def changes(self, source: str, target: str) -> list[Change]:
        """What an upgrade changes; nothing where the content of one of the two is not at hand."""
        old, new = self.contents.get(source), self.contents.get(target)
        return changes(old, new) if old and new else []


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard: its code, what it is called, what it means and what to do, and the function that finds it."""

    code: str
    title: str
    explanation: str
    find: Callable[[Scene], Iterator[Finding]] = field(compare=False)


HAZARDS: Final[dict[str, Hazard]] = {}
_Find = Callable[[Scene], Iterator[tuple[Level, str, str, str]]]


def _hazard(code: str) -> Callable[[_Find], _Find]:
    """Register a finder: its docstring's first line is the title, the rest the explanation."""

    def register(find: _Find) -> _Find:
        title, _, explanation = cleandoc(find.__doc__ or "").partition("\n")

        def found(scene: Scene) -> Iterator[Finding]:
            for level, channel, subject, text in find(scene):
                yield Finding(code, level, scene.package, channel, subject, text)

        HAZARDS[code] = Hazard(code, title.rstrip("."), " ".join(explanation.split()), found)
        return find

    return register


def findings(scene: Scene) -> list[Finding]:
    """All hazards of a package, the unsafe ones first, each once."""
    found = dict.fromkeys(finding for hazard in HAZARDS.values() for finding in hazard.find(scene))
    return sorted(
        found, key=lambda finding: (finding.level != "unsafe", finding.code, finding.channel, finding.subject)
    )


def _version(text: str) -> Version | None:
    try:
        return Version.parse_tolerant(text)
    except InvalidVersionError:
        return None


def _range(text: str) -> VersionRange | None:
    try:
        return VersionRange.parse(text) if text else None
    except InvalidRangeError:
        return None


def _entries(scene: Scene) -> Iterator[tuple[str, ChannelEntry]]:
    for channel in scene.catalog.channels_of(scene.package):
        for entry in channel.entries:
            yield channel.name, entry


@_hazard("BAL5001")
def _skip_range_above_itself(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A skipRange covers versions newer than the entry's own.

    OLM v0 does not compare versions: whoever runs a newer version that the range covers is "upgraded" to this older
    one, then upgraded again, for ever, as soon as the entry can be installed and is not the head. End the range below
    the entry's own version: `>=1.0.0 <1.4.0` for 1.4.0.
    """
    for channel, entry in _entries(scene):
        covered, own = _range(entry.skip_range), scene.version(entry.name)
        if covered is None or own is None:
            continue
        newer = [name for name in scene.bundles if (v := scene.version(name)) and v > own and covered.matches(v)]
        if newer:
            text = f"skipRange {entry.skip_range!r} of {entry.name} covers the newer {', '.join(sorted(newer))}"
            yield "unsafe", channel, entry.name, text
        elif any(covered.matches(probe) for probe in _probes(covered, own)):
            text = f"skipRange {entry.skip_range!r} of {entry.name} covers versions to come"
            yield "note", channel, entry.name, text
    for journey in scene.journeys:
        if "never ends" in journey.stop:
            yield "unsafe", journey.channel, journey.start.name, f"OLM {journey.olm}: {journey.stop}"


def _probes(covered: VersionRange, own: Version) -> Iterator[Version]:
    bounds = [bound for terms in covered.alternatives for _, bound in terms] + [own]
    for bound in bounds:
        for probe in (bound, Version(bound.major, bound.minor, bound.patch + 1), Version(bound.major + 1)):
            if probe > own:
                yield probe


@_hazard("BAL5002")
def _stranded(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A version does not get to the head of its channel.

    Its users stay where they are; OLM v0 reports AtLatestKnown and no error, OLM v1 an error that names no remedy. Give
    an entry that can be installed a replaces, a skips or a skipRange that covers the version.
    """
    members = {(channel, entry.name) for channel, entry in _entries(scene)}
    for journey in scene.journeys:
        if journey.reaches_head or (not journey.start.name and journey.head) or "never ends" in journey.stop:
            continue
        inside = not journey.start.name or (journey.channel, journey.start.name) in members
        # What OLM v1 refuses as a whole, dependencies say, was never meant for it.
        level: Level = "unsafe" if inside and not journey.refused else "note"
        switch = "" if inside else " (only reached by switching channels or from an earlier catalog)"
        where = journey.end or "nothing"
        if journey.head:
            where += ", the head" if journey.end == journey.head else f", below {journey.head}"
        text = f"OLM {journey.olm}: ends at {where}{switch}: {journey.stop}"
        yield level, journey.channel, journey.start.name or "a fresh installation", text


@_hazard("BAL5003")
def _skipped_target(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """The only entry that leads on from a version is itself skipped.

    OLM v0 never installs a skipped entry, so an edge that ends at one leads nowhere, although OLM v1 follows it. Let
    the entry that skips it cover the same versions, too.
    """
    stuck = {(j.channel, j.start.name) for j in scene.journeys if j.olm == "v0" and not j.reaches_head and j.start.name}
    for channel in scene.catalog.channels_of(scene.package):
        skipped = {skip for entry in channel.entries for skip in entry.skips}
        for entry in channel.entries:
            if entry.name not in skipped:
                continue
            for other in channel.entries:
                covered, version = _range(entry.skip_range), scene.version(other.name)
                leads = other.name in (entry.replaces, *entry.skips) or (covered and version and version in covered)
                if leads and (channel.name, other.name) in stuck:
                    text = f"{entry.name} would lead on from {other.name}, but another entry skips {entry.name}"
                    yield "unsafe", channel.name, other.name, text


@_hazard("BAL5004")
def _removed(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A channel or package that somebody may subscribe to is gone.

    Every Subscription to it then fails, and with it everything else in its namespace. Keep the channel, with an
    olm.deprecations entry that says where to go.
    """
    if scene.previous is None or scene.previous.package(scene.package) is None:
        return
    kept = {channel.name for channel in scene.catalog.channels_of(scene.package)}
    for channel in scene.previous.channels_of(scene.package):
        if channel.name not in kept:
            text = f"channel {channel.name} was in the previous catalog: its subscribers' namespaces stop resolving"
            yield "unsafe", channel.name, channel.name, text
    for bundle in scene.previous.bundles_of(scene.package):
        if bundle.name not in scene.bundles:
            text = f"{bundle.name} was in the previous catalog: a startingCSV may still name it"
            yield "note", "", bundle.name, text


@_hazard("BAL5005")
def _unreadable_requirement(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A dependency cannot be read.

    OLM v0 then fails for every Subscription of every namespace in which it looks at the bundle; `opm validate` does not
    notice. Write ranges as comparisons (`>=1.2.0 <2.0.0`; no ^, ~ or comma) and let CEL rules yield a bool.
    """
    for bundle in scene.bundles.values():
        for found in bundle.properties:
            try:
                requirement_of(found)
            except BaliseError as error:
                yield "unsafe", "", bundle.name, error.message


@_hazard("BAL5006")
def _dependencies(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A dependency cannot be met, or is met by something unexpected.

    OLM v0 takes the installed operator first, then the same catalog, then others by priority, and in each the default
    channel first; a range without an upper bound below `-0` lets pre-releases in. Where the operator that is needed
    comes from a further catalog, give that one with a further --catalog.
    """
    for journey in scene.journeys:
        if journey.olm == "v0" and not journey.start.name and not journey.hops and journey.head:
            yield "unsafe", journey.channel, journey.head, f"a fresh installation is impossible: {journey.stop}"
        for hop in journey.hops:
            for name in hop.dependencies:
                source = scene.index.source(scene.catalogs[0].key)
                entry = source.named(name) if source else None
                if entry is None:
                    yield "note", journey.channel, hop.target, f"{name}, which it requires, comes from another catalog"
                elif entry.version is not None and entry.version.pre:
                    yield "note", journey.channel, hop.target, f"{name}, which it requires, is a pre-release"


@_hazard("BAL5007")
def _fallback(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A fresh installation does not get the head.

    OLM v0 goes down the channel, without a word, until it finds an entry whose dependencies can be met.
    """
    for journey in scene.journeys:
        first = journey.hops[0].target if journey.hops else ""
        if journey.olm == "v0" and not journey.start.name and first and first != journey.head:
            text = f"a fresh installation gets {first} instead of {journey.head}: {journey.stop}"
            yield "unsafe", journey.channel, journey.head, text


@_hazard("BAL5008")
def _webhooks(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A webhook that OLM refuses or cannot connect.

    A conversion webhook needs a CSV that supports AllNamespaces and nothing else; a Deployment with webhooks must have
    no dot in its name; rules must not catch all groups, OLM's own, or webhook configurations.
    """
    for name, contents in sorted(scene.contents.items()):
        modes = {str(m.get("type")) for m in sequence(contents.spec.get("installModes")) if m.get("supported") is True}
        for webhook in sequence(contents.spec.get("webhookdefinitions")):
            which = f"webhook {webhook.get('generateName')}"
            if webhook.get("type") == "ConversionWebhook" and modes != {"AllNamespaces"}:
                yield (
                    "unsafe",
                    "",
                    name,
                    f"{which} converts, and the CSV supports {', '.join(sorted(modes)) or 'nothing'}",
                )
            if "." in str(webhook.get("deploymentName")):
                text = f"{which}: Deployment {webhook.get('deploymentName')} has a dot in its name, its Service has not"
                yield "unsafe", "", name, text
            for rule in sequence(webhook.get("rules")):
                if _forbidden(rule):
                    yield "unsafe", "", name, f"{which} catches what OLM forbids: {dict(rule)}"


def _strings(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _forbidden(rule: Mapping[str, Any]) -> bool:
    groups, resources = _strings(rule.get("apiGroups")), _strings(rule.get("resources"))
    if "*" in groups or "operators.coreos.com" in groups:
        return True
    configurations = {"*", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"}
    # The singular kinds are forbidden as well.
    named = {resource.lower() + ("s" if resource.endswith("Configuration") else "") for resource in resources}
    return "admissionregistration.k8s.io" in groups and not configurations.isdisjoint(named)


@_hazard("BAL5009")
def _republished(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A bundle was published before under the same name with other content.

    OLM v0 never touches a ClusterServiceVersion that exists: who has the old one keeps it. Give it a new version.
    """
    if scene.previous is None:
        return
    for bundle in scene.previous.bundles_of(scene.package):
        now = scene.bundles.get(bundle.name)
        if now is None:
            continue
        if now.image != bundle.image:
            text = f"its image was {bundle.image} and is {now.image}: existing installations keep the old one"
            yield "unsafe", "", bundle.name, text
        elif sorted(map(repr, now.properties)) != sorted(map(repr, bundle.properties)):
            yield "unsafe", "", bundle.name, "its properties differ from the previous catalog's"


@_hazard("BAL5010")
def _crd_changes(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """An upgrade changes a CRD, a conversion or an install mode in a way that breaks users.

    A stored version that is gone stops OLM v0 and v1; a version no longer served makes the running CSV fail; OLM v1
    refuses every narrower or unknown change of a schema. Add to a schema, or make a new version with a conversion.
    """
    for source, target in scene.edges:
        for change in scene.changes(source, target):
            if change.breaks:
                yield "unsafe", "", f"{source} -> {target}", f"{change.text} (OLM {' and '.join(change.breaks)})"
        old, new = scene.contents.get(source), scene.contents.get(target)
        for refused in refused_objects(old, new, scene.objects) if old and new else ():
            level: Level = "note" if refused.tolerated else "unsafe"
            yield level, "", f"{source} -> {target}", refused.text


@_hazard("BAL5011")
def _kubernetes_too_old(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A version needs a newer Kubernetes than a supported cluster has.

    OLM v0 does not look at minKubeVersion when it resolves: the upgrade is planned, the new CRDs are applied, the new
    version stays Pending, and nothing in the namespace moves any more. Publish it in another channel.
    """
    for journey in scene.journeys:
        held: dict[Hop, list[str]] = {}
        for kube_version in scene.kube_versions:
            hop = journey.held_by(kube_version) if journey.olm == "v0" else None
            if hop is not None:
                held.setdefault(hop, []).append(f"{kube_version.major}.{kube_version.minor}")
        for hop, minors in held.items():
            text = f"on Kubernetes {', '.join(minors)} {hop.target} stays Pending: it needs {hop.min_kube_version}"
            yield "unsafe", journey.channel, hop.target, text


# OLM v0 creates these and refuses an InstallPlan with any other kind.
_KINDS: Final = frozenset(
    ["ClusterServiceVersion", "CustomResourceDefinition", "Secret", "ConfigMap", "Service", "ServiceAccount", "Role",
     "RoleBinding", "ClusterRole", "ClusterRoleBinding", "PrometheusRule", "ServiceMonitor", "PodDisruptionBudget",
     "PriorityClass", "VerticalPodAutoscaler", "ConsoleYAMLSample", "ConsoleQuickStart", "ConsoleCLIDownload",
     "ConsoleLink", "ConsolePlugin", "NetworkPolicy"]
)  # fmt: skip


@_hazard("BAL5012")
def _unsupported_kinds(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A bundle holds an object of a kind that OLM v0 does not create.

    The InstallPlan is invalid and nothing of it is installed. PodMonitor is the trap: opm's own check accepts it.
    """
    for name, contents in sorted(scene.contents.items()):
        for kind in sorted(contents.kinds - _KINDS):
            yield "unsafe", "", name, f"{kind} is no kind that OLM v0 installs"


@_hazard("BAL5013")
def _refused_by_v1(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """OLM v1 refuses a bundle that it would choose.

    It resolves no dependencies, supports no APIServices and, as released, only bundles that can serve all namespaces;
    it does not try the next best version.
    """
    chosen = {(j.channel, j.head) for j in scene.journeys if j.olm == "v1" and j.head}
    for channel, name in sorted(chosen):
        bundle = scene.bundles.get(name)
        for text in refusals(bundle) if bundle else ():
            yield "note", channel, name, text
        for text in _refused_contents(scene.contents[name]) if name in scene.contents else ():
            yield "note", channel, name, text


def _refused_contents(contents: Contents) -> Iterator[str]:
    if sequence(contents.spec.get("webhookdefinitions")):
        yield "it has webhooks, for which OLM v1 needs cert-manager (or OpenShift's service-ca) in the cluster"
    owned = sequence(mapping(contents.spec.get("customresourcedefinitions")).get("owned"))
    for name in sorted({str(crd.get("name")) for crd in owned} - set(contents.crds)):
        yield f"it owns the CRD {name}, and does not hold it"
    converting: set[str] = set()
    for webhook in sequence(contents.spec.get("webhookdefinitions")):
        for name in _strings(webhook.get("conversionCRDs")):
            if name in converting:
                yield f"two conversion webhooks are for the CRD {name}"
            converting.add(name)


@_hazard("BAL5014")
def _default_channel(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """The default channel is not the one with the newest version.

    Who names no channel subscribes to the default one, and dependencies prefer it whatever the versions. The semver
    template chooses it by the lowest version of each channel, which surprises.
    """
    package = scene.catalog.package(scene.package)
    heads = {j.channel: j.head for j in scene.journeys if j.olm == "v0" and not j.start.name and j.head}
    default = package.default_channel if package else ""
    own = scene.version(heads.get(default, ""))
    for channel, head in sorted(heads.items()):
        version = scene.version(head)
        if own is not None and version is not None and version > own and not version.pre:
            text = f"its head {head} is newer than {heads[default]}, the head of the default channel {default}"
            yield "note", channel, head, text


_MEBIBYTE: Final = 1 << 20


@_hazard("BAL5015")
def _sizes(scene: Scene) -> Iterator[tuple[Level, str, str, str]]:
    """A bundle is too big for where OLM v0 keeps it.

    An unpacked bundle becomes one ConfigMap (1 MiB, compressed); an inline one is kept in the InstallPlan (one object
    of etcd, 1.5 MB). Take long descriptions out of CRDs.
    """
    for name, contents in sorted(scene.contents.items()):
        if contents.inline and contents.size > 1_500_000 * 0.9:
            yield "unsafe", "", name, f"{contents.size} bytes inline: an InstallPlan holds at most 1.5 MB"
        if contents.compressed_size > _MEBIBYTE:
            # The figure is exact only near the limit; it is an upper bound below.
            yield "unsafe", "", name, f"{contents.compressed_size} bytes compressed: a ConfigMap holds {_MEBIBYTE}"
