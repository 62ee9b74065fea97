"""Checking many bundles: several processes, and no bundle twice that is as it was."""

from __future__ import annotations

import gc
import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from balise.checks.cache import program_fingerprint
from balise.checks.findings import Finding
from balise.checks.runner import Report, Run, check_files, unreadable
from balise.model.bundle import read_bundle_files
from balise.model.documents import Memo
from balise.model.errors import BaliseError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from balise.checks.cache import ResultCache

__all__ = ["check_bundles", "processors"]

_WORTH_A_PROCESS: Final = 12
"""Fewer bundles than this are checked before a second process would be ready."""


def processors() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def check_bundles(
    paths: Sequence[str], run: Run, *, jobs: int = 1, cache: ResultCache | None = None
) -> Iterator[Report]:
    """The reports of the bundles in *paths*, in that order, each as soon as it is known."""
    key = program_fingerprint() + _text(run).encode() if cache else b""
    known: dict[str, Report] = {}
    if cache and not cache.empty:
        for path in paths:
            text = cache.report(_digest(path, key))
            if text is not None:
                known[path] = _from_text(path, text)
    results = _results([path for path in paths if path not in known], partial(_check, run, key), jobs)
    new = []
    for path in paths:
        if path in known:
            yield known[path]
            continue
        result = next(results)
        if result.digest:
            new.append((result.digest, _to_text(result.report)))
        yield result.report
    if cache:
        cache.keep_reports(new)


def _text(run: Run) -> str:
    return json.dumps(asdict(run), sort_keys=True, default=sorted)


class _Result(NamedTuple):
    digest: bytes
    report: Report


def _digest(path: str, key: bytes) -> bytes:
    try:
        return read_bundle_files(path).digest(key)
    except InputError:
        return b""


def _check(run: Run, key: bytes, path: str) -> _Result:
    try:
        files = read_bundle_files(path)
    except InputError as error:
        # One directory that cannot be read does not keep the others from being checked.
        return _Result(b"", Report(path, load_problems=(unreadable(path, error),)))
    # What is made for a bundle goes with it: looking for cycles all the while would only take time.
    gc.disable()
    try:
        return _Result(files.digest(key) if key else b"", check_files(files, path, run, _MEMO))
    finally:
        gc.enable()


_MEMO: Final = Memo(4 * 2**20)
"""Of this process: the CRDs of one version of an operator are often those of the next."""


def _results(paths: list[str], check: partial[_Result], jobs: int) -> Iterator[_Result]:
    jobs = min(jobs, len(paths) // _WORTH_A_PROCESS)
    if jobs < 2:
        yield from map(check, paths)
        return
    import multiprocessing  # noqa: PLC0415 (slow to import, and one bundle needs none of it)
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor  # noqa: PLC0415

    # Forked, a process has all modules at once; where there is no fork, it imports them.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context(method)) as pool:
        try:
            yield from pool.map(check, paths, chunksize=max(1, min(8, len(paths) // (jobs * 4))))
        except BrokenExecutor:
            raise BaliseError(
                "a process that checked bundles was ended from outside", way_out="try again with --jobs 1"
            ) from None


def _to_text(report: Report) -> str:
    """The report as JSON, in which files below the bundle's path are relative."""
    root = _root(report)
    rows = [[_row(finding, root) for finding in findings] for findings in (report.findings, report.load_problems)]
    return json.dumps(rows, separators=(",", ":"))


def _from_text(path: str, text: str) -> Report:
    findings, problems = json.loads(text)
    empty = Report(path)
    root = _root(empty)
    return Report(path, *(tuple(_finding(row, root) for row in rows) for rows in (findings, problems)))


def _root(report: Report) -> str:
    """The path as it stands in the names of files."""
    return str(Path(report.path))


_FIELDS: Final = tuple(Finding.__dataclass_fields__)
_FILE: Final = _FIELDS.index("file")


def _row(finding: Finding, root: str) -> list[object]:
    row = [getattr(finding, name) for name in _FIELDS]
    if finding.file == root or finding.file.startswith(f"{root}/"):
        row[_FILE] = "\0" + finding.file[len(root) :]
    return row


def _finding(row: list[Any], root: str) -> Finding:
    file = row[_FILE]
    if isinstance(file, str) and file.startswith("\0"):
        row[_FILE] = root + file[1:]
    return Finding(*row)
