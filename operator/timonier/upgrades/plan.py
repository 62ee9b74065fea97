"""How one Upgrade goes: its steps, what keeps it from beginning, and the way back. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, get_args

from timonier.api.application import Application
from timonier.api.backup_store import BackupStore
from timonier.api.moments import stamp
from timonier.api.policies import Migration
from timonier.api.probes import Probe
from timonier.api.runs import StepStatus
from timonier.api.upgrade import RollbackReason, Upgrade
from timonier.applications.children import ADOPTED_ANNOTATION, is_controlled
from timonier.applications.exposure import unshared_port
from timonier.applications.revisions import Revision
from timonier.applications.scaling import stated_replicas
from timonier.backups.access import unready
from timonier.engine.contract import Manifest
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason, Words
from timonier.runs.steps import APPROVE, PAUSE, Steps
from timonier.runs.turn import Hold, Record, Run, StepPlan, When, steps_of
from timonier.upgrades.data import backup_name

__all__ = [
    "APPROVE",
    "BACKUP",
    "BAKE",
    "CANARY",
    "MIGRATE",
    "PAUSE",
    "PREFLIGHT",
    "PREVIEW",
    "PROMOTE",
    "QUIESCE",
    "RECOVER",
    "RESTORE_DATA",
    "ROLLBACK",
    "ROLLOUT",
    "SWITCH",
    "UNDO",
    "VERIFY",
    "WITHDRAW",
    "WITH_PODS",
    "Surroundings",
    "approved",
    "at_stake",
    "bake_seconds",
    "beside_taken",
    "forbidden",
    "kind_of",
    "migration_of",
    "obstacle",
    "paused",
    "probe_of",
    "record_of",
    "run_of",
    "store_ready",
]

PREFLIGHT: Final = "Preflight"
BACKUP: Final = "Backup"
QUIESCE: Final = "Quiesce"
MIGRATE: Final = "Migrate"
PREVIEW: Final = "Preview"
CANARY: Final = "Canary"
SWITCH: Final = "Switch"
ROLLOUT: Final = "Rollout"
PROMOTE: Final = "Promote"
VERIFY: Final = "Verify"
BAKE: Final = "Bake"
WITHDRAW: Final = "Withdraw"
ROLLBACK: Final = "Rollback"
UNDO: Final = "Undo"
RESTORE_DATA: Final = "RestoreData"
RECOVER: Final = "Recover"

APPROVE_ANNOTATION: Final = "timonier.dev/approve"
ROLLBACK_ANNOTATION: Final = "timonier.dev/rollback"

_UNDO_RETRIES: Final = 3
_BACK: Final = frozenset({WITHDRAW, ROLLBACK, UNDO, RESTORE_DATA})
# The first that needs pods of the new revision is one of these.
WITH_PODS: Final = frozenset({CANARY, PREVIEW, ROLLOUT})
_REASONS: Final[frozenset[str]] = frozenset(get_args(RollbackReason))
_BY_STEP: Final[Mapping[str, RollbackReason]] = {
    PREFLIGHT: "PreflightFailed",
    BACKUP: "BackupFailed",
    QUIESCE: "ProgressDeadlineExceeded",
    MIGRATE: "MigrationFailed",
    PREVIEW: "ProgressDeadlineExceeded",
    CANARY: "ProgressDeadlineExceeded",
    SWITCH: "ProgressDeadlineExceeded",
    ROLLOUT: "ProgressDeadlineExceeded",
    PROMOTE: "ProgressDeadlineExceeded",
    VERIFY: "VerificationFailed",
    BAKE: "BakeFailed",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an Upgrade depends on: the Application, both revisions, and which other run of it is under way."""

    application: Application | None
    before: Revision | None = None
    after: Revision | None = None
    rival: str | None = None


def obstacle(upgrade: Upgrade, around: Surroundings) -> Words | None:
    """Why it cannot begin now; None when it can."""
    name = upgrade.spec.target_ref.name
    if around.application is None:
        return Reason.APPLICATION_NOT_FOUND, f"there is no Application {name} in this namespace"
    owners = {owner.get("uid") for owner in upgrade.metadata.owner_references if owner.get("controller")}
    if around.application.metadata.uid not in owners:
        return Reason.NOT_SUPPORTED, f"it is not of the Application {name}: change that, and its Upgrade is made"
    for revision, stated in ((around.before, upgrade.spec.from_revision), (around.after, upgrade.spec.to_revision)):
        if revision is None:
            return Reason.REVISION_NOT_FOUND, f"there is no revision {stated} of {name} that this version can read"
    if around.rival:
        return Reason.ANOTHER_RUN, f"{around.rival} of the same Application is under way, and comes first"
    return None


