"""How one Backup goes on from what is seen: pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from timonier.api import quantity
from timonier.api.application import Application, ApplicationSpec
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.fields import stated_fields
from timonier.api.policies import DumpCommands, Method
from timonier.api.probes import Hook
from timonier.api.runs import StepStatus, StoreRef
from timonier.applications.workload import image_reference
from timonier.backups.access import unready
from timonier.backups.volumes import name_of
from timonier.engine.contract import Manifest
from timonier.runs.hooks import is_post, post_steps, pre_steps
from timonier.runs.reasons import Reason, Words
from timonier.runs.steps import Steps
from timonier.runs.turn import Record, Run, StepPlan, steps_of

__all__ = [
    "RELEASE",
    "SNAPSHOT",
    "TRANSFER",
    "Surroundings",
    "facts",
    "instruction",
    "method_of",
    "obstacle",
    "record_of",
    "run_of",
    "saved",
    "store_of",
]

TRANSFER: Final = "Transfer"
"""The step that gets the data into the store."""

SNAPSHOT: Final = "Snapshot"
"""The step that has the driver take snapshots of the volumes."""
RELEASE: Final = "Release"
"""The step that lets go of these, once their data is in the store or is not to be."""

_SMALL: Final = 100 << 30
"""Bytes of data up to which two processes may have the index of their repository in memory: some 20 MB each."""

_KEPT_METADATA: Final = ("name", "namespace", "labels", "annotations")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


# Each attempt at a snapshot would hold up the application for longer.
_STEPS: Final[Mapping[str, StepPlan]] = {
    SNAPSHOT: StepPlan(SNAPSHOT, retries=0),
    RELEASE: StepPlan(RELEASE, "Always"),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Backup depends on.

    `refused` says why the store may not be used from here, `rival` which other run of the Application is under way,
    `unreachable` why no mover could have the volumes, of which `paths` has the places in its pod.
    """

    application: Application | None
    store: BackupStore | None
    refused: str | None = None
    rival: str | None = None
    unreachable: Words | None = None
    paths: tuple[str, ...] = ()


def run_of(backup: Backup, application: Application | None, known: Mapping[str, Any]) -> Run:
    """The Backup as a run with its steps; `known` goes into its status when it begins.

    Once it has begun its steps are those of its status, whatever the policy says by then.
    """
    metadata, target = backup.metadata, backup.spec.target_ref.name
    return Run(
        what=f"backup of {target}",
        generation=metadata.generation,
        created=metadata.creation_timestamp,
        spec=backup.spec,
        status=backup.status,
        plans=tuple(_planned_again(backup)) or _steps(application, method_of(backup, application)),
        facts=known,
    )


def _steps(application: Application | None, method: Method) -> tuple[StepPlan, ...]:
    """With snapshots, the application is held up no longer than these take."""
    pre, post = hooks_of(application)
    if method != "Snapshot":
        return (*pre_steps(pre), StepPlan(TRANSFER), *post_steps(post))
    return (*pre_steps(pre), _STEPS[SNAPSHOT], *post_steps(post), StepPlan(TRANSFER), _STEPS[RELEASE])


def _planned_again(backup: Backup) -> Iterator[StepPlan]:
    for step in steps_of(backup.status):
        yield _STEPS.get(step.name) or StepPlan(step.name, "Always" if is_post(step.name) else "Forward")


def hooks_of(application: Application | None) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
    """What the Application is made to do before a backup and afterwards."""
    policy = application.spec.backup if application else None
    return (policy.hooks.pre, policy.hooks.post) if policy and policy.hooks else ((), ())


def obstacle(backup: Backup, around: Surroundings) -> Words | None:
    """Why it cannot begin now; None when it can."""
    return next((words for words in _obstacles(backup, around) if words), None)


def _obstacles(backup: Backup, around: Surroundings) -> Iterator[Words | None]:
    """What stands in the way, or None for each thing that does not; whoever asks stops at the first."""
    name = backup.spec.target_ref.name
    if around.application is None:
        yield Reason.APPLICATION_NOT_FOUND, f"there is no Application {name} in this namespace"
        return
    method, where = method_of(backup, around.application), store_of(backup, around.application)
    if method == "Command" and _commands(around.application) is None:
        yield Reason.NOT_SUPPORTED, f"the method Command needs spec.backup.command in the Application {name}"
    if where is None:
        yield (
            Reason.STORE_NOT_STATED,
            f"neither spec.storeRef nor spec.backup.storeRef of the Application {name} is set",
        )
    elif around.store is None:
        yield Reason.STORE_NOT_FOUND, f"there is no BackupStore {where.name}"
    else:
        yield (Reason.STORE_NOT_ALLOWED, around.refused) if around.refused else None
        if method != "Command":
            yield None if around.paths else _without_volumes(around.application)
        if method == "Files":
            yield around.unreachable
        yield unready(around.store, writes=True)
    if around.rival:
        yield Reason.ANOTHER_RUN, f"{around.rival} of the same Application is under way, and comes first"


def _without_volumes(application: Application) -> Words:
    name = application.metadata.name
    if application.spec.workload.storage:
        return Reason.VOLUME_NOT_REACHABLE, f"no volume of the Application {name} is there yet"
    return Reason.NOTHING_TO_BACK_UP, f"the Application {name} has no volumes: workload.storage is empty"


