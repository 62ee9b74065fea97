"""Who may be connected: so many at once, and whoever has been silent for longest makes room for the next one.

Whoever has sent all of a request is never ended. Of the others those go first that have no request under way, and then
those that have been sending for longest. While somebody waits, each answer is the last one on its connection: one busy
client does not keep the others out.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

__all__ = ["Connections", "listener"]

_MOST: Final = 80
"""Connections at a time, handshakes included: each may hold two megabytes of what it was sent. An API server has one
for each request that is under way, and keeps 25; more of them wait in the kernel, for milliseconds."""
_HANDSHAKE_SECONDS: Final = 5.0
_PATIENCE: Final = 1.0
"""Seconds of silence, or of sending, after which a connection may have to make room: an honest body takes less."""
_LOOK_AGAIN: Final = 0.02
_OUT_OF_FILES: Final = 1.0

logger = logging.getLogger(__name__)


class Connections:
    """Lets connections in to an aiohttp server, and knows how each of them is."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._arriving: dict[asyncio.Task[None], float] = {}
        self._since: dict[web.RequestHandler, float] = {}
        self._sending: set[web.RequestHandler] = set()
        self._answering: set[web.RequestHandler] = set()
        self.crowded = False
        """Somebody waits to be let in."""

    @contextmanager
    def asked(self, connection: web.RequestHandler) -> Iterator[None]:
        """A request is under way, for the life of the block."""
        self._sending.add(connection)
        self.heard(connection)
        try:
            yield
        finally:
            self._sending.discard(connection)
            self.heard(connection)

    def heard(self, connection: web.RequestHandler) -> None:
        """It is not its fault that it took as long as it did."""
        self._since[connection] = asyncio.get_running_loop().time()

    @contextmanager
    def answering(self, connection: web.RequestHandler) -> Iterator[None]:
        """Whoever has sent all of a request has a right to the answer."""
        self._answering.add(connection)
        try:
            yield
        finally:
            self._answering.discard(connection)

    async def let_in(self, server: web.Server, door: socket.socket, context: ssl.SSLContext) -> None:
        """Accept until cancelled; what is connected then stays so."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, _ = await loop.sock_accept(door)
                except OSError as error:
                    logger.warning("cannot take a connection, again in %.0f s: %s", _OUT_OF_FILES, error)
                    await asyncio.sleep(_OUT_OF_FILES)
                    continue
                with _closed_on_error(accepted):
                    while len(self._arriving) + len(server.connections) >= self._most:
                        self.crowded = True
                        self._make_room(server)
                        await asyncio.sleep(_LOOK_AGAIN)
                self.crowded = False
                task = asyncio.create_task(self._shake_hands(server, accepted, context))
                self._arriving[task] = loop.time()
                task.add_done_callback(self._arriving.pop)
        finally:
            for task in self._arriving:
                task.cancel()

    async def _shake_hands(self, server: web.Server, accepted: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        connection = server()
        try:
            await loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=context, ssl_handshake_timeout=_HANDSHAKE_SECONDS
            )
        except OSError:
            return  # somebody who does not speak TLS, or left: nobody of ours
        self._since = {each: since for each, since in self._since.items() if each in server.connections}
        self.heard(connection)

    def _make_room(self, server: web.Server) -> None:
        """End the one that has been idle for longest, or else sending for longest, if that is long."""
        latest = asyncio.get_running_loop().time() - _PATIENCE
        for task, since in self._arriving.items():
            if since < latest:
                task.cancel()
                return
        silent = [
            each
            for each in server.connections
            if self._since.get(each, latest) < latest and each not in self._answering and _is_open(each)
        ]
        first = min(silent, key=lambda each: (each in self._sending, self._since[each]), default=None)
        if first is not None and first.transport is not None:
            first.transport.abort()


def _is_open(connection: web.RequestHandler) -> bool:
    return connection.transport is not None and not connection.transport.is_closing()


@contextmanager
def _closed_on_error(accepted: socket.socket) -> Iterator[None]:
    """Whoever still waits when nobody is let in any more is not left waiting."""
    try:
        yield
    except BaseException:
        accepted.close()
        raise


def listener(address: str) -> socket.socket:
    """Listen at `host:port`, or at `:port` of every address of this machine. Raises OSError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if host:
        family = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][0]
        door = socket.create_server((host, int(port)), family=family)
    elif socket.has_dualstack_ipv6():
        door = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    else:
        door = socket.create_server(("", int(port)))
    door.setblocking(False)
    return door
