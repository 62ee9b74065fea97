"""Starts movers, sees what has become of them, and clears them away: the one place that reads and copies secrets."""

import asyncio
import base64
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from timonier.api.backup_store import BackupStore
from timonier.api.moments import stamp
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    CONFIG_MAPS,
    JOBS,
    PODS,
    RESTORES,
    SECRETS,
    UPGRADES,
    Resource,
)
from timonier.api.runs import StepStatus
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.client import Client
from timonier.engine.contract import Manifest, Request, Rule
from timonier.engine.errors import ApiError
from timonier.engine.exec import Container
from timonier.engine.pod_logs import log_lines
from timonier.runs.background import Background
from timonier.runs.credentials import Missing, Source, credentials, sources
from timonier.runs.hearing import Hearing
from timonier.runs.mover import (
    CONTAINER,
    HOST_LABEL,
    STORE_LABEL,
    UNLOCK_LABEL,
    Task,
    job,
    job_name,
    secret,
    store_label,
)
from timonier.runs.outcome import (
    UNTOLD,
    Lock,
    Outcome,
    Progress,
    finished,
    has_ended,
    has_succeeded,
    next_look,
    outcome_of,
    progress_of,
)
from timonier.runs.reasons import Reason

__all__ = ["RULES", "Movers"]

RULES: Final = (
    Rule(JOBS.group, (JOBS.plural,), ("create", "delete", "get", "list", "watch")),
    Rule(SECRETS.group, (SECRETS.plural,), ("create", "delete", "get")),
    Rule(CONFIG_MAPS.group, (CONFIG_MAPS.plural,), ("get",)),
    Rule(PODS.group, (PODS.plural,), ("list",)),
    Rule(PODS.group, (f"{PODS.plural}/log",), ("get",)),
    # A WebSocket is a GET; Kubernetes 1.35 and newer ask for `create` as well, as for every other way to execute.
    Rule(PODS.group, (f"{PODS.plural}/exec",), ("create", "get")),
)
"""What working with movers takes."""

_HOLDERS: Final = (BACKUPS, RESTORES, UPGRADES, BACKUP_STORES, APPLICATIONS)
_HOLDER_OF: Final = {resource.kind: resource for resource in _HOLDERS}
_LONGEST_LOG: Final = 1 << 25
# What `hostname` makes, and a label can be: anything else was not given by us, and is not to be put into a selector.
_HOSTNAME: Final = re.compile("(?=.{1,63}$)([0-9a-f-]{36})-[a-z0-9-]*[a-z0-9]")
_FORGOTTEN: Final = timedelta(minutes=30)
"""restic confirms a lock every five minutes, and takes one for stale that nobody confirmed for this long."""


