"""Make a backup: two snapshots with one tag, the data and then the Application, which says that the data is whole."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from timonier.mover.instruction import Instruction
from timonier.mover.manifest import NOT_DATA, contents
from timonier.mover.outcome import BackupResult, MoverError
from timonier.mover.repository import Snapshot, escaped, opened, snapshots, tag
from timonier.mover.restic import Process, Restic

__all__ = ["Labels", "UnreadableError", "backup", "of_part", "result_of", "save_application", "summary_of"]


# restic's exit code when it left out files: here it did so only with those that vanished before it came to them.
_SOME_UNREADABLE = 3


class UnreadableError(MoverError):
    """A file that belongs into the backup cannot be read."""


class Labels:
    """What the two snapshots of a run carry: its tags, and a host that stays while pods come and go."""

    def __init__(self, instruction: Instruction) -> None:
        """Reads `run` and `tags`."""
        self.run = instruction.text("run")
        self._tags = instruction.mapping("tags")
        if taken := {"run", "part"} & self._tags.keys():
            raise MoverError("Failed", f"The tags {', '.join(sorted(taken))} are the mover's own.")

    def options(self, part: str) -> list[str]:
        """restic's options for the snapshot that is that part of the backup."""
        # restic compares with the last snapshot of the same host and paths, and reads only files that changed since.
        host = ".".join(self._tags[name] for name in ("application", "namespace") if self._tags.get(name))
        tags = [tag("run", self.run), tag("part", part), *(tag(*pair) for pair in sorted(self._tags.items()))]
        return ["--host", host or "timonier", *(f"--tag={text}" for text in tags)]


def backup(instruction: Instruction, restic: Restic) -> BackupResult:
    """Back up files. A run that has both parts in the repository already is done, so it is looked at unless `first`.

    Data alone may lack what could not be read: restic makes its snapshot all the same, before it can be stopped.
    """
    labels, paths = Labels(instruction), instruction.texts("paths")
    for path in paths:
        if not Path(path).is_absolute() or not Path(path).is_dir():
            raise MoverError("Failed", f"{path} cannot be backed up: it must be a folder, with its whole path.")
    excluded = [f"--exclude={escaped(path.rstrip('/'))}/{name}" for path in paths for name in sorted(NOT_DATA)]
    first = instruction.flag("first")
    found = () if first else snapshots(restic, run=labels.run, opening=restic.patience)
    done, application = of_part(found, "data"), _application(instruction, found)
    if done and application is None:
        return result_of(restic, done.id, 0)
    with _saving(restic, labels, "data", *excluded, "--", *paths) as process:
        if first:
            opened(restic, process.stdout, restic.patience)
        snapshot, added = summary_of(process)
    if application and instruction.flag("small"):  # the index of the repository may be in memory twice
        with _saving(restic, labels, "application", "--", application) as process:
            result = result_of(restic, snapshot, added)
            summary_of(process)
        return result
    save_application(restic, labels, instruction, found)
    return result_of(restic, snapshot, added)


def of_part(found: tuple[Snapshot, ...], part: str) -> Snapshot | None:
    """The last snapshot among a run's that is that part of the backup."""
    return next((snapshot for snapshot in reversed(found) if snapshot.tags.get("part") == part), None)


def save_application(restic: Restic, labels: Labels, instruction: Instruction, found: tuple[Snapshot, ...]) -> None:
    """Back up the Application, if the instruction has one and `found` of the run has not."""
    application = _application(instruction, found)
    if application:
        with _saving(restic, labels, "application", "--", application) as process:
            summary_of(process)


def _application(instruction: Instruction, found: tuple[Snapshot, ...]) -> str | None:
    """The file of the Application, if there is one that is still to be saved."""
    application = instruction.optional_text("application")
    if not application or of_part(found, "application"):
        return None
    return os.path.realpath(application)  # a file of a Secret is a link, and restic would save no more than that


def result_of(restic: Restic, snapshot: str, added: int) -> BackupResult:
    """What a snapshot holds, by asking the repository."""
    held = contents(restic, snapshot)
    return BackupResult(held.snapshot, held.bytes, added, held.files, held.hash)


def summary_of(process: Process) -> tuple[str, int]:
    """The id of the snapshot that a backup made and the bytes that it added, once restic has ended."""
    summary: dict[str, object] = {}
    for line in process.stdout:
        if b'"summary"' in line:
            summary = json.loads(line)
    process.finish(_SOME_UNREADABLE)
    snapshot = summary.get("snapshot_id")
    if not snapshot:
        raise MoverError("Failed", "restic made no snapshot, and did not say why.")
    return str(snapshot), int(str(summary.get("data_added", 0)))


@contextmanager
def _saving(restic: Restic, labels: Labels, part: str, *arguments: str) -> Iterator[Process]:
    try:
        with restic.start("backup", "--json", *labels.options(part), *arguments) as process:
            # restic would go on without what it cannot read, and leave a snapshot that looks whole.
            process.on_complaint = _unreadable
            yield process
    except UnreadableError:
        # When the file was among the last, restic had saved the snapshot before it could be stopped. That counts as
        # little as any other data without its Application.
        with suppress(MoverError):
            if hasty := of_part(snapshots(restic, run=labels.run), part):
                _forget(restic, hasty.id)
        raise


def _forget(restic: Restic, snapshot: str) -> None:
    for pause in (1, 2, 4, 8, 15):
        try:
            restic.run("forget", snapshot)
        except MoverError as error:
            if error.code != "Locked":
                raise
            time.sleep(pause)
        else:
            return
    restic.run("forget", snapshot)


def _unreadable(line: str) -> UnreadableError | None:
    """An error for a line in which restic says that it could not read a file, unless the file is just gone."""
    try:
        said = json.loads(line)
        item = said["item"] if said["message_type"] == "error" else None
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(item, str):
        return None
    try:
        os.lstat(item)
    except FileNotFoundError:
        return None
    except OSError as error:
        return UnreadableError("PermissionDenied", f"{item} cannot be read: {error.strerror}. Nothing was stored.")
    if os.access(item, os.R_OK):
        return UnreadableError("Failed", f"{item} could not be read: {said.get('error')}. Nothing was stored.")
    return UnreadableError("PermissionDenied", f"{item} cannot be read: permission denied. Nothing was stored.")
