"""The cluster's own roles in a namespace, and what they come to for our kinds, as docs/security.md says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.applications import application
from harness.backups import backup, restore
from harness.fixtures import Installation
from harness.kube import Kube, Manifest, RefusedError, resource_of
from harness.movers import application_with_volume, waiting_store
from harness.operator_process import OperatorProcess
from timonier.api.resources import APPLICATIONS, GROUP, UPGRADES

pytestmark = pytest.mark.cluster

RBAC = "rbac.authorization.k8s.io"
KINDS = ("applications", "backups", "backupstores", "restores", "upgrades")
READ = {(kind, verb) for kind in KINDS for verb in ("get", "list", "watch")}
WRITE = {(kind, verb) for kind in KINDS for verb in ("create", "update", "patch", "delete")}
DATA = {("backupstores", "use"), ("backups", "read-data"), ("applications", "read-data"), ("applications", "restore")}
APPROVE = {("upgrades", "approve")}
WEBHOOKS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
STATUS = {(f"{kind}/status", verb) for kind in KINDS for verb in ("update", "patch")}
ALL = READ | WRITE | DATA | APPROVE | STATUS
EXPECTED = {"view": READ, "edit": READ | WRITE | DATA, "admin": READ | WRITE | DATA | APPROVE}


def acting(cluster: Any, kube: Kube, namespace: str, role: str) -> Kube:
    """Somebody who has that ClusterRole in the namespace, and nothing else."""
    metadata = {"namespace": namespace, "name": role}
    subject = {"apiGroup": RBAC, "kind": "User", "name": f"{role}-{namespace}"}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    binding = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": metadata}
    kube.apply({**binding, "roleRef": reference, "subjects": [subject]})
    return Kube(cluster.kubeconfig, acting_as=subject["name"])


def allowed(user: Kube, namespace: str, asked: set[tuple[str, str]], name: str = "") -> set[tuple[str, str]]:
    """Those of the permissions that the user has, by the API server's own word."""

    def may(resource: str, verb: str) -> bool:
        plural, _, subresource = resource.partition("/")
        about = {"namespace": namespace, "verb": verb, "group": GROUP, "resource": plural, "name": name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about | {"subresource": subresource}},
        }
        answer = user.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    return {(resource, verb) for resource, verb in asked if may(resource, verb)}


def tried(user: Kube, manifest: Manifest) -> str:
    """What creating it is refused with, empty where it is not; nothing is kept."""
    try:
        user.request("POST", resource_of(manifest).url(manifest["metadata"]["namespace"]), manifest, dryRun="All")
    except RefusedError as error:
        return error.message
    return ""


@pytest.fixture
def ready(kube: Kube, operator: OperatorProcess, reviewed: None, namespace: str) -> None:
    """It is answered: the operator has published whom to trust."""
    kube.wait("requests are reviewed", lambda: not tried(kube, application(namespace)), 60)


@pytest.mark.parametrize("role", EXPECTED)
def test_the_clusters_own_roles_have_what_is_said_of_them(
    cluster: Any, kube: Kube, installation: Installation, namespace: str, role: str
) -> None:
    user = acting(cluster, kube, namespace, role)
    kube.wait("RBAC has taken it up", lambda: allowed(user, namespace, EXPECTED[role]) == EXPECTED[role], 15)
    assert allowed(user, namespace, ALL) == EXPECTED[role]
    assert allowed(user, "default", ALL) == set(), "the binding is for one namespace"


def objects(namespace: str) -> Iterator[Manifest]:
    yield application(namespace)
    yield from application_with_volume(namespace, "data")[1:]
    yield waiting_store(namespace)[-1]
    yield backup(namespace, "web")
    yield restore(namespace, "web")


