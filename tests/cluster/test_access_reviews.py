"""Nobody gains a right through the operator: each way to one is tried by a user who lacks it, and then has it."""

import json
from typing import Any

import pytest

from harness.applications import PORTS, application
from harness.backups import backup, condition, restore, wait_over
from harness.fixtures import Installation
from harness.kube import Kube, Manifest, RefusedError, resource_of
from harness.movers import application_with_volume, played, waiting_store
from harness.operator_process import OperatorProcess
from harness.simple_objects import SIMPLE_BACKUP
from timonier.api.conversion import convert
from timonier.api.references import AUTHOR
from timonier.api.resources import (
    APPLICATIONS,
    BACKUPS,
    RESTORES,
    UPGRADES,
    Resource,
)

pytestmark = pytest.mark.cluster

GROUP = APPLICATIONS.group
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
EXEC = {"exec": {"command": ["true"]}, "name": "one"}
STORE = {"storeRef": {"name": "offsite"}}
FROM = {"backupRef": {"name": "first"}}
SECRET_ENV = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}]}


@pytest.fixture
def ready(kube: Kube, operator: OperatorProcess, reviewed: None, namespace: str) -> None:
    """It is answered: the operator has published whom to trust."""
    kube.wait("requests are reviewed", lambda: answered(kube, application(namespace)), 60)


@pytest.fixture
def alice(cluster: Any, kube: Kube, ready: None, namespace: str) -> Kube:
    """Somebody who may write all of our kinds in the namespace, and nothing else."""
    kinds = ("applications", "backups", "backupstores", "restores", "upgrades")
    for kind in kinds:  # and not their status, which is the operator's
        grant(kube, namespace, kind, GROUP, kind, ["get", "list", "create", "update", "patch", "delete"])
    return Kube(cluster.kubeconfig, acting_as="alice")


def grant(kube: Kube, namespace: str, name: str, group: str, resource: str, verbs: list[str], *names: str) -> None:
    rule = {"apiGroups": [group], "resources": [resource], "verbs": verbs} | ({"resourceNames": names} if names else {})
    api = "rbac.authorization.k8s.io"
    metadata = {"namespace": namespace, "name": name}
    kube.apply(
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": api, "kind": "User", "name": "alice"}],
        },
    )


def try_to_create(kube: Kube, manifest: Manifest) -> None:
    """As if it were created. Raises RefusedError."""
    path = resource_of(manifest).url(manifest["metadata"]["namespace"])
    kube.request("POST", path, manifest, dryRun="All")


def answered(kube: Kube, manifest: Manifest) -> bool:
    try:
        try_to_create(kube, manifest)
    except RefusedError:
        return False
    return True


def object_of(kind: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": kind,
        "metadata": {"namespace": namespace, "name": "first" if kind == "Backup" else "one"},
        "spec": spec,
    }


