from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise import cli
from balise.model.errors import InputError
from balise.render.bundle import Bundle, images, load
from balise.render.installation import render
from balise.render.options import Options

CLUSTER_RULES = [{"apiGroups": ["acme.example"], "resources": ["stores"], "verbs": ["get"]}]
RULES = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}]
CSV: dict[str, Any] = {
    "apiVersion": "operators.coreos.com/v1alpha1",
    "kind": "ClusterServiceVersion",
    "metadata": {"name": "acme.v1.2.3", "annotations": {"alm-examples": "[]"}},
    "spec": {
        "installModes": [
            {"type": "OwnNamespace", "supported": True},
            {"type": "SingleNamespace", "supported": True},
            {"type": "MultiNamespace", "supported": True},
            {"type": "AllNamespaces", "supported": True},
        ],
        "customresourcedefinitions": {"owned": [{"name": "stores.acme.example", "version": "v1", "kind": "Store"}]},
        "install": {
            "strategy": "deployment",
            "spec": {
                "clusterPermissions": [{"serviceAccountName": "acme", "rules": CLUSTER_RULES}],
                "permissions": [{"serviceAccountName": "acme", "rules": RULES}],
                "deployments": [
                    {
                        "name": "acme",
                        "label": {"app": "acme"},
                        "spec": {
                            "selector": {"matchLabels": {"app": "acme"}},
                            "template": {
                                "metadata": {"labels": {"app": "acme"}, "annotations": {"own": "kept"}},
                                "spec": {
                                    "serviceAccountName": "acme",
                                    "containers": [
                                        {
                                            "name": "operator",
                                            "image": "registry.example/acme:1",
                                            "env": [
                                                {"name": "RELATED_IMAGE_MOVER", "value": "registry.example/mover:1"}
                                            ],
                                        }
                                    ],
                                },
                            },
                        },
                    }
                ],
            },
        },
    },
}
CRD: dict[str, Any] = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                       "metadata": {"name": "stores.acme.example"}}  # fmt: skip
SERVICE: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "acme-metrics"}}


def bundle(**spec: Any) -> Bundle:
    csv = copy.deepcopy(CSV)
    csv["spec"] |= spec
    return Bundle(csv, (CRD,), (SERVICE,))


def modes(*supported: str) -> list[dict[str, Any]]:
    return [{"type": mode, "supported": True} for mode in supported]


def named(manifests: list[dict[str, Any]]) -> list[str]:
    return ["/".join(filter(None, [each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]]))
            for each in manifests]  # fmt: skip


def only(manifests: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def test_whole_cluster_in_the_order_that_kubectl_needs() -> None:
    manifests = render(bundle(), Options("ops"))
    assert named(manifests) == [
        "Namespace/ops",
        "CustomResourceDefinition/stores.acme.example",
        "ServiceAccount/ops/acme",
        "ClusterRole/acme-ops",
        "ClusterRole/acme-ops-lifted",
        "ClusterRole/stores.acme.example-v1-admin",
        "ClusterRole/stores.acme.example-v1-edit",
        "ClusterRole/stores.acme.example-v1-view",
        "ClusterRoleBinding/acme-ops",
        "ClusterRoleBinding/acme-ops-lifted",
        "Service/ops/acme-metrics",
        "Deployment/ops/acme",
    ]


def test_rules_are_exactly_those_of_the_csv() -> None:
    manifests = render(bundle(), Options("ops"))
    assert only(manifests, "ClusterRole", "acme-ops")["rules"] == CLUSTER_RULES
    lifted = only(manifests, "ClusterRole", "acme-ops-lifted")["rules"]
    assert lifted == [*RULES, {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}]
    binding = only(manifests, "ClusterRoleBinding", "acme-ops")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "acme", "namespace": "ops"}]
    assert binding["roleRef"]["name"] == "acme-ops"


def test_permissions_are_granted_where_the_operator_runs_and_where_it_watches() -> None:
    manifests = render(bundle(), Options("ops", watch_namespaces=("shop", "bank")))
    roles = [name for name in named(manifests) if name.startswith(("Role/", "RoleBinding/"))]
    assert roles == [f"{kind}/{ns}/acme" for kind in ("Role", "RoleBinding") for ns in ("bank", "ops", "shop")]
    assert only([each for each in manifests if each["metadata"].get("namespace") == "shop"], "Role")["rules"] == RULES
    assert "ClusterRole/acme-ops" in named(manifests)
    assert "ClusterRole/acme-ops-lifted" not in named(manifests)


