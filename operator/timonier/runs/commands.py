"""Jobs that run something once for a run, other than the mover on a store: an application's command, a probe. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from timonier.api.references import KEEP_LABEL, RUN_LABEL
from timonier.api.resources import CONFIG_MAPS, JOBS, Resource
from timonier.engine.contract import Manifest
from timonier.runs.mover import MOVER_ID
from timonier.runs.owners import owned_by

__all__ = ["command_job", "config_map", "image_pod", "probe_pod"]

_NO_PROGRAM: Final = "/timonier-looks-whether-the-image-can-be-had"


def command_job(
    owner: Manifest, resource: Resource, name: str, pod: Mapping[str, Any], *, seconds: int, keep: bool = False
) -> dict[str, Any]:
    """The Job of one attempt. `pod` is the spec of its pod, `keep` leaves it there with its run, for its log."""
    # Not the Application's label: its Service would send requests here.
    labels = {
        "app.kubernetes.io/name": "timonier-command",
        "app.kubernetes.io/component": "command",
        "app.kubernetes.io/managed-by": "timonier",
        RUN_LABEL: resource.kind.lower(),
    }
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": _metadata(owner, resource, name) | {"labels": labels | ({KEEP_LABEL: "true"} if keep else {})},
        "spec": {
            "backoffLimit": 0,  # another attempt is the operator's decision, and another Job
            "activeDeadlineSeconds": max(1, seconds),
            "template": {"metadata": {"labels": labels}, "spec": dict(pod)},
        },
    }


def config_map(owner: Manifest, resource: Resource, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """The configuration of a revision that does not run yet, for what is run of it before."""
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": CONFIG_MAPS.kind,
        "metadata": _metadata(owner, resource, name) | {"labels": {"app.kubernetes.io/managed-by": "timonier"}},
        "data": dict(data),
    }


def probe_pod(image: str, instruction: Mapping[str, Any]) -> dict[str, Any]:
    """A pod of the mover's image that asks what probes ask, from where the application is: it may do nothing else."""
    told = json.dumps(instruction, sort_keys=True, separators=(",", ":"))
    container = {
        "name": "probe",
        "image": image,
        "args": ["probe"],
        "env": [{"name": "TIMONIER_TASK", "value": told.replace("$(", "$$(")}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsUser": MOVER_ID,
            "runAsGroup": MOVER_ID,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }


def image_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod of a command, but with a program that no image has: that it cannot start says that its image is there."""
    (container,) = pod["containers"]
    kept = ("name", "image", "imagePullPolicy", "resources", "securityContext")
    bare = {name: container[name] for name in kept if name in container} | {"command": [_NO_PROGRAM]}
    rest = {name: value for name, value in pod.items() if name not in ("containers", "volumes")}
    return {**rest, "automountServiceAccountToken": False, "containers": [bare]}


def _metadata(owner: Manifest, resource: Resource, name: str) -> dict[str, Any]:
    return {
        "namespace": owner["metadata"]["namespace"],
        "name": name,
        "ownerReferences": owned_by(owner, resource),
    }
