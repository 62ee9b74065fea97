"""Revisions of an Application with spec.upgrade: which one runs, what was made of each, and when another is due. Pure.

A revision is what changes as one: workload, configuration, and the state of the Secrets and ConfigMaps that these refer
to. Numbers of pods and sizes of volumes are none of it. It is kept as a ControllerRevision, whose data never changes;
what the spec asks for always has the highest number. How each came out is read from its Upgrade, which has its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from timonier.api.application import Application, Config, Workload
from timonier.api.fields import stated_fields
from timonier.api.policies import UpgradePolicy
from timonier.api.references import APPLICATION_LABEL, GIVEN_UP, REVISION_LABEL
from timonier.api.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, SECRETS, UPGRADES, Resource
from timonier.applications.children import fingerprint, labels, owner_reference
from timonier.applications.reasons import Reason, Words
from timonier.applications.workload import image_version
from timonier.engine.contract import Manifest

__all__ = [
    "Course",
    "Gone",
    "Revision",
    "at_revision",
    "course",
    "read_revision",
    "references",
    "revision_before",
]

_TERMINAL: Final = frozenset({"Succeeded", "Failed", "Cancelled"})
_LONGEST_TIMEOUT: Final = 604800
_PATIENCE: Final = 3600

Versions = Mapping[str, str]
"""Of each object that is referred to, such as Secret/keys, its uid and version, where it exists."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision. `restart` stands for the state of what it refers to, in the pods' template, where that matters.

    `workload` and `config` are as a spec has them; `policy` is how the change to it was to be carried out; `seen` is in
    which state it found what it refers to.
    """

    name: str
    number: int
    workload: Workload
    config: Config | None
    policy: UpgradePolicy | None
    restart: str | None
    seen: Versions


@dataclass(frozen=True, slots=True)
class Gone:
    """An object whose time is over."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Course:
    """What an Application should run at this moment, and what is to be done about its revisions.

    `application` is it as it should run, `revision` the name of what runs (None without spec.upgrade), `restart` goes
    into the pods' template, `hold` names the Upgrade that wants no pod to run, `upgrading` says which is under way,
    `failed` why what is asked for does not run. `create` comes in its order, and before `status` is written into that
    of the Application; `cancel` is the name of an Upgrade.
    """

    application: Application
    revision: str | None = None
    restart: str | None = None
    hold: str | None = None
    upgrading: str | None = None
    failed: Words | None = None
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
            restart=data.get("restart"),
            seen=dict(data.get("references", {})),
        )
    except (ValidationError, LookupError, ValueError, TypeError):
        return None


def at_revision(application: Application, revision: Revision) -> Application:
    """The Application with that revision's workload and configuration; its volumes keep the sizes that they have."""
    sizes = {storage.name: storage.size for storage in application.spec.workload.storage}
    storage = tuple(
        each.model_copy(update={"size": sizes.get(each.name, each.size)}) for each in revision.workload.storage
    )
    changed = {"workload": revision.workload.model_copy(update={"storage": storage}), "config": revision.config}
    return application.model_copy(update={"spec": application.spec.model_copy(update=changed)})


def course(
    application: Application, revisions: Sequence[Manifest], upgrades: Sequence[Manifest], versions: Versions
) -> Course:
    """Decide what runs and what is due.

    `revisions` and `upgrades` are all that the Application has, `versions` the state of what it refers to.
    """
    known = sorted(_known(application, revisions), key=lambda revision: revision.number)
    active = next((upgrade for upgrade in _by_number(upgrades)[::-1] if not _is_over(upgrade)), None)
    if application.spec.upgrade is None and active is None:
        return Course(application)
    current, failed = _outcomes(application, known, upgrades)
    decided = _decide(application, known, upgrades, active, current, failed, versions)
    names = {name for name in (decided.current, decided.failed, decided.newest) if name}
    late = _late(application, known, decided.current, versions)
    return _course(application, known, active, decided, late, tuple(_drops(application, revisions, upgrades, names)))


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


