"""Logs as JSON lines: time, level, message, and which object and which reconcile they are about."""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

__all__ = ["bound", "configure", "unheard", "without_values"]

logger = logging.getLogger(__name__)

_CONTEXT: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=MappingProxyType({}))

# What every LogRecord has by itself; anything else came with `extra=`.
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Every line logged inside the block carries these fields: the reconcile id, the object …"""
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_CONTEXT.get(),
            **{name: value for name, value in record.__dict__.items() if name not in _STANDARD},
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = without_values(record.exc_info[1])
        # Half a character, which JSON can carry and no file can, would otherwise be an error in place of the line.
        return json.dumps(line, default=str, ensure_ascii=False).encode(errors="backslashreplace").decode()


def without_values(error: BaseException) -> str:
    """A traceback that says where and of which type, and what our own errors and those of the system say.

    What others say quotes what they were given: `KeyError: 'hunter2'`, or the input of a model that does not fit.
    """
    return _told(error, set())


def _told(error: BaseException, seen: set[int]) -> str:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = [before, *error.exceptions] if isinstance(error, BaseExceptionGroup) else [before]
    # One may be its own cause, by way of others.
    told = "".join(f"{_told(each, seen)}\n\n" for each in inner if each is not None and id(each) not in seen)
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    said = f": {error}" if name.startswith("timonier.") or isinstance(error, OSError) else ""
    return told + "".join(traceback.format_tb(error.__traceback__)) + name + said


def unheard(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `set_exception_handler`: log what no task of ours has caught. asyncio itself would quote it."""
    logger.error("%s", context["message"], exc_info=context.get("exception"))


def configure(level: str = "INFO") -> None:
    """Send all logs to standard error as JSON lines, from the given level on; kopf's own only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
