"""Keeps an eye on one BackupStore: has a mover look at it when it is time, and reports."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from timonier.api.backup_store import BackupStore
from timonier.api.resources import BACKUP_STORES, JOBS
from timonier.backups.survey import Survey, due_survey, plan
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.events import EventRecorder
from timonier.engine.reading import read
from timonier.runs.mover import Identity, Task, hostname, job_name
from timonier.runs.movers import RULES, Movers
from timonier.runs.outcome import Outcome, Progress

__all__ = ["BackupStoreReconciler"]

_STEP: Final = "survey"
_DEADLINE: Final = 6 * 3600
_LOOK_AGAIN: Final = 15.0


class BackupStoreReconciler:
    """The reconciler of the BackupStore kind; see `timonier.engine.contract.Reconciler`."""

    primary = BACKUP_STORES
    watched = (JOBS,)
    rules = (
        Rule(BACKUP_STORES.group, (BACKUP_STORES.plural,), ("list", "watch")),
        Rule(BACKUP_STORES.group, (f"{BACKUP_STORES.plural}/status",), ("patch",)),
        *RULES,
    )

    def __init__(self, cache: Cache, applier: Applier, recorder: EventRecorder, movers: Movers) -> None:
        self._cache = cache
        self._applier = applier
        self._recorder = recorder
        self._movers = movers

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, and the one that controls a Job."""
        if change.resource == BACKUP_STORES:
            return (change.key,)
        return (change.owner[1],) if change.owner is not None and change.owner[0] == BACKUP_STORES else ()

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, act, and write the status last: the survey's Job is removed once its result is stored."""
        manifest = self._cache.get(BACKUP_STORES, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()
        store = read(BackupStore, manifest)
        if store is None:
            return Result()
        now = datetime.now(UTC)
        survey = due_survey(store, (), now)
        name = job_name(manifest, _STEP, survey.id) if survey else None
        found = await self._movers.look(request.namespace, name) if name else None
        if survey is not None and found is None:
            found = await self._start(manifest, store, survey, now)
        wanted = plan(store, survey, found, now)
        if await self._applier.apply_status(BACKUP_STORES, manifest, wanted.status):
            for event in wanted.events:
                await self._recorder.record(BACKUP_STORES, manifest, event)
        await self._clear(manifest, name if wanted.survey else None)
        return Result(requeue_after=_LOOK_AGAIN if wanted.survey else wanted.again)

    async def _start(
        self, manifest: Manifest, store: BackupStore, survey: Survey, now: datetime
    ) -> Progress | Outcome | None:
        instruction = dict(survey.instruction)
        if await self._is_abandoned(manifest, now):
            instruction["unlock"] = True
        task = Task(
            name=job_name(manifest, _STEP, survey.id),
            host=hostname(manifest, _STEP, survey.id),
            instruction=instruction,
            deadline=_DEADLINE,
            identity=Identity(),
        )
        return await self._movers.start(manifest, BACKUP_STORES, task, store)

    async def _is_abandoned(self, manifest: Manifest, now: datetime) -> bool:
        """The last survey met locks that nobody holds any more; its Job is kept until this one is there."""
        for name in self._jobs(manifest):
            found = await self._movers.look(manifest["metadata"]["namespace"], name)
            if isinstance(found, Outcome) and await self._movers.abandoned(found.locks, now):
                return True
        return False

    async def _clear(self, manifest: Manifest, current: str | None) -> None:
        """Remove the Jobs of other surveys, bar the last one that ended: its log may be wanted."""
        namespace = manifest["metadata"]["namespace"]
        for name in self._jobs(manifest):
            if name == current:
                continue
            if current is None:
                await self._movers.disarm(namespace, name)
            else:
                await self._movers.remove(namespace, name)

    def _jobs(self, manifest: Manifest) -> list[str]:
        owned = self._cache.owned(manifest["metadata"]["uid"])
        return [str(child["metadata"]["name"]) for resource, child in owned if resource == JOBS]
