"""What an Application needs, as a pure function of its spec and of what is observed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from timonier.api.application import Application
from timonier.api.conditions import stated
from timonier.api.moments import moment
from timonier.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from timonier.applications.beside import children_beside, is_beside, selector_beside
from timonier.applications.children import (
    ADOPTED_ANNOTATION,
    APPLICATION_LABEL,
    MANAGER,
    child,
    claim_name,
    config_name,
    controller,
    is_controlled,
    next_name,
    selector_labels,
    workload_resource,
)
from timonier.applications.exposure import (
    endpoints,
    has_service,
    headless_service,
    ingress,
    network_policy,
    service,
)
from timonier.applications.reasons import Reason, Words
from timonier.applications.revisions import Course
from timonier.applications.scaling import (
    autoscaler,
    desired_replicas,
    disruption_budget,
    handed_over,
    kept_replicas,
    stated_replicas,
    suspended,
)
from timonier.applications.status import status_of, verdict_of
from timonier.applications.trouble import stuck, trouble_of
from timonier.applications.workload import config_data, volume_claim_spec, workload_manifest
from timonier.engine.contract import Manifest
from timonier.engine.difference import differs, owned_fields

__all__ = [
    "LINGERS",
    "SCALE_MANAGER",
    "Announcement",
    "Apply",
    "Delete",
    "Observed",
    "Plan",
    "Refusal",
    "plan",
    "wanted_objects",
]

SCALE_MANAGER = "timonier-scale"
LINGERS = 5.0
"""Seconds after which nobody is on the way any more to what requests were led to before."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The live objects, by resource: those that the Application controls or that carry its label, and whatever else
    stands under a name of `wanted_objects`, whoever it belongs to."""

    objects: Mapping[Resource, Sequence[Manifest]] = field(default_factory=dict)
    pods: Sequence[Manifest] = ()
    """Of the workload, where it is time to ask why it is not ready."""
    warnings: Sequence[Manifest] = ()
    """Events about what the pods do not say themselves."""
    hold: str | None = None
    """Which run wants no pod to run for now, such as `restore monday`."""
    going: Course | None = None
    """What is to run, where that is not simply what the spec asks for."""

    def find(self, resource: Resource, name: str) -> Manifest | None:
        """The live object of that name."""
        return next((found for found in self.objects.get(resource, ()) if found["metadata"]["name"] == name), None)


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of `manifest` by the field manager `manager`, by force."""

    resource: Resource
    manifest: Manifest
    manager: str = MANAGER


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletion of exactly this object."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the API server said to an apply that it will not do as things are."""

    resource: Resource
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """A transition to tell people of. `reason` is a CamelCase word, `message` a sentence."""

    reason: str
    type: Literal["Normal", "Warning"]
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order: every `delete`, every `apply` in its order, every `delete_last`, the whole `status`.

    Applies that change nothing are listed too; finding that out is left to who applies. `blocked` is True where an
    object of somebody else stands in the way, which no watch tells the end of; `lingers` where something is still to be
    deleted, as requests were led to it a moment ago.
    """

    apply: tuple[Apply, ...] = ()
    delete: tuple[Delete, ...] = ()
    delete_last: tuple[Delete, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Announcement, ...] = ()
    blocked: bool = False
    lingers: bool = False


def wanted_objects(going: Course) -> tuple[tuple[Resource, str], ...]:
    """Resource and name of every child that is to be there: what must be looked up before planning."""
    application = going.application
    children = [*_children(application, None, going), *(children_beside(going.beside, 0) if going.beside else ())]
    named = (_resource_and_name(resource, manifest) for resource, manifest in children)
    return ((workload_resource(application), application.metadata.name), *named)


def plan(application: Application, observed: Observed, now: datetime, refusals: Sequence[Refusal] = ()) -> Plan:
    """Decide what to apply, delete and report. `now` is only used as the time of transitions.

    `refusals` is what became of this plan's applies, when the status is to tell of them."""
    if application.metadata.deletion_timestamp is not None:
        return Plan(status=application.status)  # garbage collection does the rest
    going = observed.going or Course(application)
    hold = observed.hold or going.hold
    application = suspended(going.application) if hold else going.application
    resource = workload_resource(application)
    live = observed.find(resource, application.metadata.name)
    if live is not None and not _may_take(application, live):
        return _stalled_plan(application, live, now, going)
    adopted = live if live is not None and _is_adopted(application, live) else None
    kept = kept_replicas(application, live)
    workload = workload_manifest(application, adopted, stated_replicas(application), going.revision, going.mark, kept)
    children = list(_children(application, adopted, going))
    beside = list(_beside(application, going, live))
    refused = [(kind, found) for kind, found in _found(observed, children) if not _may_take(application, found)]
    refused_beside = [(kind, found) for kind, found in _found(observed, beside) if not _is_ours(application, found)]
    refused += refused_beside
    names = {_resource_and_name(kind, found) for kind, found in refused}
    children += beside
    if refused_beside and observed.find(DEPLOYMENTS, next_name(application.metadata.name)) is None:
        # Its pods would read what is another's, or be open to everybody.
        names.add((DEPLOYMENTS, next_name(application.metadata.name)))
    applies = [Apply(kind, manifest) for kind, manifest in children if _resource_and_name(kind, manifest) not in names]
    applies += _workload_applies(application, live, workload)
    current = live is not None and not differs(workload, live, MANAGER)
    verdict = verdict_of(application, live, current=current, trouble=trouble_of(observed.pods, observed.warnings))
    if refused:
        verdict = replace(verdict, obstacle=(Reason.CONFLICT, _conflict(application, *refused[0])))
    elif refusals:
        verdict = replace(verdict, obstacle=_refused(refusals[0]))
    front = (SERVICES, application.metadata.name)
    in_front = observed.find(*front)
    missing = in_front is None and any((refusal.resource, refusal.name) == front for refusal in refusals)
    reachable = () if front in names or missing else endpoints(application, in_front)
    status = status_of(application, verdict, workload["spec"]["selector"], reachable, now, hold, going)
    events = _announcements(
        application, status, newly_adopted=adopted is not None and not _is_ours(application, adopted)
    )
    keep = {(resource, application.metadata.name)} | {_resource_and_name(kind, manifest) for kind, manifest in children}
    deletes = list(_deletes(application, observed, keep))
    led = in_front is not None and _was_led_elsewhere(application, in_front, now)
    return Plan(
        apply=tuple(applies),
        delete=(*(gone for gone, tried in deletes if not tried), *_stuck(live, observed, now)),
        delete_last=tuple(gone for gone, tried in deletes if tried and not led),
        lingers=led and any(tried for _, tried in deletes),
        status=status,
        events=tuple(events),
        blocked=bool(refused),
    )


