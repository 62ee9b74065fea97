"""Restores with the real restic: what comes back, and that nothing is lost whatever happens on the way."""

import json
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from timonier.mover.staging import State, Volume

from .conftest import Look, Outcome, Store

OLD = {"mine": "old", "sub/run": "old", "sub/deep/er": "old", "link/was": "a folder"}


@pytest.fixture
def snapshot(store: Store, volume: Path) -> str:
    return str(store.done("backup", paths=[str(volume)], run="u-1")["snapshot"])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A volume of the same name elsewhere, with other data in it."""
    folder = tmp_path / "other" / "x"
    fill(folder)
    (folder / "a").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("not ours")
    return folder


@pytest.fixture(params=[True, False], ids=["straight", "listed first"])
def told(request: pytest.FixtureRequest, store: Store, volume: Path) -> dict[str, Any]:
    """What restores the snapshot into the volume that it was made of, in either way."""
    made = store.done("backup", paths=[str(volume)], run="u-1")
    known = {"place": str(volume), "bytes": made["bytes"], "files": made["files"]} if request.param else {}
    hash_ = made["manifestHash"]
    return {"snapshot": made["snapshot"], "target": str(volume.parent), "manifestHash": hash_, **known}


def spoilt(folder: Path) -> None:
    """Another content."""
    shutil.rmtree(folder / "sub", ignore_errors=True)
    (folder / "mine").write_text("not in the backup")


def fill(folder: Path) -> None:
    for name, text in OLD.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lost+found").mkdir()
    (folder / "lost+found" / "kept").touch()
    (folder / "sub" / "deep").chmod(0o500)


def pack_of(store: Store) -> Path:
    packs = [path for path in (store.folder / "data").rglob("*") if path.is_file()]
    return max(packs, key=lambda path: path.stat().st_size)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def restic_that(folder: Path, script: str) -> dict[str, str]:
    """An environment whose restic runs that script, for faults that the real one cannot be brought to."""
    folder.mkdir()
    (folder / "restic").write_text(f"#!/bin/sh\nreal={shutil.which('restic')}\n{script}\n")
    (folder / "restic").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_everything_comes_back_and_nothing_else_is_there(
    store: Store, volume: Path, target: Path, snapshot: str, look: Look
) -> None:
    result = store.done("restore", snapshot=snapshot, target=str(target.parent))
    assert look(target) == look(volume)
    assert stat.S_IMODE(target.stat().st_mode) == 0o2770
    assert (target.parent.parent / "outside").read_text() == "not ours"
    assert [path.name for path in (target / "lost+found").iterdir()] == ["kept"]
    assert not (target / ".timonier-restore").exists()
    assert (result["files"], result["inPlace"]) == (6, False)
    backup = store.done("backup", paths=[str(volume)], run="u-1")
    again = store.done(
        "restore", snapshot=snapshot, target=str(target.parent), manifestHash=backup["manifestHash"],
    )  # fmt: skip
    assert again == result
    assert look(target) == look(volume)
    # What was restored is the same data under another path, too.
    moved = store.done("backup", paths=[str(target)], run="u-2")
    assert moved["manifestHash"] == backup["manifestHash"]


def test_a_volume_is_restored_where_it_was_and_several_into_their_own(
    store: Store, volume: Path, look: Look, tmp_path: Path
) -> None:
    other = tmp_path / "data" / "y"
    other.mkdir()
    empty = tmp_path / "data" / "z"
    empty.mkdir()
    (other / "file").write_text("y")
    before = look(volume)
    snapshot = store.done("backup", paths=[str(volume), str(other), str(empty)], run="u-1")["snapshot"]
    shutil.rmtree(volume / "sub", ignore_errors=True)
    (other / "file").write_text("changed")
    (empty / "extra").touch()
    store.done("restore", snapshot=snapshot, target=str(tmp_path / "data"))
    assert (look(volume), (other / "file").read_text(), list(empty.iterdir())) == (before, "y", [])
    named = tmp_path / "renamed"
    named.mkdir()
    refused = store.refused("restore", snapshot=snapshot, target=str(named))
    assert (refused["error"], list(named.iterdir())) == ("Failed", [])
    places = {str(volume): str(named), str(other): str(other), str(empty): str(empty)}
    store.done("restore", snapshot=snapshot, target="/", folders=places)
    assert look(named) == before


def test_one_volume_comes_back_where_it_was(store: Store, volume: Path, look: Look, told: dict[str, Any]) -> None:
    before = look(volume)
    spoilt(volume)
    result = store.done("restore", **told)
    assert (look(volume), result["files"], result["inPlace"]) == (before, 6, False)
    assert (result["snapshot"], result["manifestHash"]) == (told["snapshot"], told["manifestHash"])
    assert not (volume / ".timonier-restore").exists()


@pytest.mark.parametrize(
    "wrong", [{"place": "elsewhere"}, {"bytes": 1 << 60}, {"files": 1 << 50}, {"bytes": 0, "files": 0}]
)
def test_what_is_said_about_a_volume_may_be_wrong(
    store: Store, volume: Path, tmp_path: Path, look: Look, wrong: dict[str, Any]
) -> None:
    made = store.done("backup", paths=[str(volume)], run="u-1")
    before = look(volume)
    spoilt(volume)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    told = {"place": str(volume), "bytes": made["bytes"], "files": made["files"], **wrong}
    told["place"] = str(tmp_path / told["place"])
    hash_ = made["manifestHash"]
    store.done("restore", snapshot=made["snapshot"], target=str(volume.parent), manifestHash=hash_, **told)
    assert look(volume) == before
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["file"]


def test_damage_to_the_one_volume_touches_nothing(store: Store, volume: Path, look: Look, told: dict[str, Any]) -> None:
    spoilt(volume)
    before = look(volume)
    assert store.refused("restore", **{**told, "manifestHash": "0" * 64})["error"] == "Mismatch"
    spoil(pack_of(store))
    assert store.refused("restore", **told)["error"] == "Corrupted"
    assert look(volume) == before


def test_damage_is_found_before_anything_is_touched(
    store: Store, volume: Path, target: Path, snapshot: str, look: Look, tmp_path: Path
) -> None:
    before = look(target)
    pack = pack_of(store)
    aside = tmp_path / "aside"
    shutil.copy(pack, aside)
    spoil(pack)
    restore = {"snapshot": snapshot, "target": str(target.parent)}
    assert store.refused("restore", **restore)["error"] == "Corrupted"
    assert look(target) == before
    assert not (target / ".timonier-restore").exists()
    pack.unlink()
    began = time.monotonic()
    assert store.refused("restore", **restore)["error"] == "Corrupted"
    assert time.monotonic() - began < 10
    assert look(target) == before
    shutil.copy(aside, pack)
    store.done("restore", **restore)
    assert look(target) == look(volume)


def test_another_manifest_than_the_expected_touches_nothing(
    store: Store, target: Path, snapshot: str, look: Look
) -> None:
    before = look(target)
    refused = store.refused("restore", snapshot=snapshot, target=str(target.parent), manifestHash="0" * 64)
    assert refused["error"] == "Mismatch"
    assert look(target) == before


def test_what_restic_restored_wrongly_is_not_taken(
    store: Store, target: Path, snapshot: str, look: Look, tmp_path: Path
) -> None:
    before = look(target)
    script = (
        'code=0; "$real" "$@" || code=$?; case "$*" in *" restore "*) '
        f'chmod 600 "{target}"/.timonier-restore/new/{"*/" * (len(target.parts) - 2)}x/a;; esac; exit $code'
    )
    fields = {"snapshot": snapshot, "target": str(target.parent)}
    refused = store.refused("restore", env=restic_that(tmp_path / "bin", script), **fields)
    assert refused["error"] == "Mismatch"
    assert look(target) == before


@pytest.mark.parametrize("moves", [0, 2, 4, 9])
def test_a_restore_that_is_killed_goes_on(
    store: Store, volume: Path, target: Path, snapshot: str, look: Look, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The exchange alone, in this process, so that it ends after exactly so many moves.
    mine = Volume(str(volume), target)
    mine.enter("Staging", snapshot)
    store.restic("restore", snapshot, "--target", str(mine.new))
    done = 0
    rename = Path.rename

    class KilledError(BaseException):
        pass

    def counted(self: Path, place: Path) -> Path:
        nonlocal done
        if self.name != "state.json.new":
            if done == moves:
                raise KilledError
            done += 1
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", counted)
    with pytest.raises(KilledError):
        mine.fill(mine.empty(mine.complete(snapshot)))
    monkeypatch.undo()
    if moves < 4:
        # Another snapshot is wanted now: the old data is back before anything else happens.
        assert mine.settle("another") is None
        assert (target / "mine").read_text() == "old"
    store.done("restore", snapshot=snapshot, target=str(target.parent))
    assert look(target) == look(volume)
    assert not (target / ".timonier-restore").exists()


def test_another_restore_ends_one_that_had_emptied_the_volume(target: Path, volume: Path) -> None:
    mine = Volume(str(volume), target)
    mine.enter("Staging", "one")
    (mine.restored / "new").mkdir(parents=True)
    mine.empty(mine.complete("one"))
    assert not (target / "mine").exists()
    assert mine.state() == State("Emptied", "one", {".": 0o755})
    assert mine.settle("two") is None
    assert sorted(path.name for path in target.iterdir()) == ["lost+found", "new"]


def test_a_mover_killed_while_data_comes_in_has_touched_nothing(
    store: Store, volume: Path, target: Path, look: Look
) -> None:
    (volume / "more").write_bytes(os.urandom(25_000_000))
    snapshot = store.done("backup", paths=[str(volume)], run="u-1")["snapshot"]
    before = look(target)
    process = store.start({"task": "restore", "snapshot": snapshot, "target": str(target.parent)})
    while not list((target / ".timonier-restore").glob("new/**/more")):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert look(target) == before
    store.done("restore", snapshot=snapshot, target=str(target.parent))
    assert look(target) == look(volume)


class TestWithoutRoom:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        """A volume with room for the data once, and not twice."""
        folder = tmp_path / "small" / "x"
        folder.mkdir(parents=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=500k,mode=755", "tmpfs", str(folder)], check=False, capture_output=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
        fill(folder)
        (folder / "filler").write_bytes(b"x" * 300_000)
        yield folder
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def test_the_data_is_read_first_and_then_replaced(
        self, store: Store, volume: Path, small: Path, snapshot: str, look: Look, tmp_path: Path
    ) -> None:
        before = look(small)
        pack = pack_of(store)
        shutil.copy(pack, tmp_path / "aside")
        spoil(pack)
        fields = {"snapshot": snapshot, "target": str(small.parent)}
        assert store.refused("restore", **fields)["error"] == "Corrupted"
        assert look(small) == before
        shutil.copy(tmp_path / "aside", pack)
        # The store goes away after the data was proven: the next attempt goes on.
        gone = restic_that(tmp_path / "bin", 'case "$*" in *" restore "*) exit 1;; esac; exec "$real" "$@"')
        assert store.mover("restore", env=gone, **fields).result["error"] == "Failed"
        state = json.loads((small / ".timonier-restore" / "state.json").read_text())
        assert (state["phase"], state["snapshot"]) == ("Proven", snapshot)
        result = store.done("restore", **fields)
        assert result["inPlace"] is True
        assert look(small) == look(volume)

    def test_a_full_volume_is_replaced_as_well(
        self, store: Store, volume: Path, small: Path, snapshot: str, look: Look
    ) -> None:
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
        (small / "rest").write_bytes(b"x" * free)
        assert os.statvfs(small).f_bavail == 0
        store.done("restore", snapshot=snapshot, target=str(small.parent))
        assert look(small) == look(volume)

    def test_a_volume_that_is_too_small_is_left_alone(
        self, store: Store, volume: Path, small: Path, look: Look
    ) -> None:
        (volume / "more").write_bytes(os.urandom(600_000))
        snapshot = store.done("backup", paths=[str(volume)], run="u-2")["snapshot"]
        before = look(small)
        refused = store.refused("restore", snapshot=snapshot, target=str(small.parent))
        assert refused["error"] == "NoSpace"
        assert look(small) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run the mover as somebody else")
def test_data_that_may_not_be_moved_stays_where_it_was(
    store: Store, volume: Path, target: Path, snapshot: str, look: Look, tmp_path: Path
) -> None:
    for place in (store.folder, store.home, target):
        subprocess.run(["chown", "--recursive", "--no-dereference", "65532:65532", str(place)], check=True)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    before = look(target)

    def restore() -> Outcome:
        task = json.dumps({"task": "restore", "snapshot": snapshot, "target": str(target.parent)})
        package = str(Path(__file__).parents[3] / "operator")
        environment = store.environment(TIMONIER_TASK=task, PYTHONPATH=package, PYTHONDONTWRITEBYTECODE="1")
        user = ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups"]
        command = [*user, "/usr/bin/python3", "-m", "timonier.mover"]
        ran = subprocess.run(command, check=False, capture_output=True, env=environment)
        return Outcome(ran.returncode, json.loads((store.home / "result").read_text()), "", ran.stderr.decode())

    os.chown(target / "sub", 0, 0)
    assert restore().result["error"] == "PermissionDenied"
    assert look(target) == before
    os.chown(target / "sub", 65532, 65532)
    outcome = restore()
    assert outcome.code == 0, outcome.stderr
    assert look(target) == look(volume)
