"""Back up what a command writes, and give it back: one file in a snapshot, which came, or goes, as a stream."""

import os
import re
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from timonier.mover.backup import Labels, of_part, result_of, save_application, summary_of
from timonier.mover.frames import Reader, Writer
from timonier.mover.guard import guarded
from timonier.mover.instruction import Instruction
from timonier.mover.manifest import contents
from timonier.mover.meeting import DONE, GIVES, TAKES, meet
from timonier.mover.outcome import BackupResult, MoverError, ProveResult, SendResult
from timonier.mover.repository import snapshots
from timonier.mover.restic import Restic

__all__ = ["prove", "receive", "send"]

_WAIT_SECONDS = 300.0
_CHUNK = 1 << 16
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


def receive(instruction: Instruction, restic: Restic) -> BackupResult:
    """Back up a stream that somebody comes with. A run whose data is in the repository already is done."""
    labels, filename = Labels(instruction), instruction.text("filename")
    if not _NAME.fullmatch(filename):
        raise MoverError("Failed", f"{filename!r} is no name for a file in a backup.")
    found = snapshots(restic, run=labels.run, opening=restic.patience)
    save_application(restic, labels, instruction, found)
    if done := of_part(found, "data"):
        return result_of(restic, done.id, 0)
    with meet(os.environ, instruction.seconds("waitSeconds", _WAIT_SECONDS)) as peer:
        peer.sendall(TAKES)
        with peer.makefile("rb") as source:
            snapshot, added = _store(restic, [*labels.options("data"), "--stdin-filename", filename], Reader(source))
        # Whoever left before hearing it loses nothing: the backup is in the repository.
        with suppress(OSError):
            peer.sendall(DONE)
    return result_of(restic, snapshot, added)


def send(instruction: Instruction, restic: Restic) -> SendResult:
    """Give a backup that was received to somebody who comes for it, once it is known to be whole."""
    held = contents(restic, instruction.snapshot())
    if len(held.parts) != 1 or held.files != 1 or len(held.parts[0][1].lines) != 1:
        raise MoverError("Failed", f"Snapshot {held.snapshot} has no single file; it is one to restore into volumes.")
    path = held.parts[0][0]
    # What a program has loaded cannot be taken back when the rest turns out to be damaged.
    restic.discard("dump", held.snapshot, path)
    with meet(os.environ, instruction.seconds("waitSeconds", _WAIT_SECONDS)) as peer:
        peer.sendall(GIVES)
        return _give(restic, held.snapshot, path, peer)


def prove(instruction: Instruction, restic: Restic) -> ProveResult:
    """Read a backup that was received in full: restic holds each piece against its hash."""
    held = contents(restic, instruction.snapshot())
    expected = instruction.optional_text("manifestHash")
    if expected and expected != held.hash:
        raise MoverError("Mismatch", f"Snapshot {held.snapshot} holds something else than the backup should.")
    for path, _ in held.parts:
        restic.discard("dump", held.snapshot, path)
    return ProveResult(held.snapshot, held.bytes)


def _store(restic: Restic, options: list[str], payloads: Iterable[bytes]) -> tuple[str, int]:
    read_end, write_end = os.pipe()
    with (
        os.fdopen(read_end, "rb") as input_,
        os.fdopen(write_end, "wb", buffering=0) as sink,
        guarded(write_end) as guard,
        ThreadPoolExecutor(1) as pool,
        restic.start("backup", "--json", "--stdin", *options, stdin=read_end) as process,
    ):
        input_.close()
        guard.watch(process.pid)
        # restic must not come to wait for somebody to read what it says.
        summary = pool.submit(summary_of, process)
        try:
            for payload in payloads:
                _write(sink.fileno(), payload)
        except BrokenPipeError:
            summary.result()  # which says what restic ended of
            raise
        guard.let_go()
        sink.close()
        return summary.result()


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _give(restic: Restic, snapshot: str, path: str, peer: socket.socket) -> SendResult:
    with peer.makefile("wb") as sink:
        writer = Writer(sink)
        try:
            with restic.start("dump", snapshot, path) as process:
                while chunk := process.stdout.read(_CHUNK):
                    writer.write(chunk)
                process.finish()
        except MoverError:
            writer.end(1)
            raise
        writer.end(0)
    return SendResult(snapshot, writer.bytes, writer.sha256)