def run_of(
    upgrade: Upgrade,
    application: Application | None,
    now: datetime,
    news: Mapping[str, Any] = MappingProxyType({}),
    *,
    before: Revision | None = None,
    rival: str | None = None,
) -> Run:
    """The Upgrade as a run with its steps. Once it has begun, whether it backs up first is what its status says.

    `news` is what has been seen that its status does not say yet, `before` the revision from before. While no pod is
    asked for, no revision is rolled out or found to be good or bad; what began meanwhile, the `rival`, ends first.
    """
    metadata = upgrade.metadata
    seen = upgrade.model_copy(update={"status": {**upgrade.status, **news}})
    plans = tuple(_steps(seen, backs_up=_backs_up(seen, application, before), now=now))
    return Run(
        what=f"upgrade of {upgrade.spec.target_ref.name} to {upgrade.spec.to_revision}",
        generation=metadata.generation,
        created=metadata.creation_timestamp,
        spec=upgrade.spec,
        status=upgrade.status,
        plans=plans,
        news=news,
        blame=_blame,
        hold=_hold(upgrade, application, plans, rival),
    )


def _hold(
    upgrade: Upgrade, application: Application | None, plans: Sequence[StepPlan], rival: str | None
) -> Hold | None:
    """What has touched nothing yet does not begin to; anything else goes on until pods are to tell how it is."""
    if application is not None and stated_replicas(application) == 0:
        why = "the Application is suspended" if application.spec.suspend else "no pods are asked for"
        why = f"{why}: nothing would tell whether the new revision is well"
    elif rival is not None and "heldTime" in upgrade.status:
        why = f"{rival} of the same Application is under way, and comes first"
    else:
        return None
    again = next(plan.name for plan in plans if kind_of(plan.name) in WITH_PODS)
    if not upgrade.status.get("startTime"):
        return Hold(why, None, again)
    touches = (plan.name for plan in plans if plan.name not in (PREFLIGHT, APPROVE))
    return Hold(why, again if "rollout" in upgrade.status else next(touches), again)


def _backs_up(upgrade: Upgrade, application: Application | None, before: Revision | None) -> bool:
    begun = steps_of(upgrade.status)
    if begun:
        return any(step.name == BACKUP for step in begun)
    policy = upgrade.spec.policy
    wanted = "Always" if policy.rollback_data == "RestoreBackup" else policy.backup_before
    return wanted == "Always" or (wanted == "Auto" and application is not None and _has_data(application, before))


def _has_data(application: Application, before: Revision | None) -> bool:
    """There is something that spec.backup is about, in the revision before."""
    policy = application.spec.backup
    return policy is not None and (policy.method == "Command" or before is None or bool(before.workload.storage))


def _steps(upgrade: Upgrade, *, backs_up: bool, now: datetime) -> Iterator[StepPlan]:
    spec, policy = upgrade.spec, upgrade.spec.policy
    stops = policy.quiesce or policy.strategy == "Recreate"
    before = {"revision": spec.from_revision}
    still = before | ({"suspended": True} if stops else {})
    yield StepPlan(PREFLIGHT)
    if policy.approval == "Manual":
        yield StepPlan(APPROVE)  # before the backup, which would be old by the time that somebody has approved
    if backs_up:
        yield StepPlan(BACKUP, mark={"backup": backup_name(upgrade)})
    if stops:
        yield StepPlan(QUIESCE, mark={"rollout": still, "downtime": {"start": stamp(now)}})
    for migration in policy.migrations:
        yield StepPlan(f"{MIGRATE}/{migration.name}", mark={"rollout": still}, retries=migration.backoff_limit)
    way = {"BlueGreen": _blue_green, "Canary": _canary}.get(policy.strategy, _in_place)
    yield from way(upgrade, now)
    yield from _way_back(upgrade, stops=stops)


def _in_place(upgrade: Upgrade, now: datetime) -> Iterator[StepPlan]:
    yield StepPlan(ROLLOUT, mark={"rollout": {"revision": upgrade.spec.to_revision}})
    yield from _verifies(upgrade)
    yield from _bakes(BAKE, upgrade.spec.policy.bake_seconds, now)


def _blue_green(upgrade: Upgrade, now: datetime) -> Iterator[StepPlan]:
    """All pods of the new revision beside the old ones, which serve until those are known to be good.

    As long as the new ones serve, the old ones are still there: going back takes no longer than leading there did.
    """
    spec = upgrade.spec
    before, after = {"revision": spec.from_revision}, {"revision": spec.to_revision}
    unseen, serving = {"beside": after | {"traffic": "None"}}, {"beside": after | {"traffic": "All"}}
    yield StepPlan(PREVIEW, mark={"rollout": before | unseen})
    yield from _verifies(upgrade)
    yield StepPlan(SWITCH, mark={"rollout": before | serving})
    yield from _bakes(BAKE, spec.policy.bake_seconds, now)
    yield StepPlan(ROLLOUT, mark={"rollout": after | serving})
    yield StepPlan(PROMOTE, mark={"rollout": after | unseen})


