import json
import os
import sys
from pathlib import Path

import pytest

from devcluster.processes import Daemon, Identity, identity_of, start_time_in_stat

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def daemon(folder: Path) -> Daemon:
    return Daemon("sleeper", folder / "run" / "sleeper.pid", folder / "logs" / "sleeper.log")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("S", "4711"), ("R", "4711"), ("Z", None), ("X", None)],
    ids=["sleeps", "runs", "zombie", "x"],
)
def test_the_start_time_is_found_behind_a_hostile_command_name(state: str, expected: str | None) -> None:
    stat = f"42 (a) b (c)) {state} " + " ".join("1" for _ in range(18)) + " 4711 99 98"
    assert start_time_in_stat(stat) == expected


def test_two_processes_differ_and_one_stays_itself() -> None:
    here = identity_of(os.getpid())
    assert here is not None
    assert here == identity_of(os.getpid())
    assert identity_of(os.getppid()) != here
    assert identity_of(2**22 + 1) is None


def test_a_process_is_started_seen_and_stopped(tmp_path: Path) -> None:
    sleeper = daemon(tmp_path)
    assert not sleeper.alive()
    sleeper.start(SLEEP, os.environ)
    assert sleeper.alive()
    sleeper.stop(5)
    assert not sleeper.alive()


def test_a_recycled_number_is_not_ours_and_is_left_alone(tmp_path: Path) -> None:
    sleeper, impostor = daemon(tmp_path / "a"), daemon(tmp_path / "b")
    impostor.start(SLEEP, os.environ)
    identity = impostor.identity()
    assert identity is not None
    sleeper.pid_file.parent.mkdir(parents=True)
    sleeper.pid_file.write_text(json.dumps({"pid": identity.pid, "started": "another boot/1"}))
    assert not sleeper.alive()
    sleeper.stop(0)
    assert impostor.alive()
    impostor.stop(0)


def test_a_damaged_pid_file_names_nobody(tmp_path: Path) -> None:
    sleeper = daemon(tmp_path)
    sleeper.pid_file.parent.mkdir(parents=True)
    sleeper.pid_file.write_text("{")
    assert sleeper.identity() is None
    sleeper.stop(0)


def test_an_identity_survives_its_file(tmp_path: Path) -> None:
    sleeper = daemon(tmp_path)
    sleeper.start(SLEEP, os.environ)
    identity = sleeper.identity()
    assert isinstance(identity, Identity)
    assert identity_of(identity.pid) == identity
    sleeper.stop(0)


def test_a_launcher_leaves_the_process_that_it_started(tmp_path: Path) -> None:
    sleeper = daemon(tmp_path)
    launcher = (
        "import subprocess, sys, pathlib; from devcluster.processes import write_identity; "
        f"write_identity(pathlib.Path({str(sleeper.pid_file)!r}), subprocess.Popen({SLEEP!r}).pid)"
    )
    assert sleeper.start_through([sys.executable, "-c", launcher], os.environ)
    assert sleeper.alive()
    sleeper.stop(0)
    assert not sleeper.alive()


def test_a_launcher_that_fails_is_told(tmp_path: Path) -> None:
    sleeper = daemon(tmp_path)
    assert not sleeper.start_through([sys.executable, "-c", "import sys; sys.exit('no such thing')"], os.environ)
    assert not sleeper.alive()
    assert sleeper.tail() == "no such thing"
