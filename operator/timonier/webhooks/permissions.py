"""Which permissions a request takes beside that on the object itself: for what the operator would do in its name. Pure.

Who writes one of our objects has the operator create pods, read Secrets and execute commands. Whoever may not do that
by hand must not come to it this way. Some of it has verbs of our own, which RBAC grants like any other:

    use        backupstores    let a backup go there
    read-data  backups         let its data come back somewhere
    read-data  applications    send a copy of their data to a store that the request states
    restore    applications    have their data replaced
    approve    upgrades        let one go on that waits for a person, or end it

What is not known when the request is made is asked for all names: which Secrets an Application names that is only in a
store yet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    GROUP,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESTORES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    UPGRADES,
    Resource,
)
from timonier.webhooks.reviews import ReviewError, at

__all__ = ["REVIEWED", "Need", "Permission", "lacking", "needs"]

_NUMBERS: Final = frozenset({"scaling", "suspend"})
_CONTROLS: Final = ("timonier.dev/approve", "timonier.dev/rollback", "timonier.dev/given-up")
_MARKS: Final = ("timonier.dev/made-for", "timonier.dev/restored-by")
# Below these, keys are words of the user's.
_FREE: Final = frozenset({"annotations", "labels", "matchLabels", "nodeSelector"})
_DEEPEST, _MOST_NODES, _MOST_NEEDS = 40, 50_000, 2_000


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


def lacking(missing: Iterable[Need]) -> str:
    """What somebody lacks, and for what, as a part of a sentence."""
    return "; ".join(f"{' or '.join(map(str, need.any_of))} (for {need.why})" for need in missing)


Manifest = Mapping[str, Any]


def needs(
    kind: str, new: Manifest, old: Manifest | None, *, counts: Callable[[str], bool] = lambda _: True
) -> tuple[Need, ...]:
    """What is needed to write `new` over `old`, or to create it where that is None; each once, in order.

    Nothing is where nothing changes that the operator acts on: labels, finalizers, status, how many pods there are.
    `counts` says of which fields it is wanted, by their paths, if not of all.
    Raises ReviewError for an object of no size that the API server could have stored.
    """
    change = _Change(_text(new, "metadata", "namespace"), _text(new, "metadata", "name"), new, old)
    # Before each is there but once: what one field needs, another may need as well.
    found = dict.fromkeys(need for need in _NEEDS[kind](change) if counts(need.why)) if kind in _NEEDS else {}
    if len(found) > _MOST_NEEDS:
        raise ReviewError(f"a request that takes more than {_MOST_NEEDS} permissions is not reviewed")
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class _Change:
    """One object before and after."""

    namespace: str
    name: str
    new: Manifest
    old: Manifest | None

    @property
    def spec(self) -> Manifest:
        return at(self.new, "spec")

    @property
    def before(self) -> Manifest | None:
        return at(self.old, "spec") if self.old is not None else None

    def own(self, verb: str, resource: Resource, name: str = "", subresource: str = "") -> Permission:
        """A permission in the object's namespace."""
        return Permission(verb, resource.group, resource.plural, self.namespace, name, subresource)

    def need(self, why: str, verb: str, resource: Resource, name: str = "", subresource: str = "") -> Need:
        return Need((self.own(verb, resource, name, subresource),), why)


def _of_application(change: _Change) -> Iterator[Need]:
    yield from _marked(change)
    spec, before = change.spec, change.before
    if before is not None and _without(spec, _NUMBERS) == _without(before, _NUMBERS):
        return
    workload = STATEFUL_SETS if _text(spec, "workload", "kind") == "StatefulSet" else DEPLOYMENTS
    # Who may have pods by a Deployment may have them by an Application.
    yield Need((change.own("create", PODS), change.own("create", workload)), "spec.workload")
    if before is not None or spec.get("adopt"):
        # Of one that was taken over, the pods have Secrets and an account that the spec does not name.
        yield change.need("spec.workload", "patch", workload, change.name)
    if spec.get("adopt"):
        for resource in (SERVICES, CONFIG_MAPS, INGRESSES, NETWORK_POLICIES, PERSISTENT_VOLUME_CLAIMS):
            yield change.need("spec.adopt", "patch", resource)
    if account := _text(spec, "workload", "serviceAccountName"):
        yield _account(change, "spec.workload.serviceAccountName", account)
    if at(spec, "network", "ingress"):
        yield change.need("spec.network.ingress", "create", INGRESSES)
    if _text(spec, "network", "service", "type") not in ("", "ClusterIP"):
        yield change.need("spec.network.service.type", "create", SERVICES)
    if at(spec, "workload").get("storage"):
        yield change.need("spec.workload.storage", "create", PERSISTENT_VOLUME_CLAIMS)
    yield from _named(change)
    yield from _of_policies(change)


