"""Makes one Backup: observes, lets the plan decide, has a mover do it, and reports."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.references import APPLICATION_LABEL
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    JOBS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
)
from timonier.api.runs import StepStatus, StoreRef
from timonier.backups.access import refusal
from timonier.backups.plan import Surroundings, facts, instruction, obstacle, record_of, run_of
from timonier.backups.volumes import mounts, node_of
from timonier.engine.contract import Change, Manifest, Request, Result, Rule
from timonier.engine.reading import read
from timonier.runs import story
from timonier.runs.driver import Driver, Gate, rival_of
from timonier.runs.mover import APPLICATION_FILE, Identity, Task, hostname, job_name
from timonier.runs.movers import RULES
from timonier.runs.outcome import Outcome
from timonier.runs.reasons import Reason
from timonier.runs.turn import Seen, present

__all__ = ["BackupReconciler"]

_KEPT_METADATA = ("name", "namespace", "labels", "annotations")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class BackupReconciler:
    """The reconciler of the Backup kind; see `timonier.engine.contract.Reconciler`."""

    primary = BACKUPS
    watched = (JOBS, APPLICATIONS, BACKUP_STORES, PERSISTENT_VOLUME_CLAIMS)
    rules = (
        Rule(BACKUPS.group, (BACKUPS.plural,), ("list", "watch")),
        Rule(BACKUPS.group, (f"{BACKUPS.plural}/status",), ("patch",)),
        Rule(NAMESPACES.group, (NAMESPACES.plural,), ("get",)),
        *RULES,
    )

    def __init__(self, driver: Driver, gate: Gate) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._applier = driver.applier
        self._gate = gate

    def concerned(self, change: Change) -> Iterable[Request]:
        """Itself, and the one that controls a Job. Whoever waits for something else looks again by itself."""
        if change.resource == BACKUPS:
            return (change.key,)
        return (change.owner[1],) if change.owner is not None and change.owner[0] == BACKUPS else ()

    async def reconcile(self, request: Request) -> Result:
        """One turn, and no turn of another run of the same Application meanwhile."""
        manifest = self._cache.get(BACKUPS, request)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return Result()
        backup = read(Backup, manifest)
        if backup is None or backup.spec.reason == "Imported":
            return Result()
        async with self._gate.of(Request(request.namespace, backup.spec.target_ref.name)):
            # Another turn may have come first.
            manifest = self._cache.get(BACKUPS, request) or manifest
            return await _Turn(self._driver, manifest, Backup.model_validate(manifest)).take()


class _Turn:
    """One turn of one Backup."""

    def __init__(self, driver: Driver, manifest: Manifest, backup: Backup) -> None:
        self._driver = driver
        self._cache = driver.cache
        self._applier = driver.applier
        self._manifest = manifest
        self._backup = backup

    async def take(self) -> Result:
        backup = self._backup
        application, store = self._application(), self._store()
        run = run_of(backup, facts(backup, application, store))
        step = present(run)
        if step is not None:
            name = job_name(self._manifest, step.name, step.attempts or 1)
            running = step.state == "Running"
            seen = Seen(task=await self._driver.movers.look(self._namespace, name) if running else None, job=name)
        elif story.is_over(backup.status):
            seen = Seen()
        else:
            seen = Seen(obstacle=obstacle(backup, await self._surroundings(application, store)))
        return await self._driver.drive(BACKUPS, self._manifest, run, seen, record_of(store), self._begin)

    @property
    def _namespace(self) -> str:
        return self._backup.metadata.namespace

    def _application(self) -> Application | None:
        found = self._cache.get(APPLICATIONS, self._target)
        return None if found is None else read(Application, found)

    @property
    def _target(self) -> Request:
        return Request(self._namespace, self._backup.spec.target_ref.name)

    def _store(self) -> BackupStore | None:
        where = self._backup.spec.store_ref
        found = self._cache.get(BACKUP_STORES, _key(where, self._namespace)) if where else None
        return None if found is None else read(BackupStore, found)

    async def _surroundings(self, application: Application | None, store: BackupStore | None) -> Surroundings:
        if application is None or store is None:
            return Surroundings(application, store)
        mounted = mounts(application, self._claims(), read_only=True)
        node = node_of(self._claims(), await self._pods())
        return Surroundings(
            application,
            store,
            refused=await self._refusal(store),
            rival=rival_of(self._cache, self._target, self._manifest),
            unreachable=node if isinstance(node, tuple) else None,
            paths=tuple(mount.path for mount in mounted),
        )

    def _claims(self) -> list[Manifest]:
        return list(self._cache.about(PERSISTENT_VOLUME_CLAIMS, self._target))

    async def _pods(self) -> tuple[Manifest, ...]:
        selector = f"{APPLICATION_LABEL}={self._target.name}"
        return await self._applier.some(PODS, self._namespace, label_selector=selector)

    async def _refusal(self, store: BackupStore) -> str | None:
        labels: Mapping[str, str] = {}
        if store.metadata.namespace != self._namespace and store.spec.usage_policy.from_ == "Selector":
            found = await self._applier.live(NAMESPACES, None, self._namespace)
            labels = {} if found is None else found["metadata"].get("labels", {})
        return refusal(store, self._namespace, labels)

    async def _begin(self, step: StepStatus) -> Outcome | None:
        application, store = self._application(), self._store()
        around = await self._surroundings(application, store)
        if application is None or store is None:
            missing = "Application" if application is None else "BackupStore"
            return Outcome(Reason.FAILED, f"its {missing} is gone")
        if around.refused or around.unreachable:
            reason, message = around.unreachable or (Reason.STORE_NOT_ALLOWED, around.refused or "")
            return Outcome(reason, message)
        return await self._driver.movers.start(
            self._manifest, BACKUPS, await self._task(step, application, around), store
        )

    async def _task(self, step: StepStatus, application: Application, around: Surroundings) -> Task:
        attempt = step.attempts or 1
        told = instruction(self._backup, application, around.paths, APPLICATION_FILE)
        if attempt > 1 and await self._met_abandoned_locks(step, attempt - 1):
            told["unlock"] = True
        node = node_of(self._claims(), await self._pods())
        return Task(
            name=job_name(self._manifest, step.name, attempt),
            host=hostname(self._manifest, step.name, attempt),
            instruction=told,
            deadline=self._backup.spec.timeout_seconds,
            claims=mounts(application, self._claims(), read_only=True),
            identity=Identity.of(application.spec.workload.pod_security_context),
            node=node if isinstance(node, str) else None,
            application=application.metadata.name,
            tolerations=application.spec.workload.tolerations,
            files={"application.json": _saved(self._cache.get(APPLICATIONS, self._target))},
        )

    async def _met_abandoned_locks(self, step: StepStatus, attempt: int) -> bool:
        found = await self._driver.movers.look(self._namespace, job_name(self._manifest, step.name, attempt))
        return isinstance(found, Outcome) and await self._driver.movers.abandoned(found.locks, datetime.now(UTC))


def _key(store: StoreRef, namespace: str) -> Request:
    return Request(store.namespace or namespace, store.name)


def _saved(manifest: Manifest | None) -> bytes:
    """The Application as it goes into the store: what its user wrote."""
    assert manifest is not None  # noqa: S101 - it has just been read
    metadata: dict[str, Any] = {
        name: manifest["metadata"][name] for name in _KEPT_METADATA if name in manifest["metadata"]
    }
    annotations = {name: text for name, text in metadata.get("annotations", {}).items() if name != _LAST_APPLIED}
    kept = {name: value for name, value in metadata.items() if name != "annotations"}
    saved = {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": kept | ({"annotations": annotations} if annotations else {}),
        "spec": manifest["spec"],
    }
    return json.dumps(saved, sort_keys=True).encode()