@pytest.mark.parametrize(
    ("supported", "watch", "targets"),
    [
        (("AllNamespaces",), (), ""),
        (("OwnNamespace",), (), "ops"),
        (("OwnNamespace",), ("ops",), "ops"),
        (("SingleNamespace",), ("shop",), "shop"),
        (("MultiNamespace",), ("shop", "bank"), "bank,shop"),
        (("MultiNamespace", "OwnNamespace"), ("shop", "ops"), "ops,shop"),
    ],
)
def test_targets_are_told_as_olm_tells_them(supported: tuple[str, ...], watch: tuple[str, ...], targets: str) -> None:
    manifests = render(bundle(installModes=modes(*supported)), Options("ops", watch_namespaces=watch))
    annotations = only(manifests, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"own": "kept", "olm.operatorNamespace": "ops", "olm.targetNamespaces": targets}


@pytest.mark.parametrize(
    ("supported", "watch"),
    [
        ((), ()),
        (("SingleNamespace",), ()),
        (("AllNamespaces",), ("shop",)),
        (("SingleNamespace",), ("ops",)),
        (("OwnNamespace", "SingleNamespace"), ("shop", "bank")),
        (("MultiNamespace",), ("shop", "ops")),
    ],
)
def test_unsupported_modes_are_refused(supported: tuple[str, ...], watch: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"spec\.installModes: cannot watch"):
        render(bundle(installModes=modes(*supported)), Options("ops", watch_namespaces=watch))


def test_namespace_is_optional_and_enforces_pod_security() -> None:
    namespace = render(bundle(), Options("ops"))[0]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "labels" not in render(bundle(), Options("ops", pod_security=""))[0]["metadata"]
    assert "Namespace" not in {each["kind"] for each in render(bundle(), Options("ops", create_namespace=False))}


def test_images_are_replaced_everywhere() -> None:
    new = {"registry.example/acme:1": "mirror/acme@sha256:1", "registry.example/mover:1": "mirror/mover:1"}
    (container,) = only(render(bundle(), Options("ops", images=new)), "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"] == "mirror/acme@sha256:1"
    assert container["env"][0]["value"] == "mirror/mover:1"
    with pytest.raises(InputError, match="no container uses the image other:1"):
        render(bundle(), Options("ops", images={"other:1": "x"}))
    assert images(bundle()) == ("registry.example/acme:1",)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"apiservicedefinitions": {"owned": [{"name": "v1"}]}}, "serves APIs of its own"),
        ({"install": {"strategy": "helm"}}, "no install strategy"),
    ],
)
def test_what_only_olm_can_do_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        render(bundle(**spec), Options("ops"))


def test_the_bundle_is_not_changed_and_the_result_is_the_same_each_time() -> None:
    given = bundle()
    before = copy.deepcopy(given)
    options = Options("ops", images={"registry.example/acme:1": "x"})
    assert render(given, options) == render(given, options)
    assert given == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle on disk."""
    manifests = tmp_path / "bundle" / "manifests"
    manifests.mkdir(parents=True)
    for name, manifest in (("csv", CSV), ("crd", CRD), ("service", SERVICE)):
        (manifests / f"{name}.yaml").write_text(yaml.safe_dump(manifest))
    return tmp_path / "bundle"


def test_command_prints_a_stream_or_writes_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["render", str(folder), "--namespace", "ops", "--image", "mirror/acme:2"]
    assert cli.main(command) == 0
    stream = list(yaml.safe_load_all(capsys.readouterr().out))
    out = folder.parent / "out"
    assert cli.main([*command, "-o", str(out)]) == 0
    assert [yaml.safe_load(path.read_text()) for path in sorted(out.iterdir())] == stream
    assert stream[-1]["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror/acme:2"


def test_a_folder_without_one_csv_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load(tmp_path / "none")
    (folder / "manifests" / "csv.yaml").unlink()
    with pytest.raises(InputError, match="expected one ClusterServiceVersion, found 0"):
        load(folder)