def _canary(upgrade: Upgrade, now: datetime) -> Iterator[StepPlan]:
    """More and more pods of the new revision beside the old ones, each time for a while."""
    spec = upgrade.spec
    before, after = {"revision": spec.from_revision}, {"revision": spec.to_revision}
    beside: dict[str, Any] = {}
    for number, tried in enumerate(spec.policy.canary, 1):
        beside = {"beside": after | {"replicas": tried.replicas, "traffic": "Shared"}}
        yield StepPlan(f"{CANARY}/{number}", mark={"rollout": before | beside})
        if number == 1:
            yield from _verifies(upgrade)
        yield from _bakes(f"{BAKE}/{number}", tried.seconds, now)
    yield StepPlan(ROLLOUT, mark={"rollout": after | beside})
    yield from _bakes(BAKE, spec.policy.bake_seconds, now)


def _verifies(upgrade: Upgrade) -> Iterator[StepPlan]:
    for probe in upgrade.spec.policy.verify:
        yield StepPlan(f"{VERIFY}/{probe.name}")


def _bakes(name: str, seconds: int, now: datetime) -> Iterator[StepPlan]:
    if seconds:
        yield StepPlan(name, mark={"bakeUntil": stamp(now + timedelta(seconds=seconds))})


def bake_seconds(upgrade: Upgrade, step: str) -> int:
    """For how long a step watches: after the whole rollout, or so many pods of a canary."""
    number = step.partition("/")[2]
    policy = upgrade.spec.policy
    return policy.canary[int(number) - 1].seconds if number else policy.bake_seconds


def _way_back(upgrade: Upgrade, *, stops: bool) -> Iterator[StepPlan]:
    """Pods first, then data: as on the way there, the old version runs with the new data and never the other way round.

    Only what has been touched is undone; where all pods were stopped for the migrations, they are for undoing them.
    """
    policy, status = upgrade.spec.policy, upgrade.status
    before = {"revision": upgrade.spec.from_revision}
    begun = {step.name for step in steps_of(status) if step.attempts}
    touched = "rollout" in status
    # The data of a version that nothing but itself has worked on is as good as the backup, and newer.
    changed = bool(status.get("backup")) and (status.get("hasRun") or any(kind_of(name) == MIGRATE for name in begun))
    undoes = policy.rollback_data == "Command"
    # A migration that failed may still be ending; one that succeeded is known to have ended.
    migrating = ROLLOUT not in begun and any(kind_of(name) == MIGRATE for name in begun)
    if policy.on_failure == "Pause":
        yield StepPlan(PAUSE, "Failure" if touched else "Never")
    # Recreate is for versions that must not run beside one another, whichever comes after which.
    apart = policy.strategy == "Recreate" and ROLLOUT in begun
    none_run = stops and (migrating or apart or (undoes and at_stake(upgrade)))
    still = before | ({"suspended": True} if none_run else {})
    if policy.strategy == "BlueGreen":
        # What serves is not taken away before requests have found their way back.
        unseen = before | {"beside": {"revision": upgrade.spec.to_revision, "traffic": "None"}}
        yield StepPlan(WITHDRAW, "Failure" if SWITCH in begun else "Never", {"rollout": unseen})
    yield StepPlan(ROLLBACK, "Failure" if touched else "Never", {"rollout": still})
    for migration in reversed(policy.migrations):
        if undoes and migration.down_command:
            when: When = "Failure" if f"{MIGRATE}/{migration.name}" in begun else "Never"
            yield StepPlan(f"{UNDO}/{migration.name}", when, retries=_UNDO_RETRIES)
    if policy.rollback_data == "RestoreBackup":
        yield StepPlan(RESTORE_DATA, "Failure" if changed else "Never", {"rollout": before})
    yield StepPlan(RECOVER, "Failure" if touched else "Never", {"rollout": before})


def at_stake(upgrade: Upgrade) -> bool:
    """Whether data is undone on the way back, or would be if a pod of the new revision began to run now."""
    policy, begun = upgrade.spec.policy, {step.name for step in steps_of(upgrade.status) if step.attempts}
    if policy.rollback_data == "Command":
        return any(each.down_command and f"{MIGRATE}/{each.name}" in begun for each in policy.migrations)
    return policy.rollback_data == "RestoreBackup" and bool(upgrade.status.get("backup"))


def _blame(step: str | None, words: Words, now: datetime) -> Mapping[str, Any]:
    reason = str(words[0])
    if reason not in _REASONS and step is not None:
        reason = _BY_STEP.get(kind_of(step), reason)
    return {"detectedTime": stamp(now)} | ({"rollbackReason": reason} if reason in _REASONS else {})


