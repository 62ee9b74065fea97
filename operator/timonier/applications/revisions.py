"""Revisions of an Application with spec.upgrade: which one runs, what was made of each, and when another is due. Pure.

A revision is what changes as one: workload, configuration, and the state of the Secrets and ConfigMaps that these refer
to. Numbers of pods and sizes of volumes are none of it. It is kept as a ControllerRevision, whose data never changes;
what the spec asks for always has the highest number. How each came out is read from its Upgrade, which has its name.

The Application's status says which revision is good. Where it does not, as after spec.upgrade was set again, what the
spec says runs and is the good one, whatever there was before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pydantic import ValidationError

from timonier.api.application import Application, Config, Scaling, Workload
from timonier.api.fields import stated_fields
from timonier.api.policies import BackupPolicy, UpgradePolicy
from timonier.api.probes import longest_verdict
from timonier.api.references import APPLICATION_LABEL, GIVEN_UP, REVISION_LABEL
from timonier.api.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, SECRETS, UPGRADES, Resource
from timonier.applications.children import is_controlled, labels, owner_reference
from timonier.applications.reasons import Reason, Words
from timonier.applications.scaling import stated_replicas
from timonier.applications.workload import image_version
from timonier.engine.contract import Manifest
from timonier.runs import story

__all__ = [
    "Beside",
    "Course",
    "Gone",
    "Revision",
    "at_revision",
    "course",
    "held_up",
    "is_held_up",
    "read_revision",
    "references",
    "revision_before",
    "running",
]

_LONGEST_TIMEOUT: Final = 604800
_PATIENCE: Final = 3600
_STATED: Final = ("revision", "failedRevision", "references", "activeRun")

Traffic = Literal["None", "Shared", "All"]

Versions = Mapping[str, str]
"""Of each object that is referred to, such as Secret/keys, its uid and version, where it exists."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision. `mark` is what the pods' template says of it; the first one has that which it found, if any.

    `workload` and `config` are as a spec has them; `policy` is how the change to it was to be carried out; `seen` is in
    which state it found what it refers to.
    """

    name: str
    number: int
    workload: Workload
    config: Config | None
    policy: UpgradePolicy | None
    mark: str | None
    seen: Versions


@dataclass(frozen=True, slots=True)
class Gone:
    """An object whose time is over."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A second workload: `application` is as it has it, `replicas` None means as many pods as the first one.

    `before` is the Application at the revision before, of which there are pods as long as not all have been replaced.
    `mark` goes into its pods' template. `traffic` is which requests to the Application's Service it gets.
    """

    application: Application
    before: Application
    revision: str
    mark: str | None
    replicas: int | None
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Course:
    """What an Application should run at this moment, and what is to be done about its revisions.

    `application` is it as it should run, `revision` the name of what runs (None without spec.upgrade), `mark` goes
    into the pods' template, `hold` names the Upgrade that wants no pod to run, `upgrading` says which is under way,
    `failed` why what is asked for does not run. `coming` is the Application as the present Upgrade wants it, and
    `beside` what that tries beside what runs.

    `create` comes in its order, and before `status` is written into that of the Application; `cancel` is the name of an
    Upgrade.
    """

    application: Application
    revision: str | None = None
    mark: str | None = None
    hold: str | None = None
    upgrading: str | None = None
    failed: Words | None = None
    coming: Application | None = None
    beside: Beside | None = None
    create: tuple[tuple[Resource, Manifest], ...] = ()
    cancel: str | None = None
    drop: tuple[Gone, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)


def references(application: Application) -> frozenset[tuple[Resource, str]]:
    """The Secrets and ConfigMaps that the pods read, whose change is one of the application."""
    return frozenset(_references(application.spec.workload))


def _references(workload: Workload) -> Iterator[tuple[Resource, str]]:
    for value in (stated_fields(variable).get("valueFrom", {}) for variable in workload.env):
        for key, resource in (("secretKeyRef", SECRETS), ("configMapKeyRef", CONFIG_MAPS)):
            if name := value.get(key, {}).get("name"):
                yield resource, name
    for source in map(stated_fields, workload.env_from):
        for key, resource in (("secretRef", SECRETS), ("configMapRef", CONFIG_MAPS)):
            if name := source.get(key, {}).get("name"):
                yield resource, name
    for volume in map(stated_fields, workload.volumes):
        yield from _sources(volume)
        for projected in volume.get("projected", {}).get("sources", ()):
            yield from _sources(projected)


def _sources(volume: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    for key, resource in (("secret", SECRETS), ("configMap", CONFIG_MAPS)):
        source = volume.get(key) or {}
        if name := source.get("secretName") or source.get("name"):
            yield resource, name


def read_revision(manifest: Manifest) -> Revision | None:
    """A ControllerRevision of ours; None when this version of the operator cannot read it."""
    data: Mapping[str, Any] = manifest.get("data") or {}
    try:
        return Revision(
            name=manifest["metadata"]["name"],
            number=int(manifest["revision"]),
            workload=Workload.model_validate(data["workload"]),
            config=Config.model_validate(data["config"]) if data.get("config") else None,
            policy=UpgradePolicy.model_validate(data["policy"]) if "policy" in data else None,
            mark=data.get("mark"),
            seen=dict(data.get("references", {})),
        )
    except (ValidationError, LookupError, ValueError, TypeError):
        return None


def at_revision(application: Application, revision: Revision) -> Application:
    """The Application with that revision's workload and configuration; its volumes keep the sizes that they have.

    Where volumes of that revision are for one pod alone, that is how many there are.
    """
    spec = application.spec
    sizes = {storage.name: storage.size for storage in spec.workload.storage}
    storage = tuple(
        each.model_copy(update={"size": sizes.get(each.name, each.size)}) for each in revision.workload.storage
    )
    workload = revision.workload.model_copy(update={"storage": storage})
    changed: dict[str, Any] = {"workload": workload, "config": revision.config}
    if workload.for_one_pod and (spec.scaling.autoscaling or spec.scaling.replicas > 1):
        changed["scaling"] = Scaling(replicas=1)
    return application.model_copy(update={"spec": spec.model_copy(update=changed)})


def running(application: Application, revisions: Iterable[Manifest], upgrades: Iterable[Manifest]) -> Application:
    """The Application as it runs at this moment, by what its status and its Upgrades say.

    `revisions` and `upgrades` may be those of others as well.
    """
    own = (upgrade for upgrade in upgrades if is_controlled(upgrade, application) and not _is_over(upgrade))
    states = (upgrade.get("status", {}).get("rollout", {}).get("revision") for upgrade in own)
    name = next(filter(None, states), None) or application.status.get("revision")
    named = (each for each in revisions if each["metadata"]["name"] == name and is_controlled(each, application))
    found = next(named, None)
    revision = read_revision(found) if found is not None else None
    return application if revision is None else at_revision(application, revision)


def course(
    application: Application,
    revisions: Sequence[Manifest],
    upgrades: Sequence[Manifest],
    versions: Versions,
    mark: str | None = None,
) -> Course:
    """Decide what runs and what is due.

    `revisions` are all that the Application has, `upgrades` all that are about one of its name, `versions` the state of
    what it refers to, and `mark` is what the template of its pods says of their revision now.
    """
    known = sorted(_known(application, revisions), key=lambda revision: revision.number)
    own = [upgrade for upgrade in upgrades if is_controlled(upgrade, application)]
    active = next((upgrade for upgrade in _by_number(own)[::-1] if not _is_over(upgrade)), None)
    if application.spec.upgrade is None and active is None:
        return Course(application, mark=mark)
    taken = {each["metadata"]["name"] for each in (*revisions, *upgrades)} | {mark or ""}
    top = max((_number(name) for name in taken if name == _name(application, _number(name))), default=0)
    scene = _Scene(application, tuple(known), tuple(own), active, versions, mark, top)
    current, failed = _outcomes(scene)
    decided = _decide(scene, current, failed)
    names = {name for name in (decided.current, decided.failed, decided.newest) if name}
    late = _late(application, known, decided.current, versions)
    return _course(scene, decided, late, tuple(_drops(application, revisions, own, names)))


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a course is decided from. `known` are the revisions that can be read, by number, `top` is the highest number
    that any name has."""

    application: Application
    known: tuple[Revision, ...]
    upgrades: tuple[Manifest, ...]
    active: Manifest | None
    versions: Versions
    mark: str | None
    top: int