def _was_led_elsewhere(application: Application, in_front: Manifest, now: datetime) -> bool:
    """Requests may still be on their way to what the Service led to before."""
    written = (
        entry.get("time") for entry in in_front["metadata"].get("managedFields", ()) if entry["manager"] == MANAGER
    )
    seconds = ((now - moment(time)).total_seconds() for time in written if time)
    return in_front["spec"].get("selector") == selector_beside(application) or min(seconds, default=LINGERS) < LINGERS


def _resource_and_name(resource: Resource, manifest: Manifest) -> tuple[Resource, str]:
    return resource, str(manifest["metadata"]["name"])


def _found(observed: Observed, children: Sequence[tuple[Resource, Manifest]]) -> Iterator[tuple[Resource, Manifest]]:
    for resource, manifest in children:
        if (live := observed.find(resource, manifest["metadata"]["name"])) is not None:
            yield resource, live


def _workload_applies(application: Application, live: Manifest | None, workload: Manifest) -> list[Apply]:
    resource = workload_resource(application)
    main = [Apply(resource, workload)]
    handover = handed_over(application, live)
    if handover is None:
        return main
    keep = [Apply(resource, handover, SCALE_MANAGER)]
    return main + keep if live is None else keep + main


def _beside(
    application: Application, going: Course, live: Manifest | None
) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """What is tried beside it; `application` is suspended where no pod is to run."""
    if going.beside is None:
        return
    there = suspended(going.beside.application) if application.spec.suspend else going.beside.application
    wanted = desired_replicas(there, live)
    stated = going.beside.replicas if wanted else 0
    yield from children_beside(going.beside, wanted if stated is None else stated)