def _named(change: _Change) -> Iterator[Need]:
    """What stands somewhere in the spec of an Application."""
    for key, inner, place in _walk(change.spec, "spec"):
        part = place.split(".")[1]
        if part != "config":  # its keys are words of the user's
            yield from _secret(change, key, inner, place)
        if part not in ("config", "workload"):
            yield from _executed(change, key, inner, place)
        if part == "backup" and key == "job":
            # It runs with the environment of the revision that runs then, which this spec need not name.
            yield change.need(place, "create", PODS, subresource="exec")
        yield from _store(change, key, inner, place)


def _of_policies(change: _Change) -> Iterator[Need]:
    """What the operator does later, of its own accord, as the Application says."""
    spec = change.spec
    if at(spec, "backup", "verify"):
        yield change.need("spec.backup.verify", "read-data", BACKUPS)
        yield change.need("spec.backup.verify", "create", PODS)
    rungs = at(spec, "recovery").get("ladder")
    ladder = rungs if isinstance(rungs, list | tuple) else ()
    loads = {"spec.upgrade.rollbackData": _text(spec, "upgrade", "rollbackData") == "RestoreBackup",
             "spec.recovery.ladder": any(_text(rung, "action") == "RestoreBackup" for rung in ladder)}  # fmt: skip
    for place, does in loads.items():
        if does:
            yield change.need(place, "read-data", BACKUPS)
            yield change.need(place, "restore", APPLICATIONS, change.name)
    if _text(change.before, "upgrade", "approval") == "Manual" != _text(spec, "upgrade", "approval"):
        yield change.need("spec.upgrade.approval", "approve", UPGRADES)


def _of_backup(change: _Change) -> Iterator[Need]:
    yield from _marked(change)
    if change.spec == change.before:
        return
    for entry in _walk(change.spec, "spec"):
        yield from _store(change, *entry)
    if "storeRef" in change.spec:
        target = _text(change.spec, "targetRef", "name")
        yield change.need("spec.storeRef", "read-data", APPLICATIONS, target)
    if "imported" in change.spec:
        yield change.need("spec.imported", "read-data", BACKUPS)


def _of_store(change: _Change) -> Iterator[Need]:
    if change.spec == change.before:
        return
    # Whoever makes it anew, with another address, has all backups that name it come there.
    yield change.need("spec", "use", BACKUP_STORES, change.name)
    yield change.need("spec", "create", PODS)
    for entry in _walk(change.spec, "spec"):
        yield from _secret(change, *entry)
    if change.spec.get("importBackups", True) is not False:
        # What is found in it is what the latest good backup of an application may be.
        yield change.need("spec.importBackups", "restore", APPLICATIONS)


def _of_restore(change: _Change) -> Iterator[Need]:
    yield from _marked(change)
    if change.before is not None:
        return  # what it is about cannot change; to end it is no more than to delete it
    spec, place = change.spec, at(change.spec, "to")
    yield change.need("spec.from", "read-data", BACKUPS, _text(spec, "from", "backupRef", "name"))
    for key, inner, where in _walk(spec, "spec"):
        yield from _store(change, key, inner, where)
        yield from _executed(change, key, inner, where)
        if key == "job":
            # It has the Secrets and the account of the application, as whoever executes something in its pods has.
            yield change.need(where, "create", PODS)
            yield change.need(where, "create", PODS, subresource="exec")
    if spec.get("verify"):
        yield change.need("spec.verify", "create", PODS)
    if "inPlace" in place:
        yield change.need("spec.to.inPlace", "restore", APPLICATIONS, _text(place, "inPlace", "application"))
    else:
        yield change.need("spec.to", "create", PODS)
    if "newApplication" in place:
        yield change.need("spec.to.newApplication", "create", APPLICATIONS)
        yield from _anything(change, "spec.to.newApplication")


def _of_upgrade(change: _Change) -> Iterator[Need]:
    if change.old is None or _owners(change.new) != _owners(change.old):
        # Only the operator makes them; with an owner, one that somebody else made is carried out.
        yield from _anything(change, "the making of an Upgrade")
        yield change.need("the making of an Upgrade", "approve", UPGRADES)
        return
    if change.spec != change.before:
        yield change.need("spec", "approve", UPGRADES, change.name)
    yield from _annotated(change, _CONTROLS, change.own("approve", UPGRADES, change.name))


