"""Runs a reconciler: a bounded number of workers, one per key, each failure isolated, timed and retried."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import suppress

from timonier.engine import metrics
from timonier.engine.contract import Change, Reconciler, Request, Result
from timonier.engine.errors import ApiError, NotLeaderError
from timonier.engine.logs import bound
from timonier.engine.queue import Priority, WorkQueue

__all__ = ["Controller"]

# Status changes of children come in bursts; one look at the end of a burst is enough.
_SETTLE = 0.1
_RECONCILE_TIMEOUT = 120.0

logger = logging.getLogger(__name__)


class Controller:
    """Feeds a reconciler from changes, and keeps its keys from working twice at once. `clock` is monotonic."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        workers: int,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.reconciler = reconciler
        self.queue = WorkQueue(name, clock=clock, random=random)
        self._name = name
        self._workers = workers
        self._clock = clock
        self._ids = itertools.count(1)
        self._stopping = False
        metrics.RECONCILE_MAX.labels(name).set(workers)
        # From the beginning on: a series that begins with its first event has not increased.
        metrics.RECONCILE_PANICS.labels(name)
        metrics.RECONCILE_ERRORS.labels(name)

    def notice(self, change: Change) -> None:
        """Queue the objects that a change concerns."""
        for request in self.reconciler.concerned(change):
            if change.urgent:
                self.queue.add(request)
            else:
                self.queue.add_after(request, _SETTLE, Priority.FRESH)

    def resync(self, request: Request) -> None:
        """Queue an object that nothing is known to have happened to, behind all edits."""
        self.queue.add(request, Priority.RESYNC)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self._name} worker {number}")

    async def drain(self, seconds: float) -> None:
        """Take no new keys, and give running reconciles that long to end."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.queue.quiet.wait()

    async def _work(self) -> None:
        while True:
            request = await self.queue.get()
            try:
                if not self._stopping:
                    await self._reconcile(request)
            finally:
                self.queue.done(request)

    async def _reconcile(self, request: Request) -> None:
        started = self._clock()
        active = metrics.RECONCILE_ACTIVE.labels(self._name)
        active.inc()
        kind = self.reconciler.primary.kind
        with bound(reconcile=next(self._ids), kind=kind, namespace=request.namespace, name=request.name):
            try:
                async with asyncio.timeout(_RECONCILE_TIMEOUT):
                    result = await self.reconciler.reconcile(request)
            except NotLeaderError as error:
                # A late renewal may still succeed: then this process goes on, and the key must not be lost.
                delay = self.queue.retry(request)
                logger.warning("stopped in the middle of a reconcile, again in %.3f s: %s", delay, error)
                outcome = "error"
            except ApiError as error:
                delay = self.queue.retry(request, error.retry_after or 0.0)
                logger.warning("reconcile failed, again in %.3f s: %s", delay, error)
                outcome = "error"
            except Exception:
                # A defect of one reconcile must not stop the others: it is reported, counted and retried.
                metrics.RECONCILE_PANICS.labels(self._name).inc()
                delay = self.queue.retry(request)
                logger.exception("reconcile failed unexpectedly, again in %.3f s", delay)
                outcome = "error"
            else:
                outcome = self._succeeded(request, result)
            finally:
                active.dec()
                metrics.RECONCILE_TIME.labels(self._name).observe(self._clock() - started)
        metrics.RECONCILE_TOTAL.labels(self._name, outcome).inc()
        if outcome == "error":
            metrics.RECONCILE_ERRORS.labels(self._name).inc()

    def _succeeded(self, request: Request, result: Result) -> str:
        self.queue.forgive(request)
        if result.requeue_after is None:
            return "success"
        self.queue.add_after(request, result.requeue_after, Priority.RESYNC)
        return "requeue_after"
