"""The HTTPS server that the API server asks: bounded in memory and time, and never brought down by a question."""

import asyncio
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, nullcontext
from typing import Any, Final

from aiohttp import ClientPayloadError, web

from timonier.engine import metrics
from timonier.webhooks import reviews
from timonier.webhooks.connections import Connections, listener
from timonier.webhooks.reviews import Answer, ReviewError

__all__ = ["BODY_LIMIT", "LEAVING", "Page", "Serving", "application", "listen", "server_context"]

BODY_LIMIT: Final = 12 * 1024 * 1024
"""Bytes of one request, and of all that are not small together. A list is converted in one: these are some 3,500
Applications of few fields. As values of Python they take up to 18 times as much."""
_LIMITS: Final = {"AdmissionReview": 8 * 1024 * 1024, "SubjectAccessReview": 1024 * 1024}
"""Less for those that are about one object, of which the API server stores no more than 1.5 MiB."""
_SMALL: Final = 64 * 1024
"""What nobody has to wait for: of these, each connection may have one."""
_ANSWERED_AT_ONCE: Final = 16
"""Reviews that are being answered at a path. Each has its own turns, as an answer at one may take one at another."""
_READ_SECONDS: Final = 10.0
"""The API server's own default for how long it waits for an answer."""

LEAVING: Final = web.AppKey("leaving", asyncio.Event)
"""Set when this replica is about to go: each answer is then the last one on its connection."""
_CONNECTIONS: Final = web.AppKey("connections", Connections)

logger = logging.getLogger(__name__)
# What aiohttp says of a request that is no HTTP quotes it, whoever sent it: tokens, and megabytes of nonsense.
_silent = logging.getLogger(f"{__name__}.http")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False

Page = Callable[[web.Request], Awaitable[web.Response]]


def application(
    answers: Mapping[tuple[str, str], Answer],
    pages: Mapping[str, Page] | None = None,
    *,
    connections: Connections | None = None,
) -> web.Application:
    """The server's routes: for each path and kind of review, who answers; and `pages` to get, by their paths.

    `connections` says how many may be connected, if not as many as usual.
    """
    served = web.Application(middlewares=[_answered])
    served[LEAVING] = asyncio.Event()
    served[_CONNECTIONS] = connections or Connections()
    room = _Room(BODY_LIMIT)
    for (path, kind), answer in answers.items():
        served.router.add_post(path, _Handler(path, kind, answer, room).handle)
    for path, page in (pages or {}).items():
        served.router.add_get(path, page)
    return served


def server_context() -> ssl.SSLContext:
    """A context for TLS 1.2 and newer; certificates are loaded into it, again and again, while it serves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Serving:
    """A server that listens. Whoever made it closes it."""

    def __init__(self, runner: web.AppRunner, accepting: asyncio.Task[None]) -> None:
        self._runner = runner
        self._accepting = accepting

    def problem(self) -> str | None:
        """What keeps it from taking connections; None when nothing does."""
        return "takes no connections any more" if self._accepting.done() else None

    async def close(self) -> None:
        """Take no more connections, let requests finish, and end."""
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        await self._runner.cleanup()


async def listen(served: web.Application, address: str, context: ssl.SSLContext) -> Serving:
    """Begin to serve at `host:port`. Raises OSError."""
    door = listener(address)
    # A body is not unpacked: the API server packs none, and of a kilobyte it could make a gigabyte.
    # Whoever leaves takes the request along, so that nothing is held for nobody.
    runner = web.AppRunner(
        served,
        access_log=None,
        shutdown_timeout=10.0,
        auto_decompress=False,
        handler_cancellation=True,
        logger=_silent,
    )
    await runner.setup()
    return Serving(runner, asyncio.create_task(_accept(served, runner, door, context), name="connections"))


async def _accept(served: web.Application, runner: web.AppRunner, door: socket.socket, context: ssl.SSLContext) -> None:
    with door:
        if runner.server is not None:
            await served[_CONNECTIONS].let_in(runner.server, door, context)


@web.middleware
async def _answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever happens, there is an answer."""
    connections = request.app[_CONNECTIONS]
    with connections.asked(request.protocol):
        try:
            with connections.answering(request.protocol) if request.method == "GET" else nullcontext():
                response = await handler(request)
        except web.HTTPException:
            raise
        except Exception:
            logger.exception("a request could not be answered", extra={"path": request.path})
            response = web.Response(status=500, text="the operator failed to answer; its log says where\n")
        if request.app[LEAVING].is_set() or connections.crowded:
            response.force_close()
        return response


