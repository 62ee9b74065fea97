"""Background processes that outlive the command that started them, and are never mistaken for somebody else's.

A process is remembered by its number and its start time together: a number alone is given to another process sooner
or later, and that one must never be stopped.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Daemon", "Identity", "as_administrator", "identity_of", "start_time_in_stat", "write_identity"]

# Children of this very interpreter are kept, so that their end is collected and no zombie stays behind.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be confused with a later one of the same number. `started` is opaque."""

    pid: int
    started: str


def start_time_in_stat(stat: str) -> str | None:
    """The start time in clock ticks since boot out of /proc/PID/stat; None for a zombie.

    Source: proc_pid_stat(5). The second field, the command, may hold spaces and parentheses, so counting begins after
    the last closing one.
    """
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def identity_of(pid: int) -> Identity | None:
    """The identity of a live process; None when there is none or it is a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            ticks = start_time_in_stat(stat.read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if ticks is None else Identity(pid, f"{boot}/{ticks}")
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - ps is where the system has it
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout.strip()
    return None if not answer or answer.startswith("Z") else Identity(pid, answer.partition(" ")[2].strip())


def write_identity(pid_file: Path, pid: int) -> None:
    """Remember a process that was just started, such as a child of ours."""
    identity = identity_of(pid) or Identity(pid, "ended at once")
    pid_file.write_text(json.dumps({"pid": identity.pid, "started": identity.started}))


def as_administrator(environment: Mapping[str, str]) -> dict[str, str]:
    """With the folders on PATH where distributions keep ip, nft and runc; they are not on everybody's."""
    return {**environment, "PATH": f"{environment.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"}


@dataclass(frozen=True, slots=True)
class Daemon:
    """One named background process of a cluster: its pid file and its log."""

    name: str
    pid_file: Path
    log: Path

    def identity(self) -> Identity | None:
        """Who was started last, alive or not; None when never started."""
        try:
            value = json.loads(self.pid_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return Identity(value["pid"], value["started"])

    def alive(self) -> bool:
        """The process that was started still runs."""
        identity = self.identity()
        if identity is None:
            return False
        if identity.pid in _children:
            _children[identity.pid].poll()
        return identity_of(identity.pid) == identity

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it in a session of its own (a Ctrl-C in the terminal is not for it), output appended to the log."""
        process = self._spawn(command, environment)
        _children[process.pid] = process
        write_identity(self.pid_file, process.pid)

    def start_through(self, launcher: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Run a launcher that starts the process, writes the pid file itself and ends; whether it succeeded.

        An interruption is held back until then: a process that no pid file tells of would never be stopped.
        """
        process = self._spawn(launcher, environment)
        interruption: KeyboardInterrupt | None = None
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt as error:
                interruption = error
        if interruption is not None:
            raise interruption
        return process.returncode == 0

    def _spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            return subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                env=dict(environment),
                cwd=self.log.parent,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started; nothing when it is gone."""
        identity = self.identity()
        if identity is not None and self.alive():
            os.kill(identity.pid, number)

    def wait_ended(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        identity = self.identity()
        if identity is not None:
            _children.pop(identity.pid, None)
        return True

    def stop(self, grace_seconds: float, patience: float = 10) -> None:
        """SIGTERM, and SIGKILL after the grace. With no grace SIGKILL at once.

        `patience`: how long a killed process may take to be gone.
        """
        if grace_seconds > 0:
            self.signal(signal.SIGTERM)
            if self.wait_ended(grace_seconds):
                return
        self.signal(signal.SIGKILL)
        self.wait_ended(patience)

    def tail(self, lines: int = 12) -> str:
        """The end of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
