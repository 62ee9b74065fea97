"""What we ask of a repository: is it there, what does it hold, who locks it."""

import json
import re
import select
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote, unquote

from timonier.mover.outcome import Lock, MoverError
from timonier.mover.restic import Restic

__all__ = ["Snapshot", "escaped", "locks", "open_repository", "opened", "snapshots", "tag", "unlock"]

# A comma separates tags; a percent sign is how we write what must not be written.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%,")
_MOST_LOCKS = 20
_HEAD_START = 10.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot; `tags` are those of the form name=value, `time` is in UTC."""

    id: str
    time: str
    paths: tuple[str, ...]
    tags: Mapping[str, str]


def open_repository(restic: Restic, seconds: float) -> str:
    """The repository's identity. Tasks begin here: nothing else bounds how long a store keeps us waiting."""
    try:
        found = json.loads(restic.run("cat", "config", "--no-lock", seconds=seconds))
        return str(found["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise MoverError("Corrupted", "The repository is damaged: its configuration cannot be read.") from error


def opened(restic: Restic, output: IO[bytes], seconds: float) -> None:
    """Return when restic begins to say what it was asked, ends, or is known to work: listing thousands takes longer.

    MoverError when the repository could not be opened within so many seconds. `output` is that of a restic that was
    started just now, and of which nothing was read. Another one, which takes half a second of a processor, is asked
    only where it says nothing for a while.
    """
    head_start = min(_HEAD_START, seconds / 2)
    if not select.select([output], [], [], head_start)[0]:
        open_repository(restic, seconds - head_start)


def unlock(restic: Restic, seconds: float, abandoned: Collection[str]) -> None:
    """Remove every lock, where there are but those of which somebody knows that nobody holds them.

    `abandoned` has the time and the hostname of each. MoverError where another lock is there, which was taken or
    confirmed since.
    """
    restic.run("unlock", seconds=seconds)  # those that restic itself takes for stale
    ids = _ids_of_locks(restic)
    if len(ids) > len(abandoned) or not all(_is_one_of(abandoned, lock) for lock in _locks(restic, ids)):
        raise MoverError("Locked", "Somebody else has locked the repository since it was last tried.")
    if ids:
        restic.run("unlock", "--remove-all", seconds=seconds)


def locks(restic: Restic) -> tuple[Lock, ...]:
    """Who holds locks now, at most 20 of them."""
    return tuple(lock for lock in _locks(restic, _ids_of_locks(restic)[:_MOST_LOCKS]) if lock is not None)


def snapshots(restic: Restic, *, run: str | None = None, opening: float | None = None) -> tuple[Snapshot, ...]:
    """All snapshots, or those of one run, the oldest first.

    With `opening`, it also sees meanwhile that the repository can be opened within so many seconds; to list thousands
    of snapshots may take longer.
    """
    chosen = ["--tag", tag("run", run)] if run else []
    with restic.start("snapshots", "--json", "--no-lock", *chosen) as process:
        if opening is not None:
            opened(restic, process.stdout, opening)
        listed = process.stdout.read()
        process.finish()
    found = json.loads(listed or b"[]") or []
    # By the second first, as zones may differ; and within it by what restic writes.
    dated = sorted(((_snapshot(each), str(each["time"])) for each in found), key=lambda pair: (pair[0].time, pair[1]))
    return tuple(snapshot for snapshot, _ in dated)


def tag(name: str, value: str) -> str:
    """A tag that restic takes as one, whatever is in the value.

    >>> tag("image", "web:1,5%")
    'image=web:1%2C5%25'
    """
    return f"{name}={quote(value, safe=_PLAIN)}"


def escaped(path: str) -> str:
    """A pattern of restic's that fits this path alone.

    >>> print(escaped("/data/[a]"))
    /data/\\[a]
    """
    return re.sub(r"([\\*?\[$])", lambda match: {"$": "$$"}.get(match[1], "\\" + match[1]), path)


def _is_one_of(abandoned: Collection[str], lock: Lock | None) -> bool:
    return lock is not None and f"{lock.time} {lock.hostname}" in abandoned


def _ids_of_locks(restic: Restic) -> list[str]:
    return restic.run("list", "locks", "--no-lock", seconds=restic.patience).decode().split()


def _locks(restic: Restic, ids: Iterable[str]) -> list[Lock | None]:
    return [_lock(restic, name) for name in ids]


def _lock(restic: Restic, name: str) -> Lock | None:
    try:
        found = json.loads(restic.run("cat", "lock", name, "--no-lock", seconds=restic.patience))
    except (MoverError, ValueError):
        return None  # it was released while we looked
    return Lock(
        hostname=str(found.get("hostname", "")),
        pid=int(found.get("pid", 0)),
        time=_utc(str(found.get("time", ""))),
        exclusive=bool(found.get("exclusive", False)),
    )


def _snapshot(found: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        id=str(found["id"]),
        time=_utc(str(found["time"])),
        paths=tuple(found.get("paths") or ()),
        tags=dict(_named(found.get("tags") or ())),
    )


def _named(tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in tags:
        name, separator, value = text.partition("=")
        if separator:
            yield name, unquote(value)


def _utc(time: str) -> str:
    # restic writes nanoseconds and the zone of whoever wrote; RFC 3339 in UTC to the second is what objects have.
    try:
        return datetime.fromisoformat(re.sub(r"\.\d+", "", time)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return time
