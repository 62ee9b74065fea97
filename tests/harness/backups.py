"""Stores, backups and restores for tests: their manifests, and how they end."""

import json
from collections.abc import Callable
from typing import Any

from harness.kube import Kube, Manifest
from harness.stores import Server
from timonier.api.resources import BACKUP_STORES, BACKUPS, Resource

__all__ = ["PASSWORD", "backup", "condition", "restore", "server_store", "volume_store", "wait_over", "wait_store"]

PASSWORD = "a long way to Tipperary"


def _secret(namespace: str, name: str, **entries: str) -> Manifest:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}


def _store(namespace: str, name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "timonier.dev/v1",
        "kind": "BackupStore",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"encryption": {"passwordSecretRef": {"name": f"{name}-password"}}, **spec},
    }


def server_store(
    namespace: str, server: Server, name: str = "offsite", *, password: str = PASSWORD, **spec: Any
) -> list[Manifest]:
    """A store on a server beside the cluster, and what it refers to."""
    manifests = [_secret(namespace, f"{name}-password", password=password)]
    where: dict[str, Any] = {}
    if server.authority:
        data = {"ca.crt": server.authority.read_text()}
        metadata = {"namespace": namespace, "name": f"{name}-authority"}
        manifests.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
        where["caBundleRef"] = {"name": f"{name}-authority"}
    if server.user:
        names = ("accessKeyId", "secretAccessKey") if server.kind == "s3" else ("username", "password")
        entries = dict(zip(names, (server.user, server.password), strict=True))
        manifests.append(_secret(namespace, f"{name}-keys", **entries))
        where["credentialsSecretRef"] = {"name": f"{name}-keys"}
    if server.kind == "s3":
        server.repository(name)  # makes the bucket
        place = {"s3": {"endpoint": server.url, "bucket": "backups", "prefix": name, **where}}
    else:
        place = {"rest": {"url": f"{server.url}/{name}", **where}}
    return [*manifests, _store(namespace, name, **place, **spec)]


def volume_store(namespace: str, name: str = "shelf", **spec: Any) -> list[Manifest]:
    """A store on a volume, with its claim and its password."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    password = _secret(namespace, f"{name}-password", password=PASSWORD)
    return [claim, password, _store(namespace, name, pvc={"claimName": name, "subPath": "backups"}, **spec)]


def backup(namespace: str, application: str, name: str = "first", store: str = "offsite", **spec: Any) -> Manifest:
    """A backup on demand."""
    return {
        "apiVersion": "timonier.dev/v1",
        "kind": "Backup",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"targetRef": {"name": application}, "storeRef": {"name": store}, **spec},
    }


def restore(namespace: str, application: str, backup: str = "first", name: str = "back", **spec: Any) -> Manifest:
    """A restore of a backup over an application's present data."""
    place = {"inPlace": {"application": application, "confirm": application}}
    return {
        "apiVersion": "timonier.dev/v1",
        "kind": "Restore",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"from": {"backupRef": {"name": backup}}, "to": place, **spec},
    }


def condition(manifest: Manifest | None, type_: str) -> Manifest:
    """One condition of an object; empty when it is not there."""
    conditions = (manifest or {}).get("status", {}).get("conditions", ())
    return next((found for found in conditions if found["type"] == type_), {})


def wait_store(
    kube: Kube, namespace: str, name: str = "offsite", *, status: str = "True", reason: str = "", seconds: float = 60
) -> Manifest:
    """Wait until the store's Ready is so."""

    def reached() -> Manifest | None:
        found = kube.get(BACKUP_STORES, namespace, name)
        ready = condition(found, "Ready")
        return found if ready.get("status") == status and ready.get("reason", "").startswith(reason) else None

    return _waited(kube, BACKUP_STORES, namespace, name, f"is Ready={status} {reason}", reached, seconds)


def wait_over(
    kube: Kube,
    namespace: str,
    name: str,
    *,
    resource: Resource = BACKUPS,
    phase: str = "Succeeded",
    seconds: float = 90,
) -> Manifest:
    """Wait until a run is over, and see that it ended in that phase."""

    def reached() -> Manifest | None:
        found = kube.get(resource, namespace, name)
        over = (found or {}).get("status", {}).get("phase") in ("Succeeded", "Failed", "Cancelled")
        return found if over else None

    found = _waited(kube, resource, namespace, name, "is over", reached, seconds)
    assert found["status"]["phase"] == phase, found["status"]
    return found


def _waited(
    kube: Kube,
    resource: Resource,
    namespace: str,
    name: str,
    what: str,
    reached: Callable[[], Manifest | None],
    seconds: float,
) -> Manifest:
    try:
        found = kube.wait(f"{resource.kind} {name} {what}", reached, seconds, 0.2)
    except AssertionError as error:
        status = (kube.get(resource, namespace, name) or {}).get("status")
        raise AssertionError(f"{error}; its status: {json.dumps(status, indent=1)}") from None
    assert found is not None
    return found
