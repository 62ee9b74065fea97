"""Every hazard has a catalog that shows it and one beside it that does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.semver import Version
from balise.planner.question import source_of
from balise.proof.contents import Contents
from balise.proof.hazards import HAZARDS
from balise.proof.proof import Proof, prove_all

JSON = dict[str, Any]


def entry(version: str, replaces: str = "", skips: Sequence[str] = (), skip_range: str = "") -> JSON:
    found: JSON = {"name": f"a.v{version}"}
    if replaces:
        found["replaces"] = f"a.v{replaces}"
    if skips:
        found["skips"] = [f"a.v{skip}" for skip in skips]
    if skip_range:
        found["skipRange"] = skip_range
    return found


def bundle(version: str, *properties: JSON, package: str = "a", image: str = "r.example.com/a:1") -> JSON:
    own = {"type": "olm.package", "value": {"packageName": package, "version": version}}
    return {"schema": "olm.bundle", "package": package, "name": f"{package}.v{version}", "image": image,
            "properties": [own, *properties]}  # fmt: skip


def catalog(*bundles: JSON, default: str = "stable", **channels: list[JSON]) -> Catalog:
    blobs: list[JSON] = [{"schema": "olm.package", "name": "a", "defaultChannel": default}]
    blobs += [{"schema": "olm.channel", "package": "a", "name": n, "entries": e} for n, e in channels.items()]
    return catalog_from_blobs([*blobs, *bundles])


def proved(found: Catalog, *others: Catalog, **more: Any) -> Proof:
    sources = [source_of(f"cat{number}", each, -number) for number, each in enumerate((found, *others))]
    (proof,) = prove_all(sources, ["a"], **more)
    return proof


def codes(proof: Proof) -> list[tuple[str, str, str]]:
    return [(finding.level, finding.code, finding.subject) for finding in proof.findings]


def text(proof: Proof, code: str) -> str:
    return "\n".join(finding.text for finding in proof.findings if finding.code == code)


CHAIN = [entry("1.0.0"), entry("1.1.0", "1.0.0"), entry("1.2.0", "1.1.0")]
BUNDLES = [bundle("1.0.0"), bundle("1.1.0"), bundle("1.2.0")]
DEPENDENCY = {"type": "olm.package.required", "value": {"packageName": "b", "versionRange": ">=1.0.0"}}


def package_b(*versions: str, image: str = "r.example.com/b:1") -> Catalog:
    entries: list[JSON] = [{"name": f"b.v{version}"} for version in versions]
    return catalog_from_blobs(
        [
            {"schema": "olm.package", "name": "b", "defaultChannel": "stable"},
            {"schema": "olm.channel", "package": "b", "name": "stable", "entries": entries},
            *(bundle(version, package="b", image=image) for version in versions),
        ]
    )


def test_a_plain_chain_has_none() -> None:
    proof = proved(catalog(*BUNDLES, stable=CHAIN))
    assert codes(proof) == []
    assert proof.safe
    assert proof.scene.edges == [("a.v1.0.0", "a.v1.1.0"), ("a.v1.1.0", "a.v1.2.0")]


def test_every_hazard_is_explained() -> None:
    assert sorted(HAZARDS) == [f"BAL50{number:02}" for number in range(1, 16)]
    assert all(hazard.title and hazard.explanation for hazard in HAZARDS.values())


@pytest.mark.parametrize(
    ("skip_range", "expected"),
    [
        (">=1.0.0 <1.1.0", []),
        ("<=1.1.0", []),
        ("<2.0.0", [("unsafe", "BAL5001", "a.v1.1.0")]),
        (">=1.0.0 <1.1.5", [("note", "BAL5001", "a.v1.1.0")]),
        (">=1.0.0", [("unsafe", "BAL5001", "a.v1.1.0")]),
    ],
)
def test_p1_skip_range_above_its_own_version(skip_range: str, expected: list[tuple[str, str, str]]) -> None:
    entries = [entry("1.0.0"), entry("1.1.0", "1.0.0", (), skip_range), entry("1.2.0", "1.1.0")]
    found = [each for each in codes(proved(catalog(*BUNDLES, stable=entries))) if each[1] == "BAL5001"]
    # Those who go round are findings of their own.
    assert list(dict.fromkeys(each for each in found if each[2] == "a.v1.1.0")) == expected


def test_p1_users_who_go_round_in_circles_are_named() -> None:
    entries = [
        entry("1.0.0"),
        entry("1.1.0", "1.0.0", (), "<2.0.0"),
        entry("1.3.0", "1.1.0", ("1.2.0",)),
        entry("1.2.0"),
    ]
    proof = proved(catalog(*BUNDLES, bundle("1.3.0"), stable=entries))
    assert "this never ends" in text(proof, "BAL5001")


def test_p2_and_p3_a_silent_stall_because_the_target_is_skipped() -> None:
    entries = [entry("1.0.0"), entry("1.1.0", "1.0.0"), entry("1.2.0", "1.1.0", ("1.1.0",))]
    found = codes(proved(catalog(*BUNDLES, stable=entries)))
    assert found == [("unsafe", "BAL5002", "a.v1.0.0"), ("unsafe", "BAL5003", "a.v1.0.0")]
    proof = proved(catalog(*BUNDLES, stable=entries))
    # OLM v1 does not mind that 1.1.0 is skipped: separate answers.
    assert "OLM v0: ends at a.v1.0.0, below a.v1.2.0" in text(proof, "BAL5002")
    assert "OLM v1" not in text(proof, "BAL5002")
    assert "a.v1.1.0 would lead on from a.v1.0.0" in text(proof, "BAL5003")


def test_p2_a_channel_without_one_head_reaches_nobody() -> None:
    proof = proved(catalog(*BUNDLES, stable=[entry("1.0.0"), entry("1.1.0")]))
    assert not proof.safe
    assert "has 2 heads" in text(proof, "BAL5002")
    assert ("unsafe", "BAL5002", "a fresh installation") in codes(proof)


def test_p2_who_would_have_to_switch_channels_is_a_note() -> None:
    proof = proved(catalog(*BUNDLES, stable=CHAIN[:2], old=[entry("1.2.0")]))
    levels = {(level, subject) for level, code, subject in codes(proof) if code == "BAL5002"}
    assert levels == {("note", "a.v1.0.0"), ("note", "a.v1.1.0"), ("note", "a.v1.2.0")}
    assert proof.safe


def test_p4_a_channel_that_is_gone() -> None:
    previous = catalog(*BUNDLES, stable=CHAIN, alpha=CHAIN[:1])
    assert ("unsafe", "BAL5004", "alpha") in codes(proved(catalog(*BUNDLES, stable=CHAIN), previous=previous))
    assert codes(proved(previous, previous=previous)) == codes(proved(previous))


def test_p2_and_p4_a_version_that_is_gone_and_that_nothing_leads_on_from() -> None:
    previous = catalog(*BUNDLES, stable=CHAIN)
    now = catalog(BUNDLES[2], stable=[entry("1.2.0", "1.1.0")])
    found = codes(proved(now, previous=previous))
    assert ("note", "BAL5004", "a.v1.0.0") in found
    assert ("note", "BAL5002", "a.v1.0.0") in found
    assert ("note", "BAL5002", "a.v1.1.0") not in found


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "olm.package.required", "value": {"packageName": "b", "versionRange": "^1.0.0"}},
        {"type": "olm.constraint", "value": {"cel": {"rule": "properties ="}}},
        {"type": "olm.constraint", "value": {"gvk": {}, "unknown": 1}},
    ],
)
def test_p5_a_requirement_that_cannot_be_read(bad: JSON) -> None:
    proof = proved(catalog(bundle("1.0.0", bad), *BUNDLES[1:], stable=CHAIN))
    assert ("unsafe", "BAL5005", "a.v1.0.0") in codes(proof)


def test_p6_a_fresh_installation_that_is_impossible() -> None:
    proof = proved(catalog(bundle("1.0.0", DEPENDENCY), stable=[entry("1.0.0")]))
    assert ("unsafe", "BAL5006", "a.v1.0.0") in codes(proof)
    assert "requires an operator of package b" in text(proof, "BAL5006")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (package_b("1.0.0"), "comes from another catalog"),
        (package_b("1.1.0-rc.1"), "comes from another catalog"),
    ],
)
def test_p6_a_dependency_from_somewhere_unexpected(other: Catalog, expected: str) -> None:
    proof = proved(catalog(bundle("1.0.0", DEPENDENCY), stable=[entry("1.0.0")]), other)
    assert ("note", "BAL5006", "a.v1.0.0") in codes(proof)
    assert expected in text(proof, "BAL5006")


def test_p6_a_prerelease_as_a_dependency() -> None:
    both = catalog_from_blobs(
        [*catalog(bundle("1.0.0", DEPENDENCY), stable=[entry("1.0.0")]).blobs, *package_b("1.1.0-rc.1").blobs]
    )
    assert "is a pre-release" in text(proved(both), "BAL5006")


def test_p7_a_fresh_installation_below_the_head() -> None:
    proof = proved(catalog(*BUNDLES[:2], bundle("1.2.0", DEPENDENCY), stable=CHAIN))
    assert ("unsafe", "BAL5007", "a.v1.2.0") in codes(proof)
    assert "gets a.v1.1.0 instead of a.v1.2.0" in text(proof, "BAL5007")


def contents(version: str = "1.0.0", *, kinds: Sequence[str] = (), size: int = 0, compressed: int = 0,
             inline: bool = False, crds: JSON | None = None, **spec: Any) -> dict[str, Contents]:  # fmt: skip
    name = f"a.v{version}"
    csv = {"metadata": {"name": name}, "spec": spec}
    return {name: Contents(name, csv, crds or {}, frozenset(kinds), size, compressed, inline)}


def modes(*supported: str) -> list[JSON]:
    return [{"type": mode, "supported": True} for mode in supported]


def webhook(**more: Any) -> JSON:
    return {"generateName": "w.example.com", "type": "ValidatingAdmissionWebhook", "deploymentName": "d", **more}


@pytest.mark.parametrize(
    ("found", "supported", "expected"),
    [
        (webhook(), ("OwnNamespace",), ""),
        (webhook(rules=[{"apiGroups": ["apps"], "resources": ["*"]}]), ("AllNamespaces",), ""),
        (webhook(type="ConversionWebhook"), ("AllNamespaces",), ""),
        (webhook(type="ConversionWebhook"), ("AllNamespaces", "OwnNamespace"), "converts, and the CSV supports"),
        (webhook(deploymentName="d.v1"), ("AllNamespaces",), "has a dot in its name"),
        (webhook(rules=[{"apiGroups": ["*"], "resources": ["pods"]}]), ("AllNamespaces",), "OLM forbids"),
        (webhook(rules=[{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"]}]), ("AllNamespaces",),
         "OLM forbids"),
    ],
)  # fmt: skip
def test_p8_webhooks(found: JSON, supported: tuple[str, ...], expected: str) -> None:
    given = contents(webhookdefinitions=[found], installModes=modes(*supported))
    proof = proved(catalog(*BUNDLES, stable=CHAIN), contents=given)
    assert expected in text(proof, "BAL5008")
    assert bool(text(proof, "BAL5008")) is bool(expected)


def test_p9_the_same_name_with_other_content() -> None:
    previous = catalog(bundle("1.0.0"), stable=CHAIN[:1])
    changed = catalog(bundle("1.0.0", image="r.example.com/a:2"), stable=CHAIN[:1])
    assert codes(proved(changed, previous=previous)) == [("unsafe", "BAL5009", "a.v1.0.0")]
    assert codes(proved(catalog(bundle("1.0.0", {"type": "x", "value": 1}), stable=CHAIN[:1]), previous=previous)) == [
        ("unsafe", "BAL5009", "a.v1.0.0")
    ]
    assert codes(proved(previous, previous=previous)) == []


def crd(kind: str) -> JSON:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"f": {"type": kind}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {"ks.example.com": {"spec": {"group": "example.com", "names": {"kind": "K"}, "scope": "Namespaced",
                                        "versions": [version]}}}  # fmt: skip


def test_p10_an_upgrade_that_breaks_a_crd_and_existing_objects() -> None:
    given = {**contents("1.0.0", crds=crd("string")), **contents("1.1.0", crds=crd("integer"))}
    objects = [
        {"apiVersion": "example.com/v1", "kind": "K", "metadata": {"name": "k", "namespace": "n"}, "spec": {"f": "x"}}
    ]
    proof = proved(catalog(*BUNDLES[:2], stable=CHAIN[:2]), contents=given, objects=objects)
    assert codes(proof) == [("unsafe", "BAL5010", "a.v1.0.0 -> a.v1.1.0")] * 2
    assert "v1 .spec.f: type changes from 'string' to 'integer' (OLM v1)" in text(proof, "BAL5010")
    assert "the existing K n/k does not fit the new schema: spec.f" in text(proof, "BAL5010")
    same = {**contents("1.0.0", crds=crd("string")), **contents("1.1.0", crds=crd("string"))}
    assert codes(proved(catalog(*BUNDLES[:2], stable=CHAIN[:2]), contents=same, objects=objects)) == []


def test_p11_a_head_that_needs_a_newer_kubernetes() -> None:
    metadata = {"type": "olm.csv.metadata", "value": {"minKubeVersion": "1.30.0"}}
    found = catalog(*BUNDLES[:2], bundle("1.2.0", metadata), stable=CHAIN)
    proof = proved(found, kube_versions=[Version(1, 28), Version(1, 29), Version(1, 30)])
    assert codes(proof) == [("unsafe", "BAL5011", "a.v1.2.0")]
    assert text(proof, "BAL5011") == "on Kubernetes 1.28, 1.29 a.v1.2.0 stays Pending: it needs 1.30.0"
    assert codes(proved(found, kube_versions=[Version(1, 30)])) == []


def test_p11_nobody_runs_what_needs_a_newer_kubernetes_already() -> None:
    metadata = {"type": "olm.csv.metadata", "value": {"minKubeVersion": "1.30.0"}}
    found = catalog(*(bundle(version, metadata) for version in ("1.0.0", "1.1.0")), stable=CHAIN[:2])
    proof = proved(found, kube_versions=[Version(1, 29)])
    held = [j.start.name for j in proof.scene.journeys if j.held_by(Version(1, 29))]
    # Only a fresh installation meets the wall.
    assert held == [""]


def test_p12_kinds_that_olm_does_not_install() -> None:
    given = contents(kinds=["ClusterServiceVersion", "PodMonitor", "NetworkPolicy"])
    assert codes(proved(catalog(*BUNDLES, stable=CHAIN), contents=given)) == [("unsafe", "BAL5012", "a.v1.0.0")]


def test_p13_what_olm_v1_refuses() -> None:
    found = catalog_from_blobs(
        [*catalog(bundle("1.0.0", DEPENDENCY), stable=[entry("1.0.0")]).blobs, *package_b("1.0.0").blobs]
    )
    proof = proved(found)
    assert ("note", "BAL5013", "a.v1.0.0") in codes(proof)
    assert proof.safe


def test_p13_what_olm_v1_refuses_in_the_manifests() -> None:
    converting = webhook(type="ConversionWebhook", conversionCRDs=["ks.example.com"])
    given = contents("1.2.0", webhookdefinitions=[converting, converting], installModes=modes("AllNamespaces"),
                     customresourcedefinitions={"owned": [{"name": "ks.example.com"}]})  # fmt: skip
    found = text(proved(catalog(*BUNDLES, stable=CHAIN), contents=given), "BAL5013")
    assert found.splitlines() == [
        "it has webhooks, for which OLM v1 needs cert-manager (or OpenShift's service-ca) in the cluster",
        "it owns the CRD ks.example.com, and does not hold it",
        "two conversion webhooks are for the CRD ks.example.com",
    ]


def test_p14_a_default_channel_behind_another_one() -> None:
    found = catalog(*BUNDLES, default="stable", stable=CHAIN[:1], fast=CHAIN)
    assert ("note", "BAL5014", "a.v1.2.0") in codes(proved(found))
    assert "BAL5014" not in {
        code for _, code, _ in codes(proved(catalog(*BUNDLES, default="fast", stable=CHAIN[:1], fast=CHAIN)))
    }


def test_p15_sizes() -> None:
    given = contents(size=2_000_000, inline=True)
    assert codes(proved(catalog(*BUNDLES, stable=CHAIN), contents=given)) == [("unsafe", "BAL5015", "a.v1.0.0")]
    given = contents(compressed=2_000_000)
    assert codes(proved(catalog(*BUNDLES, stable=CHAIN), contents=given)) == [("unsafe", "BAL5015", "a.v1.0.0")]
