"""Remembering results between runs, in one SQLite database that any number of runs may share.

Two things are kept. A bundle's report, under a hash of all its files, of what was run and of the program itself: it is
right wherever the bundle lies. And a whole run's output, together with the state (times, size, inode) of everything
that it read: when none of that has changed, nothing has to be read again. A state that the file system's clock may not
be able to tell from a later one is not kept.

A cache that cannot be used, for whatever reason, is no reason to fail: the run then goes without.
"""

from __future__ import annotations

import os
from array import array
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["Output", "ResultCache", "Snapshot", "default_file", "program_fingerprint"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS reports (digest BLOB PRIMARY KEY, report TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outputs (key BLOB PRIMARY KEY, paths BLOB, states BLOB, status INTEGER, text BLOB);
"""
_LAYOUT: Final = 1
_MAX_REPORTS: Final = 50_000
_MAX_OUTPUTS: Final = 50
_MAX_SNAPSHOT: Final = 500_000
_BUSY_SECONDS: Final = 2


def default_file() -> Path:
    """Where the cache is: below $BALISE_CACHE_DIR, else $XDG_CACHE_HOME, else ~/.cache."""
    if folder := os.environ.get("BALISE_CACHE_DIR"):
        return Path(folder) / f"results-{_LAYOUT}.sqlite"
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (never fails)
    return Path(base) / "balise" / f"results-{_LAYOUT}.sqlite"


@cache
def program_fingerprint() -> bytes:
    """Changes whenever the program does, also while it is being developed."""
    import hashlib  # noqa: PLC0415 (not needed by every run)
    import sys  # noqa: PLC0415

    total = hashlib.blake2b(sys.version.encode(), digest_size=16)
    pending = [str(Path(__file__).parents[1])]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir():
                    if entry.name != "__pycache__":
                        pending.append(entry.path)
                elif entry.name.endswith((".py", ".txt")):
                    found = entry.stat()
                    total.update(
                        f"{entry.path}\0{found.st_mtime_ns}\0{found.st_size}\0".encode("utf-8", "surrogatepass")
                    )
    return total.digest()


class Snapshot(NamedTuple):
    """The state of files and folders at one time."""

    paths: tuple[str, ...]
    states: bytes
    since: int
    """Nanoseconds from the epoch to when the paths were first looked at."""

    @classmethod
    def take(cls, paths: Iterable[str], since: int) -> Snapshot:
        """The state that *paths* are in now. What is not there has a state, too."""
        paths = tuple(dict.fromkeys(paths))
        return cls(paths, _states(paths), since)

    def is_current(self) -> bool:
        """Whether everything is still as it was."""
        return _states(self.paths) == self.states

    def is_certain(self) -> bool:
        """Whether any later change would show."""
        numbers = array("q")
        numbers.frombytes(self.states)
        return all(
            # Most file systems' clocks are finer than 50 ms; one that shows whole seconds may count every other.
            changed < self.since - (50_000_000 if changed % 1_000_000_000 else 2_100_000_000)
            for changed in numbers[1::5]
        )


def _states(paths: Iterable[str]) -> bytes:
    states = array("q")
    absent = (-1, -1, -1, -1, -1)
    stat, extend = os.stat, states.extend
    for path in paths:
        try:
            found = stat(path)
        except OSError:
            extend(absent)
        else:
            extend(
                (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino & 0x7FFFFFFFFFFFFFFF, found.st_mode)
            )
    return states.tobytes()


class Output(NamedTuple):
    """What a run wrote and how it ended."""

    text: str
    status: int


class ResultCache:
    """The database; every method does nothing where it cannot be used."""

    def __init__(self, file: Path) -> None:
        self._connection = _open(file)

    @property
    def empty(self) -> bool:
        """Whether no report is kept, so that none need be looked for."""
        return not self._query("SELECT 1 FROM reports LIMIT 1")

    def report(self, digest: bytes) -> str | None:
        """The text kept under *digest*."""
        found = self._query("SELECT report FROM reports WHERE digest = ?", digest)
        return found[0][0] if found else None

    def keep_reports(self, reports: Iterable[tuple[bytes, str]]) -> None:
        """Keep texts under their digests."""
        self._write("INSERT OR REPLACE INTO reports VALUES (?, ?)", list(reports))
        self._write("DELETE FROM reports WHERE rowid <= (SELECT max(rowid) FROM reports) - ?", [(_MAX_REPORTS,)])

    def output(self, key: bytes) -> Output | None:
        """The output of an earlier run with the same *key*, where nothing that it read has changed since."""
        found = self._query("SELECT paths, states, status, text FROM outputs WHERE key = ?", key)
        if not found:
            return None
        paths, states, status, text = found[0]
        before = Snapshot(tuple(os.fsdecode(path) for path in paths.split(b"\0")), states, 0)
        return Output(text.decode("utf-8", "surrogatepass"), status) if before.is_current() else None

    def keep_output(self, key: bytes, before: Snapshot, output: Output) -> None:
        """Keep a run's output; *before* was taken before anything was read."""
        if len(before.paths) > _MAX_SNAPSHOT or not before.is_certain():
            return
        paths = b"\0".join(map(os.fsencode, before.paths))
        row = (key, paths, before.states, output.status, output.text.encode("utf-8", "surrogatepass"))
        self._write("INSERT OR REPLACE INTO outputs VALUES (?, ?, ?, ?, ?)", [row])
        self._write("DELETE FROM outputs WHERE rowid <= (SELECT max(rowid) FROM outputs) - ?", [(_MAX_OUTPUTS,)])

    def _query(self, statement: str, *values: bytes) -> list[Any]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except _errors():
            self._connection = None
            return []

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        if self._connection is None or not rows:
            return
        try:
            with self._connection:
                self._connection.executemany(statement, rows)
        except _errors():
            self._connection = None


def _errors() -> tuple[type[Exception], ...]:
    import sqlite3  # noqa: PLC0415 (only where there is a cache)

    return (sqlite3.Error, OSError)


def _open(file: Path) -> sqlite3.Connection | None:
    import sqlite3  # noqa: PLC0415 (only where there is a cache)

    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=_BUSY_SECONDS)
        try:
            connection.executescript(f"PRAGMA synchronous = OFF; {_SCHEMA}")
        except sqlite3.OperationalError:
            connection.close()
            return None  # busy, or not ours to write: the next run may have more luck
        except sqlite3.DatabaseError:
            connection.close()
            file.unlink()  # it is no database: a cache can be made again
            return None
    except (sqlite3.Error, OSError):
        return None
    return connection