class _Room:
    """So many bytes may be held at once; who asked first is served first."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._queue = asyncio.Lock()
        self._freed = asyncio.Event()

    async def take(self, amount: int) -> None:
        async with self._queue:
            while self._free < amount:
                self._freed.clear()
                await self._freed.wait()
            self._free -= amount

    def give_back(self, amount: int) -> None:
        self._free += amount
        self._freed.set()


class _Share:
    """What one request has of the room: taken once, if at all."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._taken = 0

    async def take(self, amount: int) -> None:
        if not self._taken:
            await self._room.take(amount)
            self._taken = amount

    def give_back(self) -> None:
        self._room.give_back(self._taken)
        self._taken = 0


class _UnreadError(Exception):
    """The body did not come, or must not; the status and the message tell why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler:
    def __init__(self, path: str, kind: str, answer: Answer, room: _Room) -> None:
        self._path = path
        self._kind = kind
        self._answer = answer
        self._room = room
        self._limit = _LIMITS.get(kind, BODY_LIMIT)
        self._turns = asyncio.Semaphore(_ANSWERED_AT_ONCE)

    async def handle(self, request: web.Request) -> web.Response:
        began = time.perf_counter()
        status = 0
        try:
            response = await self._respond(request)
            status = response.status
            return response
        finally:
            metrics.WEBHOOK_REQUESTS.labels(self._path, "ok" if status == 200 else "error").inc()
            metrics.WEBHOOK_TIME.labels(self._path).observe(time.perf_counter() - began)

    async def _respond(self, request: web.Request) -> web.Response:
        try:
            async with self._read(request) as body:
                review = reviews.read(body, self._kind)
                body.clear()
                answer = reviews.wrapped(review, await self._answer(review))
                return web.Response(body=_text(answer), content_type="application/json")
        except _UnreadError as error:
            return web.Response(status=error.status, text=f"{error}\n")
        except ReviewError as error:
            return web.Response(status=400, text=f"{error}\n")
        except RecursionError:
            return web.Response(status=400, text="a review is not nested that deeply\n")

    @asynccontextmanager
    async def _read(self, request: web.Request) -> AsyncIterator[bytearray]:
        """The body, and a turn to answer it, for the life of the block. Raises _UnreadError."""
        room, body = _Share(self._room), bytearray()
        with ExitStack() as kept:
            kept.callback(room.give_back)
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    await self._fill(body, request, room)
                    kept.enter_context(request.app[_CONNECTIONS].answering(request.protocol))
                    await self._turns.acquire()
                    kept.callback(self._turns.release)
            except TimeoutError:
                text = f"the request was not there, and its turn, within {_READ_SECONDS:.0f} s"
                raise _UnreadError(408, text) from None
            except (ConnectionError, ClientPayloadError):
                raise _UnreadError(400, "the request broke off") from None
            yield body

    async def _fill(self, body: bytearray, request: web.Request, room: _Share) -> None:
        """Read all that is sent. What is not small waits for room, once so much of it has come."""
        declared = request.content_length or 0
        self._check_size(declared)
        async for piece in request.content.iter_any():
            body += piece
            self._check_size(len(body))
            if len(body) > _SMALL:
                await room.take(declared or self._limit)
                request.app[_CONNECTIONS].heard(request.protocol)

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise _UnreadError(413, f"a {self._kind} has at most {self._limit} bytes")


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
