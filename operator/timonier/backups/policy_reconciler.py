"""Carries out the backup policy of one Application: begins scheduled backups, and lets go of old ones."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.conditions import condition_of
from timonier.api.moments import moment
from timonier.api.references import made_for
from timonier.api.resources import APPLICATIONS, BACKUP_STORES, BACKUPS, JOBS, NAMESPACES, RESTORES, UPGRADES
from timonier.api.restore import Restore
from timonier.api.runs import StoreRef
from timonier.backups.access import unready
from timonier.backups.observing import Observer
from timonier.backups.policy_plan import Forget, Refused, plan
from timonier.engine import metrics
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.reading import read
from timonier.runs import story
from timonier.runs.driver import Driver
from timonier.runs.mover import Task, hostname, job_name
from timonier.runs.movers import RULES
from timonier.runs.outcome import Outcome

__all__ = ["BackupPolicyReconciler"]

_MANAGER: Final = "timonier-backups"
_VERIFIER: Final = "timonier-verification"
_STEP: Final = "forget"
_DEADLINE: Final = 3600
_LOOK_AGAIN: Final = 15.0
_PAUSE: Final = timedelta(seconds=300)


class BackupPolicyReconciler:
    """A reconciler of Applications; see `timonier.engine.contract.Reconciler`."""

    primary = APPLICATIONS
    watched = (JOBS, BACKUPS, BACKUP_STORES, RESTORES)
    rules = (
        Rule(APPLICATIONS.group, (APPLICATIONS.plural,), ("list", "watch")),
        Rule(APPLICATIONS.group, (f"{APPLICATIONS.plural}/status",), ("patch",)),
        Rule(BACKUPS.group, (BACKUPS.plural,), ("create", "delete", "get", "list", "patch", "watch")),
        Rule(BACKUPS.group, (f"{BACKUPS.plural}/status",), ("patch",)),
        Rule(RESTORES.group, (RESTORES.plural,), ("create", "list", "watch")),
        Rule(NAMESPACES.group, (NAMESPACES.plural,), ("get",)),
        *RULES,
    )

    def __init__(self, driver: Driver) -> None:
        self._cache = driver.cache
        self._applier = driver.applier
        self._recorder = driver.recorder
        self._movers = driver.movers
        self._refusal = driver.refusal
        self._observer = Observer(driver.cache, driver.applier)

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, that of a Backup, and the one that controls a Job."""
        if change.resource == APPLICATIONS:
            return (change.key,) if change.urgent else ()
        if change.resource == BACKUPS:
            return (Request(change.key.namespace, change.application),) if change.application else ()
        ours = (JOBS, RESTORES)
        owned = change.resource in ours and change.owner is not None and change.owner[0] == APPLICATIONS
        return (change.owner[1],) if owned and change.owner is not None else ()

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, write what is remembered, and act: what is created and removed has the same name each time."""
        manifest = self._cache.get(APPLICATIONS, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            _show(request, {})
            return Result()
        application = read(Application, manifest)
        if application is None:
            return Result()
        backups = [found for found in map(_backup, self._cache.about(BACKUPS, request)) if found is not None]
        owned = self._cache.owned(application.metadata.uid)
        trials = [trial for resource, child in owned if resource == RESTORES and (trial := read(Restore, child))]
        used, now = frozenset(self._used(request)), datetime.now(UTC)
        wanted = plan(application, backups, used, now, trials)
        refused = Refused(
            backup=await self._refusal(manifest, "backup") if wanted.create is not None else None,
            trial=await self._refusal(manifest, "trial") if wanted.trial is not None else None,
        )
        if refused.backup or refused.trial:
            wanted = plan(application, backups, used, now, trials, refused)
        _show(request, wanted.status)
        if wanted.create is not None:
            # Before the time is remembered as begun: its name makes it one however often it is tried.
            await self._applier.create(BACKUPS, wanted.create)
        if wanted.trial is not None:
            await self._applier.create(RESTORES, wanted.trial)
        for name, verdict in wanted.verified.items():
            tried = self._cache.get(BACKUPS, Request(request.namespace, name))
            if tried is not None:
                await self._applier.apply_status(BACKUPS, tried, {"verified": verdict}, manager=_VERIFIER)
        if await self._applier.apply_status(APPLICATIONS, manifest, wanted.status, manager=_MANAGER):
            for event in wanted.events:
                await self._recorder.record(APPLICATIONS, manifest, event)
        for backup in wanted.cancel:
            await self._applier.merge(BACKUPS, request.namespace, backup.metadata.name, {"spec": {"cancel": True}})
        for backup in wanted.drop:
            await self._applier.delete(BACKUPS, request.namespace, backup.metadata.name, backup.metadata.uid)
        waits = [await self._forget(manifest, forget) for forget in wanted.forget]
        await self._clear(manifest, {job_name(manifest, _STEP, forget.id) for forget in wanted.forget})
        soonest = min((wait for wait in (*waits, wanted.again) if wait is not None), default=None)
        return Result(requeue_after=soonest)

    async def _forget(self, manifest: Manifest, forget: Forget) -> float | None:
        """Have a store forget, and drop the objects once it has. Seconds until the next look."""
        namespace, name = manifest["metadata"]["namespace"], job_name(manifest, _STEP, forget.id)
        found = await self._movers.look(namespace, name)
        if found is None:
            return await self._start(manifest, forget, name)
        if not isinstance(found, Outcome):
            return _LOOK_AGAIN
        if found.error is None:
            for backup in forget.backups:
                await self._applier.delete(BACKUPS, namespace, backup.metadata.name, backup.metadata.uid)
            await self._movers.remove(manifest, name)
            return None
        left = (found.ended or datetime.now(UTC)) + _PAUSE - datetime.now(UTC)
        if left.total_seconds() > 0:
            return left.total_seconds()
        await self._movers.remove(manifest, name)
        return 1.0

    async def _start(self, manifest: Manifest, forget: Forget, name: str) -> float | None:
        namespace = manifest["metadata"]["namespace"]
        store = self._observer.store(StoreRef(namespace=forget.store[0], name=forget.store[1]), namespace)
        if store is None or unready(store, writes=False) or store.spec.read_only or _is_locked(store):
            return _PAUSE.total_seconds()  # what it holds stays until it can be asked
        if await self._observer.refusal(store, namespace) is not None:
            return _PAUSE.total_seconds()  # or until it may be used again
        task = Task(
            name=name,
            host=hostname(manifest, _STEP, forget.id),
            instruction={"task": "forget", "runs": list(forget.runs)},
            deadline=_DEADLINE,
        )
        refused = await self._movers.start(manifest, APPLICATIONS, task, store)
        return _LOOK_AGAIN if refused is None else _PAUSE.total_seconds()

    async def _clear(self, manifest: Manifest, wanted: set[str]) -> None:
        """Remove Jobs for backups that are gone, or are to stay after all."""
        for resource, child in tuple(self._cache.owned(manifest["metadata"]["uid"])):
            name = child["metadata"]["name"]
            if resource == JOBS and name not in wanted:
                await self._movers.remove(manifest, name)

    def _used(self, application: Request) -> Iterator[str]:
        """The backups that a run under way reads, or was given to fall back on."""
        makers = set()
        for resource in (RESTORES, UPGRADES):
            for run in self._cache.all(resource, application.namespace):
                status = run.get("status", {})
                if not story.is_over(status):
                    yield from (status[name] for name in ("backup", "safetyBackup") if name in status)
                    makers.add(run["metadata"]["uid"])
        backups = self._cache.all(BACKUPS, application.namespace)
        yield from (each["metadata"]["name"] for each in backups if made_for(each) in makers)


def _show(application: Request, status: Mapping[str, Any]) -> None:
    """As metrics, how the backups of an Application stand; nothing where there is nothing to say."""
    labels = (application.namespace, application.name)
    healthy, last = condition_of(status, "BackupHealthy"), status.get("lastBackup")
    if healthy is not None and healthy["status"] != "Unknown":
        metrics.BACKUP_HEALTHY.labels(*labels).set(healthy["status"] == "True")
    else:
        with suppress(KeyError):
            metrics.BACKUP_HEALTHY.remove(*labels)
    if last is not None:
        metrics.BACKUP_LAST_SUCCESS.labels(*labels).set(moment(last["time"]).timestamp())
    else:
        with suppress(KeyError):
            metrics.BACKUP_LAST_SUCCESS.remove(*labels)


def _backup(manifest: Manifest) -> Backup | None:
    return read(Backup, manifest)


def _is_locked(store: BackupStore) -> bool:
    lock = store.spec.retention_lock
    return lock is not None and moment(lock.until) > datetime.now(UTC)
