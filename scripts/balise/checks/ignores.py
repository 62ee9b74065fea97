"""``# balise: ignore[CODE]``: findings that somebody has looked at and decided to keep.

The comment stands on the line of the finding, or on a line of its own directly above it (other comments may stand
between). What ignores nothing is a finding itself, so that silence never outlives its reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from balise.checks.findings import Finding
from balise.checks.registry import find_check
from balise.checks.suites.ignores import IGNORES_SUITE, UNKNOWN_CODE, UNUSED_IGNORE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["Ignore", "ignores_in", "without_ignored"]

_COMMENT: Final = re.compile(r"#\s*balise:\s*ignore\b(?:\s*\[([^\]\n]*)\])?")
_WORD: Final = b"balise:"


@dataclass(frozen=True, slots=True)
class Ignore:
    """One code of one comment. ``lines`` are those it speaks for; ``line`` and ``column`` are the comment's own."""

    code: str
    """As it is written; empty where the comment names none."""
    line: int
    column: int
    lines: frozenset[int]
    excerpt: str

    def silences(self, finding: Finding) -> bool:
        """Whether it speaks of this finding, which is one of its file."""
        return finding.line in self.lines and finding.code == self.code.upper()


def ignores_in(data: bytes) -> tuple[Ignore, ...]:
    """The ignores of a YAML file, in its order; what merely looks like one inside a text is none."""
    if _WORD not in data:
        return ()
    text = data.decode("utf-8", "replace")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    texts = _lines_within_texts(data)
    found = []
    for index, line in enumerate(lines):
        match = _COMMENT.search(line)
        # A # begins a comment only at a line's start or after white space.
        if match and (match.start() == 0 or line[match.start() - 1] in " \t") and not texts.holds(index, match.start()):
            codes = [code.strip() for code in (match[1] or "").split(",") if code.strip()] or [""]
            speaks_for = _target(lines, index, match.start())
            found += [Ignore(code, index + 1, match.start() + 1, speaks_for, line) for code in codes]
    return tuple(found)


def _target(lines: list[str], index: int, column: int) -> frozenset[int]:
    if lines[index][:column].strip():
        return frozenset((index + 1,))
    following = index + 1
    while following < len(lines) and lines[following].lstrip().startswith("#"):
        following += 1
    return frozenset((index + 1, following + 1))


@dataclass(frozen=True, slots=True)
class _Texts:
    """Where the scalars of a file are: (line, column) of start and end, from 0."""

    spans: tuple[tuple[tuple[int, int], tuple[int, int]], ...]

    def holds(self, line: int, column: int) -> bool:
        return any(start <= (line, column) < end for start, end in self.spans)


def _lines_within_texts(data: bytes) -> _Texts:
    from yaml._yaml import CParser  # noqa: PLC0415 (only for files that have such a comment)
    from yaml.error import YAMLError  # noqa: PLC0415
    from yaml.events import ScalarEvent, StreamEndEvent  # noqa: PLC0415

    spans = []
    parser = CParser(data)
    try:
        while not isinstance(event := parser.get_event(), StreamEndEvent):
            # Only these can hold a #: a plain text ends before " #".
            if isinstance(event, ScalarEvent) and event.style:
                start, end = event.start_mark, event.end_mark
                assert start is not None and end is not None  # noqa: PT018, S101 (libyaml always gives them)
                begin = (start.line + 1, 0) if event.style in "|>" else (start.line, start.column)
                spans.append((begin, (end.line, end.column)))
    except YAMLError:
        pass  # what could be read before the error counts; the error itself is found elsewhere
    finally:
        parser.dispose()
    return _Texts(tuple(spans))


def without_ignored(
    findings: Iterable[Finding], files: Mapping[str, bytes], ran: Collection[str]
) -> tuple[Finding, ...]:
    """The findings that no comment in *files* (by the name that findings give) ignores, and those about the comments.

    *ran* are the suites that were run: an ignore of another suite's check is no use to this run, and not judged.
    """
    ignores = {file: found for file, data in files.items() if (found := ignores_in(data))}
    findings = tuple(findings)
    if not ignores:
        return findings
    used: set[tuple[str, Ignore]] = set()
    kept = []
    for finding in findings:
        silencing = [(finding.file, each) for each in ignores.get(finding.file, ()) if each.silences(finding)]
        used.update(silencing)
        if not silencing:
            kept.append(finding)
    if IGNORES_SUITE in ran:
        for file, found in ignores.items():
            for each in found:
                kept += _judged(file, each, (file, each) in used, ran)
    return tuple(kept)


def _judged(file: str, ignore: Ignore, used: bool, ran: Collection[str]) -> Iterator[Finding]:
    known = find_check(ignore.code)
    if known is None:
        check = UNKNOWN_CODE
        message = (
            f"there is no check {ignore.code!r} to ignore" if ignore.code else "the comment names no code to ignore"
        )
    elif not used and any(suite in ran for suite in known.suites):
        check = UNUSED_IGNORE
        message = f"nothing on this line breaks {known.code} ({known.title})"
    else:
        return
    end = len(ignore.excerpt.rstrip()) + 1
    yield Finding(
        IGNORES_SUITE,
        check.level,
        check.code,
        check.type,
        "",
        message,
        file,
        ignore.line,
        ignore.column,
        check.hint,
        end,
        ignore.excerpt,
    )
