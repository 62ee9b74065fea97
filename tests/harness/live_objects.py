"""Objects as an API server would hand them back after an apply, for tests of pure decisions.

Lists are owned as a whole here, which a real API server does only for atomic ones: whether ours and its idea of
ownership agree is proven on a real one, in tests/cluster/test_admission_by_schema.py.
"""

import copy
from collections.abc import Mapping
from typing import Any

from timonier.applications.children import MANAGER

__all__ = ["live", "owned_set"]

Manifest = dict[str, Any]


def owned_set(content: Mapping[str, Any]) -> dict[str, Any]:
    """The field set of a manifest's content, without what addresses an object."""
    addressing = ("apiVersion", "kind", "name", "namespace")
    return {
        f"f:{name}": owned_set(value) if isinstance(value, Mapping) else {}
        for name, value in content.items()
        if name not in addressing or not isinstance(value, str)
    }


def live(manifest: Mapping[str, Any], *, manager: str = MANAGER, uid: str = "", **fields: Any) -> Manifest:
    """The object after `manager` applied `manifest` to nothing. `fields` are others', such as a status."""
    stored: Manifest = copy.deepcopy(dict(manifest)) | fields
    kind, name = stored["kind"], stored["metadata"]["name"]
    stored["metadata"] |= {
        "uid": uid or f"uid of {kind} {name}",
        "generation": 1,
        "managedFields": [{"manager": manager, "operation": "Apply", "fieldsV1": owned_set(manifest)}],
    }
    return stored
