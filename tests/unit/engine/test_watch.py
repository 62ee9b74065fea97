"""A watch that is slow is waited for; one that says nothing while it is behind is deaf."""

import asyncio
from typing import Any, cast

import pytest

from timonier.api.resources import APPLICATIONS
from timonier.engine import watch
from timonier.engine.cache import Cache
from timonier.engine.client import Client
from timonier.engine.contract import Request
from timonier.engine.watch import DeafWatchError, WatchedKind, Watcher

KIND = WatchedKind(APPLICATIONS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_SILENCE_LIMIT", 0.2)
    monkeypatch.setattr(watch, "_CATCH_UP_POLL", 0.02)


def watcher() -> Watcher:
    cache = Cache(primaries=(APPLICATIONS,), label="timonier.dev/application")
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
