"""What every child of an Application shares: names, labels, ownership, and the exact form in which it is applied."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.references import APPLICATION_LABEL
from timonier.api.resources import DEPLOYMENTS, STATEFUL_SETS, Resource
from timonier.engine.contract import Manifest

__all__ = [
    "ADOPTED_ANNOTATION",
    "APPLICATION_LABEL",
    "HASH_ANNOTATION",
    "MANAGER",
    "REPLICAS_ANNOTATION",
    "REVISION_ANNOTATION",
    "child",
    "claim_name",
    "config_name",
    "controller",
    "fingerprint",
    "headless_name",
    "is_controlled",
    "labels",
    "manifest_of",
    "next_name",
    "owner_reference",
    "selector_labels",
    "workload_resource",
]

ADOPTED_ANNOTATION: Final = "timonier.dev/adopted"
HASH_ANNOTATION: Final = "timonier.dev/config-hash"
REPLICAS_ANNOTATION: Final = "timonier.dev/replicas"
"""On a workload whose pods are all stopped: how many the autoscaler had asked for."""
REVISION_ANNOTATION: Final = "timonier.dev/revision"
"""On a workload: the revision that it states. On pods: the same, from the second one on, which tells them apart."""
MANAGER: Final = "timonier"

# Empty values that say something: "any pod", "any namespace", "a plain scratch volume".
_MEANINGFUL_WHEN_EMPTY: Final = frozenset({"emptyDir", "podSelector", "namespaceSelector"})
# Fields that the API server leaves out of the stored object when they are false, zero or empty.
_DROPPED_WHEN_ZERO: Final = frozenset({"readOnly", "initialDelaySeconds", "value"})


# Maps whose keys are a person's words, not the names of fields.
_VERBATIM: Final = frozenset({"annotations", "labels", "matchLabels", "nodeSelector"})


def selector_labels(application: Application) -> dict[str, str]:
    """The labels that select the application's pods. They can never change, so there is only one."""
    return {APPLICATION_LABEL: application.metadata.name}


def labels(application: Application) -> dict[str, str]:
    """The labels of every child. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels"""
    name = application.metadata.name
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "timonier",
        **selector_labels(application),
    }


def workload_resource(application: Application) -> Resource:
    """The resource of the workload: Deployments or StatefulSets."""
    return STATEFUL_SETS if application.spec.workload.kind == "StatefulSet" else DEPLOYMENTS


def headless_name(application: Application) -> str:
    """The Service that gives the pods of a StatefulSet their names."""
    return f"{application.metadata.name}-headless"


def config_name(application: Application, workload: str | None = None) -> str:
    """The ConfigMap that carries spec.config for a workload; for the Application's own if unset."""
    return f"{workload or application.metadata.name}-config"


def next_name(application: str) -> str:
    """The workload, and the Service, that an Upgrade tries beside the Application's own.

    >>> next_name("web")
    'web-next'
    """
    return f"{application}-next"


def claim_name(application: Application, storage: str) -> str:
    """The claim of one storage entry of a Deployment."""
    return f"{application.metadata.name}-{storage}"


def owner_reference(application: Application) -> dict[str, Any]:
    """The reference by which garbage collection removes a child together with its Application.

    It leaves `blockOwnerDeletion` out: nothing waits for the children, and where the admission plugin
    OwnerReferencesPermissionEnforcement is on, setting it needs `update` on the Application's finalizers.
    """
    return {
        "apiVersion": application.api_version,
        "kind": application.kind,
        "name": application.metadata.name,
        "uid": application.metadata.uid,
        "controller": True,
    }


def controller(manifest: Manifest) -> Mapping[str, Any] | None:
    """The owner reference of the object's controller, when it has one."""
    owners: list[Mapping[str, Any]] = manifest["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def is_controlled(manifest: Manifest, application: Application) -> bool:
    """Whether exactly this Application is the object's controller."""
    owner = controller(manifest)
    return owner is not None and owner.get("uid") == application.metadata.uid


def child(
    application: Application,
    resource: Resource,
    name: str,
    body: Mapping[str, Any],
    *,
    annotations: Mapping[str, str] | None = None,
    owned: bool = True,
) -> dict[str, Any]:
    """A child as it is applied: labelled, owned unless told otherwise, without nulls and empty values."""
    metadata = {
        "namespace": application.metadata.namespace,
        "name": name,
        "labels": labels(application),
        "annotations": dict(annotations or {}),
        "ownerReferences": [owner_reference(application)] if owned else [],
    }
    return manifest_of({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **body})


def manifest_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without what the API server would not store: nulls, empty lists and maps, zeros that mean unset."""
    data = values.get("data") if values.get("kind") == "ConfigMap" else None
    result: dict[str, Any] = _pruned(values)
    return result | ({"data": dict(data)} if data else {})


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {}
        for name, below in value.items():
            pruned = dict(below) if name in _VERBATIM and below else _pruned(below)
            empty = pruned is None or pruned in ({}, []) or (name in _DROPPED_WHEN_ZERO and not pruned)
            if not empty or (name in _MEANINGFUL_WHEN_EMPTY and pruned == {}):
                kept[name] = pruned
        return kept
    if isinstance(value, list | tuple):
        return [_pruned(item) for item in value]
    return value


def fingerprint(value: Any) -> str:
    """A short stable hash of JSON values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
