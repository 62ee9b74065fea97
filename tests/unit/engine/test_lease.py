"""The election: who may take the lease, and until when a holder may write."""

import asyncio
from typing import Any

import pytest

from timonier.engine.errors import ConflictError, NotFoundError
from timonier.engine.lease import Election, LeaseView, Move, decide


def view(holder: str, changed_at: float = 0.0, duration: float = 15.0) -> LeaseView:
    return LeaseView(holder, "1", duration, changed_at)


@pytest.mark.parametrize(
    ("seen", "now", "move"),
    [
        (None, 0.0, Move.CREATE),
        (view("me"), 100.0, Move.RENEW),
        (view("other"), 14.9, Move.WAIT),
        (view("other"), 15.0, Move.TAKE),
        (view(""), 0.0, Move.TAKE),
        (view("other", changed_at=10.0), 24.0, Move.WAIT),
        (view("other", duration=1.0), 1.0, Move.TAKE),
    ],
    ids=[
        "no lease",
        "ours",
        "held",
        "expired",
        "released",
        "age counts from the last change",
        "its own duration counts",
    ],
)
def test_decide(seen: LeaseView | None, now: float, move: Move) -> None:
    assert decide(seen, "me", now) is move


class OneLease:
    """The API server's part of an election, in memory: optimistic concurrency on one object.

    A fake because two elections must be stepped against each other at chosen moments.
    """

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0

    async def get(self, *_: Any) -> dict[str, Any]:
        if self.lease is None:
            raise NotFoundError(404, "NotFound", "no lease")
        return self.lease

    async def create(self, _: Any, manifest: dict[str, Any]) -> dict[str, Any]:
        if self.lease is not None:
            raise ConflictError(409, "AlreadyExists", "there is one")
        return self._store(manifest)

    async def replace(self, _: Any, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError(409, "Conflict", "moved on")
        return self._store(manifest)

    def _store(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}
        return self.lease


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def election(name: str, clock: Clock) -> Election:
    return Election(namespace="ops", name="timonier", identity=name, clock=clock)


def attempt(candidate: Election, server: OneLease) -> bool:
    return asyncio.run(candidate._attempt(server))  # type: ignore[arg-type]  # the fake has the three verbs that are used


def test_one_wins_and_the_other_waits_until_the_lease_expires() -> None:
    clock, server = Clock(), OneLease()
    first, second = election("first", clock), election("second", clock)
    assert attempt(first, server)
    assert not attempt(second, server)
    assert first.held()
    assert not second.held()
    clock.now = 14.0
    assert not attempt(second, server)
    clock.now = 15.0
    assert attempt(second, server)
    assert not first.held()
    assert second.held()


def test_a_holder_that_cannot_renew_stops_writing_before_anybody_may_take_over() -> None:
    clock, server = Clock(), OneLease()
    first = election("first", clock)
    attempt(first, server)
    clock.now = 9.9
    assert first.held()
    clock.now = 10.0
    assert not first.held()


def test_a_release_lets_another_take_over_within_a_second() -> None:
    clock, server = Clock(), OneLease()
    first, second = election("first", clock), election("second", clock)
    attempt(first, server)
    asyncio.run(first.release(server))  # type: ignore[arg-type]  # as above
    assert not first.held()
    assert attempt(second, server)
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


def test_the_loser_of_a_race_does_not_believe_it_won() -> None:
    clock, server = Clock(), OneLease()
    first, second = election("first", clock), election("second", clock)
    attempt(first, server)
    asyncio.run(first.release(server))  # type: ignore[arg-type]  # as above
    asyncio.run(second._look(server))  # type: ignore[arg-type]  # as above
    attempt(first, server)
    second_move = second._desired(Move.TAKE)
    with pytest.raises(ConflictError):
        asyncio.run(server.replace(None, second_move))
