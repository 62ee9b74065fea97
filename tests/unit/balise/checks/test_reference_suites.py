"""Each rule of the reference's suites on a bundle that is fine but for one thing."""

from __future__ import annotations

import base64
import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise.checks.registry import REFERENCE_SUITES, Options, checks
from balise.checks.runner import Report, Run, check_bundle

EXAMPLE = {"apiVersion": "example.com/v1", "kind": "Example", "metadata": {"name": "example"}}
CSV: dict[str, Any] = {
    "apiVersion": "operators.coreos.com/v1alpha1",
    "kind": "ClusterServiceVersion",
    "metadata": {
        "name": "example.v1.0.0",
        "annotations": {
            "alm-examples": json.dumps([EXAMPLE]),
            "capabilities": "Basic Install",
            "categories": "Database, Monitoring",
        },
    },
    "spec": {
        "displayName": "Example",
        "version": "1.0.0",
        "minKubeVersion": "1.28.0",
        "provider": {"name": "Example Ltd"},
        "maintainers": [{"name": "Jane Doe", "email": "jane@example.com"}],
        "links": [{"name": "Documentation", "url": "https://example.com"}],
        "icon": [{"base64data": "PHN2Zy8+", "mediatype": "image/svg+xml"}],
        "installModes": [{"type": "AllNamespaces", "supported": True}],
        "relatedImages": [{"name": "operator", "image": "registry.example.com/operator:1.0.0"}],
        "customresourcedefinitions": {
            "owned": [{"name": "examples.example.com", "version": "v1", "kind": "Example", "description": "An example"}]
        },
        "install": {
            "strategy": "deployment",
            "spec": {
                "deployments": [
                    {
                        "name": "example",
                        "spec": {
                            "template": {
                                "spec": {
                                    "serviceAccountName": "example",
                                    "containers": [{"name": "manager", "resources": {"requests": {"cpu": "1m"}}}],
                                }
                            }
                        },
                    }
                ],
                "clusterPermissions": [
                    {"serviceAccountName": "example", "rules": [{"apiGroups": [""], "resources": ["pods"]}]}
                ],
            },
        },
    },
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "examples.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "examples", "kind": "Example"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "string"}}}},
            }
        ],
    },
}
OLD_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1beta1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "examples.example.com"},
    "spec": {
        "group": "example.com",
        "version": "v1",
        "names": {"plural": "examples", "kind": "Example"},
        "preserveUnknownFields": False,
    },
}
ANNOTATIONS = "annotations: {operators.operatorframework.io.bundle.channels.v1: stable}\n"
ABSENT = object()


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at a dotted path set, or taken out."""
    document = copy.deepcopy(document)
    *parents, last = [int(step) if step.isdigit() else step for step in path.replace("\\.", "\0").split(".")]
    parents = [step.replace("\0", ".") if isinstance(step, str) else step for step in parents]
    last = last.replace("\0", ".") if isinstance(last, str) else last
    holder: Any = document
    for step in parents:
        holder = holder.setdefault(step, {}) if isinstance(holder, dict) else holder[step]
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return document


def check(root: Path, *objects: dict[str, Any], annotations: str = ANNOTATIONS, run: Run | None = None) -> Report:
    (root / "manifests").mkdir()
    (root / "metadata").mkdir()
    (root / "metadata/annotations.yaml").write_text(annotations)
    for index, each in enumerate(objects):
        (root / f"manifests/{index}.yaml").write_text(yaml.safe_dump(each, sort_keys=False))
    return check_bundle(root, run or Run.of_profile("reference"))


def told(report: Report) -> set[tuple[str, str, str, str]]:
    assert not report.load_problems
    return {(each.suite, each.level, each.code, each.field) for each in report.findings}


def short(report: Report) -> set[str]:
    """Codes, with ! for errors, and the field where there is one."""
    marks = {"error": "!", "warning": ""}
    return {f"{code}{marks[level]} {field}".rstrip() for _, level, code, field in told(report)}


def test_the_good_bundle_is_good(tmp_path: Path) -> None:
    assert told(check(tmp_path, CSV, CRD)) == set()


A = "metadata.annotations"
TEMPLATE = "spec.install.spec.deployments.0.spec.template.spec"
CONVERSION = [{"type": "ConversionWebhook", "conversionCRDs": ["examples.example.com"]}]
RULE = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["*"], "verbs": ["patch"]}
PSP = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"]}


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("metadata.name", "Example.v1.0.0", {"BAL1101!"}),
        ("metadata.name", "e" * 60 + ".v1.0.0", {"BAL1101!"}),
        ("metadata.name", "example.v01.0.0", {"BAL1906"}),
        ("metadata.name", "example-1.0.0", {"BAL1907"}),
        ("metadata.name", "a.v1.0.0.v1.0.0", {"BAL1907"}),
        ("metadata.name", "example.v1", {"BAL1906"}),
        ("spec.replaces", "Example.v0", {"BAL1102!"}),
        ("spec.replaces", "example.v0.9.0", set()),
        (A, ABSENT, {"BAL1103"}),
        (f"{A}.alm-examples", ABSENT, {"BAL1104"}),
        (f"{A}.olm\\.examples", "[", {"BAL1105"}),
        (f"{A}.alm-examples", "[{},]", {"BAL1106!"}),
        (f"{A}.alm-examples", "{}", {"BAL1106!"}),
        (f"{A}.alm-examples", '[{"apiVersion": "v1"}]', {"BAL1106!"}),
        (f"{A}.alm-examples", "", {"BAL1109"}),
        (f"{A}.alm-examples", "[]", {"BAL1109"}),
        (f"{A}.alm-examples", json.dumps([EXAMPLE, {**EXAMPLE, "kind": "Other"}]), {"BAL1108!"}),
        (f"{A}.olm\\.skiprange", "<1.0.0", {"BAL1116!"}),
        (f"{A}.OLM\\.operatorGroup", "x", {"BAL1116!"}),
        (f"{A}.olm\\.properties", "[]", {"BAL1117"}),
        (f"{A}.capabilities", "basic install", {"BAL1501!"}),
        (f"{A}.capabilities", "", {"BAL1501!"}),
        (f"{A}.categories", "Databases, Monitoring ,Storage", {"BAL1551!"}),
        (f"{A}.categories", "", {"BAL1551!"}),
        ("spec.installModes", [], {"BAL1110!"}),
        ("spec.installModes.0.supported", False, {"BAL1111!"}),
        ("spec.webhookdefinitions", CONVERSION, set()),
        ("spec.minKubeVersion", ABSENT, {"BAL1113"}),
        ("spec.minKubeVersion", "1.28", {"BAL1114!"}),
        ("spec.minKubeVersion", "new", {"BAL1114!", "BAL1806!"}),
        ("spec.displayName", "", {"BAL1115! Spec.DisplayName"}),
        ("spec.install.strategy", "", {"BAL1115! Spec.InstallStrategy.StrategyName"}),
        ("spec.install", ABSENT, {"BAL1115! Spec.InstallStrategy", "BAL1901!"}),
        ("spec.install.spec.deployments", ABSENT,
         {"BAL1115! Spec.InstallStrategy.StrategySpec.DeploymentSpecs", "BAL1901!"}),
        ("spec.provider.name", " ", {"BAL1401!"}),
        ("spec.maintainers.0.name", "", {"BAL1402!"}),
        ("spec.maintainers.0.email", "jane", {"BAL1403!"}),
        ("spec.links.0.url", ABSENT, {"BAL1404!"}),
        ("spec.links.0.url", "example.com", {"BAL1405!"}),
        ("spec.version", "0.0.0", {"BAL1406!"}),
        ("spec.version", "0.0.0-alpha", set()),
        ("spec.icon", ABSENT, {"BAL1407"}),
        ("spec.icon", [], {"BAL1408!"}),
        ("spec.icon.0.base64data", "", {"BAL1409!"}),
        ("spec.icon.0.mediatype", "image/tiff", {"BAL1410!"}),
        ("spec.release", "2", {"BAL1306!"}),
        ("spec.relatedImages.0.image", "", {"BAL1307!"}),
        ("spec.relatedImages.0.image", "registry.example.com/Operator", {"BAL1307!"}),
        (f"{TEMPLATE}.containers.0.resources", ABSENT, {"BAL1902"}),
        (f"{TEMPLATE}.containers.0.resources.requests", {}, set()),
        ("spec.customresourcedefinitions.owned.0.description", ABSENT, {"BAL1903"}),
        ("spec.customresourcedefinitions.required", [{"name": "a.b", "kind": "A", "version": "v1"}], {"BAL1903"}),
        ("spec.customresourcedefinitions.owned.0.version", "v2", {"BAL1108!", "BAL1109", "BAL1302!", "BAL1303!"}),
        ("spec.customresourcedefinitions.owned.0.name", "examples", {"BAL1107!", "BAL1108!", "BAL1302!", "BAL1303!"}),
        ("spec.install.spec.clusterPermissions.0.rules", [RULE], {"BAL1905"}),
        ("spec.install.spec.clusterPermissions.0.rules", [PSP], {"BAL1804"}),
        ("spec.customresourcedefinitions.owned.0.resources",
         [{"kind": "CronJob", "name": "", "version": "batch/v1beta1"}], {"BAL1802!"}),
    ],
)  # fmt: skip
def test_the_csv(tmp_path: Path, path: str, value: Any, found: set[str]) -> None:
    report = check(tmp_path, changed(CSV, path, value), CRD)
    assert short(report) == found
    assert all(each.file and each.line and each.column and each.hint for each in report.findings)


def test_findings_have_the_place_of_the_value(tmp_path: Path) -> None:
    csv = changed(changed(CSV, "spec.icon.0.mediatype", "image/tiff"), "spec.links.0.url", "example.com")
    report = check(tmp_path, csv, CRD)
    shown = {each.code: each.excerpt[each.column - 1 : each.end_column - 1] for each in report.findings}
    assert shown == {"BAL1410": "image/tiff", "BAL1405": "example.com"}


def test_conversion_webhooks_need_all_namespaces_alone(tmp_path: Path) -> None:
    csv = changed(CSV, "spec.webhookdefinitions", [*CONVERSION, {"type": "x"}, *CONVERSION])
    csv["spec"]["installModes"].append({"type": "OwnNamespace", "supported": True})
    report = check(tmp_path, csv, CRD)
    assert [each.code for each in report.findings] == ["BAL1112", "BAL1112"]


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("metadata.name", "example.example.com", {"BAL1201! metadata.name"}),
        ("metadata.name", ABSENT, {"BAL1201! metadata.name"}),
        ("metadata.namespace", "x", {"BAL1201! metadata.namespace"}),
        ("metadata.labels", {"a b": "c"}, {"BAL1201! metadata.labels"}),
        ("metadata.finalizers", ["orphan", "foregroundDeletion"], {"BAL1201! metadata.finalizers"}),
        ("metadata.annotations", {"a": "b" * 270_000}, {"BAL1201! metadata.annotations"}),
        ("spec.scope", "namespaced", {"BAL1202! spec.scope"}),
        ("spec.scope", ABSENT, {"BAL1202! spec.scope"}),
        ("spec.names.singular", "Example", {"BAL1203! spec.names.singular"}),
        ("spec.names.listKind", "Example", {"BAL1203! spec.names.listKind"}),
        ("spec.names.shortNames", ["ex", "e x"], {"BAL1203! spec.names.shortNames[1]"}),
        ("spec.versions.0.storage", False, {"BAL1204! spec.versions"}),
        ("spec.versions.0.deprecationWarning", "x", {"BAL1205! spec.versions[0].deprecationWarning"}),
        ("spec.versions.0.additionalPrinterColumns", [{"name": "A", "type": "time", "jsonPath": ".a"}],
         {"BAL1206! spec.additionalPrinterColumns[0].type"}),
        ("spec.versions.0.additionalPrinterColumns", [{"name": "A", "type": "date", "jsonPath": "a"}],
         {"BAL1206! spec.additionalPrinterColumns[0].JSONPath"}),
        ("spec.versions.0.subresources", {"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".x"}},
         {"BAL1207! spec.subresources.scale.specReplicasPath"}),
        ("spec.versions.0.selectableFields", [{"jsonPath": ".spec"}], set()),
        ("spec.versions.0.selectableFields", [{"jsonPath": ".absent"}], {"BAL1208! spec.selectableFields[0].jsonPath"}),
        ("spec.preserveUnknownFields", True, {"BAL1209! spec.preserveUnknownFields"}),
        ("spec.conversion", {"strategy": "Webhook"},
         {"BAL1210! spec.conversion.webhookClientConfig", "BAL1210! spec.conversion.conversionReviewVersions"}),
        ("spec.conversion", {"strategy": "None"}, set()),
        ("spec.versions.0.schema.openAPIV3Schema.type", "nothing", set()),
    ],
)  # fmt: skip
def test_the_crd(tmp_path: Path, path: str, value: Any, found: set[str]) -> None:
    report = check(tmp_path, CSV, changed(CRD, path, value))
    assert short(report) == found
    assert all(each.file.endswith("/1.yaml") and each.line for each in report.findings)


def test_a_protected_group_needs_an_approval(tmp_path: Path) -> None:
    crd = changed(changed(CRD, "spec.group", "example.k8s.io"), "metadata.name", "examples.example.k8s.io")
    csv = changed(CSV, "spec.customresourcedefinitions.owned.0.name", "examples.example.k8s.io")
    csv = changed(csv, f"{A}.alm-examples", json.dumps([{**EXAMPLE, "apiVersion": "example.k8s.io/v1"}]))
    assert short(check(tmp_path, csv, crd)) == {"BAL1211! metadata.annotations[api-approved.kubernetes.io]"}


def test_an_old_crd(tmp_path: Path) -> None:
    # minKubeVersion is past 1.22, which does not have it any more.
    assert told(check(tmp_path, CSV, OLD_CRD)) == {
        ("removedapis", "error", "BAL1801", ""),
        ("operatorhubv2", "error", "BAL1801", ""),
    }


def test_old_and_new_crd_of_one_kind(tmp_path: Path) -> None:
    assert short(check(tmp_path, CSV, CRD, OLD_CRD)) == {"BAL1301!", "BAL1801!"}


BUDGET = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "x"}}
SCC = {"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["update"]}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({**BUDGET, "spec": {"maxUnavailable": 0}}, {"BAL1602!"}),
        ({**BUDGET, "spec": {"maxUnavailable": "30%"}}, {"BAL1602!"}),
        ({**BUDGET, "spec": {"maxUnavailable": 1}}, set()),
        ({**BUDGET, "spec": {"minAvailable": "100%"}}, {"BAL1603!"}),
        ({**BUDGET, "spec": {"selector": "x"}}, {"BAL1601!"}),
        ({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "globalDefault": True}, {"BAL1604!"}),
        ({**ROLE, "rules": [{"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["*"]}]},
         {"BAL1605"}),
        ({**ROLE, "kind": "ClusterRole", "rules": [{**SCC, "resourceNames": ["anyuid"]}]}, {"BAL1606!"}),
        ({**ROLE, "rules": [SCC]}, set()),
        ({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "example"}}, {"BAL1304!"}),
        ({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}}, set()),
        ({"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": {"name": "x"}}, {"BAL1802!"}),
        ({"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler"}, {"BAL1803!"}),
        # The reference never looks at a bundle's OperatorGroups.
        ({"apiVersion": "operators.coreos.com/v1", "kind": "OperatorGroup",
          "metadata": {"annotations": {"olm.providedapis": "x"}}}, set()),
    ],
)  # fmt: skip
def test_other_objects(tmp_path: Path, document: dict[str, Any], found: set[str]) -> None:
    assert short(check(tmp_path, CSV, CRD, document)) == found


def test_the_default_profile_has_neither_false_alarms_nor_blind_spots_of_the_reference(tmp_path: Path) -> None:
    budget = {**BUDGET, "spec": {"maxUnavailable": "30%"}}
    group = {"apiVersion": "operators.coreos.com/v1", "kind": "OperatorGroup",
             "metadata": {"annotations": {"olm.providedapis": "x"}}}  # fmt: skip
    report = check(tmp_path, CSV, CRD, budget, group, run=Run(REFERENCE_SUITES))
    assert short(report) == {"BAL1701!"}


@pytest.mark.parametrize(
    ("minimum", "given", "level"), [("", "", ""), ("1.20.0", "1.21", ""), ("", "v1.22", "!"), ("1.22.0", "", "!")]
)
def test_removals_are_errors_from_their_version_on(tmp_path: Path, minimum: str, given: str, level: str) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1beta1", "kind": "Lease"}
    csv = changed(CSV, "spec.minKubeVersion", minimum)
    run = Run(("removedapis",), Options(kube_version=given))
    assert short(check(tmp_path, csv, CRD, lease, run=run)) == {f"BAL1801{level}"}


def test_a_kubernetes_version_that_cannot_be_read(tmp_path: Path) -> None:
    run = Run(("removedapis",), Options(kube_version="newest"))
    assert short(check(tmp_path, CSV, CRD, run=run)) == {"BAL1805!"}


def test_categories_of_one_s_own(tmp_path: Path) -> None:
    run = Run(("standardcategories",), Options(categories=frozenset(("Database",))))
    assert [each.message for each in check(tmp_path, CSV, CRD, run=run).findings] == ["'Monitoring' is no category"]


@pytest.mark.parametrize(
    ("channels", "listed"), [("stable,fast-v1, candidate", ""), ("alpha,stable, beta,alpha", "alpha, beta"), ("", "")]
)
def test_channels(tmp_path: Path, channels: str, listed: str) -> None:
    annotations = f"annotations: {{operators.operatorframework.io.bundle.channels.v1: '{channels}'}}\n"
    messages = [each.message for each in check(tmp_path, CSV, CRD, annotations=annotations).findings]
    assert [message.partition(": ")[2] for message in messages] == ([listed] if listed else [])


@pytest.mark.parametrize(("size", "found"), [(800, set()), (950, {"BAL1305"}), (1100, {"BAL1305!"})])
def test_size(tmp_path: Path, size: int, found: set[str]) -> None:
    # Of noise in base64, compression takes the quarter that base64 adds, which the reference's base64 adds again.
    noise = base64.b64encode(random.Random(1).randbytes(size * 1024 * 3 // 4)).decode()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"noise": noise}}
    assert short(check(tmp_path, CSV, CRD, config)) == found


def test_every_check_of_the_reference_is_explained() -> None:
    for each in checks():
        if set(each.suites) & set(REFERENCE_SUITES):
            assert each.explanation, each.code
            assert "\n# instead" in each.example, each.code
            assert each.hint, each.code
            assert each.reference, each.code
