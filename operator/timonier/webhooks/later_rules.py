"""Rules of v1's Application that its definition cannot have, as they join fields of an earlier release with later ones.

Release 0.1.0 has rules for the whole spec, and OLM v1 refuses an upgrade that changes the rules of a field it knows
already. New fields have their own rules in the definition; those between old and new ones are here. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from timonier.webhooks.permissions import at

__all__ = ["Broken", "broken"]

_SHARED: Final = ("ReadWriteMany", "ReadOnlyMany")


class Broken(NamedTuple):
    """A rule that a spec breaks: the field to change, and why."""

    field: str
    message: str


def broken(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> tuple[Broken, ...]:
    """The rules that a spec breaks, bar those that it broke before: these must not hinder another change."""
    known = set(_broken(old)) if old is not None else set()
    return tuple(found for found in _broken(new) if found not in known)


def _broken(spec: Mapping[str, Any]) -> Iterator[Broken]:
    workload, backup, upgrade = at(spec, "workload"), at(spec, "backup"), at(spec, "upgrade")
    storage = workload.get("storage") or ()
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