PODS = ("", "pods", "create")
STORE_OBJECT = waiting_store("ns")[-1]
ANYTHING = [
    PODS,
    ("", "pods/exec", "create"),
    ("", "secrets", "get"),
    ("", "services", "create"),
    ("", "serviceaccounts", "use"),
    ("networking.k8s.io", "ingresses", "create"),
    (GROUP, "backupstores", "use"),
]
PATHS = {
    "pods": (application("ns"), [PODS]),
    "service account": (
        application("ns", workload={"serviceAccountName": "builder"}),
        [PODS, ("", "serviceaccounts", "use", "builder")],
    ),
    "service account, by impersonation": (
        application("ns", workload={"serviceAccountName": "builder"}),
        [PODS, ("", "serviceaccounts", "impersonate", "builder")],
    ),
    "Secret": (application("ns", workload=SECRET_ENV), [PODS, ("", "secrets", "get", "keys")]),
    "Secret to pull with": (
        application("ns", workload={"imagePullSecrets": [{"name": "keys"}]}),
        [PODS, ("", "secrets", "get", "keys")],
    ),
    "Ingress": (
        application("ns", workload=PORTS, network={"ingress": {"host": "a.example", "tlsSecretName": "tls"}}),
        [PODS, ("networking.k8s.io", "ingresses", "create"), ("", "secrets", "get", "tls")],
    ),
    "exec": (
        application("ns", backup={**STORE, "method": "Command", "command": {"dump": ["d"], "load": ["l"]}}),
        [PODS, ("", "pods/exec", "create"), (GROUP, "backupstores", "use", "offsite")],
    ),
    "hook of a restore": (
        {**restore("ns", "web", hooks={"post": [EXEC]})},
        [
            ("", "pods/exec", "create"),
            (GROUP, "backups", "read-data", "first"),
            (GROUP, "applications", "restore", "web"),
        ],
    ),
    "Job of a restore": (
        restore("ns", "web", hooks={"pre": [{"name": "one", "job": {"image": "evil", "command": ["true"]}}]}),
        [
            PODS,
            ("", "pods/exec", "create"),
            (GROUP, "backups", "read-data", "first"),
            (GROUP, "applications", "restore", "web"),
        ],
    ),
    "taking over": (
        application("ns", adopt=True),
        [
            PODS,
            ("apps", "deployments", "patch", "web"),
            ("", "services", "patch"),
            ("", "configmaps", "patch"),
            ("networking.k8s.io", "ingresses", "patch"),
            ("networking.k8s.io", "networkpolicies", "patch"),
            ("", "persistentvolumeclaims", "patch"),
        ],
    ),
    "backup": (
        object_of("Backup", "ns", {"targetRef": {"name": "web"}, **STORE}),
        [(GROUP, "backupstores", "use", "offsite"), (GROUP, "applications", "read-data", "web")],
    ),
    "store": (
        STORE_OBJECT,
        [
            PODS,
            ("", "secrets", "get", STORE_OBJECT["spec"]["encryption"]["passwordSecretRef"]["name"]),
            (GROUP, "backupstores", "use", "offsite"),
            (GROUP, "applications", "restore"),
        ],
    ),
    "upgrade of one's own": (
        object_of(
            "Upgrade", "ns", {"targetRef": {"name": "web"}, "fromRevision": "a", "toRevision": "b", "policy": {}}
        ),
        [
            *ANYTHING,
            (GROUP, "upgrades", "approve"),
        ],
    ),
    "restore in place": (
        restore("ns", "web"),
        [(GROUP, "backups", "read-data", "first"), (GROUP, "applications", "restore", "web")],
    ),
    "restore into a new application": (
        object_of("Restore", "ns", {"from": FROM, "to": {"newApplication": {"name": "copy"}}}),
        [
            (GROUP, "backups", "read-data", "first"),
            *ANYTHING,
        ],
    ),
}


@pytest.mark.parametrize("way", PATHS)
def test_each_way_takes_the_permission_that_it_leads_to(alice: Kube, kube: Kube, namespace: str, way: str) -> None:
    manifest, permissions = PATHS[way]
    manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    for index, (group, resource, verb, *names) in enumerate(permissions):
        with pytest.raises(RefusedError) as refused:
            try_to_create(alice, manifest)
        assert refused.value.status == 403
        what = f"{verb} {resource}.{group}" if group else f"{verb} {resource}"
        assert what + "".join(f" {name}" for name in names) + f" in the namespace {namespace}" in refused.value.message
        grant(kube, namespace, f"more-{index}", group, resource, [verb], *names)
    kube.wait("RBAC has taken it up", lambda: answered(alice, manifest), 10)
    try_to_create(kube, manifest)


def test_an_upgrade_is_let_go_on_by_those_who_may_approve(alice: Kube, kube: Kube, namespace: str) -> None:
    refs = {"targetRef": {"name": "web"}, "fromRevision": "web-1", "toRevision": "web-2", "policy": {}}
    kube.create(object_of("Upgrade", namespace, refs))
    approved = {"metadata": {"annotations": {"timonier.dev/approve": "true"}}}
    for patch in (approved, {"spec": {"cancel": True}}):
        with pytest.raises(RefusedError, match=r"approve upgrades\.timonier\.dev one"):
            alice.patch(UPGRADES, namespace, "one", patch)
    alice.patch(UPGRADES, namespace, "one", {"metadata": {"labels": {"team": "shop"}}})
    grant(kube, namespace, "approver", GROUP, "upgrades", ["approve"])
    kube.wait("it is let go on", lambda: patched(alice, UPGRADES, namespace, "one", approved), 10)