def _anything(change: _Change, why: str) -> Iterator[Need]:
    """What any Application may take."""
    yield change.need(why, "create", PODS)
    yield change.need(why, "create", PODS, subresource="exec")
    yield change.need(why, "get", SECRETS)
    yield change.need(why, "create", INGRESSES)
    yield change.need(why, "create", SERVICES)
    yield change.need(why, "use", BACKUP_STORES)
    yield _account(change, why, "")


def _marked(change: _Change) -> Iterator[Need]:
    """Marks by which the operator knows its own: with one, an object is taken for what it made for another one."""
    for permission in (change.own("approve", UPGRADES), change.own("restore", APPLICATIONS)):
        yield from _annotated(change, _MARKS, permission)
        if _owners(change.new) != (_owners(change.old) if change.old is not None else set()):
            yield Need((permission,), "metadata.ownerReferences")


_NEEDS: Final = {
    APPLICATIONS.kind: _of_application,
    BACKUPS.kind: _of_backup,
    BACKUP_STORES.kind: _of_store,
    RESTORES.kind: _of_restore,
    UPGRADES.kind: _of_upgrade,
}
REVIEWED: Final[tuple[Resource, ...]] = (APPLICATIONS, BACKUPS, BACKUP_STORES, RESTORES, UPGRADES)
"""The kinds whose requests are reviewed."""


def _account(change: _Change, why: str, name: str) -> Need:
    """Whoever may act as the account may have pods that do: the role `edit` of every cluster says it like that."""
    return Need(tuple(change.own(verb, SERVICE_ACCOUNTS, name) for verb in ("use", "impersonate")), why)


def _secret(change: _Change, key: str, inner: Any, place: str) -> Iterator[Need]:
    """A Secret is named in fields that are called so: a new one needs no line here."""
    name = ""
    if key.endswith(("SecretRef", "secretRef", "secretKeyRef", "imagePullSecrets[]")) or key == "secret":
        name = _text(inner, "secretName") or _text(inner, "name")
    elif key.endswith("SecretName") and isinstance(inner, str):
        name = inner
    if name:
        yield change.need(place, "get", SECRETS, name)


def _executed(change: _Change, key: str, inner: Any, place: str) -> Iterator[Need]:
    """A command in pods that run: a hook, a probe, or that of a dump."""
    in_container = isinstance(inner, Mapping) and (key == "exec" or (key == "command" and "dump" in inner))
    if in_container or place.startswith("spec.recovery.probes["):
        yield change.need(place, "create", PODS, subresource="exec")


def _store(change: _Change, key: str, inner: Any, place: str) -> Iterator[Need]:
    """Asked where the object is, and not where the store is: there its `usagePolicy` says who is let in."""
    if key == "storeRef" and isinstance(inner, Mapping):
        # A grant for a store of one's own is none for one of the same name elsewhere.
        elsewhere = _text(inner, "namespace") not in ("", change.namespace)
        yield change.need(place, "use", BACKUP_STORES, "" if elsewhere else _text(inner, "name"))


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    """Everything that is in a value: its key (`names[]` for an item of `names`), itself, and where it is."""
    left, count = [(value, path, 0)], 0
    while left:
        inner, place, depth = left.pop()
        last = place.rpartition(".")[2].partition("[")[0]
        entries: list[tuple[str, Any, str]] = []
        if isinstance(inner, Mapping):
            entries = [(str(key), each, f"{place}.{key}") for key, each in inner.items()]
        elif isinstance(inner, list | tuple):
            entries = [(f"{last}[]", each, f"{place}[{index}]") for index, each in enumerate(inner)]
        count += len(entries)
        if depth > _DEEPEST or count > _MOST_NODES:
            raise ReviewError("an object of that size, or that depth, is not reviewed")
        for entry in entries:
            yield entry
            if entry[0] not in _FREE:
                left.append((entry[1], entry[2], depth + 1))


def _annotated(change: _Change, names: tuple[str, ...], permission: Permission) -> Iterator[Need]:
    for name in names:
        if _annotation(change.new, name) != _annotation(change.old, name):
            yield Need((permission,), f"metadata.annotations[{name}]")


def _owners(manifest: Manifest | None) -> set[tuple[str, str, bool]]:
    """Which of our objects it says that it belongs to, and whether they control it."""
    found = at(manifest, "metadata").get("ownerReferences")
    owners = found if isinstance(found, list | tuple) else ()
    return {
        (_text(owner, "kind"), _text(owner, "uid"), bool(at(owner).get("controller")))
        for owner in owners
        if _text(owner, "apiVersion").partition("/")[0] == GROUP
    }


def _without(spec: Manifest, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in names}


def _annotation(manifest: Manifest | None, name: str) -> str:
    return _text(manifest, "metadata", "annotations", name)


def _text(value: Any, *path: str) -> str:
    found = at(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, str) else ""
