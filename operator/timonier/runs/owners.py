"""What a run says of those that it makes: that they are its own. Pure."""

from typing import Any

from timonier.api.resources import Resource
from timonier.engine.contract import Manifest

__all__ = ["owned_by"]


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
