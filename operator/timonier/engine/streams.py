"""Connections to the API server that last: WebSockets, and answers that are read as they come.

Each has a connection of its own, with the identity of a Client: streams live for hours, and must not take the place of
the lease's renewals in the pool. Buffers are bounded on both ways: what nobody takes, the sender is made to wait with.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from timonier.engine.client import READ_TIMEOUT, WRITE_TIMEOUT, Access, Client, answer_of
from timonier.engine.errors import ApiError, StreamError
from timonier.engine.metrics import API_REQUESTS

__all__ = ["Query", "download", "translated", "websocket"]

Query = Sequence[tuple[str, str]]
"""Parameters of a URL; a name may come several times."""

# A peer that vanished without a word is found out after about a minute. Pings of the WebSocket would not do: their
# answers wait behind data that nobody wants yet, so that a stream that is merely slow would be taken for a dead one.
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of the connection become StreamError, which begins with `what`."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise StreamError(f"{what} broke off: {error!r}") from error


@asynccontextmanager
async def websocket(
    client: Client, resource: str, path: str, query: Query, protocols: Sequence[str]
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket that speaks one of those protocols, cut off at the end of the block. It is a write.

    Messages may be of any size. `resource` is for the metrics. Raises NotLeaderError, ApiError.
    """
    client.check_may_write(f"GET {path}")
    access = await client.access()
    async with _session(access) as session:
        url = _url(access, path, query)
        with _opening(resource, path):
            async with asyncio.timeout(WRITE_TIMEOUT):
                opened = await session.ws_connect(url, protocols=protocols, max_msg_size=0, **_way(access))
        try:
            if opened.protocol is None:
                raise StreamError(f"GET {path}: the API server speaks none of {', '.join(protocols)}.", "NoProtocol")
            yield opened
        finally:
            # The connection first: a farewell would wait for a peer that may have stopped to read.
            await session.close()
            await opened.close()


@asynccontextmanager
async def download(client: Client, resource: str, path: str, query: Query) -> AsyncIterator[aiohttp.StreamReader]:
    """The body of an answer, which ends when the block does. Raises ApiError."""
    access = await client.access()
    async with _session(access) as session:
        with _opening(resource, path):
            async with asyncio.timeout(READ_TIMEOUT):
                response = await session.get(_url(access, path, query), **_way(access))
        try:
            yield response.content
        finally:
            response.close()


def _session(access: Access) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=access.tls, socket_factory=_watched_socket),
        headers=access.headers,
        middlewares=(_raise_refusals,),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=access.trust_env,
    )


def _url(access: Access, path: str, query: Query) -> str:
    return f"{access.host}{path}?{urlencode(query)}"


def _way(access: Access) -> dict[str, Any]:
    return {"proxy": access.proxy, "proxy_headers": access.proxy_headers, "server_hostname": access.server_name}


@contextmanager
def _opening(resource: str, path: str) -> Iterator[None]:
    status = "none"
    try:
        yield
        status = "200"
    except ApiError as error:
        status = str(error.status)
        raise
    except (aiohttp.ClientError, OSError) as error:
        # Of which TimeoutError is one.
        raise ApiError(0, type(error).__name__, f"GET {path}: no answer from the API server: {error!r}") from error
    finally:
        API_REQUESTS.labels("GET", resource, status).inc()


async def _raise_refusals(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Raises ApiError with what the answer says, where aiohttp would drop it together with the upgrade."""
    response = await handler(request)
    if response.status >= 300:
        text = await response.read()
        answer_of(request.method, request.url.path, response.status, response.headers.get("Retry-After"), text)
    return response


def _watched_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    watched = socket.socket(family, kind, protocol)
    watched.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        watched.setsockopt(socket.IPPROTO_TCP, option, value)
    return watched
