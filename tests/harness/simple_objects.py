"""Applications and Backups in v1alpha1, the simple form, as a user writes them; and when the API server converts."""

from typing import Any

from harness.kube import CRDS, Kube, Manifest, RefusedError
from timonier.api.resources import APPLICATIONS, BACKUPS, GROUP, Resource

__all__ = [
    "BACKUP_DEFINITION",
    "DEFINITION",
    "SIMPLE",
    "SIMPLE_BACKUP",
    "apply",
    "definition",
    "simple",
    "simple_backup",
    "wait_for_conversion",
]

SIMPLE = Resource(GROUP, "v1alpha1", "applications", "Application")
SIMPLE_BACKUP = Resource(GROUP, "v1alpha1", "backups", "Backup")
DEFINITION = f"{APPLICATIONS.plural}.{GROUP}"
BACKUP_DEFINITION = f"{BACKUPS.plural}.{GROUP}"


def simple(namespace: str, name: str = "web", **spec: Any) -> Manifest:
    """An Application in the simple form; keyword arguments go into the spec."""
    return {
        "apiVersion": SIMPLE.api_version,
        "kind": SIMPLE.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"image": "registry.example/web:1.0", **spec},
    }


def simple_backup(namespace: str, name: str = "first", **spec: Any) -> Manifest:
    """A Backup of the Application `web` in the simple form; keyword arguments go into the spec."""
    return {
        "apiVersion": SIMPLE_BACKUP.api_version,
        "kind": SIMPLE_BACKUP.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"application": "web", **spec},
    }


def apply(kube: Kube, manifest: Manifest, manager: str = "tests") -> Manifest:
    """Server-side apply in the simple form."""
    resource = SIMPLE if manifest["kind"] == SIMPLE.kind else SIMPLE_BACKUP
    path = resource.url(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
    return kube.request("PATCH", path, manifest, "application/apply-patch+yaml", fieldManager=manager, force="true")


def definition(kube: Kube, name: str = DEFINITION) -> Manifest:
    """The CustomResourceDefinition as it is installed now."""
    found = kube.get(CRDS, None, name)
    assert found is not None
    return found


def wait_for_conversion(kube: Kube, namespace: str) -> None:
    """Until the API server has taken up whom to trust, and a replica answers: a replica that is ready is not enough."""

    def converts() -> bool:
        try:
            kube.request("POST", SIMPLE.url(namespace), simple(namespace, "never-made"), dryRun="All")
            kube.request("POST", SIMPLE_BACKUP.url(namespace), simple_backup(namespace, "never-made"), dryRun="All")
        except RefusedError:
            return False
        return True

    kube.wait("the API server converts", converts)
