"""Do the task in $TIMONIER_TASK, and leave what came of it for kubelet to take over; or pass on a stream.

With the argument `probe`, the task is to ask how an application is, which takes no store.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from timonier.mover.backup import backup
from timonier.mover.instruction import Instruction, parse
from timonier.mover.meeting import stream
from timonier.mover.outcome import Interruption, MoverError, Result, failure, failure_of_system, success
from timonier.mover.probe import probe
from timonier.mover.repository import locks, open_repository, unlock
from timonier.mover.restic import OPEN_SECONDS, Restic, from_environment
from timonier.mover.restore import restore
from timonier.mover.streams import prove, receive, send
from timonier.mover.survey import application, forget, survey

__all__ = ["main"]

_Task = Callable[[Instruction, Restic], Result]

RESULT_LINE = "TIMONIER-RESULT"
"""What begins the last line of the log, which has the pod's uid and the result."""

_TASKS: dict[str, _Task] = {
    "application": application,
    "backup": backup,
    "forget": forget,
    "prove": prove,
    "receive": receive,
    "restore": restore,
    "send": send,
    "survey": survey,
}


# To open it costs half a second each time.
_OPEN_THEMSELVES = frozenset({"backup", "receive", "restore", "survey"})


def main() -> int:
    """The exit code: 0 when the task is done."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    if sys.argv[1:] == ["stream"]:
        return stream(os.environ)
    try:
        left, code = success(_done(probes=sys.argv[1:] == ["probe"])), 0
    except MoverError as error:
        left, code = failure(error), 1
    Path(os.environ.get("TIMONIER_RESULT", "/dev/termination-log")).write_bytes(left)
    # Whoever follows the log hears it before kubelet sees the end; after all else that is read there.
    print(RESULT_LINE, os.environ.get("TIMONIER_POD", "-"), left.decode(), flush=True)
    return code


def _done(*, probes: bool) -> Result:
    try:
        instruction = parse(os.environ.get("TIMONIER_TASK", ""))
        return probe(instruction.fields) if probes else _do(instruction)
    except Interruption as error:
        raise MoverError("Interrupted", f"The mover was told to stop by {error}; done again, it goes on.") from error
    except OSError as error:
        raise failure_of_system(error) from error
    except MoverError:
        raise
    except Exception as error:
        # A fault of ours: the log has where, and the operator gets a result all the same.
        traceback.print_exc()
        raise MoverError("Failed", f"The mover failed: {type(error).__name__}: {error}.") from error


def _do(instruction: Instruction) -> Result:
    name = instruction.text("task")
    task = _TASKS.get(name)
    if task is None:
        raise MoverError("Failed", f"There is an unknown task {name!r} in TIMONIER_TASK.")
    seconds = instruction.seconds("openSeconds", OPEN_SECONDS)
    restic = from_environment(os.environ, seconds, locks=not instruction.flag("noLock"))
    try:
        if instruction.flag("unlock"):
            unlock(restic, seconds, instruction.texts("abandoned", required=False))
        if name not in _OPEN_THEMSELVES:
            open_repository(restic, seconds)
        return task(instruction, restic)
    except MoverError as error:
        if error.code == "Locked":
            raise MoverError("Locked", error.message, locks(restic)) from error
        raise


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows is restic's orderly end, which must not be disturbed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Interruption(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
