"""The work queue: one worker per key, duplicates merge, failures wait, fresh edits go first."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonier.engine.contract import Request
from timonier.engine.queue import Priority, WorkQueue, backoff

A, B, C = (Request("ns", name) for name in "abc")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def queue(clock: Callable[[], float] | None = None) -> WorkQueue:
    return WorkQueue("test", clock=clock or Clock(), random=lambda: 0.5)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(5):
            await scenario()

    asyncio.run(bounded())


def test_duplicates_merge() -> None:
    async def scenario() -> None:
        q = queue()
        for _ in range(5):
            q.add(A)
        assert await q.get() == A
        q.done(A)
        assert len(q) == 0

    run(scenario)


def test_a_key_never_runs_twice_at_once_and_runs_again_after_a_change_meanwhile() -> None:
    async def scenario() -> None:
        q = queue()
        q.add(A)
        assert await q.get() == A
        q.add(A)
        q.add(B)
        assert await q.get() == B  # A is still being worked on
        q.done(A)
        assert await q.get() == A

    run(scenario)


def test_a_fresh_edit_goes_before_five_thousand_resyncs() -> None:
    async def scenario() -> None:
        q = queue()
        for number in range(5000):
            q.add(Request("ns", f"r{number}"), Priority.RESYNC)
        q.add(A)
        assert await q.get() == A

    run(scenario)


def test_a_fresh_edit_overtakes_the_resync_of_the_same_key() -> None:
    async def scenario() -> None:
        q = queue()
        q.add(B, Priority.RESYNC)
        q.add(A, Priority.RESYNC)
        q.add(A, Priority.FRESH)
        assert [await q.get(), await q.get()] == [A, B]
        assert len(q) == 0

    run(scenario)


def test_equal_priorities_are_served_in_order() -> None:
    async def scenario() -> None:
        q = queue()
        for key in (C, A, B):
            q.add(key)
        assert [await q.get() for _ in range(3)] == [C, A, B]

    run(scenario)


def test_a_failing_key_does_not_hold_up_the_others() -> None:
    async def scenario() -> None:
        q = queue(asyncio.get_running_loop().time)
        q.add(A)
        await q.get()
        assert q.retry(A) == pytest.approx(0.005)
        q.done(A)
        q.add(B)
        assert await q.get() == B
        q.done(B)
        assert await q.get() == A  # after its delay

    run(scenario)


def test_failures_in_a_row_wait_longer_until_forgiven() -> None:
    async def scenario() -> None:
        q = queue()
        assert [q.retry(A) for _ in range(3)] == pytest.approx([0.005, 0.01, 0.02])
        q.forgive(A)
        assert q.retry(A) == pytest.approx(0.005)
        assert q.retry(A, at_least=7.0) == 7.0  # the server said when to come back
        q.close()

    run(scenario)


def test_the_earliest_of_several_delays_counts() -> None:
    async def scenario() -> None:
        q = queue(asyncio.get_running_loop().time)
        q.add_after(A, 60)
        q.add_after(A, 0.01)
        q.add_after(A, 60)
        assert await q.get() == A
        q.done(A)
        assert len(q) == 0
        q.close()

    run(scenario)


def test_quiet_while_nothing_runs() -> None:
    async def scenario() -> None:
        q = queue()
        q.add(A)
        assert q.quiet.is_set()
        await q.get()
        assert not q.quiet.is_set()
        q.done(A)
        assert q.quiet.is_set()

    run(scenario)


@given(failures=st.integers(1, 10_000), random=st.floats(0, 1, exclude_max=True))
def test_backoff_stays_between_5_ms_and_5_min_with_10_percent_jitter(failures: int, random: float) -> None:
    assert 0.0045 <= backoff(failures, random) <= 330.0


@given(failures=st.integers(1, 100))
def test_backoff_never_shrinks(failures: int) -> None:
    assert backoff(failures, 0.5) <= backoff(failures + 1, 0.5)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(Priority)), max_size=60))
def test_every_key_that_was_added_is_worked_on_exactly_once(adds: list[tuple[str, Priority]]) -> None:
    async def scenario() -> None:
        q = queue()
        for name, priority in adds:
            q.add(Request("ns", name), priority)
        served = []
        while len(q):
            request = await q.get()
            served.append(request.name)
            q.done(request)
        assert sorted(served) == sorted({name for name, _ in adds})
        best = {name: min(priority for other, priority in adds if other == name) for name in served}
        assert [best[name] for name in served] == sorted(best[name] for name in served)

    run(scenario)
