"""The namespaces by themselves: what is in them, and how they end."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.processes import Daemon

pytestmark = pytest.mark.node

PROGRAM = [sys.executable, "-m", "devcluster.namespaces"]


@pytest.fixture
def first(possible: None, tmp_path: Path) -> Iterator[Daemon]:
    """Namespaces with a folder of their own over /srv."""
    (tmp_path / "own").mkdir()
    init = Daemon("node", tmp_path / "run" / "node.pid", tmp_path / "logs" / "node.log")
    description = {"rebuilt": ["/var/lib"], "binds": [[str(tmp_path / "own"), "/srv"]]}
    assert init.start_through([*PROGRAM, "make", str(init.pid_file), json.dumps(description)], os.environ), init.tail()
    yield init
    init.stop(0)


def inside(first: Daemon, name: str, script: str) -> Daemon:
    identity = first.identity()
    assert identity is not None
    daemon = Daemon(name, first.pid_file.with_name(f"{name}.pid"), first.log.with_name(f"{name}.log"))
    command = [*PROGRAM, "enter", str(identity.pid), str(daemon.pid_file), "sh", "-c", script]
    assert daemon.start_through(command, os.environ), daemon.tail()
    return daemon


def test_the_inside_is_another_world(first: Daemon, tmp_path: Path) -> None:
    script = (
        "echo $$ > /srv/pid; ls /proc | grep -c '^[0-9]' > /srv/processes; ls /sys/class/net > /dev/null; "
        "cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' ' > /srv/links; mkdir /var/lib/only-inside; "
        "ls /var/lib > /srv/folders; mount -n -t tmpfs tmpfs /mnt"
    )
    program = inside(first, "look", script)
    assert program.wait_ended(10)
    own = tmp_path / "own"
    assert int((own / "pid").read_text()) < 20
    assert int((own / "processes").read_text()) < 20
    assert (own / "links").read_text() == "lo\n"
    seen = set((own / "folders").read_text().split())
    assert seen == {path.name for path in Path("/var/lib").iterdir() if not path.name.startswith(".")} | {"only-inside"}
    assert not Path("/var/lib/only-inside").exists()
    assert not os.path.ismount("/mnt")
    assert program.tail() == ""


def test_everything_ends_with_the_first_process(first: Daemon) -> None:
    escape = inside(first, "escape", "trap '' TERM HUP; setsid sleep 600 & sleep 600")
    assert escape.alive()
    first.stop(0)
    assert not escape.alive()


def test_a_node_that_nobody_can_find_any_more_ends_by_itself(first: Daemon) -> None:
    sleeper = inside(first, "sleeper", "exec sleep 600")
    first.pid_file.unlink()
    deadline = time.monotonic() + 15
    while sleeper.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not sleeper.alive()
