"""Applications as a user writes them."""

from typing import Any

from harness.kube import Manifest
from timonier.api.resources import APPLICATIONS

__all__ = ["PORTS", "application"]

PORTS = {"ports": [{"name": "http", "containerPort": 8080}]}


def application(namespace: str, name: str = "web", **spec: Any) -> Manifest:
    """An Application as a user writes it; keyword arguments go into the spec, `workload` merged over the image."""
    workload = {"image": {"repository": "registry.example/web", "tag": "1.0"}} | spec.pop("workload", {})
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"workload": workload, **spec},
    }