def _known(application: Application, revisions: Sequence[Manifest]) -> Iterator[Revision]:
    """The revisions, each with what it has seen of what it refers to: the good one also what came after it was made."""
    for revision in filter(None, map(read_revision, revisions)):
        late = application.status.get("references", {}) if revision.name == application.status.get("revision") else {}
        yield replace(revision, seen={**late, **revision.seen})


def _late(
    application: Application, known: Sequence[Revision], current: str | None, versions: Versions
) -> dict[str, str]:
    """What the good revision had not found when it was made: from when it is there on, its change is one."""
    revision = next((each for each in known if each.name == current), None)
    if revision is None:
        return {}
    before = application.status.get("references", {}) if current == application.status.get("revision") else {}
    return {**before, **{name: version for name, version in versions.items() if name not in revision.seen}}


@dataclass(frozen=True, slots=True)
class _Decided:
    current: str | None
    failed: str | None
    newest: str | None
    create: tuple[tuple[Resource, Manifest], ...] = ()
    begins: str | None = None
    cancel: str | None = None


def _outcomes(scene: _Scene) -> tuple[Revision | None, Revision | None]:
    """The revision that was good last, and a later one that was not."""
    by_name = {revision.name: revision for revision in scene.known}
    status = scene.application.status
    current, failed = by_name.get(status.get("revision", "")), by_name.get(status.get("failedRevision", ""))
    if current is None and scene.active is not None:
        current = by_name.get(scene.active["spec"]["fromRevision"])
    if current is None:
        return None, None
    last = str(status.get("activeRun", "")).removeprefix("upgrade/")
    for upgrade in filter(_is_over, _by_number(scene.upgrades)):
        revision = by_name.get(upgrade["spec"]["toRevision"])
        if revision is None or revision.number <= current.number:
            continue
        if upgrade["status"]["phase"] == "Succeeded":
            current = current if _is_given_up(upgrade) else revision
        elif revision.name == last:  # of an older one it is known already, or it has been left behind since
            failed = revision
    current, failed = _given_up(by_name, scene.upgrades, current, failed)
    lost = by_name.get(last)
    if lost is not None and lost.name not in {upgrade["metadata"]["name"] for upgrade in scene.upgrades}:
        failed = lost  # somebody removed its Upgrade: nobody knows what it did
    return current, failed if failed is not None and failed.number > current.number else None


