"""A reverse proxy before the API server that can fail on purpose, at a chosen write.

The operator talks plain HTTP to it on loopback; it adds the operator's own token and forwards over TLS. So the
operator needs no switch for tests, and dies or suffers exactly between two of its API calls.
"""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from harness.operator_process import free_port

__all__ = ["FaultProxy", "Moment", "Write", "proxied"]

_HOP_BY_HOP = frozenset({"transfer-encoding", "connection", "content-length", "host", "keep-alive", "content-encoding"})


class Moment(Enum):
    """When the fault strikes: before the API server has seen the write, or after it has carried it out."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Write:
    """One write that passed through, counted from 1. Renewals of the lease do not count."""

    number: int
    method: str
    path: str


@dataclass(slots=True)
class FaultProxy:
    """`on_write` is called for each write and moment, in the proxy's thread; it may kill the operator there."""

    url: str
    upstream: str
    token: str
    context: ssl.SSLContext
    on_write: Callable[[Write, Moment], None] = lambda _write, _moment: None
    refuse: Callable[[str, str], int | None] = lambda _method, _path: None
    writes: list[Write] = field(default_factory=list)

    async def forward(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        """Pass one request on, and its answer back, piece by piece (watches never end)."""
        status = self.refuse(request.method, request.path)
        if status is not None:
            body = {
                "kind": "Status",
                "status": "Failure",
                "code": status,
                "reason": "Injected",
                "message": "on purpose",
            }
            return web.json_response(body, status=status, headers={"Retry-After": "1"} if status == 429 else {})
        write = None
        if request.method != "GET" and "/leases" not in request.path:
            write = Write(len(self.writes) + 1, request.method, request.path)
            self.writes.append(write)
            self.on_write(write, Moment.BEFORE)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers["Authorization"] = f"Bearer {self.token}"
        data = await request.read() or None
        async with session.request(
            request.method, self.upstream + request.path_qs, headers=headers, data=data, ssl=self.context
        ) as answer:
            if write is not None:
                await answer.read()
                self.on_write(write, Moment.AFTER)
            response = web.StreamResponse(
                status=answer.status,
                headers={name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP},
            )
            # The operator may be dead by now: this is what the proxy is for.
            with contextlib.suppress(aiohttp.ClientConnectionResetError):
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            return response

    def kubeconfig(self, target: Path) -> Path:
        """A kubeconfig that leads through this proxy."""
        value: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxied",
            "clusters": [{"name": "proxied", "cluster": {"server": self.url}}],
            "users": [{"name": "proxied", "user": {}}],
            "contexts": [{"name": "proxied", "context": {"cluster": "proxied", "user": "proxied"}}],
        }
        target.write_text(yaml.safe_dump(value))
        return target


@contextmanager
def proxied(kubeconfig: Path) -> Iterator[FaultProxy]:
    """A proxy to the cluster of `kubeconfig`, with its token, for the life of the block."""
    source = yaml.safe_load(kubeconfig.read_text())
    cluster = source["clusters"][0]["cluster"]
    port = free_port()
    context = ssl.create_default_context(cadata=_authority(cluster))
    proxy = FaultProxy(f"http://127.0.0.1:{port}", cluster["server"], source["users"][0]["user"]["token"], context)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True) as session:

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                return await proxy.forward(session, request)

            runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.5)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            started.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="fault proxy", daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def _authority(cluster: dict[str, Any]) -> str:
    if "certificate-authority" in cluster:
        return Path(cluster["certificate-authority"]).read_text()
    return base64.b64decode(cluster["certificate-authority-data"]).decode()