def _outcomes(
    application: Application, known: Sequence[Revision], upgrades: Sequence[Manifest]
) -> tuple[Revision | None, Revision | None]:
    """The revision that was good last, and a later one that was not."""
    by_name = {revision.name: revision for revision in known}
    status = application.status
    current, failed = by_name.get(status.get("revision", "")), by_name.get(status.get("failedRevision", ""))
    last = str(status.get("activeRun", "")).removeprefix("upgrade/")
    for upgrade in filter(_is_over, _by_number(upgrades)):
        revision = by_name.get(upgrade["spec"]["toRevision"])
        if revision is None or (current is not None and revision.number <= current.number):
            continue
        if upgrade["status"]["phase"] == "Succeeded":
            current = current if _is_given_up(upgrade) else revision
        elif revision.name == last:  # of an older one it is known already, or it has been left behind since
            failed = revision
    current, failed = _given_up(by_name, upgrades, current, failed)
    lost = by_name.get(last)
    if lost is not None and lost.name not in {upgrade["metadata"]["name"] for upgrade in upgrades}:
        failed = lost  # somebody removed its Upgrade: nobody knows what it did
    if current is None or (failed is not None and failed.number <= current.number):
        failed = None
    return current, failed


def _is_given_up(upgrade: Manifest) -> bool:
    return GIVEN_UP in upgrade["metadata"].get("annotations", {})


def _given_up(
    by_name: Mapping[str, Revision],
    upgrades: Sequence[Manifest],
    current: Revision | None,
    failed: Revision | None,
) -> tuple[Revision | None, Revision | None]:
    """Once recovery has given up what runs, that has failed, and what ran before it is the good one."""
    bad = {upgrade["spec"]["toRevision"] for upgrade in upgrades if _is_given_up(upgrade)}
    if current is None or current.name not in bad:
        return current, failed
    before = revision_before(current.name, upgrades)
    good = by_name.get(before) if before else None
    return (good, current) if good is not None else (current, failed)


def revision_before(revision: str, upgrades: Sequence[Manifest]) -> str | None:
    """The name of the revision that an Upgrade replaced by this one; None where there is none."""
    came = (upgrade for upgrade in upgrades if upgrade["spec"]["toRevision"] == revision)
    return next((str(upgrade["spec"]["fromRevision"]) for upgrade in came), None)


def _decide(
    application: Application,
    known: Sequence[Revision],
    upgrades: Sequence[Manifest],
    active: Manifest | None,
    current: Revision | None,
    failed: Revision | None,
    versions: Versions,
) -> _Decided:
    newest = known[-1] if known else None
    if current is None:
        return _first(application, newest, versions)
    assert newest is not None  # noqa: S101 - `current` is one of them
    policy = application.spec.upgrade
    as_newest = _is(application, newest, versions)
    here = _Decided(current.name, failed.name if failed else None, newest.name)
    if policy is None or (active is not None and active["spec"]["toRevision"] == newest.name and as_newest):
        return here  # it is on its way
    if active is not None:
        # What has touched nothing gives way; anything else comes to its end first.
        begun = bool(active.get("status", {}).get("rollout"))
        return here if begun else replace(here, cancel=active["metadata"]["name"])
    if _is(application, current, versions):
        return replace(here, failed=None)
    if as_newest and newest is failed and newest.policy == policy:
        return here
    begun_before = {upgrade["metadata"]["name"] for upgrade in upgrades}
    return _begin(application, current, newest, here, versions, again=not as_newest or newest.name in begun_before)


def _begin(
    application: Application, current: Revision, newest: Revision, here: _Decided, versions: Versions, *, again: bool
) -> _Decided:
    """An Upgrade is due: to the newest revision, which has none yet; or to a new one, if `again`."""
    if not again:
        return replace(here, failed=None, create=(_upgrade(application, current, newest),), begins=newest.name)
    made = _revision(application, newest.number + 1, _restart(current, versions), versions)
    revision = read_revision(made[1])
    assert revision is not None  # noqa: S101 - it has just been made
    upgrade = _upgrade(application, current, revision)
    return replace(here, failed=None, newest=revision.name, create=(made, upgrade), begins=revision.name)