class Movers:
    """Runs the mover's image as Jobs."""

    def __init__(self, cache: Cache, applier: Applier, client: Client, image: str, background: Background) -> None:
        self._cache = cache
        self._applier = applier
        self._client = client
        self._image = image
        self._hearing = Hearing(client, background)
        self._known_unlocking: set[Request] | None = None
        self._beginning: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def image(self) -> str:
        """The mover's image."""
        return self._image

    async def start(self, owner: Manifest, resource: Resource, task: Task, store: BackupStore) -> Outcome | None:
        """Make sure that the Job of a task is there. None when it is; else why it cannot be."""
        async with self._beginning[store_label(store)]:  # nobody else's begins between the look at others and ours
            return await self._start(owner, resource, task, store)

    async def _start(self, owner: Manifest, resource: Resource, task: Task, store: BackupStore) -> Outcome | None:
        if (busy := self._in_the_way(task, store)) is not None:
            return busy
        found = credentials(store.spec, await self._read(store))
        if isinstance(found, Missing):
            return Outcome(Reason.CREDENTIALS_MISSING, found.message)
        entries = sorted({**found, **task.files})
        wanted = job(owner, resource, task, image=self._image, store=store, entries=entries)
        if task.unlocks:
            self._unlocking().add(_key(wanted))
        try:
            await self._applier.create(SECRETS, secret(owner, resource, task, found))
            await self._applier.create(JOBS, wanted)
        except ApiError as error:
            if not error.is_refusal:
                raise
            return Outcome(Reason.REFUSED, f"its Job {task.name} is refused: {error.message}")
        return None

    async def look(self, namespace: str, name: str) -> Progress | Outcome | None:
        """What has become of a Job; None when there is none of that name."""
        job, pods = await self.job(namespace, name)
        if job is None:
            return None
        # A Job says a second late that its pod has done well.
        if finished(job) or any(has_succeeded(pod) for pod in pods):
            return outcome_of(job, pods)
        if (heard := self._hearing.outcome(job, pods, _HOLDER_OF)) is not None:
            return heard
        return replace(progress_of(pods), again=next_look(job["metadata"].get("creationTimestamp"), datetime.now(UTC)))

    async def job(self, namespace: str, name: str) -> tuple[Manifest | None, tuple[Manifest, ...]]:
        """A Job, when it is there, and its pods."""
        found = await self._applier.live(JOBS, namespace, name)
        return found, await self.pods(namespace, name) if found is not None else ()

    async def pods(self, namespace: str, *jobs: str) -> tuple[Manifest, ...]:
        """The pods of Jobs, whether these are still there or not."""
        selector = f"batch.kubernetes.io/job-name in ({','.join(jobs)})"
        return await self._applier.some(PODS, namespace, label_selector=selector)

    async def container(self, namespace: str, name: str) -> Container | None:
        """The container of a Job's mover, once it runs."""
        pods = await self.pods(namespace, name)
        for pod in pods:
            for status in pod.get("status", {}).get("containerStatuses", ()):
                if "running" in status.get("state", {}):
                    return Container(namespace, pod["metadata"]["name"], CONTAINER)
        return None

    async def said(self, namespace: str, name: str, beginning: str) -> list[str] | None:
        """What follows that word in each line of the log that begins with it; None when the log is gone.

        `name` is that of a Job which has ended.
        """
        pods = await self.pods(namespace, name)
        if not pods:
            return None
        container = Container(namespace, pods[-1]["metadata"]["name"], CONTAINER)
        try:
            lines = await log_lines(self._client, container, limit_bytes=_LONGEST_LOG)
        except ApiError as error:
            if error.is_transient:
                raise
            return None
        return [line.removeprefix(beginning).strip() for line in lines if line.startswith(f"{beginning} ")]

    async def disarm(self, namespace: str, name: str) -> None:
        """Remove the Secret of a Job that has ended; its log stays."""
        await self._delete(SECRETS, namespace, name)

    async def remove(self, owner: Manifest, name: str) -> None:
        """Remove a Job of that owner, whether it has ended or not, with its pod and its Secret."""
        namespace, uid = owner["metadata"]["namespace"], owner["metadata"]["uid"]
        await self._delete(JOBS, namespace, name, uid)
        await self._delete(SECRETS, namespace, name, uid)

    async def abandoned(self, met: Outcome) -> bool:
        """Whether nobody holds any of the locks any more that a mover met: then they may be broken."""
        held = await asyncio.gather(*(self._is_held(lock, met) for lock in met.locks))
        return bool(held) and not any(held)

    async def breaking(self, met: Outcome) -> dict[str, Any]:
        """What a mover is told so that it breaks the locks that another met; nothing where somebody may hold one.

        It is told which they are: where it finds another one, that was taken since.
        """
        if not await self.abandoned(met):
            return {}
        return {"unlock": True, "abandoned": [f"{stamp(lock.time)} {lock.hostname}" for lock in met.locks]}

    def _in_the_way(self, task: Task, store: BackupStore) -> Outcome | None:
        """Nobody else may be at work on a store while its locks are broken: theirs would go as well."""
        label = store_label(store)
        if task.unlocks:
            others = (
                job for job in self._cache.all(JOBS) if _works_on(job, label) and job["metadata"]["name"] != task.name
            )
            other = next(others, None)
        else:
            unlocking = (self._cache.get(JOBS, key) for key in self._unlocking() if key.name != task.name)
            other = next((job for job in unlocking if job is not None and _works_on(job, label)), None)
        if other is None:
            return None
        return Outcome(Reason.LOCKED, f"the Job {other['metadata']['name']} is at work on the store, and comes first")

    def _unlocking(self) -> set[Request]:
        if self._known_unlocking is None:
            jobs = self._cache.all(JOBS)
            self._known_unlocking = {_key(job) for job in jobs if UNLOCK_LABEL in job["metadata"]["labels"]}
        return self._known_unlocking

    async def breaking_again(self, owner: Manifest, step: StepStatus) -> dict[str, Any]:
        """`breaking` for an attempt, where the one before it failed at locks."""
        before = (step.attempts or 1) - 1
        if not before:
            return {}
        found = await self.look(owner["metadata"]["namespace"], job_name(owner, step.name, before))
        return await self.breaking(found) if isinstance(found, Outcome) else {}

    async def _is_held(self, lock: Lock, met: Outcome) -> bool:
        if not lock.hostname or lock.time == UNTOLD:
            return True  # restic writes no such lock
        ours = _HOSTNAME.fullmatch(lock.hostname)
        key = self._cache.find(ours[1], _HOLDERS) if ours else None
        if key is None:
            # A mover of another cluster, or of an object that is gone: only time tells. Not until now, as the lock may
            # have been confirmed since it was met.
            return met.ended is None or met.ended - lock.time < _FORGOTTEN
        pods = await self._applier.some(PODS, key.namespace, label_selector=f"{HOST_LABEL}={lock.hostname}")
        return any(not has_ended(pod) for pod in pods)

    async def _read(self, store: BackupStore) -> dict[Source, dict[str, bytes] | None]:
        wanted = sources(store.spec)
        namespace = store.metadata.namespace
        found = await asyncio.gather(
            *(self._applier.live(source.resource, namespace, source.name) for source in wanted)
        )
        return {source: None if one is None else _data(one) for source, one in zip(wanted, found, strict=True)}

    async def _delete(self, resource: Resource, namespace: str, name: str, owner: str | None = None) -> None:
        found = await self._applier.live(resource, namespace, name)
        owners = [each["uid"] for each in found["metadata"].get("ownerReferences", ())] if found else []
        if found is not None and (owner is None or owner in owners):
            await self._applier.delete(resource, namespace, name, found["metadata"]["uid"])


def _works_on(job: Manifest, label: str) -> bool:
    return job["metadata"]["labels"].get(STORE_LABEL) == label and not finished(job)


def _key(job: Manifest) -> Request:
    return Request(job["metadata"]["namespace"], job["metadata"]["name"])


def _data(manifest: Manifest) -> dict[str, bytes]:
    data: Mapping[str, str] = manifest.get("data") or {}
    if manifest["kind"] == SECRETS.kind:
        return {name: base64.b64decode(value) for name, value in data.items()}
    return {name: value.encode() for name, value in data.items()}
