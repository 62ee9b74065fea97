"""What nobody may change or delete, whoever asks: the API server can be told to ask us before it asks RBAC. Pure.

- an Application under a change freeze, and a BackupStore under a retention lock: no change, no deletion;
- a Backup in a store under a lock, and the last good one of an Application that is there: no deletion;
- a namespace with an Application or a store of that kind: no deletion.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from timonier.api.moments import moment
from timonier.api.resources import APPLICATIONS, BACKUP_STORES, BACKUPS, GROUP, NAMESPACES, Resource
from timonier.webhooks.reviews import at

__all__ = ["Asked", "Lookup", "asked_for", "why_protected"]

_ENDS: Final = frozenset({"delete", "deletecollection"})
_CHANGES: Final = _ENDS | {"update", "patch"}

Manifest = Mapping[str, Any]
Lookup = Callable[[Resource, str | None], Iterable[Manifest]]
"""The objects of a resource in a namespace, or in all of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do; an empty name, or namespace, means all of them."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str


def asked_for(spec: Manifest) -> Asked | None:
    """From the spec of a SubjectAccessReview; None when it is about no object."""
    found = spec.get("resourceAttributes")
    if not isinstance(found, Mapping):
        return None
    words = (found.get(name) or "" for name in ("verb", "group", "resource", "namespace", "name", "subresource"))
    return Asked(*(word if isinstance(word, str) else "" for word in words))


def why_protected(asked: Asked, lookup: Lookup, now: datetime) -> str | None:
    """Why it is refused, as a sentence; None when there is nothing against it."""
    return next(_reasons(asked, lookup, now), None)


def _reasons(asked: Asked, lookup: Lookup, now: datetime) -> Iterator[str]:
    if (asked.group, asked.resource, asked.subresource) == ("", NAMESPACES.plural, "") and asked.verb in _ENDS:
        namespace = asked.name or asked.namespace or None
        for resource in (APPLICATIONS, BACKUP_STORES):
            yield from filter(None, (_held(resource, each, now) for each in lookup(resource, namespace)))
    if asked.group != GROUP or asked.subresource == "status" or asked.verb not in _CHANGES:
        return
    for resource in (APPLICATIONS, BACKUP_STORES):
        if asked.resource == resource.plural:
            yield from filter(None, (_held(resource, each, now) for each in _meant(asked, lookup, resource)))
    if asked.resource == BACKUPS.plural and asked.verb in _ENDS:
        for each in _meant(asked, lookup, BACKUPS):
            yield from filter(None, (_in_locked_store(each, lookup, now), _is_last(each, lookup)))


def _meant(asked: Asked, lookup: Lookup, resource: Resource) -> Iterator[Manifest]:
    for each in lookup(resource, asked.namespace or None):
        if not asked.name or each["metadata"]["name"] == asked.name:
            yield each


def _held(resource: Resource, manifest: Manifest, now: datetime) -> str | None:
    field = "changeFreeze" if resource == APPLICATIONS else "retentionLock"
    held = at(manifest, "spec", field)
    if not held or not moment(held["until"]) > now:
        return None
    because = f": {held['reason']}" if held.get("reason") else ""
    what = "a change freeze" if resource == APPLICATIONS else "a retention lock"
    return f"{_named(resource, manifest)} is under {what} until {held['until']}{because}"


def _in_locked_store(backup: Manifest, lookup: Lookup, now: datetime) -> str | None:
    store = at(backup, "status", "store")
    namespace = store.get("namespace", backup["metadata"]["namespace"])
    for each in lookup(BACKUP_STORES, namespace) if store else ():
        if each["metadata"]["name"] == store.get("name") and (why := _held(BACKUP_STORES, each, now)):
            return f"{_named(BACKUPS, backup)} is protected: {why}"
    return None


def _is_last(backup: Manifest, lookup: Lookup) -> str | None:
    namespace, name = backup["metadata"]["namespace"], at(backup, "spec", "targetRef").get("name")
    if not _is_good(backup) or all(each["metadata"]["name"] != name for each in lookup(APPLICATIONS, namespace)):
        return None
    for other in lookup(BACKUPS, namespace):
        same = at(other, "spec", "targetRef").get("name") == name
        if same and other["metadata"]["name"] != backup["metadata"]["name"] and _is_good(other):
            return None
    return f"{_named(BACKUPS, backup)} is the last good backup of the Application {name}"


def _is_good(backup: Manifest) -> bool:
    ending = "deletionTimestamp" in backup["metadata"]
    return not ending and at(backup, "status").get("phase") == "Succeeded"


def _named(resource: Resource, manifest: Manifest) -> str:
    return f"the {resource.kind} {manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
