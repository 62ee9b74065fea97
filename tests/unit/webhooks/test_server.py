"""The server in front of a hostile client: whatever comes, there is a proper answer, and the next one is served."""

import asyncio
import io
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timonier.api.resources import Resource
from timonier.engine.client import Client as EngineClient
from timonier.engine.errors import ApiError
from timonier.webhooks import server
from timonier.webhooks.access import Access
from timonier.webhooks.certificates import Lives, Pair, Trust, renewed
from timonier.webhooks.definitions import ROUTES
from timonier.webhooks.serving import Webhooks, from_files

OBJECT = {
    "apiVersion": "timonier.dev/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "web"},
    "spec": {"image": "web"},
}
REQUEST = {"uid": "1", "desiredAPIVersion": "timonier.dev/v1", "objects": [OBJECT]}
ADMISSION = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {"uid": "1", "kind": {"kind": "Application"}, "userInfo": {"username": "alice"}, "object": OBJECT},
}


class Nobody:
    """An API server that answers nothing."""

    def unguarded(self) -> "Nobody":
        return self

    async def create(self, _resource: Resource, _body: Any) -> None:
        raise ApiError(0, "Timeout", "no answer")


ACCESS = Access(cast(EngineClient, Nobody()), time.monotonic)
ANSWERS = {route: answering(ACCESS, lambda _resource, _namespace: ()) for route, answering in ROUTES.items()}
REVIEW = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": REQUEST}


