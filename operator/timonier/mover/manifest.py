"""What files there are: counted, added up, and hashed over path, type, size and mode, in a snapshot or in a folder.

The contents are not in it: restic proves each piece of them by its own hash as it reads it.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from timonier.mover.outcome import MoverError
from timonier.mover.repository import opened
from timonier.mover.restic import Restic

__all__ = ["NOT_DATA", "STAGING", "Contents", "Manifest", "contents", "folder_manifest", "name_of"]

STAGING = ".timonier-restore"
"""The folder at the top of a volume in which a restore keeps what it has not finished."""
NOT_DATA = frozenset({STAGING, "lost+found"})
"""Names at the top of a volume that are nobody's data."""

# Go's os.FileMode, which restic stores: the permissions as usual, the three bits above them elsewhere.
_GO_BITS = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))
_TYPES = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "dir"),
    (stat.S_ISLNK, "symlink"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISBLK, "dev"),
    (stat.S_ISCHR, "chardev"),
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a folder: `lines` is one per entry, sorted."""

    lines: tuple[str, ...]
    files: int
    bytes: int

    @property
    def hash(self) -> str:
        """The hash over all entries."""
        return _hash(self.lines)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a snapshot, for each of its paths."""

    snapshot: str
    parts: tuple[tuple[str, Manifest], ...]

    @property
    def hash(self) -> str:
        """The hash over all entries of all paths."""
        return _hash(sorted(line for _, part in self.parts for line in part.lines))

    @property
    def files(self) -> int:
        """How many regular files there are."""
        return sum(part.files for _, part in self.parts)

    @property
    def bytes(self) -> int:
        """The sizes of the regular files together."""
        return sum(part.bytes for _, part in self.parts)


def name_of(path: str) -> str:
    """The name that a volume has in a backup, whatever it is mounted at.

    >>> name_of("/data/x")
    'x'
    """
    return PurePosixPath(path).name


def contents(restic: Restic, snapshot: str, *, opening: float | None = None) -> Contents:
    """What is in a snapshot; MoverError when there is none of that id.

    With `opening`, it also sees meanwhile that the repository can be opened within so many seconds.
    """
    with restic.start("ls", "--json", "--no-lock", snapshot) as process:
        if opening is not None:
            opened(restic, process.stdout, opening)
        found = _read(process.stdout)
        process.finish()
    if found is None:
        raise MoverError("SnapshotNotFound", f"There is no snapshot {snapshot} in the repository.")
    return found


def _read(lines: Iterable[bytes]) -> Contents | None:
    """What restic lists; None when that is nothing."""
    rest = iter(lines)
    head = next(rest, None)
    if head is None:
        return None
    described = json.loads(head)
    builders = {path: _Builder(name_of(path)) for path in sorted(described["paths"])}
    for line in rest:
        node = json.loads(line)
        for path, builder in builders.items():
            if node["path"].startswith(path + "/"):
                builder.add(node["path"][len(path) + 1 :], node["type"], node.get("size", 0), _unix_mode(node["mode"]))
            elif node["path"] == path and node["type"] != "dir":
                builder.add("", node["type"], node.get("size", 0), _unix_mode(node["mode"]))
    return Contents(described["id"], tuple((path, builder.manifest()) for path, builder in builders.items()))


def folder_manifest(folder: bytes, name: str) -> Manifest:
    """What is in a folder that has that name in the backup."""
    builder = _Builder(name)
    for path, status in _walk(folder, b""):
        kind = next((kind for fits, kind in _TYPES if fits(status.st_mode)), None)
        if kind is not None:
            builder.add(_as_restic(path), kind, status.st_size, stat.S_IMODE(status.st_mode))
    return builder.manifest()


class _Builder:
    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[str] = []
        self._files = 0
        self._bytes = 0

    def add(self, path: str, kind: str, size: int, mode: int) -> None:
        if path.partition("/")[0] in NOT_DATA:
            return
        size = size if kind == "file" else 0
        self._lines.append(json.dumps([f"{self._name}/{path}" if path else self._name, kind, size, f"{mode:04o}"]))
        self._files += kind == "file"
        self._bytes += size

    def manifest(self) -> Manifest:
        return Manifest(tuple(sorted(self._lines)), self._files, self._bytes)


def _walk(folder: bytes, prefix: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            yield path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False) and not (not prefix and os.fsdecode(entry.name) in NOT_DATA):
                yield from _walk(entry.path, path + b"/")


def _as_restic(path: bytes) -> str:
    # Go's JSON has U+FFFD for each byte that is not UTF-8; Python's own replacement joins several bytes into one.
    text = path.decode("utf-8", "surrogateescape")
    return "".join("\ufffd" if "\udc80" <= char <= "\udcff" else char for char in text)


def _unix_mode(mode: int) -> int:
    return (mode & 0o777) | sum(bit for go, bit in _GO_BITS if mode & go)


def _hash(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
