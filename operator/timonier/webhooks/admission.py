"""Answers AdmissionReviews: may this person have the operator do what the request would make it do?

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from collections.abc import Sequence
from typing import Any, Final

from timonier.engine import metrics
from timonier.engine.errors import ApiError
from timonier.webhooks.access import Access, Subject
from timonier.webhooks.authors import AUTHORED, needs_of_request, problem
from timonier.webhooks.later_rules import broken
from timonier.webhooks.permissions import REVIEWED, Need, lacking
from timonier.webhooks.reviews import Review, at, refused, reviewed
from timonier.webhooks.warnings import warnings

__all__ = ["REVIEW_PATH", "Admission"]

REVIEW_PATH: Final = "/review"
_KINDS: Final = frozenset(resource.kind for resource in REVIEWED)
_AUTHORED: Final = frozenset(resource.kind for resource in AUTHORED)


class Admission:
    """Reviews requests on every replica. What the operator itself writes takes no other permission than its own."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def answer(self, review: Review) -> dict[str, Any]:
        """The response to one AdmissionReview. What cannot be found out is refused, and may be tried again."""
        request = review.request
        kind, new, old = reviewed(request)
        if wrong := broken(kind, at(new, "spec"), at(old, "spec") if old else None):
            metrics.ADMISSIONS.labels(_counted(kind), "invalid").inc()
            return refused(422, "Invalid", "; ".join(f"{each.field}: {each.message}" for each in wrong))
        asked = needs_of_request(kind, new, old)
        subject = Subject.of(request["userInfo"])
        try:
            own = subject.username == await self._access.own_name()
            if not own and kind in _AUTHORED and (fault := problem(kind, new, old, request["userInfo"])):
                metrics.ADMISSIONS.labels(_counted(kind), "refused").inc()
                return refused(403, "Forbidden", fault)
            missing = await self._access.missing(subject, asked) if asked and not own else ()
        except ApiError as error:
            metrics.ADMISSIONS.labels(_counted(kind), "unknown").inc()
            return refused(503, "ServiceUnavailable", f"it could not be found out who may do this: {error.message}")
        if missing:
            metrics.ADMISSIONS.labels(_counted(kind), "refused").inc()
            return refused(403, "Forbidden", _message(subject, kind, missing))
        metrics.ADMISSIONS.labels(_counted(kind), "allowed").inc()
        told = warnings(kind, new, old) if not own else ()
        return {"allowed": True} | ({"warnings": list(told)} if told else {})


def _counted(kind: str) -> str:
    """The kind as a label: whoever sends reviews makes no series of the metrics by it."""
    return kind if kind in _KINDS else "other"


def _message(subject: Subject, kind: str, missing: Sequence[Need]) -> str:
    return (
        f"{subject.username} may not have this {kind} do what {subject.username} may not do without it. "
        f"Missing: {lacking(missing)}. Somebody who administers the namespace can grant it by a Role."
    )
