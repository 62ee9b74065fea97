"""Makes an Application well again, as far as its policy goes: observes, lets the plan decide, acts, and tells.

What it remembers is in the Application's status, under a manager of its own; probes that succeed leave nothing there.
"""

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, get_args

from timonier.api.application import Application, RecoveryEvent, RecoveryProbeStatus
from timonier.api.conditions import condition_of
from timonier.api.policies import RecoveryAction, RecoveryPolicy, RecoveryProbe
from timonier.api.references import GIVEN_UP
from timonier.api.resources import APPLICATIONS, BACKUPS, EVENTS, PODS, RESTORES, UPGRADES
from timonier.applications.reasons import Reason
from timonier.applications.revisions import revision_before
from timonier.applications.scaling import desired_replicas
from timonier.applications.trouble import unready_for
from timonier.backups.observing import Observer
from timonier.engine import metrics
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.errors import ApiError
from timonier.engine.exec import Container, run_command
from timonier.engine.reading import read
from timonier.recovery.plan import Plan, Sight, backup_before, failing, plan
from timonier.recovery.troubles import PATIENCE, Trouble, TroubleReason, trouble_with
from timonier.runs.driver import Driver, rival_of
from timonier.runs.hooks import container_of

__all__ = ["RecoveryReconciler"]

_MANAGER: Final = "timonier-recovery"
_LOOK_AGAIN: Final = 5.0
_STOPPED: Final = frozenset({Reason.SUSPENDED, Reason.RESTORING, Reason.UPGRADE_DOWNTIME})
_LONGEST_OUTPUT: Final = 200


