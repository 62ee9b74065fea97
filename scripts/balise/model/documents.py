"""Files and the documents in them: JSON values that remember where each came from.

Positions are not kept while loading: most documents have no finding. :meth:`Document.locate` parses the document again,
once, the first time that a place in it is asked for.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from balise.model.errors import InputError
from balise.model.yaml_text import Json, Mark, SyntaxProblem, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "MAX_FILE_BYTES",
    "Document",
    "FieldPath",
    "Memo",
    "Position",
    "Span",
    "file_bytes",
    "first_document",
    "render_path",
    "split_documents",
]

FieldPath = tuple[str | int, ...]
"""Keys and indexes from the root of a document to a value: ``("spec", "icon", 0, "mediatype")``."""

MAX_FILE_BYTES = 256 * 2**20
"""A file larger than this is refused: a bundle's limit is 1 MiB, the largest catalogs known are some 100 MB."""


_EXCERPT_BYTES = 4096
"""More of a line than this is never shown."""


class Position(NamedTuple):
    """A place in a file. Line and column count from 1; a column counts characters."""

    file: str
    line: int
    column: int


class Span(NamedTuple):
    """Where a value stands in a file: its first character, and where its first line of text ends."""

    start: Position
    end_column: int


class SeparatorProblem(SyntaxProblem):
    """A line that starts with ``---`` and goes on with something else than a comment."""


def file_bytes(path: Path | str, limit: int = MAX_FILE_BYTES) -> bytes:
    """The content of *path*; raises :class:`InputError` for what cannot be read or has more than *limit* bytes."""
    try:
        found = os.stat(path)  # noqa: PTH116 (hot: bundles have many small files)
        if not stat.S_ISREG(found.st_mode):
            # Reading a pipe or a device may never end.
            raise InputError("is no regular file", place=str(path), way_out="put a file there")
        if found.st_size > limit:
            raise InputError(
                f"the file has {found.st_size} bytes, more than the {limit} that are read",
                place=str(path),
                way_out="split it, or check that it belongs here",
            )
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(path)) from None


_SEPARATOR_LINE = re.compile(rb"^---([^\n]*)(?:\n|\Z)", re.MULTILINE)


class Chunk(NamedTuple):
    """One document's text, the line (from 0) of the file it starts at, and where the text after it starts."""

    text: bytes
    line: int
    end: int


def split_documents(data: bytes) -> Iterator[Chunk]:
    """The documents of *data*, as Kubernetes' YAML reader cuts them: at each line that starts with ``---``.

    Such a line before any other text belongs to the document. A document of comments alone counts as one.
    Raises :class:`SeparatorProblem` where a separator line has more than a comment on it.
    """
    start, line = 0, 0
    if b"\n---" not in data and not data.startswith(b"---"):
        if data:
            yield Chunk(data, 0, len(data))
        return
    for found in _SEPARATOR_LINE.finditer(data):
        rest = found[1].strip()
        if rest and not rest.startswith(b"#"):
            where = Mark(data.count(b"\n", 0, found.start()), 3)
            found_text = rest[:20].decode("utf-8", "replace")
            raise SeparatorProblem(
                f"a line that starts with --- may only go on with a comment, not {found_text!r}", where
            )
        if found.start() == start:
            continue  # nothing before it yet: kept as part of the document
        yield Chunk(data[start : found.start()], line, found.end())
        line += data.count(b"\n", start, found.end())
        start = found.end()
    if start < len(data):
        yield Chunk(data[start:], line, len(data))


