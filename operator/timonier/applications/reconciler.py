"""Brings the world of one Application to what its spec asks: observes, lets the plan decide, acts, reports."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.resources import (
    APPLICATIONS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESTORES,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    UPGRADES,
    Resource,
)
from timonier.applications.beside import is_beside
from timonier.applications.children import is_controlled, workload_resource
from timonier.applications.plan import LINGERS, Apply, Observed, Plan, Refusal, plan, wanted_objects
from timonier.applications.revisions import Course, Versions, course, held_up, is_held_up, references
from timonier.applications.status import selector_text
from timonier.applications.trouble import due, next_look, suspect, unready_for
from timonier.applications.workload import mark_of
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.errors import ApiError, ConflictError
from timonier.engine.events import EventRecorder, Transition
from timonier.engine.reading import read

__all__ = ["ApplicationReconciler"]

# Foreign objects are not watched: whether one that is in the way has gone can only be asked again.
_CONFLICT_RETRY: Final = 15.0
# While an upgrade is rolled out, or back, a pod that a StatefulSet waits for is not to hold it up for long.
_UPGRADE_RETRY: Final = 5.0
# Secrets and ConfigMaps that the application refers to are not watched: the operator must not know them all.
_REFERENCES_RETRY: Final = 60.0

_OWNED: Final = (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    STATEFUL_SETS,
)
# An Application's workload is cleaned up by its owner reference, and volumes never by us. A Deployment is deleted that
# was only tried beside it.
_NEVER_DELETED: Final = frozenset({STATEFUL_SETS, PERSISTENT_VOLUME_CLAIMS})

_WORKLOADS: Final = frozenset({DEPLOYMENTS, STATEFUL_SETS})
_NEEDED_BY_PODS: Final = frozenset({CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS})

Refused = list[tuple[Refusal, ApiError]]
Live = dict[tuple[Resource, str], Manifest]

logger = logging.getLogger(__name__)


def _rules() -> tuple[Rule, ...]:
    own = (
        Rule(APPLICATIONS.group, (APPLICATIONS.plural,), ("list", "watch")),
        Rule(APPLICATIONS.group, (f"{APPLICATIONS.plural}/status",), ("patch",)),
    )
    verbs = ("create", "get", "list", "patch", "watch")
    children = (
        Rule(resource.group, (resource.plural,), verbs if resource in _NEVER_DELETED else (*verbs, "delete"))
        for resource in _OWNED
    )
    return (
        *own,
        *children,
        Rule(PODS.group, (PODS.plural,), ("delete", "list")),
        Rule(CONTROLLER_REVISIONS.group, (CONTROLLER_REVISIONS.plural,), ("create", "delete", "list", "watch")),
        Rule(UPGRADES.group, (UPGRADES.plural,), ("create", "delete", "list", "patch", "watch")),
        # Of those that an Application refers to, the metadata: that one was changed is a change of the Application.
        Rule(SECRETS.group, (SECRETS.plural,), ("get",)),
        Rule(EVENTS.group, (EVENTS.plural,), ("list",)),
    )


class ApplicationReconciler:
    """The reconciler of the Application kind; see `timonier.engine.contract.Reconciler`."""

    primary = APPLICATIONS
    watched = (*_OWNED, CONTROLLER_REVISIONS, UPGRADES)
    rules = _rules()

    def __init__(self, cache: Cache, applier: Applier, recorder: EventRecorder) -> None:
        self._cache = cache
        self._applier = applier
        self._recorder = recorder

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, the one that controls the object, or that whose label the object carries: volumes outlive theirs."""
        if change.resource == APPLICATIONS:
            return (change.key,)
        if change.owner is not None:
            return (change.owner[1],) if change.owner[0] == APPLICATIONS else ()
        return (Request(change.key.namespace, change.application),) if change.application else ()

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, act, and write the status last."""
        manifest = self._cache.get(APPLICATIONS, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()  # what is left is for the garbage collector: there is no finalizer to release
        application = read(Application, manifest)
        if application is None:
            return Result()
        upgrades = list(self._cache.about(UPGRADES, request))
        going = await self._course(application, upgrades)
        going = await self._prepare(application, going)
        live = await self._observe(going)
        now = datetime.now(UTC)
        observed = await self._ask_pods(going.application, _observed(live), now)
        observed = replace(observed, hold=self._hold(request), going=going)
        wanted = plan(application, observed, now)
        refused = await self._act(manifest, wanted, live, lambda: self._stated_still(request, upgrades))
        if refused:
            wanted = plan(application, observed, now, [refusal for refusal, _ in refused])
        await self._report(manifest, wanted)
        if refused:
            raise refused[0][1]
        return Result(requeue_after=_again(application, wanted, now, held=is_held_up(going)))

    async def _course(self, application: Application, upgrades: Sequence[Manifest]) -> Course:
        """What is to run, by the revisions that there are and what came of them."""
        request = Request(application.metadata.namespace, application.metadata.name)
        owned = self._cache.owned(application.metadata.uid)
        revisions = [manifest for resource, manifest in owned if resource == CONTROLLER_REVISIONS]
        versions = await self._versions(application) if application.spec.upgrade else {}
        workload = self._cache.get(workload_resource(application), request)
        mark = mark_of(workload["spec"]["template"]) if workload is not None else None
        return course(application, revisions, upgrades, versions, mark)

    async def _versions(self, application: Application) -> Versions:
        namespace = application.metadata.namespace
        wanted = sorted(references(application))
        found = await asyncio.gather(*(self._applier.version(resource, namespace, name) for resource, name in wanted))
        named = zip(wanted, found, strict=True)
        return {f"{resource.kind}/{name}": version for (resource, name), version in named if version is not None}

    async def _prepare(self, application: Application, going: Course) -> Course:
        """Make revisions and Upgrades, and let go of those whose time is over. Done again, it changes nothing.

        What cannot be made does not count as begun: the course is then another one.
        """
        namespace = application.metadata.namespace
        for resource, manifest in going.create:
            what = f"{resource.kind} {manifest['metadata']['name']}"
            try:
                made = await self._applier.create(resource, manifest, watched=True)
            except ConflictError:
                # The cache has not got it yet, or never will, as it does not have our label.
                name = f"metadata.name={manifest['metadata']['name']}"
                found = await self._applier.some(resource, namespace, field_selector=name)
                if not found:
                    raise
                made = found[0]
            except ApiError as error:
                if not error.is_refusal:
                    raise
                return held_up(application, going, f"{what} is refused: {error.message}")
            if not is_controlled(made, application):
                return held_up(application, going, f"{what} exists already, and is not of this Application: delete it")
        if going.cancel is not None:
            await self._applier.merge(UPGRADES, namespace, going.cancel, {"spec": {"cancel": True}})
        for gone in going.drop:
            await self._applier.delete(gone.resource, namespace, gone.name, gone.uid)
        return going

    async def _observe(self, going: Course) -> Live:
        """What it controls, from the cache; and whatever else has a name it needs, from the API server."""
        application = going.application
        live = {
            (resource, manifest["metadata"]["name"]): manifest
            for resource, manifest in self._cache.owned(application.metadata.uid)
            if resource in _OWNED
        }
        namespace = application.metadata.namespace
        others = [target for target in wanted_objects(going) if target not in live]
        found = await asyncio.gather(*(self._applier.live(resource, namespace, name) for resource, name in others))
        return live | {target: manifest for target, manifest in zip(others, found, strict=True) if manifest is not None}

    def _stated_still(self, request: Request, upgrades: Iterable[Manifest]) -> bool:
        """Whether Upgrades say at this moment what they said then that should run."""
        return list(map(_rollout, self._cache.about(UPGRADES, request))) == list(map(_rollout, upgrades))

    def _hold(self, request: Request) -> str | None:
        """The restore for which the Application is stopped."""
        restores = self._cache.about(RESTORES, request)
        holding = next((found for found in restores if found.get("status", {}).get("quiesced")), None)
        return None if holding is None else f"restore {holding['metadata']['name']}"

    async def _ask_pods(self, application: Application, observed: Observed, now: datetime) -> Observed:
        """Where the Application has not been ready for a while: its pods, and events about what they do not say."""
        workload = observed.find(workload_resource(application), application.metadata.name)
        unready = unready_for(application.status, now)
        if workload is None or unready is None or not due(unready):
            return observed
        namespace = application.metadata.namespace
        try:
            pods = await self._applier.some(PODS, namespace, label_selector=selector_text(workload["spec"]["selector"]))
            about = suspect(workload, pods)
            if about is None:
                return replace(observed, pods=pods)
            selector = f"type=Warning,regarding.kind={about.kind},regarding.name={about.name}"
            events = await self._applier.some(EVENTS, namespace, field_selector=selector)
        except ApiError as error:
            logger.warning("could not ask why pods are not ready: %s", error)
            return observed
        return replace(observed, pods=pods, warnings=[e for e in events if e["regarding"].get("uid") == about.uid])

    async def _act(self, manifest: Manifest, wanted: Plan, live: Live, still: Callable[[], bool]) -> Refused:
        """Do what is planned, and return what was refused. Pods never start anew on a half of what they need.

        Where it is not `still` so that this should run, no workload is written: what says otherwise has us look again.
        """
        namespace = manifest["metadata"]["namespace"]
        for gone in wanted.delete:
            await self._applier.delete(gone.resource, namespace, gone.name, gone.uid)
        seen = manifest.get("status", {}).get("observedGeneration") == manifest["metadata"].get("generation")
        settled = seen and "activeRun" not in wanted.status
        refused: Refused = []
        for step in wanted.apply:
            target = (step.resource, step.manifest["metadata"]["name"])
            if step.resource in _WORKLOADS and (_lack(refused) or not still()):
                continue
            before = live.get(target)
            try:
                after = await self._applier.apply(step.resource, step.manifest, before, manager=step.manager)
            except ApiError as error:
                if not error.is_refusal:
                    raise
                refused.append((Refusal(*target, error.message), error))
                continue
            if after is not None:
                live[target] = after
                if settled and not is_beside(step.manifest):
                    await self._recorder.record(APPLICATIONS, manifest, _repaired(step, before))
        # What may still serve goes once the Service leads elsewhere.
        for gone in () if any(refusal.resource == SERVICES for refusal, _ in refused) else wanted.delete_last:
            await self._applier.delete(gone.resource, namespace, gone.name, gone.uid)
        return refused

    async def _report(self, manifest: Manifest, wanted: Plan) -> None:
        if await self._applier.apply_status(APPLICATIONS, manifest, wanted.status):
            for event in wanted.events:
                transition = Transition(event.reason, event.message, type=event.type)
                await self._recorder.record(APPLICATIONS, manifest, transition)


def _rollout(upgrade: Manifest) -> Any:
    return upgrade.get("status", {}).get("rollout")


def _lack(refused: Refused) -> bool:
    """Whether pods would lack something that was refused."""
    return any(refusal.resource in _NEEDED_BY_PODS for refusal, _ in refused)


def _again(application: Application, wanted: Plan, now: datetime, *, held: bool) -> float | None:
    """When to look again at what no watch tells of."""
    unready = unready_for(wanted.status, now)
    pauses = [] if unready is None else [next_look(unready)]
    if wanted.lingers:
        pauses.append(LINGERS)
    if held or (unready is not None and wanted.blocked):
        pauses.append(_CONFLICT_RETRY)
    if unready is not None and "activeRun" in wanted.status:
        pauses.append(_UPGRADE_RETRY)
    if application.spec.upgrade and references(application):
        pauses.append(_REFERENCES_RETRY)
    return min(pauses, default=None)


def _observed(live: Live) -> Observed:
    objects: dict[Resource, list[Manifest]] = {}
    for (resource, _), manifest in live.items():
        objects.setdefault(resource, []).append(manifest)
    return Observed(objects)


def _repaired(step: Apply, before: Manifest | None) -> Transition:
    """The event for a child that was wrong although nobody had changed the spec."""
    what = f"{step.resource.kind} {step.manifest['metadata']['name']}"
    if before is None:
        return Transition("Recreated", f"{what} was missing and has been created again")
    return Transition("Restored", f"{what} differed from the spec and has been restored")
