"""Which permissions a request takes, and that no field that names a Secret or has a command executed is forgotten."""

from collections.abc import Iterator
from typing import Any

import pytest

from timonier.api.crd import crds
from timonier.webhooks.permissions import REVIEWED, Permission, needs
from timonier.webhooks.reviews import ReviewError

IMAGE = {"repository": "registry.example/web", "tag": "1"}
HOOK = {"name": "one", "exec": {"command": ["true"]}}
JOB = {"name": "one", "job": {"image": "evil", "command": ["true"]}}


def written(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "web", **metadata}, "spec": spec}


def asked(kind: str, new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    found = needs(kind, new, old)
    return sorted(
        " or ".join(str(each).removesuffix(" in the namespace shop") for each in need.any_of) for need in found
    )


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, []),
        ({"workload": {"serviceAccountName": "x"}}, ["use serviceaccounts x or impersonate serviceaccounts x"]),
        ({"workload": {"envFrom": [{"secretRef": {"name": "a"}}]}}, ["get secrets a"]),
        ({"workload": {"env": [{"valueFrom": {"configMapKeyRef": {"name": "a"}}}]}}, []),
        ({"workload": {"volumes": [{"secret": {"secretName": "a"}}]}}, ["get secrets a"]),
        ({"workload": {"volumes": [{"projected": {"sources": [{"secret": {"name": "a"}}]}}]}}, ["get secrets a"]),
        ({"workload": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}}, ["get secrets a", "get secrets b"]),
        ({"workload": {"probes": {"liveness": {"exec": {"command": ["x"]}}}}}, []),
        ({"workload": {"nodeSelector": {"diskSecretName": "x"}, "storage": [{"name": "d"}]}},
         ["create persistentvolumeclaims"]),
        ({"config": {"env": {"tlsSecretName": "x"}, "files": {"/a": "b"}}}, []),
        ({"network": {"ingress": {"host": "a", "tlsSecretName": "t"}}},
         ["create ingresses.networking.k8s.io", "get secrets t"]),
        ({"network": {"service": {"type": "ClusterIP", "annotations": {"x/SecretName": "y"}}}}, []),
        ({"network": {"service": {"type": "LoadBalancer"}}}, ["create services"]),
        ({"adopt": True},
         ["patch deployments.apps web", "patch services", "patch configmaps", "patch ingresses.networking.k8s.io",
          "patch networkpolicies.networking.k8s.io", "patch persistentvolumeclaims"]),
        ({"backup": {"storeRef": {"name": "s"}}}, ["use backupstores.timonier.dev s"]),
        ({"backup": {"storeRef": {"name": "s", "namespace": "shop"}}}, ["use backupstores.timonier.dev s"]),
        ({"backup": {"storeRef": {"name": "s", "namespace": "platform"}}}, ["use backupstores.timonier.dev"]),
        ({"backup": {"hooks": {"post": [HOOK]}}}, ["create pods/exec"]),
        ({"backup": {"hooks": {"pre": [JOB]}}}, ["create pods/exec"]),
        ({"backup": {"command": {"dump": ["x"], "load": ["y"]}}}, ["create pods/exec"]),
        ({"backup": {"verify": {"schedule": "@daily"}}}, ["create pods", "read-data backups.timonier.dev"]),
        ({"backup": {"verify": {"schedule": "@daily", "job": ["x"]}}},
         ["create pods", "create pods/exec", "read-data backups.timonier.dev"]),
        ({"upgrade": {"verify": [HOOK]}}, ["create pods/exec"]),
        ({"upgrade": {"migrations": [{"name": "a", "command": ["x"]}]}}, []),
        ({"upgrade": {"rollbackData": "RestoreBackup"}},
         ["read-data backups.timonier.dev", "restore applications.timonier.dev web"]),
        ({"recovery": {"ladder": [{"action": "RestartPod"}, {"action": "RestoreBackup"}]}},
         ["read-data backups.timonier.dev", "restore applications.timonier.dev web"]),
        ({"recovery": {"probes": [{"name": "a", "command": ["x"]}]}}, ["create pods/exec"]),
    ],
)  # fmt: skip
def test_an_application_takes_what_its_pods_take_and_more(spec: dict[str, Any], wanted: list[str]) -> None:
    spec = {**spec, "workload": {"image": IMAGE, **spec.get("workload", {})}}
    assert asked("Application", written(spec)) == sorted(["create pods or create deployments.apps", *wanted])


