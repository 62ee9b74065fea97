"""Which permissions a request takes beside that on the object itself: for what the operator would do in its name. Pure.

Who writes one of our objects has the operator create pods, read Secrets and execute commands. Whoever may not do that
by hand must not come to it this way. Some of it has verbs of our own, which RBAC grants like any other:

    use        backupstores   let a backup go there
    read-data  backups        let its data come back somewhere
    restore    applications   have their data replaced
    approve    upgrades       let one go on that waits for a person, or end it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    GROUP,
    INGRESSES,
    PODS,
    RESTORES,
    SECRETS,
    UPGRADES,
    Resource,
)

__all__ = ["REVIEWED", "Need", "Permission", "at", "needs"]

_SERVICE_ACCOUNTS: Final = "serviceaccounts"
_AS_NUMBERS_GO: Final = frozenset({"scaling", "suspend"})
_CONTROL_ANNOTATIONS: Final = ("timonier.dev/approve", "timonier.dev/rollback")


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """What a SubjectAccessReview asks about; an empty name means all of them."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        what = "/".join(part for part in (self.resource, self.subresource) if part)
        kind = f"{what}.{self.group}" if self.group else what
        return f"{self.verb} {kind}" + (f" {self.name}" if self.name else "") + f" in the namespace {self.namespace}"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One of these permissions is needed, mostly there is but one. `why` is the field that makes it so."""

    any_of: tuple[Permission, ...]
    why: str = field(compare=False)


Manifest = Mapping[str, Any]


def needs(kind: str, new: Manifest, old: Manifest | None) -> tuple[Need, ...]:
    """What is needed to write `new` over `old`, or to create it where that is None; each once, in order.

    Nothing is where nothing changes that the operator acts on: labels, finalizers, status, how many pods there are.
    """
    namespace, spec = _text(new, "metadata", "namespace"), at(new, "spec")
    before = at(old, "spec") if old is not None else None
    found = dict.fromkeys(_NEEDS[kind](namespace, new, spec, old, before)) if kind in _NEEDS else {}
    return tuple(sorted(found))


def _of_application(
    namespace: str, _new: Manifest, spec: Manifest, _old: Manifest | None, before: Manifest | None
) -> Iterator[Need]:
    if before is not None and _without(spec, _AS_NUMBERS_GO) == _without(before, _AS_NUMBERS_GO):
        return
    yield _need(_pods(namespace), "spec.workload")
    if account := _text(spec, "workload", "serviceAccountName"):
        # Whoever may act as the account may have pods that do: the role `edit` of every cluster says it like that.
        choices = (Permission(verb, "", _SERVICE_ACCOUNTS, namespace, account) for verb in ("use", "impersonate"))
        yield Need(tuple(choices), "spec.workload.serviceAccountName")
    if at(spec, "network", "ingress"):
        yield _need(Permission("create", INGRESSES.group, INGRESSES.plural, namespace), "spec.network.ingress")
    yield from _secrets(namespace, spec)
    yield from _executed(namespace, {name: value for name, value in spec.items() if name != "workload"})
    yield from _stores(namespace, spec)


def _of_backup(
    namespace: str, _new: Manifest, spec: Manifest, _old: Manifest | None, before: Manifest | None
) -> Iterator[Need]:
    if spec != before:
        yield from _stores(namespace, spec)


def _of_store(
    namespace: str, _new: Manifest, spec: Manifest, _old: Manifest | None, before: Manifest | None
) -> Iterator[Need]:
    if spec == before:
        return
    yield from _secrets(namespace, spec)
    if "pvc" in spec:
        yield _need(_pods(namespace), "spec.pvc")


def _of_restore(
    namespace: str, _new: Manifest, spec: Manifest, _old: Manifest | None, before: Manifest | None
) -> Iterator[Need]:
    if before is not None:
        return  # what it is about cannot change; to end it is no more than to delete it
    place, named = at(spec, "to"), _text(spec, "from", "backupRef", "name")
    yield _need(Permission("read-data", GROUP, BACKUPS.plural, namespace, named), "spec.from")
    yield from _stores(namespace, spec)
    yield from _executed(namespace, spec)
    if "inPlace" in place:
        name = _text(place, "inPlace", "application")
        yield _need(Permission("restore", GROUP, APPLICATIONS.plural, namespace, name), "spec.to.inPlace")
        return
    # What runs then is what the backup says, or what is asked for here: any pod.
    yield _need(_pods(namespace), "spec.to")
    if "newApplication" in place:
        yield _need(Permission("create", GROUP, APPLICATIONS.plural, namespace), "spec.to.newApplication")


def _of_upgrade(
    namespace: str, new: Manifest, spec: Manifest, old: Manifest | None, before: Manifest | None
) -> Iterator[Need]:
    name = _text(new, "metadata", "name")
    approve = Permission("approve", GROUP, UPGRADES.plural, namespace, name)
    if before is not None and spec != before:
        yield _need(approve, "spec")
    for annotation in _CONTROL_ANNOTATIONS:
        if _annotation(new, annotation) != _annotation(old or {}, annotation):
            yield _need(approve, f"metadata.annotations[{annotation}]")


_NEEDS: Final = {
    APPLICATIONS.kind: _of_application,
    BACKUPS.kind: _of_backup,
    BACKUP_STORES.kind: _of_store,
    RESTORES.kind: _of_restore,
    UPGRADES.kind: _of_upgrade,
}
REVIEWED: Final[tuple[Resource, ...]] = (APPLICATIONS, BACKUPS, BACKUP_STORES, RESTORES, UPGRADES)
"""The kinds whose requests are reviewed."""


def _secrets(namespace: str, value: Any, path: str = "spec") -> Iterator[Need]:
    """A Secret is named in fields that are called so: a new one needs no line here."""
    for key, inner, place in _entries(value, path):
        name = ""
        if key.endswith(("SecretRef", "secretRef", "secretKeyRef", "imagePullSecrets[]")) or key == "secret":
            name = _text(inner, "secretName") or _text(inner, "name")
        elif key.endswith("SecretName") and isinstance(inner, str):
            name = inner
        if name:
            yield _need(Permission("get", "", SECRETS.plural, namespace, name), place)
        else:
            yield from _secrets(namespace, inner, place)


def _executed(namespace: str, value: Any, path: str = "spec") -> Iterator[Need]:
    """Commands in pods that run: hooks, probes, and those of dumps."""
    for key, inner, place in _entries(value, path):
        in_container = isinstance(inner, Mapping) and (key == "exec" or (key == "command" and "dump" in inner))
        if in_container or place.startswith("spec.recovery.probes["):
            yield _need(Permission("create", "", PODS.plural, namespace, subresource="exec"), place)
        else:
            yield from _executed(namespace, inner, place)


def _stores(namespace: str, value: Any, path: str = "spec") -> Iterator[Need]:
    """Asked where the object is, and not where the store is: there its `usagePolicy` says who is let in."""
    for key, inner, place in _entries(value, path):
        if key == "storeRef" and isinstance(inner, Mapping):
            yield _need(Permission("use", GROUP, BACKUP_STORES.plural, namespace, _text(inner, "name")), place)
        else:
            yield from _stores(namespace, inner, place)


def _entries(value: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, inner, f"{path}.{key}"
    elif isinstance(value, list | tuple):
        key = path.rpartition(".")[2]
        for index, inner in enumerate(value):
            yield f"{key}[]", inner, f"{path}[{index}]"


def _need(permission: Permission, why: str) -> Need:
    return Need((permission,), why)


def _pods(namespace: str) -> Permission:
    return Permission("create", "", PODS.plural, namespace)


def _without(spec: Manifest, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in names}


def _annotation(manifest: Manifest, name: str) -> str:
    return _text(manifest, "metadata", "annotations", name)


def at(value: Any, *path: str) -> Manifest:
    """The object there, an empty one where there is none: who asks need not be the API server, which checks schemas."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _text(value: Any, *path: str) -> str:
    found = at(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""