def _is_given_up(upgrade: Manifest) -> bool:
    return GIVEN_UP in upgrade["metadata"].get("annotations", {})


def _given_up(
    by_name: Mapping[str, Revision], upgrades: Sequence[Manifest], current: Revision, failed: Revision | None
) -> tuple[Revision, Revision | None]:
    """Once recovery has given up what runs, that has failed, and what ran before it is the good one."""
    bad = {upgrade["spec"]["toRevision"] for upgrade in upgrades if _is_given_up(upgrade)}
    if current.name not in bad:
        return current, failed
    before = revision_before(current.name, upgrades)
    good = by_name.get(before) if before else None
    return (good, current) if good is not None else (current, failed)


def revision_before(revision: str, upgrades: Sequence[Manifest]) -> str | None:
    """The name of the revision that an Upgrade replaced by this one; None where there is none."""
    came = (upgrade for upgrade in upgrades if upgrade["spec"]["toRevision"] == revision)
    return next((str(upgrade["spec"]["fromRevision"]) for upgrade in came), None)


def _decide(scene: _Scene, current: Revision | None, failed: Revision | None) -> _Decided:
    newest = scene.known[-1] if scene.known else None
    if current is None or newest is None:
        return _first(scene, newest)
    spec, as_newest = scene.application.spec, _is(scene, newest)
    here = _Decided(current.name, failed.name if failed else None, newest.name)
    if spec.upgrade is None:
        return here
    if scene.active is not None:
        on_its_way = scene.active["spec"]["toRevision"] == newest.name and as_newest
        return (
            here
            if _stays(scene.active, spec.upgrade, on_its_way)
            else replace(here, cancel=scene.active["metadata"]["name"])
        )
    if _is(scene, current):
        return replace(here, failed=None)
    known_bad = as_newest and newest is failed and newest.policy == spec.upgrade and not _lacked(scene, newest)
    if known_bad or stated_replicas(scene.application) == 0:
        return here if as_newest else replace(here, failed=None)  # without a pod, no revision can be found to be good
    begun_before = {upgrade["metadata"]["name"] for upgrade in scene.upgrades}
    return _begin(scene, current, newest, here, again=not as_newest or newest.name in begun_before)


def _lacked(scene: _Scene, failed: Revision) -> bool:
    """Something is there that the revision had not found, which may be why its Upgrade failed."""
    upgrade = next((each for each in scene.upgrades if each["metadata"]["name"] == failed.name), None)
    by_itself = upgrade is not None and upgrade.get("status", {}).get("phase") == "Failed"
    return by_itself and not scene.versions.keys() <= failed.seen.keys()


def _stays(upgrade: Manifest, policy: UpgradePolicy, on_its_way: bool) -> bool:
    """What has touched nothing gives way to what is wanted by now; anything else comes to its end first."""
    return bool(upgrade.get("status", {}).get("rollout")) or (on_its_way and _goes_by(upgrade, policy))


