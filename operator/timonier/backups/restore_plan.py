"""How a Restore goes: which backup it takes, what keeps it from beginning, and its steps. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.moments import moment
from timonier.api.probes import Hook, Probe
from timonier.api.references import AUTHOR, MADE_FOR
from timonier.api.resources import BACKUPS, PERSISTENT_VOLUME_CLAIMS
from timonier.api.restore import External, InPlace, NewApplication, Restore, Scratch
from timonier.api.runs import StepStatus
from timonier.applications.children import child
from timonier.applications.status import verdict_of
from timonier.applications.workload import volume_claim_spec
from timonier.backups.access import unready
from timonier.backups.volumes import DATA_FOLDER
from timonier.engine.contract import Manifest
from timonier.runs.hooks import post_steps, pre_steps, wants_pods
from timonier.runs.names import made_name
from timonier.runs.outcome import Outcome, Progress, has_ended
from timonier.runs.owners import made
from timonier.runs.reasons import Reason, Words
from timonier.runs.steps import Steps
from timonier.runs.turn import Record, Run, StepPlan, steps_of

__all__ = [
    "APPLICATION_LINE",
    "BRING_BACK",
    "CREATE",
    "LOAD",
    "QUIESCE",
    "RESTART",
    "RESUME",
    "SAFETY_BACKUP",
    "STOP",
    "Surroundings",
    "choice",
    "claim_of_pod",
    "facts",
    "has_stopped",
    "hooks_of",
    "instruction",
    "is_own",
    "is_probe",
    "is_well",
    "made_safe",
    "new_application",
    "obstacle",
    "probe_of",
    "record_of",
    "run_of",
    "safety_backup",
    "safety_name",
    "target_of",
    "tried_on",
]

APPLICATION_LINE: Final = "TIMONIER-APPLICATION"
"""What begins the line of the mover's log that is the saved Application."""
RESTORED_BY: Final = "timonier.dev/restored-by"
"""On an Application that a Restore made: the Restore's uid."""

SAFETY_BACKUP: Final = "SafetyBackup"
QUIESCE: Final = "Quiesce"
CREATE: Final = "Create"
LOAD: Final = "Load"
RESUME: Final = "Resume"
STOP: Final = "Stop"
BRING_BACK: Final = "BringBack"
RESTART: Final = "Restart"
_VERIFY: Final = "Verify/"