def method_of(backup: Backup, application: Application | None) -> Method:
    """How it is, or was, made: what the Backup says, else what the Application's policy says."""
    if known := backup.status.get("method"):
        method: Method = known
        return method
    policy = application.spec.backup if application else None
    return backup.spec.method or (policy.method if policy else "Files")


def store_of(backup: Backup, application: Application | None) -> StoreRef | None:
    """Where it goes, or is: once it has begun, that does not change any more."""
    if known := backup.status.get("store"):
        return StoreRef.model_validate(known)
    policy = application.spec.backup if application else None
    return backup.spec.store_ref or (policy.store_ref if policy else None)


def facts(backup: Backup, around: Surroundings) -> dict[str, Any]:
    """What is known when the backup begins, for its status."""
    application, store = around.application, around.store
    if application is None or store is None:
        return {}
    return {
        "method": method_of(backup, application),
        "store": {"name": store.metadata.name, "namespace": store.metadata.namespace},
        "applicationImage": image_reference(application.spec.workload.image),
    } | ({"volumes": sorted(map(name_of, around.paths))} if method_of(backup, application) != "Command" else {})


def _commands(application: Application) -> DumpCommands | None:
    return application.spec.backup.command if application.spec.backup else None


def instruction(
    backup: Backup, application: Application, paths: tuple[str, ...], file: str, store: BackupStore | None = None
) -> dict[str, Any]:
    """What the mover is told: to copy those folders, or to wait for a dump where there are none.

    `file` is where it finds the Application.
    """
    method = method_of(backup, application)
    tags = {
        "application": application.metadata.name,
        "namespace": application.metadata.namespace,
        "method": method,
        "backup": backup.metadata.name,
        "image": image_reference(application.spec.workload.image),
        "reason": backup.spec.reason,
    }
    told: dict[str, Any] = {"run": backup.metadata.uid, "tags": tags, "application": file}
    if method == "Command":
        return told | {"task": "receive", "filename": f"{application.metadata.name}.dump"}
    told |= {"task": "backup", "paths": list(paths), "tags": tags | {"volumes": ",".join(map(name_of, paths))}}
    held = store.status.get("bytes") if store else None
    return told | ({"small": True} if held is not None and held <= _SMALL else {})


def record_of(store: BackupStore | None) -> Record:
    """For `turn`: what the step that ended well adds to the status."""

    def record(step: StepStatus, result: Mapping[str, Any], steps: Steps) -> Mapping[str, Any]:
        if step.name != TRANSFER:
            return {}
        cut = next((found for found in steps if found.name == SNAPSHOT), step)
        repository = store.status.get("repository") if store else None
        return {
            "snapshotID": result["snapshot"],
            "bytes": result["bytes"],
            "size": quantity.rounded(result["bytes"]),
            "transferred": result["added"],
            "files": result["files"],
            "manifestHash": result["manifestHash"],
            "backupTime": cut.start_time,
        } | ({"repository": repository} if repository else {})

    return record


def saved(manifest: Manifest, application: Application) -> bytes:
    """The Application as it goes into the store: what its user wrote, but at the revision that the data is of."""
    metadata: dict[str, Any] = {
        name: manifest["metadata"][name] for name in _KEPT_METADATA if name in manifest["metadata"]
    }
    annotations = {name: text for name, text in metadata.get("annotations", {}).items() if name != _LAST_APPLIED}
    kept = {name: value for name, value in metadata.items() if name != "annotations"}
    told = {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": kept | ({"annotations": annotations} if annotations else {}),
        "spec": manifest["spec"]
        if _is_as_written(manifest, application)
        else _as_running(manifest["spec"], application),
    }
    return json.dumps(told, sort_keys=True).encode()


def _is_as_written(manifest: Manifest, application: Application) -> bool:
    written = Application.model_validate(manifest).spec
    return (written.workload, written.config) == (application.spec.workload, application.spec.config)


def _as_running(spec: Mapping[str, Any], application: Application) -> dict[str, Any]:
    runs = application.spec
    kept = {name: value for name, value in spec.items() if name not in ("config", "network")}
    network = _fitting_network(spec.get("network", {}), [port.name for port in runs.workload.ports])
    return (
        kept
        | {"workload": stated_fields(runs.workload), "scaling": _fitting_scaling(runs)}
        | ({"config": stated_fields(runs.config)} if runs.config else {})
        | ({"network": network} if network else {})
    )


def _fitting_network(network: Mapping[str, Any], ports: Sequence[str]) -> dict[str, Any]:
    """What of a spec's network goes with other ports than its own: what leads to none of them is left out."""
    ingress: Mapping[str, Any] = network.get("ingress", {})
    unfit = {"ingress"} if not ports or ingress.get("port", ports[0]) not in ports else set()
    if not ports and network.get("service", {}).get("enabled"):
        unfit.add("service")
    return {name: value for name, value in network.items() if name not in unfit}


def _fitting_scaling(runs: ApplicationSpec) -> dict[str, Any]:
    """How many pods, where the autoscaler can measure what it is to; else as few as it was to keep."""
    autoscaling = runs.scaling.autoscaling
    requests = stated_fields(runs.workload.resources).get("requests", {})
    if autoscaling is None or all(metric.type in requests for metric in autoscaling.metrics):
        return stated_fields(runs.scaling)
    return {"replicas": autoscaling.min_replicas}