def patched(kube: Kube, resource: Resource, namespace: str, name: str, patch: Manifest) -> bool:
    try:
        kube.patch(resource, namespace, name, patch)
    except RefusedError:
        return False
    return True


def test_who_may_write_may_scale_label_and_delete_what_others_made(alice: Kube, kube: Kube, namespace: str) -> None:
    kube.apply(application(namespace, workload=SECRET_ENV))
    alice.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": 3}}})
    alice.patch(APPLICATIONS, namespace, "web", {"metadata": {"finalizers": ["example.com/kept"]}})
    alice.patch(APPLICATIONS, namespace, "web", {"metadata": {"finalizers": None}})
    with pytest.raises(RefusedError, match="create pods"):
        alice.patch(APPLICATIONS, namespace, "web", {"spec": {"workload": {"image": {"tag": "mine"}}}})
    alice.delete(APPLICATIONS, namespace, "web")


def test_the_operator_is_not_asked_for_what_it_does_itself(
    cluster: Any, kube: Kube, ready: None, namespace: str
) -> None:
    with played(cluster.kubeconfig, namespace):
        kube.apply(*waiting_store(namespace), *application_with_volume(namespace), backup(namespace, "web"))
        wait_over(kube, namespace, "first", seconds=60)
        kube.apply(restore(namespace, "web"))
        made = wait_over(kube, namespace, "back", resource=RESTORES, seconds=60)["status"]
    assert kube.get(BACKUPS, namespace, made["safetyBackup"]) is not None


def test_with_no_replica_to_ask_nothing_is_written_and_everything_can_be_deleted(
    kube: Kube, ready: None, installation: Installation, namespace: str
) -> None:
    kube.apply(application(namespace))
    kube.patch(APPLICATIONS, namespace, "web", {"metadata": {"finalizers": ["example.com/kept"]}})
    installation.stop()
    try:
        for change in ({"spec": {"scaling": {"replicas": 2}}}, {"metadata": {"annotations": {"a": "b"}}}):
            with pytest.raises(RefusedError, match="failed calling webhook"):
                kube.patch(APPLICATIONS, namespace, "web", change)
        kube.patch(APPLICATIONS, namespace, "web", {"metadata": {"labels": {"team": "shop"}}})
        kube.patch(APPLICATIONS, namespace, "web", {"metadata": {"finalizers": None}})
        kube.delete(APPLICATIONS, namespace, "web")
        kube.wait("it is gone", lambda: kube.get(APPLICATIONS, namespace, "web") is None)
    finally:
        installation.running()


def test_a_rule_between_fields_of_two_releases_is_asked_and_what_may_not_be_meant_is_said(
    kube: Kube, ready: None, namespace: str
) -> None:
    with pytest.raises(RefusedError, match="use method Command") as refused:
        try_to_create(kube, application(namespace, backup=STORE))
    assert refused.value.status == 422
    path = APPLICATIONS.url(namespace)
    latest = application(namespace, workload={"image": {"repository": "registry.example/web"}})
    told = kube.warnings("POST", path, latest, dryRun="All")
    assert [text.partition(":")[0] for text in told] == ["spec.workload.image"]


def test_what_a_backup_is_about_cannot_be_changed_by_what_v1alpha1_carries_along(
    kube: Kube, ready: None, namespace: str
) -> None:
    """Who writes v1alpha1 is held to its rules alone, and the annotation that carries the rest is theirs to write."""
    kube.create(backup(namespace, "web", suspend=True))
    forged = convert(backup(namespace, "web", store="theirs", suspend=True), "v1alpha1")
    change = {"metadata": {"annotations": forged["metadata"]["annotations"]}}
    with pytest.raises(RefusedError, match="storeRef cannot change: a run happens once"):
        kube.patch(SIMPLE_BACKUP, namespace, "first", change)


