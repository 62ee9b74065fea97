"""Thousands of reviews that no API server sends, over TLS: each has an answer, and none leaves a trace but that."""

import asyncio
import json
import logging
import re
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import yaml
from prometheus_client import generate_latest

from harness.mutations import broken_bytes, mutated
from harness.operator_process import free_port
from timonier.api.resources import APPLICATIONS, BACKUP_STORES, SELF_SUBJECT_REVIEWS, TOKEN_REVIEWS, Resource
from timonier.engine import metrics
from timonier.engine.client import Client
from timonier.webhooks.access import Access
from timonier.webhooks.certificates import Lives, Pair, renewed
from timonier.webhooks.definitions import ROUTES
from timonier.webhooks.exposition import METRICS_PATH, Exposition
from timonier.webhooks.permissions import REVIEWED
from timonier.webhooks.serving import Webhooks

EACH = 1_000
SENDERS = 4
SAMPLES = [
    document
    for path in sorted((Path(__file__).parents[3] / "operator/samples").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document["apiVersion"].startswith(f"{APPLICATIONS.group}/")
]
FROZEN = {
    "metadata": {"namespace": "shop", "name": "web"},
    "spec": {"changeFreeze": {"until": "2999-01-01T00:00:00Z"}, "retentionLock": {"until": "2999-01-01T00:00:00Z"}},
}


class Generous:
    """An API server by which everybody may do everything."""

    def unguarded(self) -> "Generous":
        return self

    async def create(self, resource: Resource, _body: Any) -> dict[str, Any]:
        if resource in (SELF_SUBJECT_REVIEWS, TOKEN_REVIEWS):
            return {"status": {"authenticated": True, "user": {"username": "me"}, "userInfo": {"username": "me"}}}
        return {"status": {"allowed": True}}


def admission(manifest: Mapping[str, Any]) -> dict[str, Any]:
    group, _, version = manifest["apiVersion"].partition("/")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": group, "version": version, "kind": manifest["kind"]},
            "resource": {"group": group, "version": version, "resource": manifest["kind"].lower() + "s"},
            "name": manifest["metadata"]["name"],
            "namespace": "shop",
            "operation": "UPDATE",
            "userInfo": {"username": "alice", "uid": "2", "groups": ["a"], "extra": {"scopes": ["b"]}},
            "object": {**manifest, "metadata": {**manifest["metadata"], "annotations": {"timonier.dev/made-for": "a"}}},
            "oldObject": manifest,
            "dryRun": False,
            "options": {},
        },
    }


def conversion(manifest: Mapping[str, Any]) -> dict[str, Any]:
    group, _, version = manifest["apiVersion"].partition("/")
    wanted = {"v1": "v1alpha1"}.get(version, "v1")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": {"uid": "1", "desiredAPIVersion": f"{group}/{wanted}", "objects": [manifest, manifest]},
    }


def access(manifest: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"verb": "delete", "group": APPLICATIONS.group, "version": "v1", "namespace": "shop", "name": "web"}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "alice",
            "groups": ["a"],
            "extra": {"b": ["c"]},
            "resourceAttributes": asked | {"resource": f"{manifest['kind'].lower()}s"},
        },
    }


SEEDS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "AdmissionReview": admission,
    "ConversionReview": conversion,
    "SubjectAccessReview": access,
}


def is_answer(kind: str, value: Any) -> bool:
    if value["kind"] != kind:
        return False
    if kind == "SubjectAccessReview":
        return value["status"]["allowed"] is False
    response = value["response"]
    if kind == "AdmissionReview":
        return isinstance(response["allowed"], bool)
    return response["result"]["status"] in ("Success", "Failure")


def words_of_strangers(exposition: str) -> set[str]:
    """Labels of our metrics of reviews that no code of ours has chosen."""
    kinds = {resource.kind for resource in REVIEWED}
    ours = {"ok", "error", "v1", "v1alpha1", "other", "denied", "no opinion"} | {path for path, _ in ROUTES}
    ours |= kinds | {"allowed", "invalid", "refused", "unknown"}
    names = ("timonier_webhook_", "timonier_admission_", "timonier_authorization_")
    lines = [line for line in exposition.splitlines() if line.startswith(names) and "_bucket{" not in line]
    assert lines
    return {word for line in lines for word in re.findall(r'="((?:[^"\\]|\\.)*)"', line)} - ours


