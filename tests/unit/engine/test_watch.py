"""A watch that is slow is waited for; one that says nothing while it is behind is deaf."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from timonier.api.references import application_of
from timonier.api.resources import APPLICATIONS
from timonier.engine import watch
from timonier.engine.cache import Cache
from timonier.engine.client import Client, Page
from timonier.engine.contract import Request
from timonier.engine.errors import ApiError, api_error
from timonier.engine.watch import DeafWatchError, WatchedKind, Watcher

KIND = WatchedKind(APPLICATIONS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_SILENCE_LIMIT", 0.2)
    monkeypatch.setattr(watch, "_CATCH_UP_POLL", 0.02)


def watcher() -> Watcher:
    cache = Cache(primaries=(APPLICATIONS,), application_of=application_of)
    return Watcher(cast("Client", None), cache, [KIND], lambda _: None)


def told(number: int) -> dict[str, Any]:
    name = f"web-{number}"
    return {"metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": str(number)}}


LISTED = {Request("shop", f"web-{number}"): number for number in range(1, 9)}


def test_a_slow_watch_is_waited_for_as_long_as_it_tells_something() -> None:
    async def run() -> None:
        slow = watcher()

        async def tell() -> None:
            for number in range(1, 9):
                await asyncio.sleep(0.1)
                slow._take_in(APPLICATIONS, None, told(number))

        # Eight times half the limit.
        await asyncio.gather(slow._catch_up(KIND, dict(LISTED), 8), tell())

    asyncio.run(run())


def test_a_watch_that_says_nothing_while_it_is_behind_is_deaf() -> None:
    async def run() -> None:
        deaf = watcher()
        deaf._take_in(APPLICATIONS, None, told(1))
        await deaf._catch_up(KIND, dict(LISTED), 8)

    with pytest.raises(DeafWatchError, match="7 objects behind the list of version 8"):
        asyncio.run(run())


class Moody(Client):
    """An API server that answers a list with each of some errors, and then with nothing listed."""

    def __init__(self, *errors: ApiError) -> None:
        self.errors = list(errors)

    async def pages(self, *_: Any, **__: Any) -> AsyncIterator[Page]:
        if self.errors:
            raise self.errors.pop(0)
        yield Page((), 7)


def asking(*errors: ApiError) -> tuple[Watcher, Moody]:
    server = Moody(*errors)
    return Watcher(
        server, Cache(primaries=(APPLICATIONS,), application_of=application_of), [KIND], lambda _: None
    ), server


@pytest.mark.parametrize("status", [0, 410, 429, 500, 503])
def test_a_server_that_is_away_for_a_moment_is_asked_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_FIRST_PAUSE", 0.01)
    watcher, server = asking(*[api_error(status, "Busy", "not now", retry_after=0.0)] * 3)
    assert asyncio.run(watcher._census(KIND)) == ({}, 7)
    assert not server.errors


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_server_that_says_no_or_stays_away_is_told(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(watch, "_PATIENCE", 0.05)
    watcher, _ = asking(*[api_error(status, "No", "as it is")] * 99)
    with pytest.raises(ApiError, match="as it is"):
        asyncio.run(watcher._census(KIND))


def test_a_kind_that_is_not_defined_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_DEFINITION_POLL", 0.01)
    watcher, server = asking(*[api_error(404, "NotFound", "404 page not found")] * 2)
    assert asyncio.run(watcher._served(KIND, asyncio.Event()))
    assert not server.errors


def test_who_waits_for_a_definition_can_be_told_to_stop() -> None:
    async def run() -> bool:
        watcher, _ = asking(*[api_error(404, "NotFound", "404 page not found")] * 99)
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, stop.set)
        async with asyncio.timeout(2):
            return await watcher._served(KIND, stop)

    assert not asyncio.run(run())
