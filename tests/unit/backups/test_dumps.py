"""Dumps on their way: whole, or not at all."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.played_pods import Played, PlayedPods, played_pods
from timonier.backups.dumps import dump, load
from timonier.engine.errors import StreamError
from timonier.engine.exec import Container
from timonier.mover.frames import Reader, Writer

APPLICATION, MOVER = Container("shop", "db-0", "db"), Container("shop", "mover-1", "mover")
ROWS = b"row\n" * 400_000


def play(folder: Path, scenario: Callable[[PlayedPods], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), played_pods(folder) as pods:
            await scenario(pods)

    asyncio.run(run())


def dumping(code: int = 0) -> Callable[[Played], Awaitable[None]]:
    async def play_dump(command: Played) -> None:
        for start in range(0, len(ROWS), 300_000):
            await command.say(ROWS[start : start + 300_000])
        await command.say(b"NOTICE", 2)
        await command.end(code)

    return play_dump


def taking(received: bytearray, *, at_most: int = 1 << 30) -> Callable[[Played], Awaitable[None]]:
    """The mover's end: it leaves when the stream has its trailer, or when it has had enough."""

    async def play_mover(command: Played) -> None:
        while (data := await command.hear()) is not None:
            received.extend(data)
            if len(received) > at_most:
                await command.say(b"the disk is full", 2)
                await command.end(1)
                return
            if received.endswith(b"}") and b'"exitCode"' in received[-200:]:
                await command.end(0 if received.endswith(b": 0}") else 1)
                return

    return play_mover


@pytest.mark.parametrize("code", [0, 4])
def test_what_a_command_writes_reaches_the_mover_with_how_it_ended(tmp_path: Path, code: int) -> None:
    received = bytearray()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands |= {"pg_dump": dumping(code), "python3": taking(received)}
        ended = await dump(pods.client, APPLICATION, ["pg_dump", "shop"], MOVER)
        assert (ended.exit_code, ended.error_output) == (code, b"NOTICE")
        assert pods.asked[0]["command"] == ["python3", "-m", "timonier.mover", "stream"]

    play(tmp_path, scenario)
    reader = Reader(io.BytesIO(bytes(received)))
    if code == 0:
        assert b"".join(reader) == ROWS
    else:
        with pytest.raises(Exception, match="exit code 4"):
            list(reader)


def test_a_mover_that_takes_no_more_ends_the_dump_and_says_why(tmp_path: Path) -> None:
    async def scenario(pods: PlayedPods) -> None:
        pods.commands |= {"pg_dump": dumping(), "python3": taking(bytearray(), at_most=500_000)}
        with pytest.raises(StreamError, match="takes no more of the dump: the disk is full"):
            await dump(pods.client, APPLICATION, ["pg_dump"], MOVER)

    play(tmp_path, scenario)


def giving(stream: bytes) -> Callable[[Played], Awaitable[None]]:
    async def play_mover(command: Played) -> None:
        for start in range(0, len(stream), 250_000):
            await command.say(stream[start : start + 250_000])
        await command.end(0)

    return play_mover


def stream_of(data: bytes, code: int = 0) -> bytes:
    sink = io.BytesIO()
    writer = Writer(sink)
    for start in range(0, len(data), 100_000):
        writer.write(data[start : start + 100_000])
    writer.end(code)
    return sink.getvalue()


class Loading:
    """A command that loads: what it got, and whether its input was ended."""

    def __init__(self, code: int = 0, at_most: int = 1 << 30) -> None:
        self.got = bytearray()
        self.code = code
        self.at_most = at_most

    async def __call__(self, command: Played) -> None:
        while len(self.got) <= self.at_most and (data := await command.hear()) is not None:
            self.got += data
        await command.say(b"it is over", 2)
        await command.end(self.code)


def test_a_command_gets_all_that_the_mover_has_and_then_the_end_of_its_input(tmp_path: Path) -> None:
    loading = Loading()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands |= {"python3": giving(stream_of(ROWS)), "pg_restore": loading}
        assert (await load(pods.client, MOVER, APPLICATION, ["pg_restore"])).exit_code == 0

    play(tmp_path, scenario)
    assert bytes(loading.got) == ROWS


def test_a_command_that_fails_before_it_has_all_is_heard_at_once(tmp_path: Path) -> None:
    async def scenario(pods: PlayedPods) -> None:
        pods.commands |= {"python3": giving(stream_of(ROWS)), "pg_restore": Loading(3, at_most=300_000)}
        ended = await load(pods.client, MOVER, APPLICATION, ["pg_restore"])
        assert (ended.exit_code, ended.error_output) == (3, b"it is over")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        pytest.param(stream_of(ROWS)[:-10], "did not come whole", id="cut"),
        pytest.param(stream_of(ROWS, 1), "could not give the whole dump", id="the mover failed"),
        pytest.param(b"no frames at all", "did not come whole", id="not a stream"),
    ],
)
def test_what_is_not_whole_is_an_error_whatever_the_command_makes_of_it(
    tmp_path: Path, stream: bytes, words: str
) -> None:
    async def scenario(pods: PlayedPods) -> None:
        pods.commands |= {"python3": giving(stream), "pg_restore": Loading()}
        with pytest.raises(StreamError, match=words):
            await load(pods.client, MOVER, APPLICATION, ["pg_restore"])

    play(tmp_path, scenario)
