"""Ask whether an application is well, from beside it: by HTTP, by TCP, or by a query of Prometheus."""

import http.client
import json
import operator
import re
import socket
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from timonier.mover.outcome import MoverError, ProbeResult

__all__ = ["Tally", "probe"]

_BODY = 64 << 10
_LONGEST_SAID = 200
_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}

Attempt = Callable[[], str | None]
"""Asks once. What was wrong, as a sentence; None when all was well."""


@dataclass(slots=True)
class Tally:
    """Successes and failures in a row, and what they mean: "good", "bad", or None while neither is known."""

    successes: int
    failures: int
    good: int = 0
    bad: int = 0

    def add(self, *, well: bool) -> str | None:
        """Count one attempt.

        >>> tally = Tally(successes=1, failures=2)
        >>> [tally.add(well=well) for well in (False, True, False, False)]
        [None, 'good', None, 'bad']
        """
        self.good, self.bad = (self.good + 1, 0) if well else (0, self.bad + 1)
        if self.good >= self.successes:
            return "good"
        return "bad" if self.bad >= self.failures else None


@dataclass(frozen=True, slots=True)
class _Probe:
    name: str
    interval: float
    tally: Tally
    attempt: Attempt


def probe(instruction: Mapping[str, Any]) -> ProbeResult:
    """Ask until each probe has succeeded, or one has failed, often enough in a row; with `seconds`, for so long.

    Raises MoverError with the code VerificationFailed when one has failed.
    """
    probes = [_read(told) for told in _list(instruction)]
    seconds = instruction.get("seconds")
    over, told, attempts = threading.Event(), list[str](), list[int]()
    deadline = time.monotonic() + float(seconds) if seconds else None
    threads = [
        threading.Thread(target=_ask, args=(each, deadline, over, told, attempts), daemon=True) for each in probes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # in short waits, so that a signal is heeded
    if told:
        raise MoverError("VerificationFailed", told[0])
    return ProbeResult(len(attempts))


def _ask(each: _Probe, deadline: float | None, over: threading.Event, told: list[str], attempts: list[int]) -> None:
    before: str | None = ""
    while not over.is_set() and (deadline is None or time.monotonic() < deadline):
        try:
            words = each.attempt()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a thread must end the program
            words = f"{type(error).__name__}: {error}"
        attempts.append(1)
        if words != before:
            print(f"{each.name}: {words or 'well'}", file=sys.stderr, flush=True)
        before = words
        verdict = each.tally.add(well=words is None)
        if verdict == "bad":
            told.append(f"the probe {each.name} failed {each.tally.bad} times in a row: {words}")
            over.set()
        if verdict == "good" and deadline is None:
            return
        left = each.interval if deadline is None else min(each.interval, max(0.0, deadline - time.monotonic()))
        over.wait(left)


def _list(instruction: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = instruction.get("probes")
    if not isinstance(found, list) or not found:
        raise MoverError("Failed", "The instruction's field 'probes' must be a list of at least one probe.")
    return found


def _read(told: Mapping[str, Any]) -> _Probe:
    try:
        tally = Tally(int(told["successThreshold"]), int(told["failureThreshold"]))
        timeout = float(told["timeoutSeconds"])
        return _Probe(str(told["name"]), float(told["intervalSeconds"]), tally, _attempt(told, timeout))
    except (LookupError, TypeError, ValueError, re.error) as error:
        raise MoverError("Failed", f"A probe cannot be understood: {type(error).__name__}: {error}.") from error


def _attempt(told: Mapping[str, Any], timeout: float) -> Attempt:
    if "http" in told:
        return _http(told["http"], timeout)
    if "tcp" in told:
        host, port = str(told["tcp"]["host"]), int(told["tcp"]["port"])
        return lambda: _connects(host, port, timeout)
    return _prom_ql(told["promQL"], timeout)


def _http(told: Mapping[str, Any], timeout: float) -> Attempt:
    url = str(told["url"])
    expected = frozenset(map(int, told.get("expectStatus") or range(200, 400)))
    wanted = re.compile(told["expectBody"]) if "expectBody" in told else None

    def attempt() -> str | None:
        status, body = _get(url, timeout)
        if isinstance(status, str):
            return status
        if status not in expected:
            return f"{url} answered {status}"
        if wanted is not None and not wanted.search(body.decode(errors="replace")):
            return f"{url} answered {status} without {wanted.pattern!r} in the first 64 KiB"
        return None

    return attempt


def _get(url: str, timeout: float) -> tuple[int | str, bytes]:
    """Status and beginning of the body, all of it within that many seconds; or why there are none."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{url} is no address of HTTP", b""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    late = threading.Event()

    def cut() -> None:
        late.set()
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)

    # Each call has its time-out; a server that gives a byte now and then would keep within it for ever.
    timer = threading.Timer(timeout, cut)
    timer.daemon = True
    timer.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"User-Agent": "timonier-probe", "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(_BODY)
    except (OSError, http.client.HTTPException) as error:
        why = f"nothing within {timeout:g} s" if late.is_set() or isinstance(error, TimeoutError) else _said(error)
        return f"{url} answered not: {why}", b""
    finally:
        timer.cancel()
        connection.close()
    return (f"{url} answered not: nothing within {timeout:g} s", b"") if late.is_set() else (answer.status, body)


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:_LONGEST_SAID]


def _connects(host: str, port: int, timeout: float) -> str | None:
    try:
        with socket.create_connection((host, port), timeout):
            return None
    except (OSError, OverflowError) as error:
        return f"{host}:{port} accepts no connection: {_said(error)}"


def _prom_ql(told: Mapping[str, Any], timeout: float) -> Attempt:
    url = f"{str(told['url']).rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': told['query']})}"
    compare, sign = _COMPARE[told["operator"]], str(told["operator"])
    limit = Decimal(str(told["value"]))

    def attempt() -> str | None:
        status, body = _get(url, timeout)
        if status != 200:
            return status if isinstance(status, str) else f"Prometheus answered {status}"
        value = _value(body)
        if isinstance(value, str):
            return value
        return None if not value.is_nan() and compare(value, limit) else f"{value} is not {sign} {limit}"

    return attempt


def _value(body: bytes) -> Decimal | str:
    """The first value of an answer; or why there is none.

    Source: https://prometheus.io/docs/prometheus/latest/querying/api/
    """
    try:
        data = json.loads(body)["data"]
        result = data["result"]
        if not result:
            return "the query has no data"
        return Decimal(str((result if data["resultType"] in ("scalar", "string") else result[0]["value"])[1]))
    except (ValueError, LookupError, TypeError, InvalidOperation):
        return "Prometheus gave an answer that cannot be understood"
