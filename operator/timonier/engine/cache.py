"""The object cache: the last known state of every object that we watch, small enough for tens of thousands of them.

An object is kept as compressed JSON, without the bookkeeping of other field managers, and is decoded at each read: a
decoded manifest takes ten times the room, and most of them are not looked at for hours.
"""

import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from timonier.api.resources import Resource
from timonier.engine.contract import Change, Manifest, Request

__all__ = ["Cache", "controller_of"]

# The managers whose field ownership we ask about all begin like this; see engine/difference.py.
_OUR_MANAGERS: Final = "timonier"


@dataclass(frozen=True, slots=True)
class _Entry:
    version: int
    uid: str
    generation: int
    owner_uid: str | None
    owner: tuple[Resource, Request] | None
    application: str | None
    data: bytes


class Cache:
    """Objects by resource, namespace and name; by the uid of the object that controls them; and by Application.

    `application_of` tells the name of the Application that an object belongs to or is about, or None.
    """

    def __init__(self, *, primaries: Collection[Resource], application_of: Callable[[Manifest], str | None]) -> None:
        self._primaries = primaries
        self._application_of = application_of
        self._entries: dict[Resource, dict[Request, _Entry]] = {}
        self._children: dict[str, set[tuple[Resource, Request]]] = {}
        self._about: dict[tuple[Resource, Request], set[Request]] = {}
        self._seen: dict[Resource, int] = {}
        self._watched: dict[Resource, str] = {}

    def watches(self, resource: Resource, label: str = "") -> None:
        """From now on objects of that resource are watched; with a `label`, those that have it."""
        self._watched[resource] = label

    def observe(self, resource: Resource, manifest: Manifest) -> Change | None:
        """Take in the state that a watch reported. None when it is not news: older than, or equal to, what we have."""
        version = int(manifest["metadata"]["resourceVersion"])
        self._seen[resource] = max(version, self._seen.get(resource, 0))
        return self._store(resource, manifest, version)

    def written(self, resource: Resource, manifest: Manifest) -> Change | None:
        """Take in the answer to our own write, so that the next reconcile sees it before the watch tells.

        None when it is no news. The watch's echo of it will be none.

        Where the watch has passed that version already and knows no such object, it has been deleted since: then
        the answer is old news and must not bring it back. What is not watched stays out: nobody would tell of its end.
        """
        label = self._watched.get(resource)
        if label is None or (label and label not in manifest["metadata"].get("labels", {})):
            return None
        version = int(manifest["metadata"]["resourceVersion"])
        key = _key(manifest)
        if key in self._entries.get(resource, {}) or version > self._seen.get(resource, 0):
            return self._store(resource, manifest, version)
        return None

    def forget(self, resource: Resource, manifest: Manifest) -> Change | None:
        """An object is gone. None when we did not know it, or know a later one of the same name."""
        version = int(manifest["metadata"]["resourceVersion"])
        self._seen[resource] = max(version, self._seen.get(resource, 0))
        key = _key(manifest)
        entry = self._entries.get(resource, {}).get(key)
        if entry is None or (entry.uid != manifest["metadata"]["uid"] and entry.version > version):
            return None
        return self._remove(resource, key, entry)

    def retain(self, resource: Resource, listed: Mapping[Request, int], as_of: int) -> list[Change]:
        """Drop what a complete list, taken at version `as_of`, no longer holds: deletions that no watch told."""
        entries = self._entries.get(resource, {})
        gone = [(key, entry) for key, entry in entries.items() if key not in listed and entry.version <= as_of]
        return [self._remove(resource, key, entry) for key, entry in gone]

    def behind(self, resource: Resource, listed: Mapping[Request, int]) -> int:
        """How many objects of a complete list (key to resourceVersion) are missing here, or known in an older state."""
        entries = self._entries.get(resource, {})
        return sum(1 for key, version in listed.items() if key not in entries or entries[key].version < version)

    def get(self, resource: Resource, request: Request) -> Manifest | None:
        """One object, or None."""
        entry = self._entries.get(resource, {}).get(request)
        return None if entry is None else _decode(entry.data)

    def owned(self, uid: str) -> Iterator[tuple[Resource, Manifest]]:
        """The objects whose controller is the object of that uid, in a stable order."""
        for resource, key in sorted(self._children.get(uid, ())):
            yield resource, _decode(self._entries[resource][key].data)

    def about(self, resource: Resource, application: Request) -> Iterator[Manifest]:
        """The objects of a resource that belong to that Application, or are about it, in a stable order."""
        for key in sorted(self._about.get((resource, application), ())):
            yield _decode(self._entries[resource][key].data)

    def all(self, resource: Resource, namespace: str | None = None) -> Iterator[Manifest]:
        """Every known object of a resource, or of one namespace, in a stable order."""
        for key, entry in sorted(self._entries.get(resource, {}).items()):
            if namespace is None or key.namespace == namespace:
                yield _decode(entry.data)

    def find(self, uid: str, resources: Collection[Resource]) -> Request | None:
        """The key of the object of one of these resources that has that uid."""
        for resource in resources:
            for key, entry in self._entries.get(resource, {}).items():
                if entry.uid == uid:
                    return key
        return None

    def keys(self, resource: Resource) -> tuple[Request, ...]:
        """The keys of all objects of a resource."""
        return tuple(self._entries.get(resource, ()))

    def count(self, resource: Resource) -> int:
        """How many objects of a resource are known."""
        return len(self._entries.get(resource, ()))

    def _store(self, resource: Resource, manifest: Manifest, version: int) -> Change | None:
        entries = self._entries.setdefault(resource, {})
        metadata = manifest["metadata"]
        key = _key(manifest)
        known = entries.get(key)
        if known is not None and known.version >= version:
            return None
        owner_uid, owner = controller_of(manifest, self._primaries)
        entry = _Entry(
            version=version,
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            owner_uid=owner_uid,
            owner=owner,
            application=self._application_of(manifest),
            data=_encode(manifest),
        )
        if known is not None:
            self._forget_relations(resource, key, known)
        entries[key] = entry
        if owner_uid is not None:
            self._children.setdefault(owner_uid, set()).add((resource, key))
        if entry.application is not None:
            self._about.setdefault((resource, Request(key.namespace, entry.application)), set()).add(key)
        return _change(resource, key, entry, urgent=_is_urgent(known, entry))

    def _remove(self, resource: Resource, key: Request, entry: _Entry) -> Change:
        del self._entries[resource][key]
        self._forget_relations(resource, key, entry)
        return _change(resource, key, entry, urgent=True)

    def _forget_relations(self, resource: Resource, key: Request, entry: _Entry) -> None:
        if entry.owner_uid is not None:
            _discard(self._children, entry.owner_uid, (resource, key))
        if entry.application is not None:
            _discard(self._about, (resource, Request(key.namespace, entry.application)), key)


