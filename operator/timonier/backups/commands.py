"""What backups and restores do in the application's own pods: hooks, dumps and loads, in the background."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.probes import Hook, JobAction, Probe, longest_job, longest_verdict
from timonier.api.resources import JOBS, Resource
from timonier.api.runs import StepStatus
from timonier.applications.children import config_name
from timonier.applications.workload import command_pod
from timonier.backups.dumps import dump, load
from timonier.backups.observing import Observer
from timonier.engine.client import Client
from timonier.engine.contract import Manifest, Request
from timonier.engine.errors import ApiError
from timonier.engine.exec import Container, Ended, run_command
from timonier.runs.background import work_of
from timonier.runs.commands import command_job, probe_pod
from timonier.runs.driver import Driver
from timonier.runs.hooks import container_of, hook_of, lost, outcome_of_hook, wants_pods
from timonier.runs.mover import job_name
from timonier.runs.outcome import Outcome, Progress, command_outcome, finished, outcome_of, probe_outcome, progress_of
from timonier.runs.probing import instruction
from timonier.runs.reasons import Reason, Words
from timonier.runs.trying import tried

__all__ = ["NOTHING_ASKED", "Commands"]

_POLL: Final = 1.0
_LONGEST_OUTPUT: Final = 500
NOTHING_ASKED: Final = "no pods are to run: nothing was asked of them"

Pump = Callable[[Client, Container, Sequence[str], Container], Awaitable[Ended]]


class Commands:
    """Of the runs of one kind."""

    def __init__(self, driver: Driver, resource: Resource, observer: Observer) -> None:
        self._driver = driver
        self._resource = resource
        self._observer = observer

    async def begin_hook(
        self,
        run: Manifest,
        step: StepStatus,
        application: Application | None,
        hooks: tuple[Sequence[Hook], Sequence[Hook]],
    ) -> Progress | Outcome:
        """Begin a hook. It must have been written before that it runs."""
        hook = hook_of(step.name, *hooks)
        if application is None or hook is None:
            return Outcome(Reason.HOOK_FAILED, "the Application has no such hook any more")
        if hook.job is not None:
            await self._create(run, step, self._pod(application, hook.job), hook.timeout_seconds)
            return Progress(again=_POLL)
        self._driver.background.start(work_of(run, step), self._resource, _key(run), self._hook(application, hook))
        return Progress()

    async def look_at_hook(
        self, run: Manifest, step: StepStatus, hooks: tuple[Sequence[Hook], Sequence[Hook]]
    ) -> Progress | Outcome | None:
        """How a hook stands that has begun. One that is a Job outlives the operator; of a command nobody else knows."""
        hook = hook_of(step.name, *hooks)
        if hook is None or hook.job is None:
            return self._driver.background.look(work_of(run, step)) or lost(step.name)
        job, pods = await self._driver.movers.job(run["metadata"]["namespace"], _job(run, step))
        if job is None:
            return lost(step.name) if step.job_ref else None
        if not finished(job):
            return progress_of(pods)
        found = command_outcome(job, pods, Reason.HOOK_FAILED)
        return Outcome() if found.error is None else outcome_of_hook(hook, found.message)

    async def begin_probe(
        self, run: Manifest, step: StepStatus, application: Application | None, probe: Probe | None
    ) -> Progress | Outcome:
        """Begin to try a probe: it may be begun again."""
        if application is None or probe is None:
            return Outcome(Reason.VERIFICATION_FAILED, "the Application is gone")
        if not wants_pods(application):
            return Outcome(message=NOTHING_ASKED)
        if probe.exec is not None:
            trying = tried(self._driver.client, probe, partial(self._container, application, probe.exec.container))
            self._driver.background.start(work_of(run, step), self._resource, _key(run), trying)
            return Progress()
        told, seconds = instruction((probe,), application), longest_verdict(probe)
        if told is not None:
            pod = probe_pod(self._driver.movers.image, told)
        elif probe.job is not None:
            pod, seconds = self._pod(application, probe.job), longest_job(probe)
        else:
            return Outcome(Reason.NOT_SUPPORTED, f"the probe {probe.name} asks nothing that this version knows")
        await self._create(run, step, pod, seconds)
        return Progress(again=_POLL)

    async def look_at_probe(self, run: Manifest, step: StepStatus, probe: Probe | None) -> Progress | Outcome | None:
        """How a probe stands that has begun; None when that is not known, and it is to be begun again."""
        if probe is not None and probe.exec is not None:
            return self._driver.background.look(work_of(run, step))
        job, pods = await self._driver.movers.job(run["metadata"]["namespace"], _job(run, step))
        if job is None:
            return None
        if not finished(job):
            return progress_of(pods)
        return probe_outcome(job, pods) if probe is not None and probe.job is not None else outcome_of(job, pods)

    async def look_at_dump(
        self, run: Manifest, step: StepStatus, job: str, application: Application | None
    ) -> Progress | Outcome | None:
        """How a dump stands, whose verdict is the mover's; begin it once the mover is there."""
        found = await self._driver.movers.look(run["metadata"]["namespace"], job)
        if not isinstance(found, Progress):
            return found
        commands = application.spec.backup.command if application and application.spec.backup else None
        if application is None or commands is None:
            return await self._given_up(run, job, "the Application has no spec.backup.command any more")
        pumped = self._driver.background.look(work_of(run, step))
        if pumped is None:
            return await self._pump(run, step, job, application, _dumped, commands.dump, commands.container) or found
        if isinstance(pumped, Outcome) and pumped.error is not None:
            await self._driver.movers.remove(run, job)
            return pumped
        return found

    async def look_at_load(
        self, run: Manifest, step: StepStatus, job: str, application: Application | None
    ) -> Progress | Outcome | None:
        """How a load stands, of which both the mover and the command judge; begin it once the mover is there."""
        found = await self._driver.movers.look(run["metadata"]["namespace"], job)
        pumped = self._driver.background.look(work_of(run, step))
        if isinstance(pumped, Outcome) and pumped.error is not None:
            await self._driver.movers.remove(run, job)
            return pumped
        if pumped is not None or not isinstance(found, Progress):
            return _verdict(found, pumped)
        commands = application.spec.backup.command if application and application.spec.backup else None
        if application is None or commands is None:
            return await self._given_up(run, job, "the Application has no spec.backup.command")
        return await self._pump(run, step, job, application, _loaded, commands.load, commands.container) or found

    async def _pump(
        self,
        run: Manifest,
        step: StepStatus,
        job: str,
        application: Application,
        pump: Pump,
        command: Sequence[str],
        container: str | None,
    ) -> Progress | Outcome | None:
        mover = await self._driver.movers.container(run["metadata"]["namespace"], job)
        if mover is None:
            return Progress(again=_POLL)
        found = await self._container(application, container)
        if not isinstance(found, Container):
            await self._driver.movers.remove(run, job)
            return Outcome(*found)
        doing = _judged(pump(self._driver.client, mover, command, found))
        self._driver.background.start(work_of(run, step), self._resource, _key(run), doing)
        return None

    def _pod(self, application: Application, action: JobAction) -> dict[str, Any]:
        """The pod of a command of the application's."""
        config, live = config_name(application), self._observer.workload(application)
        return command_pod(application, action.command, image=action.image, config=config, volumes=False, live=live)

    async def _create(self, run: Manifest, step: StepStatus, pod: Mapping[str, Any], seconds: int) -> None:
        job = command_job(run, self._resource, _job(run, step), pod, seconds=seconds)
        await self._driver.applier.create(JOBS, job)

    async def _container(self, application: Application, wanted: str | None) -> Container | Words:
        return container_of(application, await self._observer.pods(_of(application)), wanted)

    async def _given_up(self, run: Manifest, job: str, message: str) -> Outcome:
        await self._driver.movers.remove(run, job)
        return Outcome(Reason.NOT_SUPPORTED, message)

    async def _hook(self, application: Application, hook: Hook) -> Outcome:
        action = hook.exec
        if action is None:
            return Outcome(Reason.NOT_SUPPORTED, f"the hook {hook.name} has no exec")
        found = await self._container(application, action.container)
        if not isinstance(found, Container):
            return outcome_of_hook(hook, found[1])
        try:
            ended = await run_command(self._driver.client, found, action.command, seconds=hook.timeout_seconds)
        except ApiError as error:
            return outcome_of_hook(hook, error.message)
        return outcome_of_hook(hook, ended)


