"""What happens to a ClusterServiceVersion once an InstallPlan has created it: the checks that the resolver never makes.

OLM plans an upgrade without a look at the Kubernetes version, at the OperatorGroup's targets or at what the running
operator says of itself; all of that only stops the new version from rolling out.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from balise.model.semver import InvalidVersionError, Version
from balise.planner.universe import GVK, BundleFacts, Entry

__all__ = [
    "ALL_NAMESPACES",
    "CSVFacts",
    "Cluster",
    "Obstacle",
    "OperatorGroup",
    "csv_facts",
    "obstacles",
    "parse_kube_version",
]

#: The target of an OperatorGroup that covers the whole cluster.
ALL_NAMESPACES: Final = ""


@dataclass(frozen=True, slots=True)
class OperatorGroup:
    """An OperatorGroup: the namespaces it targets, and the APIs that it says its operators provide."""

    name: str
    namespace: str
    targets: tuple[str, ...] = (ALL_NAMESPACES,)
    provided_apis: frozenset[GVK] = frozenset()
    static_provided_apis: bool = False

    def intersects(self, other: OperatorGroup) -> bool:
        """Whether there is a namespace that both cover; a group always covers its own."""
        if ALL_NAMESPACES in self.targets or ALL_NAMESPACES in other.targets:
            return True
        return not {*self.targets, self.namespace}.isdisjoint({*other.targets, other.namespace})


@dataclass(frozen=True, slots=True)
class Cluster:
    """What else decides whether a new version rolls out. What is None is unknown, and stops nothing.

    ``not_upgradeable`` names CSVs whose OperatorCondition says Upgradeable=False; ``failing`` those that will never
    become available.
    """

    kube_version: Version | None = None
    operator_group: OperatorGroup | None = None
    other_groups: tuple[OperatorGroup, ...] = ()
    not_upgradeable: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    manual_approval: bool = False


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a created CSV does not get to Succeeded: OLM's reason, and the same in words.

    ``phase`` is where it stays: Pending is looked at again and again, Failed needs a hand (or fail-forward).
    """

    csv: str
    phase: Literal["Pending", "Failed"]
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class CSVFacts:
    """What a bundle's CSV says that matters for its rollout; None where the catalog does not tell."""

    min_kube_version: str = ""
    install_modes: frozenset[str] | None = None
    owned: tuple[GVK, ...] = field(default=())


def csv_facts(facts: BundleFacts) -> CSVFacts:
    """Read them from ``olm.csv.metadata``, else from the CSV among the inline objects."""
    for found in facts.content:
        if found.type == "olm.csv.metadata" and isinstance(found.value, dict):
            return _facts(found.value, facts.provided)
    for found in facts.content:
        manifest = _inline(found.value)
        if manifest.get("kind") == "ClusterServiceVersion" and isinstance(manifest.get("spec"), dict):
            return _facts(manifest["spec"], facts.provided)
    return CSVFacts(owned=facts.provided)


def _inline(value: Any) -> dict[str, Any]:
    try:
        manifest = json.loads(base64.b64decode(value["data"], validate=True))
    except (TypeError, KeyError, ValueError, binascii.Error):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _facts(spec: dict[str, Any], provided: tuple[GVK, ...]) -> CSVFacts:
    modes = spec.get("installModes")
    supported = None
    if isinstance(modes, list) and modes:
        supported = frozenset(
            str(mode.get("type")) for mode in modes if isinstance(mode, dict) and mode.get("supported") is True
        )
    minimum = spec.get("minKubeVersion")
    return CSVFacts(minimum if isinstance(minimum, str) else "", supported, provided)