def trust() -> Trust:
    return renewed(None, ["127.0.0.1"], datetime.now(UTC), Lives(), published=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quick(_certificate: str) -> float:
    return 0.02


async def peer(port: int, context: ssl.SSLContext) -> dict[str, Any]:
    """The certificate that a new connection is given."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    certificate: dict[str, Any] = writer.get_extra_info("peercert")
    writer.close()
    return certificate


async def other_peer(port: int, context: ssl.SSLContext, before: dict[str, Any]) -> dict[str, Any]:
    """The first certificate that is not the one before."""
    async with asyncio.timeout(10):
        while (found := await peer(port, context)) == before:  # noqa: ASYNC110 - what is awaited is what a client sees
            await asyncio.sleep(0.02)
    return found


async def serving(webhooks: Webhooks) -> None:
    while webhooks.problem():  # noqa: ASYNC110 - what is awaited is what a probe sees
        await asyncio.sleep(0.01)


class Client:
    """Asks the server under test as the API server does."""

    def __init__(self, session: aiohttp.ClientSession, url: str, context: ssl.SSLContext) -> None:
        self.session = session
        self.url = url
        self.context = context

    async def ask(self, body: Any, path: str = "/convert") -> tuple[int, Any]:
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        async with self.session.post(self.url + path, data=data, ssl=self.context) as answer:
            text = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text.decode()


def asking(test: Callable[[Client], Awaitable[None]], certificates: Trust | None = None) -> None:
    """Run a test against a server of its own."""
    own = certificates or trust()

    async def leaf() -> Pair | None:
        return own.leaf

    async def whole() -> None:
        port = free_port()
        webhooks = Webhooks(ANSWERS, f"127.0.0.1:{port}", leaf)
        assert webhooks.problem() == "no certificate yet"
        running = asyncio.create_task(webhooks.run())
        await serving(webhooks)
        context = ssl.create_default_context(cadata=own.bundle)
        try:
            async with aiohttp.ClientSession() as session:
                await test(Client(session, f"https://127.0.0.1:{port}", context))
        finally:
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(whole())


def test_a_review_is_answered_under_its_uid() -> None:
    async def test(client: Client) -> None:
        status, answer = await client.ask(REVIEW)
        assert status == 200
        assert (answer["kind"], answer["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
        response = answer["response"]
        assert (response["uid"], response["result"]) == ("1", {"status": "Success"})
        assert response["convertedObjects"][0]["spec"] == {"workload": {"image": {"repository": "web"}}}

    asking(test)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        ([], 400),
        ({"kind": "ConversionReview"}, 400),
        (REVIEW | {"kind": "AdmissionReview"}, 400),
        (REVIEW | {"request": {"objects": []}}, 400),
        (REVIEW | {"request": {"uid": "1"}}, 400),
        (REVIEW | {"request": REQUEST | {"objects": "all"}}, 400),
        (b" " * (server.BODY_LIMIT + 1), 413),
    ],
)
def test_what_is_no_review_is_refused_and_the_next_is_answered(body: Any, status: int) -> None:
    async def test(client: Client) -> None:
        assert (await client.ask(body))[0] == status
        assert (await client.ask(REVIEW))[0] == 200

    asking(test)


def test_a_long_list_of_what_many_managers_write_is_no_attack() -> None:
    """Of all that an object has, `managedFields` has the most values for its size."""
    ports = {"k:" + json.dumps({"containerPort": 8000 + n}): {".": {}, "f:name": {}} for n in range(8)}
    env = {"k:" + json.dumps({"name": f"V{n}"}): {".": {}, "f:name": {}, "f:value": {}} for n in range(20)}
    owned = {"f:spec": {"f:workload": {"f:ports": ports, "f:env": env}}}
    names = ("argocd", "flux", "timonier")
    managed = [{"manager": name, "operation": "Apply", "fieldsV1": owned} for name in names]
    objects = 700 * [OBJECT | {"metadata": OBJECT["metadata"] | {"managedFields": managed}}]

    async def test(client: Client) -> None:
        body = json.dumps(REVIEW | {"request": REQUEST | {"objects": objects}}, separators=(",", ":")).encode()
        assert 2 * 1024 * 1024 < len(body) < server.BODY_LIMIT
        status, answer = await client.ask(body)
        assert status == 200
        assert len(answer["response"]["convertedObjects"]) == 700

    asking(test)


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        {},
        OBJECT | {"kind": "Restore"},
        OBJECT | {"apiVersion": "other.dev/v1"},
        OBJECT | {"apiVersion": "timonier.dev/v7"},
        OBJECT | {"spec": []},
        OBJECT | {"metadata": None},
    ],
)
def test_one_object_that_cannot_be_converted_is_said_in_the_result(manifest: Any) -> None:
    async def test(client: Client) -> None:
        status, answer = await client.ask(REVIEW | {"request": REQUEST | {"objects": [OBJECT, manifest]}})
        assert status == 200
        assert answer["response"]["result"]["status"] == "Failure"
        assert answer["response"]["result"]["message"]
        assert "convertedObjects" not in answer["response"]

    asking(test)


def test_other_paths_and_methods_are_not_there() -> None:
    async def test(client: Client) -> None:
        assert (await client.ask(REVIEW, "/elsewhere"))[0] == 404
        async with client.session.get(client.url + "/convert", ssl=client.context) as answer:
            assert answer.status == 405

    asking(test)


def test_plain_http_old_tls_and_strangers_do_not_harm() -> None:
    async def test(client: Client) -> None:
        host, port = client.url.removeprefix("https://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /convert HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            async with client.session.post(client.url, ssl=ssl.create_default_context()):
                pass
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(aiohttp.ClientConnectorError):
            async with client.session.post(client.url, ssl=old):
                pass
        assert (await client.ask(REVIEW))[0] == 200

    asking(test)


@pytest.mark.parametrize("path", [path for path, _ in ROUTES])
@pytest.mark.parametrize("head", ["Content-Length: 5000", "Content-Length: 900000", "Transfer-Encoding: chunked"])
def test_one_that_sends_slowly_holds_up_nobody(monkeypatch: pytest.MonkeyPatch, path: str, head: str) -> None:
    monkeypatch.setattr(server, "_READ_SECONDS", 0.3)

    async def test(client: Client) -> None:
        async def slow() -> bytes:
            port = int(client.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client.context)
            writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())
            if "900000" in head:
                writer.write(b" " * 100_000)  # as much as takes room
            writer.write(b"1\r\n")
            status = await reader.readline()
            writer.close()
            return status

        slow_ones = [asyncio.create_task(slow()) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert (await asyncio.wait_for(client.ask(REVIEW), 1))[0] == 200
        assert set(await asyncio.gather(*slow_ones)) == {b"HTTP/1.1 408 Request Timeout\r\n"}

    asking(test)


def test_a_new_certificate_is_served_without_a_break() -> None:
    authority = trust()
    pairs = [authority.leaf]

    async def newest() -> Pair | None:
        return pairs[-1]

    async def whole() -> None:
        port = free_port()
        webhooks = Webhooks(ANSWERS, f"127.0.0.1:{port}", newest, every=quick)
        running = asyncio.create_task(webhooks.run())
        await serving(webhooks)
        context = ssl.create_default_context(cadata=authority.bundle)
        seen = await peer(port, context)
        for n in range(4):
            names = [f"n{n}", "127.0.0.1"]
            pairs.append(renewed(authority, names, datetime.now(UTC), Lives(), published=True).leaf)
            seen = await other_peer(port, context, seen)
            assert seen["subjectAltName"] == (("DNS", f"n{n}"), ("IP Address", "127.0.0.1"))
        pairs.append(Pair(pairs[0].certificate, pairs[-1].key))  # as when of two files only one is new
        await asyncio.sleep(0.1)
        assert await peer(port, context) == seen
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(whole())


def mounted(folder: Path, pair: Pair) -> Path:
    """A folder of files as a kubelet mounts a Secret: all change at once, by a symbolic link."""
    versions = sorted(folder.glob("..v*"))
    version = folder / f"..v{len(versions)}"
    version.mkdir()
    (version / "tls.crt").write_text(pair.certificate)
    (version / "tls.key").write_text(pair.key)
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").replace(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_files_that_olm_mounts_and_renews_are_taken_up(tmp_path: Path) -> None:
    authority = trust()
    new = renewed(authority, ["new", "127.0.0.1"], datetime.now(UTC), Lives(), published=True).leaf
    ended = renewed(None, ["127.0.0.1"], datetime.now(UTC) - timedelta(days=30), Lives(), published=True).leaf

    async def whole() -> None:
        port = free_port()
        webhooks = Webhooks(ANSWERS, f"127.0.0.1:{port}", from_files(tmp_path), every=quick)
        running = asyncio.create_task(webhooks.run())
        await asyncio.sleep(0.05)
        assert webhooks.problem() == "no certificate yet"
        mounted(tmp_path, authority.leaf)
        await asyncio.wait_for(serving(webhooks), 5)
        context = ssl.create_default_context(cadata=authority.bundle)
        first = await peer(port, context)
        mounted(tmp_path, new)
        second = await other_peer(port, context, first)
        assert second["subjectAltName"] == (("DNS", "new"), ("IP Address", "127.0.0.1"))
        mounted(tmp_path, ended)
        await asyncio.sleep(0.2)
        assert await peer(port, context) == second, "one that has ended is taken up"
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(whole())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "image", "env", "ports", "kind"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=15, deadline=None)
@given(st.lists(JSON, max_size=3), JSON)
def test_nothing_brings_it_down(objects: list[Any], spec: Any) -> None:
    odd = [OBJECT | {"spec": spec}, OBJECT | {"spec": {"image": "web", "ports": spec}}, *objects]

    async def test(client: Client) -> None:
        for manifest in odd:
            assert (await client.ask(REVIEW | {"request": REQUEST | {"objects": [manifest]}}))[0] == 200
            for kind in ("Application", "Restore", "Upgrade", "BackupStore", "Backup"):
                asked = ADMISSION["request"] | {"kind": {"kind": kind}, "object": manifest}
                status, _ = await client.ask(ADMISSION | {"request": asked}, "/review")
                assert status == (200 if admissible(manifest) else 400)
        assert (await client.ask(REVIEW))[0] == 200

    asking(test)


def admissible(manifest: Any) -> bool:
    return isinstance(manifest, dict) and "metadata" in manifest and isinstance(manifest.get("spec") or {}, dict)
