"""Edits of YAML text in place: comments, order and style stay, because nothing is written again but what changes.

A :class:`Change` says what is to be different. :func:`edited` makes the text, reads it again, and refuses unless the
result holds exactly the values that were wanted: an anchor used twice, a duplicate key or an unusual style cannot lead
to a silently different document.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from balise.model.documents import Document, split_documents
from balise.model.yaml_text import Json, SyntaxProblem, load, resolve_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from balise.model.documents import FieldPath

__all__ = ["Change", "NotEditableError", "edited", "scalar"]


class NotEditableError(ValueError):
    """The change cannot be made in place without touching more than itself."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different: ``set`` text at a path, ``rename`` the path's key, or ``insert`` a missing key."""

    action: Literal["set", "rename", "insert"]
    path: FieldPath
    value: str
    """The new text, or the new key."""


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


_PLAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./+ -]*[A-Za-z0-9_./+-])?", re.ASCII)


def scalar(value: str, style: str | None = None) -> str:
    """*value* as a YAML scalar: in the given style (``'``, ``"`` or none), or in one that keeps it text.

    >>> scalar("1.28.0"), scalar("1.28"), scalar("a: b"), scalar("1.28.0", "'")
    ('1.28.0', '"1.28"', '"a: b"', "'1.28.0'")
    """
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and _PLAIN.fullmatch(value) and resolve_plain(value) == value:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def edited(data: bytes, changes: Sequence[Change]) -> bytes:
    """*data*, a YAML file, with its first document changed. Raises :class:`NotEditableError`."""
    try:
        text = data.decode("utf-8")
        chunk = next(split_documents(data))
        before = load(chunk.text)
    except (UnicodeDecodeError, StopIteration, SyntaxProblem):
        raise NotEditableError("the file is not UTF-8 YAML") from None
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    document = Document("", chunk.text, before)
    edits = [_edit(document, change) for change in changes]
    new = mark + _apply(text.removeprefix(mark), edits)
    wanted = copy.deepcopy(before)  # an alias shares its value with its anchor, and so does the copy
    for change in changes:
        _change_value(wanted, change)
    try:
        after = load(next(split_documents(new.encode("utf-8"))).text)
    except SyntaxProblem as problem:
        raise NotEditableError(f"it would not be YAML afterwards: {problem.message}") from None
    if not _equal(after, wanted):
        raise NotEditableError("the change would reach further than the place")
    return new.encode("utf-8")


def _edit(document: Document, change: Change) -> _Edit:
    if change.action == "insert":
        return _insertion(document, change)
    found = document.nodes(change.path)
    node = found and found[1 if change.action == "rename" else 0]
    if node is None or node.id != "scalar" or node.style in ("|", ">"):
        raise NotEditableError("the place holds no text on one line")
    return _Edit(node.start_mark.index, node.end_mark.index, scalar(change.value, node.style))


def _insertion(document: Document, change: Change) -> _Edit:
    key = str(change.path[-1])
    found = document.nodes(change.path[:-1])
    if found is None or found[0].id != "mapping":
        raise NotEditableError("there is no mapping to add to")
    mapping = found[0]
    if mapping.flow_style:
        place = mapping.start_mark.index + 1
        entry = ": ".join(scalar(text, '"') for text in (key, change.value))  # JSON stays JSON
        return _Edit(place, place, f"{entry}, " if mapping.value else entry)
    first = mapping.value[0][0].start_mark
    return _Edit(first.index, first.index, f"{scalar(key)}: {scalar(change.value)}\n{' ' * first.column}")


def _apply(text: str, edits: Iterable[_Edit]) -> str:
    parts, position = [], 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        if edit.start < position:
            raise NotEditableError("two changes of the same place")
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join(parts) + text[position:]


def _change_value(data: Any, change: Change) -> None:
    *parents, last = change.path
    try:
        for step in parents:
            data = data[step]
        if change.action == "rename":
            if change.value in data:
                raise NotEditableError(f"{change.value} is there already")
            data[change.value] = data.pop(last)
        elif change.action == "insert" and last in data:
            raise NotEditableError(f"{last} is there already")
        else:
            data[last] = change.value
    except (KeyError, IndexError, TypeError):
        raise NotEditableError("the place is written in another way than expected") from None


def _equal(left: Json, right: Json) -> bool:
    # Python's == takes 1, 1.0 and True for the same.
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