def record_of(upgrade: Upgrade, now: datetime) -> Record:
    """For `turn`: what a step that ended well adds to the status."""

    def record(step: StepStatus, _result: Mapping[str, Any], steps: Steps) -> Mapping[str, Any]:
        undone = not any(each.state == "Failed" for each in steps if kind_of(each.name) in _BACK)
        added: dict[str, Any] = {"rolledBack": True} if step.name == RECOVER and undone else {}
        downtime = upgrade.status.get("downtime")
        if step.name in (ROLLOUT, RECOVER) and downtime and "end" not in downtime:
            added["downtime"] = {**downtime, "end": stamp(now)}
        return added

    return record


def kind_of(step: str) -> str:
    """Which kind of step it is.

    >>> kind_of("Migrate/schema")
    'Migrate'
    """
    return step.partition("/")[0]


def migration_of(upgrade: Upgrade, step: str) -> Migration | None:
    """The migration that a step does, or undoes."""
    name = step.partition("/")[2]
    return next((migration for migration in upgrade.spec.policy.migrations if migration.name == name), None)


def probe_of(upgrade: Upgrade, step: str) -> Probe | None:
    """The probe that a step tries."""
    name = step.partition("/")[2]
    return next((probe for probe in upgrade.spec.policy.verify if probe.name == name), None)


def approved(upgrade: Upgrade) -> Progress | Outcome:
    """Whether a person has let it go on."""
    if upgrade.metadata.annotations.get(APPROVE_ANNOTATION) == "true":
        return Outcome()
    name = upgrade.metadata.name
    return Progress(f"it waits for approval: kubectl annotate upgrade {name} {APPROVE_ANNOTATION}=true")


def forbidden(upgrade: Upgrade, step: str) -> Outcome | None:
    """Why data is not to be undone: where the pods could not be rolled back, they may be at work on it."""
    steps = {found.name: found.state for found in steps_of(upgrade.status)}
    if kind_of(step) not in (UNDO, RESTORE_DATA) or steps.get(ROLLBACK) != "Failed":
        return None
    return Outcome(Reason.NOT_READY, "the data stays as it is, as the pods could not be rolled back")


def paused(upgrade: Upgrade) -> Progress | Outcome:
    """Whether a person has had enough of looking at what failed."""
    if upgrade.spec.cancel or upgrade.metadata.annotations.get(ROLLBACK_ANNOTATION) == "true":
        return Outcome()
    name = upgrade.metadata.name
    return Progress(f"it is left as it is until: kubectl annotate upgrade {name} {ROLLBACK_ANNOTATION}=true")


def beside_taken(
    application: Application, before: Application, workload: Manifest | None, found: Sequence[Manifest], strategy: str
) -> Outcome | None:
    """Why no second workload can be beside the Application's own, which is `workload`; None when it can.

    `application` is it at the new revision, `before` at the one before, `found` what has the names already.
    """
    annotations: Mapping[str, str] = (workload or {"metadata": {}})["metadata"].get("annotations", {})
    if ADOPTED_ANNOTATION in annotations:
        return Outcome(Reason.PREFLIGHT_FAILED, "nothing is tried beside a workload that was taken over: use Rolling")
    if application.spec.workload.kind != "Deployment" or application.spec.workload.for_one_pod:
        return Outcome(Reason.PREFLIGHT_FAILED, "its volumes cannot be shared by two versions: use Rolling or Recreate")
    port = unshared_port(before, application) if strategy == "Canary" else None
    if port is not None:
        told = f"the new version has no port {port.name} and none of its number: no Service could lead to both"
        return Outcome(Reason.PREFLIGHT_FAILED, f"{told}: use BlueGreen or Rolling")
    other = next((each for each in found if not is_controlled(each, application)), None)
    if other is None:
        return None
    told = f"{other['kind']} {other['metadata']['name']} exists already, and is not of this Application"
    return Outcome(Reason.PREFLIGHT_FAILED, f"{told}: rename it, or use Rolling")


def store_ready(
    upgrade: Upgrade, application: Application, store: BackupStore | None, before: Revision | None = None
) -> Outcome | None:
    """Why the backup before could not be made; None when it can, or is not wanted."""
    if not _backs_up(upgrade, application, before):
        return None
    policy = application.spec.backup
    if policy is None:
        return Outcome(Reason.PREFLIGHT_FAILED, "the data is to be backed up first, and there is no spec.backup")
    if not _has_data(application, before):
        return Outcome(Reason.PREFLIGHT_FAILED, "the data is to be backed up first, and the revision before has none")
    if store is None:
        where = policy.store_ref.name if policy.store_ref else "none"
        return Outcome(Reason.PREFLIGHT_FAILED, f"the data is to be backed up first; there is no BackupStore {where}")
    words = unready(store, writes=True)
    return None if words is None else Outcome(Reason.PREFLIGHT_FAILED, f"the data is to be backed up first; {words[1]}")
