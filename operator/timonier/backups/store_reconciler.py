"""Keeps an eye on one BackupStore: has a mover look at it when it is time, and reports."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.resources import BACKUP_STORES, BACKUPS, JOBS
from timonier.backups.imports import SNAPSHOT_LINE, found_in, imported, known_runs, status_of, unknown
from timonier.backups.survey import Survey, due_survey, plan
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.errors import ApiError
from timonier.engine.events import EventRecorder
from timonier.engine.reading import read
from timonier.runs.mover import Identity, Task, hostname, job_name
from timonier.runs.movers import RULES, Movers
from timonier.runs.outcome import Outcome, Progress

__all__ = ["BackupStoreReconciler"]

_STEP: Final = "survey"
_DEADLINE: Final = 6 * 3600
_LOOK_AGAIN: Final = 15.0
_IMPORT_PATIENCE: Final = timedelta(seconds=60)

logger = logging.getLogger(__name__)


class BackupStoreReconciler:
    """The reconciler of the BackupStore kind; see `timonier.engine.contract.Reconciler`."""

    primary = BACKUP_STORES
    watched = (JOBS, BACKUPS)
    rules = (
        Rule(BACKUP_STORES.group, (BACKUP_STORES.plural,), ("list", "watch")),
        Rule(BACKUP_STORES.group, (f"{BACKUP_STORES.plural}/status",), ("patch",)),
        Rule(BACKUPS.group, (BACKUPS.plural,), ("create", "get", "list", "watch")),
        Rule(BACKUPS.group, (f"{BACKUPS.plural}/status",), ("patch",)),
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
        survey = due_survey(store, self._known(store), now)
        name = job_name(manifest, _STEP, survey.id) if survey else None
        found = await self._movers.look(request.namespace, name) if name else None
        if survey is not None and found is None:
            found = await self._start(manifest, store, survey)
        if name is not None and isinstance(found, Outcome) and found.error is None:
            await self._import_in_time(store, name, found, now)
        wanted = plan(store, survey, found, now)
        if await self._applier.apply_status(BACKUP_STORES, manifest, wanted.status):
            for event in wanted.events:
                await self._recorder.record(BACKUP_STORES, manifest, event)
        await self._clear(manifest, name if wanted.survey else None)
        return Result(requeue_after=_LOOK_AGAIN if wanted.survey else wanted.again)

    def _known(self, store: BackupStore) -> tuple[str, ...]:
        """The runs of which nothing needs to be told, the newest first."""
        backups = sorted(self._backups(store), key=lambda backup: backup.status.get("completionTime", ""), reverse=True)
        return tuple(known_runs(backup for backup in backups if backup.status.get("phase")))

    def _backups(self, store: BackupStore) -> list[Backup]:
        found = (read(Backup, manifest) for manifest in self._cache.all(BACKUPS, store.metadata.namespace))
        return [backup for backup in found if backup is not None]

    async def _import_in_time(self, store: BackupStore, job: str, found: Outcome, now: datetime) -> None:
        """A node that does not answer for the log must not keep a good store from being used."""
        try:
            await self._import(store, job, found.result["repository"], now)
        except ApiError as error:
            if found.ended is not None and now - found.ended < _IMPORT_PATIENCE:
                raise
            logger.warning("could not import backups from the log of %s: %s", job, error)

    async def _import(self, store: BackupStore, job: str, repository: str, now: datetime) -> None:
        """Make objects of backups that nobody here knows. Done again after a crash, it goes on where it was."""
        known = store.status.get("repository")
        if not store.spec.import_backups or (known and known != repository):
            return
        namespace = store.metadata.namespace
        lines = await self._movers.said(namespace, job, SNAPSHOT_LINE)
        backups = self._backups(store)
        standing = known_runs(backups)
        taken = {backup.metadata.name for backup in backups}
        for found in unknown(found_in(lines or ()), store, backups):
            half = standing.get(found.run)
            wanted = imported(found, store, taken)
            made = await self._applier.create(BACKUPS, wanted) if half is None else self._manifest(half)
            if made is not None and made["spec"].get("imported", {}).get("run") == found.run:
                taken.add(made["metadata"]["name"])
                await self._applier.apply_status(BACKUPS, made, status_of(found, store, repository, now))

    def _manifest(self, backup: Backup) -> Manifest | None:
        return self._cache.get(BACKUPS, Request(backup.metadata.namespace, backup.metadata.name))

    async def _start(self, manifest: Manifest, store: BackupStore, survey: Survey) -> Progress | Outcome | None:
        task = Task(
            name=job_name(manifest, _STEP, survey.id),
            host=hostname(manifest, _STEP, survey.id),
            instruction=survey.instruction | await self._breaking(manifest),
            deadline=_DEADLINE,
            identity=Identity(),
        )
        return await self._movers.start(manifest, BACKUP_STORES, task, store)

    async def _breaking(self, manifest: Manifest) -> dict[str, Any]:
        """For when the last survey met locks that nobody holds any more; its Job is kept until this one is there."""
        for name in self._jobs(manifest):
            found = await self._movers.look(manifest["metadata"]["namespace"], name)
            if isinstance(found, Outcome) and (told := await self._movers.breaking(found)):
                return told
        return {}

    async def _clear(self, manifest: Manifest, current: str | None) -> None:
        """Remove the Jobs of other surveys, bar the last one that ended: its log may be wanted."""
        namespace = manifest["metadata"]["namespace"]
        for name in self._jobs(manifest):
            if name == current:
                continue
            if current is None:
                await self._movers.disarm(namespace, name)
            else:
                await self._movers.remove(manifest, name)

    def _jobs(self, manifest: Manifest) -> list[str]:
        owned = self._cache.owned(manifest["metadata"]["uid"])
        return [str(child["metadata"]["name"]) for resource, child in owned if resource == JOBS]
