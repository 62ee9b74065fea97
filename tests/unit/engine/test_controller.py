"""A reconcile that fails, for whatever reason, is done again: no key is ever lost."""

import asyncio
import itertools

import pytest

from timonier.api.resources import APPLICATIONS, Resource
from timonier.engine.contract import Request, Result, Rule
from timonier.engine.controller import Controller
from timonier.engine.errors import ApiError, NotLeaderError


class Failing:
    """A reconciler that fails once, then is content."""

    primary = APPLICATIONS
    owned: tuple[Resource, ...] = ()
    rules: tuple[Rule, ...] = ()

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.calls: list[Request] = []
        self.content = asyncio.Event()

    async def reconcile(self, request: Request) -> Result:
        self.calls.append(request)
        if len(self.calls) == 1:
            raise self._error
        self.content.set()
        return Result()


@pytest.mark.parametrize(
    "error",
    [
        # A renewal of the lease that comes late, and still in time: the process goes on.
        NotLeaderError("PATCH: this replica does not hold the lease"),
        ApiError(500, "InternalError", "the server is ill"),
        RuntimeError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_key_whose_reconcile_failed_is_reconciled_again(error: Exception) -> None:
    async def run() -> list[Request]:
        reconciler = Failing(error)
        ticks = itertools.count()
        controller = Controller("test", reconciler, workers=1, clock=lambda: next(ticks), random=lambda: 0.5)
        controller.resync(Request("shop", "web"))
        working = asyncio.create_task(controller.run())
        async with asyncio.timeout(5):
            await reconciler.content.wait()
        working.cancel()
        return reconciler.calls

    assert asyncio.run(run()) == [Request("shop", "web")] * 2
