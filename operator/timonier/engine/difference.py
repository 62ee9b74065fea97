"""Whether applying a manifest would change the live object: the question that keeps a steady state free of writes.

Server-side apply changes an object in three cases, and all three can be read from the live object alone, so that
nothing has to be remembered between reconciles:

1. a field that we state has another value;
2. a field that we state is not owned by us: somebody else wrote it, or a part of an atomic list or map around it;
3. a field that we own is no longer stated: it is to be removed. Inside of a list or map that is owned as a whole, that
   is every field that the API server did not fill in by itself.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from timonier.engine.contract import Manifest

__all__ = ["differs", "owned_fields"]

# What the API server fills in inside of lists and maps that are owned as a whole: a template of a volume claim, a
# reference to a field of the pod or its resources, a projected token.
_FILLED_IN: Final[Mapping[str, Any]] = {
    "apiVersion": "v1",
    "divisor": "0",
    "expirationSeconds": 3600,
    "volumeMode": "Filesystem",
}


def differs(desired: Manifest, live: Manifest, manager: str, subresource: str = "") -> bool:
    """True when server-side apply of `desired` by `manager`, to the object or a subresource, would change `live`."""
    content = _content(desired)
    owned = owned_fields(live, manager, subresource)
    return (
        not _contains(content, live)
        or not _covers(owned, content)
        or _states_less(owned, content)
        or _leaves_over(owned, content, live)
    )


def owned_fields(live: Manifest, manager: str, subresource: str = "") -> Mapping[str, Any]:
    """The `fieldsV1` set that `manager` owns by server-side apply; empty when it owns nothing."""
    for entry in live["metadata"].get("managedFields", ()):
        applied = entry.get("operation") == "Apply" and entry.get("subresource", "") == subresource
        if applied and entry.get("manager") == manager:
            fields: Mapping[str, Any] = entry.get("fieldsV1", {})
            return fields
    return {}


def _content(manifest: Manifest) -> dict[str, Any]:
    """The manifest without the fields that address the object: those are nobody's to own."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in ("name", "namespace")}
    content = {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind", "metadata")}
    return content | ({"metadata": metadata} if metadata else {})


def _contains(desired: Any, live: Any) -> bool:
    """Every field that `desired` states has that value in `live`; what only `live` has is somebody else's."""
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(_contains(value, live.get(name)) for name, value in desired.items())
    if isinstance(desired, list | tuple):
        return isinstance(live, list) and _contains_items(desired, live)
    return bool(desired == live)


def _contains_items(desired: Sequence[Any], live: Sequence[Any]) -> bool:
    # Others may own items of a keyed list between ours: ours must all be there, in our order, found by content.
    rest = iter(live)
    return all(any(_contains(item, candidate) for candidate in rest) for item in desired)


def _covers(owned: Mapping[str, Any], desired: Any) -> bool:
    """True when every field that `desired` states is in the field set `owned`.

    A field set is a tree whose keys are `f:` a field name, `k:` the key of a list item, `v:` a value of a set, and
    `.` the node itself; a node without children is owned whole. Source: sigs.k8s.io/structured-merge-diff, fieldpath.
    """
    if isinstance(desired, Mapping):
        pairs: Iterator[tuple[str | None, Any]] = ((f"f:{name}", value) for name, value in desired.items())
    else:
        pairs = ((_item_path(owned, item), item) for item in desired)
    for path, value in pairs:
        if path is None or path not in owned:
            return False
        below = owned[path]
        if below and isinstance(value, Mapping | list | tuple) and not _covers(below, value):
            return False
    return True


def _item_path(owned: Mapping[str, Any], item: Any) -> str | None:
    """The path of the set `owned` that leads to a list item."""
    for path in owned:
        if path != "." and _leads_to(path, item):
            return path
    return None


def _leads_to(path: str, item: Any) -> bool:
    kind, _, word = path.partition(":")
    if kind == "k" and isinstance(item, Mapping):
        key: dict[str, Any] = json.loads(word)
        return all(item.get(name) == value for name, value in key.items())
    return kind == "v" and bool(json.loads(word) == item)


def _states_less(owned: Mapping[str, Any], desired: Any) -> bool:
    """True when a field of the set `owned` is absent from `desired`."""
    for path, below in owned.items():
        if path == ".":
            continue
        found, value = _step(path, desired)
        if not found or (below and _states_less(below, value)):
            return True
    return False


def _leaves_over(owned: Mapping[str, Any], desired: Any, live: Any) -> bool:
    """True when a node that is owned as a whole has something in `live` that `desired` does not state any more."""
    for path, below in owned.items():
        found, stated = _step(path, desired)
        if not found or not isinstance(stated, Mapping | list | tuple) or not stated:
            continue
        _, kept = _step(path, live)
        if _leaves_over(below, stated, kept) if below else not _is_all(stated, kept):
            return True
    return False


def _is_all(stated: Any, kept: Any) -> bool:
    """True when `kept` has nothing beyond what is stated and what the API server fills in."""
    if isinstance(stated, Mapping) and isinstance(kept, Mapping):
        return all(
            _is_all(stated[name], value) if name in stated else _is_filled_in(name, value)
            for name, value in kept.items()
        )
    if isinstance(stated, list | tuple) and isinstance(kept, list):
        return len(stated) == len(kept) and all(map(_is_all, stated, kept))
    return True


def _is_filled_in(name: str, value: Any) -> bool:
    return value is None or name == "status" or (name in _FILLED_IN and _FILLED_IN[name] == value)


def _step(path: str, desired: Any) -> tuple[bool, Any]:
    if path.startswith("f:") and isinstance(desired, Mapping):
        name = path[2:]
        return name in desired, desired.get(name)
    if isinstance(desired, list | tuple):
        for item in desired:
            if _leads_to(path, item):
                return True, item
    return False, None
