"""Commands in pods: how they end, what they say, and that nothing broken is taken for an end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.played_pods import Played, PlayedPods, played_pods
from timonier.engine.errors import NotFoundError, NotLeaderError, StreamError
from timonier.engine.exec import Container, Ended, executing, exit_code_in, run_command
from timonier.engine.pod_logs import line_said, log_lines

WEB = Container("shop", "web-0", "web")


def play(folder: Path, scenario: Callable[[PlayedPods], Awaitable[None]], **options: object) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), played_pods(folder, **options) as pods:  # type: ignore[arg-type]
            await scenario(pods)

    asyncio.run(run())


async def greet(command: Played) -> None:
    await command.say(b"hel")
    await command.say(b"a warning", 2)
    await command.say(b"lo")
    await command.end(3)


def test_a_command_is_run_in_the_container_and_its_end_is_told(tmp_path: Path) -> None:
    async def scenario(pods: PlayedPods) -> None:
        pods.commands["greet"] = greet
        ended = await run_command(pods.client, WEB, ["greet", "a b", "--x"], seconds=5)
        assert ended == Ended(3, b"hello", b"a warning")
        assert pods.asked == [{"command": ["greet", "a b", "--x"], "container": "web", "pod": "web-0"}]

    play(tmp_path, scenario)


def test_of_much_output_the_end_is_kept(tmp_path: Path) -> None:
    async def talk(command: Played) -> None:
        for number in range(100):
            await command.say(b"%04d" % number)
            await command.say(b"%04d" % number * 50, 2)
        await command.end()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands["talk"] = talk
        ended = await run_command(pods.client, WEB, ["talk"], seconds=5, keep=8)
        assert (ended.output, len(ended.error_output)) == (b"00980099", 4096)

    play(tmp_path, scenario)


def test_input_goes_in_and_its_end_is_told_apart_from_that_of_the_connection(tmp_path: Path) -> None:
    async def count(command: Played) -> None:
        length = 0
        while (data := await command.hear()) is not None:
            length += len(data)
        await command.say(b"%d" % length)
        await command.end()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands["wc"] = count
        async with executing(pods.client, WEB, ["wc"], stdin=True) as execution:
            await execution.write(b"x" * 100_000)
            await execution.write(b"y" * 5)
            await execution.close_stdin()
            assert (await execution.result(keep=20)).output == b"100005"

    play(tmp_path, scenario)


def test_a_server_that_cannot_end_input_says_so_instead_of_hanging(tmp_path: Path) -> None:
    async def wait(command: Played) -> None:
        await command.hear()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands["wc"] = wait
        async with executing(pods.client, WEB, ["wc"], stdin=True) as execution:
            with pytest.raises(StreamError, match=r"Kubernetes 1\.30"):
                await execution.close_stdin()

    play(tmp_path, scenario, protocols=("v4.channel.k8s.io",))


def test_a_connection_that_breaks_is_no_end(tmp_path: Path) -> None:
    async def vanish(command: Played) -> None:
        await command.say(b"half")
        await command.cut()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands["dump"] = vanish
        with pytest.raises(StreamError, match="broke off"):
            await run_command(pods.client, WEB, ["dump"], seconds=5)

    play(tmp_path, scenario)


def test_what_is_not_there_or_not_allowed_is_an_error_of_ours(tmp_path: Path) -> None:
    async def missing(pods: PlayedPods) -> None:
        with pytest.raises(NotFoundError, match="no such pod"):
            await run_command(pods.client, WEB, ["nothing"], seconds=5)

    async def deposed(pods: PlayedPods) -> None:
        with pytest.raises(NotLeaderError):
            await run_command(pods.client, WEB, ["greet"], seconds=5)
        assert pods.asked == []

    play(tmp_path, missing)
    play(tmp_path, deposed, may_write=lambda: False)


def test_a_command_that_takes_too_long_is_left_alone(tmp_path: Path) -> None:
    async def sleep(command: Played) -> None:
        await command.hear()

    async def scenario(pods: PlayedPods) -> None:
        pods.commands["sleep"] = sleep
        with pytest.raises(StreamError, match=r"has not ended within 0\.2 s") as raised:
            await run_command(pods.client, WEB, ["sleep"], seconds=0.2)
        assert raised.value.reason == "Timeout"

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "status", [b"", b"{", b"[]", b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode"}]}}']
)
def test_a_status_that_cannot_be_read_is_no_success(status: bytes) -> None:
    with pytest.raises(StreamError, match="cannot be read"):
        exit_code_in(status)


def test_a_log_is_read_in_lines_however_it_comes(tmp_path: Path) -> None:
    async def scenario(pods: PlayedPods) -> None:
        pods.log = [b"one\ntw", b"o\nTIMONIER-X {", b"}\nlast"]
        assert await log_lines(pods.client, WEB) == ("one", "two", "TIMONIER-X {}", "last")
        assert await line_said(pods.client, WEB, "TIMONIER-X", seconds=5) == "TIMONIER-X {}"
        assert await line_said(pods.client, WEB, "nothing", seconds=5) is None

    play(tmp_path, scenario)