def _first(application: Application, newest: Revision | None, versions: Versions) -> _Decided:
    """Nothing is known to have been good: what the spec says is what there was from the beginning."""
    if newest is not None and _is(application, newest, versions):
        return _Decided(newest.name, None, newest.name)
    made = _revision(application, newest.number + 1 if newest else 1, None, versions)
    name = str(made[1]["metadata"]["name"])
    return _Decided(name, None, name, create=(made,))


def _course(
    application: Application,
    known: Sequence[Revision],
    active: Manifest | None,
    decided: _Decided,
    late: Versions,
    drop: tuple[Gone, ...],
) -> Course:
    by_name = {revision.name: revision for revision in known}
    rollout: Mapping[str, Any] = (active or {}).get("status", {}).get("rollout") or {}
    runs = by_name.get(rollout.get("revision") or decided.current or "")
    run = active["metadata"]["name"] if active else decided.begins
    status: dict[str, Any] = {"revision": decided.current, "failedRevision": decided.failed, "references": late}
    status |= {"activeRun": f"upgrade/{run}" if run else None}
    return Course(
        application=at_revision(application, runs) if runs else application,
        revision=runs.name if runs else decided.current,
        restart=runs.restart if runs else None,
        hold=f"upgrade {run}" if rollout.get("suspended") else None,
        upgrading=_told(run, active) if run else None,
        failed=_failure(decided.failed),
        create=decided.create,
        cancel=decided.cancel,
        drop=drop,
        status={name: value for name, value in status.items() if value},
    )


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


def _is(application: Application, revision: Revision, versions: Versions) -> bool:
    """The revision is what the spec asks for, with everything it refers to as it is now."""
    same = _content(application.spec.workload, application.spec.config) == _content(revision.workload, revision.config)
    return same and all(revision.seen.get(name, version) == version for name, version in versions.items())


def _content(workload: Workload, config: Config | None) -> tuple[Any, Any]:
    # Whole, with all defaults: those that a later version of the operator brings make no revision another one.
    dumped = workload.model_dump(mode="json", exclude_none=True)
    dumped["storage"] = [{**each, "size": None} for each in dumped.get("storage", ())]
    return dumped, config.model_dump(mode="json", exclude_none=True) if config else None


def _restart(current: Revision, versions: Versions) -> str | None:
    changed = any(current.seen.get(name, version) != version for name, version in versions.items())
    return fingerprint(dict(versions)) if changed else current.restart


def _revision(
    application: Application, number: int, restart: str | None, versions: Versions
) -> tuple[Resource, dict[str, Any]]:
    spec = application.spec
    data = {
        "workload": stated_fields(spec.workload),
        "config": stated_fields(spec.config) or None,
        "policy": stated_fields(spec.upgrade),
        "restart": restart,
        "references": dict(versions) or None,
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
            "timeoutSeconds": _timeout(policy),
        },
    }
    return UPGRADES, manifest


def _timeout(policy: UpgradePolicy) -> int:
    """Seconds within which any Upgrade by this policy ends; a person may take a week."""
    if policy.approval == "Manual":
        return _LONGEST_TIMEOUT
    migrating = sum(each.timeout_seconds * (each.backoff_limit + 1) for each in policy.migrations)
    probing = sum(probe.timeout_seconds * probe.failure_threshold for probe in policy.verify)
    rolling = policy.progress_deadline_seconds + policy.bake_seconds
    return min(_PATIENCE + migrating + probing + rolling, _LONGEST_TIMEOUT)


def _name(application: Application, number: int) -> str:
    return f"{application.metadata.name}-{number}"


def _by_number(upgrades: Sequence[Manifest]) -> list[Manifest]:
    return sorted(upgrades, key=lambda upgrade: _number(upgrade["spec"]["toRevision"]))


def _number(name: str) -> int:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _is_over(upgrade: Manifest) -> bool:
    return upgrade.get("status", {}).get("phase") in _TERMINAL


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
