"""The work queue: keys that wait for a worker, each at most once, fresh edits first, failures later and later.

The semantics are those of controller-runtime's priority queue with client-go's rate limiter: a key that is added
while it waits merges with itself; a key that is added while it is worked on runs again afterwards, never at the same
time; a key that fails comes back after an exponential delay that does not hold up any other key.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from timonier.engine import metrics
from timonier.engine.contract import Request

__all__ = ["Priority", "WorkQueue", "backoff"]

_FIRST_DELAY = 0.005
_LAST_DELAY = 300.0
_JITTER = 0.1


class Priority(IntEnum):
    """Who is served first. A lower value goes ahead."""

    FRESH = 0
    RETRY = 1
    RESYNC = 2


def backoff(failures: int, random: float) -> float:
    """Seconds to wait after the given number of failures in a row (1 or more): 5 ms doubling up to 5 min, ±10 %.

    `random` is a number from [0, 1): chance comes in as a value.

    >>> backoff(1, 0.5), backoff(2, 0.5), backoff(100, 0.5)
    (0.005, 0.01, 300.0)
    """
    delay: float = min(_FIRST_DELAY * 2.0 ** min(failures - 1, 32), _LAST_DELAY)
    return delay * (1 - _JITTER + 2 * _JITTER * random)


@dataclass(slots=True)
class _Waiting:
    priority: Priority
    ticket: int
    since: float


class WorkQueue:
    """Keys for a bounded number of workers: `get` one, work, then `done` it.

    Not thread-safe: it lives in one event loop. `clock` is monotonic, in seconds.
    """

    def __init__(self, name: str, *, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random
        self._heap: list[tuple[int, int, Request]] = []
        self._waiting: dict[Request, _Waiting] = {}
        self._running: dict[Request, float] = {}
        self._again: dict[Request, Priority] = {}
        self._timers: dict[Request, tuple[float, asyncio.TimerHandle]] = {}
        self._failures: dict[Request, int] = {}
        self._tickets = itertools.count()
        self._arrival = asyncio.Event()
        self.quiet = asyncio.Event()
        """Set while no key is being worked on."""
        self.quiet.set()
        self._adds = metrics.QUEUE_ADDS.labels(name)
        self._retries = metrics.QUEUE_RETRIES.labels(name)
        self._latency = metrics.QUEUE_LATENCY.labels(name)
        self._work = metrics.QUEUE_WORK.labels(name)
        metrics.QUEUE_DEPTH.labels(name).set_function(self.__len__)
        metrics.QUEUE_UNFINISHED.labels(name).set_function(self._unfinished)
        metrics.QUEUE_LONGEST_RUNNING.labels(name).set_function(self.longest_running)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: Request, priority: Priority = Priority.FRESH) -> None:
        """Ask for a reconcile as soon as a worker is free; a more urgent priority than before counts."""
        self._adds.inc()
        if request in self._running:
            self._again[request] = min(priority, self._again.get(request, priority))
            return
        waiting = self._waiting.get(request)
        if waiting is not None and waiting.priority <= priority:
            return
        ticket = next(self._tickets)
        self._waiting[request] = _Waiting(priority, ticket, self._clock() if waiting is None else waiting.since)
        heapq.heappush(self._heap, (priority, ticket, request))
        self._arrival.set()

    def add_after(self, request: Request, delay: float, priority: Priority = Priority.RETRY) -> None:
        """Ask for a reconcile after `delay` seconds; the earliest of several such wishes for one key counts."""
        due = self._clock() + delay
        if request in self._timers:
            earlier, timer = self._timers[request]
            if earlier <= due:
                return
            timer.cancel()
        timer = asyncio.get_running_loop().call_later(delay, self._ring, request, priority)
        self._timers[request] = (due, timer)

    def retry(self, request: Request, at_least: float = 0.0) -> float:
        """Put a key that failed back, later at each failure in a row. Returns the delay in seconds."""
        self._retries.inc()
        failures = self._failures[request] = self._failures.get(request, 0) + 1
        delay = max(backoff(failures, self._random()), at_least)
        self.add_after(request, delay)
        return delay

    def forgive(self, request: Request) -> None:
        """The key went well: its next failure is its first."""
        self._failures.pop(request, None)

    async def get(self) -> Request:
        """The most urgent key, as soon as there is one. The caller must call `done` with it."""
        while True:
            while self._heap:
                _, ticket, request = heapq.heappop(self._heap)
                waiting = self._waiting.get(request)
                if waiting is None or waiting.ticket != ticket:
                    continue  # a later and more urgent wish took its place
                del self._waiting[request]
                now = self._clock()
                self._latency.observe(now - waiting.since)
                self._running[request] = now
                self.quiet.clear()
                return request
            self._arrival.clear()
            await self._arrival.wait()

    def done(self, request: Request) -> None:
        """The worker has finished with the key; what was asked for meanwhile is queued now."""
        self._work.observe(self._clock() - self._running.pop(request))
        if not self._running:
            self.quiet.set()
        if request in self._again:
            self.add(request, self._again.pop(request))

    def close(self) -> None:
        """Cancel all timers."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _ring(self, request: Request, priority: Priority) -> None:
        del self._timers[request]
        self.add(request, priority)

    def _unfinished(self) -> float:
        now = self._clock()
        return sum(now - since for since in self._running.values())

    def longest_running(self) -> float:
        """Seconds since the oldest running work began; 0 when nothing runs."""
        return max((self._clock() - since for since in self._running.values()), default=0.0)
