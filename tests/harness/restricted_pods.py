"""Pods that the namespaces of the tests admit: Pod Security level restricted."""

from typing import Any, Final

from harness.kube import Manifest

__all__ = ["restricted_pod", "restricted_spec"]

_CONTAINER: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_POD: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def restricted_spec(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The spec of a pod whose containers may do as little as any."""
    return {
        "securityContext": _POD,
        "containers": [{"securityContext": _CONTAINER, **each} for each in containers],
        **spec,
    }


def restricted_pod(
    namespace: str, name: str, container: dict[str, Any], labels: dict[str, str], **spec: Any
) -> Manifest:
    """Such a pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": restricted_spec(container, **spec),
    }
