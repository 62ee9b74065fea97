"""Backups with the real restic: what is kept, what is refused, and that doing it again changes nothing."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import PASSWORD, Store

TAGS = {"application": "web", "namespace": "shop", "method": "Files", "revision": "web-1,2%", "zone": "ä"}


@pytest.mark.parametrize("small", [True, False])
def test_a_backup_is_made_once_found_by_a_survey_and_forgotten(
    store: Store, volume: Path, tmp_path: Path, small: bool
) -> None:
    # As a Secret's volume has its files: each a link to one below a folder that is a link itself.
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "application.json").write_text(json.dumps({"spec": {"image": "web:1"}}))
    (tmp_path / "..data").symlink_to("..2026")
    saved = tmp_path / "application.json"
    saved.symlink_to("..data/application.json")
    made = {"paths": [str(volume)], "application": str(saved), "run": "u-1", "tags": TAGS, "small": small}
    first = store.done("backup", **made, first=small)
    assert first["files"] == 6
    assert first["bytes"] == 5 + 5 + 3 + 5 + 300_000 + 2
    assert first["added"] > 300_000
    assert len(first["snapshot"]) == 64

    (volume / "later").write_text("not in it")
    assert store.done("backup", **made) == {**first, "added": 0}
    assert len(list((store.folder / "snapshots").iterdir())) == 2

    outcome = store.mover("survey")
    (line,) = outcome.lines("TIMONIER-SNAPSHOT")
    assert line.pop("time").endswith("Z")
    assert line == {
        "run": "u-1", "snapshot": first["snapshot"], "application": "web", "namespace": "shop", "method": "Files",
        "revision": "web-1,2%", "bytes": first["bytes"], "files": 6, "manifestHash": first["manifestHash"],
        "tags": {"zone": "ä"},
    }  # fmt: skip
    assert outcome.result["snapshots"] == 1
    assert outcome.result["bytes"] > 300_000
    assert (outcome.result["created"], outcome.result["checked"]) == (False, False)
    (line,) = store.mover("survey", known=["u-1"]).lines("TIMONIER-SNAPSHOT")
    assert (line["run"], line["files"]) == ("u-1", None)

    printed = store.mover("application", run="u-1").lines("TIMONIER-APPLICATION")
    assert printed == [{"spec": {"image": "web:1"}}]
    assert store.refused("application", run="u-2")["error"] == "SnapshotNotFound"

    assert store.done("forget", runs=["u-1", "u-0"], prune=True) == {"snapshots": 2, "pruned": True}
    assert store.done("forget", runs=["u-1"]) == {"snapshots": 0, "pruned": False}
    assert not [path for path in (store.folder / "data").rglob("*") if path.is_file()]


def test_data_without_its_application_is_no_backup(store: Store, volume: Path) -> None:
    store.done("backup", paths=[str(volume)], run="u-1")
    outcome = store.mover("survey", initialize=True, check=True, readData="100%")
    assert outcome.lines("TIMONIER-SNAPSHOT") == []
    assert (outcome.result["created"], outcome.result["checked"], outcome.result["snapshots"]) == (False, True, 0)


@pytest.mark.parametrize("small", [True, False])
def test_data_without_its_application_may_lack_something_and_is_made_again(
    store: Store, volume: Path, tmp_path: Path, small: bool
) -> None:
    saved = tmp_path / "application.json"
    saved.write_text(json.dumps({"spec": {"image": "web:1"}}))
    (volume / "later").write_text("could not be read")
    store.restic("backup", "--tag", "run=u-1,part=data", f"--exclude={volume}/later", str(volume))
    made = {"paths": [str(volume)], "run": "u-1", "tags": TAGS, "small": small, "application": str(saved)}
    first = store.done("backup", **made)
    assert first["files"] == 7
    assert store.done("backup", **made) == {**first, "added": 0}
    (line,) = store.mover("survey").lines("TIMONIER-SNAPSHOT")
    assert (line["snapshot"], line["files"]) == (first["snapshot"], 7)
    assert store.mover("application", run="u-1").lines("TIMONIER-APPLICATION") == [{"spec": {"image": "web:1"}}]
    assert store.done("forget", runs=["u-1"])["snapshots"] == 3


def test_a_small_backup_whose_application_cannot_be_saved_has_failed(
    store: Store, volume: Path, tmp_path: Path
) -> None:
    made = {"paths": [str(volume)], "run": "u-1", "tags": TAGS, "small": True}
    store.refused("backup", **made, application=str(tmp_path / "nowhere"))
    assert store.mover("survey").lines("TIMONIER-SNAPSHOT") == []


def test_a_backup_after_a_killed_one_has_both_parts(store: Store, volume: Path, tmp_path: Path) -> None:
    saved = tmp_path / "application.json"
    saved.write_text("{}")
    store.restic("backup", "--tag", "run=u-1,part=application", str(saved))
    store.done("backup", paths=[str(volume)], application=str(saved), run="u-1")
    found = json.loads(store.restic("snapshots", "--json"))
    assert sorted(tag for snapshot in found for tag in snapshot["tags"] if tag.startswith("part")) == [
        "part=application",
        "part=data",
    ]


def test_a_repository_is_made_only_where_that_is_wished(store: Store) -> None:
    shutil.rmtree(store.folder)
    assert store.refused("survey")["error"] == "NotInitialized"
    assert not store.folder.exists()
    made = store.done("survey", initialize=True)
    assert (made["created"], made["snapshots"], made["bytes"]) == (True, 0, 0)


def test_what_goes_wrong_has_its_own_code(store: Store, volume: Path) -> None:
    wrong = store.refused("survey", env={"RESTIC_PASSWORD": "open sesame"})
    assert (wrong["error"], "password" in wrong["message"]) == ("WrongPassword", True)
    away = store.refused("survey", env={"RESTIC_REPOSITORY": "rest:http://me:secret@127.0.0.1:9/x"})
    assert away["error"] == "Unreachable"
    assert store.refused("dance") == {
        "error": "Failed",
        "message": "There is an unknown task 'dance' in TIMONIER_TASK.",
    }
    assert store.refused("backup", run="u-1", paths="x")["error"] == "Failed"
    assert store.refused("restore", snapshot="--help", target="/")["error"] == "SnapshotNotFound"
    assert store.refused("restore", snapshot="0" * 64, target="/")["error"] == "SnapshotNotFound"


@pytest.mark.parametrize("task", [
    {"task": "survey"}, {"task": "backup", "paths": ["/tmp"], "run": "u-1"},
    {"task": "backup", "paths": ["/tmp"], "run": "u-1", "first": True}, {"task": "restore", "snapshot": "0" * 64},
])  # fmt: skip
def test_a_store_that_does_not_answer_is_given_up(store: Store, task: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rest:http://127.0.0.1:{silent.getsockname()[1]}/x"
        began = time.monotonic()
        refused = store.refused(**task, openSeconds=0.5, env={"RESTIC_REPOSITORY": address})
    assert refused["error"] == "Unreachable"
    assert "did not answer within 0." in refused["message"]
    assert time.monotonic() - began < 10


def test_a_damaged_repository_is_found_by_the_check(store: Store, volume: Path) -> None:
    store.done("backup", paths=[str(volume)], run="u-1")
    pack = max((path for path in (store.folder / "data").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[1000] ^= 1
    pack.write_bytes(content)
    assert store.refused("survey", check=True, readData="100%")["error"] == "Corrupted"


def lock_holder(store: Store) -> subprocess.Popen[bytes]:
    """Somebody who holds a lock for as long as he lives."""
    return subprocess.Popen(
        ["restic", "backup", "--stdin"], env=store.environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def test_a_lock_is_described_and_broken_on_demand(store: Store) -> None:
    process = lock_holder(store)
    store.wait_for_lock(process)
    process.kill()
    process.communicate()
    refused = store.refused("forget", runs=[], prune=True)
    assert refused["error"] == "Locked"
    (lock,) = refused["locks"]
    assert (lock["hostname"], lock["pid"], lock["exclusive"]) == (os.uname().nodename, process.pid, False)
    assert lock["time"].endswith("Z")
    assert store.done("forget", runs=[], prune=True, unlock=True)["pruned"] is True


def test_only_those_locks_are_broken_that_were_judged(store: Store) -> None:
    def locks() -> int:
        return len([path for path in (store.folder / "locks").iterdir() if "-tmp-" not in path.name])

    with lock_holder(store) as first:
        store.wait_for_lock(first)
        (lock,) = store.refused("forget", runs=[], prune=True)["locks"]
        judged, earlier = (f"{time} {lock['hostname']}" for time in (lock["time"], "2026-11-27T08:00:00Z"))
        for abandoned in ([], [earlier], [earlier, f"{lock['time']} other"]):
            refused = store.refused("forget", runs=[], prune=True, unlock=True, abandoned=abandoned)
            assert (refused["error"], refused["locks"], locks()) == ("Locked", [lock], 1)
        with lock_holder(store) as second:
            while locks() < 2:
                time.sleep(0.02)
            refused = store.refused("forget", runs=[], prune=True, unlock=True, abandoned=[judged])
            assert (refused["error"], len(refused["locks"]), locks()) == ("Locked", 2, 2)
            second.kill()
        assert store.done("forget", runs=[], prune=True, unlock=True, abandoned=[judged])["pruned"] is True
        first.kill()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files that another user cannot read")
def test_a_backup_without_a_file_that_cannot_be_read_is_none(store: Store, volume: Path) -> None:
    (volume / "sub").chmod(0o755)
    for place in (store.folder, store.home, volume.parent):
        subprocess.run(["chown", "-R", "65532:65532", str(place)], check=True)
    for parent in [volume.parent, *volume.parent.parents][:4]:
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IXGRP)
    (volume / "private").write_text("root's")
    (volume / "private").chmod(0o600)
    task = json.dumps({"task": "backup", "paths": [str(volume)], "run": "u-1"})
    command = ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups", "/usr/bin/env", "python3"]
    package = Path(__file__).parents[3] / "operator"
    ran = subprocess.run(
        [*command, "-m", "timonier.mover"], check=False, capture_output=True,
        env=store.environment(TIMONIER_TASK=task, PYTHONPATH=str(package), PYTHONDONTWRITEBYTECODE="1"),
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    result = json.loads((store.home / "result").read_text())
    assert (result["error"], "private cannot be read" in result["message"]) == ("PermissionDenied", True)
    assert not list((store.folder / "snapshots").iterdir())


def test_a_mover_that_is_told_to_stop_leaves_no_lock(store: Store, volume: Path) -> None:
    with (volume / "huge").open("wb") as file:
        file.truncate(40 << 30)
    process = store.start({"task": "backup", "paths": [str(volume)], "run": "u-1"})
    store.wait_for_lock(process)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    outcome = store.end(process)
    assert (outcome.code, outcome.result["error"]) == (1, "Interrupted")
    assert not list((store.folder / "locks").iterdir())
    assert not list((store.folder / "snapshots").iterdir())


def test_who_can_only_read_the_store_learns_neither_data_nor_names_nor_the_password(store: Store, volume: Path) -> None:
    secrets = {word: f"{word} that nobody else is to know".encode() for word in ("content", "name", "application")}
    (volume / secrets["name"].decode()).write_bytes(secrets["content"])
    saved = store.home / "application.json"
    saved.write_bytes(json.dumps({"spec": secrets["application"].decode()}).encode())
    store.done("backup", paths=[str(volume)], application=str(saved), run="u-1", tags=TAGS, first=True)
    kept = [path.read_bytes() for path in store.folder.rglob("*") if path.is_file()]
    assert sum(map(len, kept)) > 1000
    for secret in (*secrets.values(), PASSWORD.encode(), b"u-1", b"shop"):
        assert not [True for each in kept if secret in each], secret


def test_the_password_is_on_no_command_line(store: Store, volume: Path) -> None:
    (volume / "huge").touch()
    os.truncate(volume / "huge", 40 << 30)
    process = store.start({"task": "backup", "paths": [str(volume)], "run": "u-1"})
    store.wait_for_lock(process)
    lines = [
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if (path.parent / "environ").is_file()
    ]  # fmt: skip
    process.send_signal(signal.SIGTERM)
    store.end(process)
    ours = [line for line in lines if str(volume).encode() in line and b"restic" in line]
    assert ours
    assert not [line for line in ours if PASSWORD.encode() in line]
