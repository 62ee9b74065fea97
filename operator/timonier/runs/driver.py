"""Takes a run from turn to turn: the part of a run's reconciler that is the same for every kind. All decisions are
those of `timonier.runs.turn`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from weakref import WeakValueDictionary

from timonier.api.moments import moment
from timonier.api.references import KEEP_LABEL, Work, made_for
from timonier.api.resources import APPLICATIONS, BACKUPS, JOBS, RESTORES, UPGRADES, Resource
from timonier.api.runs import StepStatus
from timonier.engine import metrics
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.client import Client
from timonier.engine.contract import Manifest, Request, Result
from timonier.engine.errors import ApiError
from timonier.engine.events import EventRecorder
from timonier.runs import story
from timonier.runs.background import Background, work_of
from timonier.runs.movers import Movers
from timonier.runs.outcome import Outcome, Progress, finished
from timonier.runs.reasons import Reason
from timonier.runs.steps import APPROVE, PAUSE
from timonier.runs.turn import Record, Run, Seen, Turn, turn

__all__ = ["Driver", "Gate", "Refusal", "rival_of"]

_RUNS: Final = (BACKUPS, RESTORES, UPGRADES)

Begin = Callable[[Manifest, StepStatus], Awaitable[Outcome | Progress | None]]
"""Makes sure that a step's present attempt is under way; returns what is known of it at once, if anything is.

It is given the object as it is after its status was written.
"""


Refusal = Callable[[Manifest, Work], Awaitable[str | None]]
"""Why some work of an Application is not begun now: what its author may not do any more, as a sentence."""


class Gate:
    """One at a time per Application: who looks whether another run is under way, and says that its own now is."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Request, asyncio.Lock] = WeakValueDictionary()

    def of(self, application: Request) -> asyncio.Lock:
        """The lock of an Application."""
        lock = self._locks.get(application)
        if lock is None:
            lock = self._locks[application] = asyncio.Lock()
        return lock


def rival_of(cache: Cache, application: Request, manifest: Manifest) -> str | None:
    """Another run of the Application that has begun and is not over, as `backup NAME`.

    Runs of one family are none, nor is one that waits, if `_gives_way`.
    """
    family = set(_family(cache, manifest))
    for resource in _RUNS:
        for other in cache.about(resource, application):
            status = other.get("status", {})
            begun = status.get("startTime") and not story.is_over(status) and not _gives_way(status, manifest["kind"])
            if begun and not family & set(_family(cache, other)):
                return f"{resource.kind.lower()} {other['metadata']['name']}"
    return None


def _gives_way(status: story.Status, kind: str) -> bool:
    """The run waits for a person, or for pods, and is at work on nothing: one of that kind may go first.

    Where it has touched something, the pods are not what recovery knows; and where it has touched or backed up data,
    what a Restore brings back is not what its way back would.
    """
    paused, held = status.get("step") in (APPROVE, PAUSE), "heldTime" in status
    if "rollout" not in status:
        return (paused or held) and (kind == BACKUPS.kind or "backup" not in status)
    return (paused and kind != APPLICATIONS.kind) or (held and kind == BACKUPS.kind)


def _family(cache: Cache, manifest: Manifest) -> Iterator[str]:
    """The uids of a run, of that which it was made for, and so on."""
    metadata = manifest["metadata"]
    yield metadata["uid"]
    if (maker := made_for(manifest)) is not None:
        yield maker
        key = cache.find(maker, _RUNS)
        found = (cache.get(run, key) for run in _RUNS) if key else ()
        for above in found:
            if above is not None and above["metadata"]["uid"] == maker:
                yield from _family(cache, above)
    for owner in metadata.get("ownerReferences", ()):
        resource = next((run for run in _RUNS if run.kind == owner["kind"]), None)
        above = cache.get(resource, Request(metadata["namespace"], owner["name"])) if resource else None
        if above is not None and above["metadata"]["uid"] == owner["uid"]:
            yield from _family(cache, above)


