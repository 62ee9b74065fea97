"""Replace what is in a volume by way of a hidden folder in it, so that the volume may be left at any instant.

The folder has the data as restored (`new/`), the data as it was (`old/`), and how far the exchange is (`state.json`):

- Staging: data is coming into `new/`; the volume is as it was.
- Proven: there is no room for both. The snapshot was read in full and is good; the old data is being removed.
- Staged: `new/` is complete; the old data is on its way into `old/`.
- Emptied: nothing of the old data is left at the top; the new data is on its way there.
- Done: what remains in the folder is rubbish.
"""

import ctypes
import errno
import json
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from timonier.mover.manifest import NOT_DATA, STAGING, Manifest
from timonier.mover.outcome import MoverError

__all__ = ["Phase", "State", "Volume", "flushing", "needed"]

_LIBC = ctypes.CDLL(None, use_errno=True)
_FLUSH_SECONDS = 0.5

Phase = Literal["Staging", "Proven", "Staged", "Emptied", "Done"]

_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class State:
    """How far the exchange is, which snapshot the data is from, and the modes of folders that hinder being moved."""

    phase: Phase
    snapshot: str
    modes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder whose content is replaced by what a snapshot has at `source`."""

    source: str
    target: Path

    @property
    def staging(self) -> Path:
        """The hidden folder."""
        return self.target / STAGING

    @property
    def new(self) -> Path:
        """Where restic puts the snapshot's tree, whole paths and all."""
        return self.staging / "new"

    @property
    def restored(self) -> Path:
        """What will be the volume's content."""
        return self.new / self.source.lstrip("/")

    @property
    def _old(self) -> Path:
        return self.staging / "old"

    def state(self) -> State | None:
        """How far an earlier attempt came; None when there was none, or it came nowhere."""
        try:
            found = json.loads((self.staging / "state.json").read_text())
            return State(found["phase"], found["snapshot"], found["modes"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise MoverError("Failed", f"{self.staging}/state.json is not one that the mover wrote.") from error

    def enter(self, phase: Phase, snapshot: str, modes: dict[str, int] | None = None) -> None:
        """Write down how far the exchange is; it is on the disk when this returns."""
        self.staging.mkdir(mode=0o700, exist_ok=True)
        text = json.dumps({"phase": phase, "snapshot": snapshot, "modes": modes or {}})
        written = self.staging / "state.json.new"
        with written.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.rename(self.staging / "state.json")
        folder = os.open(self.staging, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def check(self) -> None:
        """MoverError when the volume is not there or may not be written."""
        if not self.target.is_dir():
            raise MoverError("Failed", f"{self.target} is not a folder; the snapshot's {self.source} would go there.")
        if not os.access(self.target, os.W_OK | os.X_OK | os.R_OK):
            raise MoverError("PermissionDenied", f"The folder {self.target} may not be written.")

    def settle(self, snapshot: str) -> State | None:
        """How far an attempt with this snapshot came; one with another snapshot is undone, or ended where it cannot."""
        state = self.state()
        if state is not None and state.snapshot == snapshot and state.phase in ("Staged", "Emptied", "Proven"):
            return state
        if state is not None and state.phase == "Staged":
            self.take_back()
        elif state is not None and state.phase == "Emptied":
            self.fill(state)
        self.discard()
        return None

    def give_way(self, snapshot: str) -> None:
        """Remove the data as it was, once the new data is proven."""
        _remove(self.new)
        try:
            self.enter("Proven", snapshot)
        except OSError as error:
            # A disk may be too full for even that. Then an attempt after this one proves the data again.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        for entry in self._entries():
            _remove(entry)
        self.enter("Proven", snapshot)

    def discard(self) -> None:
        """Remove the hidden folder, what it says last."""
        for folder in (self.new, self._old, self.staging):
            _remove(folder)

    def complete(self, snapshot: str) -> State:
        """Say that the new data is complete, once it is on the disk."""
        _flush(self.target)
        modes = {name: mode for name, mode in _folders(self.restored) if not mode & stat.S_IWUSR}
        state = State("Staged", snapshot, {".": stat.S_IMODE(self.restored.stat().st_mode), **modes})
        self.enter(state.phase, snapshot, state.modes)
        return state

    def empty(self, state: State) -> State:
        """Take the old data away. Who fails here must have all volumes take theirs back."""
        if state.phase == "Emptied":
            return state
        self._old.mkdir(exist_ok=True)
        for entry in self._entries():
            _move(entry, self._old)
        self.enter("Emptied", state.snapshot, state.modes)
        return State("Emptied", state.snapshot, state.modes)

    def take_back(self) -> None:
        """Have the old data where it was; only as long as no new data is there."""
        if self._old.is_dir():
            for entry in sorted(self._old.iterdir()):
                if not os.path.lexists(self.target / entry.name):
                    _move(entry, self.target)

    def fill(self, state: State) -> None:
        """Put the new data where the old data was, and clear up."""
        self.restored.chmod(stat.S_IRWXU)
        for entry in sorted(self.restored.iterdir()):
            if entry.name not in NOT_DATA:
                _move(entry, self.target)
        for name, mode in state.modes.items():
            if name != ".":
                (self.target / name).chmod(mode)
        # The volume's own folder is kubelet's; where it is not ours to change, it stays as it is.
        with suppress(PermissionError):
            self.target.chmod(state.modes["."])
        self.enter("Done", state.snapshot)
        try:
            self.discard()
        except PermissionError as error:
            print(f"old data stays behind in {self.staging}: {error}", file=sys.stderr, flush=True)

    def has_room_for(self, bytes_: int, entries: int, claimed: int = 0) -> bool:
        """True when that fits beside the old data; `claimed` bytes of the file system are for others."""
        found = os.statvfs(self.target)
        return claimed + needed(bytes_, entries) <= found.f_bavail * found.f_frsize and (
            found.f_files == 0 or entries < found.f_favail
        )

    def could_hold(self, manifest: Manifest) -> bool:
        """True when the new data fits once the old is gone."""
        found = os.statvfs(self.target)
        return needed(manifest.bytes, len(manifest.lines)) <= found.f_bavail * found.f_frsize + _used(self.target)

    def _entries(self) -> Iterator[Path]:
        return iter([entry for entry in sorted(self.target.iterdir()) if entry.name not in NOT_DATA])


def _sync(descriptor: int) -> int:
    """Wait until all that was written to a folder's file system is on its disk: to that one, not to all of the node.

    Returns the number of the error. It is told once to each descriptor that was open when it came.
    """
    try:
        return ctypes.get_errno() if _LIBC.syncfs(descriptor) else 0
    except AttributeError:  # another C library
        os.sync()
        return 0


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    with _opened(folder) as descriptor:
        _raise(_sync(descriptor), folder)


def _raise(error: int, folder: Path) -> None:
    if error:
        raise OSError(error, os.strerror(error), str(folder))


@contextmanager
def flushing(folder: Path) -> Iterator[None]:
    """Have written to the disk what comes into a volume while the block runs: little is left to wait for afterwards."""
    over, errors = threading.Event(), list[int]()

    def go_on(descriptor: int) -> None:
        while not over.wait(_FLUSH_SECONDS):
            if error := _sync(descriptor):
                errors.append(error)

    with _opened(folder) as opened:
        thread = threading.Thread(target=go_on, args=(opened,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
    _raise(next(iter(errors), 0), folder)


def needed(bytes_: int, entries: int) -> int:
    """The bytes that so many entries take on a disk, with something for what file systems keep for themselves."""
    return bytes_ + bytes_ // 50 + entries * _BLOCK


def _used(folder: Path) -> int:
    device, seen, total = folder.stat().st_dev, set(), 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = (Path(place) / name).lstat()
            if found.st_dev == device and found.st_ino not in seen:
                if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                    seen.add(found.st_ino)
                total += found.st_blocks * 512
    return total


def _folders(folder: Path) -> Iterator[tuple[str, int]]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield entry.name, stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)


def _move(entry: Path, folder: Path) -> None:
    try:
        entry.rename(folder / entry.name)
    except PermissionError:
        # A folder that moves into another has its .. changed, so its own mode counts as well.
        mode = stat.S_IMODE(entry.lstat().st_mode)
        if entry.is_symlink() or not entry.is_dir() or mode & stat.S_IWUSR:
            raise
        entry.chmod(mode | stat.S_IRWXU)
        try:
            entry.rename(folder / entry.name)
        except PermissionError:
            entry.chmod(mode)
            raise
        (folder / entry.name).chmod(mode)


def _remove(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        path.unlink()
        return
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        # A folder without write permission keeps its entries, even from its owner.
        path.chmod(stat.S_IRWXU)
    for entry in list(path.iterdir()):
        _remove(entry)
    path.rmdir()
