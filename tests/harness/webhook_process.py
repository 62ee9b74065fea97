"""The webhook server alone, as a process: what it takes of memory, and what it writes, are its own."""

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop

from timonier.api.resources import Resource
from timonier.engine.client import Client
from timonier.engine.errors import ApiError
from timonier.engine.logs import configure
from timonier.webhooks.access import Access
from timonier.webhooks.certificates import Lives, Pair, Trust, renewed
from timonier.webhooks.definitions import ROUTES
from timonier.webhooks.exposition import METRICS_PATH, Exposition
from timonier.webhooks.serving import Webhooks

__all__ = ["WebhookProcess", "webhook_process"]


class Nobody:
    """An API server that answers nothing: what is asked of it cannot be found out."""

    def unguarded(self) -> "Nobody":
        return self

    async def create(self, _resource: Resource, _body: Any) -> None:
        raise ApiError(0, "Timeout", "no answer")


@dataclass(frozen=True, slots=True)
class WebhookProcess:
    """One server, and whom to trust to talk to it; `at_rest` is its resident memory before anybody did, MiB."""

    process: subprocess.Popen[bytes]
    port: int
    context: ssl.SSLContext
    log: Path
    at_rest: float

    def peak_mib(self) -> float:
        """The most resident memory that it had, MiB."""
        return _resident(self.process, "VmHWM")


def _resident(process: subprocess.Popen[bytes], name: str) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def webhook_process(folder: Path) -> Iterator[WebhookProcess]:
    """A server for the life of the block, at its most talkative; its log is `server.log` in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log, authority = folder / "server.log", folder / "ca.crt"
    command = [sys.executable, "-m", "harness.webhook_process", str(port), str(authority)]
    paths = os.pathsep.join(path for path in sys.path if path)
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, "PYTHONPATH": paths})
    try:
        deadline = time.monotonic() + 30
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server does not serve:\n{log.read_text()}")
            time.sleep(0.05)
        context = ssl.create_default_context(cafile=str(authority))
        yield WebhookProcess(process, port, context, log, _resident(process, "VmRSS"))
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


async def _serve(port: int, own: Trust) -> None:
    access = Access(cast(Client, Nobody()), time.monotonic)

    async def leaf() -> Pair | None:
        return own.leaf

    answers = {route: answering(access, lambda _resource, _namespace: ()) for route, answering in ROUTES.items()}
    await Webhooks(answers, f"127.0.0.1:{port}", leaf, pages={METRICS_PATH: Exposition(access).answer}).run()


if __name__ == "__main__":
    configure("debug")
    made = renewed(None, ["127.0.0.1"], datetime.now(UTC), Lives(), published=True)
    Path(sys.argv[2]).write_text(made.bundle)
    uvloop.run(_serve(int(sys.argv[1]), made))