_STOPPED: Final = MappingProxyType({"quiesced": True})
_LET_GO: Final = MappingProxyType({"quiesced": False})
_SAFETY: Final = "safety"
_PATIENCE: Final = 300.0
_POLL: Final = 1.0
_SHORTEST_ID: Final = 8


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Restore depends on.

    `backup` is the one that was chosen, or words why there is none; `places` are the volumes that exist where it is to
    go, by name. The rest is as for a Backup.
    """

    backup: Backup | Words
    application: Application | None = None
    claim: Manifest | None = None
    store: BackupStore | None = None
    refused: str | None = None
    rival: str | None = None
    unreachable: Words | None = None
    users: Sequence[str] = ()
    places: tuple[str, ...] = ()


def target_of(restore: Restore) -> str | None:
    """The name of the Application that gets the data; None when no Application does."""
    place = restore.spec.to
    if place.in_place:
        return place.in_place.application
    return place.new_application.name if place.new_application else None


def tried_on(restore: Restore) -> str | None:
    """The name of the Application whose backup is restored on trial; None when it is no trial."""
    return restore.spec.to.scratch.application if restore.spec.to.scratch else None


def choice(restore: Restore, backups: Iterable[Backup]) -> Backup | Words:
    """The backup that the Restore means, among those of its namespace; or words why there is none."""
    source = restore.spec.from_
    if source.backup_ref is not None:
        name = source.backup_ref.name
        found = next((backup for backup in backups if backup.metadata.name == name), None)
        if found is None:
            return Reason.BACKUP_NOT_FOUND, f"there is no Backup {name} in this namespace"
        phase = found.status.get("phase", "Pending")
        return found if phase == "Succeeded" else (Reason.BACKUP_NOT_COMPLETE, f"the Backup {name} is {phase}")
    if source.external is not None:
        return _external(source.external, restore.metadata.namespace, backups)
    wanted = source.latest or source.before
    if wanted is None:
        return Reason.NOT_SUPPORTED, "spec.from says nothing that this version knows"
    good = [backup for backup in _good(backups) if backup.spec.target_ref.name == wanted.application]
    if source.before is not None:
        until = moment(source.before.time)
        good = [backup for backup in good if moment(_held_at(backup)) <= until]
    if not good:
        when = f" at {source.before.time}" if source.before else ""
        return Reason.BACKUP_NOT_FOUND, f"there was no good backup of the Application {wanted.application}{when}"
    return max(good, key=lambda backup: (_held_at(backup), backup.metadata.name))


def _external(wanted: External, namespace: str, backups: Iterable[Backup]) -> Backup | Words:
    """The imported backup of that run or snapshot. It may come with the next look at the store."""
    store = (wanted.store_ref.namespace or namespace, wanted.store_ref.name)
    for backup in _good(backups):
        held = backup.status.get("store", {})
        ids = (backup.metadata.uid, backup.spec.imported.run if backup.spec.imported else None)
        snapshot = str(backup.status.get("snapshotID", ""))
        if (held.get("namespace", namespace), held.get("name")) == store and (
            wanted.run in ids or (len(wanted.run) >= _SHORTEST_ID and snapshot.startswith(wanted.run))
        ):
            return backup
    return Reason.BACKUP_NOT_COMPLETE, (
        f"no Backup of this namespace is the run or snapshot {wanted.run} of the BackupStore {store[1]}: it is made at "
        "the next look at the store, with spec.importBackups"
    )


def _good(backups: Iterable[Backup]) -> Iterator[Backup]:
    return (backup for backup in backups if backup.status.get("phase") == "Succeeded")


def _held_at(backup: Backup) -> str:
    """No later than then was all that it holds: data may have changed while it was read."""
    return str(backup.status.get("completionTime") or backup.status["backupTime"])


def obstacle(restore: Restore, around: Surroundings) -> Words | None:
    """Why it cannot begin now; None when it can."""
    return next((words for words in _obstacles(restore, around) if words), None)


def _obstacles(restore: Restore, around: Surroundings) -> Iterator[Words | None]:
    backup = around.backup
    if not isinstance(backup, Backup):
        yield backup
        return
    if restore.spec.to.in_place:
        yield from _in_place(restore.spec.to.in_place.application, backup, around)
    elif restore.spec.to.scratch:
        yield from _on_trial(restore.spec.to.scratch, backup, around)
    elif restore.spec.to.claim:
        yield from _into_claim(restore.spec.to.claim.name, backup, around)
    else:
        yield _taken(restore, around)
    if around.store is None:
        yield Reason.STORE_NOT_FOUND, f"there is no BackupStore {backup.status['store']['name']}"
    else:
        yield (Reason.STORE_NOT_ALLOWED, around.refused) if around.refused else None
        yield around.unreachable
        yield unready(around.store, writes=False)
    if around.rival:
        yield Reason.ANOTHER_RUN, f"{around.rival} of the same Application is under way, and comes first"


def _in_place(name: str, backup: Backup, around: Surroundings) -> Iterator[Words | None]:
    made_of = backup.spec.target_ref.name
    if made_of != name:
        yield (
            Reason.WRONG_APPLICATION,
            (
                f"the Backup {backup.metadata.name} is of the Application {made_of}; its data would replace that "
                f"of {name}"
            ),
        )
    if around.application is None:
        yield Reason.APPLICATION_NOT_FOUND, f"there is no Application {name} in this namespace"
        return
    policy = around.application.spec.backup
    if backup.status.get("method") == "Command" and (policy is None or policy.command is None):
        yield Reason.NOT_SUPPORTED, f"to load a dump, the Application {name} needs spec.backup.command"
    yield _missing_places(backup, around)


def _on_trial(scratch: Scratch, backup: Backup, around: Surroundings) -> Iterator[Words | None]:
    if around.application is None:
        yield Reason.APPLICATION_NOT_FOUND, f"there is no Application {scratch.application} in this namespace"
        return
    if scratch.job and backup.status.get("method") == "Command":
        yield Reason.NOT_SUPPORTED, "a dump has no place in a pod: leave out the job, and it is read in full"
    yield _missing_places(backup, around)


def _into_claim(name: str, backup: Backup, around: Surroundings) -> Iterator[Words | None]:
    if around.claim is None:
        yield Reason.CLAIM_NOT_FOUND, f"there is no PersistentVolumeClaim {name} in this namespace"
        return
    if around.application is not None:
        yield (
            Reason.CLAIM_MANAGED,
            (
                f"the PersistentVolumeClaim {name} belongs to the Application {around.application.metadata.name}: "
                "restore that in place"
            ),
        )
    volumes = backup.status.get("volumes", ())
    if backup.status.get("method") == "Command":
        yield Reason.NOT_SUPPORTED, "a dump is loaded by an application: restore in place or into a new one"
    if len(volumes) != 1:
        yield Reason.VOLUMES_DIFFER, f"the Backup has {len(volumes)} volumes, and a claim is one"
    if around.users:
        yield Reason.CLAIM_IN_USE, f"the pod {around.users[0]} uses the PersistentVolumeClaim {name}"


def _taken(restore: Restore, around: Surroundings) -> Words | None:
    name = target_of(restore)
    if around.application is None:
        return None
    return Reason.APPLICATION_EXISTS, f"there is an Application {name} already: give the new one another name"


def _missing_places(backup: Backup, around: Surroundings) -> Words | None:
    missing = sorted(set(backup.status.get("volumes", ())) - set(around.places))
    if not missing:
        return None
    return Reason.VOLUMES_DIFFER, f"the Backup has the volume {missing[0]}, which the Application has not"


def facts(restore: Restore, around: Surroundings) -> dict[str, Any]:
    """What is known when it begins, for its status: from here on, it is about this backup and no newer one."""
    backup = around.backup
    if not isinstance(backup, Backup) or around.store is None:
        return {}
    target = target_of(restore) or tried_on(restore)
    return {
        "backup": backup.metadata.name,
        "method": backup.status["method"],
        "store": {"name": around.store.metadata.name, "namespace": around.store.metadata.namespace},
        "snapshotID": backup.status["snapshotID"],
    } | ({"application": target} if target else {})


def run_of(restore: Restore, known: Mapping[str, Any]) -> Run:
    """The Restore as a run with its steps; `known` goes into its status when it begins."""
    metadata = restore.metadata
    return Run(
        what=f"restore of {target_of(restore) or tried_on(restore) or 'a volume'}",
        generation=metadata.generation,
        created=metadata.creation_timestamp,
        spec=restore.spec,
        status=restore.status,
        plans=_plans(restore, known, restore.status),
        facts=known,
        replan=partial(_plans, restore, known),
    )


def _plans(restore: Restore, known: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[StepPlan, ...]:
    method = str(status.get("method") or known.get("method") or "Files")
    return tuple(_steps(restore.model_copy(update={"status": status}), method))


def hooks_of(restore: Restore) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
    """What the Application is made to do before the restore and afterwards."""
    hooks = restore.spec.hooks
    return (hooks.pre, hooks.post) if hooks else ((), ())


def is_probe(step: str) -> bool:
    """The step tries a probe.

    >>> is_probe("Verify/page"), is_probe("Resume")
    (True, False)
    """
    return step.startswith(_VERIFY)


def probe_of(restore: Restore, step: str) -> Probe | None:
    """The probe that a step tries."""
    return next((probe for probe in restore.spec.verify if f"{_VERIFY}{probe.name}" == step), None)


def _steps(restore: Restore, method: str) -> Iterator[StepPlan]:
    pre, post = hooks_of(restore)
    verify = tuple(StepPlan(f"{_VERIFY}{probe.name}") for probe in restore.spec.verify)
    yield from pre_steps(pre)
    if restore.spec.to.new_application is not None:
        yield from (*_steps_of_new(method), *verify)
    elif restore.spec.to.in_place is not None:
        yield from _steps_in_place(restore, restore.spec.to.in_place, method, verify)
    else:
        yield StepPlan(LOAD)
    yield from post_steps(post)


def _steps_in_place(restore: Restore, place: InPlace, method: str, verify: Iterable[StepPlan]) -> Iterator[StepPlan]:
    """What undoes comes in only once data has been touched, or the application stopped."""
    loaded = any(step.name == LOAD and step.attempts for step in steps_of(restore.status))
    if place.safety_backup:
        metadata = restore.metadata
        yield StepPlan(SAFETY_BACKUP, mark={"safetyBackup": made_name(metadata.name, metadata.uid, _SAFETY)})
    if method == "Command":
        # Its own command loads the data, so it goes on running.
        yield StepPlan(LOAD)
        yield StepPlan(RESUME)
        yield from verify
        yield StepPlan(BRING_BACK, "Failure" if loaded else "Never")
        return
    stopped = loaded or bool(restore.status.get("quiesced"))
    yield StepPlan(QUIESCE, mark=_STOPPED)
    yield StepPlan(LOAD)
    yield StepPlan(RESUME, mark=_LET_GO)
    yield from verify
    yield StepPlan(STOP, "Failure" if loaded else "Never", _STOPPED)
    yield StepPlan(BRING_BACK, "Failure" if loaded else "Never")
    yield StepPlan(RESTART, "Failure" if stopped else "Never", _LET_GO)


def _steps_of_new(method: str) -> Iterator[StepPlan]:
    if method == "Command":
        yield StepPlan(CREATE)
        yield StepPlan(RESUME)
        yield StepPlan(LOAD)
        return
    # From the beginning on, no pod of it may run before it has its data.
    yield StepPlan(CREATE, mark=_STOPPED)
    yield StepPlan(LOAD)
    yield StepPlan(RESUME, mark=_LET_GO)


def instruction(backup: Mapping[str, Any], *, on_trial: bool = False) -> dict[str, Any]:
    """What the mover is told, from the status of the Backup: to write its files, or to give away, or read, its dump."""
    known = {"manifestHash": backup["manifestHash"]} if backup.get("manifestHash") else {}
    if backup.get("method") == "Command":
        return {"task": "prove", "snapshot": backup["snapshotID"]} | known if on_trial else {
            "task": "send", "snapshot": backup["snapshotID"],
        }  # fmt: skip
    told = {"task": "restore", "snapshot": backup["snapshotID"], "target": DATA_FOLDER} | known
    volumes = backup.get("volumes", ())
    if len(volumes) == 1 and {"bytes", "files"} <= backup.keys():
        told |= {"place": f"{DATA_FOLDER}/{volumes[0]}", "bytes": backup["bytes"], "files": backup["files"]}
    return told


def new_application(
    saved: Mapping[str, Any], restore: Restore, wanted: NewApplication, *, beside_the_old: bool
) -> dict[str, Any]:
    """The Application to create from the one that was saved with the data.

    `beside_the_old`: the one that it is a copy of is still there, and keeps what only one of them can have.
    """
    spec = {name: value for name, value in saved["spec"].items() if name not in ("adopt", "suspend")}
    network = dict(spec.get("network", {}))
    if beside_the_old and network.pop("ingress", None) is not None:
        spec["network"] = network
    if wanted.replicas is not None:
        spec["scaling"] = {"replicas": wanted.replicas}
    if wanted.without_schedule and "backup" in spec:
        spec["backup"] = {name: value for name, value in spec["backup"].items() if name not in ("schedule", "verify")}
    metadata = saved.get("metadata", {})
    # It acts for whoever has it made: what a store says of an author is anybody's word.
    annotations = {name: value for name, value in (metadata.get("annotations") or {}).items() if name != AUTHOR}
    if (author := restore.metadata.annotations.get(AUTHOR)) is not None:
        annotations[AUTHOR] = author
    return {
        "apiVersion": saved["apiVersion"],
        "kind": saved["kind"],
        "metadata": {
            "namespace": restore.metadata.namespace,
            "name": wanted.name,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": annotations | {RESTORED_BY: restore.metadata.uid},
        },
        "spec": spec,
    }


def is_own(application: Manifest, restore: Restore) -> bool:
    """The Application was made by this Restore, and no person has given its name to another one meanwhile."""
    annotations = application["metadata"].get("annotations", {})
    return bool(annotations.get(RESTORED_BY) == restore.metadata.uid)


def claim_of_pod(application: Application, volume: str) -> dict[str, Any] | None:
    """The claim that a pod of a StatefulSet would get for a volume such as data-0; None when it is none of its."""
    for storage in application.spec.workload.storage:
        ordinal = volume.removeprefix(f"{storage.name}-")
        if ordinal != volume and ordinal.isdecimal():
            name = f"{storage.name}-{application.metadata.name}-{ordinal}"
            body = {"spec": volume_claim_spec(storage)}
            return child(application, PERSISTENT_VOLUME_CLAIMS, name, body, owned=False)
    return None


def safety_name(restore: Manifest) -> str:
    """The name of the backup that is made first: the same each time."""
    return made_name(restore["metadata"]["name"], restore["metadata"]["uid"], _SAFETY)


def safety_backup(restore: Manifest, application: str, timeout: int) -> dict[str, Any]:
    """The Backup of the data that is about to be replaced: as the one was made that is restored, in the same store.

    The Restore does not own it: what it saved is in the store, and must be found there for as long as it is kept.
    """
    status = restore["status"]
    metadata = restore["metadata"]
    return {
        "apiVersion": restore["apiVersion"],
        "kind": "Backup",
        "metadata": {
            "namespace": metadata["namespace"],
            "name": safety_name(restore),
            "annotations": {MADE_FOR: metadata["uid"]},
        },
        "spec": {
            "targetRef": {"name": application},
            "storeRef": dict(status["store"]),
            "method": status["method"],
            "reason": "PreRestore",
            "timeoutSeconds": timeout,
        },
    }


def made_safe(restore: Manifest, backup: Manifest | None) -> Outcome | Progress | None:
    """What has become of the safety backup; one of the same name that is not this Restore's is none."""
    uid, what = restore["metadata"]["uid"], "the present data could not be backed up"
    return made(backup, uid, BACKUPS, Reason.SAFETY_BACKUP_FAILED, what)


