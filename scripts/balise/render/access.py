"""Service accounts and RBAC as OLM grants them from a ClusterServiceVersion."""

from __future__ import annotations

from typing import Any, Final

from balise.generate.manifests import Manifest

__all__ = ["binding", "operator_access", "role", "service_accounts", "user_roles"]

# OLM adds this to permissions that it lifts to the whole cluster.
_NAMESPACES_RULE: Final = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}
_USER_VERBS: Final = {
    "admin": ["*"],
    "edit": ["create", "delete", "patch", "update"],
    "view": ["get", "list", "watch"],
}


def service_accounts(csv: Manifest, namespace: str) -> list[Manifest]:
    """A ServiceAccount for every name in permissions or Deployments; ``default`` is the cluster's own."""
    install = csv["spec"]["install"]["spec"]
    names = {entry["serviceAccountName"] for key in _PERMISSIONS for entry in install.get(key) or ()}
    names |= {
        each["spec"]["template"]["spec"].get("serviceAccountName", "default")
        for each in install.get("deployments") or ()
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        for name in sorted(names - {"default"})
    ]


def operator_access(csv: Manifest, namespace: str, targets: tuple[str, ...]) -> list[Manifest]:
    """Roles and bindings with exactly the rules of the CSV.

    ``clusterPermissions`` become ClusterRoles. ``permissions`` become Roles in the operator's namespace and in each
    target; without targets (the whole cluster) they are lifted to ClusterRoles, with the right to see namespaces.
    Names carry the namespace where objects are cluster-wide, so that two installs do not overwrite each other, and no
    version, so that an upgrade replaces them.
    """
    install = csv["spec"]["install"]["spec"]
    package = csv["metadata"]["name"].partition(".")[0]
    manifests: list[Manifest] = []
    for account, rules in _by_account(install.get("clusterPermissions")).items():
        manifests += _cluster_wide(f"{_name(package, account)}-{namespace}", account, namespace, rules)
    for account, rules in _by_account(install.get("permissions")).items():
        name = _name(package, account)
        if targets:
            for target in sorted({namespace, *targets}):
                manifests += _namespaced(name, account, namespace, target, rules)
        else:
            manifests += _cluster_wide(f"{name}-{namespace}-lifted", account, namespace, [*rules, _NAMESPACES_RULE])
    return manifests


def user_roles(csv: Manifest) -> list[Manifest]:
    """The ClusterRoles that OLM makes for each owned kind, which the cluster's own admin, edit and view take in."""
    owned = csv["spec"].get("customresourcedefinitions", {}).get("owned") or ()
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": f"{crd['name']}-{crd['version']}-{suffix}",
                "labels": {f"rbac.authorization.k8s.io/aggregate-to-{suffix}": "true"},
            },
            "rules": [{"apiGroups": [group], "resources": [plural], "verbs": verbs}],
        }
        for crd in sorted(owned, key=lambda crd: (crd["name"], crd["version"]))
        for plural, _, group in [crd["name"].partition(".")]
        for suffix, verbs in _USER_VERBS.items()
    ]


_PERMISSIONS: Final = ("clusterPermissions", "permissions")


def _by_account(entries: list[Manifest] | None) -> dict[str, list[Manifest]]:
    accounts: dict[str, list[Manifest]] = {}
    for entry in entries or ():
        accounts.setdefault(entry["serviceAccountName"], []).extend(entry.get("rules") or ())
    return dict(sorted(accounts.items()))


def _name(package: str, account: str) -> str:
    return package if account == package else f"{package}-{account}"


def _cluster_wide(name: str, account: str, namespace: str, rules: list[Manifest]) -> list[Manifest]:
    return [role("ClusterRole", {"name": name}, rules), binding("ClusterRole", {"name": name}, account, namespace)]


def _namespaced(name: str, account: str, namespace: str, target: str, rules: list[Manifest]) -> list[Manifest]:
    metadata = {"name": name, "namespace": target}
    return [role("Role", metadata, rules), binding("Role", metadata, account, namespace)]


def role(kind: str, metadata: dict[str, str], rules: list[Manifest]) -> Manifest:
    """A Role or ClusterRole."""
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def binding(role_kind: str, metadata: dict[str, str], account: str, namespace: str) -> Manifest:
    """The binding of the role of the same name to a ServiceAccount of `namespace`."""
    manifest: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{role_kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    return manifest
