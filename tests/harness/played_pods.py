"""An API server of pods alone, on loopback: for the corners of executing and of logs that a real node does not show."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from timonier.engine.client import Client, connect

__all__ = ["Played", "PlayedPods", "exit_status", "played_pods"]

V5 = "v5.channel.k8s.io"


class Played:
    """The node's side of one command: what it gets, and what it says."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def say(self, data: bytes, channel: int = 1) -> None:
        """Write to standard output, or another channel."""
        await self._socket.send_bytes(bytes((channel,)) + data)

    async def hear(self) -> bytes | None:
        """The next input; None at its end, or when the connection is cut."""
        message = await self._socket.receive()
        if message.type is not web.WSMsgType.BINARY or message.data[0] == 255:
            return None
        return bytes(message.data[1:])

    async def end(self, code: int = 0) -> None:
        """Say how the command ended."""
        await self.say(exit_status(code), 3)

    async def cut(self) -> None:
        """Break the connection, as a node does that goes away."""
        assert self._socket._req is not None
        transport = self._socket._req.transport
        assert transport is not None
        transport.abort()


Play = Callable[[Played], Awaitable[None]]


@dataclass(slots=True)
class PlayedPods:
    """`commands` says by the first word what plays a command; `log` is what every container has said."""

    client: Client
    commands: dict[str, Play] = field(default_factory=dict)
    log: list[bytes] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)


def exit_status(code: int) -> bytes:
    """How a command ended, as the API server says it."""
    if code == 0:
        return b'{"status":"Success"}'
    cause = {"reason": "ExitCode", "message": str(code)}
    failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}
    return json.dumps(failure | {"message": f"command terminated with exit code {code}"}).encode()


@asynccontextmanager
async def played_pods(
    folder: Path, *, protocols: tuple[str, ...] = (V5,), may_write: Callable[[], bool] = lambda: True
) -> AsyncIterator[PlayedPods]:
    """Serve, and a client that is connected."""
    app = web.Application()
    runner = web.AppRunner(app)

    async def execute(request: web.Request) -> web.StreamResponse:
        command = request.query.getall("command")
        pods.asked.append(
            {"command": command, "container": request.query["container"], "pod": request.match_info["pod"]}
        )
        play = pods.commands.get(command[0])
        if play is None:
            return web.json_response({"reason": "NotFound", "message": "no such pod"}, status=404)
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await play(Played(socket))
        await socket.close()
        return socket

    async def log(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pods.log:
            await response.write(piece)
        return response

    app.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/exec", execute)
    app.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/log", log)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    kubeconfig = folder / "played.kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": f"http://{host}:{port}"}}],
                "users": [{"name": "c", "user": {}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            }
        )
    )  # fmt: skip
    try:
        async with connect(str(kubeconfig), may_write=may_write) as client:
            pods = PlayedPods(client)
            yield pods
    finally:
        await runner.cleanup()
