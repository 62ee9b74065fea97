"""Rules of v1 that its definitions cannot have, or that would not be asked. Pure.

Release 0.1.0 has rules for the whole spec of an Application, and OLM v1 refuses an upgrade that changes the rules of a
field it knows already. New fields have their own rules in the definition; those between old and new ones are here.

What of a Backup cannot change is here once more: somebody who writes it in v1alpha1 is held to the rules of that
version alone, and could change the rest by the annotation that carries it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from timonier.api.backup import FIXED, BackupSpec
from timonier.api.conversion import STASH, VIEWS
from timonier.api.resources import APPLICATIONS, BACKUPS
from timonier.webhooks.reviews import at

__all__ = ["Broken", "broken"]

_SHARED: Final = ("ReadWriteMany", "ReadOnlyMany")


# What the API server adds to v1 itself, and what comes from v1alpha1 may be without.
_DEFAULTS: Final = {"reason": BackupSpec.model_fields["reason"].default}
_SHOWN: Final = frozenset(path[0] for lens in VIEWS[BACKUPS.kind].lenses for path in lens.paths)


class Broken(NamedTuple):
    """A rule that a spec breaks: the field to change, and why."""

    field: str
    message: str


def broken(kind: str, new: Mapping[str, Any], old: Mapping[str, Any] | None) -> tuple[Broken, ...]:
    """The rules that a new spec breaks, bar those that the old one broke before: these hinder no other change."""
    if kind == BACKUPS.kind and old is not None:
        return tuple(
            Broken(f"spec.{name}", f"{name} cannot change: a run happens once; create another one{_in_v1alpha1(name)}")
            for name in FIXED
            if new.get(name, _DEFAULTS.get(name)) != old.get(name, _DEFAULTS.get(name))
        )
    if kind == APPLICATIONS.kind:
        known = set(_of_application(old)) if old is not None else set()
        return tuple(found for found in _of_application(new) if found not in known)
    return ()


def _in_v1alpha1(field: str) -> str:
    hidden = f"; v1alpha1 does not show it: keep the annotation {STASH}, or write this Backup in v1"
    return "" if field in _SHOWN else hidden


def _of_application(spec: Mapping[str, Any]) -> Iterator[Broken]:
    workload, backup, upgrade = at(spec, "workload"), at(spec, "backup"), at(spec, "upgrade")
    found = workload.get("storage")
    storage = found if isinstance(found, list | tuple) else ()
    if "backup" in spec and backup.get("method", "Files") != "Command" and not storage:
        yield Broken(
            "spec.backup.method",
            "the methods Files and Snapshot back up workload.storage, which is empty: use method Command",
        )
    wants_backup = upgrade.get("backupBefore") == "Always" or upgrade.get("rollbackData") == "RestoreBackup"
    if wants_backup and "backup" not in spec:
        yield Broken(
            "spec.upgrade", "upgrade.backupBefore: Always and upgrade.rollbackData: RestoreBackup need spec.backup"
        )
    shared = all(isinstance(each, Mapping) and each.get("accessMode") in _SHARED for each in storage)
    if upgrade.get("strategy") in ("BlueGreen", "Canary") and (workload.get("kind") == "StatefulSet" or not shared):
        yield Broken(
            "spec.upgrade.strategy",
            "upgrade.strategy BlueGreen and Canary run two versions on the same volumes: use kind Deployment and "
            "accessMode ReadWriteMany",
        )
