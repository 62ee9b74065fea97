"""How v1alpha1, the simple form, shows the spec of a Backup. Pure."""

from typing import Final

from timonier.api.backup import BackupSpec
from timonier.api.lenses import View, chosen, same

__all__ = ["SPEC"]


def _broken(spec: BackupSpec) -> str | None:
    if (spec.imported is not None) != (spec.reason == "Imported"):
        return "imported goes with reason: Imported, and only with it"
    return None


SPEC: Final = View(
    lenses=(
        same("application", "targetRef", "name"),
        chosen("type", ("method",), {"full": "Files", "snapshot": "Snapshot", "dump": "Command"}),
        chosen("keepForever", ("retain",), {True: "Forever", False: "Policy"}),
        same("cancel", "cancel"),
    ),
    model=BackupSpec,
    broken=_broken,
)