def _goes_by(upgrade: Manifest, policy: UpgradePolicy) -> bool:
    """The Upgrade goes by that policy; one that another version of the operator wrote is not held against it."""
    try:
        return UpgradePolicy.model_validate(upgrade["spec"]["policy"]) == policy
    except ValidationError:
        return True


def _begin(scene: _Scene, current: Revision, newest: Revision, here: _Decided, *, again: bool) -> _Decided:
    """An Upgrade is due: to the newest revision, which has none yet; or to a new one, if `again`."""
    application = scene.application
    if not again:
        return replace(here, failed=None, create=(_upgrade(application, current, newest),), begins=newest.name)
    made = _revision(scene, _name(application, scene.top + 1))
    revision = read_revision(made[1])
    assert revision is not None  # noqa: S101 - it has just been made
    upgrade = _upgrade(application, current, revision)
    return replace(here, failed=None, newest=revision.name, create=(made, upgrade), begins=revision.name)


def _first(scene: _Scene, newest: Revision | None) -> _Decided:
    """Nothing is known to have been good: what the spec says is what there was from the beginning.

    What an Upgrade led to is not taken for it: nobody knows what came after.
    """
    old = {upgrade["spec"]["toRevision"] for upgrade in scene.upgrades}
    if newest is not None and newest.name not in old and newest.number == scene.top and _is(scene, newest):
        return _Decided(newest.name, None, newest.name)  # the status was not written
    made = _revision(scene, scene.mark)
    name = str(made[1]["metadata"]["name"])
    return _Decided(name, None, name, create=(made,))


def _course(scene: _Scene, decided: _Decided, late: Versions, drop: tuple[Gone, ...]) -> Course:
    application, active = scene.application, scene.active
    by_name = {revision.name: revision for revision in scene.known}
    rollout: Mapping[str, Any] = (active or {}).get("status", {}).get("rollout") or {}
    runs = by_name.get(rollout.get("revision") or decided.current or "")
    # On the way back nothing new is claimed: what is refused would keep all from going on.
    forward = active is not None and rollout.get("suspended") and not story.has_failed(active["status"])
    coming = by_name.get(active["spec"]["toRevision"]) if active and forward else None
    run = active["metadata"]["name"] if active else decided.begins
    status: dict[str, Any] = {"revision": decided.current, "failedRevision": decided.failed, "references": late}
    status |= {"activeRun": f"upgrade/{run}" if run else None}
    return Course(
        application=at_revision(application, runs) if runs else application,
        revision=runs.name if runs else decided.current,
        mark=runs.mark if runs else scene.mark,
        hold=f"upgrade {run}" if rollout.get("suspended") else None,
        upgrading=_told(run, active) if run else None,
        failed=_failure(decided.failed),
        coming=at_revision(application, coming) if coming else None,
        beside=_beside(scene, rollout.get("beside"), by_name),
        create=decided.create,
        cancel=decided.cancel,
        drop=drop,
        status={name: value for name, value in status.items() if value},
    )


def _beside(scene: _Scene, stated: Mapping[str, Any] | None, by_name: Mapping[str, Revision]) -> Beside | None:
    revision = by_name.get(stated["revision"]) if stated else None
    if stated is None or revision is None or scene.active is None:
        return None
    old = by_name.get(scene.active["spec"]["fromRevision"])
    there = at_revision(scene.application, revision)
    before = at_revision(scene.application, old) if old else there
    return Beside(there, before, revision.name, revision.mark, stated.get("replicas"), stated["traffic"])


def held_up(application: Application, going: Course, why: str) -> Course:
    """The course while what it asks for cannot be made: all stays as it is, and the status says why."""
    before = {name: application.status[name] for name in _STATED if name in application.status}
    return replace(going, failed=(Reason.REFUSED, why), upgrading=None, cancel=None, drop=(), status=before)


def is_held_up(going: Course) -> bool:
    """What it asks for cannot be made, and no watch may tell when it can."""
    return going.failed is not None and going.failed[0] is Reason.REFUSED


def _told(run: str, active: Manifest | None) -> str:
    step = (active or {}).get("status", {}).get("step")
    return f"the upgrade {run} is under way" + (f", in step {step}" if step else "")


def _failure(failed: str | None) -> Words | None:
    if failed is None:
        return None
    return Reason.UPGRADE_FAILED, (
        f"the revision {failed}, which the spec asks for, failed or was cancelled, and does not run: kubectl describe "
        f"upgrade {failed} tells why; it is tried again when the workload, the configuration or spec.upgrade changes"
    )


