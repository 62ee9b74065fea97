"""A file-based catalog on disk: every file below a folder, each a stream of YAML or JSON documents.

The rules are those of opm: whatever the name, a file is part of the catalog unless an ``.indexignore`` says otherwise;
a file whose first character is a brace is read as JSON as far as that goes; a document that holds nothing is a blob
without a schema.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import math
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from balise.model.bundle import walk_files
from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.documents import Document, Position, file_bytes, split_documents
from balise.model.errors import InputError
from balise.model.index_ignore import INDEX_IGNORE, Pattern, is_ignored, patterns
from balise.model.yaml_text import Mark, SyntaxProblem, load

__all__ = ["ReadProblem", "Scan", "Source", "catalog_files", "load_catalog", "read_documents", "scan"]

T = TypeVar("T")

_PARALLEL_BYTES: Final = 2 * 2**20
"""A catalog smaller than this is read faster than a second process starts."""


class Source(NamedTuple):
    """Where a document stands: its file, its bytes in it, and the line (from 0) on which it starts."""

    file: str
    start: int
    end: int
    line: int

    def document(self) -> Document:
        """The document with its text, for places and excerpts; its data is not read again."""
        data = file_bytes(Path(self.file))
        # Places count from the start of a line, and a JSON value may start within one.
        column = self.start - data.rfind(b"\n", 0, self.start) - 1
        return Document(self.file, b" " * column + data[self.start : self.end], None, self.line)


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """Why a file, or the rest of it, cannot be read."""

    kind: Literal["unreadable", "syntax"]
    message: str
    position: Position
    excerpt: str = ""


class Scan(NamedTuple, Generic[T]):
    """What became of each document, in the order of the files, and what could not be read."""

    values: list[T]
    problems: list[ReadProblem]


def catalog_files(root: Path) -> list[str]:
    """Paths of the catalog's files, relative to *root*, in opm's order; raises InputError where *root* is no folder."""
    try:
        paths = [path for path, _ in walk_files(root)]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(root)) from None
    ignored: list[Pattern] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name == INDEX_IGNORE:
            text = file_bytes(root / path).decode("utf-8", "replace")
            ignored += patterns(f"{folder}/" if folder else "", text)
    # The patterns of a folder come after those of the folders around it.
    ignored.sort(key=lambda pattern: pattern.folder.count("/"))
    return [path for path in paths if path.rpartition("/")[2] != INDEX_IGNORE and not is_ignored(path, ignored)]


def load_catalog(root: Path | str) -> Catalog:
    """The catalog in a folder, or in one file; raises InputError with the place of the first thing that is wrong."""
    path = Path(root)
    files = [path] if path.is_file() else [path / file for file in catalog_files(path)]
    with _no_collecting():
        return catalog_from_blobs(list(_blobs(files)), place=str(root))


def _blobs(files: list[Path]) -> Iterator[Any]:
    for file in files:
        for _, document in read_documents(str(file), file_bytes(file)):
            if isinstance(document, ReadProblem):
                raise InputError(document.message, place=":".join(map(str, document.position)))
            yield document.data


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """Without the search for cycles: there are none in what is read, and looking for them takes a fifth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def read_documents(file: str, data: bytes) -> Iterator[tuple[Source, Document | ReadProblem]]:
    """The documents of a file, each with its source, and what could not be read."""
    sources, problem = _sources(file, data)
    for source in sources:
        yield from _read(source, data)
    if problem is not None:
        yield Source(file, len(data), len(data), problem.position.line - 1), problem


