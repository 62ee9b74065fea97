"""Work in the background: begun once, told of when it ends, and never lost without a word."""

import asyncio

import pytest

from timonier.api.resources import BACKUPS, Resource
from timonier.engine.contract import Request
from timonier.engine.errors import StreamError
from timonier.runs.background import Background, Work
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason

RUN = Request("shop", "first")
WORK = Work("u", "Transfer", 1)


async def well() -> Outcome:
    await asyncio.sleep(0)
    return Outcome(message="done")


async def broken() -> Outcome:
    raise StreamError("It broke off.")


async def defective() -> Outcome:
    raise KeyError("x")


async def endless() -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError


def test_it_is_begun_once_and_its_end_wakes_who_began_it() -> None:
    async def scenario() -> None:
        woken: list[tuple[Resource, Request]] = []
        background = Background(lambda resource, request: woken.append((resource, request)))
        assert background.look(WORK) is None
        background.start(WORK, BACKUPS, RUN, well())
        background.start(WORK, BACKUPS, RUN, endless())
        assert background.look(WORK) == Progress()
        await asyncio.sleep(0.01)
        assert background.look(WORK) == Outcome(message="done")
        assert woken == [(BACKUPS, RUN)]
        assert background.look(WORK._replace(attempt=2)) is None

    asyncio.run(scenario())


@pytest.mark.parametrize(("doing", "reason"), [(broken, Reason.INTERRUPTED), (defective, Reason.FAILED)])
def test_what_goes_wrong_is_an_outcome(doing: object, reason: Reason) -> None:
    async def scenario() -> None:
        background = Background(lambda _resource, _request: None)
        background.start(WORK, BACKUPS, RUN, doing())  # type: ignore[operator]
        await asyncio.sleep(0.01)
        found = background.look(WORK)
        assert isinstance(found, Outcome)
        assert found.error is reason

    asyncio.run(scenario())


def test_what_is_stopped_is_forgotten_and_so_is_everything_at_the_end() -> None:
    async def scenario() -> None:
        background = Background(lambda _resource, _request: None)
        other = WORK._replace(step="Other")
        background.start(WORK, BACKUPS, RUN, endless())
        background.start(other, BACKUPS, RUN, endless())
        await background.stop(WORK)
        assert (background.look(WORK), background.look(other)) == (None, Progress())
        running = asyncio.create_task(background.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert background.look(other) is None

    asyncio.run(scenario())
