"""Execute a command in a container: its standard input and output as streams, and how it ended.

The WebSocket carries several channels, one byte in front of every message (k8s.io/apimachinery, remotecommand). Only
version 5 of the protocol can end standard input while the rest goes on; Kubernetes has it since 1.30.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from timonier.api.resources import PODS
from timonier.engine.client import Client
from timonier.engine.errors import StreamError, api_error
from timonier.engine.streams import translated, websocket

__all__ = ["ERROR_OUTPUT_LIMIT", "Container", "Ended", "Execution", "executing", "exit_code_in", "run_command"]

ERROR_OUTPUT_LIMIT: Final = 4096
"""Bytes that are kept of the end of what a command writes to its standard error."""

_V5: Final = "v5.channel.k8s.io"
_PROTOCOLS: Final = (_V5, "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255


@dataclass(frozen=True, slots=True)
class Container:
    """Where to execute: a running container of a pod."""

    namespace: str
    pod: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}/{self.name}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: `output` and `error_output` are the ends of what it wrote, as far as they were kept."""

    exit_code: int
    output: bytes
    error_output: bytes


class Execution:
    """A command that runs. Every method raises ApiError; StreamError when the connection broke off.

    One task at a time may call `read` or `result`, another one `write` and `close_stdin`. Somebody must read: a command
    whose output nobody takes waits, and does not read its input either.
    """

    def __init__(self, client: Client, what: str, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._client = client
        self._what = what
        self._socket = socket
        self._error_output = b""
        self._exit_code = -1
        self._over = False

    async def read(self) -> bytes:
        """The next piece of its standard output; nothing when the command has ended."""
        while not self._over:
            channel, data = await self._receive()
            if channel == _STDOUT and data:
                return data
            if channel == _STDERR:
                self._error_output = (self._error_output + data)[-ERROR_OUTPUT_LIMIT:]
            elif channel == _STATUS:
                # The status comes after all output: the API server waits for both streams before it sends it.
                self._exit_code = exit_code_in(data)
                self._over = True
        return b""

    async def write(self, data: bytes) -> None:
        """Give it some input; waits while there is more under way than buffers hold."""
        with translated(self._what):
            await self._socket.send_bytes(bytes((_STDIN,)) + data)

    async def close_stdin(self) -> None:
        """End its input, which is when many a command makes final what it did. Raises NotLeaderError."""
        self._client.check_may_write(self._what)
        if self._socket.protocol != _V5:
            raise StreamError(
                f"{self._what}: this API server cannot end a command's input ({self._socket.protocol}); "
                f"Kubernetes 1.30 and newer can ({_V5}).",
                "NoHalfClose",
            )
        with translated(self._what):
            await self._socket.send_bytes(bytes((_CLOSE, _STDIN)))

    async def result(self, keep: int = 0) -> Ended:
        """Wait for its end. Output that nobody has read yet is dropped, but for the last `keep` bytes."""
        output = b""
        while data := await self.read():
            output = (output + data)[-keep:] if keep else b""
        return Ended(self._exit_code, output, self._error_output)

    async def _receive(self) -> tuple[int, bytes]:
        """The next message, as its channel and its data."""
        with translated(self._what):
            message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            raise StreamError(f"{self._what} broke off before the command's end ({message.type.name}).")
        return message.data[0], message.data[1:]


@asynccontextmanager
async def executing(
    client: Client, container: Container, command: Sequence[str], *, stdin: bool = False, stdout: bool = True
) -> AsyncIterator[Execution]:
    """Execute a command; the connection is cut off at the end of the block, whether the command has ended or not.

    A command that has not ended then goes on, and finds its input at an end as if it were whole: the node cannot tell
    it the difference. Without `stdin` there is none. Raises NotLeaderError, ApiError.
    """
    flags = {"stdin": stdin, "stdout": stdout, "stderr": True}
    query = [("container", container.name), *((name, "true") for name, wanted in flags.items() if wanted)]
    query += [("command", argument) for argument in command]
    path = PODS.url(container.namespace, container.pod, "exec")
    async with websocket(client, f"{PODS}/exec", path, query, _PROTOCOLS) as socket:
        yield Execution(client, f"{command[0]} in {container}", socket)


async def run_command(
    client: Client, container: Container, command: Sequence[str], *, seconds: float, keep: int = ERROR_OUTPUT_LIMIT
) -> Ended:
    """Run a command without input to its end, and keep the last `keep` bytes of its output.

    Raises ApiError, StreamError with the reason Timeout when it has not ended after so many seconds: it is left alone
    then, and may go on.
    """
    try:
        async with asyncio.timeout(seconds), executing(client, container, command) as execution:
            return await execution.result(keep)
    except TimeoutError as error:
        raise StreamError(f"{command[0]} in {container} has not ended within {seconds:g} s.", "Timeout") from error


def exit_code_in(status: bytes) -> int:
    """The exit code that a Status says. Raises ApiError when the command was not run, or did not end by itself.

    >>> exit_code_in(b'{"status":"Success"}')
    0
    """
    try:
        said = json.loads(status)
        if said["status"] == "Success":
            return 0
        causes = (said.get("details") or {}).get("causes") or ()
        codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
        refusal = api_error(int(said.get("code") or 500), said.get("reason") or "Unknown", str(said.get("message")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StreamError(f"A command ended with a status that cannot be read: {status[:200]!r}.") from error
    if not codes:
        raise refusal
    return codes[0]
