"""How objects say what they belong to: our labels, and the fields that name an Application."""

from collections.abc import Mapping
from typing import Any, Final, Literal

__all__ = [
    "APPLICATION_LABEL",
    "AUTHOR",
    "GIVEN_UP",
    "KEEP_LABEL",
    "MADE_FOR",
    "NEXT_LABEL",
    "REVISION_LABEL",
    "RUN_LABEL",
    "Work",
    "application_of",
    "made_for",
]

APPLICATION_LABEL: Final = "timonier.dev/application"
"""On everything that belongs to an Application: its name."""
AUTHOR: Final = "timonier.dev/authored-by"
"""An annotation of what acts later, by itself: who wrote its spec last, as JSON. Only the webhook writes it."""
Work = Literal["backup", "trial", "recovery"]
"""What an Application does later by itself, for its author: scheduled backups, restores on trial, recovery of data."""
RUN_LABEL: Final = "timonier.dev/run"
"""On the Jobs of runs and stores: the kind, in lower case. By it they are watched."""
GIVEN_UP: Final = "timonier.dev/given-up"
"""An annotation of an Upgrade that succeeded: true once its revision was found not to stay well."""
KEEP_LABEL: Final = "timonier.dev/keep"
"""On a Job that stays with its run, for its log."""
MADE_FOR: Final = "timonier.dev/made-for"
"""An annotation of a run that outlives the one that it was made for: that one's uid."""
NEXT_LABEL: Final = "timonier.dev/next"
"""On what an Upgrade tries beside an Application's own workload, and its pods: the Application's name."""
REVISION_LABEL: Final = "timonier.dev/revision"
"""On a ControllerRevision of ours: its name. By it they are watched, as workload controllers make some, too."""


def made_for(manifest: Mapping[str, Any]) -> str | None:
    """The uid of the run that an object was made for; None where it says of none.

    >>> made_for({"metadata": {"annotations": {"timonier.dev/made-for": "u"}}})
    'u'
    """
    uid: str | None = manifest["metadata"].get("annotations", {}).get(MADE_FOR)
    return uid


def application_of(manifest: Mapping[str, Any]) -> str | None:
    """The name of the Application that an object belongs to, by its label, or is about, by its spec.

    >>> application_of({"metadata": {}, "spec": {"targetRef": {"name": "web"}}})
    'web'
    """
    if label := manifest["metadata"].get("labels", {}).get(APPLICATION_LABEL):
        return str(label)
    spec = manifest.get("spec")
    if not isinstance(spec, Mapping):
        return None
    target: Any = spec.get("targetRef")
    if isinstance(target, Mapping) and "name" in target:
        return str(target["name"])
    place: Any = spec.get("to")
    if isinstance(place, Mapping):
        named = place.get("inPlace", {}).get("application") or place.get("newApplication", {}).get("name")
        return str(named) if named else None
    return None
