"""What background processes of ours know about the cluster: list, then watch, for ever."""

import http.client
import logging
import time
from collections.abc import Callable
from typing import Any

from devcluster.api import Api

__all__ = ["follow"]

Manifest = dict[str, Any]

_log = logging.getLogger("following")


def follow(
    api: Api, collection: str, listed: Callable[[list[Manifest]], None], changed: Callable[[str, Manifest], None]
) -> None:
    """List, then watch for five minutes, over and over; whatever fails is tried again from a fresh list.

    `listed` is told everything there is, `changed` each event's type (ADDED, MODIFIED, DELETED) and object.
    """
    while True:
        try:
            answer = api.request("GET", collection).body
            listed(answer["items"])
            version = answer["metadata"]["resourceVersion"]
            for event in api.watch(f"{collection}?watch=1&resourceVersion={version}", 300):
                if event["type"] == "ERROR":
                    break
                changed(event["type"], event["object"])
        except Exception as error:  # noqa: BLE001 - whatever one object or a dying API server did, the next list heals
            _log.warning("%s: %s: %s", collection, type(error).__name__, error)
            time.sleep(0.5 if isinstance(error, OSError | http.client.HTTPException) else 2.0)
