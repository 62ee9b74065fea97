"""Kubernetes Events: one per transition, repeated ones counted in a series, a bounded number per object and minute.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import uuid4

from timonier.api.resources import EVENTS, Resource
from timonier.engine.client import Client
from timonier.engine.contract import Manifest
from timonier.engine.errors import ApiError, NotFoundError

__all__ = ["EventRecorder", "Transition"]

_MAX_NEW_PER_MINUTE: Final = 10
_REMEMBERED: Final = 4096
_SERIES_WINDOW: Final = 600.0
_NOTE_LIMIT: Final = 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Transition:
    """Something worth telling a person: `reason` is a CamelCase word of a closed list, `note` a sentence."""

    reason: str
    note: str
    action: str = "Reconcile"
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(slots=True)
class _Series:
    name: str
    count: int
    since: float


class EventRecorder:
    """Writes Events about objects. Best effort: a refused event is logged and forgotten."""

    def __init__(self, client: Client, *, instance: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()
        self._recent: OrderedDict[str, deque[float]] = OrderedDict()

    async def record(self, resource: Resource, about: Manifest, transition: Transition) -> None:
        """Record one transition of the object `about`: a new Event, or one more in the series of an equal one."""
        uid = about["metadata"]["uid"]
        key = (uid, transition.reason, transition.note)
        now = self._clock()
        series = self._series.get(key)
        try:
            if series is not None and now - series.since < _SERIES_WINDOW:
                await self._count_up(about, series)
            elif self._may_create(uid, now):
                await self._create(resource, about, transition, key, now)
        except ApiError as error:
            logger.warning("could not record the event %s: %s", transition.reason, error)

    async def _count_up(self, about: Manifest, series: _Series) -> None:
        series.count += 1
        patch = {"series": {"count": series.count, "lastObservedTime": _micro_time()}}
        try:
            await self._client.merge(EVENTS, about["metadata"]["namespace"], series.name, patch)
        except NotFoundError:
            series.since = float("-inf")  # events expire on the server; the next one starts anew

    async def _create(
        self, resource: Resource, about: Manifest, transition: Transition, key: tuple[str, str, str], now: float
    ) -> None:
        metadata = about["metadata"]
        name = f"{metadata['name'][:200]}.{uuid4().hex[:16]}"
        event: dict[str, Any] = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": metadata["namespace"], "name": name},
            "eventTime": _micro_time(),
            "reportingController": "timonier.dev/timonier",
            "reportingInstance": self._instance[:128],
            "action": transition.action,
            "reason": transition.reason,
            "note": transition.note[:_NOTE_LIMIT],
            "type": transition.type,
            "regarding": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
        }
        await self._client.create(EVENTS, event)
        self._series[key] = _Series(name, 1, now)
        while len(self._series) > _REMEMBERED:
            self._series.popitem(last=False)

    def _may_create(self, uid: str, now: float) -> bool:
        recent = self._recent.setdefault(uid, deque())
        while recent and now - recent[0] > 60:
            recent.popleft()
        if len(recent) >= _MAX_NEW_PER_MINUTE:
            return False
        recent.append(now)
        self._recent.move_to_end(uid)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return True


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
