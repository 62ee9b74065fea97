"""The files that the control plane reads: audit policy, kubeconfigs, certificates wanted, simulated pods. Pure."""

import base64
import json
from typing import Any

import yaml

from devcluster.network import LOOPBACK, Network
from devcluster.spec import ClusterSpec

__all__ = [
    "ADMINISTRATORS",
    "IDENTITIES",
    "NODE",
    "STORAGE_CLASS",
    "audit_policy",
    "bootstrap_objects",
    "certificates",
    "kubeconfig",
    "kwok_configuration",
    "node",
]

Manifest = dict[str, Any]

ADMINISTRATORS = "devcluster:administrators"
"""The group of the kubeconfig that people and tests use. It is bound to cluster-admin by RBAC, not `system:masters`:
that group passes before any authorizer, so an authorization webhook would never be asked about it."""

STORAGE_CLASS = "standard"
PROVISIONER = "timonier.dev/devcluster"

NODE = "real-0"
"""The name of a real node."""

IDENTITIES: dict[str, tuple[str, str]] = {
    "administrator": ("devcluster-administrator", ADMINISTRATORS),
    "bootstrap": ("devcluster-bootstrap", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    "kwok": ("devcluster-kwok", "system:masters"),
    "provisioner": ("devcluster-provisioner", "system:masters"),
}
"""User name and group of each client certificate."""


def certificates(network: Network) -> str:
    """The request that the certificate maker reads: JSON."""
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    hosts = [*names, *sorted({LOOPBACK, network.host, network.api_service()})]
    leaves = [
        _leaf("apiserver", "kube-apiserver", hosts=hosts),
        _leaf("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
        _leaf("front-proxy", "front-proxy", authority="front-proxy-ca"),
        *(_leaf(identity, user, group) for identity, (user, group) in IDENTITIES.items()),
    ]
    return json.dumps(leaves)


def _leaf(
    file: str, user: str, group: str = "", *, hosts: list[str] | None = None, authority: str = "ca"
) -> dict[str, Any]:
    organizations = [group] if group else []
    return {
        "file": file,
        "commonName": user,
        "organizations": organizations,
        "hosts": hosts or [],
        "authority": authority,
    }


def kubeconfig(name: str, server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """A kubeconfig with everything inside, so that it may be copied anywhere."""
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return yaml.safe_dump(value, sort_keys=False)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def audit_policy() -> str:
    """Who did what to which object: every write, and every read except the control plane's own watching.

    The first rule that matches decides (Kubernetes, auditing). No rule drops a request of a service account.
    """
    reads = ["get", "list", "watch"]
    components = ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"]
    nodes = [IDENTITIES[name][0] for name in ("kwok", "kubelet", "kube-proxy", "provisioner")]
    rules: list[Manifest] = [
        {"level": "None", "users": components + nodes, "verbs": reads},
        {"level": "None", "users": nodes, "resources": [{"group": "coordination.k8s.io"}]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
        {"level": "Metadata"},
    ]
    return yaml.safe_dump(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "omitManagedFields": True,
            "rules": rules,
        },
        sort_keys=False,
    )


def bootstrap_objects(spec: ClusterSpec) -> list[tuple[str, Manifest]]:
    """What every cluster has before anybody comes: the collection's URL path and the object."""
    objects: list[tuple[str, Manifest]] = [
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": ADMINISTRATORS},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": ADMINISTRATORS}],
            },
        ),
        (
            "/apis/storage.k8s.io/v1/storageclasses",
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": STORAGE_CLASS,
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": PROVISIONER,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "Immediate",
                "allowVolumeExpansion": True,
            },
        ),
    ]
    simulated = range(spec.count) if spec.nodes == "kwok" else ()
    return objects + [("/api/v1/nodes", node(index)) for index in simulated]


def node(index: int) -> Manifest:
    """One simulated node; three zones take turns, so that spreading over zones has something to spread over."""
    name = f"kwok-{index}"
    room = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "local",
                "topology.kubernetes.io/zone": f"zone-{'abc'[index % 3]}",
                "type": "kwok",
            },
        },
        "status": {"capacity": room, "allocatable": room},
    }


def kwok_configuration() -> str:
    """Nothing but kwok's own defaults: it has stages for nodes and pods built in (pods are Ready at once, Jobs'
    pods succeed, deleted pods vanish). The file keeps kwok from reading one in the home folder."""
    value = {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "options": {}}
    return yaml.safe_dump(value, sort_keys=False)
