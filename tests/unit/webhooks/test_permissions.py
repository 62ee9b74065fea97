"""Which permissions a request takes, and that no field that names a Secret or has a command executed is forgotten."""

from collections.abc import Iterator
from typing import Any

import pytest

from timonier.api.crd import crds
from timonier.webhooks.permissions import REVIEWED, Permission, needs

IMAGE = {"repository": "registry.example/web", "tag": "1"}
HOOK = {"name": "one", "exec": {"command": ["true"]}}


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
        (
            {"network": {"ingress": {"host": "a", "tlsSecretName": "t"}}},
            ["create ingresses.networking.k8s.io", "get secrets t"],
        ),
        ({"backup": {"storeRef": {"name": "s"}}}, ["use backupstores.timonier.dev s"]),
        ({"backup": {"hooks": {"post": [HOOK]}}}, ["create pods/exec"]),
        ({"backup": {"command": {"dump": ["x"], "load": ["y"]}}}, ["create pods/exec"]),
        ({"upgrade": {"verify": [HOOK]}}, ["create pods/exec"]),
        ({"upgrade": {"migrations": [{"name": "a", "command": ["x"]}]}}, []),
        ({"recovery": {"probes": [{"name": "a", "command": ["x"]}]}}, ["create pods/exec"]),
    ],
)
def test_an_application_takes_what_its_pods_take_and_more(spec: dict[str, Any], wanted: list[str]) -> None:
    spec = {**spec, "workload": {"image": IMAGE, **spec.get("workload", {})}}
    assert asked("Application", written(spec)) == sorted(["create pods", *wanted])


def test_numbers_and_metadata_take_nothing_but_a_change_of_anything_else_takes_it_all() -> None:
    spec = {"workload": {"image": IMAGE, "serviceAccountName": "x"}}
    before = written(spec)
    assert asked("Application", written(spec, labels={"a": "b"}, finalizers=[]), before) == []
    assert asked("Application", written({**spec, "scaling": {"replicas": 9}, "suspend": True}), before) == []
    assert len(asked("Application", written({**spec, "config": {"env": {"A": "b"}}}), before)) == 2


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"from": {"backupRef": {"name": "b"}}, "to": {"inPlace": {"application": "web"}}},
         ["read-data backups.timonier.dev b", "restore applications.timonier.dev web"]),
        ({"from": {"latest": {"application": "a"}}, "to": {"inPlace": {"application": "web"}}, "verify": [HOOK]},
         ["create pods/exec", "read-data backups.timonier.dev", "restore applications.timonier.dev web"]),
        ({"from": {"external": {"storeRef": {"name": "s"}, "run": "r"}}, "to": {"claim": {"name": "c"}}},
         ["create pods", "read-data backups.timonier.dev", "use backupstores.timonier.dev s"]),
        ({"from": {"backupRef": {"name": "b"}}, "to": {"newApplication": {"name": "n"}}},
         ["create applications.timonier.dev", "create pods", "read-data backups.timonier.dev b"]),
    ],
)  # fmt: skip
def test_a_restore_takes_reading_the_backup_and_what_its_place_takes(spec: dict[str, Any], wanted: list[str]) -> None:
    assert asked("Restore", written(spec)) == sorted(wanted)
    assert asked("Restore", written({**spec, "cancel": True}), written(spec)) == []


def test_backups_stores_and_upgrades() -> None:
    backup = written({"targetRef": {"name": "web"}, "storeRef": {"name": "s", "namespace": "platform"}})
    assert asked("Backup", backup) == ["use backupstores.timonier.dev s"]
    assert asked("Backup", written({"targetRef": {"name": "web"}})) == []
    secret = {"encryption": {"passwordSecretRef": {"name": "p", "key": "k"}}}
    assert asked("BackupStore", written({**secret, "pvc": {"claimName": "c"}})) == ["create pods", "get secrets p"]
    assert asked("BackupStore", written(secret, labels={"a": "b"}), written(secret)) == []
    upgrade = written({"targetRef": {"name": "web"}})
    approve = ["approve upgrades.timonier.dev web"]
    assert asked("Upgrade", upgrade) == []
    assert asked("Upgrade", written({**upgrade["spec"], "cancel": True}), upgrade) == approve
    for name in ("approve", "rollback"):
        assert asked("Upgrade", written(upgrade["spec"], annotations={f"timonier.dev/{name}": "true"}), upgrade) == (
            approve
        )
    assert asked("Upgrade", written(upgrade["spec"], annotations={"team": "a"}), upgrade) == []


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
