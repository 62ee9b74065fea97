"""Keep restic's input open for as long as it is not known to be whole.

restic stores what it has read when its input ends, and the input ends as well when the mover is killed. So another
process holds the input open, too: `python3 -m timonier.mover.guard INPUT`. It is told restic's process id, and then
either that all is well, and lets go; or its own input ends without that, and it kills restic first.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Guard", "guarded"]

_WELL = b"well\n"


class Guard:
    """The process that holds an input open."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen

    def watch(self, pid: int) -> None:
        """Say which process reads the input."""
        self._tell(b"%d\n" % pid)

    def let_go(self) -> None:
        """Say that the input was whole, or its reader is gone; it is held no longer when this returns."""
        if self._popen.returncode is None:
            self._tell(_WELL)
            self._popen.wait()

    def _tell(self, what: bytes) -> None:
        assert self._popen.stdin is not None  # noqa: S101 - always started with a pipe
        self._popen.stdin.write(what)
        self._popen.stdin.flush()


@contextmanager
def guarded(descriptor: int) -> Iterator[Guard]:
    """Have that end of a pipe held open until it is let go, or the block is left; nobody reads it any more then."""
    command = [sys.executable, "-m", "timonier.mover.guard"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[descriptor]) as popen:
        guard = Guard(popen)
        try:
            yield guard
        finally:
            guard.let_go()


def main() -> int:
    """The exit code: 0 when all was well."""
    # Who stops the mover does not mean its guard, which ends after it in any case.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    reader: int | None = None
    for line in sys.stdin.buffer:
        if line == _WELL:
            return 0
        reader = int(line)
    if reader is not None:
        with suppress(ProcessLookupError):
            os.kill(reader, signal.SIGKILL)
    return 1


if __name__ == "__main__":
    sys.exit(main())
