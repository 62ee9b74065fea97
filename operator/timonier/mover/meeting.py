"""Where the mover and whoever has the other end of a stream meet: a socket in the pod.

The pod's own process waits; `python3 -m timonier.mover stream` is executed in the pod, and its standard input or output
is the other end. It passes on what comes and understands none of it. The first byte that it is told says which way the
data goes, the last one that all is well: standard input cannot be relied on to end, as not every protocol has an end.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from timonier.mover.outcome import MoverError

__all__ = ["DONE", "GIVES", "TAKES", "WAITING", "meet", "stream"]

TAKES = b"<"
"""The pod takes data."""
GIVES = b">"
"""The pod gives data."""
DONE = b"+"
"""The pod has taken all data, and it is whole."""

WAITING = "TIMONIER-WAITING"
"""The line of the log that says that the pod waits for the stream now."""

_SOCKET = "/tmp/timonier-stream"  # noqa: S108 - the pod's only writable folder, its own emptyDir
_CHUNK = 1 << 16
_FAREWELL_SECONDS = 60.0
# The pod reads a whole backup before it gives any of it; who comes for it may cancel at any time.
_CONNECT_SECONDS = 3600.0


def _place(environment: Mapping[str, str]) -> str:
    return environment.get("TIMONIER_STREAM", _SOCKET)


@contextmanager
def meet(environment: Mapping[str, str], seconds: float) -> Iterator[socket.socket]:
    """The connection to the first who comes within so many seconds. Each side leaves after the other is done."""
    place = _place(environment)
    Path(place).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(1)
        listener.settimeout(seconds)
        print(WAITING, flush=True)
        try:
            peer, _ = listener.accept()
        except TimeoutError as error:
            raise MoverError("Failed", f"Nobody came with the stream within {seconds:g} s.") from error
        finally:
            Path(place).unlink(missing_ok=True)
    with peer:
        yield peer
        # The pod ends with us, and would take the other along before it has passed on everything.
        with suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(_FAREWELL_SECONDS)
            while peer.recv(_CHUNK):
                continue


def stream(environment: Mapping[str, str]) -> int:
    """Pass a stream on between standard input or output and the pod's own process; the exit code."""
    try:
        with _connected(_place(environment)) as pod:
            way = pod.recv(1)
            return _pass_in(pod) if way == TAKES else _pass_out(pod) if way == GIVES else 1
    except OSError as error:
        print(f"the stream broke off: {error}", file=sys.stderr)
        return 1


def _connected(place: str) -> socket.socket:
    until = time.monotonic() + _CONNECT_SECONDS
    while True:
        pod = socket.socket(socket.AF_UNIX)
        try:
            pod.connect(place)
        except (FileNotFoundError, ConnectionRefusedError):
            pod.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return pod


def _pass_in(pod: socket.socket) -> int:
    sources: list[int | socket.socket] = [sys.stdin.fileno(), pod]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if pod in ready:
            return 0 if pod.recv(1) == DONE else 1
        data = os.read(sys.stdin.fileno(), _CHUNK)
        if data:
            pod.sendall(data)
        else:
            sources = [pod]
            pod.shutdown(socket.SHUT_WR)


def _pass_out(pod: socket.socket) -> int:
    while data := pod.recv(_CHUNK):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    return 0