def scan(root: Path, visit: Callable[[Source, Document], T], *, jobs: int | None = None) -> Scan[T]:
    """Read every document of the catalog in *root* and keep what *visit* makes of it.

    Large catalogs are read by several processes, so *visit* must give something that can be pickled. A document is
    forgotten once it is visited: memory stays at the size of the files and of what is kept.
    """
    found: Scan[T] = Scan([], [])
    sources: list[Source] = []
    contents: dict[str, bytes] = {}
    for path in catalog_files(root):
        file = str(root / path)
        try:
            contents[file] = file_bytes(Path(file))
        except InputError as error:
            found.problems.append(ReadProblem("unreadable", error.message, Position(file, 1, 1)))
            continue
        more, problem = _sources(file, contents[file])
        sources += more
        if problem is not None:
            found.problems.append(problem)

    def work(part: list[Source]) -> Scan[T]:
        done: Scan[T] = Scan([], [])
        for source in part:
            for place, document in _read(source, contents[source.file]):
                if isinstance(document, ReadProblem):
                    done.problems.append(document)
                else:
                    done.values.append(visit(place, document))
        return done

    for done in _in_parallel(work, _parts(sources, jobs or _processors())):
        found.values.extend(done.values)
        found.problems.extend(done.problems)
    return found


def _processors() -> int:
    """Processors that may be used; one where processes cannot be forked, as starting them otherwise takes longer."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return min(len(os.sched_getaffinity(0)), 8) if hasattr(os, "sched_getaffinity") else 1


def _parts(sources: list[Source], count: int) -> list[list[Source]]:
    """The sources, in their order, in as many parts of about the same size as are worth it."""
    total = sum(source.end - source.start for source in sources)
    if total < _PARALLEL_BYTES:
        return [sources]
    parts: list[list[Source]] = [[] for _ in range(count)]
    done = 0
    for source in sources:
        parts[min(done * count // total, count - 1)].append(source)
        done += source.end - source.start
    return [part for part in parts if part]


def _in_parallel(work: Callable[[list[Source]], Scan[T]], parts: list[list[Source]]) -> Iterator[Scan[T]]:
    """The first part here, every other one in a process of its own."""
    context = multiprocessing.get_context("fork") if len(parts) > 1 else None
    children = []
    for part in parts[1:]:
        assert context is not None  # noqa: S101 (there are several parts)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_send, args=(work, part, sender), daemon=True)
        child.start()
        sender.close()
        children.append((child, receiver))
    with _no_collecting():
        yield work(parts[0])
    for child, receiver in children:
        yield receiver.recv()
        child.join()


def _send(work: Callable[[list[Source]], Scan[T]], part: list[Source], sender: Any) -> None:
    gc.disable()
    sender.send(work(part))
    sender.close()


def _looks_like_json(data: bytes) -> bool:
    return data[:4096].lstrip().startswith(b"{")


def _sources(file: str, data: bytes) -> tuple[list[Source], ReadProblem | None]:
    if _looks_like_json(data):
        return _json_sources(file, data), None
    return _yaml_sources(file, data, 0)


_JSON_PART_BYTES: Final = 2**18
_BETWEEN_VALUES = re.compile(rb"\n}\r?\n(?={)")


def _json_sources(file: str, data: bytes) -> list[Source]:
    """A large stream in parts, so that never all of it need be decoded at once.

    A string has no line breaks, so a brace that closes before one and one that opens after it have nothing around them.
    That what follows might be YAML is only possible for the first two values.
    """
    whole = [Source(file, 0, len(data), 0)]
    if len(data) < 2 * _JSON_PART_BYTES:
        return whole
    ends = [found.end() for found in _BETWEEN_VALUES.finditer(data)]
    if len(ends) < 2 or not all(_is_json(data[start:end]) for start, end in itertools.pairwise([0, *ends[:2]])):
        return whole
    parts, start, line = [], 0, 0
    for end in [*ends, len(data)]:
        if end - start >= _JSON_PART_BYTES or end == len(data):
            parts.append(Source(file, start, end, line))
            line += data.count(b"\n", start, end)
            start = end
    return parts


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode("utf-8", "replace"), **_NUMBERS)
    except (ValueError, RecursionError):
        return False
    return True


def _yaml_sources(file: str, data: bytes, offset: int) -> tuple[list[Source], ReadProblem | None]:
    found = []
    start, line = offset, data.count(b"\n", 0, offset)
    try:
        for chunk in split_documents(data[offset:] if offset else data):
            found.append(Source(file, start, start + len(chunk.text), line + chunk.line))
            start = offset + chunk.end
    except SyntaxProblem as problem:
        return found, _problem(file, problem.message, Mark(problem.mark.line + line, problem.mark.column), data)
    return found, None


def _problem(file: str, message: str, mark: Mark, data: bytes) -> ReadProblem:
    lines = data.split(b"\n", mark.line + 1)
    excerpt = lines[mark.line].decode("utf-8", "replace").rstrip("\r") if mark.line < len(lines) else ""
    return ReadProblem("syntax", message, Position(file, mark.line + 1, mark.column + 1), excerpt)


def _read(source: Source, data: bytes) -> Iterator[tuple[Source, Document | ReadProblem]]:
    if _looks_like_json(data):
        yield from _read_json(source, data)
    else:
        yield source, _read_yaml(source, data)


def _read_yaml(source: Source, data: bytes) -> Document | ReadProblem:
    text = data[source.start : source.end]
    try:
        return Document(source.file, text, load(text), source.line)
    except SyntaxProblem as problem:
        mark = Mark(problem.mark.line + source.line, problem.mark.column)
        return _problem(source.file, problem.message, mark, data)


def _read_json(part: Source, data: bytes) -> Iterator[tuple[Source, Document | ReadProblem]]:
    """A stream of JSON values; of a file with at most one before the first error, the rest is read as YAML."""
    file = part.file
    text = data[part.start : part.end].decode("utf-8", "replace")
    decoder = json.JSONDecoder(**_NUMBERS)
    at, offset, line = 0, part.start, part.line
    count = 2 if part.start else 0
    while True:
        start = _end_of_space(text, at)
        skipped = text[at:start].encode()
        offset, line = offset + len(skipped), line + skipped.count(b"\n")
        if start == len(text):
            return
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            yield from _after_json(part, data, offset, count, error)
            return
        own = text[start:at].encode()
        # A document's places are relative to the start of a line.
        column = start - text.rfind("\n", 0, start) - 1
        source = Source(file, offset, offset + len(own), line)
        yield source, Document(file, b" " * column + own, value, line)
        count, offset, line = count + 1, offset + len(own), line + own.count(b"\n")


def _end_of_space(text: str, at: int) -> int:
    found = re.compile(r"[^ \t\r\n]").search(text, at)
    return found.start() if found else len(text)


def _after_json(
    part: Source, data: bytes, offset: int, count: int, error: Exception
) -> Iterator[tuple[Source, Document | ReadProblem]]:
    file = part.file
    if count <= 1:
        sources, problem = _yaml_sources(file, data, offset)
        documents = [_read_yaml(source, data) for source in sources]
        # Where neither will do, opm tells what JSON found.
        if not isinstance(next(iter(documents), problem), ReadProblem):
            yield from zip(sources, documents, strict=True)
            if problem is not None:
                yield Source(file, len(data), len(data), problem.position.line - 1), problem
            return
    start = Mark(data.count(b"\n", 0, offset), offset - data.rfind(b"\n", 0, offset) - 1)
    message, place = "the value is nested too deeply", start
    if isinstance(error, json.JSONDecodeError):
        message, place = f"not JSON: {error.msg}", Mark(part.line + error.lineno - 1, error.colno - 1)
    elif isinstance(error, ValueError):
        message = f"not JSON: {error}"
    yield Source(file, offset, len(data), place.line), _problem(file, message, place, data)


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON value")


def _real(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 300 else _real(text)


_NUMBERS: Final[dict[str, Any]] = {"parse_constant": _refuse_constant, "parse_float": _real, "parse_int": _whole}
"""Numbers as opm reads them: as floating point of 64 bits."""