def obstacles(entry: Entry, replaced: Iterable[str], cluster: Cluster) -> list[Obstacle]:
    """What keeps a bundle from rolling out.

    Args:
        entry: the bundle.
        replaced: names of installed CSVs that it replaces.
        cluster: everything else.
    """
    facts = csv_facts(entry.facts)
    found: list[Obstacle] = []
    if cluster.operator_group is not None:
        found += _group_obstacles(entry.name, facts, cluster.operator_group, cluster.other_groups)
    found += [
        Obstacle(
            entry.name, "Pending", "OperatorConditionNotUpgradeable",
            f"the running {name} says of itself that it cannot be upgraded now (OperatorCondition Upgradeable=False)",
        )
        for name in replaced
        if name in cluster.not_upgradeable
    ]  # fmt: skip
    too_old = _too_old(facts.min_kube_version, cluster.kube_version)
    if too_old:
        found.append(Obstacle(entry.name, "Pending", "RequirementsNotMet", too_old))
    if entry.name in cluster.failing:
        text = "its Deployments do not become available within five minutes"
        found.append(Obstacle(entry.name, "Failed", "InstallCheckFailed", text))
    return found


def _too_old(minimum: str, kube_version: Version | None) -> str:
    if not minimum or kube_version is None:
        return ""
    try:
        # OLM cuts off what vendors append to the server's version.
        wanted = Version.parse_tolerant(minimum)
    except InvalidVersionError:
        return f"its minKubeVersion {minimum!r} is no version"
    if Version(kube_version.major, kube_version.minor, kube_version.patch) < wanted:
        return f"it needs Kubernetes {minimum} or newer, and the cluster has {kube_version}"
    return ""


def _group_obstacles(
    csv: str, facts: CSVFacts, group: OperatorGroup, others: Sequence[OperatorGroup]
) -> list[Obstacle]:
    found: list[Obstacle] = []
    if not group.targets:
        found.append(Obstacle(csv, "Failed", "NoTargetNamespaces", f"OperatorGroup {group.name} targets no namespace"))
    elif facts.install_modes is not None:
        missing = [mode for mode in _needed_modes(group) if mode not in facts.install_modes]
        if missing:
            targets = "the whole cluster" if ALL_NAMESPACES in group.targets else ", ".join(sorted(group.targets))
            supported = ", ".join(sorted(facts.install_modes)) or "no install mode"
            found.append(
                Obstacle(
                    csv, "Failed", "UnsupportedOperatorGroup",
                    f"OperatorGroup {group.name} targets {targets}, which needs {' and '.join(missing)}; "
                    f"it supports {supported}",
                )
            )  # fmt: skip
    mine = frozenset(facts.owned)
    for other in others:
        shared = sorted(str(gvk) for gvk in mine & other.provided_apis)
        if shared and group.intersects(other) and not mine <= group.provided_apis:
            where = f"OperatorGroup {other.name} in namespace {other.namespace}"
            text = f"{where}, whose namespaces overlap, already has a provider of {', '.join(shared)}"
            found.append(Obstacle(csv, "Failed", "InterOperatorGroupOwnerConflict", text))
    if group.static_provided_apis and not mine <= group.provided_apis:
        text = f"OperatorGroup {group.name} states its provided APIs itself and lacks some of this bundle's"
        found.append(Obstacle(csv, "Failed", "CannotModifyStaticOperatorGroupProvidedAPIs", text))
    return found


def _needed_modes(group: OperatorGroup) -> list[str]:
    """Install modes that a CSV must support for the group's targets."""
    targets = set(group.targets)
    if targets == {ALL_NAMESPACES}:
        return ["AllNamespaces"]
    if targets == {group.namespace}:
        return ["OwnNamespace"]
    if len(targets) == 1:
        return ["SingleNamespace"]
    own = ["OwnNamespace"] if group.namespace in targets else []
    return ["MultiNamespace", *own]


def parse_kube_version(text: str) -> Version:
    """A Kubernetes version as people write it: ``1.31``, ``v1.31.2-gke.100``; raises InvalidVersionError."""
    return Version.parse_tolerant(re.split(r"[-+]", text.strip(), maxsplit=1)[0])
