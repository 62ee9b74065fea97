"""Answers AdmissionReviews: may this person have the operator do what the request would make it do?

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from timonier.engine import metrics
from timonier.engine.errors import ApiError
from timonier.webhooks.access import Access, Subject
from timonier.webhooks.later_rules import broken
from timonier.webhooks.permissions import Need, at, needs
from timonier.webhooks.reviews import Review, ReviewError
from timonier.webhooks.warnings import warnings

__all__ = ["REVIEW_PATH", "Admission"]

REVIEW_PATH: Final = "/review"


class Admission:
    """Reviews requests on every replica. What the operator itself writes takes no other permission than its own."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def answer(self, review: Review) -> dict[str, Any]:
        """The response to one AdmissionReview. What cannot be found out is refused, and may be tried again."""
        request = review.request
        kind, new, old = _objects(request)
        if wrong := broken(kind, at(new, "spec"), at(old, "spec") if old else None):
            metrics.ADMISSIONS.labels(kind, "invalid").inc()
            return _refused(422, "Invalid", "; ".join(f"{each.field}: {each.message}" for each in wrong))
        asked = needs(kind, new, old)
        subject = Subject.of(request["userInfo"])
        try:
            own = subject.username == await self._access.own_name()
            missing = await self._access.missing(subject, asked) if asked and not own else ()
        except ApiError as error:
            metrics.ADMISSIONS.labels(kind, "unknown").inc()
            return _refused(503, "ServiceUnavailable", f"it could not be found out who may do this: {error.message}")
        if missing:
            metrics.ADMISSIONS.labels(kind, "refused").inc()
            return _refused(403, "Forbidden", _message(subject, kind, missing))
        metrics.ADMISSIONS.labels(kind, "allowed").inc()
        told = warnings(kind, new, old) if not own else ()
        return {"allowed": True} | ({"warnings": list(told)} if told else {})


def _objects(request: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Mapping[str, Any] | None]:
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


def _message(subject: Subject, kind: str, missing: Sequence[Need]) -> str:
    told = "; ".join(f"{' or '.join(map(str, need.any_of))} (for {need.why})" for need in missing)
    return (
        f"{subject.username} may not have this {kind} do what {subject.username} may not do without it. "
        f"Missing: {told}. Somebody who administers the namespace can grant it by a Role."
    )


def _refused(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"allowed": False, "status": {"code": code, "reason": reason, "message": message}}
