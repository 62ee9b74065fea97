"""Hear from the log of a mover that it has done well: kubelet looks once a second, and its status comes later still."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from timonier.api.resources import Resource
from timonier.engine.client import Client
from timonier.engine.contract import Manifest, Request
from timonier.engine.exec import Container
from timonier.engine.pod_logs import line_said
from timonier.runs.background import Background, Work
from timonier.runs.mover import CONTAINER
from timonier.runs.outcome import Outcome
from timonier.runs.reasons import Reason

__all__ = ["RESULT_LINE", "Hearing", "last_word"]

RESULT_LINE: Final = "TIMONIER-RESULT"
"""What begins the last line of a mover's log: the uid of its pod and its result follow.

Names of files may get into that log, but whoever gives them does not know the uid.
"""

_AT_MOST: Final = 200
_SECONDS: Final = 86_400.0
_NOTHING: Final = Outcome(Reason.INTERRUPTED, "the log ended without a result")


class Hearing:
    """Follows the logs of movers that run. One that breaks off is no harm: the pod's status comes all the same."""

    def __init__(self, client: Client, background: Background) -> None:
        self._client = client
        self._background = background

    def outcome(self, job: Manifest, pods: Sequence[Manifest], holders: Mapping[str, Resource]) -> Outcome | None:
        """How the mover of a Job has ended, if it said so and has done well; from now on it is listened to.

        Its owner, whose resource `holders` has by its kind, is woken then.
        """
        running = next((pod for pod in pods if _runs(pod)), None)
        if running is None:
            return None
        owners = job["metadata"].get("ownerReferences", ())
        owner = next((each for each in owners if each.get("controller") and each["kind"] in holders), None)
        if owner is None:
            return None
        namespace, uid = job["metadata"]["namespace"], running["metadata"]["uid"]
        work = Work(uid, RESULT_LINE, 1)
        found = self._background.look(work)
        if found is None and self._background.under_way < _AT_MOST:
            container = Container(namespace, running["metadata"]["name"], CONTAINER)
            listening = self._listen(container, f"{RESULT_LINE} {uid} ")
            self._background.start(work, holders[owner["kind"]], Request(namespace, owner["name"]), listening)
        return found if isinstance(found, Outcome) and found.error is None else None

    async def _listen(self, container: Container, beginning: str) -> Outcome:
        line = await line_said(self._client, container, beginning, seconds=_SECONDS)
        return last_word(line.removeprefix(beginning), datetime.now(UTC)) if line is not None else _NOTHING


def last_word(said: str, now: datetime) -> Outcome:
    """What a mover says that it has done. What went wrong is left to its pod's status, which has more to say.

    >>> last_word('{"ok":true,"files":2}', datetime(2026, 11, 30, tzinfo=UTC)).result
    {'files': 2}
    """
    try:
        result = json.loads(said)
    except ValueError:
        return _NOTHING
    if not isinstance(result, dict) or result.pop("ok", None) is not True:
        return _NOTHING
    return Outcome(result=result, ended=now)


def _runs(pod: Manifest) -> bool:
    return any(
        status["name"] == CONTAINER and "running" in status.get("state", {})
        for status in pod.get("status", {}).get("containerStatuses", ())
    )