class RecoveryReconciler:
    """A reconciler of Applications; see `timonier.engine.contract.Reconciler`."""

    primary = APPLICATIONS
    watched = (APPLICATIONS, BACKUPS, RESTORES, UPGRADES)
    rules = (
        Rule(APPLICATIONS.group, (APPLICATIONS.plural,), ("list", "watch")),
        Rule(APPLICATIONS.group, (f"{APPLICATIONS.plural}/status",), ("patch",)),
        Rule(PODS.group, (PODS.plural,), ("delete", "list")),
        Rule(PODS.group, (f"{PODS.plural}/exec",), ("create", "get")),
        Rule(EVENTS.group, (EVENTS.plural,), ("list",)),
        Rule(RESTORES.group, (RESTORES.plural,), ("create",)),
        Rule(UPGRADES.group, (UPGRADES.plural,), ("patch",)),
    )

    def __init__(self, driver: Driver) -> None:
        self._cache = driver.cache
        self._applier = driver.applier
        self._recorder = driver.recorder
        self._client = driver.client
        self._background = driver.background
        self._refusal = driver.refusal
        self._observer = Observer(driver.cache, driver.applier)
        # From the beginning on: a series that begins with its first event has not increased.
        for action, trouble in itertools.product(get_args(RecoveryAction), TroubleReason):
            metrics.RECOVERY_ACTIONS.labels(action, trouble)
        # When each probe is due again, on the clock of the loop. A new process asks anew.
        self._due: dict[tuple[Request, str], float] = {}

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself; whatever its runs do, it says in its own status."""
        return (change.key,) if change.resource == APPLICATIONS else ()

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, write what is going to be done, and do it: what was written and not done is done next time."""
        manifest = self._cache.get(APPLICATIONS, request)
        application = read(Application, manifest) if manifest else None
        if manifest is None or application is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()
        policy = application.spec.recovery
        if policy is None:
            await self._applier.apply_status(APPLICATIONS, manifest, {}, manager=_MANAGER)
            return Result()
        if _is_stopped(application):
            return Result(requeue_after=_LOOK_AGAIN)  # whether it is well will be seen when it runs again
        probes, due = await self._probe(request, application, policy)
        now = datetime.now(UTC)
        trouble = await self._trouble(application, policy, probes, now)
        sight = self._sight(request, manifest, application, trouble, probes)
        generation = application.metadata.generation
        made = plan(request.name, policy, application.status, generation, sight, now)
        if made.began and made.act is not None and made.act.action == "RestoreBackup":
            sight = replace(sight, refused=await self._refusal(manifest, "recovery"))
            made = plan(request.name, policy, application.status, generation, sight, now)
        await self._tell(manifest, made)
        if made.act is not None:
            await self._act(request, made.act, sight)
        waits = (wait for wait in (made.again, due, self._look_again(application, now)) if wait is not None)
        return Result(requeue_after=min(waits, default=None))

    async def _tell(self, manifest: Manifest, made: Plan) -> None:
        # A status that another turn has written meanwhile is not this one's to go by.
        if not await self._applier.apply_status(APPLICATIONS, manifest, made.status, manager=_MANAGER):
            return
        if made.began and made.act is not None:
            metrics.RECOVERY_ACTIONS.labels(made.act.action, made.act.reason).inc()
        if made.recovered is not None:
            metrics.RECOVERY_TIME.labels(made.recovered[0]).observe(made.recovered[1])
        for event in made.events:
            await self._recorder.record(APPLICATIONS, manifest, event)

    async def _act(self, request: Request, event: RecoveryEvent, sight: Sight) -> None:
        """Take an action, unless it has been taken."""
        if event.action == "RestartPod" and event.target is not None and event.uid is not None:
            pods = await self._observer.pods(request)
            pod = next((found for found in pods if found["metadata"]["uid"] == event.uid), None)
            if pod is not None and not pod["metadata"].get("deletionTimestamp"):
                await self._applier.delete(PODS, request.namespace, event.target, event.uid)
        elif event.action == "RollbackRevision" and event.target is not None:
            upgrade = self._cache.get(UPGRADES, Request(request.namespace, event.target))
            if upgrade is not None and GIVEN_UP not in upgrade["metadata"].get("annotations", {}):
                annotations = {"metadata": {"annotations": {GIVEN_UP: "true"}}}
                await self._applier.merge(UPGRADES, request.namespace, event.target, annotations)
            self._background.wake(APPLICATIONS, request)
        elif event.action == "RestoreBackup" and event.target is not None and sight.backup is not None:
            await self._applier.create(RESTORES, _restore(request, event.target, sight.backup))

    def _look_again(self, application: Application, now: datetime) -> float | None:
        """While it is not ready: what pods say changes without anybody's telling."""
        ready = condition_of(application.status, "Ready")
        unready = unready_for(application.status, now)
        return _LOOK_AGAIN if unready is not None or (ready or {}).get("reason") == Reason.UPGRADE_FAILED else None

    async def _trouble(
        self, application: Application, policy: RecoveryPolicy, probes: Sequence[RecoveryProbeStatus], now: datetime
    ) -> Trouble | None:
        ready = condition_of(application.status, "Ready")
        if ready is None:
            return None
        unwell = ready["status"] != "True"
        request = Request(application.metadata.namespace, application.metadata.name)
        pods = await self._observer.pods(request) if unwell else ()
        events: tuple[Manifest, ...] = ()
        if pods:
            selector = "type=Warning,regarding.kind=Pod"
            events = await self._applier.some(EVENTS, request.namespace, field_selector=selector)
        missing = self._missing(application, pods, now) if unwell else None
        return trouble_with(policy, pods, events, probes, missing, now)

    def _missing(self, application: Application, pods: Sequence[Manifest], now: datetime) -> str | None:
        desired = desired_replicas(application, self._observer.workload(application))
        there = sum(1 for pod in pods if not pod["metadata"].get("deletionTimestamp"))
        long = (unready_for(application.status, now) or 0.0) >= PATIENCE
        return f"there are {there} of {desired} pods" if there < desired and long else None

    def _sight(
        self,
        request: Request,
        manifest: Manifest,
        application: Application,
        trouble: Trouble | None,
        probes: tuple[RecoveryProbeStatus, ...],
    ) -> Sight:
        everybody = list(self._cache.all(APPLICATIONS, request.namespace))
        revision = application.status.get("revision")
        since = application.status.get("recovery", {}).get("since")
        return Sight(
            trouble=trouble,
            probes=probes,
            unwell=sum(1 for found in everybody if _is_unwell(found)),
            applications=len(everybody),
            pause=rival_of(self._cache, request, manifest),
            revision=revision,
            before=revision_before(revision, list(self._cache.about(UPGRADES, request))) if revision else None,
            backup=backup_before(self._cache.about(BACKUPS, request), since) if since else None,
        )

    async def _probe(
        self, request: Request, application: Application, policy: RecoveryPolicy
    ) -> tuple[tuple[RecoveryProbeStatus, ...], float | None]:
        """Run the probes that are due. Those that fail, and in how many seconds the next one is due."""
        told = application.status.get("recovery", {}).get("probes", ())
        names = {probe.name for probe in policy.probes}
        found = tuple(RecoveryProbeStatus.model_validate(probe) for probe in told if probe["name"] in names)
        if not policy.probes:
            return found, None
        clock = asyncio.get_running_loop().time
        for probe in policy.probes:
            key = (request, probe.name)
            if self._due.get(key, 0.0) > clock():
                continue
            container = container_of(application, await self._observer.pods(request), probe.container)
            if isinstance(container, Container):  # else the pods themselves are in trouble
                found = failing(found, probe.name, await self._asked(container, probe))
            self._due[key] = clock() + probe.interval_seconds
        due = min(self._due[request, probe.name] for probe in policy.probes)
        return found, max(0.1, due - clock())

    async def _asked(self, container: Container, probe: RecoveryProbe) -> str | None:
        """What is wrong; None when nothing is."""
        try:
            ended = await run_command(self._client, container, probe.command, seconds=probe.timeout_seconds)
        except ApiError as error:
            return error.message
        if ended.exit_code == 0:
            return None
        said = (ended.error_output or ended.output).decode(errors="replace").strip()[-_LONGEST_OUTPUT:]
        return f"it ended with exit code {ended.exit_code}" + (f": {said}" if said else "")


def _is_stopped(application: Application) -> bool:
    ready = condition_of(application.status, "Ready")
    return ready is not None and ready["reason"] in _STOPPED


def _is_unwell(application: Manifest) -> bool:
    """It has been in trouble long enough for its recovery to have noticed; without a policy, it is not ready."""
    status: Mapping[str, Any] = application.get("status", {})
    if application["spec"].get("recovery") is not None:
        return "trouble" in status.get("recovery", {})
    ready = condition_of(status, "Available")
    return ready is not None and ready["status"] == "False" and ready["reason"] not in _STOPPED


def _restore(request: Request, name: str, backup: str) -> dict[str, Any]:
    """The Restore of the last good backup, over what is left; that is backed up first."""
    return {
        "apiVersion": RESTORES.api_version,
        "kind": RESTORES.kind,
        "metadata": {"namespace": request.namespace, "name": name, "labels": {"timonier.dev/recovery": request.name}},
        "spec": {
            "from": {"backupRef": {"name": backup}},
            "to": {"inPlace": {"application": request.name, "confirm": request.name}},
        },
    }
