"""What the reviews of all three kinds have in common: a document with a request in it, answered under the same uid."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Answer", "Review", "ReviewError", "read", "wrapped"]


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


def read(body: bytes, kind: str) -> Review:
    """The review in a request's body. Raises ReviewError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"not JSON: {error}") from error
    match value:
        case {"apiVersion": str(version), "kind": str(found), "request": {"uid": str(uid)}} if found == kind:
            return Review(version, kind, uid, value["request"])
    raise ReviewError(f"expected a {kind} with a request that has a uid")


def wrapped(review: Review, response: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document to answer with."""
    return {"apiVersion": review.api_version, "kind": review.kind, "response": {"uid": review.uid, **response}}
