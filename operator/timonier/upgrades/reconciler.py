"""Carries out one Upgrade: observes, lets the plan decide, has Jobs do it, and reports.

It never writes the workload: its status says what should run, and the Application's reconciler sees to that.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, get_args

from timonier.api.application import Application
from timonier.api.conditions import condition_of
from timonier.api.moments import moment, stamp
from timonier.api.probes import longest_job, longest_verdict
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESTORES,
    SERVICES,
    STATEFUL_SETS,
    UPGRADES,
)
from timonier.api.runs import StepStatus
from timonier.api.upgrade import RollbackReason, Upgrade
from timonier.applications.children import config_name, is_controlled, next_name
from timonier.applications.revisions import Revision, at_revision, read_revision
from timonier.applications.scaling import desired_replicas, sized
from timonier.applications.workload import command_pod, config_data, mark_of
from timonier.backups.observing import Observer
from timonier.engine import metrics
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.errors import ApiError
from timonier.engine.exec import Container
from timonier.engine.reading import read
from timonier.runs import story
from timonier.runs.background import work_of
from timonier.runs.commands import command_job, config_map, image_pod, probe_pod
from timonier.runs.driver import Driver, Gate, rival_of
from timonier.runs.hooks import container_of
from timonier.runs.mover import job_name
from timonier.runs.outcome import (
    Outcome,
    Progress,
    command_outcome,
    finished,
    has_ended,
    outcome_of,
    probe_outcome,
    progress_of,
)
from timonier.runs.probing import instruction
from timonier.runs.reasons import Reason, Words
from timonier.runs.trying import tried
from timonier.runs.turn import Run, Seen, present, steps_of
from timonier.upgrades.data import (
    backup_before,
    backup_name,
    made_backup,
    made_restore,
    restore_data,
    restore_name,
)
from timonier.upgrades.plan import (
    APPROVE,
    BACKUP,
    BAKE,
    CANARY,
    MIGRATE,
    PAUSE,
    PREFLIGHT,
    PREVIEW,
    PROMOTE,
    QUIESCE,
    RECOVER,
    RESTORE_DATA,
    ROLLBACK,
    ROLLOUT,
    SWITCH,
    UNDO,
    VERIFY,
    WITHDRAW,
    Surroundings,
    approved,
    bake_seconds,
    beside_taken,
    forbidden,
    kind_of,
    migration_of,
    obstacle,
    paused,
    probe_of,
    record_of,
    run_of,
    store_ready,
)
from timonier.upgrades.watching import (
    baking,
    coming_back,
    has_run,
    image_seen,
    is_tried,
    leads,
    left_to_go,
    loader,
    rolled,
    rolling_back,
    stop_all,
    stopped,
    switched,
)

__all__ = ["UpgradeReconciler"]

_POLL: Final = 1.0
_IMAGE_SECONDS: Final = 300
_CONFIG: Final = "config"
_BY_SERVICE: Final = frozenset({SWITCH, PROMOTE, WITHDRAW})
_WHILE_IT_RUNS: Final = _BY_SERVICE | {CANARY, PREVIEW, ROLLOUT, VERIFY, BAKE, PAUSE, ROLLBACK}

Known = Outcome | Progress | None


class UpgradeReconciler:
    """The reconciler of the Upgrade kind; see `timonier.engine.contract.Reconciler`."""

    primary = UPGRADES
    watched = (
        JOBS, APPLICATIONS, BACKUPS, BACKUP_STORES, CONTROLLER_REVISIONS, DEPLOYMENTS, RESTORES, STATEFUL_SETS,
    )  # fmt: skip
    rules = (
        Rule(UPGRADES.group, (UPGRADES.plural,), ("list", "watch")),
        Rule(UPGRADES.group, (f"{UPGRADES.plural}/status",), ("patch",)),
        Rule(BACKUPS.group, (BACKUPS.plural,), ("create", "get")),
        Rule(RESTORES.group, (RESTORES.plural,), ("create",)),
        Rule(CONFIG_MAPS.group, (CONFIG_MAPS.plural,), ("create",)),
        Rule(JOBS.group, (JOBS.plural,), ("create", "get", "list", "watch")),
        Rule(PODS.group, (PODS.plural,), ("list",)),
        Rule(EVENTS.group, (EVENTS.plural,), ("list",)),
    )

    def __init__(self, driver: Driver, gate: Gate) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._gate = gate
        # From the beginning on: a series that begins with its first event has not increased.
        for reason in get_args(RollbackReason):
            metrics.ROLLBACKS.labels(reason)

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, the one that a Job belongs to, and that of an Application. For anything else it looks by itself."""
        if change.resource == UPGRADES:
            return (change.key,)
        if change.resource == APPLICATIONS:
            under_way = (
                each for each in self._cache.about(UPGRADES, change.key) if not story.is_over(each.get("status", {}))
            )
            return [Request(change.key.namespace, each["metadata"]["name"]) for each in under_way]
        return (change.owner[1],) if change.owner is not None and change.owner[0] == UPGRADES else ()

    async def reconcile(self, request: Request) -> Result:
        """One turn, and no turn of another run of the same Application meanwhile."""
        manifest = self._cache.get(UPGRADES, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()
        upgrade = read(Upgrade, manifest)
        if upgrade is None:
            return Result()
        async with self._gate.of(Request(request.namespace, upgrade.spec.target_ref.name)):
            # Another turn may have come first.
            manifest = self._cache.get(UPGRADES, request) or manifest
            return await _Turn(self._driver, manifest, Upgrade.model_validate(manifest)).take()


class _Turn:
    """One turn of one Upgrade."""

    def __init__(self, driver: Driver, manifest: Manifest, upgrade: Upgrade) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._applier = driver.applier
        self._observer = Observer(driver.cache, driver.applier)
        self._manifest = manifest
        self._upgrade = upgrade
        self._target = Request(upgrade.metadata.namespace, upgrade.spec.target_ref.name)
        self._now = datetime.now(UTC)
        self._seen_pods: tuple[Manifest, ...] | None = None
        self._application = self._observer.application(self._target)

    async def take(self) -> Result:
        upgrade = self._upgrade
        rival = rival_of(self._cache, self._target, self._manifest)
        run = self._run({}, rival)
        step = present(run)
        if step is not None:
            news = await self._news(step)
            run = self._run(news, rival)
            self._upgrade = upgrade.model_copy(update={"status": {**upgrade.status, **news}})
            if run.hold is not None:
                await self._sweep(VERIFY, BAKE)
            task = await self._look(step) if step.state == "Running" else None
            seen = Seen(task=task, job=self._name_of(step))
        elif story.is_over(upgrade.status):
            seen = Seen()
        else:
            seen = Seen(obstacle=obstacle(upgrade, self._surroundings(rival)))
        record = record_of(upgrade, self._now)
        return await self._driver.drive(UPGRADES, self._manifest, run, seen, record, self._begin)

    def _run(self, news: Mapping[str, Any], rival: str | None) -> Run:
        return run_of(
            self._upgrade,
            self._application,
            self._now,
            news,
            before=self._revision(self._upgrade.spec.from_revision),
            rival=rival,
        )

    async def _news(self, step: StepStatus) -> Mapping[str, Any]:
        """What the status is to say besides what comes of the step."""
        after, status = self._revision(self._upgrade.spec.to_revision), self._upgrade.status
        stated = status.get("rollout", {}).get("revision") == self._upgrade.spec.to_revision
        runs = step.state == "Running" and kind_of(step.name) in _WHILE_IT_RUNS
        if after is None or not (runs or stated):
            return {}
        ran = not status.get("hasRun") and has_run(await self._pods_of(after))
        left = await self._left() if runs and step.name == ROLLBACK else ()
        news = {**({"hasRun": True} if ran else {}), **stop_all(self._upgrade, step, left, self._now)}
        led = runs and step.name in _BY_SERVICE and leads(self._cache.get(SERVICES, self._target), step)
        if led and status.get("switchedTime", "") < (step.start_time or ""):
            news["switchedTime"] = stamp(self._now)
        return news

    async def _left(self) -> list[Manifest]:
        """The pods that must have ended before the way back goes on; what a crash has left to run is ended."""
        before = self._revision(self._upgrade.spec.from_revision)
        if before is None:
            return []
        await self._sweep(MIGRATE, VERIFY, BAKE)
        names = self._jobs(MIGRATE, VERIFY)
        commands = await self._driver.movers.pods(self._namespace, *names) if names else ()
        return left_to_go(self._upgrade, await self._pods(), before, commands)

    def _jobs(self, *kinds: str) -> list[str]:
        """The names of the Jobs that all attempts of such steps have, or had."""
        return [
            job_name(self._manifest, step.name, attempt)
            for step in steps_of(self._upgrade.status)
            if kind_of(step.name) in kinds
            for attempt in range(1, (step.attempts or 0) + 1)
        ]

    async def _sweep(self, *kinds: str) -> None:
        """Stop what still runs of such steps: a crash may have come between the status and that."""
        for name in self._jobs(*kinds):
            job = self._cache.get(JOBS, Request(self._namespace, name))
            if job is not None and not finished(job):
                await self._driver.movers.remove(self._manifest, name)

    @property
    def _namespace(self) -> str:
        return self._upgrade.metadata.namespace

    def _surroundings(self, rival: str | None) -> Surroundings:
        spec = self._upgrade.spec
        return Surroundings(
            self._application, self._revision(spec.from_revision), self._revision(spec.to_revision), rival
        )

    def _revision(self, name: str) -> Revision | None:
        found = self._cache.get(CONTROLLER_REVISIONS, Request(self._namespace, name))
        return None if found is None else read_revision(found)

    def _name_of(self, step: StepStatus) -> str | None:
        """Of the object that does the step's work, where there is one."""
        kind = step.name.partition("/")[0]
        if kind == BACKUP:
            return backup_name(self._upgrade)
        if kind == RESTORE_DATA:
            return restore_name(self._upgrade)
        if kind in (PREFLIGHT, MIGRATE, UNDO) or (kind == BAKE and self._asks(step) is not None):
            return self._job(step)
        probe = probe_of(self._upgrade, step.name) if kind == VERIFY else None
        return self._job(step) if probe is not None and probe.exec is None else None

    def _asks(self, step: StepStatus) -> Mapping[str, Any] | None:
        """What the pod is told that asks for as long as it bakes; None when there is nothing to ask."""
        policy, after = self._upgrade.spec.policy, self._revision(self._upgrade.spec.to_revision)
        if self._application is None or after is None:
            return None
        seconds = bake_seconds(self._upgrade, step.name)
        return instruction(
            policy.verify, at_revision(self._application, after), seconds, service=self._asked(step.name)
        )

    def _asked(self, step: str) -> str | None:
        """The Service that probes ask, where it is not the Application's: as long as that leads to old pods as well."""
        alone = self._upgrade.spec.policy.tries_beside and step != BAKE
        return next_name(self._target.name) if alone else None

    def _job(self, step: StepStatus) -> str:
        return job_name(self._manifest, step.name, step.attempts or 1)

    async def _look(self, step: StepStatus) -> Known:
        return await _LOOKS[kind_of(step.name)](self, step)

    async def _look_at_person(self, step: StepStatus) -> Known:
        found = approved(self._upgrade) if step.name == APPROVE else paused(self._upgrade)
        rival = rival_of(self._cache, self._target, self._manifest)
        if isinstance(found, Outcome) and rival is not None:
            return Progress(f"a person has said so; {rival} comes first", _POLL)
        return found

    async def _look_at_backup(self, _step: StepStatus) -> Known:
        found = await self._applier.live(BACKUPS, self._namespace, backup_name(self._upgrade))
        return made_backup(self._upgrade, found)

    async def _look_at_restore(self, _step: StepStatus) -> Known:
        found = self._cache.get(RESTORES, Request(self._namespace, restore_name(self._upgrade)))
        return made_restore(self._upgrade, found)

    async def _look_at_stop(self, step: StepStatus) -> Known:
        application = self._application
        workload = self._observer.workload(application) if application else None
        pods = await self._pods()
        return stopped(workload, pods, step, self._upgrade.spec.policy, self._now)

    async def _look_at_rollout(self, step: StepStatus) -> Known:
        application, spec = self._application, self._upgrade.spec
        name = spec.to_revision if step.name == ROLLOUT else spec.from_revision
        revision = self._revision(name)
        if revision is None or application is None:
            return Outcome(Reason.REVISION_NOT_FOUND, f"the Application, or its revision {name}, is gone")
        if step.name in (ROLLBACK, RECOVER) and await self._is_tried():
            return coming_back(step, spec.policy, self._now, self._obstacle(application))
        wanted = at_revision(application, revision)
        workload = self._observer.workload(wanted)
        if step.name == ROLLBACK:
            return rolling_back(
                workload, await self._pods(), await self._left(), self._upgrade, step, self._now,
                obstacle=self._obstacle(application),
            )  # fmt: skip
        pods = await self._pods_of(revision)
        return rolled(wanted, name, workload, pods, step, spec.policy, self._now)

    async def _look_at_beside(self, step: StepStatus) -> Known:
        revision, application = self._revision(self._upgrade.spec.to_revision), self._application
        if revision is None or application is None:
            return Outcome(Reason.REVISION_NOT_FOUND, "the Application, or its new revision, is gone")
        there, stated = at_revision(application, revision), self._upgrade.status["rollout"]["beside"].get("replicas")
        wanted = desired_replicas(there, self._observer.workload(application)) if stated is None else stated
        pods, policy = await self._pods_of(revision), self._upgrade.spec.policy
        return rolled(sized(there, wanted), revision.name, self._beside(), pods, step, policy, self._now)

    async def _look_at_service(self, step: StepStatus) -> Known:
        revision, application = self._revision(self._upgrade.spec.to_revision), self._application
        if revision is None or application is None:
            return Outcome(Reason.REVISION_NOT_FOUND, "the Application, or its new revision, is gone")
        return switched(
            at_revision(application, revision), self._cache.get(SERVICES, self._target), self._upgrade, step, self._now,
            obstacle=self._obstacle(application),
        )  # fmt: skip

    @staticmethod
    def _obstacle(application: Application) -> str:
        """What the Application says that is in its way, and needs a person."""
        stalled = condition_of(application.status, "Stalled") or {}
        return str(stalled.get("message", "")) if stalled.get("status") == "True" else ""

    async def _is_tried(self) -> bool:
        if not self._upgrade.spec.policy.tries_beside:
            return False
        return is_tried(self._cache.get(SERVICES, self._target), self._beside(), await self._pods())

    def _beside(self) -> Manifest | None:
        """The Deployment beside the Application's own; None also where it is another's."""
        found = self._cache.get(DEPLOYMENTS, Request(self._namespace, next_name(self._target.name)))
        ours = found is not None and self._application is not None and is_controlled(found, self._application)
        return found if ours else None

    async def _look_at_image(self, step: StepStatus) -> Known:
        job, pods = await self._job_of(step)
        if job is None:
            return None
        events: tuple[Manifest, ...] = ()
        if not pods:
            selector = f"type=Warning,regarding.kind=Job,regarding.name={job['metadata']['name']}"
            events = await self._applier.some(EVENTS, self._namespace, field_selector=selector)
        waited = (self._now - moment(step.start_time)).total_seconds() if step.start_time else 0.0
        seen = image_seen(pods, events, waited)
        if isinstance(seen, Progress) and finished(job):
            return Outcome(Reason.PREFLIGHT_FAILED, seen.trouble or "it is not known whether the image is there")
        return seen

    async def _look_at_command(self, step: StepStatus) -> Known:
        job, pods = await self._job_of(step)
        if job is None:
            pods = await self._driver.movers.pods(self._namespace, self._job(step))
        elif not finished(job):
            return progress_of(pods)
        if not all(map(has_ended, pods)):
            return Progress("its pod is still ending", _POLL)
        return None if job is None else command_outcome(job, pods, Reason.MIGRATION_FAILED)

    async def _look_at_probe(self, step: StepStatus) -> Known:
        probe = probe_of(self._upgrade, step.name)
        if probe is not None and probe.exec is not None:
            return self._driver.background.look(work_of(self._manifest, step))
        job, pods = await self._job_of(step)
        if job is None:
            return None
        if not finished(job):
            return progress_of(pods)
        return probe_outcome(job, pods) if probe is not None and probe.job is not None else outcome_of(job, pods)

    async def _look_at_bake(self, step: StepStatus) -> Known:
        after = self._revision(self._upgrade.spec.to_revision)
        if after is None or self._application is None:
            return Outcome(Reason.REVISION_NOT_FOUND, "the Application, or its new revision, is gone")
        job, pods = await self._job_of(step)
        if job is None and self._asks(step) is not None:
            return None
        probes: Outcome | Progress | None = None
        if job is not None:
            probes = outcome_of(job, pods) if finished(job) else Progress()
        own = await self._pods_of(after)
        policy = self._upgrade.spec.policy
        return baking(own, probes, step, bake_seconds(self._upgrade, step.name), policy, self._now)

    async def _job_of(self, step: StepStatus) -> tuple[Manifest | None, tuple[Manifest, ...]]:
        """The Job of a step's present attempt, and its pods."""
        return await self._driver.movers.job(self._namespace, self._job(step))

    async def _pods_of(self, revision: Revision) -> list[Manifest]:
        """The pods that are of a revision."""
        return [pod for pod in await self._pods() if mark_of(pod) == revision.mark]

    async def _pods(self) -> tuple[Manifest, ...]:
        """All pods of the application, asked for once in a look."""
        if self._seen_pods is None:
            self._seen_pods = await self._ask_pods()
        return self._seen_pods

    async def _ask_pods(self) -> tuple[Manifest, ...]:
        pods = await self._observer.pods(self._target)
        if not self._upgrade.spec.policy.tries_beside:
            return pods
        return pods + await self._observer.pods_beside(self._target)

    async def _begin(self, manifest: Manifest, step: StepStatus) -> Known:
        self._manifest, self._upgrade, self._seen_pods = manifest, Upgrade.model_validate(manifest), None
        begin = _BEGINS.get(kind_of(step.name))
        if begin is None:
            return await self._look(step)
        after = self._revision(self._upgrade.spec.to_revision)
        if self._application is None or after is None:
            return Outcome(Reason.REVISION_NOT_FOUND, "the Application, or its new revision, is gone")
        return forbidden(self._upgrade, step.name) or await begin(self, step, at_revision(self._application, after))

    async def _backup(self, _step: StepStatus, application: Application) -> Known:
        wanted = backup_before(self._upgrade, application)
        return made_backup(self._upgrade, await self._applier.create(BACKUPS, wanted))

    async def _restore(self, step: StepStatus, application: Application) -> Known:
        if (waits := await self._nobody_loads(step)) is not None:
            return waits
        wanted = restore_data(self._upgrade, application)
        return made_restore(self._upgrade, await self._applier.create(RESTORES, wanted, watched=True))

    async def _nobody_loads(self, step: StepStatus) -> Progress | None:
        """What loads data, and first saves what is there, may be a command in a pod: one of the old revision."""
        backup = self._cache.get(BACKUPS, Request(self._namespace, self._upgrade.status["backup"])) or {}
        before, application = self._revision(self._upgrade.spec.from_revision), self._application
        if backup.get("status", {}).get("method") != "Command" or before is None or application is None:
            return None
        return loader(application, await self._pods_of(before), step, self._upgrade.spec.policy, self._now)

    async def _preflight(self, step: StepStatus, application: Application) -> Known:
        policy = application.spec.backup
        store = self._observer.store(policy.store_ref, self._namespace) if policy else None
        before = self._revision(self._upgrade.spec.from_revision)
        if (missing := store_ready(self._upgrade, application, store, before)) is not None:
            return missing
        if (taken := await self._cannot_be_beside(application)) is not None:
            return taken
        pod = command_pod(
            application, (), image=None, config=_CONFIG, volumes=False, live=self._observer.workload(application)
        )
        job = command_job(self._manifest, UPGRADES, self._job(step), image_pod(pod), seconds=_IMAGE_SECONDS)
        return await self._create_job(job) or Progress(again=_POLL)

    async def _cannot_be_beside(self, application: Application) -> Outcome | None:
        """Why nothing can be tried beside the Application's own workload; None when it can, or is not to be."""
        if not self._upgrade.spec.policy.tries_beside:
            return None
        name = next_name(self._target.name)
        wanted = [(each, name) for each in (DEPLOYMENTS, SERVICES, NETWORK_POLICIES, POD_DISRUPTION_BUDGETS)]
        wanted.append((CONFIG_MAPS, config_name(application, name)))
        found = [await self._applier.live(resource, self._namespace, each) for resource, each in wanted]
        revision, strategy = self._revision(self._upgrade.spec.from_revision), self._upgrade.spec.policy.strategy
        before = at_revision(application, revision) if revision else application
        workload = self._observer.workload(application)
        return beside_taken(application, before, workload, [each for each in found if each], strategy)

    async def _migrate(self, step: StepStatus, application: Application) -> Known:
        undo = kind_of(step.name) == UNDO
        migration = migration_of(self._upgrade, step.name)
        command = migration.down_command if migration and undo else migration.command if migration else None
        if migration is None or command is None:
            return Outcome(Reason.MIGRATION_FAILED, "the policy has no such migration")
        pod = await self._command_pod(application, command, migration.image, volumes=self._upgrade.spec.policy.quiesce)
        job = command_job(
            self._manifest, UPGRADES, self._job(step), pod, seconds=migration.timeout_seconds, keep=True
        )  # fmt: skip
        return await self._create_job(job) or Progress(again=_POLL)

    async def _command_pod(
        self, application: Application, command: tuple[str, ...], image: str | None, *, volumes: bool
    ) -> dict[str, Any]:
        """The pod of a command, once the configuration that it reads is there."""
        name = job_name(self._manifest, _CONFIG, 0)
        data = config_data(application)
        # A quota that is full refuses to create even what is there already.
        if data and await self._applier.live(CONFIG_MAPS, self._namespace, name) is None:
            await self._applier.create(CONFIG_MAPS, config_map(self._manifest, UPGRADES, name, data))
        live = self._observer.workload(application)
        return command_pod(application, command, image=image, config=name, volumes=volumes, live=live)

    async def _verify(self, step: StepStatus, application: Application) -> Known:
        probe = probe_of(self._upgrade, step.name)
        if probe is None:
            return Outcome(Reason.VERIFICATION_FAILED, "the policy has no such probe")
        if probe.exec is not None:
            key = Request(self._namespace, self._upgrade.metadata.name)
            trying = tried(self._driver.client, probe, partial(self._container, application, probe.exec.container))
            self._driver.background.start(work_of(self._manifest, step), UPGRADES, key, trying)
            return Progress()
        seconds = longest_verdict(probe)
        told = instruction((probe,), application, service=self._asked(step.name))
        if told is not None:
            pod = probe_pod(self._driver.movers.image, told)
        elif probe.job is not None:
            pod = await self._command_pod(application, probe.job.command, probe.job.image, volumes=False)
            seconds = longest_job(probe)
        else:
            return Outcome(Reason.NOT_SUPPORTED, f"the probe {probe.name} asks nothing that this version knows")
        job = command_job(self._manifest, UPGRADES, self._job(step), pod, seconds=seconds)
        return await self._create_job(job) or Progress(again=_POLL)

    async def _bake(self, step: StepStatus, _application: Application) -> Known:
        policy, told = self._upgrade.spec.policy, self._asks(step)
        if told is None:
            return Progress(again=_POLL)
        pod = probe_pod(self._driver.movers.image, told)
        seconds = bake_seconds(self._upgrade, step.name) + max(map(longest_verdict, policy.verify))
        job = command_job(self._manifest, UPGRADES, self._job(step), pod, seconds=seconds)
        return await self._create_job(job) or Progress(again=_POLL)

    async def _create_job(self, job: Mapping[str, Any]) -> Outcome | None:
        try:
            await self._applier.create(JOBS, job)
        except ApiError as error:
            if not error.is_refusal:
                raise
            return Outcome(Reason.REFUSED, f"its Job {job['metadata']['name']} is refused: {error.message}")
        return None

    async def _container(self, application: Application, wanted: str | None) -> Container | Words:
        """Where a command of the new revision is executed."""
        after = self._revision(self._upgrade.spec.to_revision)
        # Not those of the look that began this: it goes on for long.
        found = await self._ask_pods()
        pods = [] if after is None else [pod for pod in found if mark_of(pod) == after.mark]
        return container_of(application, pods, wanted)


_LOOKS: Final[Mapping[str, Callable[[_Turn, StepStatus], Awaitable[Known]]]] = {
    PREFLIGHT: _Turn._look_at_image,
    BACKUP: _Turn._look_at_backup,
    APPROVE: _Turn._look_at_person,
    QUIESCE: _Turn._look_at_stop,
    MIGRATE: _Turn._look_at_command,
    CANARY: _Turn._look_at_beside,
    PREVIEW: _Turn._look_at_beside,
    SWITCH: _Turn._look_at_service,
    ROLLOUT: _Turn._look_at_rollout,
    PROMOTE: _Turn._look_at_service,
    WITHDRAW: _Turn._look_at_service,
    VERIFY: _Turn._look_at_probe,
    BAKE: _Turn._look_at_bake,
    PAUSE: _Turn._look_at_person,
    ROLLBACK: _Turn._look_at_rollout,
    UNDO: _Turn._look_at_command,
    RESTORE_DATA: _Turn._look_at_restore,
    RECOVER: _Turn._look_at_rollout,
}
_BEGINS: Final[Mapping[str, Callable[[_Turn, StepStatus, Application], Awaitable[Known]]]] = {
    PREFLIGHT: _Turn._preflight,
    BACKUP: _Turn._backup,
    MIGRATE: _Turn._migrate,
    VERIFY: _Turn._verify,
    BAKE: _Turn._bake,
    UNDO: _Turn._migrate,
    RESTORE_DATA: _Turn._restore,
}
