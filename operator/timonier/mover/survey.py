"""Look into a store: is it there and sound, and which backups does it have?"""

import json
import os
from contextlib import suppress
from pathlib import Path

from timonier.mover.instruction import Instruction
from timonier.mover.manifest import contents
from timonier.mover.outcome import ApplicationResult, ForgetResult, MoverError, SurveyResult
from timonier.mover.repository import Snapshot, open_repository, snapshots
from timonier.mover.restic import Restic

__all__ = ["APPLICATION_LINE", "SNAPSHOT_LINE", "application", "forget", "initialize", "survey"]

SNAPSHOT_LINE = "TIMONIER-SNAPSHOT"
"""What begins a line of the log that describes one backup, as JSON."""
APPLICATION_LINE = "TIMONIER-APPLICATION"
"""What begins the line of the log that is the saved Application, as JSON."""

_OWN_TAGS = ("run", "part", "application", "namespace", "method", "revision")


def initialize(restic: Restic, seconds: float) -> tuple[str, bool]:
    """The repository's identity, and true when there was none and it was made now."""
    try:
        return open_repository(restic, seconds), False
    except MoverError as error:
        if error.code != "NotInitialized":
            raise
    try:
        restic.run("init", seconds=seconds)
    except MoverError as error:
        try:
            return open_repository(restic, seconds), False  # somebody else was faster
        except MoverError:
            raise error from None
    if place := restic.folder:
        _share(place)
    return open_repository(restic, seconds), True


def _share(place: Path) -> None:
    """Let the whole group in: each application's mover has a user of its own, and one group is common to all.

    From the mode of the file `config`, restic takes that of every file that it makes later.
    """
    for folder, _, files in os.walk(place):
        with suppress(PermissionError):  # the root of a volume is not ours; what is in it is
            Path(folder).chmod(0o2770)
        for name in files:
            file = Path(folder, name)
            file.chmod(file.stat().st_mode | 0o040)


def survey(instruction: Instruction, restic: Restic) -> SurveyResult:
    """Describe every complete backup in the log, those in `known` without their files, which takes the longest."""
    seconds = instruction.seconds("openSeconds", restic.patience)
    if instruction.flag("initialize"):
        repository, created = initialize(restic, seconds)
    else:
        repository, created = open_repository(restic, seconds), False
    if instruction.flag("prune") and not created:
        restic.discard("prune")
    checked = instruction.flag("check")
    if checked:
        portion = instruction.optional_text("readData")
        restic.discard("check", *([f"--read-data-subset={portion}"] if portion else []))
    complete = _complete(snapshots(restic))
    known = frozenset(instruction.texts("known", required=False))
    for snapshot in complete:
        print(SNAPSHOT_LINE, json.dumps(_described(restic, snapshot, known)), flush=True)
    # restic has no figure for a repository without snapshots.
    stored = (
        json.loads(restic.run("stats", "--mode", "raw-data", "--json", "--no-lock"))["total_size"] if complete else 0
    )
    return SurveyResult(repository, created, checked, len(complete), int(stored))


def application(instruction: Instruction, restic: Restic) -> ApplicationResult:
    """Print the Application that was saved with a run."""
    run = instruction.text("run")
    saved = next((found for found in snapshots(restic, run=run) if found.tags.get("part") == "application"), None)
    if saved is None:
        raise MoverError("SnapshotNotFound", f"The repository has no Application of the run {run}.")
    try:
        found = json.loads(restic.run("dump", saved.id, saved.paths[0]))
    except ValueError as error:
        raise MoverError("Corrupted", f"The Application of the run {run} is not JSON: {error}.") from error
    print(APPLICATION_LINE, json.dumps(found, separators=(",", ":")), flush=True)
    return ApplicationResult(saved.id)


def forget(instruction: Instruction, restic: Restic) -> ForgetResult:
    """Remove runs; those that are gone already are no error, so that it may be done again."""
    runs, prune = frozenset(instruction.texts("runs", required=False)), instruction.flag("prune")
    doomed = [snapshot.id for snapshot in snapshots(restic) if snapshot.tags.get("run") in runs]
    # So many fit into a command line by far, whatever the run ids' length.
    for start in range(0, len(doomed), 500):
        restic.discard("forget", *doomed[start : start + 500])
    if prune:
        # Not forget --prune, which does nothing when a killed attempt has forgotten everything already.
        restic.discard("prune")
    return ForgetResult(len(doomed), prune)


def _complete(found: tuple[Snapshot, ...]) -> list[Snapshot]:
    """Of each run that has both parts, the last data: an attempt before may have left some that is not whole."""
    applications = {snapshot.tags.get("run") for snapshot in found if snapshot.tags.get("part") == "application"}
    last = {snapshot.tags.get("run"): snapshot for snapshot in found if snapshot.tags.get("part") == "data"}
    return [snapshot for run, snapshot in last.items() if run in applications]


def _described(restic: Restic, snapshot: Snapshot, known: frozenset[str]) -> dict[str, object]:
    tags = snapshot.tags
    held = None if tags["run"] in known else contents(restic, snapshot.id)
    return {
        "run": tags["run"],
        "snapshot": snapshot.id,
        "time": snapshot.time,
        **{name: tags.get(name) for name in _OWN_TAGS[2:]},
        "bytes": held.bytes if held else None,
        "files": held.files if held else None,
        "manifestHash": held.hash if held else None,
        "tags": {name: value for name, value in sorted(tags.items()) if name not in _OWN_TAGS},
    }
