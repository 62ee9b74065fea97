"""Which volumes of an application a mover needs, and on which node it can have them: pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from timonier.api.application import Application
from timonier.applications.children import claim_name
from timonier.engine.contract import Manifest
from timonier.runs.mover import ClaimMount
from timonier.runs.outcome import has_ended
from timonier.runs.reasons import Reason, Words

__all__ = ["DATA_FOLDER", "mounts", "name_of", "node_of", "pods_in_the_way"]

DATA_FOLDER: Final = "/data"
"""Below it, a mover finds each volume by its name."""

_ON_ONE_NODE: Final = "ReadWriteOnce"
_IN_ONE_POD: Final = "ReadWriteOncePod"


def mounts(
    application: Application, claims: Sequence[Manifest], *, read_only: bool, unused: bool = False
) -> tuple[ClaimMount, ...]:
    """The application's volumes that exist, as a mover gets them, in a stable order.

    `claims` are those that belong to the Application; `unused`: also those that wait for their first pod. The volume of
    a Deployment is at /data/STORAGE, those of a StatefulSet's pods are at /data/STORAGE-0, /data/STORAGE-1 and so on.
    """
    existing = {claim["metadata"]["name"]: claim for claim in claims}
    return tuple(
        ClaimMount(name, f"{DATA_FOLDER}/{place}", read_only)
        for name, place in sorted(_places(application, existing))
        if unused or existing[name].get("status", {}).get("phase") == "Bound"
    )


def name_of(path: str) -> str:
    """The name of the volume at that place.

    >>> name_of("/data/data-0")
    'data-0'
    """
    return path.removeprefix(f"{DATA_FOLDER}/")


def node_of(claims: Sequence[Manifest], pods: Sequence[Manifest]) -> str | Words | None:
    """The node where a pod could have all these volumes beside the application's own pods; None when any will do.

    `pods` are those that may use the claims. Words say why there is no such node.
    """
    modes = {claim["metadata"]["name"]: _modes(claim) for claim in claims}
    nodes: dict[str, str] = {}
    for pod in pods_in_the_way(pods):
        for name in _claims_of(pod):
            if _IN_ONE_POD in modes.get(name, ()):
                return Reason.VOLUME_NOT_REACHABLE, (
                    f"the volume {name} has accessMode ReadWriteOncePod, and the pod {pod['metadata']['name']} has it: "
                    "use method Command, or suspend the application meanwhile"
                )
            if modes.get(name) == (_ON_ONE_NODE,):
                nodes[name] = pod["spec"]["nodeName"]
    if len(set(nodes.values())) > 1:
        where = ", ".join(f"{name} on {node}" for name, node in sorted(nodes.items()))
        return Reason.VOLUME_NOT_REACHABLE, (
            f"no pod could have all volumes at once: {where}; use method Command, or accessMode ReadWriteMany"
        )
    return next(iter(nodes.values()), None)


def pods_in_the_way(pods: Sequence[Manifest]) -> list[Manifest]:
    """The pods that have their volumes attached to a node."""
    return [pod for pod in pods if pod["spec"].get("nodeName") and not has_ended(pod)]


def _places(application: Application, existing: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for storage in application.spec.workload.storage:
        if application.spec.workload.kind == "Deployment":
            name = claim_name(application, storage.name)
            if name in existing:
                yield name, storage.name
            continue
        of_pods = re.compile(rf"{re.escape(storage.name)}-{re.escape(application.metadata.name)}-([0-9]+)")
        for name in existing:
            if match := of_pods.fullmatch(name):
                yield name, f"{storage.name}-{match[1]}"


def _modes(claim: Manifest) -> tuple[str, ...]:
    return tuple(claim["spec"].get("accessModes", ()))


def _claims_of(pod: Manifest) -> Iterator[str]:
    for volume in pod["spec"].get("volumes", ()):
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]