def test_applying_twice_changes_nothing_and_only_the_webhook_says_who_wrote_it(
    alice: Kube, kube: Kube, namespace: str
) -> None:
    grant(kube, namespace, "pods", "", "pods", ["create"])
    manifest = application(namespace)
    kube.wait("RBAC has taken it up", lambda: answered(alice, manifest), 10)
    forged = manifest | {"metadata": manifest["metadata"] | {"annotations": {AUTHOR: json.dumps({"username": "bob"})}}}
    made = alice.create(forged)
    assert author_of(made) == "alice"

    def settled(manager: str) -> bool:
        """Two in a row change nothing: GitOps sees no drift. The operator may write a status in between."""
        first, second = (kube.apply(manifest, manager=manager)["metadata"] for _ in range(2))
        return bool(first["resourceVersion"] == second["resourceVersion"])

    for manager in ("tests", "argocd"):
        kube.wait("applying twice changes nothing", lambda manager=manager: settled(manager))
    applied = kube.get(APPLICATIONS, namespace, "web") or {}
    assert author_of(applied) == "alice"
    assert applied["metadata"]["generation"] == 1
    scaled = kube.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": 2}}})
    assert author_of(scaled) == "alice"
    changed = kube.patch(APPLICATIONS, namespace, "web", {"spec": {"workload": {"image": {"tag": "2"}}}})
    assert author_of(changed) == kube.whoami()
    with pytest.raises(RefusedError, match=r"patch deployments\.apps web"):  # to take over is to answer for all of it
        alice.patch(APPLICATIONS, namespace, "web", {"metadata": {"annotations": {AUTHOR: None}}})


def author_of(application: Manifest) -> str:
    name: str = json.loads(application["metadata"]["annotations"][AUTHOR])["username"]
    return name


def test_what_a_schedule_begins_is_reviewed_again_for_its_author(alice: Kube, kube: Kube, namespace: str) -> None:
    """Alice's right to the store is taken away after she has written the schedule, and given back."""
    grant(kube, namespace, "pods", "", "pods", ["create"])
    grant(kube, namespace, "claims", "", "persistentvolumeclaims", ["create"])
    grant(kube, namespace, "store", GROUP, "backupstores", ["use"], "offsite")
    volume, manifest = application_with_volume(namespace, backup={**STORE, "schedule": "@yearly"})
    kube.apply(*waiting_store(namespace), volume)
    kube.wait("RBAC has taken it up", lambda: answered(alice, manifest), 10)
    alice.create(manifest)
    kube.wait("the schedule is known", lambda: "lastScheduleTime" in status_of(kube, namespace))
    kube.delete(ROLES, namespace, "store")
    kube.wait("RBAC has taken it up", lambda: not answered(alice, manifest | renamed(manifest, "other")), 20)
    kube.patch(APPLICATIONS, namespace, "web", {"status": {"lastScheduleTime": "2025-01-02T00:00:00Z"}}, "status")
    kube.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": 0}}})  # the operator looks again

    def healthy() -> Manifest:
        return condition(kube.get(APPLICATIONS, namespace, "web") or {}, "BackupHealthy")

    kube.wait("it is not begun", lambda: healthy().get("reason") == "AuthorNotPermitted", 30)
    assert healthy()["status"] == "False"
    assert f"use backupstores.timonier.dev offsite in the namespace {namespace}" in healthy()["message"]
    assert healthy()["message"].startswith("alice, who wrote this")
    assert kube.list(BACKUPS, namespace) == []
    assert status_of(kube, namespace)["lastScheduleTime"] == "2025-01-02T00:00:00Z", "it is still due"
    # Somebody who may takes it over, and its time has not passed.
    over = {"metadata": {"annotations": {AUTHOR: None}}, "spec": {"scaling": {"replicas": 1}}}
    kube.patch(APPLICATIONS, namespace, "web", over)
    (made,) = kube.wait("it is begun", lambda: kube.list(BACKUPS, namespace), 30)
    assert made["spec"]["scheduledTime"].endswith("-01-01T00:00:00Z")
    kube.wait("all is well again", lambda: healthy().get("reason") != "AuthorNotPermitted")


def renamed(manifest: Manifest, name: str) -> Manifest:
    return {"metadata": {**manifest["metadata"], "name": name}}


def status_of(kube: Kube, namespace: str) -> Manifest:
    found = kube.get(APPLICATIONS, namespace, "web")
    assert found is not None
    status: Manifest = found.get("status", {})
    return status
