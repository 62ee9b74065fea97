"""What happens after an InstallPlan: the state machine of OLM v0 beyond the resolver, each test a rule of it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from balise.model.catalog import catalog_from_blobs
from balise.model.semver import Version
from balise.planner.question import Question, source_of, universe_for
from balise.planner.rollout import Cluster, OperatorGroup, parse_kube_version
from balise.planner.rounds import Plan, plan
from balise.planner.universe import GVK

Blob = dict[str, Any]
ALL_MODES = ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")


def metadata(modes: tuple[str, ...] = ALL_MODES, minimum: str = "", *, inline: bool = False) -> Blob:
    spec: Blob = {"installModes": [{"type": mode, "supported": mode in modes} for mode in ALL_MODES]}
    if minimum:
        spec["minKubeVersion"] = minimum
    if not inline:
        return {"type": "olm.csv.metadata", "value": spec}
    manifest = {"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion", "spec": spec}
    return {"type": "olm.bundle.object", "value": {"data": base64.b64encode(json.dumps(manifest).encode()).decode()}}


def planned(cluster: Cluster, *facts: Blob, installed: str = "a.v1.0.0", fail_forward: bool = False) -> Plan:
    """Three versions in one chain; the facts are those of 1.1.0."""
    blobs: list[Blob] = [{"schema": "olm.package", "name": "a", "defaultChannel": "stable"}]
    names = ["a.v1.0.0", "a.v1.1.0", "a.v1.2.0"]
    entries = [{"name": n, "replaces": r} for n, r in zip(names, ["", *names], strict=False)]
    blobs.append({"schema": "olm.channel", "package": "a", "name": "stable", "entries": entries})
    for name in names:
        properties: list[Blob] = [
            {"type": "olm.package", "value": {"packageName": "a", "version": name.removeprefix("a.v")}},
            {"type": "olm.gvk", "value": {"group": "example.com", "version": "v1", "kind": "K"}},
        ]
        properties += facts if name == "a.v1.1.0" else ()
        blobs.append({"schema": "olm.bundle", "package": "a", "name": name, "properties": properties})
    catalogs = [source_of("cat", catalog_from_blobs(blobs))]
    return plan(universe_for(Question("a", installed=installed, fail_forward=fail_forward), catalogs), cluster)


def reasons(found: Plan) -> list[tuple[str, str, str]]:
    return [(o.csv, o.phase, o.reason) for each in found.rounds for o in each.obstacles]


def final(found: Plan) -> dict[str, str]:
    return {csv.name: csv.phase for csv in found.final.csvs}


def test_without_obstacles_every_replaced_csv_is_gone() -> None:
    found = planned(Cluster(kube_version=Version(1, 30), operator_group=OperatorGroup("g", "operators")), metadata())
    assert (reasons(found), final(found)) == ([], {"a.v1.2.0": "Succeeded"})


@pytest.mark.parametrize("inline", [False, True])
def test_min_kube_version_is_not_looked_at_before_the_rollout(inline: bool) -> None:
    found = planned(
        Cluster(kube_version=parse_kube_version("v1.27.9-gke.1")), metadata(minimum="1.28.0", inline=inline)
    )
    assert reasons(found) == [("a.v1.1.0", "Pending", "RequirementsNotMet")]
    assert final(found) == {"a.v1.0.0": "Replacing", "a.v1.1.0": "Pending"}
    # The replaced CSV belongs to no Subscription any more, and both are of one package: nothing moves.
    assert found.blocked is not None
    assert "a.v1.0.0 is installed and no Subscription owns it" in str(found.blocked)


def test_a_vendor_suffix_does_not_make_a_cluster_older() -> None:
    assert reasons(planned(Cluster(kube_version=parse_kube_version("v1.28.0-eks-1")), metadata(minimum="1.28.0"))) == []


def test_upgradeable_false_keeps_the_new_version_pending() -> None:
    found = planned(Cluster(not_upgradeable=frozenset(["a.v1.0.0"])))
    assert reasons(found) == [("a.v1.1.0", "Pending", "OperatorConditionNotUpgradeable")]


@pytest.mark.parametrize(
    ("targets", "modes", "fits"),
    [
        (("",), ("AllNamespaces",), True),
        (("",), ("OwnNamespace", "SingleNamespace", "MultiNamespace"), False),
        (("operators",), ("OwnNamespace",), True),
        (("operators",), ("SingleNamespace",), False),
        (("other",), ("SingleNamespace",), True),
        (("other",), ("OwnNamespace",), False),
        (("other", "third"), ("MultiNamespace",), True),
        (("other", "operators"), ("MultiNamespace",), False),
        (("other", "operators"), ("MultiNamespace", "OwnNamespace"), True),
    ],
)
def test_install_modes_against_the_operator_group(targets: tuple[str, ...], modes: tuple[str, ...], fits: bool) -> None:
    found = planned(Cluster(operator_group=OperatorGroup("g", "operators", targets)), metadata(modes))
    assert reasons(found) == ([] if fits else [("a.v1.1.0", "Failed", "UnsupportedOperatorGroup")])


def test_a_group_without_targets() -> None:
    found = planned(Cluster(operator_group=OperatorGroup("g", "operators", ())), installed="")
    assert reasons(found) == [("a.v1.2.0", "Failed", "NoTargetNamespaces")]


GVK_K = GVK("example.com", "v1", "K")


@pytest.mark.parametrize(
    ("mine", "other", "conflict"),
    [
        (OperatorGroup("g", "operators"), OperatorGroup("h", "x", ("y",), frozenset([GVK_K])), True),
        (OperatorGroup("g", "operators", ("operators",)), OperatorGroup("h", "x", ("y",), frozenset([GVK_K])), False),
        (OperatorGroup("g", "operators", ("y",)), OperatorGroup("h", "x", ("y",), frozenset([GVK_K])), True),
        # A group always covers its own namespace, too.
        (OperatorGroup("g", "operators", ("x",)), OperatorGroup("h", "x", ("y",), frozenset([GVK_K])), True),
        (OperatorGroup("g", "operators"), OperatorGroup("h", "x", ("y",), frozenset([GVK("b.org", "v1", "K")])), False),
        (OperatorGroup("g", "operators", ("",), frozenset([GVK_K])),
         OperatorGroup("h", "x", ("y",), frozenset([GVK_K])), False),
    ],
)  # fmt: skip
def test_provided_apis_across_operator_groups(mine: OperatorGroup, other: OperatorGroup, conflict: bool) -> None:
    found = planned(Cluster(operator_group=mine, other_groups=(other,)), installed="")
    expected = [("a.v1.2.0", "Failed", "InterOperatorGroupOwnerConflict")] if conflict else []
    assert reasons(found) == expected


def test_a_group_with_static_apis_is_not_added_to() -> None:
    group = OperatorGroup("g", "operators", static_provided_apis=True)
    found = planned(Cluster(operator_group=group), installed="")
    assert reasons(found) == [("a.v1.2.0", "Failed", "CannotModifyStaticOperatorGroupProvidedAPIs")]
    assert (
        reasons(planned(Cluster(operator_group=replace(group, provided_apis=frozenset([GVK_K]))), installed="")) == []
    )


def test_a_failed_version_blocks_for_ever_without_fail_forward() -> None:
    found = planned(Cluster(failing=frozenset(["a.v1.1.0"])))
    assert final(found) == {"a.v1.0.0": "Replacing", "a.v1.1.0": "Failed"}
    assert found.blocked is not None


def test_fail_forward_goes_over_a_failed_version() -> None:
    found = planned(Cluster(failing=frozenset(["a.v1.1.0"])), fail_forward=True)
    assert reasons(found) == [("a.v1.1.0", "Failed", "InstallCheckFailed")]
    assert (final(found), found.blocked) == ({"a.v1.2.0": "Succeeded"}, None)


def test_fail_forward_does_not_go_over_a_pending_version() -> None:
    found = planned(Cluster(not_upgradeable=frozenset(["a.v1.0.0"])), fail_forward=True)
    assert final(found) == {"a.v1.0.0": "Replacing", "a.v1.1.0": "Pending"}