def _children(
    application: Application, adopted: Manifest | None, going: Course
) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Every child beside the workload, in the order of creation: what pods need at their start comes first."""
    selector: dict[str, Any] = {"matchLabels": selector_labels(application)}
    if adopted is not None:
        selector = dict(adopted["spec"]["selector"])
    match_labels = selector.get("matchLabels", {})
    if data := config_data(application):
        yield CONFIG_MAPS, child(application, CONFIG_MAPS, config_name(application), {"data": data})
    claims = {
        manifest["metadata"]["name"]: manifest
        for each in (going.coming, going.beside.application if going.beside else None, application)
        if each
        for manifest in _claims(each)
    }
    for manifest in claims.values():
        yield PERSISTENT_VOLUME_CLAIMS, manifest
    if (policy := network_policy(application, selector)) is not None:
        yield NETWORK_POLICIES, policy
    if workload_resource(application) == STATEFUL_SETS and adopted is None:
        yield SERVICES, headless_service(application, match_labels)
    if going.beside is not None and going.beside.traffic == "All":
        serving, match_labels = going.beside.application, selector_beside(application)
    else:
        serving = application
    shares = None
    if going.beside is not None and going.beside.traffic == "Shared":
        shares = going.beside.before if going.revision == going.beside.revision else going.beside.application
    if has_service(serving):
        yield SERVICES, service(serving, match_labels, beside=shares)
    for resource, optional in (
        (INGRESSES, ingress(serving)),
        (POD_DISRUPTION_BUDGETS, disruption_budget(application, selector)),
        (HORIZONTAL_POD_AUTOSCALERS, autoscaler(application, shrinks=going.beside is None)),
    ):
        if optional is not None:
            yield resource, optional


def _claims(application: Application) -> Iterator[dict[str, Any]]:
    """The volumes of a Deployment. Only those that are to go with the Application are owned by it."""
    workload = application.spec.workload
    if workload.kind != "Deployment":
        return
    owned = application.spec.deletion_policy == "Delete"
    for storage in workload.storage:
        name = claim_name(application, storage.name)
        yield child(application, PERSISTENT_VOLUME_CLAIMS, name, {"spec": volume_claim_spec(storage)}, owned=owned)


def _deletes(
    application: Application, observed: Observed, keep: set[tuple[Resource, str]]
) -> Iterator[tuple[Delete, bool]]:
    """Children that are not wanted any more, each with whether it was tried beside the Application's own.

    Those may still serve: nothing leads to them once everything else is as it is to be. Volumes never are among them:
    an edit must not destroy data.
    """
    for resource in sorted(observed.objects):
        if resource == PERSISTENT_VOLUME_CLAIMS:
            continue
        for live in sorted(observed.objects[resource], key=lambda found: str(found["metadata"]["name"])):
            metadata = live["metadata"]
            gone = _resource_and_name(resource, live) not in keep and "deletionTimestamp" not in metadata
            if gone and is_controlled(live, application):
                yield Delete(resource, metadata["name"], metadata["uid"]), is_beside(live)


def _stuck(live: Manifest | None, observed: Observed, now: datetime) -> Iterator[Delete]:
    for pod in stuck(live, observed.pods, now) if live is not None else ():
        yield Delete(PODS, pod["metadata"]["name"], pod["metadata"]["uid"])


def _is_ours(application: Application, live: Manifest) -> bool:
    """Controlled by the Application; or made by this operator for one of its name, and controlled by nobody.

    The latter are volumes, which outlive their Application, and children that were orphaned on purpose.
    """
    if is_controlled(live, application):
        return True
    named = live["metadata"].get("labels", {}).get(APPLICATION_LABEL) == application.metadata.name
    return named and controller(live) is None and bool(owned_fields(live, MANAGER))


def _may_take(application: Application, live: Manifest) -> bool:
    return _is_ours(application, live) or (bool(application.spec.adopt) and controller(live) is None)


def _is_adopted(application: Application, live: Manifest) -> bool:
    """True for a workload that somebody else made: it says so itself once it has been taken over.

    Should somebody take that word away, its selector still tells: it is not ours, and can never become so.
    """
    marked = ADOPTED_ANNOTATION in live["metadata"].get("annotations", {})
    selector = {"matchLabels": selector_labels(application)}
    return marked or not _is_ours(application, live) or live["spec"]["selector"] != selector


def _stalled_plan(application: Application, live: Manifest, now: datetime, going: Course) -> Plan:
    resource = workload_resource(application)
    verdict = replace(
        verdict_of(application, None, current=False),
        obstacle=(Reason.CONFLICT, _conflict(application, resource, live)),
    )
    # With what is known of revisions: without it, what the spec says would count as good once this is over.
    status = status_of(application, verdict, {"matchLabels": selector_labels(application)}, (), now, going=going)
    return Plan(status=status, events=tuple(_announcements(application, status)), blocked=True)


def _conflict(application: Application, resource: Resource, live: Manifest) -> str:
    what = f"{resource.kind} {live['metadata']['name']}"
    owner = controller(live)
    if owner is not None:
        return (
            f"{what} is controlled by {owner['kind']} {owner['name']} (uid {owner['uid']}): wait until it is gone, "
            "delete it, or give the Application another name"
        )
    return (
        f"{what} exists already and was not made for this Application: set spec.adopt to true to take it over, "
        f"delete it, or give the Application another name than {application.metadata.name}"
    )


def _refused(refusal: Refusal) -> Words:
    reason = Reason.QUOTA_EXCEEDED if "exceeded quota" in refusal.message else Reason.REFUSED
    return reason, f"{refusal.resource.kind} {refusal.name} is refused: {refusal.message}"


def _announcements(
    application: Application, status: Mapping[str, Any], *, newly_adopted: bool = False
) -> Iterator[Announcement]:
    """One announcement for each condition that changed in a way worth telling."""
    if newly_adopted:
        name = application.metadata.name
        yield Announcement("Adopted", "Normal", f"took over {application.spec.workload.kind} {name}")
    before = application.status.get("conditions", ())
    for condition in status["conditions"]:
        was, is_ = stated(before, condition["type"]), condition["status"]
        if was == is_ or (condition["type"], was, is_) not in _WORTH_TELLING:
            continue
        yield Announcement(condition["reason"], _WORTH_TELLING[condition["type"], was, is_], condition["message"])


_WORTH_TELLING: Mapping[tuple[str, str | None, str], Literal["Normal", "Warning"]] = {
    ("Ready", None, "True"): "Normal",
    ("Ready", "False", "True"): "Normal",
    ("Stalled", None, "True"): "Warning",
    ("Stalled", "False", "True"): "Warning",
    ("Available", "True", "False"): "Warning",
    ("Suspended", None, "True"): "Normal",
    ("Suspended", "False", "True"): "Normal",
    ("Suspended", "True", "False"): "Normal",
}
