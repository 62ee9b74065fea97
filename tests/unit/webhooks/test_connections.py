"""Who is let in when more come than there is room for: nobody honest is cut off, and nobody waits without end."""

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.operator_process import free_port
from timonier.webhooks import server
from timonier.webhooks.certificates import Lives, renewed
from timonier.webhooks.connections import Connections
from timonier.webhooks.reviews import Review
from timonier.webhooks.serving import load

MOST = 20
OWN = renewed(None, ["127.0.0.1"], datetime.now(UTC), Lives(), published=True)
REVIEW = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1"}}).encode()
ASK = b"POST /review HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(REVIEW) + REVIEW

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Open = Callable[[], Awaitable[Streams]]


def serving(seconds: float, test: Callable[[Open], Awaitable[None]]) -> None:
    """Run a test against a server with little room, whose answers take so long."""

    async def answer(_review: Review) -> dict[str, Any]:
        await asyncio.sleep(seconds)
        return {"allowed": True}

    async def whole() -> None:
        context = server.server_context()
        load(context, OWN.leaf)
        served = server.application({("/review", "AdmissionReview"): answer}, connections=Connections(MOST))
        port = free_port()
        listening = await server.listen(served, f"127.0.0.1:{port}", context)
        trusting = ssl.create_default_context(cadata=OWN.bundle)
        try:
            async with asyncio.timeout(30):
                await test(lambda: asyncio.open_connection("127.0.0.1", port, ssl=trusting))
        finally:
            assert listening.problem() is None
            await listening.close()
            assert listening.problem() is not None

    asyncio.run(whole())


async def asked(streams: Streams) -> int:
    """The status of the answer; 0 where the connection ended without one."""
    reader, writer = streams
    try:
        writer.write(ASK)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head.split()[1])
    except (OSError, asyncio.IncompleteReadError):
        return 0


async def once(connect: Open) -> int:
    streams = await connect()
    try:
        return await asked(streams)
    finally:
        streams[1].transport.abort()


def test_of_more_than_there_is_room_for_each_has_its_answer() -> None:
    """All of a request is sent, and takes longer than anybody may be silent: 16 are answered at a time."""

    async def test(connect: Open) -> None:
        assert await asyncio.gather(*(once(connect) for _ in range(3 * MOST))) == [200] * (3 * MOST)

    serving(1.3, test)


def test_one_busy_client_does_not_keep_the_others_out() -> None:
    async def test(connect: Open) -> None:
        async def busy() -> None:
            while True:
                streams = await connect()
                with suppress(OSError):
                    while await asked(streams):
                        pass
                streams[1].transport.abort()

        crowd = [asyncio.create_task(busy()) for _ in range(2 * MOST)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(8):
            assert await asyncio.gather(*(once(connect) for _ in range(5))) == [200] * 5
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    serving(0.05, test)


def test_whoever_is_idle_stays_until_somebody_knocks_and_goes_before_who_sends() -> None:
    async def test(connect: Open) -> None:
        sending = await connect()
        sending[1].write(ASK[:-1])
        idle = [await connect() for _ in range(MOST - 1)]
        for streams in idle:
            assert await asked(streams) == 200
        await asyncio.sleep(1.5)
        assert not any(reader.at_eof() for reader, _ in (sending, *idle))
        assert await once(connect) == 200
        await asyncio.sleep(0.1)
        assert sum(reader.at_eof() or reader.exception() is not None for reader, _ in idle) == 1
        sending[1].write(ASK[-1:])
        assert (await sending[0].readline()).split()[1] == b"200"
        for _, writer in (sending, *idle):
            writer.transport.abort()

    serving(0.0, test)


def test_who_waits_at_the_door_is_sent_away_when_it_closes() -> None:
    async def test(connect: Open) -> None:
        held = [await connect() for _ in range(MOST)]
        for streams in held:
            streams[1].write(ASK)  # each is being answered for longer than this test takes
        await asyncio.sleep(0.2)
        knocking = asyncio.create_task(connect())
        await asyncio.sleep(0.2)
        knocking.cancel()
        for _, writer in held:
            writer.transport.abort()

    serving(5.0, test)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        served = server.application({})
        with pytest.raises(OSError, match="in use"):
            asyncio.run(server.listen(served, address, server.server_context()))
