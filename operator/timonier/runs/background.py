"""Work of a run that takes longer than a reconcile may: one task for each attempt of a step, and a call when it ended.

It lives in this process alone. Whoever finds a step running and no task of it here knows that the process was another.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final, NamedTuple

from timonier.api.resources import Resource
from timonier.api.runs import StepStatus
from timonier.engine.contract import Manifest, Request
from timonier.engine.errors import ApiError, NotLeaderError
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason

__all__ = ["Background", "Work", "work_of"]

_MOST: Final = 10_000

logger = logging.getLogger(__name__)


class Work(NamedTuple):
    """Which attempt of which step of which run."""

    uid: str
    step: str
    attempt: int


def work_of(run: Manifest, step: StepStatus) -> Work:
    """The present attempt of a step."""
    return Work(run["metadata"]["uid"], step.name, step.attempts or 1)


class Background:
    """Tasks, and what came of them. `wake` has the run looked at again."""

    def __init__(self, wake: Callable[[Resource, Request], None]) -> None:
        self._wake = wake
        self._tasks: dict[Work, asyncio.Task[Outcome]] = {}

    def start(self, work: Work, resource: Resource, run: Request, doing: Coroutine[object, object, Outcome]) -> None:
        """Begin it, unless it has begun."""
        if work in self._tasks:
            doing.close()
            return
        self._forget_old()
        task = self._tasks[work] = asyncio.create_task(_guarded(doing), name=f"{run} {work.step} {work.attempt}")
        task.add_done_callback(lambda _task: self._wake(resource, run))

    def look(self, work: Work) -> Progress | Outcome | None:
        """How it stands; None when this process knows nothing of it."""
        task = self._tasks.get(work)
        if task is None or (task.done() and task.cancelled()):
            return None
        return task.result() if task.done() else Progress()

    @property
    def under_way(self) -> int:
        """How many tasks there are that have not ended."""
        return sum(not task.done() for task in self._tasks.values())

    def wake(self, resource: Resource, request: Request) -> None:
        """Have whoever works on an object look at it again."""
        self._wake(resource, request)

    async def stop(self, work: Work) -> None:
        """Cancel it, and forget it."""
        task = self._tasks.pop(work, None)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Keep the tasks until cancelled, and cancel them then."""
        try:
            await asyncio.Event().wait()
        finally:
            for work in tuple(self._tasks):
                await self.stop(work)

    def _forget_old(self) -> None:
        """What came of runs of long ago is in their status."""
        while len(self._tasks) >= _MOST:
            done = next((work for work, task in self._tasks.items() if task.done()), None)
            if done is None:
                return
            del self._tasks[done]


async def _guarded(doing: Coroutine[object, object, Outcome]) -> Outcome:
    try:
        return await doing
    except ApiError as error:
        return Outcome(Reason.INTERRUPTED if error.is_transient else Reason.REFUSED, error.message)
    except NotLeaderError as error:
        return Outcome(Reason.INTERRUPTED, str(error))
    except Exception as error:
        # A defect must not leave a run waiting for ever: it is told, and the log has where.
        logger.exception("a step failed unexpectedly")
        return Outcome(Reason.FAILED, f"{type(error).__name__}: {error}")
