"""Read what a container has said: the end of its log, or until it says something."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from timonier.api.resources import PODS
from timonier.engine.client import READ_TIMEOUT, Client
from timonier.engine.errors import StreamError
from timonier.engine.exec import Container
from timonier.engine.streams import Query, download, translated

__all__ = ["line_said", "log_lines"]

_LONGEST_LINE: Final = 1 << 16


async def log_lines(
    client: Client, container: Container, *, tail_lines: int | None = None, limit_bytes: int = 1 << 16
) -> tuple[str, ...]:
    """The log as it is now: its last `tail_lines` lines if given, and of those the first `limit_bytes` bytes.

    Raises ApiError, so when the container has not started yet (400).
    """
    query = [("limitBytes", str(limit_bytes))]
    if tail_lines is not None:
        query.append(("tailLines", str(tail_lines)))
    try:
        async with asyncio.timeout(READ_TIMEOUT), aclosing(_lines(client, container, query)) as lines:
            return tuple([line async for line in lines])
    except TimeoutError as error:
        raise StreamError(f"The log of {container} did not end within {READ_TIMEOUT:g} s.", "Timeout") from error


async def line_said(client: Client, container: Container, beginning: str, *, seconds: float) -> str | None:
    """The first line of the log that begins so, as soon as it is said; None when the container ended without it.

    Raises ApiError, so when the container has not started yet (400); StreamError with the reason Timeout after so many
    seconds.
    """
    try:
        async with asyncio.timeout(seconds), aclosing(_lines(client, container, [("follow", "true")])) as lines:
            async for line in lines:
                if line.startswith(beginning):
                    return line
            return None
    except TimeoutError as error:
        raise StreamError(f"{container} did not say {beginning} within {seconds:g} s.", "Timeout") from error


async def _lines(client: Client, container: Container, query: Query) -> AsyncGenerator[str, None]:
    """Lines without their ends; of one that is very long, its beginning and its end."""
    path = PODS.url(container.namespace, container.pod, "log")
    query = [("container", container.name), *query]
    unfinished = b""
    async with download(client, f"{PODS}/log", path, query) as body:
        with translated(f"the log of {container}"):
            async for chunk in body.iter_any():
                *whole, unfinished = (unfinished + chunk).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")
                unfinished = unfinished[:_LONGEST_LINE]
    if unfinished:
        yield unfinished.decode(errors="replace")
