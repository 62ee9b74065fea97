"""Folders written in one step: a reader sees the old one or the new one, and an interruption leaves the old one."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from balise.model.atomic_file import write_atomically
from balise.model.documents import file_bytes
from balise.model.errors import InputError

__all__ = ["read_tree", "write_file", "write_folder"]


def read_tree(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder by its path; nothing where there is no such folder."""
    return {
        path.relative_to(folder).as_posix(): file_bytes(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write_file(path: Path, content: bytes) -> None:
    """Write a file; raises InputError where that is not possible."""
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make *folder* hold exactly these files; raises InputError where that is not possible."""
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            new, old = Path(temporary) / "new", Path(temporary) / "old"
            for path, content in files.items():
                (new / path).parent.mkdir(parents=True, exist_ok=True)
                (new / path).write_bytes(content)
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
            shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(path)) from error
