"""An API server that is played: it answers the reviews that the webhooks ask it for, from what a test has granted."""

import asyncio
from typing import Any, cast

from timonier.api.resources import SELF_SUBJECT_REVIEWS, Resource
from timonier.engine.client import Client
from timonier.engine.errors import ApiError
from timonier.webhooks.access import Access

__all__ = ["OPERATOR", "ApiServer", "Clock", "access"]

OPERATOR = "system:serviceaccount:timonier-system:timonier"
"""The user that the operator is."""


class ApiServer:
    """Knows what is granted; `asked` are the specs of the reviews that it answered."""

    def __init__(self, *granted: tuple[str, str]) -> None:
        self.granted = set(granted)
        self.asked: list[dict[str, Any]] = []
        self.down = False

    def unguarded(self) -> "ApiServer":
        return self

    async def create(self, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        if self.down:
            raise ApiError(0, "Timeout", "no answer")
        if resource == SELF_SUBJECT_REVIEWS:
            return {"status": {"userInfo": {"username": OPERATOR}}}
        self.asked.append(body["spec"])
        what = body["spec"]["resourceAttributes"]
        return {"status": {"allowed": (what["verb"], what["resource"]) in self.granted}}


class Clock:
    """Seconds, as the test says."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def access(server: ApiServer, clock: Clock | None = None) -> Access:
    """What the webhooks ask through."""
    return Access(cast(Client, server), clock or Clock())
