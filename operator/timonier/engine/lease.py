"""Which replica reconciles: election by a coordination.k8s.io Lease, with client-go's timing (15/10/2 seconds).

A holder that cannot renew for `RENEW_DEADLINE` seconds stops, at once, before the lease can pass to another after
`LEASE_DURATION`; what it had sent by then has been answered or given up (the client's write time-out is shorter than
the difference). Others measure the age of the lease from when *they* last saw it change, so that clocks need not agree.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from timonier.api.resources import LEASES
from timonier.engine import metrics
from timonier.engine.client import Client
from timonier.engine.contract import Manifest
from timonier.engine.errors import ApiError, ConflictError, NotFoundError

__all__ = ["LEASE_DURATION", "RENEW_DEADLINE", "RETRY_PERIOD", "Election", "LeaseView", "Move", "decide"]

LEASE_DURATION: Final = 15.0
RENEW_DEADLINE: Final = 10.0
RETRY_PERIOD: Final = 2.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseView:
    """What one replica knows of the lease: who holds it, its version, and when (local clock) that last changed."""

    holder: str
    resource_version: str
    duration: float
    changed_at: float


class Move(Enum):
    """What a replica does next about the lease."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


def decide(view: LeaseView | None, identity: str, now: float) -> Move:
    """The next move: create a lease that is not there, renew our own, take a free or expired one, else wait."""
    if view is None:
        return Move.CREATE
    if view.holder == identity:
        return Move.RENEW
    expired = now >= view.changed_at + view.duration
    return Move.TAKE if not view.holder or expired else Move.WAIT


class Election:
    """Takes part in the election for one lease until told to stop.

    `held()` is the question that guards every write: it is True only while the last renewal is younger than the
    renew deadline. `clock` is monotonic, in seconds.
    """

    def __init__(self, *, namespace: str, name: str, identity: str, clock: Callable[[], float]) -> None:
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._view: LeaseView | None = None
        self._lease: dict[str, Any] = {}
        self._renewed_at: float | None = None
        metrics.LEADER.set_function(lambda: float(self.held()))

    def held(self) -> bool:
        """True while this replica may write."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < RENEW_DEADLINE

    async def win(self, client: Client) -> None:
        """Return once this replica holds the lease."""
        while not await self._attempt(client):  # noqa: ASYNC110 - what is awaited happens on the API server
            await asyncio.sleep(RETRY_PERIOD)
        logger.info("became the leader", extra={"identity": self._identity})

    async def keep(self, client: Client) -> None:
        """Renew until the lease is lost; return then. The caller must stop all work at once."""
        while self.held():
            await asyncio.sleep(RETRY_PERIOD)
            try:
                async with asyncio.timeout(RETRY_PERIOD):
                    if not await self._attempt(client) and self._view and self._view.holder != self._identity:
                        break
            except TimeoutError:
                logger.warning("renewing the lease took too long")
        self._renewed_at = None
        logger.error("lost the lease", extra={"identity": self._identity})

    async def release(self, client: Client) -> None:
        """Give the lease back so that another replica need not wait for it to expire."""
        if not self.held():
            return
        self._renewed_at = None
        spec = {**self._lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await client.replace(LEASES, {**self._lease, "spec": spec})
        except ApiError as error:
            logger.warning("could not release the lease: %s", error)

    async def _attempt(self, client: Client) -> bool:
        """One look at the lease and one move. True when we hold it afterwards."""
        try:
            await self._look(client)
            asked_at = self._clock()
            move = decide(self._view, self._identity, asked_at)
            if move is Move.WAIT:
                return False
            manifest = self._desired(move)
            written = await (client.create if move is Move.CREATE else client.replace)(LEASES, manifest)
        except ConflictError:
            return False  # another replica was faster
        except ApiError as error:
            logger.warning("could not reach the lease: %s", error)
            return False
        self._remember(written)
        self._renewed_at = asked_at
        return True

    async def _look(self, client: Client) -> None:
        try:
            self._remember(await client.get(LEASES, self._namespace, self._name))
        except NotFoundError:
            self._view = None

    def _remember(self, lease: Manifest) -> None:
        version = lease["metadata"]["resourceVersion"]
        spec = lease.get("spec", {})
        view = LeaseView(
            holder=spec.get("holderIdentity") or "",
            resource_version=version,
            duration=float(spec.get("leaseDurationSeconds") or LEASE_DURATION),
            changed_at=self._clock(),
        )
        if self._view is not None and self._view.resource_version == version:
            view = replace(view, changed_at=self._view.changed_at)
        self._view = view
        self._lease = dict(lease)

    def _desired(self, move: Move) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = {} if move is Move.CREATE else self._lease.get("spec", {})
        spec = {
            **old,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_DURATION),
            "renewTime": now,
        }
        if move is not Move.RENEW:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = old.get("leaseTransitions", 0) + (move is Move.TAKE)
        if move is Move.CREATE:
            metadata: Manifest = {"namespace": self._namespace, "name": self._name}
            return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        return {**self._lease, "spec": spec}
