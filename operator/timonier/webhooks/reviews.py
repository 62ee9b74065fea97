"""What the reviews of all three kinds have in common: a document with a request in it, answered under the same uid."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

__all__ = ["ACCESS_REVIEW", "Answer", "Review", "ReviewError", "at", "read", "refused", "reviewed", "wrapped"]

ACCESS_REVIEW = "SubjectAccessReview"
"""The one kind of review that is an object of the API itself: it has a spec and a status, and no uid."""

_FEW: Final = 50_000
_LEAST_BYTES: Final = 7
"""A value that takes three bytes to send takes 72 to hold, so that a body of nothing else would be all our memory.
Where there are more than a few of them, they are to have a length as in objects of an API: those that many managers
write have 10 bytes for each, and `managedFields` alone 8."""


class ReviewError(Exception):
    """The document is not a review that can be answered; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Review:
    """One question of the API server: the version it is written in, its uid, and what it asks."""

    api_version: str
    kind: str
    uid: str
    request: Mapping[str, Any]


Answer = Callable[[Review], Awaitable[dict[str, Any]]]
"""Answers a review: gives the response, without its uid. Raises ReviewError for a question that makes no sense."""


def read(body: bytes | bytearray, kind: str) -> Review:
    """The review in a request's body. Raises ReviewError."""
    if sum(map(body.count, (b"{", b"[", b","))) > max(_FEW, len(body) // _LEAST_BYTES):
        raise ReviewError(f"a review of that size has at most one value in {_LEAST_BYTES} bytes")
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"not JSON: {error}") from error
    match value:
        case {"apiVersion": str(version), "kind": "SubjectAccessReview", "spec": dict(spec)} if kind == ACCESS_REVIEW:
            return Review(version, kind, "", spec)
        case {"apiVersion": str(version), "kind": str(found), "request": {"uid": str(uid)}} if found == kind:
            return Review(version, kind, uid, value["request"])
    raise ReviewError(f"expected a {kind} with a {'spec' if kind == ACCESS_REVIEW else 'request that has a uid'}")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def wrapped(review: Review, response: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document to answer with."""
    if review.kind == ACCESS_REVIEW:
        return {"apiVersion": review.api_version, "kind": review.kind, "status": dict(response)}
    return {"apiVersion": review.api_version, "kind": review.kind, "response": {"uid": review.uid, **response}}


def reviewed(request: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Mapping[str, Any] | None]:
    """Of the request in an AdmissionReview: the kind, the object, and what it was before. Raises ReviewError."""
    match request:
        case {
            "kind": {"kind": str(kind)},
            "userInfo": {"username": str()},
            "object": {"metadata": dict()} as new,
        } if isinstance(new.get("spec") or {}, dict):
            old = request.get("oldObject")
            if old is None or (isinstance(old, dict) and isinstance(old.get("spec") or {}, dict)):
                return kind, new, old
    raise ReviewError("an admission request has kind, userInfo and object, and oldObject where it changes one")


def refused(code: int, reason: str, message: str) -> dict[str, Any]:
    """The response that does not let a request pass, with the HTTP status that the person gets to see."""
    return {"allowed": False, "status": {"code": code, "reason": reason, "message": message}}


def at(value: Any, *path: str) -> Mapping[str, Any]:
    """The object there, an empty one where there is none: who asks need not be the API server, which checks schemas."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
