"""What is heard from the log of a mover: its last word and nobody else's. The log is played."""

import asyncio
import json
from typing import Any, cast

import pytest

from timonier.api.resources import BACKUPS, Resource
from timonier.engine.client import Client
from timonier.engine.contract import Manifest, Request
from timonier.engine.errors import StreamError
from timonier.engine.exec import Container
from timonier.runs import hearing
from timonier.runs.background import Background
from timonier.runs.hearing import RESULT_LINE, Hearing
from timonier.runs.outcome import Outcome

OWNERS = [{"kind": "Other", "name": "x"}, {"kind": "Backup", "name": "nightly", "controller": True}]
JOB: Manifest = {"metadata": {"namespace": "shop", "name": "nightly-transfer-1", "ownerReferences": OWNERS}}
GOOD = {"ok": True, "files": 2}


def pod(state: str = "running", container: str = "mover") -> Manifest:
    statuses = [{"name": container, "state": {state: {}}}]
    return {"metadata": {"name": "nightly-x", "uid": "pod-1"}, "status": {"containerStatuses": statuses}}


def heard(monkeypatch: pytest.MonkeyPatch, said: dict[str, Any] | str | None, *pods: Manifest) -> list[Any]:
    """What was listened for, whom it woke, and what was heard at first and in the end."""
    seen: list[Any] = []

    async def line(_client: Client, container: Container, beginning: str, *, seconds: float) -> str | None:
        assert seconds > 0
        seen.append((str(container), beginning))
        if said == "broken":
            raise StreamError("the log broke off")
        return None if said is None else beginning + (said if isinstance(said, str) else json.dumps(said))

    def wake(resource: Resource, request: Request) -> None:
        seen.append((resource, request))

    async def go() -> list[Any]:
        background = Background(wake)
        hear = Hearing(cast(Client, None), background)
        first = hear.outcome(JOB, pods, {"Backup": BACKUPS})
        for _ in range(5):
            await asyncio.sleep(0)
        again = hear.outcome(JOB, pods, {"Backup": BACKUPS})
        assert background.under_way == 0
        assert hear.outcome({"metadata": {"namespace": "shop"}}, pods, {"Backup": BACKUPS}) is None
        return [*seen, first, again]

    monkeypatch.setattr(hearing, "line_said", line)
    return asyncio.run(go())


def test_the_last_word_of_a_mover_is_heard_and_its_owner_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    listened, woken, first, outcome = heard(monkeypatch, GOOD, pod())
    assert listened == ("shop/nightly-x/mover", f"{RESULT_LINE} pod-1 ")
    assert woken == (BACKUPS, Request("shop", "nightly"))
    assert first is None
    assert isinstance(outcome, Outcome)
    assert (outcome.error, outcome.result) == (None, {"files": 2})
    assert outcome.ended is not None


@pytest.mark.parametrize("said", [None, "broken", "no JSON", "[]", "{}", {"ok": False, "error": "Locked"}, {"ok": 1}])
def test_whatever_else_a_log_ends_with_is_left_to_the_status(monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    *_, first, again = heard(monkeypatch, said, pod())
    assert (first, again) == (None, None)


@pytest.mark.parametrize("pods", [[], [pod("waiting")], [pod("terminated")], [pod(container="job")]])
def test_nobody_listens_to_what_does_not_run(monkeypatch: pytest.MonkeyPatch, pods: list[Manifest]) -> None:
    assert heard(monkeypatch, GOOD, *pods) == [None, None]
