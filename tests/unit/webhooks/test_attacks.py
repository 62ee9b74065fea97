"""What a stranger on the pod network can do to the server with connections and bytes: no more than wait for it.

The server is a process of its own, so that its memory and its log are nobody else's.
"""

import asyncio
import gzip
import json
import re
import socket
import ssl
from collections.abc import Iterator

import pytest

from harness.webhook_process import WebhookProcess, webhook_process

MIB = 2**20
REVIEW = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "ConversionReview",
    "request": {"uid": "1", "desiredAPIVersion": "timonier.dev/v1", "objects": []},
}
GOOD = json.dumps(REVIEW).encode()
PATHS = ("/convert", "/author", "/review", "/authorize")
LARGE = 11 * MIB
MOST_MIB = 320
"""Above what the server has at rest: with it, the operator stays below the 512 MiB that its Deployment may have."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    with webhook_process(tmp_path_factory.mktemp("webhooks")) as running:
        yield running
        assert len(running.log.read_text().splitlines()) == 1, "strangers write our log"


def head(path: str, length: int | None, *more: str) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: a", size, *more, "", "")).encode()


async def ask(server: WebhookProcess, sent: bytes) -> list[int]:
    """Send it on a connection of its own; the statuses of what comes back until that ends, or is silent for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.context)
    received = b""
    try:
        writer.write(sent)
        await writer.drain()
        while piece := await asyncio.wait_for(reader.read(65536), 0.5 if received else 15):
            received += piece
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


async def answers(server: WebhookProcess, seconds: float = 5.0) -> None:
    """A good review is answered, within a time that the API server has."""
    async with asyncio.timeout(seconds):
        assert 200 in await ask(server, head("/convert", len(GOOD), "Connection: close") + GOOD)


def assert_bounded(server: WebhookProcess) -> None:
    print(f"{server.at_rest:.0f} MiB at rest, {server.peak_mib():.0f} at most")
    assert server.peak_mib() - server.at_rest < MOST_MIB


def crowd(item: bytes, size: int) -> bytes:
    """A review that consists of many small values."""
    return b'{"apiVersion":"v1","kind":"ConversionReview","x":[' + item * ((size - 200) // len(item)) + b"0]}"


def pairs(size: int) -> bytes:
    """As many values, each with a name of its own, as a review of its size may have."""
    inner = ",".join(f'"{number:06x}":0' for number in range(size // 11 - 20))
    return f'{{"apiVersion":"v1","kind":"ConversionReview","x":{{{inner}}}}}'.encode()


def test_bodies_that_would_fill_the_memory_do_not(server: WebhookProcess) -> None:
    bomb = gzip.compress(b" " * (200 * MIB), 9)
    bodies = [
        *(
            head("/convert", len(body)) + body
            for body in 3 * [crowd(b"{},", LARGE), crowd(b'{"a":1},', LARGE), crowd(b'"abcd",', LARGE)]
        ),
        *(head("/convert", len(body)) + body for body in 2 * [pairs(LARGE)]),
        *(head("/review", len(body)) + body for body in 40 * [crowd(b"[],", MIB)]),
        *(head(path, len(bomb), "Content-Encoding: gzip") + bomb for path in PATHS),
        *(head(path, 64 * MIB) + b" " * MIB for path in PATHS),
        *(head(path, None) + b"100000\r\n" + b" " * MIB + b"\r\n0\r\n\r\n" for path in PATHS),
    ]

    async def test() -> None:
        found = await asyncio.gather(*(ask(server, body) for body in bodies))
        assert {status for statuses in found for status in statuses} <= {400, 408, 413}
        assert sum(bool(statuses) for statuses in found) >= len(bodies) - 6
        await answers(server)

    asyncio.run(test())
    assert_bounded(server)


def test_connections_that_are_held_make_room(server: WebhookProcess) -> None:
    """Each has sent most of a body, and goes on holding it."""

    async def test() -> None:
        held = []
        for number in range(160):
            path = PATHS[number % len(PATHS)]
            try:
                streams = await asyncio.wait_for(
                    asyncio.open_connection("127.0.0.1", server.port, ssl=server.context), 10
                )
            except OSError:
                continue
            held.append(streams)
            streams[1].write(head(path, MIB - 1) + b" " * (900 * 1024))
            if number % 80 == 79:
                await answers(server)
        await answers(server)
        for _, writer in held:
            writer.transport.abort()

    asyncio.run(test())
    assert_bounded(server)


def test_stalled_handshakes_and_silence_make_room(server: WebhookProcess) -> None:
    stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    asyncio.run(answers(server, 10))
    for each in stalled[:50]:
        each.close()
    asyncio.run(answers(server, 10))
    for each in stalled:
        each.close()
    assert_bounded(server)


def test_odd_ways_to_speak_are_answered_or_ended(server: WebhookProcess) -> None:
    whole = head("/convert", len(GOOD)) + GOOD

    async def test() -> None:
        assert await ask(server, whole * 50) == [200] * 50
        assert await ask(server, head("/convert", None) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)) == [200]
        for bad in (b"zz\r\n", b"-1\r\n\r\n", b"ffffffffffffffffff\r\n"):
            assert await ask(server, head("/convert", None) + bad) in ([400], [])
        assert await ask(server, b"POST /convert HTTP/1.1\r\nHost: a\r\nX: " + b"a" * MIB + b"\r\n\r\n") in ([400], [])
        assert await ask(server, b"\x16\x03\x01" * 1000) in ([400], [])
        assert await ask(server, b"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \x00\r\n\r\n") in (
            [400],
            [],
        )
        for path in PATHS:
            for cut in (10, 60, len(whole) - 1):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.context)
                writer.write((head(path, len(GOOD)) + GOOD)[:cut])
                await writer.drain()
                writer.transport.abort()
        await answers(server)

    asyncio.run(test())


def test_who_speaks_no_tls_of_today_is_not_spoken_with(server: WebhookProcess) -> None:
    for path in PATHS:
        with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
            plain.sendall(head(path, len(GOOD)) + GOOD)
            assert b"HTTP" not in plain.recv(100)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version = old.maximum_version = version
        with socket.create_connection(("127.0.0.1", server.port), 10) as plain, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain)
    asyncio.run(answers(server))