def _is(scene: _Scene, revision: Revision) -> bool:
    """The revision is what the spec asks for, with everything it refers to as it is now."""
    spec, versions = scene.application.spec, scene.versions
    same = _content(spec.workload, spec.config) == _content(revision.workload, revision.config)
    return same and all(revision.seen.get(name, version) == version for name, version in versions.items())


def _content(workload: Workload, config: Config | None) -> tuple[Any, Any]:
    # Whole, with all defaults: those that a later version of the operator brings make no revision another one.
    dumped = workload.model_dump(mode="json", exclude_none=True)
    dumped["storage"] = [{**each, "size": None} for each in dumped.get("storage", ())]
    return dumped, config.model_dump(mode="json", exclude_none=True) if config else None


def _revision(scene: _Scene, mark: str | None) -> tuple[Resource, dict[str, Any]]:
    application, spec, number = scene.application, scene.application.spec, scene.top + 1
    data = {
        "workload": stated_fields(spec.workload),
        "config": stated_fields(spec.config) or None,
        "policy": stated_fields(spec.upgrade),
        "mark": mark,
        "references": dict(scene.versions) or None,
    }
    name = _name(application, number)
    manifest = {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": {
            "namespace": application.metadata.namespace,
            "name": name,
            "labels": {**labels(application), REVISION_LABEL: name},
            "ownerReferences": [owner_reference(application)],
        },
        "revision": number,
        "data": {name: value for name, value in data.items() if value is not None},
    }
    return CONTROLLER_REVISIONS, manifest


def _upgrade(application: Application, current: Revision, revision: Revision) -> tuple[Resource, dict[str, Any]]:
    policy = application.spec.upgrade or UpgradePolicy()
    manifest = {
        "apiVersion": UPGRADES.api_version,
        "kind": UPGRADES.kind,
        "metadata": {
            "namespace": application.metadata.namespace,
            "name": revision.name,
            "labels": {APPLICATION_LABEL: application.metadata.name},
            "ownerReferences": [owner_reference(application)],
        },
        "spec": {
            "targetRef": {"name": application.metadata.name},
            "fromRevision": current.name,
            "toRevision": revision.name,
            "fromVersion": image_version(current.workload.image),
            "toVersion": image_version(revision.workload.image),
            "policy": stated_fields(policy),
            "timeoutSeconds": _timeout(policy, application.spec.backup),
        },
    }
    return UPGRADES, manifest


def _timeout(policy: UpgradePolicy, backup: BackupPolicy | None) -> int:
    """Seconds within which any Upgrade by this policy ends; a person may take a week."""
    if policy.approval == "Manual":
        return _LONGEST_TIMEOUT
    backing_up = backup.timeout_seconds if backup and policy.backup_before != "Never" else 0
    migrating = sum(each.timeout_seconds * (each.backoff_limit + 1) for each in policy.migrations)
    probing = sum(map(longest_verdict, policy.verify))
    stops = policy.quiesce or policy.strategy == "Recreate"
    tried = len(policy.canary) + (2 if policy.strategy == "BlueGreen" else 0)
    rolling = policy.progress_deadline_seconds * (tried + (2 if stops else 1)) + policy.bake_seconds
    rolling += sum(step.seconds for step in policy.canary)
    return min(_PATIENCE + backing_up + migrating + probing + rolling, _LONGEST_TIMEOUT)


def _name(application: Application, number: int) -> str:
    return f"{application.metadata.name}-{number}"


def _by_number(upgrades: Sequence[Manifest]) -> list[Manifest]:
    return sorted(upgrades, key=lambda upgrade: _number(upgrade["spec"]["toRevision"]))


def _number(name: str) -> int:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _is_over(upgrade: Manifest) -> bool:
    return story.is_over(upgrade.get("status", {}))


def _drops(
    application: Application, revisions: Sequence[Manifest], upgrades: Sequence[Manifest], names: set[str]
) -> Iterator[Gone]:
    """Ended Upgrades beyond the limit, and the revisions that are of none any more."""
    policy = application.spec.upgrade
    if policy is None:
        return
    over = [upgrade for upgrade in _by_number(upgrades) if _is_over(upgrade)]
    old = over[: max(0, len(over) - policy.revision_history_limit)]
    kept = [upgrade for upgrade in upgrades if upgrade not in old]
    names |= {upgrade["spec"][end] for upgrade in kept for end in ("fromRevision", "toRevision")}
    for resource, manifests in ((UPGRADES, old), (CONTROLLER_REVISIONS, revisions)):
        for found in manifests:
            metadata = found["metadata"]
            unused = resource == UPGRADES or metadata["name"] not in names
            if unused and "deletionTimestamp" not in metadata:
                yield Gone(resource, metadata["name"], metadata["uid"])
