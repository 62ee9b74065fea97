"""What a run says of those that it makes, that they are its own, and what has become of them. Pure."""

from collections.abc import Mapping
from typing import Any

from timonier.api.conditions import condition_of
from timonier.api.references import made_for
from timonier.api.resources import Resource
from timonier.engine.contract import Manifest
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason

__all__ = ["made", "owned_by"]


def owned_by(owner: Manifest, resource: Resource) -> list[dict[str, Any]]:
    """The owner references of what goes with an object, which is its controller.

    >>> owned_by({"metadata": {"name": "first", "uid": "u"}}, Resource("g", "v1", "runs", "Run"))[0]["controller"]
    True
    """
    return [
        {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]


def made(
    run: Manifest | None, maker: str, resource: Resource, failed: Reason, what: str, *, again: float | None = None
) -> Outcome | Progress | None:
    """What has become of a run that another one made; None when it is not there.

    `maker` is the uid of that other one: a run of the same name that somebody else made is none of its. `failed` and
    `what`, such as "the data could not be backed up", say what its failure means; `again` is as for Progress.
    """
    if run is None:
        return None
    if made_for(run) != maker:
        return Outcome(failed, f"a {resource.kind} {run['metadata']['name']} exists already, and is another's")
    status: Mapping[str, Any] = run.get("status", {})
    said = condition_of(status, "Succeeded") or {"message": "it has not begun"}
    if status.get("phase") in ("Failed", "Cancelled"):
        return Outcome(failed, f"{what}: {said['message']}")
    return Outcome() if status.get("phase") == "Succeeded" else Progress(said["message"], again)
