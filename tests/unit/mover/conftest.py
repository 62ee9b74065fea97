"""A repository of our own for each test, and the mover as a process, as it runs in a pod.

`repository/` is an empty repository with the password "secret". Its key is derived in no time (scrypt with N=2), where
restic would choose half a second for each of its starts.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "secret"


@pytest.fixture(autouse=True)
def _restic() -> None:
    if shutil.which("restic") is None:
        pytest.skip("restic is not installed")


@dataclass(frozen=True)
class Outcome:
    code: int
    result: dict[str, Any]
    stdout: str
    stderr: str

    def lines(self, word: str) -> list[dict[str, Any]]:
        found = [line.partition(" ") for line in self.stdout.splitlines()]
        return [json.loads(rest) for first, _, rest in found if first == word]


@dataclass(frozen=True)
class Store:
    """A local repository, and the mover that works with it."""

    folder: Path
    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "RESTIC_REPOSITORY": str(self.folder),
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": str(self.home / "cache"),
            "TIMONIER_RESULT": str(self.home / "result"),
            **more,
        }

    def start(self, task: dict[str, Any], **env: str) -> subprocess.Popen[bytes]:
        # A group of its own, so that all of it can be killed as a pod is.
        return subprocess.Popen(
            [sys.executable, "-m", "timonier.mover"],
            env=self.environment(TIMONIER_TASK=json.dumps(task), **env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[bytes]) -> Outcome:
        stdout, stderr = process.communicate(timeout=60)
        left = (self.home / "result").read_bytes()
        assert len(left) <= 4096
        (self.home / "result").unlink()
        return Outcome(process.returncode, json.loads(left), stdout.decode(), stderr.decode())

    def mover(self, task: str, *, env: dict[str, str] | None = None, **fields: Any) -> Outcome:
        return self.end(self.start({"task": task, **fields}, **env or {}))

    def done(self, task: str, **fields: Any) -> dict[str, Any]:
        outcome = self.mover(task, **fields)
        assert outcome.code == 0, outcome.stderr
        assert outcome.result.pop("ok") is True
        return outcome.result

    def refused(self, task: str, **fields: Any) -> dict[str, Any]:
        outcome = self.mover(task, **fields)
        assert outcome.code == 1
        assert outcome.result.pop("ok") is False
        assert PASSWORD not in outcome.stdout + outcome.stderr + json.dumps(outcome.result)
        return outcome.result

    def wait_for_lock(self, process: subprocess.Popen[bytes]) -> None:
        """Until restic works on the repository; a lock that is being written has another name."""
        while not [path for path in (self.folder / "locks").iterdir() if "-tmp-" not in path.name]:
            assert process.poll() is None
            time.sleep(0.02)

    def restic(self, *arguments: str) -> str:
        ran = subprocess.run(["restic", *arguments], env=self.environment(), capture_output=True, text=True, check=True)
        return ran.stdout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    folder = tmp_path / "store"
    shutil.copytree(Path(__file__).parent / "repository", folder)
    for name in ("data", "index", "locks", "snapshots"):
        (folder / name).mkdir()
    home = tmp_path / "home"
    home.mkdir()
    return Store(folder, home)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The folder `x` of a volume with everything that files can be."""
    folder = tmp_path / "data" / "x"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "lost+found").mkdir()
    (folder / "lost+found" / "found").write_text("no data")
    (folder / "a").write_text("hello")
    (folder / "new\nline, [*?] and \\").write_text("odd")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff\xe2\x82z")).write_text("odder")
    (folder / "link").symlink_to("a")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    os.link(folder / "a", folder / "hard")
    os.mkfifo(folder / "fifo")
    (folder / "sub" / "big").write_bytes(os.urandom(300_000))
    (folder / "sub" / "run").write_text("#!")
    (folder / "sub" / "run").chmod(0o4750)
    (folder / "sub").chmod(0o2555)
    (folder / "lost+found").chmod(0o700)
    folder.chmod(0o2770)
    return folder


Look = Callable[[Path], dict[str, tuple[object, ...]]]


@pytest.fixture
def look() -> Look:
    """What is in a folder, but for what is nobody's data."""

    def looked(folder: Path) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if name.split("/", maxsplit=1)[0] in ("lost+found", ".timonier-restore"):
                continue
            status = path.lstat()
            content: object = None
            if path.is_symlink():
                content = path.readlink()
            elif path.is_file():
                content = path.read_bytes()
            found[name] = (status.st_mode, content, None if path.is_dir() else status.st_mtime_ns)
        return found

    return looked