def test_numbers_and_metadata_take_nothing_but_a_change_of_anything_else_takes_it_all() -> None:
    spec = {"workload": {"image": IMAGE, "kind": "StatefulSet", "serviceAccountName": "x"}}
    before = written(spec)
    assert asked("Application", written(spec, labels={"a": "b"}, finalizers=[]), before) == []
    assert asked("Application", written({**spec, "scaling": {"replicas": 9}, "suspend": True}), before) == []
    assert asked("Application", written({**spec, "config": {"env": {"A": "b"}}}), before) == [
        "create pods or create statefulsets.apps", "patch statefulsets.apps web",
        "use serviceaccounts x or impersonate serviceaccounts x",
    ]  # fmt: skip


def test_whoever_takes_the_approval_away_must_be_able_to_give_it() -> None:
    def policy(approval: str) -> dict[str, Any]:
        return written({"workload": {"image": IMAGE}, "upgrade": {"approval": approval}})

    approve = "approve upgrades.timonier.dev"
    assert approve in asked("Application", policy("Auto"), policy("Manual"))
    assert approve in asked("Application", written({"workload": {"image": IMAGE}}), policy("Manual"))
    assert approve not in asked("Application", policy("Manual"), policy("Auto"))


ANYTHING = [
    "create ingresses.networking.k8s.io", "create pods", "create pods/exec", "create services", "get secrets",
    "use backupstores.timonier.dev", "use serviceaccounts or impersonate serviceaccounts",
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"from": {"backupRef": {"name": "b"}}, "to": {"inPlace": {"application": "web"}}},
         ["read-data backups.timonier.dev b", "restore applications.timonier.dev web"]),
        ({"from": {"latest": {"application": "a"}}, "to": {"inPlace": {"application": "web"}}, "verify": [HOOK]},
         ["create pods", "create pods/exec", "read-data backups.timonier.dev",
          "restore applications.timonier.dev web"]),
        ({"from": {"latest": {"application": "a"}}, "to": {"inPlace": {"application": "web"}},
          "hooks": {"pre": [JOB]}},
         ["create pods", "create pods/exec", "read-data backups.timonier.dev",
          "restore applications.timonier.dev web"]),
        ({"from": {"latest": {"application": "a"}}, "to": {"inPlace": {"application": "web"}},
          "verify": [{"name": "p", "http": {"url": "http://other"}}]},
         ["create pods", "read-data backups.timonier.dev", "restore applications.timonier.dev web"]),
        ({"from": {"external": {"storeRef": {"name": "s"}, "run": "r"}}, "to": {"claim": {"name": "c"}}},
         ["create pods", "read-data backups.timonier.dev", "use backupstores.timonier.dev s"]),
        ({"from": {"backupRef": {"name": "b"}}, "to": {"scratch": {"application": "web", "job": ["x"]}}},
         ["create pods", "create pods/exec", "read-data backups.timonier.dev b"]),
        ({"from": {"backupRef": {"name": "b"}}, "to": {"newApplication": {"name": "n"}}},
         [*ANYTHING, "create applications.timonier.dev", "read-data backups.timonier.dev b"]),
    ],
)  # fmt: skip
def test_a_restore_takes_reading_the_backup_and_what_its_place_takes(spec: dict[str, Any], wanted: list[str]) -> None:
    assert asked("Restore", written(spec)) == sorted(wanted)
    assert asked("Restore", written({**spec, "cancel": True}), written(spec)) == []


def test_backups_and_stores() -> None:
    backup = written({"targetRef": {"name": "web"}, "storeRef": {"name": "s"}})
    assert asked("Backup", backup) == ["read-data applications.timonier.dev web", "use backupstores.timonier.dev s"]
    assert asked("Backup", written({"targetRef": {"name": "web"}})) == []
    imported = written({"targetRef": {"name": "web"}, "reason": "Imported", "imported": {"run": "r"}})
    assert asked("Backup", imported) == ["read-data backups.timonier.dev"]
    store = written({"encryption": {"passwordSecretRef": {"name": "p", "key": "k"}}, "importBackups": False})
    own = ["create pods", "get secrets p", "use backupstores.timonier.dev web"]
    assert asked("BackupStore", store) == own
    importing = written({**store["spec"], "importBackups": True})
    assert asked("BackupStore", importing) == sorted([*own, "restore applications.timonier.dev"])
    assert asked("BackupStore", written(store["spec"], labels={"a": "b"}), store) == []


def test_an_upgrade_is_made_by_whoever_may_do_anything_and_let_go_on_by_those_who_may_approve() -> None:
    upgrade = written({"targetRef": {"name": "web"}})
    assert asked("Upgrade", upgrade) == sorted([*ANYTHING, "approve upgrades.timonier.dev"])
    owner = {"apiVersion": "timonier.dev/v1", "kind": "Application", "uid": "u", "controller": True}
    assert len(asked("Upgrade", written(upgrade["spec"], ownerReferences=[owner]), upgrade)) == len(ANYTHING) + 1
    approve = ["approve upgrades.timonier.dev web"]
    assert asked("Upgrade", written({**upgrade["spec"], "cancel": True}), upgrade) == approve
    for name in ("approve", "rollback", "given-up"):
        marked = written(upgrade["spec"], annotations={f"timonier.dev/{name}": "true"})
        assert asked("Upgrade", marked, upgrade) == asked("Upgrade", upgrade, marked) == approve
    assert asked("Upgrade", written(upgrade["spec"], annotations={"team": "a"}), upgrade) == []


