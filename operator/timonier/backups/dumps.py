"""Carries dumps: from a command in the application's container to the mover, and from the mover back into another.

The mover need not be able to execute anything, and the application need not know of any store.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Final

from timonier.backups.frames import LARGEST, Decoder, Encoder, FramesError, Trailer
from timonier.engine.client import Client
from timonier.engine.errors import StreamError
from timonier.engine.exec import Container, Ended, Execution, executing

__all__ = ["dump", "load"]

_STREAM: Final = ("python3", "-m", "timonier.mover", "stream")


async def dump(client: Client, source: Container, command: Sequence[str], mover: Container) -> Ended:
    """Give the mover what a command writes, and how it ended: the mover judges whether that is a backup.

    Raises ApiError; StreamError when the mover stopped to take it, or a connection broke off.
    """
    async with executing(client, mover, _STREAM, stdin=True) as into, executing(client, source, command) as out:
        return await _while_heard(into, _send(out, into), f"{mover} takes no more of the dump")


async def load(client: Client, mover: Container, target: Container, command: Sequence[str]) -> Ended:
    """Give a command what the mover has, and end its input only once all of it is known to have come.

    Raises ApiError; StreamError when what came is not whole, or a connection broke off. The command then finds its
    input at an end all the same, as no node can tell it the difference.
    """
    async with executing(client, mover, _STREAM) as out, executing(client, target, command, stdin=True) as into:
        watching = asyncio.ensure_future(into.result())
        receiving = asyncio.ensure_future(_receive(out, into))
        try:
            await asyncio.wait({watching, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done() and not receiving.done():
                return watching.result()  # it had enough, or failed: its exit code tells
            trailer = await receiving
            if trailer.exit_code != 0:
                raise StreamError(f"{mover} could not give the whole dump (exit code {trailer.exit_code}).")
            await into.close_stdin()
            return await watching
        finally:
            await _dropped(watching, receiving)


async def _while_heard(into: Execution, sending: Coroutine[object, object, Ended], ending: str) -> Ended:
    """The end of the sender, once the receiver has ended as well: it has everything then. It must not end first."""
    watching, pumping = asyncio.ensure_future(into.result()), asyncio.ensure_future(sending)
    try:
        await asyncio.wait({watching, pumping}, return_when=asyncio.FIRST_COMPLETED)
        early = watching.done() and not pumping.done()
        ended = None if early else await pumping
        heard = await watching
        # What was sent may wait in buffers that nobody empties any more: only its own end says that it has everything.
        if ended is None or (heard.exit_code != 0 and ended.exit_code == 0):
            raise StreamError(f"{ending}: {heard.error_output.decode(errors='replace').strip()[-500:]}")
        return ended
    finally:
        await _dropped(watching, pumping)


async def _send(out: Execution, into: Execution) -> Ended:
    encoder = Encoder()
    while data := await out.read():
        for start in range(0, len(data), LARGEST):
            await into.write(encoder.frame(data[start : start + LARGEST]))
    ended = await out.result()
    await into.write(encoder.end(ended.exit_code))
    return ended


async def _receive(out: Execution, into: Execution) -> Trailer:
    decoder = Decoder()
    try:
        while data := await out.read():
            for payload in decoder.feed(data):
                await into.write(payload)
        return decoder.finish()
    except FramesError as error:
        raise StreamError(f"The dump did not come whole: {error}") from error


async def _dropped(*tasks: "asyncio.Future[Ended] | asyncio.Future[Trailer]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
