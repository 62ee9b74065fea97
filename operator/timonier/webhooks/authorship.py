"""Answers AdmissionReviews before an object is stored: writes down who wrote it. And asks, later, what they still may.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from timonier.api.references import AUTHOR, Work
from timonier.engine import metrics
from timonier.engine.errors import ApiError
from timonier.webhooks.access import Access, Subject
from timonier.webhooks.authors import TooLargeError, author, needs_of_author, wanted
from timonier.webhooks.permissions import lacking
from timonier.webhooks.reviews import Review, ReviewError, at, refused, reviewed

__all__ = ["AUTHOR_PATH", "Authorship"]

AUTHOR_PATH: Final = "/author"


class Authorship:
    """On every replica. What the operator itself writes stays as it wrote it: it says for whom."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def answer(self, review: Review) -> dict[str, Any]:
        """The response to one AdmissionReview: allowed, with a patch where the annotation has to be another one."""
        kind, new, old = reviewed(review.request)
        user = review.request["userInfo"]
        try:
            own = user["username"] == await self._access.own_name()
        except ApiError as error:
            return refused(503, "ServiceUnavailable", f"it could not be found out who asks: {error.message}")
        try:
            name = wanted(kind, new, old, user) if not own else None
        except TooLargeError as error:
            return refused(403, "Forbidden", str(error))
        if own or name == at(new, "metadata", "annotations").get(AUTHOR):
            return {"allowed": True}
        patch = json.dumps(_patch(new, name)).encode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}

    async def refusal(self, application: Mapping[str, Any], work: Work) -> str | None:
        """Why some work of an Application is not begun: what its author may not do any more.

        None where they may, and where nobody is written down: requests are not reviewed in such a cluster. Raises
        ApiError when it cannot be found out now, and may be later.
        """
        try:
            user = author(application)
            asked = needs_of_author(application, work) if user is not None else ()
        except ReviewError as error:
            return str(error)
        if user is None:
            return None
        try:
            missing = await self._access.missing(Subject.of(user), asked)
        except ApiError as error:
            if not error.is_refusal:
                raise
            return f"the API server does not say what {user['username']} may, who wrote this: {error.message}"
        metrics.AUTHOR_REVIEWS.labels(work, "refused" if missing else "allowed").inc()
        if not missing:
            return None
        return (
            f"{user['username']}, who wrote this, may not do so any more: {lacking(missing)}. Grant it, or let "
            f"somebody who may take it over: kubectl annotate application {application['metadata']['name']} {AUTHOR}-"
        )


def _patch(new: Mapping[str, Any], name: str | None) -> list[dict[str, Any]]:
    """From one annotation to another, or to none. Source: RFC 6902."""
    path = f"/metadata/annotations/{AUTHOR.replace('/', '~1')}"
    if name is None:
        return [{"op": "remove", "path": path}]
    if not at(new, "metadata", "annotations"):
        return [{"op": "add", "path": "/metadata/annotations", "value": {AUTHOR: name}}]
    return [{"op": "add", "path": path, "value": name}]