def _verdict(found: Progress | Outcome | None, pumped: Progress | Outcome | None) -> Progress | Outcome | None:
    """Of a mover that gives, and a command that takes: well only when both are known to have ended well."""
    if isinstance(found, Outcome) and found.error is None and not isinstance(pumped, Outcome):
        lost_sight = Outcome(Reason.INTERRUPTED, "it is not known whether all was loaded: the operator was replaced")
        return pumped or lost_sight
    return found


async def _dumped(client: Client, mover: Container, command: Sequence[str], target: Container) -> Ended:
    return await dump(client, target, command, mover)


async def _loaded(client: Client, mover: Container, command: Sequence[str], target: Container) -> Ended:
    return await load(client, mover, target, command)


async def _judged(pumping: Awaitable[Ended]) -> Outcome:
    ended = await pumping
    if ended.exit_code == 0:
        return Outcome()
    said = ended.error_output.decode(errors="replace").strip()[-_LONGEST_OUTPUT:]
    return Outcome(Reason.COMMAND_FAILED, f"the command ended with exit code {ended.exit_code}: {said}")


def _job(run: Manifest, step: StepStatus) -> str:
    return job_name(run, step.name, step.attempts or 1)


def _key(run: Manifest) -> Request:
    return Request(run["metadata"]["namespace"], run["metadata"]["name"])


def _of(application: Application) -> Request:
    return Request(application.metadata.namespace, application.metadata.name)
