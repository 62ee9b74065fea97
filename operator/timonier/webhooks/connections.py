"""Who may be connected: so many at once, and whoever has been silent for longest makes room for the next one."""

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
    """Lets connections in to an aiohttp server, and knows which of them are being answered."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._arriving: dict[asyncio.Task[None], float] = {}
        self._since: dict[web.RequestHandler, float] = {}
        self._answering: set[web.RequestHandler] = set()

    def heard(self, connection: web.RequestHandler) -> None:
        """A request has begun on it."""
        self._since[connection] = asyncio.get_running_loop().time()

    @contextmanager
    def answering(self, connection: web.RequestHandler) -> Iterator[None]:
        """Whoever has sent all of a request has a right to the answer."""
        self._answering.add(connection)
        try:
            yield
        finally:
            self._answering.discard(connection)
            self.heard(connection)

    async def let_in(self, server: web.Server, door: socket.socket, context: ssl.SSLContext) -> None:
        """Accept until cancelled; what is connected then stays so."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                while len(self._arriving) + len(server.connections) >= self._most:
                    self._make_room(server)
                    await asyncio.sleep(_LOOK_AGAIN)
                try:
                    accepted, _ = await loop.sock_accept(door)
                except OSError as error:
                    logger.warning("cannot take a connection, again in %.0f s: %s", _OUT_OF_FILES, error)
                    await asyncio.sleep(_OUT_OF_FILES)
                    continue
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
        """End the one that has been silent for longest, if that is long."""
        latest = asyncio.get_running_loop().time() - _PATIENCE
        for task, since in self._arriving.items():
            if since < latest:
                task.cancel()
                return
        waiting = {each: self._since[each] for each in server.connections if each in self._since}
        silent = [each for each, since in waiting.items() if since < latest and each not in self._answering]
        oldest = min(silent, key=lambda each: waiting[each], default=None)
        if oldest is not None and oldest.transport is not None:
            oldest.transport.abort()


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
