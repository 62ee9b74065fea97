"""restic as a process: no shell, no secret among its arguments, no wait without an end."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from timonier.mover.outcome import MoverError
from timonier.mover.verdicts import RETRYING, Redaction, hopeless, verdict

__all__ = ["OPEN_SECONDS", "Process", "Restic", "from_environment"]

OPEN_SECONDS = 60.0
"""How long a store may keep us waiting before it counts as unreachable."""

_CACHE = "/tmp/restic-cache"  # noqa: S108 - the pod's only writable folder, its own emptyDir
_AUTHORITY = "/credentials/ca.crt"
_FAREWELL_SECONDS = 20.0
_SECRETS = ("RESTIC_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RESTIC_REST_PASSWORD")


class Process:
    """One running restic. `stop` has it end in order; `finish` waits for its end and raises what went wrong."""

    def __init__(self, popen: subprocess.Popen[bytes], redact: Redaction, patience: float) -> None:
        """`patience` is the number of seconds for which restic may go on trying again."""
        self._popen = popen
        self._redact = redact
        self._patience = patience
        self._said: deque[str] = deque(maxlen=100)
        self._retrying_since: float | None = None
        self._last_retry = 0.0
        self._overdue: float | None = None
        self._failed: MoverError | None = None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self.on_complaint: Callable[[str], MoverError | None] = lambda _line: None
        """What a line of stderr means for the command: an error ends it at once."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def stdout(self) -> IO[bytes]:
        """What restic writes."""
        if self._popen.stdout is None:
            raise MoverError("Failed", "restic was started without an output.")
        return self._popen.stdout

    def listen(self) -> None:
        """Begin to read what restic complains of."""
        self._listener.start()

    def stop(self) -> None:
        """Have restic take back its lock and end: it heeds SIGINT, while releases before 0.16 just die of SIGTERM."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)

    def expire(self, seconds: float) -> None:
        """Stop it because so many seconds were too many."""
        self._overdue = seconds
        self.stop()

    def finish(self, *allowed: int) -> None:
        """Wait for its end; MoverError when it did not do what it was to do, other exit codes `allowed` included."""
        code = self._popen.wait()
        self._listener.join()
        if self._failed is None and self._overdue is None and code in (0, *allowed):
            return
        error = self._failed or verdict(code, self._said)
        if self._overdue is not None and error.code in ("Failed", "NotInitialized"):
            error = MoverError("Unreachable", f"The store did not answer within {self._overdue:g} s. {error.message}")
        error.message = self._redact(error.message)
        raise error

    def abandon(self) -> None:
        """End it whatever it does, if it still runs."""
        if self._popen.poll() is None:
            self.stop()
            try:
                self._popen.wait(_FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()

    def _listen(self) -> None:
        assert self._popen.stderr is not None  # noqa: S101 - always started with a pipe
        with self._popen.stderr as stream:
            for raw in stream:
                # Judged as it is, since a secret may be a common word, and shown without secrets.
                line = raw.decode(errors="replace").rstrip("\n")
                self._said.append(line)
                print(self._redact(line), file=sys.stderr, flush=True)
                if self._failed is None and (error := self._judged(line)) is not None:
                    self._failed = error
                    self.stop()

    def _judged(self, line: str) -> MoverError | None:
        if hopeless(line):
            return verdict(1, [line])
        if RETRYING in line:
            now = time.monotonic()
            # Longer than the longest pause between two attempts: something else fails now.
            if self._retrying_since is None or now - self._last_retry > 90:
                self._retrying_since = now
            self._last_retry = now
            if now - self._retrying_since > self._patience:
                error = verdict(1, [line])
                return error if error.code != "Failed" else MoverError("Unreachable", error.message)
        return self.on_complaint(line)


@dataclass(frozen=True, slots=True)
class Restic:
    """How restic is run: the environment has the repository's address and its secrets."""

    program: str
    options: tuple[str, ...]
    environment: Mapping[str, str]
    redact: Redaction
    patience: float = OPEN_SECONDS

    @property
    def folder(self) -> Path | None:
        """Where the repository is, when it is one of files that this pod has."""
        address = self.environment.get("RESTIC_REPOSITORY", "")
        return Path(address) if address.startswith("/") else None

    @contextmanager
    def start(
        self, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE
    ) -> Iterator[Process]:
        """Run it for as long as the block lasts; whatever leaves the block, restic is gone afterwards."""
        command = [self.program, *self.options, *arguments]
        with subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=dict(self.environment)
        ) as popen:
            process = Process(popen, self.redact, self.patience)
            process.listen()
            try:
                yield process
            finally:
                process.abandon()

    def run(self, *arguments: str, seconds: float | None = None) -> bytes:
        """Its whole output, for commands that say little; after `seconds` the store counts as unreachable."""
        with self.start(*arguments) as process:
            timer = threading.Timer(seconds, process.expire, [seconds]) if seconds else None
            if timer:
                timer.start()
            try:
                output = process.stdout.read()
                process.finish()
            finally:
                if timer:
                    timer.cancel()
        return output

    def discard(self, *arguments: str) -> None:
        """Run it for what it finds wrong; its output is thrown away."""
        with self.start(*arguments, stdout=subprocess.DEVNULL) as process:
            process.finish()


def from_environment(environment: Mapping[str, str], patience: float = OPEN_SECONDS, *, locks: bool = True) -> Restic:
    """restic as the pod is set up for it; without `locks` where the repository can only be read."""
    program = shutil.which("restic", path=environment.get("PATH", os.defpath))
    if program is None:
        raise MoverError("Failed", "The program restic is not installed.")
    options = ["--cache-dir", environment.get("RESTIC_CACHE_DIR", _CACHE), "--cleanup-cache"]
    authority = environment.get("TIMONIER_AUTHORITY", _AUTHORITY)
    if Path(authority).is_file():
        options += ["--cacert", authority]
    if not locks:
        options.append("--no-lock")
    kept = {name: value for name, value in environment.items() if name != "TIMONIER_TASK"}
    kept.setdefault("RESTIC_PROGRESS_FPS", "0.2")
    return Restic(program, tuple(options), kept, Redaction(_secrets(environment)), patience)


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name in _SECRETS:
        yield environment.get(name, "")
    _, _, address = environment.get("RESTIC_REPOSITORY", "").partition(":")
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