class Sender:
    """One connection, as plain as it gets: what is sent is what the test says, byte by byte."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """The status and the body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
        reader, writer = self._streams
        writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        answer = await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split()[1]), json.loads(answer) if "application/json" in head else answer.decode()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def serving(test: Callable[[int, ssl.SSLContext], Awaitable[None]]) -> None:
    """Run a test against the webhooks of a replica, in a cluster where everything is allowed."""
    own = renewed(None, ["127.0.0.1"], datetime.now(UTC), Lives(), published=True)
    reviewed = Access(cast(Client, Generous()), time.monotonic)
    held = {APPLICATIONS: [FROZEN], BACKUP_STORES: [FROZEN]}
    answers = {route: answer(reviewed, lambda resource, _: held.get(resource, [])) for route, answer in ROUTES.items()}

    async def leaf() -> Pair | None:
        return own.leaf

    async def whole() -> None:
        port = free_port()
        pages = {METRICS_PATH: Exposition(reviewed).answer}
        webhooks = Webhooks(answers, f"127.0.0.1:{port}", leaf, pages=pages)
        running = asyncio.create_task(webhooks.run())
        while webhooks.problem():  # noqa: ASYNC110 - what is awaited is what a probe sees
            await asyncio.sleep(0.01)
        try:
            await test(port, ssl.create_default_context(cadata=own.bundle))
        finally:
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(whole())


@pytest.mark.parametrize(("path", "kind"), ROUTES)
def test_no_review_however_odd_is_an_error_of_ours(path: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    seen: Counter[int] = Counter()

    async def send(sender: Sender, seed: int) -> None:
        for number in range(seed, EACH, SENDERS):
            random = Random(f"{path} {number}")
            good = SEEDS[kind](SAMPLES[number % len(SAMPLES)])
            body = broken_bytes(good, random) if number % 5 == 0 else dumped(mutated(good, random))
            status, answer = await sender.post(path, body)
            assert status in (200, 400, 413), (number, status, answer)
            assert status != 200 or is_answer(kind, answer), (number, answer)
            seen[status] += 1

    async def test(port: int, context: ssl.SSLContext) -> None:
        senders = [Sender(port, context) for _ in range(SENDERS)]
        await asyncio.gather(*(send(sender, seed) for seed, sender in enumerate(senders)))
        for manifest in SAMPLES:
            status, answer = await senders[0].post(path, dumped(SEEDS[kind](manifest)))
            assert status == 200
            assert is_answer(kind, answer)
        for sender in senders:
            sender.close()

    serving(test)
    assert caplog.records == []
    assert sum(seen.values()) == EACH
    assert words_of_strangers(generate_latest(metrics.REGISTRY).decode()) == set()
    assert min(seen[200], seen[400]) > EACH / 20, "the mutations are too harmless, or too harsh"


def dumped(value: Any) -> bytes:
    """As JSON, however deep: that of Python gives up where a client in another language need not."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return "".join(_pieces(value)).encode()


def _pieces(value: Any) -> Iterator[str]:
    left: list[tuple[bool, Any]] = [(False, value)]
    while left:
        is_text, current = left.pop()
        entries: list[tuple[str, Any]] = []
        if not is_text and isinstance(current, dict):
            entries = [(f"{json.dumps(key)}:", inner) for key, inner in current.items()]
        elif not is_text and isinstance(current, list):
            entries = [("", inner) for inner in current]
        else:
            yield current if is_text else json.dumps(current)
            continue
        begin, end = "{}" if isinstance(current, dict) else "[]"
        left.append((True, end))
        for index, (name, inner) in reversed(list(enumerate(entries))):
            left += [(False, inner), (True, f"{',' if index else ''}{name}")]
        left.append((True, begin))
