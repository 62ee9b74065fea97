"""What a task leaves behind: a result, or an error that a person and the operator understand, in at most 4096 bytes."""

import errno
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = [
    "LIMIT",
    "ApplicationResult",
    "BackupResult",
    "Code",
    "ForgetResult",
    "Interruption",
    "Lock",
    "MoverError",
    "ProbeResult",
    "ProveResult",
    "RestoreResult",
    "Result",
    "SendResult",
    "SurveyResult",
    "failure",
    "failure_of_system",
    "success",
]

LIMIT = 4096
"""Bytes that kubelet takes over from a termination log."""

Code = Literal[
    "WrongPassword",
    "Unreachable",
    "NotInitialized",
    "Locked",
    "NoSpace",
    "Corrupted",
    "PermissionDenied",
    "SnapshotNotFound",
    "Mismatch",
    "Interrupted",
    "VerificationFailed",
    "Failed",
]


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds a lock on a repository; `hostname` is a pod's name where a pod holds it."""

    hostname: str
    pid: int
    time: str
    exclusive: bool


class MoverError(Exception):
    """A task cannot be done; `code` is for the operator, the message a sentence for a person."""

    def __init__(self, code: Code, message: str, locks: Sequence[Lock] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.locks = tuple(locks)


class Interruption(BaseException):
    """The mover was told to stop. Not a MoverError, so that nobody who bears with those goes on."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task; each kind of task has its own fields."""


@dataclass(frozen=True, slots=True)
class SurveyResult(Result):
    """`repository` is its identity, `snapshots` the number of complete backups, `bytes` what the store holds."""

    repository: str
    created: bool
    checked: bool
    snapshots: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BackupResult(Result):
    """`bytes` and `files` are what the snapshot holds, `added` the bytes that the store did not have yet."""

    snapshot: str
    bytes: int
    added: int
    files: int
    manifest_hash: str


@dataclass(frozen=True, slots=True)
class RestoreResult(Result):
    """What is in the volumes now; `in_place` when there was no room to have old and new data side by side."""

    snapshot: str
    bytes: int
    files: int
    manifest_hash: str
    in_place: bool


@dataclass(frozen=True, slots=True)
class ProveResult(Result):
    """What was read, and is whole."""

    snapshot: str
    bytes: int


@dataclass(frozen=True, slots=True)
class SendResult(Result):
    """What was given away, and the hash over it."""

    snapshot: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ForgetResult(Result):
    """How many snapshots were removed (a backup has two), and whether their room was freed."""

    snapshots: int
    pruned: bool


@dataclass(frozen=True, slots=True)
class ApplicationResult(Result):
    """The snapshot that the Application was read from."""

    snapshot: str


@dataclass(frozen=True, slots=True)
class ProbeResult(Result):
    """How often was asked."""

    attempts: int


def success(result: Result) -> bytes:
    """The result as the operator reads it.

    >>> success(ForgetResult(2, pruned=True))
    b'{"ok":true,"snapshots":2,"pruned":true}'
    """
    return _encoded({"ok": True, **{_camel(name): value for name, value in asdict(result).items()}})


def failure(error: MoverError) -> bytes:
    """The error as the operator reads it, its end and the last of many locks left out where it would be too long.

    >>> failure(MoverError("Mismatch", "Something else was expected."))
    b'{"ok":false,"error":"Mismatch","message":"Something else was expected."}'
    """
    said: dict[str, Any] = {"ok": False, "error": error.code, "message": error.message}
    if error.code == "Locked":
        said["locks"] = [asdict(lock) for lock in error.locks]
    while len(encoded := _encoded(said)) > LIMIT:
        if len(said["message"]) > 512:
            said["message"] = said["message"][: max(512, len(said["message"]) * 3 // 4)] + "…"
        elif said.get("locks"):
            said["locks"].pop()
        else:
            said["message"] = said["message"][: len(said["message"]) // 2]
    return encoded


def failure_of_system(error: OSError) -> MoverError:
    """What an operation on a file ran into."""
    codes: dict[int | None, Code] = {
        errno.ENOSPC: "NoSpace",
        errno.EDQUOT: "NoSpace",
        errno.EACCES: "PermissionDenied",
        errno.EPERM: "PermissionDenied",
        errno.EROFS: "PermissionDenied",
    }
    return MoverError(codes.get(error.errno, "Failed"), f"A file could not be handled: {error}.")


def _encoded(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)