def test_what_makes_the_operator_take_an_object_for_its_own_takes_what_it_is_for() -> None:
    both = ["approve upgrades.timonier.dev", "restore applications.timonier.dev"]
    plain = written({"targetRef": {"name": "web"}})
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "uid": "u", "controller": True}
    owned = {"apiVersion": "timonier.dev/v1", "kind": "Application", "uid": "u", "controller": True}
    for kind in ("Backup", "Restore", "Application"):
        for marked in (
            written(plain["spec"], annotations={"timonier.dev/made-for": "u"}),
            written(plain["spec"], annotations={"timonier.dev/restored-by": "u"}),
            written(plain["spec"], ownerReferences=[owned]),
        ):
            assert asked(kind, marked, plain) == both
        assert asked(kind, written(plain["spec"], ownerReferences=[foreign]), plain) == []


def test_an_object_that_no_api_server_could_have_stored_is_not_reviewed() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    many = {"env": [{"valueFrom": {"secretKeyRef": {"name": f"s-{number}"}}} for number in range(5_000)]}
    for workload in (deep, many, {"env": [{}] * 100_000}):
        with pytest.raises(ReviewError):
            needs("Application", written({"workload": workload}), None)


def named(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every field of a schema with the way to it, in which `[]` stands for each item of a list."""
    for name, inner in (schema.get("properties") or {}).items():
        yield (*path, name), inner
        yield from named(inner, (*path, name))
    if isinstance(schema.get("items"), dict):
        yield from named(schema["items"], (*path, "[]"))


def filled(path: tuple[str, ...], value: Any) -> Any:
    """An object that has just that value there."""
    for name in reversed(path):
        value = [value] if name == "[]" else {name: value}
    return value


def fields(word: str) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    for crd in crds():
        kind = crd["spec"]["names"]["kind"]
        for version in crd["spec"]["versions"]:
            if version["name"] == "v1" and kind in {resource.kind for resource in REVIEWED}:
                for path, schema in named(version["schema"]["openAPIV3Schema"]["properties"]["spec"]):
                    if word in path[-1].lower():
                        yield kind, path, schema


def value_of(schema: dict[str, Any]) -> Any:
    if schema["type"] == "array":
        return [value_of(schema["items"])]
    if schema["type"] == "string":
        return "named"
    inner = schema.get("properties", {})
    return {"secretName": "named"} if "secretName" in inner else {"name": "named"}


def test_every_field_of_the_schemas_that_names_a_secret_is_reviewed() -> None:
    found = [(kind, path) for kind, path, _ in fields("secret")]
    assert len(found) >= 10
    for kind, path, schema in fields("secret"):
        spec = filled(path, value_of(schema))
        wanted = Permission("get", "", "secrets", "shop", "named")
        assert any(wanted in need.any_of for need in needs(kind, written(spec), None)), (kind, path)


def test_every_field_of_the_schemas_that_names_a_store_or_has_a_command_executed_is_reviewed() -> None:
    for kind, path, _ in fields("storeref"):
        if kind != "Upgrade":  # the operator makes these, of what stands in the Application
            wanted = Permission("use", "timonier.dev", "backupstores", "shop", "s")
            spec = filled(path, {"name": "s"})
            assert any(wanted in need.any_of for need in needs(kind, written(spec), None)), (kind, path)
    for kind, path, _ in fields("exec"):
        if kind != "Upgrade" and "probes" not in path:  # kubelet executes these
            spec = filled(path, {"command": ["x"]})
            wanted = Permission("create", "", "pods", "shop", subresource="exec")
            assert any(wanted in need.any_of for need in needs(kind, written(spec), None)), (kind, path)


def test_every_field_of_the_schemas_that_runs_a_job_takes_what_the_applications_own_pods_have() -> None:
    for kind, path, _ in fields("job"):
        if kind in ("Upgrade", "Application") and path[:1] in (("policy",), ("upgrade",)):
            continue  # it runs with what the spec itself names, which is reviewed
        spec = filled(path, {"command": ["x"]})
        wanted = Permission("create", "", "pods", "shop", subresource="exec")
        assert any(wanted in need.any_of for need in needs(kind, written(spec), None)), (kind, path)
