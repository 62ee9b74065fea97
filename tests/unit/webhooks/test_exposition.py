"""Who is shown the metrics. The API server is played, the server is the real one."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer

from timonier.api.resources import TOKEN_REVIEWS, Resource
from timonier.engine.client import Client
from timonier.engine.errors import ApiError
from timonier.webhooks import server
from timonier.webhooks.access import Access
from timonier.webhooks.exposition import METRICS_PATH, Exposition


class ApiServer:
    """Knows two tokens; `asked` are the kinds of the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    def unguarded(self) -> "ApiServer":
        return self

    async def create(self, resource: Resource, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(resource.kind)
        if self.down:
            raise ApiError(0, "Timeout", "no answer")
        if resource == TOKEN_REVIEWS:
            name = {"good": "prometheus", "other": "somebody"}.get(body["spec"]["token"])
            return {"status": {"authenticated": True, "user": {"username": name}} if name else {}}
        assert body["spec"]["nonResourceAttributes"] == {"verb": "get", "path": "/metrics"}
        assert "resourceAttributes" not in body["spec"]
        return {"status": {"allowed": body["spec"]["user"] == "prometheus"}}


def scraped(api: ApiServer, *headers: Mapping[str, str]) -> list[tuple[int, str]]:
    async def go() -> list[tuple[int, str]]:
        page = Exposition(Access(cast(Client, api), time.monotonic)).answer
        served = server.application({}, {METRICS_PATH: page})
        async with TestClient(TestServer(served)) as client:
            found = []
            for each in headers:
                answer = await client.get(METRICS_PATH, headers=each)
                found.append((answer.status, await answer.text()))
            return found

    return asyncio.run(go())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_who_may_is_shown_the_metrics_and_asked_about_once_in_a_while() -> None:
    api = ApiServer()
    first, second = scraped(api, bearer("good"), bearer("good"))
    assert first[0] == second[0] == 200
    assert "timonier_leader" in first[1]
    assert api.asked == ["TokenReview", "SubjectAccessReview"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic Z29vZA=="}, 401),
        ({"Authorization": "Bearer "}, 401),
        (bearer("bad"), 401),
        (bearer("x" * 20_000), 400),
        (bearer("other"), 403),
    ],
)
def test_others_are_not(headers: dict[str, str], status: int) -> None:
    ((found, text),) = scraped(ApiServer(), headers)
    assert found == status
    assert "timonier_leader" not in text


def test_when_nobody_can_tell_nobody_is_shown_them() -> None:
    api = ApiServer()
    api.down = True
    assert scraped(api, bearer("good"))[0][0] == 503
