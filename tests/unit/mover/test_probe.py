"""What probes say of servers that are well, unwell, slow, or not there."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from timonier.mover.outcome import MoverError
from timonier.mover.probe import probe

ANSWERS: dict[str, tuple[int, bytes]] = {
    "/well": (200, b"all is well"),
    "/moved": (302, b""),
    "/unwell": (500, b"x" * 5000),
    "/late-word": (200, b"." * (70 << 10) + b"well"),
}
VALUES = {"up": '[{"value": [1, "0.97"]}]', "none": "[]", "nan": '[{"value": [1, "NaN"]}]'}


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.asked[parts.path] = count = self.asked.get(parts.path, 0) + 1
        if parts.path == "/drip":
            self.drip()
            return
        if parts.path == "/third":
            status, body = (200 if count >= 3 else 503), b""
        elif parts.path == "/until-third":
            status, body = (200 if count < 3 else 503), b""
        elif parts.path == "/api/v1/query":
            kind = parse_qs(parts.query)["query"][0]
            scalar = '{"resultType": "scalar", "result": [1, "5"]}'
            vector = f'{{"resultType": "vector", "result": {VALUES.get(kind, "[]")}}}'
            status, body = 200, f'{{"data": {scalar if kind == "five" else vector}}}'.encode()
        else:
            status, body = ANSWERS[parts.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 200:
                self.wfile.write(bytes((byte,)))
                time.sleep(0.05)
        except OSError:
            return

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    Handler.asked = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def told(name: str = "one", **fields: Any) -> dict[str, Any]:
    usual = {"intervalSeconds": 0.05, "timeoutSeconds": 1, "failureThreshold": 2, "successThreshold": 1}
    return {"name": name, **usual, **fields}


def http(url: str, **fields: Any) -> dict[str, Any]:
    expected = {name: fields.pop(name) for name in ("expectStatus", "expectBody") if name in fields}
    return told(http={"url": url, **expected}, **fields)


def failure(*probes: dict[str, Any], **fields: Any) -> str:
    with pytest.raises(MoverError) as caught:
        probe({"probes": list(probes), **fields})
    assert caught.value.code == "VerificationFailed"
    return caught.value.message


def test_a_good_answer_is_one_below_400_or_one_that_is_expected(url: str) -> None:
    for each in (http(f"{url}/well"), http(f"{url}/moved"), http(f"{url}/unwell", expectStatus=[500])):
        assert probe({"probes": [each]}).attempts == 1
    assert failure(http(f"{url}/unwell")) == f"the probe one failed 2 times in a row: {url}/unwell answered 500"
    assert "answered 302" in failure(http(f"{url}/moved", expectStatus=[200]))


def test_the_body_is_searched_as_far_as_64_kib(url: str) -> None:
    assert probe({"probes": [http(f"{url}/well", expectBody="is w.ll")]})
    assert "without 'well'" in failure(http(f"{url}/late-word", expectBody="well"))


def test_it_takes_so_many_in_a_row(url: str) -> None:
    assert probe({"probes": [http(f"{url}/third", failureThreshold=3)]}).attempts == 3
    assert probe({"probes": [http(f"{url}/well", successThreshold=4)]}).attempts == 4


def test_a_server_that_drips_its_answer_is_too_slow_all_the_same(url: str) -> None:
    begun = time.monotonic()
    message = failure(http(f"{url}/drip", timeoutSeconds=0.4, failureThreshold=1))
    assert "nothing within 0.4 s" in message
    assert time.monotonic() - begun < 2


def test_a_connection_is_accepted_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probe({"probes": [told(tcp={"host": "127.0.0.1", "port": port})]})
    assert "accepts no connection" in failure(told(tcp={"host": "127.0.0.1", "port": port}))
    assert "accepts no connection" in failure(told(tcp={"host": "127.0.0.1", "port": 0}))
    assert "answered not: " in failure(http(f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize(
    ("query", "sign", "value", "good"),
    [
        ("up", ">", "0.95", True), ("up", ">=", "0.97", True), ("up", "<", "0.97", False), ("up", "==", "0.970", True),
        ("up", "!=", "0.97", False), ("five", "<=", "5", True), ("none", ">", "0", False), ("nan", "!=", "1", False),
    ],
)  # fmt: skip
def test_a_value_of_prometheus_is_compared(url: str, query: str, sign: str, value: str, good: bool) -> None:
    asked = told(promQL={"url": url, "query": query, "operator": sign, "value": value}, failureThreshold=1)
    if good:
        assert probe({"probes": [asked]})
    else:
        assert failure(asked)


def test_for_so_long_every_probe_is_asked_and_one_that_fails_ends_it(url: str) -> None:
    assert probe({"probes": [http(f"{url}/well")], "seconds": 0.4}).attempts >= 3
    begun = time.monotonic()
    assert "until-third" in failure(http(f"{url}/well"), http(f"{url}/until-third"), seconds=30)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "instruction",
    [{}, {"probes": []}, {"probes": [{"name": "one"}]}, {"probes": [http("http://a/", expectBody="(")]},
     {"probes": [told(promQL={"url": "http://a", "query": "up", "operator": "~", "value": "1"})]}],
)  # fmt: skip
def test_an_instruction_that_is_none_is_said(instruction: dict[str, Any]) -> None:
    with pytest.raises(MoverError) as caught:
        probe(instruction)
    assert caught.value.code == "Failed"


def test_as_a_program_it_leaves_a_result_and_heeds_the_signal_to_stop(url: str, tmp_path: Path) -> None:
    def run(*probes: dict[str, Any], **fields: Any) -> tuple[subprocess.Popen[bytes], Path]:
        left = tmp_path / f"left-{len(list(tmp_path.iterdir()))}"
        left.touch()
        task = json.dumps({"probes": list(probes), **fields})
        environment = {**os.environ, "TIMONIER_TASK": task, "TIMONIER_RESULT": str(left)}
        command = [sys.executable, "-m", "timonier.mover", "probe"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL), left

    process, left = run(http(f"{url}/well"))
    assert (process.wait(20), json.loads(left.read_text())) == (0, {"ok": True, "attempts": 1})
    process, left = run(http(f"{url}/unwell"))
    assert process.wait(20) == 1
    assert json.loads(left.read_text())["error"] == "VerificationFailed"
    process, left = run(http(f"{url}/third", successThreshold=1000), seconds=60)
    while "/third" not in Handler.asked:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 1
    assert json.loads(left.read_text())["error"] == "Interrupted"
