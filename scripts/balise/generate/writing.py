"""Generated files on disk: compared with what is there, written so that no reader ever sees half a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from balise.model.atomic_file import write_atomically
from balise.model.errors import InputError

__all__ = ["Difference", "compare", "write"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a folder differs from what was generated; paths are relative to it and sorted.

    ``foreign`` files are there without having been generated: left-overs, or somebody's own.
    """

    missing: tuple[str, ...]
    stale: tuple[str, ...]
    foreign: tuple[str, ...]
    text: str

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale or self.foreign)


def compare(folder: Path, files: Mapping[str, str], *, alone: bool = True) -> Difference:
    """Compare a folder with the files that belong there; ``text`` is a unified diff, old to new.

    Where the files are not ``alone`` there, other files of the folder are none of our business.
    """
    paths = folder.rglob("*") if alone else (folder / path for path in files)
    present = {path.relative_to(folder).as_posix() for path in paths if path.is_file()}
    missing = tuple(sorted(set(files) - present))
    old = {path: _content(folder / path) for path in set(files) & present}
    stale = tuple(sorted(path for path, content in old.items() if content != files[path]))
    lines = [
        line
        for path in sorted((*missing, *stale))
        for line in difflib.unified_diff(
            old.get(path, "").splitlines(),
            files[path].splitlines(),
            str(folder / path),
            "generated",
            lineterm="",
        )
    ]
    return Difference(missing, stale, tuple(sorted(present - set(files))), "\n".join(lines))


def write(folder: Path, files: Mapping[str, str], *, alone: bool = True) -> Difference:
    """Write what is missing or stale, each file in one step; return what was different before. Deletes nothing."""
    difference = compare(folder, files, alone=alone)
    for path in (*difference.missing, *difference.stale):
        _write(folder / path, files[path])
    return difference


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", place=str(path)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", place=str(path)) from error
