"""Streams into and out of a repository: what is whole is kept, and nothing that is not."""

import hashlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from timonier.mover.frames import LARGEST, Reader, Writer
from timonier.mover.outcome import MoverError

from .conftest import Store

DATA = os.urandom(700_000)
RECEIVE = {"task": "receive", "run": "u-1", "filename": "dump.sql", "tags": {"application": "db", "namespace": "shop"}}


def framed(data: bytes, exit_code: int = 0) -> bytes:
    sent = io.BytesIO()
    writer = Writer(sent)
    for start in range(0, len(data), 100_000):
        writer.write(data[start : start + 100_000])
    writer.end(exit_code)
    return sent.getvalue()


def companion(store: Store) -> subprocess.Popen[bytes]:
    """What the operator executes in the pod."""
    return subprocess.Popen(
        [sys.executable, "-m", "timonier.mover", "stream"],
        env=store.environment(TIMONIER_STREAM=str(store.home / "stream")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def pod(store: Store, **task: object) -> subprocess.Popen[bytes]:
    return store.start(dict(task), TIMONIER_STREAM=str(store.home / "stream"))


def snapshots(store: Store) -> int:
    return len(list((store.folder / "snapshots").iterdir()))


def test_a_stream_is_kept_once_and_comes_back(store: Store) -> None:
    receiving, stream = pod(store, **RECEIVE), companion(store)
    assert stream.stdin is not None
    stream.stdin.write(framed(DATA))
    stream.stdin.flush()
    # Its input is still open: not every protocol can close it.
    assert stream.wait(20) == 0
    stream.communicate()
    outcome = store.end(receiving)
    assert outcome.code == 0, outcome.stderr
    assert "TIMONIER-WAITING" in outcome.stdout.splitlines()
    result = outcome.result
    assert (result["bytes"], result["files"], snapshots(store)) == (len(DATA), 1, 1)
    assert store.end(store.start(RECEIVE)).result == {**result, "added": 0}

    sending, stream = pod(store, task="send", snapshot=result["snapshot"]), companion(store)
    received, _ = stream.communicate(timeout=20)
    assert b"".join(Reader(io.BytesIO(received))) == DATA
    outcome = store.end(sending)
    sha256 = hashlib.sha256(DATA).hexdigest()
    assert outcome.result == {"ok": True, "snapshot": result["snapshot"], "bytes": len(DATA), "sha256": sha256}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (framed(DATA)[:-200_000], "Interrupted"),
        (framed(DATA)[:-10], "Interrupted"),
        (framed(DATA, exit_code=3), "Failed"),
        (framed(DATA).replace(hashlib.sha256(DATA).hexdigest().encode(), b"0" * 64), "Mismatch"),
    ],
    ids=["cut", "without end", "failed", "changed"],
)
def test_a_stream_that_is_not_whole_is_not_kept(store: Store, sent: bytes, code: str) -> None:
    receiving, stream = pod(store, **RECEIVE), companion(store)
    stream.communicate(sent, timeout=20)
    assert stream.returncode == 1
    outcome = store.end(receiving)
    assert (outcome.code, outcome.result["error"]) == (1, code), outcome.stderr
    assert snapshots(store) == 0
    assert not list((store.folder / "locks").iterdir())


@pytest.mark.parametrize("everybody", [False, True])
def test_a_killed_mover_keeps_nothing(store: Store, everybody: bool) -> None:
    receiving, stream = pod(store, **RECEIVE), companion(store)
    assert stream.stdin is not None
    stream.stdin.write(framed(DATA)[:-100])
    stream.stdin.flush()
    store.wait_for_lock(receiving)
    time.sleep(0.1)
    (os.killpg if everybody else os.kill)(receiving.pid, signal.SIGKILL)
    receiving.communicate()
    assert stream.wait(20) == 1
    stream.communicate()
    time.sleep(0.5)
    assert snapshots(store) == 0


def test_damage_is_found_before_anything_is_sent(store: Store) -> None:
    receiving, stream = pod(store, **RECEIVE), companion(store)
    stream.communicate(framed(DATA), timeout=20)
    snapshot = store.end(receiving).result["snapshot"]
    pack = max((path for path in (store.folder / "data").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[1000] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    refused = store.mover("send", snapshot=snapshot, waitSeconds=5)
    assert refused.result["error"] == "Corrupted"
    assert "TIMONIER-WAITING" not in refused.stdout


def test_nobody_is_waited_for_without_end(store: Store) -> None:
    refused = store.refused(**RECEIVE, waitSeconds=0.1, env={"TIMONIER_STREAM": str(store.home / "stream")})
    assert refused["error"] == "Failed"
    assert "within 0.1 s" in refused["message"]
    assert store.refused(**{**RECEIVE, "filename": "../x"})["error"] == "Failed"


def test_volumes_are_not_sent(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    snapshot = store.done("backup", paths=[str(tmp_path / "data")], run="u-1")["snapshot"]
    assert "no single file" in store.refused("send", snapshot=snapshot)["message"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0",
        struct.pack(">I", 5) + b"four",
        struct.pack(">I", LARGEST + 1),
        framed(b"")[:4],
        b"\0\0\0\0\0\0\0\2[]",
    ],
)
def test_frames_that_are_none_end_in_an_error(sent: bytes) -> None:
    with pytest.raises(MoverError):
        list(Reader(io.BytesIO(sent)))


def test_the_trailer_says_what_came() -> None:
    sent = framed(b"abc", exit_code=7)
    assert sent.startswith(b"\0\0\0\3abc\0\0\0\0")
    assert json.loads(sent[15:]) == {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest(), "exitCode": 7}