class Document:
    """One YAML or JSON document of a file: ``data`` as JSON values, and the places of its values on request."""

    __slots__ = ("_children", "_lines", "_root", "data", "file", "line", "text")

    def __init__(self, file: str, text: bytes, data: Json, line: int = 0) -> None:
        self.file = file
        self.text = text
        self.data = data
        self.line = line
        self._root: Any = False
        self._children: dict[int, dict[str, tuple[Any, Any]]] = {}
        self._lines: list[bytes] | None = None

    def __reduce__(self) -> tuple[type[Document], tuple[str, bytes, Json, int]]:
        return Document, (self.file, self.text, self.data, self.line)

    def locate(self, path: FieldPath = ()) -> Position:
        """Where the value at *path* starts; for what is absent, where its nearest present parent does."""
        return self.span(path).start

    def span(self, path: FieldPath = (), *, key_itself: bool = False) -> Span:
        """Like :meth:`locate`, with the end of the value's first line; of the key instead of its value on request."""
        if self._composed() is None:
            return Span(Position(self.file, self.line + 1, 1), 2)
        node, key, complete = self._walk(path)
        if complete and path and node.start_mark.line == node.end_mark.line and not key_itself:
            key = None  # a value on one line is shown itself; a larger one by its key
        shown = key or node
        start, end = shown.start_mark, shown.end_mark
        place = Position(self.file, self.line + start.line + 1, start.column + 1)
        return Span(place, end.column + 1 if end.line == start.line else start.column + 2)

    def nodes(self, path: FieldPath) -> tuple[Any, Any] | None:
        """The composed YAML node at *path* and its key's (None in a list and at the root); None for what is absent.

        Their marks count from the start of ``text``.
        """
        if self._composed() is None:
            return None
        node, key, complete = self._walk(path)
        return (node, key) if complete else None

    def _composed(self) -> Any:
        if self._root is False:
            self._root = _compose(self.text)
        return self._root

    def _walk(self, path: FieldPath) -> tuple[Any, Any, bool]:
        """The deepest node on the way to *path*, its key's, and whether it is the one at *path*."""
        node, key = self._root, None
        for step in path:
            child, child_key = self._child(node, step)
            if child is None:
                return node, key, False
            node, key = child, child_key
        return node, key, True

    def source_line(self, line: int) -> str:
        """The text of line *line* (from 1, of the file), without its end."""
        if self._lines is None:
            self._lines = self.text.split(b"\n")
        index = line - 1 - self.line
        if not 0 <= index < len(self._lines):
            return ""
        return self._lines[index][:_EXCERPT_BYTES].decode("utf-8", "replace").rstrip("\r")

    def _child(self, node: Any, step: str | int) -> tuple[Any, Any]:
        """The child of a composed node at *step*, and its key's node (None in a list)."""
        if isinstance(step, int):
            if node.id == "sequence" and step < len(node.value):
                return node.value[step], None
            return None, None
        if node.id != "mapping":
            return None, None
        children = self._children.get(id(node))
        if children is None:
            # Of equal keys the first is shown; a key in another case is found where there is none in this one.
            children = self._children[id(node)] = {}
            for folded in (False, True):
                for key, value in node.value:
                    if isinstance(key.value, str):
                        children.setdefault(key.value.lower() if folded else key.value, (value, key))
        return children.get(step) or children.get(step.lower()) or (None, None)


def _compose(text: bytes) -> Any:
    from yaml._yaml import CParser  # noqa: PLC0415 (wanted only where there is a finding)
    from yaml.error import YAMLError  # noqa: PLC0415

    class _Composer(CParser):
        """Nodes with marks and no resolving: the values are known already."""

        def descend_resolver(self, *_: object) -> None: ...
        def ascend_resolver(self, *_: object) -> None: ...
        def resolve(self, *_: object) -> str:
            return "?"

    parser = _Composer(text)
    try:
        return parser.get_node() if parser.check_node() else None
    except YAMLError:
        return None
    finally:
        parser.dispose()


class Memo:
    """What texts were read as, so that files that many bundles share are read once. Bounded; the oldest go first."""

    def __init__(self, limit: int = 8 * 2**20) -> None:
        self._left = limit
        self._values: dict[bytes, Json] = {}

    def load(self, text: bytes) -> Json:
        """As :func:`balise.model.yaml_text.load`. The value may be shared, and must not be changed."""
        if text in self._values:
            return self._values[text]
        value = load(text)
        while self._left < len(text) and self._values:
            oldest = next(iter(self._values))
            del self._values[oldest]
            self._left += len(oldest)
        if len(text) <= self._left:
            self._values[text] = value
            self._left -= len(text)
        return value


def first_document(file: str, data: bytes, memo: Memo | None = None) -> Document | None:
    """The first document of *data*, read as YAML; None for an empty file. Raises :class:`SyntaxProblem`."""
    chunk = next(split_documents(data), None)
    if chunk is None:
        return None
    try:
        return Document(file, chunk.text, (memo.load if memo else load)(chunk.text), chunk.line)
    except SyntaxProblem as problem:
        raise SyntaxProblem(problem.message, Mark(problem.mark.line + chunk.line, problem.mark.column)) from None


def render_path(path: FieldPath) -> str:
    """*path* as Kubernetes writes it.

    >>> render_path(("spec", "icon", 0, "mediatype"))
    'spec.icon[0].mediatype'
    >>> render_path(("metadata", "annotations", "olm.skipRange"))
    'metadata.annotations[olm.skipRange]'
    """
    text = ""
    for step in path:
        if isinstance(step, int) or "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def _whole(digits: str) -> Json:
    return int(digits) if len(digits) < 400 else float(digits)


def parse_json(text: str) -> Json:
    """*text* as Go's encoding/json reads it; raises ValueError where it does not."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    try:
        # Python refuses to read very long whole numbers; nobody needs their exact value.
        return json.loads(text, parse_constant=refuse, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None