K = TypeVar("K")
V = TypeVar("V")


def _discard(index: dict[K, set[V]], at: K, value: V) -> None:
    values = index.get(at, set())
    values.discard(value)
    if not values:
        index.pop(at, None)


def _change(resource: Resource, key: Request, entry: _Entry, *, urgent: bool) -> Change:
    return Change(resource, key, urgent, entry.owner, entry.application)


def controller_of(
    manifest: Manifest, primaries: Collection[Resource]
) -> tuple[str | None, tuple[Resource, Request] | None]:
    """The uid, kind and key of the controller, when it is of one of the kinds `primaries`."""
    metadata = manifest["metadata"]
    for reference in metadata.get("ownerReferences", ()):
        if not reference.get("controller"):
            continue
        group = reference["apiVersion"].rpartition("/")[0]
        for resource in primaries:
            if reference["kind"] == resource.kind and group == resource.group:
                return reference["uid"], (resource, Request(metadata.get("namespace", ""), reference["name"]))
    return None, None


def _is_urgent(known: _Entry | None, entry: _Entry) -> bool:
    # Objects without a generation (ConfigMap, Service …) have no status that changes by itself, bar load balancers.
    return known is None or entry.generation == 0 or known.generation != entry.generation or known.uid != entry.uid


def _key(manifest: Manifest) -> Request:
    metadata = manifest["metadata"]
    return Request(metadata.get("namespace", ""), metadata["name"])


def _encode(manifest: Manifest) -> bytes:
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
    ours = [
        entry
        for entry in manifest["metadata"].get("managedFields", ())
        if entry.get("manager", "").startswith(_OUR_MANAGERS)
    ]
    if ours:
        metadata["managedFields"] = ours
    return zlib.compress(json.dumps({**manifest, "metadata": metadata}, separators=(",", ":")).encode(), 1)


def _decode(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(zlib.decompress(data))
    return value
