"""Applications in v1alpha1, the simple form, as a user writes them; and when the API server can convert them."""

from typing import Any

from harness.kube import CRDS, Kube, Manifest, RefusedError
from timonier.api.resources import APPLICATIONS, GROUP, Resource

__all__ = ["DEFINITION", "SIMPLE", "apply", "definition", "simple", "wait_for_conversion"]

SIMPLE = Resource(GROUP, "v1alpha1", "applications", "Application")
DEFINITION = f"{APPLICATIONS.plural}.{GROUP}"


def simple(namespace: str, name: str = "web", **spec: Any) -> Manifest:
    """An Application in the simple form; keyword arguments go into the spec."""
    return {
        "apiVersion": SIMPLE.api_version,
        "kind": SIMPLE.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"image": "registry.example/web:1.0", **spec},
    }


def apply(kube: Kube, manifest: Manifest, manager: str = "tests") -> Manifest:
    """Server-side apply in the simple form."""
    path = SIMPLE.url(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
    return kube.request("PATCH", path, manifest, "application/apply-patch+yaml", fieldManager=manager, force="true")


def definition(kube: Kube) -> Manifest:
    """The CustomResourceDefinition as it is installed now."""
    found = kube.get(CRDS, None, DEFINITION)
    assert found is not None
    return found


def wait_for_conversion(kube: Kube, namespace: str) -> None:
    """Until the API server has taken up whom to trust, and a replica answers: a replica that is ready is not enough."""

    def converts() -> bool:
        try:
            kube.request("POST", SIMPLE.url(namespace), simple(namespace, "never-made"), dryRun="All")
        except RefusedError:
            return False
        return True

    kube.wait("the API server converts", converts)
