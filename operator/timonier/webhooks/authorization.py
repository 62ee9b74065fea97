"""Answers SubjectAccessReviews, where the API server is told to ask: refuses, or has no opinion, and never allows.

Source: https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from timonier.engine import metrics
from timonier.webhooks.access import Access
from timonier.webhooks.protection import Lookup, asked_for, why_protected
from timonier.webhooks.reviews import Review, ReviewError

__all__ = ["AUTHORIZE_PATH", "Authorization"]

AUTHORIZE_PATH: Final = "/authorize"

_KUBE_SYSTEM: Final = "system:serviceaccount:kube-system:"
# They end what somebody else ended before; a namespace is protected as such.
_CONTROLLERS: Final = frozenset({f"{_KUBE_SYSTEM}generic-garbage-collector", f"{_KUBE_SYSTEM}namespace-controller"})


class Authorization:
    """On every replica, from what the watches have brought: the API server waits for the answer."""

    def __init__(self, access: Access, lookup: Lookup, now: Callable[[], datetime]) -> None:
        self._access = access
        self._lookup = lookup
        self._now = now

    async def answer(self, review: Review) -> dict[str, Any]:
        """The status of one SubjectAccessReview."""
        spec = review.request
        if not isinstance(spec.get("user", ""), str):
            raise ReviewError("a SubjectAccessReview has a user")
        asked = asked_for(spec)
        why = why_protected(asked, self._lookup, self._now()) if asked is not None else None
        if why is not None and not await self._is_exempt(spec):
            metrics.AUTHORIZATIONS.labels("denied").inc()
            return {"allowed": False, "denied": True, "reason": f"timonier: {why}"}
        metrics.AUTHORIZATIONS.labels("no opinion").inc()
        return {"allowed": False}

    async def _is_exempt(self, spec: Mapping[str, Any]) -> bool:
        user = spec.get("user", "")
        return user in _CONTROLLERS or user == await self._access.own_name()