def test_an_editor_may_do_all_that_the_kinds_lead_to_but_approve_and_an_admin_that_too(
    cluster: Any, kube: Kube, ready: None, namespace: str
) -> None:
    viewer, editor, admin = (acting(cluster, kube, namespace, role) for role in EXPECTED)
    for manifest in objects(namespace):
        kube.wait("the editor may", lambda manifest=manifest: not tried(editor, manifest), 15)
        assert tried(admin, manifest) == ""
        assert f'cannot create resource "{resource_of(manifest).plural}"' in tried(viewer, manifest)
    refs = {"targetRef": {"name": "web"}, "fromRevision": "web-1", "toRevision": "web-2", "policy": {}}
    upgrade = {
        "apiVersion": UPGRADES.api_version,
        "kind": UPGRADES.kind,
        "metadata": {"namespace": namespace, "name": "one"},
        "spec": refs,
    }
    assert "approve upgrades.timonier.dev" in tried(editor, upgrade)
    kube.create(upgrade)
    approved = {"metadata": {"annotations": {"timonier.dev/approve": "true"}}}
    with pytest.raises(RefusedError, match=r"approve upgrades\.timonier\.dev one"):
        editor.patch(UPGRADES, namespace, "one", approved)
    with pytest.raises(RefusedError, match="cannot patch resource"):
        viewer.patch(UPGRADES, namespace, "one", approved)
    admin.patch(UPGRADES, namespace, "one", approved)
    kube.apply(application(namespace))
    for user in (viewer, editor, admin):
        assert user.get(APPLICATIONS, namespace, "web") is not None
        with pytest.raises(RefusedError, match=r"cannot patch resource \"applications/status\""):
            user.request("PATCH", APPLICATIONS.url(namespace, "web", "status"), {}, "application/merge-patch+json")


def documented(name: str) -> Manifest:
    """A role as docs/security.md shows it."""
    text = (Path(__file__).parents[2] / "docs/security.md").read_text()
    blocks = (yaml.safe_load(block.partition("```")[0]) for block in text.split("```yaml\n")[1:])
    return next(block for block in blocks if block["metadata"]["name"] == name)


def test_somebody_may_back_up_and_not_restore(cluster: Any, kube: Kube, ready: None, namespace: str) -> None:
    kube.apply(documented("may-back-up"), application(namespace))
    user = acting(cluster, kube, namespace, "may-back-up")
    plain = {**backup(namespace, "web"), "spec": {"targetRef": {"name": "web"}}}
    kube.wait("RBAC has taken it up", lambda: not tried(user, plain), 15)
    kube.wait("another store is taken too", lambda: not tried(user, backup(namespace, "web")), 15)
    assert 'cannot create resource "restores"' in tried(user, restore(namespace, "web"))
    assert 'cannot create resource "applications"' in tried(user, application(namespace, "other"))
    # What it cannot do by verbs of RBAC alone: with leave to write Restores, it still may not read what it saved.
    rules = [{"apiGroups": [GROUP], "resources": ["restores"], "verbs": ["create"]}]
    metadata = {"namespace": namespace, "name": "restores"}
    subject = {"apiGroup": RBAC, "kind": "User", "name": f"may-back-up-{namespace}"}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "restores"}
    kube.apply(
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [subject],
        },
    )
    kube.wait("it is reviewed", lambda: "Missing: " in tried(user, restore(namespace, "web")), 15)
    refused = tried(user, restore(namespace, "web"))
    assert "read-data backups.timonier.dev first" in refused
    assert "restore applications.timonier.dev web" in refused


def test_a_stolen_token_of_the_operator_leads_to_no_other_right(
    kube: Kube, installation: Installation, namespace: str
) -> None:
    """Asked about it, not with it: what is refused to the operator itself would be a permission that it lacks."""

    def may(verb: str, group: str, resource: str, where: str = namespace, name: str = "") -> bool:
        about = {"verb": verb, "group": group, "resource": resource, "namespace": where, "name": name}
        account = installation.user.rpartition(":")[0]
        groups = ["system:authenticated", "system:serviceaccounts", account.replace("account", "accounts")]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": installation.user, "groups": groups, "resourceAttributes": about},
        }
        answer = kube.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    # What it can: create workloads anywhere, and read the Secrets whose names it knows.
    assert may("create", "apps", "deployments")
    assert may("get", "", "secrets", name="known")
    for verb in ("list", "watch", "update", "patch"):
        assert not may(verb, "", "secrets")
        assert not may(verb, "", "secrets", where="")
    for resource in ("roles", "rolebindings", "clusterroles", "clusterrolebindings"):
        assert not any(may(verb, RBAC, resource) for verb in ("create", "update", "patch", "bind", "escalate"))
    for resource in ("users", "groups", "serviceaccounts"):
        assert not may("impersonate", "", resource)
    assert not may("create", "", "serviceaccounts/token")
    assert not may("get", "", "nodes/proxy", where="")
    for verb, kind in ((verb, kind) for verb in ("create", "update", "patch", "delete") for kind in WEBHOOKS):
        assert not may(verb, "admissionregistration.k8s.io", kind, where="", name="of-somebody-else")
    assert not may("update", "apiextensions.k8s.io", "customresourcedefinitions", where="", name="of.somebody.else")
