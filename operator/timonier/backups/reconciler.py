"""Makes one Backup: observes, lets the plan decide, has a mover do it, and reports."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    JOBS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
)
from timonier.api.runs import StepStatus
from timonier.backups.commands import Commands
from timonier.backups.observing import Observer
from timonier.backups.plan import (
    RELEASE,
    SNAPSHOT,
    Surroundings,
    facts,
    hooks_of,
    instruction,
    method_of,
    obstacle,
    record_of,
    run_of,
    saved,
    store_of,
)
from timonier.backups.snapshots import NO_SNAPSHOTS, scratch_of, snapshot_name, taken, usable, volume_snapshot
from timonier.backups.volumes import mounts, name_of, node_of
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.errors import NotFoundError
from timonier.engine.reading import read
from timonier.runs import story
from timonier.runs.driver import Driver, Gate, rival_of
from timonier.runs.hooks import hook_of, is_hook
from timonier.runs.mover import APPLICATION_FILE, ClaimMount, Identity, ScratchMount, Task, hostname, job_name
from timonier.runs.movers import RULES
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason
from timonier.runs.turn import Seen, present

__all__ = ["BackupReconciler"]


class BackupReconciler:
    """The reconciler of the Backup kind; see `timonier.engine.contract.Reconciler`."""

    primary = BACKUPS
    watched = (JOBS, APPLICATIONS, BACKUP_STORES, PERSISTENT_VOLUME_CLAIMS)
    rules = (
        Rule(BACKUPS.group, (BACKUPS.plural,), ("list", "watch")),
        Rule(BACKUPS.group, (f"{BACKUPS.plural}/status",), ("patch",)),
        Rule(NAMESPACES.group, (NAMESPACES.plural,), ("get",)),
        Rule(VOLUME_SNAPSHOTS.group, (VOLUME_SNAPSHOTS.plural,), ("create", "delete", "get")),
        *RULES,
    )

    def __init__(self, driver: Driver, gate: Gate) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._gate = gate

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, and the one that controls a Job. Whoever waits for something else looks again by itself."""
        if change.resource == BACKUPS:
            return (change.key,)
        return (change.owner[1],) if change.owner is not None and change.owner[0] == BACKUPS else ()

    async def reconcile(self, request: Request) -> Result:
        """One turn, and no turn of another run of the same Application meanwhile."""
        manifest = self._cache.get(BACKUPS, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()
        backup = read(Backup, manifest)
        if backup is None or backup.spec.reason == "Imported":
            return Result()
        async with self._gate.of(Request(request.namespace, backup.spec.target_ref.name)):
            # Another turn may have come first.
            manifest = self._cache.get(BACKUPS, request) or manifest
            return await _Turn(self._driver, manifest, Backup.model_validate(manifest)).take()


class _Turn:
    """One turn of one Backup."""

    def __init__(self, driver: Driver, manifest: Manifest, backup: Backup) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._observer = Observer(driver.cache, driver.applier)
        self._commands = Commands(driver, BACKUPS, self._observer)
        self._manifest = manifest
        self._backup = backup

    async def take(self) -> Result:
        backup = self._backup
        application, store = self._application(), self._store()
        run = run_of(backup, application, {})
        step = present(run)
        if step is not None:
            task = await self._look(step, application) if step.state == "Running" else None
            hook = hook_of(step.name, *hooks_of(application)) if is_hook(step.name) else None
            by_job = not is_hook(step.name) or (hook is not None and hook.job is not None)
            seen = Seen(task=task, job=self._job(step) if by_job else None)
        elif story.is_over(backup.status):
            seen = Seen()
        else:
            around = await self._surroundings(application, store)
            run = run_of(backup, application, facts(backup, around))
            seen = Seen(obstacle=obstacle(backup, around))
        return await self._driver.drive(BACKUPS, self._manifest, run, seen, record_of(store), self._begin)

    @property
    def _namespace(self) -> str:
        return self._backup.metadata.namespace

    @property
    def _target(self) -> Request:
        return Request(self._namespace, self._backup.spec.target_ref.name)

    def _application(self) -> Application | None:
        return self._observer.running(self._target)

    def _store(self) -> BackupStore | None:
        return self._observer.store(store_of(self._backup, self._application()), self._namespace)

    async def _surroundings(self, application: Application | None, store: BackupStore | None) -> Surroundings:
        if application is None or store is None:
            return Surroundings(application, store)
        claims = self._observer.claims(self._target)
        node = node_of(claims, await self._observer.pods(self._target))
        return Surroundings(
            application,
            store,
            refused=await self._observer.refusal(store, self._namespace),
            rival=rival_of(self._cache, self._target, self._manifest),
            unreachable=node if isinstance(node, tuple) else None,
            paths=tuple(mount.path for mount in mounts(application, claims, read_only=True)),
        )

    def _job(self, step: StepStatus) -> str:
        return job_name(self._manifest, step.name, step.attempts or 1)

    async def _look(self, step: StepStatus, application: Application | None) -> Progress | Outcome | None:
        if is_hook(step.name):
            return await self._commands.look_at_hook(self._manifest, step, hooks_of(application))
        if step.name in (SNAPSHOT, RELEASE):
            return None  # to begin it again does no harm
        if method_of(self._backup, application) == "Command":
            return await self._commands.look_at_dump(self._manifest, step, self._job(step), application)
        return await self._driver.movers.look(self._namespace, self._job(step))

    async def _begin(self, manifest: Manifest, step: StepStatus) -> Progress | Outcome | None:
        if is_hook(step.name):
            application = self._application()
            return await self._commands.begin_hook(manifest, step, application, hooks_of(application))
        if step.name == SNAPSHOT:
            return await self._snapshot(manifest, step)
        if step.name == RELEASE:
            return await self._release(manifest)
        return await self._transfer(manifest, step)

    async def _snapshot(self, manifest: Manifest, step: StepStatus) -> Progress | Outcome:
        application = self._application()
        if application is None:
            return Outcome(Reason.FAILED, "its Application is gone")
        policy = application.spec.backup
        class_name = policy.volume_snapshot_class_name if policy else None
        try:
            found = [
                await self._driver.applier.create(
                    VOLUME_SNAPSHOTS, volume_snapshot(manifest, application, mount, class_name)
                )
                for mount in self._mounted(application)
            ]
        except NotFoundError:
            return NO_SNAPSHOTS
        return taken(found, step, datetime.now(UTC))

    async def _release(self, manifest: Manifest) -> Outcome:
        """Remove the snapshots, unless somebody else has made one of that name."""
        for volume in manifest["status"].get("volumes", ()):
            found = await self._driver.applier.live(VOLUME_SNAPSHOTS, self._namespace, snapshot_name(manifest, volume))
            owners = found["metadata"].get("ownerReferences", ()) if found is not None else ()
            if found is not None and manifest["metadata"]["uid"] in [owner["uid"] for owner in owners]:
                metadata = found["metadata"]
                await self._driver.applier.delete(VOLUME_SNAPSHOTS, self._namespace, metadata["name"], metadata["uid"])
        return Outcome()

    def _mounted(self, application: Application) -> tuple[ClaimMount, ...]:
        return mounts(application, self._observer.claims(self._target), read_only=True)

    async def _transfer(self, manifest: Manifest, step: StepStatus) -> Progress | Outcome | None:
        application, store = self._application(), self._store()
        if application is None or store is None:
            missing = "Application" if application is None else "BackupStore"
            return Outcome(Reason.FAILED, f"its {missing} is gone")
        method, mounted = method_of(self._backup, application), self._mounted(application)
        scratch: tuple[ScratchMount, ...] = ()
        if method == "Snapshot":
            found = await self._snapshots(manifest, step, mounted)
            if not isinstance(found, tuple):
                return found
            scratch = found
        around = await self._surroundings(application, store)
        words = (Reason.STORE_NOT_ALLOWED, around.refused) if around.refused else None
        if method == "Files":
            words = words or around.unreachable
        if words:
            return Outcome(*words)
        if method == "Command":
            return await self._driver.movers.start(manifest, BACKUPS, await self._task(step, application, ()), store)
        wanted = manifest["status"].get("volumes")
        if sorted(name_of(mount.path) for mount in mounted) != wanted:
            return Outcome(Reason.VOLUMES_DIFFER, f"it has other volumes by now than {', '.join(wanted or ())}")
        task = await self._task(step, application, mounted)
        if method == "Snapshot":
            task = replace(task, claims=(), node=None, scratch=scratch)
        return await self._driver.movers.start(self._manifest, BACKUPS, task, store)

    async def _snapshots(
        self, manifest: Manifest, step: StepStatus, mounted: tuple[ClaimMount, ...]
    ) -> tuple[ScratchMount, ...] | Progress | Outcome:
        """The volumes that the mover gets instead of the application's own."""
        names = [snapshot_name(manifest, name_of(mount.path)) for mount in mounted]
        found = [await self._driver.applier.live(VOLUME_SNAPSHOTS, self._namespace, name) for name in names]
        there = [each for each in found if each is not None]
        if len(there) != len(names):
            return Outcome(Reason.FAILED, "a snapshot that it had taken is gone")
        claims = {claim["metadata"]["name"]: claim for claim in self._observer.claims(self._target)}
        return usable(there, step, datetime.now(UTC)) or scratch_of(mounted, claims, there)

    async def _task(self, step: StepStatus, application: Application, mounted: tuple[ClaimMount, ...]) -> Task:
        attempt = step.attempts or 1
        told = instruction(
            self._backup, application, tuple(mount.path for mount in mounted), APPLICATION_FILE, self._store()
        )
        told |= await self._driver.movers.breaking_again(self._manifest, step) if attempt > 1 else {"first": True}
        node = (
            node_of(self._observer.claims(self._target), await self._observer.pods(self._target)) if mounted else None
        )
        written = self._cache.get(APPLICATIONS, self._target)
        assert written is not None  # noqa: S101 - it has just been read
        return Task(
            name=job_name(self._manifest, step.name, attempt),
            host=hostname(self._manifest, step.name, attempt),
            instruction=told,
            deadline=self._backup.spec.timeout_seconds,
            claims=mounted,
            identity=Identity.of(application.spec.workload.pod_security_context) if mounted else Identity(),
            node=node if isinstance(node, str) else None,
            application=application.metadata.name,
            tolerations=application.spec.workload.tolerations,
            files={"application.json": saved(written, application)},
        )