def has_stopped(workload: Manifest | None, pods: Sequence[Manifest]) -> Outcome | Progress:
    """Whether every pod of the application is gone, and none will come."""
    if workload is not None and workload["spec"].get("replicas", 1) != 0:
        return Progress("the application is being stopped", _POLL)
    left = [pod for pod in pods if not has_ended(pod)]
    return Progress(f"{len(left)} pods are still there", _POLL) if left else Outcome()


def is_well(
    application: Application | None, workload: Manifest | None, step: StepStatus, now: datetime
) -> Outcome | Progress:
    """Whether the application has come up again with the data that it has now."""
    if application is None:
        return Outcome(Reason.APPLICATION_NOT_FOUND, "the Application is gone")
    if not wants_pods(application):
        return Outcome()  # it was not meant to run before either
    # Not its condition Ready: that is about all that its spec asks for, whatever runs.
    verdict = verdict_of(application, workload, current=True)
    if verdict.complete and workload is not None and workload["spec"].get("replicas", 1) > 0:
        return Outcome()
    told = f"{verdict.ready} of {verdict.desired} pods are ready"
    waited = (now - moment(step.start_time)).total_seconds() if step.start_time else 0.0
    if waited > _PATIENCE:
        return Outcome(Reason.NOT_READY, f"the application is not ready after {_PATIENCE:.0f} s: {told}")
    return Progress(f"the application is not ready: {told}", _POLL)


def record_of() -> Record:
    """For `turn`: what a step that ended well adds to the status."""

    def record(step: StepStatus, result: Mapping[str, Any], _steps: Steps) -> Mapping[str, Any]:
        if step.name == LOAD:
            return {"bytes": result["bytes"]}
        return {"rolledBack": True} if step.name == BRING_BACK and result else {}

    return record
