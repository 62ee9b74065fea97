"""The HTTPS server that the API server asks: bounded in memory and time, and never brought down by a question."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, Final

from aiohttp import web

from timonier.engine import metrics
from timonier.webhooks import reviews
from timonier.webhooks.reviews import Answer, ReviewError

__all__ = ["BODY_LIMIT", "LEAVING", "Page", "application", "listen", "server_context"]

BODY_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of one request. A list is converted in one: 32 MiB are some ten thousand Applications."""
_LIMITS: Final = {"AdmissionReview": 8 * 1024 * 1024, "SubjectAccessReview": 1024 * 1024}
"""Less for those that are about one object, of which the API server stores no more than 1.5 MiB."""
_SMALL: Final = 1024 * 1024
_LARGE_AT_ONCE: Final = 3
"""Requests with a body that is not small that are in memory together: others wait, and small ones pass by."""
_READ_SECONDS: Final = 10.0
"""The API server's own default for how long it waits for an answer."""

LEAVING: Final = web.AppKey("leaving", asyncio.Event)
"""Set when this replica is about to go: each answer is then the last one on its connection."""

logger = logging.getLogger(__name__)


Page = Callable[[web.Request], Awaitable[web.Response]]


def application(answers: Mapping[tuple[str, str], Answer], pages: Mapping[str, Page] | None = None) -> web.Application:
    """The server's routes: for each path and kind of review, who answers; and `pages` to get, by their paths."""
    served = web.Application(client_max_size=BODY_LIMIT)
    served[LEAVING] = asyncio.Event()
    turns = asyncio.Semaphore(_LARGE_AT_ONCE)
    for (path, kind), answer in answers.items():
        served.router.add_post(path, _Handler(path, kind, answer, turns).handle)
    for path, page in (pages or {}).items():
        served.router.add_get(path, page)
    return served


def server_context() -> ssl.SSLContext:
    """A context for TLS 1.2 and newer; certificates are loaded into it, again and again, while it serves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def listen(served: web.Application, address: str, context: ssl.SSLContext) -> web.AppRunner:
    """Begin to serve at `host:port`; the caller cleans up, which lets requests finish. Raises OSError."""
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(served, access_log=None, shutdown_timeout=10.0)
    await runner.setup()
    await web.TCPSite(runner, host or None, int(port), ssl_context=context).start()
    return runner


class _Handler:
    def __init__(self, path: str, kind: str, answer: Answer, turns: asyncio.Semaphore) -> None:
        self._path = path
        self._kind = kind
        self._answer = answer
        self._turns = turns

    async def handle(self, request: web.Request) -> web.Response:
        began = time.perf_counter()
        status = 0
        small = request.content_length is not None and request.content_length <= _SMALL
        try:
            async with nullcontext() if small else self._turns:
                response = await self._respond(request)
            status = response.status
            if request.app[LEAVING].is_set():
                response.force_close()
            return response
        finally:
            metrics.WEBHOOK_REQUESTS.labels(self._path, "ok" if status == 200 else "error").inc()
            metrics.WEBHOOK_TIME.labels(self._path).observe(time.perf_counter() - began)

    async def _respond(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408, text=f"the request did not arrive within {_READ_SECONDS:.0f} s\n")
        if len(body) > (limit := _LIMITS.get(self._kind, BODY_LIMIT)):
            return web.Response(status=413, text=f"a {self._kind} has at most {limit} bytes\n")
        try:
            review = reviews.read(body, self._kind)
            del body
            answer = reviews.wrapped(review, await self._answer(review))
        except ReviewError as error:
            return web.Response(status=400, text=f"{error}\n")
        except Exception:
            logger.exception("a review could not be answered", extra={"path": self._path})
            return web.Response(status=500, text="the operator failed to answer; its log says why\n")
        return web.Response(body=_text(answer), content_type="application/json")


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
