"""Brings the world of one Application to what its spec asks: observes, lets the plan decide, acts, reports."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from timonier.api.application import Application
from timonier.api.resources import (
    APPLICATIONS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from timonier.applications.plan import Apply, Observed, Plan, plan, wanted_objects
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.contract import Manifest, Request, Result, Rule
from timonier.engine.events import EventRecorder, Transition

__all__ = ["ApplicationReconciler"]

# Foreign objects are not watched: whether one that is in the way has gone can only be asked again.
_CONFLICT_RETRY: Final = 15.0

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
# Workloads are cleaned up by their owner reference, and volumes never by us.
_NEVER_DELETED: Final = frozenset({DEPLOYMENTS, STATEFUL_SETS, PERSISTENT_VOLUME_CLAIMS})

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
    return (*own, *children)


class ApplicationReconciler:
    """The reconciler of the Application kind; see `timonier.engine.contract.Reconciler`."""

    primary = APPLICATIONS
    owned = _OWNED
    rules = _rules()

    def __init__(self, cache: Cache, applier: Applier, recorder: EventRecorder) -> None:
        self._cache = cache
        self._applier = applier
        self._recorder = recorder

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, act, and write the status last."""
        manifest = self._cache.get(APPLICATIONS, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()  # what is left is for the garbage collector: there is no finalizer to release
        try:
            application = Application.model_validate(manifest)
        except ValidationError as error:
            # The API server checks the same rules: this is an object of another version of the definition.
            logger.error("the spec is not of a form that this version knows: %s", error)  # noqa: TRY400
            return Result()
        live = await self._observe(application)
        wanted = plan(application, _observed(live), datetime.now(UTC))
        await self._act(manifest, wanted, live)
        await self._report(manifest, wanted)
        return Result(requeue_after=_CONFLICT_RETRY) if wanted.blocked else Result()

    async def _observe(self, application: Application) -> Live:
        """What it controls, from the cache; and whatever else has a name it needs, from the API server."""
        live = {
            (resource, manifest["metadata"]["name"]): manifest
            for resource, manifest in self._cache.owned(application.metadata.uid)
        }
        namespace = application.metadata.namespace
        others = [target for target in wanted_objects(application) if target not in live]
        found = await asyncio.gather(*(self._applier.live(resource, namespace, name) for resource, name in others))
        return live | {target: manifest for target, manifest in zip(others, found, strict=True) if manifest is not None}

    async def _act(self, manifest: Manifest, wanted: Plan, live: Live) -> None:
        namespace = manifest["metadata"]["namespace"]
        for gone in wanted.delete:
            await self._applier.delete(gone.resource, namespace, gone.name, gone.uid)
        settled = manifest.get("status", {}).get("observedGeneration") == manifest["metadata"].get("generation")
        for step in wanted.apply:
            target = (step.resource, step.manifest["metadata"]["name"])
            before = live.get(target)
            after = await self._applier.apply(step.resource, step.manifest, before, manager=step.manager)
            if after is not None:
                live[target] = after
                if settled:
                    await self._recorder.record(APPLICATIONS, manifest, _repaired(step, before))

    async def _report(self, manifest: Manifest, wanted: Plan) -> None:
        if await self._applier.apply_status(APPLICATIONS, manifest, wanted.status):
            for event in wanted.events:
                transition = Transition(event.reason, event.message, type=event.type)
                await self._recorder.record(APPLICATIONS, manifest, transition)


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
