"""Who an object does things for that it does later, by itself: the person who wrote its spec last. Pure.

They are written down in an annotation, which is the webhook's alone: a change of the spec that takes permissions makes
whoever changes it the author, and so does a change of the annotation itself, be it its removal. Anything else leaves it
as it is. So whoever is the author had, when they became it, all permissions that the whole spec takes.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from timonier.api.references import AUTHOR, Work
from timonier.api.resources import APPLICATIONS, RESTORES
from timonier.webhooks.permissions import Need, needs
from timonier.webhooks.reviews import ReviewError, at

__all__ = ["AUTHORED", "TooLargeError", "author", "needs_of_author", "needs_of_request", "problem", "stamp", "wanted"]

AUTHORED: Final = (APPLICATIONS, RESTORES)
"""The kinds that have an author: an Application acts by a schedule, and a Restore may make an Application."""
_LONGEST: Final = 32 * 1024
# Which token it was, and of which pod: it says nothing about what its owner may do.
_OF_THE_TOKEN: Final = "authentication.kubernetes.io/"  # noqa: S105 - how such keys begin

Manifest = Mapping[str, Any]


class TooLargeError(Exception):
    """What is to be known of a user does not fit into an annotation."""


def stamp(user: Mapping[str, Any]) -> str:
    """The annotation for the `userInfo` of a request. Raises TooLargeError."""
    extra = {key: value for key, value in at(user, "extra").items() if not key.startswith(_OF_THE_TOKEN)}
    told = {"username": user.get("username"), "uid": user.get("uid"), "groups": user.get("groups"), "extra": extra}
    text = json.dumps({key: value for key, value in told.items() if value}, sort_keys=True, separators=(",", ":"))
    if len(text) > _LONGEST:
        raise TooLargeError(f"the groups of this user take more than {_LONGEST} bytes: they cannot be written down")
    return text


def author(manifest: Manifest) -> Mapping[str, Any] | None:
    """The `userInfo` of an object's author; None where nobody is. Raises ReviewError for what is not ours."""
    text = _stated(manifest)
    if text is None:
        return None
    try:
        user = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"the annotation {AUTHOR} is not JSON") from error
    match user:
        case {"username": str(name)} if name and _is_list(user.get("groups", [])) and _is_extra(user.get("extra", {})):
            return dict(user)
    raise ReviewError(f"the annotation {AUTHOR} names no user")


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_extra(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_list, value.values()))


def wanted(kind: str, new: Manifest, old: Manifest | None, user: Mapping[str, Any]) -> str | None:
    """What the annotation has to be once `user`, who is not the operator, has written `new` over `old`.

    Raises TooLargeError.
    """
    if old is None or _stated(new) != _stated(old) or needs(kind, new, old):
        return stamp(user)
    return _stated(old)


def needs_of_request(kind: str, new: Manifest, old: Manifest | None) -> tuple[Need, ...]:
    """Which permissions a request takes: whoever becomes the author answers for the whole spec, changed or not."""
    asked = needs(kind, new, old)
    if old is None or _stated(new) == _stated(old):
        return asked
    # A change of the whole spec; of a Restore, which knows no change, its making.
    before = {**old, "spec": {}} if kind == APPLICATIONS.kind else None
    return tuple(sorted({*asked, *needs(kind, new, before)}))


def problem(kind: str, new: Manifest, old: Manifest | None, user: Mapping[str, Any]) -> str | None:
    """What is wrong with the annotation after all webhooks that change objects; None when nothing is."""
    try:
        if _stated(new) == wanted(kind, new, old, user):
            return None
    except TooLargeError as error:
        return str(error)
    return f"the annotation {AUTHOR} is written by the webhook author.timonier.dev alone, which has not been asked"


def needs_of_author(application: Manifest, work: Work) -> tuple[Need, ...]:
    """Which permissions it takes, when it is carried out, what an Application's spec says of some work.

    Raises ReviewError for a spec of no size that the API server could have stored with a review.
    """
    return needs(APPLICATIONS.kind, application, None, counts=lambda why: _is_of(why, work))


def _is_of(why: str, work: Work) -> bool:
    trial = why.startswith("spec.backup.verify")
    if work == "recovery":
        return why.startswith("spec.recovery.ladder")
    return trial if work == "trial" else why.startswith("spec.backup") and not trial


def _stated(manifest: Manifest | None) -> str | None:
    found = at(manifest, "metadata", "annotations").get(AUTHOR)
    return found if isinstance(found, str) else None