@dataclass(frozen=True, slots=True)
class Driver:
    """Writes what a turn says, and does what it asks."""

    cache: Cache
    applier: Applier
    recorder: EventRecorder
    client: Client
    movers: Movers
    background: Background
    refusal: Refusal

    async def drive(
        self, resource: Resource, manifest: Manifest, run: Run, seen: Seen, record: Record, begin: Begin
    ) -> Result:
        """Write the status first and act then: what was begun before a crash is found by its name."""
        made = turn(run, seen, record, datetime.now(UTC))
        while True:
            written = await self._tell(resource, manifest, run, made)
            if written is None:
                return Result()
            if made.stop is not None:
                await self._stop(manifest, made.stop)
            known = await self._begun(begin, written, made.start) if made.start is not None else None
            if known is None:
                break
            plans = run.replan(made.status) if run.replan is not None else run.plans
            manifest, run = written, replace(run, status=made.status, plans=plans)
            made = turn(run, Seen(task=known), record, datetime.now(UTC))
        if story.is_over(made.status):
            await self._tidy(manifest, keep=made.status["phase"] == "Failed")
            return Result(requeue_after=await self._outlived(resource, manifest, run, made))
        return Result(requeue_after=made.again)

    @staticmethod
    async def _begun(begin: Begin, manifest: Manifest, step: StepStatus) -> Outcome | Progress | None:
        """Begin a step. That something it makes is refused is how it ended, and no reason to try without end."""
        try:
            return await begin(manifest, step)
        except ApiError as error:
            if not error.is_refusal:
                raise
            return Outcome(Reason.REFUSED, f"what it needs is refused: {error.message}")

    async def _outlived(self, resource: Resource, manifest: Manifest, run: Run, made: Turn) -> float | None:
        """Remove the object when its time has come. A good Backup stays for as long as retention wants its data."""
        if resource == BACKUPS and made.status["phase"] == "Succeeded":
            return None
        left = story.seconds_kept(made.status, run.spec.ttl_seconds_after_finished, datetime.now(UTC))
        if left == 0:
            metadata = manifest["metadata"]
            await self.applier.delete(resource, metadata["namespace"], metadata["name"], metadata["uid"])
        return left or None

    async def _tell(self, resource: Resource, manifest: Manifest, run: Run, made: Turn) -> Manifest | None:
        """Write the status. None when the object has gone away meanwhile."""
        if made.status == run.status:
            return manifest
        written = await self.applier.apply_status(resource, manifest, made.status)
        if written is not None and story.is_over(made.status) and "startTime" in made.status:
            lasted = moment(made.status["completionTime"]) - moment(made.status["startTime"])
            metrics.RUN_TIME.labels(resource.kind, made.status["phase"]).observe(lasted.total_seconds())
            if made.status.get("rolledBack") and "rollbackReason" in made.status:
                metrics.ROLLBACKS.labels(made.status["rollbackReason"]).inc()
        for event in story.events(run.status, made.status, run.what):
            await self.recorder.record(resource, manifest, event)
        return written or self.cache.get(resource, _key(manifest))

    async def _stop(self, manifest: Manifest, step: StepStatus) -> None:
        await self.background.stop(work_of(manifest, step))
        if step.job_ref:
            await self.movers.remove(manifest, step.job_ref)

    async def _tidy(self, manifest: Manifest, *, keep: bool) -> None:
        """Jobs of a run that failed, and those that are to stay, are kept for their logs, without their Secrets.

        Those with volumes of their own go, as the volumes would stay with them.
        """
        namespace = manifest["metadata"]["namespace"]
        for resource, child in tuple(self.cache.owned(manifest["metadata"]["uid"])):
            if resource != JOBS:
                continue
            name = child["metadata"]["name"]
            if KEEP_LABEL in child["metadata"]["labels"]:
                continue
            if keep and finished(child) and not _has_scratch(child):
                await self.movers.disarm(namespace, name)
            else:
                await self.movers.remove(manifest, name)


def _has_scratch(job: Manifest) -> bool:
    return any("ephemeral" in volume for volume in job["spec"]["template"]["spec"].get("volumes", ()))


def _key(manifest: Manifest) -> Request:
    return Request(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
