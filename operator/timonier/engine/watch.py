"""The edge where kopf works: it logs in, watches and reconnects; we keep the cache and tell the controllers.

Two things a watch cannot tell are asked by a *census*, a list of metadata only: when everything that existed at
start-up has arrived (nothing may be decided on a half-filled cache), and what vanished while a watch was broken.
A census that finds the cache behind, and behind for long, means that a watch went deaf: then the process must end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import kopf
from kopf import ConnectionInfo, OperatorRegistry, OperatorSettings

from timonier.api.resources import Resource
from timonier.engine import metrics
from timonier.engine.cache import Cache
from timonier.engine.client import Client
from timonier.engine.contract import Change, Request
from timonier.engine.errors import ApiError, NotFoundError

__all__ = ["DeafWatchError", "WatchedKind", "Watcher"]

_CENSUS_PERIOD: Final = 300.0
_CENSUS_AFTER_RELIST: Final = 5.0
_CATCH_UP_POLL: Final = 0.05
_SILENCE_LIMIT: Final = 60.0

_DEFINITION_POLL: Final = 5.0
_PATIENCE: Final = 60.0
_FIRST_PAUSE: Final = 0.5
_LAST_PAUSE: Final = 10.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class DeafWatchError(Exception):
    """A watch is connected and tells nothing: only a new process helps."""


@dataclass(frozen=True, slots=True)
class WatchedKind:
    """A resource to watch; `label_selector` narrows the watch on the server, so that foreign objects cost nothing."""

    resource: Resource
    label_selector: str = ""


class _NoMemory(kopf.DiffBaseStorage):
    """What kopf remembers of an object for its edge-triggered handlers, of which there are none here: nothing.

    Its default copies every object at every event, to compare it with an annotation that it would never write.
    """

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class Watcher:
    """Keeps a cache equal to the API server's state, and reports each change to `notice`."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        kinds: Sequence[WatchedKind],
        notice: Callable[[Change], None],
        *,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._cache = cache
        self._kinds = tuple(kinds)
        self._notice = notice
        self._namespaces = tuple(namespaces)
        self._relisted: dict[Resource, asyncio.Event] = {kind.resource: asyncio.Event() for kind in kinds}
        self._heard: dict[Resource, int] = {kind.resource: 0 for kind in kinds}
        self.started = asyncio.Event()
        """Set once kopf runs; until then it decides what a signal does."""
        self.synced = asyncio.Event()
        """Set once everything that existed at start-up is in the cache."""
        for kind in kinds:
            cache.watches(kind.resource, kind.label_selector)
            metrics.CACHE_OBJECTS.labels(str(kind.resource)).set_function(partial(cache.count, kind.resource))

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set. Raises DeafWatchError, or what kopf raises when a watch cannot go on.

        A kind that the API server does not know yet is waited for: kopf looks for it only once.
        """
        for kind in self._kinds:
            if not await self._served(kind, stop):
                return
        registry = OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> ConnectionInfo:
            return await self._client.login()

        @kopf.on.startup(registry=registry)
        async def started(**_: Any) -> None:
            self.started.set()

        for kind in self._kinds:
            self._subscribe(registry, kind.resource)
        async with asyncio.TaskGroup() as group:
            audits = [group.create_task(self._audit(kind), name=f"census of {kind.resource}") for kind in self._kinds]
            group.create_task(self._announce(), name="start-up barrier")
            await kopf.operator(
                registry=registry,
                settings=self._settings(),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )
            for audit in audits:
                audit.cancel()

    async def _served(self, kind: WatchedKind, stop: asyncio.Event) -> bool:
        """Wait until the API server knows the kind. False when told to stop meanwhile."""
        while not stop.is_set():
            try:
                await self._patiently(partial(self._first_page, kind))
            except NotFoundError:
                logger.warning("waiting for %s, which the API server does not know: is its definition installed?",
                               kind.resource)  # fmt: skip
                with suppress(TimeoutError):
                    async with asyncio.timeout(_DEFINITION_POLL):
                        await stop.wait()
            else:
                return True
        return False

    async def _first_page(self, kind: WatchedKind) -> None:
        async for _ in self._client.pages(kind.resource, label_selector=kind.label_selector, metadata_only=True,
                                          namespace=self._namespaces[0] if self._namespaces else None):  # fmt: skip
            return

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the API server again while it does not answer, or says "not now"; the error, when it does so for long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        pause = _FIRST_PAUSE
        while True:
            try:
                return await ask()
            except ApiError as error:
                wait = max(pause, error.retry_after or 0.0)
                if not error.is_transient or loop.time() + wait > deadline:
                    raise
                logger.warning("the API server does not tell what there is, asking again in %.1f s: %s", wait, error)
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LAST_PAUSE)

    def _subscribe(self, registry: OperatorRegistry, resource: Resource) -> None:
        async def on_event(event: Any, **_: Any) -> None:
            self._take_in(resource, event["type"], event["object"])

        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(on_event)

    def _take_in(self, resource: Resource, kind: str | None, manifest: Any) -> None:
        metrics.WATCH_EVENTS.labels(str(resource), kind or "LISTED").inc()
        self._heard[resource] += 1
        if kind == "DELETED":
            change = self._cache.forget(resource, manifest)
        else:
            change = self._cache.observe(resource, manifest)
        if kind is None and self.synced.is_set():
            self._relisted[resource].set()
        if change is not None and self.synced.is_set():
            self._notice(change)

    def _settings(self) -> OperatorSettings:
        settings = OperatorSettings()
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.watching.chunk_size = 500
        settings.watching.reconnect_backoff = 1.0
        settings.networking.connect_timeout = 5.0
        settings.networking.request_timeout = 30.0
        settings.queueing.idle_timeout = 0.5
        settings.process.ultimate_exiting_timeout = 20.0
        settings.persistence.diffbase_storage = _NoMemory()
        for kind in self._kinds:
            if kind.label_selector:
                selector = (kind.resource.group, kind.resource.version, kind.resource.plural)
                settings.watching.label_selectors[selector] = kind.label_selector
        return settings

    async def _announce(self) -> None:
        for kind in self._kinds:
            await self._catch_up(kind, *await self._census(kind))
        self.synced.set()
        logger.info("the cache is filled", extra={str(k.resource): self._cache.count(k.resource) for k in self._kinds})

    async def _audit(self, kind: WatchedKind) -> None:
        await self.synced.wait()
        relisted = self._relisted[kind.resource]
        while True:
            try:
                async with asyncio.timeout(_CENSUS_PERIOD):
                    await relisted.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(_CENSUS_AFTER_RELIST)
            relisted.clear()
            listed, as_of = await self._census(kind)
            for change in self._cache.retain(kind.resource, listed, as_of):
                self._notice(change)
            await self._catch_up(kind, listed, as_of)

    async def _census(self, kind: WatchedKind) -> tuple[dict[Request, int], int]:
        """The keys and versions of all objects, and the version of the list's last page."""
        return await self._patiently(partial(self._count, kind))

    async def _count(self, kind: WatchedKind) -> tuple[dict[Request, int], int]:
        metrics.WATCH_SWEEPS.labels(str(kind.resource)).inc()
        listed: dict[Request, int] = {}
        as_of = 0
        for namespace in self._namespaces or (None,):
            async for page in self._client.pages(
                kind.resource, namespace=namespace, label_selector=kind.label_selector, metadata_only=True
            ):
                as_of = page.resource_version if not as_of else min(as_of, page.resource_version)
                for item in page.items:
                    metadata = item["metadata"]
                    key = Request(metadata.get("namespace", ""), metadata["name"])
                    listed[key] = int(metadata["resourceVersion"])
        return listed, as_of

    async def _catch_up(self, kind: WatchedKind, listed: dict[Request, int], as_of: int) -> None:
        """Wait until the cache holds all that was listed, forgetting what has been deleted since."""
        time = asyncio.get_running_loop().time
        heard, since = self._heard[kind.resource], time()
        polls = 0
        while behind := self._cache.behind(kind.resource, listed):
            await asyncio.sleep(_CATCH_UP_POLL)
            # Many objects on a busy machine take long: only a watch that says nothing at all meanwhile is deaf.
            if self._heard[kind.resource] != heard:
                heard, since = self._heard[kind.resource], time()
            elif time() - since > _SILENCE_LIMIT:
                raise DeafWatchError(
                    f"the watch of {kind.resource} is {behind} objects behind the list of version {as_of} "
                    f"and has said nothing for {_SILENCE_LIMIT:.0f} s"
                )
            polls += 1
            if polls % 100 == 0:
                listed, as_of = await self._census(kind)
