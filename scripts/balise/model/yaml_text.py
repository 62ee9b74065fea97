"""YAML text to JSON values, exactly as the Go tools of the ecosystem read it.

The reference tools convert YAML to JSON first (sigs.k8s.io/yaml over go-yaml v2) and only then decode it into typed
values. So does this module: :func:`load` returns what that JSON would hold. The syntax is libyaml's, of which go-yaml
v2 is a translation; what differs from PyYAML's own loaders is the meaning of plain scalars, keys, tags and merges.

Bounds (go-yaml has the first one too): alias expansion is counted, and nesting is limited to :data:`MAX_DEPTH` levels,
so that no input can exhaust memory or the stack.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "Json", "Mark", "SyntaxProblem", "format_float32", "load", "resolve_plain", "to_key"]

Json = Any
"""None, bool, int, float, str, list or dict with string keys."""

MAX_DEPTH = 300
"""Levels of nesting that are read. Go stops at 10,000; nothing real comes near either."""


class Mark(NamedTuple):
    """A place in a text: line and column, both from 0."""

    line: int
    column: int


class SyntaxProblem(ValueError):  # noqa: N818 (a Problem of the input; SyntaxError is Python's)
    """The text is not YAML, or not YAML that JSON can hold. ``mark`` is relative to the text given."""

    def __init__(self, message: str, mark: Mark = Mark(0, 0)) -> None:  # noqa: B008 (a constant value)
        super().__init__(message)
        self.message = message
        self.mark = mark


_WORDS: dict[str, Json] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}
_NUMBER_START = frozenset("0123456789+-.")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|0([0-7]+)|(0|[1-9][0-9]*))\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?\Z"
)
_INT64_MIN, _INT64_MAX, _UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1


def resolve_plain(text: str) -> Json:
    """The value of an untagged plain scalar.

    >>> [resolve_plain(text) for text in ("yes", "0x1F", "08", "1.10", "1_000", "2024-01-02", "~", "v1")]
    [True, 31, 8.0, 1.1, 1000, '2024-01-02', None, 'v1']
    """
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMBER_START else text


def _number(text: str) -> Json:
    if text[0] == ".":
        return _float(text) if _FLOAT.match(text) else text
    plain = text.replace("_", "") if "_" in text else text
    if found := _INTEGER.match(plain):
        sign, *digits = found.groups()
        base, figures = next((base, part) for base, part in zip((16, 8, 2, 8, 10), digits, strict=True) if part)
        # Python does not read thousands of digits; no number of 64 bits has a hundred, leading zeros apart.
        value = int(sign + figures[:100], base) if base == 10 else int(sign + figures, base)
        # An unsigned number may be larger, but then Go accepts no sign at all in front of it.
        if _INT64_MIN <= value <= _INT64_MAX or (value <= _UINT64_MAX and value > 0 and not sign):
            return value
    if _FLOAT.match(plain):
        number = _float(plain)
        return number if isinstance(number, float) else text
    return text


def _float(text: str) -> float | str:
    number = float(text)
    return text if math.isinf(number) else number  # Go refuses what does not fit, and it stays a string


def to_key(key: Json) -> str:
    """The JSON name that a YAML mapping key becomes.

    >>> [to_key(key) for key in ("a", 1, True, 1.5)]
    ['a', '1', 'true', '1.5']
    """
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int) and key <= _INT64_MAX:
        return str(key)
    if isinstance(key, float):
        special = {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}
        text = format_float32(key)
        return special.get(text, text)
    raise SyntaxProblem(f"a mapping key must be text, a number or a boolean, not {_name(key)}")


def format_float32(value: float) -> str:
    """The shortest decimal that reads back as the same 32-bit float, as Go's FormatFloat(v, 'g', -1, 32) writes it.

    >>> [format_float32(value) for value in (1.1, 1.0, 1234567.5, 1e-5)]
    ['1.1', '1', '1.2345675e+06', '1e-05']
    """
    import struct  # noqa: PLC0415 (only for numbers where text belongs)

    if math.isnan(value):
        return "NaN"
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isinf(single):
        return "+Inf" if single > 0 else "-Inf"
    for digits in range(9):
        text = f"{single:.{digits}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            break
    mantissa, exponent = text.split("e")
    if -5 < int(exponent) < 6:
        return f"{float(text):.{max(digits - int(exponent), 0)}f}"
    return f"{mantissa}e{exponent}"


def load(text: bytes | str) -> Json:
    """The first document of *text* as a JSON value; None when there is none. Raises :class:`SyntaxProblem`."""
    parser = CParser(text)
    try:
        value = _Builder(parser.get_event).first_document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Mark(mark.line, mark.column) if mark else Mark(0, 0)
        raise SyntaxProblem(" ".join(filter(None, [error.context, error.problem])), place) from None
    except YAMLError as error:
        raise SyntaxProblem(str(error).split("\n", 1)[0], _reader_mark(text, error)) from None
    finally:
        parser.dispose()
    if b"\\/" in text if isinstance(text, bytes) else "\\/" in text:
        _refuse_escaped_slash(text)
    return value


_ESCAPED_SLASH = re.compile(r"(?:[^\\]|\\[^/])*?\\/", re.DOTALL)


def _refuse_escaped_slash(text: bytes | str) -> None:
    """In double quotes, libyaml reads ``\\/`` as a slash (YAML 1.2, for JSON's sake); go-yaml v2 does not know it."""
    characters = text if isinstance(text, str) else text.decode("utf-8", "replace")
    characters = characters.removeprefix("\ufeff")
    parser = CParser(text)
    try:
        while True:
            event = parser.get_event()
            if type(event) in (DocumentEndEvent, StreamEndEvent):
                return
            if isinstance(event, ScalarEvent) and event.style == '"' and event.start_mark and event.end_mark:
                written = characters[event.start_mark.index : event.end_mark.index]
                if _ESCAPED_SLASH.match(written):
                    raise _at(event, "found unknown escape character: write / without a backslash")
    finally:
        parser.dispose()


def _reader_mark(text: bytes | str, error: YAMLError) -> Mark:
    """libyaml tells of a forbidden character only by its offset."""
    offset = getattr(error, "position", None)
    if not isinstance(offset, int):
        return Mark(0, 0)
    before = (text.encode("utf-8", "replace") if isinstance(text, str) else text)[:offset]
    return Mark(before.count(b"\n"), len(before) - before.rfind(b"\n") - 1)


_BOTTOM = object()
_NO_KEY = object()
_MERGE = object()


class _Anchor:
    """What an alias refers to: its value, how many nodes decoding it takes, and whether it is complete."""

    __slots__ = ("complete", "size", "value")

    def __init__(self, value: Json, size: int, complete: bool) -> None:
        self.value = value
        self.size = size
        self.complete = complete


class _Builder:
    """Builds one document from parser events without recursion."""

    def __init__(self, next_event: Callable[[], Any]) -> None:
        self.next_event = next_event
        self.anchors: dict[str, _Anchor] = {}
        self.decoded = 0
        self.from_aliases = 0

    def first_document(self) -> Json:  # noqa: C901, PLR0912, PLR0915 (the hot loop: calls would double its time)
        next_event = self.next_event
        next_event()  # stream start
        if type(next_event()) is StreamEndEvent:
            return None
        words, number_start = _WORDS, _NUMBER_START
        # Each frame of the stack: the container, its pending key, its anchor, and self.decoded when it was opened.
        stack: list[tuple[Any, Any, _Anchor | None, int]] = []
        container: Any = _BOTTOM
        key: Any = _NO_KEY
        anchor: _Anchor | None = None
        opened = 0
        result: Json = None
        value: Any
        while True:
            event = next_event()
            kind = type(event)
            self.decoded += 1
            if kind is ScalarEvent:
                if event.tag is None:
                    value = event.value
                    if event.implicit[0]:
                        if value in words:
                            value = words[value]
                        elif value[0] in number_start:
                            value = _number(value)
                        elif value == "<<" and key is _NO_KEY and type(container) is dict:
                            value = _MERGE
                else:
                    value = _tagged(event)
                    if event.tag == "tag:yaml.org,2002:merge" and key is _NO_KEY and type(container) is dict:
                        value = _MERGE
                if event.anchor is not None:
                    self.anchors[event.anchor] = _Anchor(event.value if value is _MERGE else value, 1, complete=True)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if type(container) is dict and key is _NO_KEY:
                    raise _at(event, "a mapping key must be text, a number or a boolean, not a mapping or a list")
                if len(stack) >= MAX_DEPTH:
                    raise _at(event, f"nested more than {MAX_DEPTH} levels deep")
                stack.append((container, key, anchor, opened))
                container = {} if kind is MappingStartEvent else []
                key = _NO_KEY
                opened = self.decoded
                anchor = None
                if event.anchor is not None:
                    anchor = self.anchors[event.anchor] = _Anchor(container, 0, complete=False)
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self.decoded -= 1
                value = container
                if anchor is not None:
                    anchor.complete = True
                    anchor.size = self.decoded - opened + 1
                container, key, anchor, opened = stack.pop()
            elif kind is AliasEvent:
                value = self._alias(event)
                if type(container) is dict and key is _NO_KEY and isinstance(value, (dict, list)):
                    raise _at(event, "a mapping key must be text, a number or a boolean, not a mapping or a list")
            elif kind is DocumentEndEvent:
                return result
            else:
                raise _at(event, "unexpected end of the document")

            if type(container) is dict:
                if key is _NO_KEY:
                    key = value if type(value) is str or value is _MERGE else _checked_key(value, event)
                else:
                    if key is _MERGE:
                        _merge(container, value, event)
                    elif type(value) is float and not math.isfinite(value):
                        raise _at(event, "JSON, and so Kubernetes, has no infinity and no NaN")
                    else:
                        container[key] = value
                    key = _NO_KEY
            elif container is _BOTTOM:
                result = value
            else:
                container.append(value)
            if type(value) is float and not math.isfinite(value) and key is _NO_KEY:
                raise _at(event, "JSON, and so Kubernetes, has no infinity and no NaN")

    def _alias(self, event: Any) -> Json:
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            raise _at(event, f"*{event.anchor} refers to an anchor that is not defined above it")
        if not anchor.complete:
            raise _at(event, f"the value of anchor &{event.anchor} contains itself")
        self.decoded += anchor.size
        self.from_aliases += anchor.size
        # go-yaml v2, decode.go: the share of the work that may come from aliases shrinks as the document grows.
        if self.from_aliases > 100 and self.decoded > 1000:
            low, high = 400_000, 4_000_000
            done = min(max(self.decoded, low), high)
            if self.from_aliases / self.decoded > 0.99 - 0.89 * (done - low) / (high - low):
                raise _at(event, "aliases expand to far more than the text holds")
        return anchor.value


def _checked_key(value: Json, event: Any) -> str:
    try:
        return to_key(value)
    except SyntaxProblem as problem:
        raise _at(event, problem.message) from None


def _merge(target: dict[str, Json], value: Json, event: Any) -> None:
    """`<<`: later keys win, and of a list of mappings the earlier ones."""
    sources = value[::-1] if type(value) is list else [value]
    for source in sources:
        if type(source) is not dict:
            raise _at(event, "`<<` merges a mapping or a list of mappings")
        target.update(source)


def _at(event: Any, message: str) -> SyntaxProblem:
    mark = event.start_mark
    return SyntaxProblem(message, Mark(mark.line, mark.column))


def _tagged(event: Any) -> Json:
    """The value of a scalar with an explicit tag."""
    name = event.tag.removeprefix("tag:yaml.org,2002:")
    text = event.value
    if name == event.tag or name not in {"str", "bool", "int", "float", "null", "timestamp", "binary"}:
        return text
    if name == "str":
        return text
    if name == "binary":
        try:
            return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            raise _at(event, "a !!binary value must be base64") from None
    if name == "timestamp":
        if _TIMESTAMP.match(text):
            return text
        raise _at(event, f"{text!r} is no timestamp")
    value = resolve_plain(text)
    if name == "float" and type(value) is int and value <= _INT64_MAX:
        return float(value)
    if _name(value) != name:
        raise _at(event, f"{text!r} is tagged !!{name} and reads as {_name(value)}")
    return value


def _name(value: Json) -> str:
    names = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "a list"}
    return names.get(type(value), "a mapping")
