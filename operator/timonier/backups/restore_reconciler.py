"""Carries out one Restore: observes, lets the plan decide, stops the application, has a mover load, and reports."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.pods import PodSecurity, Toleration
from timonier.api.references import APPLICATION_LABEL
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    JOBS,
    PERSISTENT_VOLUME_CLAIMS,
    RESTORES,
)
from timonier.api.restore import Restore
from timonier.api.runs import StepStatus, StoreRef
from timonier.backups.commands import NOTHING_ASKED, Commands
from timonier.backups.observing import Observer
from timonier.backups.plan import store_of
from timonier.backups.restore_plan import (
    APPLICATION_LINE,
    BRING_BACK,
    CREATE,
    LOAD,
    QUIESCE,
    RESTART,
    RESUME,
    SAFETY_BACKUP,
    STOP,
    Surroundings,
    choice,
    claim_of_pod,
    facts,
    has_stopped,
    hooks_of,
    instruction,
    is_own,
    is_probe,
    is_well,
    made_safe,
    new_application,
    obstacle,
    probe_of,
    record_of,
    run_of,
    safety_backup,
    safety_name,
    target_of,
    tried_on,
)
from timonier.backups.trials import follower, place_of, scratch_mounts, trial_identity, volumes_of
from timonier.backups.volumes import DATA_FOLDER, mounts, name_of
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.errors import ApiError
from timonier.engine.reading import read
from timonier.runs import story
from timonier.runs.driver import Driver, Gate, rival_of
from timonier.runs.hooks import hook_of, is_hook, wants_pods
from timonier.runs.mover import ClaimMount, Identity, Task, hostname, job_name
from timonier.runs.movers import RULES
from timonier.runs.outcome import Outcome, Progress, has_ended
from timonier.runs.reasons import Reason
from timonier.runs.turn import Seen, present, steps_of

__all__ = ["RestoreReconciler"]

_POLL: Final = 1.0

Known = Outcome | Progress | None


class RestoreReconciler:
    """The reconciler of the Restore kind; see `timonier.engine.contract.Reconciler`."""

    primary = RESTORES
    watched = (JOBS, APPLICATIONS, BACKUPS, BACKUP_STORES, PERSISTENT_VOLUME_CLAIMS)
    rules = (
        Rule(RESTORES.group, (RESTORES.plural,), ("delete", "list", "watch")),
        Rule(RESTORES.group, (f"{RESTORES.plural}/status",), ("patch",)),
        Rule(BACKUPS.group, (BACKUPS.plural,), ("create", "get", "list", "watch")),
        Rule(APPLICATIONS.group, (APPLICATIONS.plural,), ("create",)),
        Rule(PERSISTENT_VOLUME_CLAIMS.group, (PERSISTENT_VOLUME_CLAIMS.plural,), ("create", "get")),
        *RULES,
    )

    def __init__(self, driver: Driver, gate: Gate) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._gate = gate

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, and the one that a Job or a safety backup belongs to."""
        if change.resource == RESTORES:
            return (change.key,)
        return (change.owner[1],) if change.owner is not None and change.owner[0] == RESTORES else ()

    async def reconcile(self, request: Request) -> Result:
        """One turn, and no turn of another run of the same Application meanwhile."""
        manifest = self._cache.get(RESTORES, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()
        restore = read(Restore, manifest)
        if restore is None:
            return Result()
        async with self._gate.of(Request(request.namespace, target_of(restore) or request.name)):
            # Another turn may have come first.
            manifest = self._cache.get(RESTORES, request) or manifest
            return await _Turn(self._driver, manifest, Restore.model_validate(manifest)).take()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a mover writes, and as whom."""

    claims: tuple[ClaimMount, ...]
    identity: Identity
    node: str | None
    tolerations: tuple[Toleration, ...] = ()


class _Turn:
    """One turn of one Restore."""

    def __init__(self, driver: Driver, manifest: Manifest, restore: Restore) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._applier = driver.applier
        self._observer = Observer(driver.cache, driver.applier)
        self._commands = Commands(driver, RESTORES, self._observer)
        self._manifest = manifest
        self._restore = restore
        self._now = datetime.now(UTC)

    async def take(self) -> Result:
        restore = self._restore
        run = run_of(restore, {})
        step = present(run)
        if step is not None:
            task = await self._look(step) if step.state == "Running" else None
            seen = Seen(task=task, job=self._name_of(step))
        elif story.is_over(restore.status):
            seen = Seen()
        else:
            around = await self._surroundings()
            run, seen = run_of(restore, facts(restore, around)), Seen(obstacle=obstacle(restore, around))
        return await self._driver.drive(RESTORES, self._manifest, run, seen, record_of(), self._begin)

    @property
    def _namespace(self) -> str:
        return self._restore.metadata.namespace

    def _key(self, name: str) -> Request:
        return Request(self._namespace, name)

    def _application(self) -> Application | None:
        name = target_of(self._restore)
        return self._observer.running(self._key(name)) if name else None

    def _name_of(self, step: StepStatus) -> str | None:
        """Of the object that does the step's work, where there is one."""
        if step.name == SAFETY_BACKUP:
            return safety_name(self._manifest)
        return job_name(self._manifest, step.name, step.attempts or 1) if self._has_job(step.name) else None

    def _has_job(self, step: str) -> bool:
        """Whether a Job does the step's work, rather than a command in a pod of the application, or nothing."""
        probe, hook = probe_of(self._restore, step), hook_of(step, *hooks_of(self._restore)) if is_hook(step) else None
        by_job = (probe is not None and probe.exec is None) or (hook is not None and hook.job is not None)
        return by_job or step in (CREATE, LOAD, BRING_BACK)

    async def _look(self, step: StepStatus) -> Known:
        if is_hook(step.name):
            return await self._commands.look_at_hook(self._manifest, step, hooks_of(self._restore))
        if is_probe(step.name):
            found = await self._commands.look_at_probe(self._manifest, step, probe_of(self._restore, step.name))
            application = self._application()
            failed = isinstance(found, Outcome) and found.error is Reason.VERIFICATION_FAILED
            stopped = failed and application is not None and not wants_pods(application)
            return Outcome(message=NOTHING_ASKED) if stopped else found
        return await _LOOKS[step.name](self, step)

    async def _look_at_safety(self, _step: StepStatus) -> Known:
        name = safety_name(self._manifest)
        return made_safe(self._manifest, await self._applier.live(BACKUPS, self._namespace, name))

    async def _look_at_load(self, step: StepStatus) -> Known:
        job = self._name_of(step) or ""
        if self._restore.status.get("method") == "Command":
            return await self._commands.look_at_load(self._manifest, step, job, self._application())
        return await self._driver.movers.look(self._namespace, job)

    async def _look_at_stop(self, _step: StepStatus) -> Known:
        application, key = self._application(), self._key(target_of(self._restore) or "")
        workload = self._observer.workload(application) if application else None
        return has_stopped(workload, await self._observer.pods(key) + await self._observer.pods_beside(key))

    async def _look_at_start(self, step: StepStatus) -> Known:
        application = self._application()
        return is_well(application, self._observer.workload(application) if application else None, step, self._now)

    async def _begin(self, manifest: Manifest, step: StepStatus) -> Known:
        if is_hook(step.name):
            return await self._begin_hook(manifest, step)
        if is_probe(step.name):
            probe = probe_of(self._restore, step.name)
            return await self._commands.begin_probe(manifest, step, self._application(), probe)
        begin = _BEGINS.get(step.name)
        return await begin(self, manifest, step) if begin else await self._look(step)

    async def _begin_hook(self, manifest: Manifest, step: StepStatus) -> Known:
        """Not in an Application that somebody else gave the name of the new one, and not where no pod is to run."""
        application, hooks = self._application(), hooks_of(self._restore)
        if self._restore.spec.to.new_application is not None:
            found = self._cache.get(APPLICATIONS, self._key(target_of(self._restore) or ""))
            if found is None or not is_own(found, self._restore):
                return Outcome(message="there is no Application of this Restore: nothing was asked of it")
        hook = hook_of(step.name, *hooks)
        if application is not None and hook is not None and hook.exec is not None and not wants_pods(application):
            return Outcome(message=NOTHING_ASKED)
        return await self._commands.begin_hook(manifest, step, application, hooks)

    async def _save(self, manifest: Manifest, _step: StepStatus) -> Known:
        wanted = safety_backup(manifest, target_of(self._restore) or "", self._restore.spec.timeout_seconds)
        return made_safe(manifest, await self._applier.create(BACKUPS, wanted))

    async def _read(self, manifest: Manifest, step: StepStatus) -> Known:
        """Have a mover tell which Application was saved with the data."""
        name = manifest["status"]["backup"]
        found = await self._applier.live(BACKUPS, self._namespace, name)
        backup = read(Backup, found) if found else None
        store = self._observer.store(store_of(backup, None), self._namespace) if backup else None
        if backup is None or store is None:
            return Outcome(Reason.BACKUP_NOT_FOUND, f"the Backup {name}, or its BackupStore, is gone")
        run = backup.spec.imported.run if backup.spec.imported else backup.metadata.uid
        attempt = step.attempts or 1
        task = Task(
            name=job_name(manifest, step.name, attempt),
            host=hostname(manifest, step.name, attempt),
            instruction={"task": "application", "run": run} | await self._driver.movers.breaking_again(manifest, step),
            deadline=self._restore.spec.timeout_seconds,
        )
        return await self._driver.movers.start(manifest, RESTORES, task, store)

    async def _created(self, step: StepStatus) -> Known:
        """Create the Application that the mover told of, with all that its pods would get."""
        job = self._name_of(step) or ""
        found = await self._driver.movers.look(self._namespace, job)
        wanted = self._restore.spec.to.new_application
        if not isinstance(found, Outcome) or found.error is not None or wanted is None:
            return found
        told = await self._driver.movers.said(self._namespace, job, APPLICATION_LINE)
        if not told:
            return Outcome(Reason.INTERRUPTED, "the log with the Application is gone")
        saved = json.loads(told[-1])
        old = self._observer.running(self._key(saved["metadata"]["name"]))
        manifest = new_application(saved, self._restore, wanted, beside_the_old=old is not None)
        try:
            made = await self._applier.create(APPLICATIONS, manifest)
        except ApiError as error:
            if not error.is_refusal:
                raise
            return Outcome(Reason.NOT_SUPPORTED, f"the Application is refused: {error.message}")
        if not is_own(made, self._restore):
            return Outcome(Reason.APPLICATION_EXISTS, f"an Application {wanted.name} was created meanwhile")
        return Outcome()

    async def _bring_back(self, manifest: Manifest, step: StepStatus) -> Known:
        name = safety_name(manifest)
        found = await self._applier.live(BACKUPS, self._namespace, name)
        if found is None or made_safe(manifest, found) != Outcome():
            return Outcome(Reason.BACKUP_NOT_FOUND, "no safety backup was made: the data is as the load left it")
        return await self._load_of(manifest, step, name)

    async def _still_ending(self, manifest: Manifest, step: StepStatus) -> Progress | None:
        """A mover of an attempt before this one that may still write."""
        before = [
            job_name(manifest, found.name, attempt)
            for found in steps_of(manifest["status"])
            if found.name in (LOAD, BRING_BACK)
            for attempt in range(1, (found.attempts or 0) + (found.name != step.name))
        ]
        pods = await self._driver.movers.pods(self._namespace, *before) if before else ()
        left = next((pod for pod in pods if not has_ended(pod)), None)
        if left is None:
            return None
        told = f"it goes on once the pod {left['metadata']['name']}, which may still write, has ended"
        return Progress(f"{told}; if its node is gone for good, delete it with --force", _POLL)

    async def _load(self, manifest: Manifest, step: StepStatus) -> Known:
        return await self._load_of(manifest, step, manifest["status"]["backup"])

    async def _load_of(self, manifest: Manifest, step: StepStatus, name: str) -> Known:
        found = await self._applier.live(BACKUPS, self._namespace, name)
        status = {} if found is None else found.get("status", {})
        if "snapshotID" not in status:
            return Outcome(Reason.BACKUP_NOT_FOUND, f"the Backup {name} is gone")
        store = self._observer.store(StoreRef.model_validate(status["store"]), self._namespace)
        if store is None:
            return Outcome(Reason.STORE_NOT_FOUND, f"there is no BackupStore {status['store']['name']} any more")
        if self._restore.spec.to.scratch is not None:
            return await self._try(manifest, step, status, store)
        if (ending := await self._still_ending(manifest, step)) is not None:
            return ending
        place = await self._place(status, Backup.model_validate(found).spec.target_ref.name)
        if isinstance(place, Outcome):
            return place
        told = instruction(status) | await self._driver.movers.breaking_again(manifest, step)
        attempt = step.attempts or 1
        task = Task(
            name=job_name(manifest, step.name, attempt),
            host=hostname(manifest, step.name, attempt),
            instruction=told,
            deadline=self._restore.spec.timeout_seconds,
            claims=place.claims,
            identity=place.identity,
            node=place.node,
            application=target_of(self._restore),
            tolerations=place.tolerations,
        )
        return await self._driver.movers.start(manifest, RESTORES, task, store)

    async def _try(
        self, manifest: Manifest, step: StepStatus, backup: Mapping[str, Any], store: BackupStore
    ) -> Outcome | None:
        """Restore into volumes that go with the mover's pod."""
        application = self._observer.running(self._key(tried_on(self._restore) or ""))
        scratch = self._restore.spec.to.scratch
        if application is None or scratch is None:
            return Outcome(Reason.APPLICATION_NOT_FOUND, "the Application is gone")
        attempt, live = step.attempts or 1, self._observer.workload(application)
        task = Task(
            name=job_name(manifest, step.name, attempt),
            host=hostname(manifest, step.name, attempt),
            instruction=instruction(backup, on_trial=True) | await self._driver.movers.breaking_again(manifest, step),
            deadline=self._restore.spec.timeout_seconds,
            identity=trial_identity(application),
            tolerations=application.spec.workload.tolerations,
            scratch=scratch_mounts(application, backup.get("volumes", ())),
            follower=follower(application, scratch.job, backup.get("volumes", ()), live) if scratch.job else None,
        )
        return await self._driver.movers.start(manifest, RESTORES, task, store)

    async def _place(self, backup: Mapping[str, Any], made_of: str) -> _Place | Outcome:
        """Where the mover writes: the application's volumes, or the one that was named; nowhere what others load."""
        if backup.get("method") == "Command":
            return _Place((), Identity(), None)
        wanted = sorted(backup.get("volumes", ()))
        application = self._application()
        if self._restore.spec.to.claim is not None:
            return await self._claim_place(self._restore.spec.to.claim.name, wanted, made_of)
        if application is None:
            return Outcome(Reason.APPLICATION_NOT_FOUND, "the Application is gone")
        new = self._restore.spec.to.new_application is not None
        if new:
            await self._make_claims(application, wanted)
        claims = self._observer.claims(self._key(application.metadata.name))
        found = mounts(application, claims, read_only=False, unused=new)
        mounted = sorted((mount for mount in found if name_of(mount.path) in wanted), key=lambda mount: mount.path)
        if [name_of(mount.path) for mount in mounted] != wanted:
            return Outcome(Reason.INTERRUPTED, f"not all of the volumes {', '.join(wanted)} are there yet")
        workload = application.spec.workload
        security = workload.pod_security_context or PodSecurity()
        identity = Identity.of(security, takes_ownership=new)
        return _Place(tuple(mounted), identity, None, workload.tolerations)

    async def _make_claims(self, application: Application, volumes: Iterable[str]) -> None:
        """What a StatefulSet makes together with its pods, of which none may run yet."""
        if application.spec.workload.kind != "StatefulSet":
            return
        for volume in volumes:
            claim = claim_of_pod(application, volume)
            if claim is not None:
                await self._applier.create(PERSISTENT_VOLUME_CLAIMS, claim)

    async def _claim_place(self, name: str, volumes: list[str], made_of: str) -> _Place | Outcome:
        """The volume becomes that of the user whose files they are, as far as that Application still tells."""
        users = await self._observer.users(self._key(name))
        if users:
            return Outcome(Reason.CLAIM_IN_USE, f"the pod {users[0]['metadata']['name']} uses it")
        application = self._observer.running(self._key(made_of))
        security = application.spec.workload.pod_security_context if application else None
        identity = Identity.of(security or PodSecurity(), takes_ownership=True)
        return _Place((ClaimMount(name, f"{DATA_FOLDER}/{volumes[0]}"),), identity, None)

    async def _surroundings(self) -> Surroundings:
        restore = self._restore
        backup = choice(restore, self._observer.backups(self._namespace))
        if not isinstance(backup, Backup):
            return Surroundings(backup)
        reference = StoreRef.model_validate(backup.status["store"])
        store = self._observer.store(reference, self._namespace)
        refused = await self._observer.refusal(store, self._namespace) if store else None
        if restore.spec.to.claim is not None:
            return await self._around_claim(restore.spec.to.claim.name, backup, store, refused)
        if (tried := tried_on(restore)) is not None:
            application = self._observer.running(self._key(tried))
            storages = volumes_of(application) if application else ()
            there = tuple(name for name in backup.status.get("volumes", ()) if place_of(storages, name) is not None)
            return Surroundings(backup, application, store=store, refused=refused, places=there)
        application = self._application()
        if application is None:
            return Surroundings(backup, store=store, refused=refused)
        target = self._key(application.metadata.name)
        places = mounts(application, self._observer.claims(target), read_only=False)
        return Surroundings(
            backup,
            application,
            store=store,
            refused=refused,
            rival=rival_of(self._cache, target, self._manifest),
            places=tuple(name_of(mount.path) for mount in places),
        )

    async def _around_claim(
        self, name: str, backup: Backup, store: BackupStore | None, refused: str | None
    ) -> Surroundings:
        claim = await self._observer.claim(self._key(name))
        owner = (claim or {}).get("metadata", {}).get("labels", {}).get(APPLICATION_LABEL)
        users = await self._observer.users(self._key(name))
        return Surroundings(
            backup,
            application=self._observer.running(self._key(owner)) if owner else None,
            claim=claim,
            store=store,
            refused=refused,
            users=tuple(pod["metadata"]["name"] for pod in users),
        )


_LOOKS: Final[Mapping[str, Callable[[_Turn, StepStatus], Awaitable[Known]]]] = {
    SAFETY_BACKUP: _Turn._look_at_safety,
    QUIESCE: _Turn._look_at_stop,
    CREATE: _Turn._created,
    LOAD: _Turn._look_at_load,
    RESUME: _Turn._look_at_start,
    STOP: _Turn._look_at_stop,
    BRING_BACK: _Turn._look_at_load,
    RESTART: _Turn._look_at_start,
}
_BEGINS: Final[Mapping[str, Callable[[_Turn, Manifest, StepStatus], Awaitable[Known]]]] = {
    SAFETY_BACKUP: _Turn._save,
    CREATE: _Turn._read,
    LOAD: _Turn._load,
    BRING_BACK: _Turn._bring_back,
}
