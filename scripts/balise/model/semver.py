"""Semantic versions and version ranges as OLM reads them: the grammar of github.com/blang/semver v4, oddities included.

OLM v0, opm and the ``skipRange`` of OLM v1 all parse with that library, so a range is worth only what it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache, total_ordering
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InvalidRangeError", "InvalidVersionError", "Version", "VersionRange", "prerelease_identifier"]

_DIGITS = frozenset("0123456789")
_ALPHANUMERIC = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")
_MAX_NUMBER = 2**64 - 1


class InvalidVersionError(ValueError):
    """The text is no version; the message says why."""


class InvalidRangeError(ValueError):
    """The text is no version range; the message says why."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A semantic version. Equality and order ignore build metadata, as semver.org says.

    >>> Version.parse("1.2.3-rc.1") < Version.parse("1.2.3")
    True
    >>> str(Version.parse_tolerant(" v1.02"))
    '1.2.0'
    """

    major: int = 0
    minor: int = 0
    patch: int = 0
    pre: tuple[int | str, ...] = ()
    build: tuple[str, ...] = ()
    precedence: tuple[object, ...] = field(init=False, repr=False)
    """What decides equality, order and hash."""

    def __post_init__(self) -> None:
        # A release comes after its pre-releases; numbers come before words; fewer identifiers before more.
        pre = tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in self.pre)
        object.__setattr__(self, "precedence", (self.major, self.minor, self.patch, not self.pre, pre))

    @classmethod
    @lru_cache(maxsize=65536)
    def parse(cls, text: str) -> Version:
        """The version that *text* strictly is; raises :class:`InvalidVersionError`."""
        if not text:
            raise InvalidVersionError("the version is empty")
        parts = text.split(".", 2)
        if len(parts) != 3:
            raise InvalidVersionError(f"{text!r} does not have the form MAJOR.MINOR.PATCH")
        rest, plus, build = parts[2].partition("+")
        patch, dash, pre = rest.partition("-")
        major, minor = _number("major", parts[0]), _number("minor", parts[1])
        identifiers = tuple(prerelease_identifier(part) for part in pre.split(".")) if dash else ()
        builds = tuple(build.split(".")) if plus else ()
        for part in builds:
            if not part or not _ALPHANUMERIC.issuperset(part):
                raise InvalidVersionError(f"{part!r} is no build metadata: letters, digits and hyphens only")
        return cls(major, minor, _number("patch", patch), identifiers, builds)

    @classmethod
    def parse_tolerant(cls, text: str) -> Version:
        """Like :meth:`parse`, forgiving spaces around, a leading v, leading zeros, and a missing minor or patch."""
        parts = text.strip().removeprefix("v").split(".", 2)
        for index, part in enumerate(parts):
            if len(part) > 1:
                short = part.lstrip("0")
                parts[index] = short if short and short[0] in _DIGITS else "0" + short
        if len(parts) < 3:
            if re.search(r"[+-]", parts[-1]):
                raise InvalidVersionError(f"{text!r}: a version without PATCH cannot have a pre-release or build")
            parts += ["0"] * (3 - len(parts))
        return cls.parse(".".join(parts))

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.pre:
            text += "-" + ".".join(map(str, self.pre))
        if self.build:
            text += "+" + ".".join(self.build)
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.precedence == other.precedence

    def __hash__(self) -> int:
        return hash(self.precedence)

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence


def _number(name: str, text: str) -> int:
    if not text or not _DIGITS.issuperset(text) or (len(text) > 19 and (len(text) > 40 or int(text) > _MAX_NUMBER)):
        raise InvalidVersionError(f"the {name} number must be a number, not {text!r}")
    if len(text) > 1 and text[0] == "0":
        raise InvalidVersionError(f"the {name} number must not start with 0: {text!r}")
    return int(text)


def prerelease_identifier(text: str) -> int | str:
    """One identifier of a pre-release: a number without leading zeros, or letters, digits and hyphens."""
    if not text:
        raise InvalidVersionError("a pre-release identifier is empty")
    if _DIGITS.issuperset(text):
        return _number("pre-release", text)
    if not _ALPHANUMERIC.issuperset(text):
        raise InvalidVersionError(f"{text!r} is no pre-release identifier: letters, digits and hyphens only")
    return text


_OPERATORS = {"": "==", "=": "==", "==": "==", "!": "!=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    "==": Version.__eq__,
    "!=": lambda version, bound: version.precedence != bound.precedence,
    "<": lambda version, bound: version.precedence < bound.precedence,
    "<=": lambda version, bound: version.precedence <= bound.precedence,
    ">": lambda version, bound: version.precedence > bound.precedence,
    ">=": lambda version, bound: version.precedence >= bound.precedence,
}


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Alternatives (``||``), each of comparisons (joined by spaces) that must all hold.

    Operators are ``< <= > >= = == ! !=``; ``x`` may stand for the last parts. There is no ``^``, no ``~``, no comma.
    Pre-releases compare by plain precedence, as in OLM:

    >>> VersionRange.parse(">=1.0.0 <2.0.0").matches(Version.parse("2.0.0-rc.1"))
    True
    >>> Version.parse("3.1.7") in VersionRange.parse("<1.0.0 || 3.1.x")
    True
    """

    text: str = field(compare=False)
    alternatives: tuple[tuple[tuple[str, Version], ...], ...]
    """Operator (one of ``== != < <= > >=``) and bound of each comparison. Equal ranges have equal comparisons."""

    @classmethod
    @lru_cache(maxsize=65536)
    def parse(cls, text: str) -> VersionRange:
        """The range that *text* is; raises :class:`InvalidRangeError`."""
        alternatives = _alternatives(_words(text))
        terms = (tuple(_comparison(part) for word in words for part in _expand(word)) for words in alternatives)
        return cls(text, tuple(terms))

    def matches(self, version: Version) -> bool:
        """Whether *version* satisfies the range. An alternative without any comparison matches nothing."""
        return any(
            terms and all(_COMPARE[operator](version, bound) for operator, bound in terms)
            for terms in self.alternatives
        )

    def __contains__(self, version: Version) -> bool:
        return self.matches(version)

    def __str__(self) -> str:
        return self.text


def _words(text: str) -> list[str]:
    """Cut at spaces, except after an operator; a piece of one character is dropped, as the reference does."""
    found, last, previous = [], 0, ""
    for index, character in enumerate(text):
        if character == " " and previous not in (">", "<", "="):
            if last < index - 1:
                found.append(text[last:index])
            last = index + 1
        elif character != " ":
            previous = character
    if last < len(text) - 1:
        found.append(text[last:])
    return [word.replace(" ", "") for word in found]


def _alternatives(words: list[str]) -> list[list[str]]:
    if not words:
        raise InvalidRangeError("the range is empty")
    if "||" in (words[0], words[-1]):
        raise InvalidRangeError("a range cannot begin or end with ||")
    alternatives: list[list[str]] = [[]]
    for word in words:
        if word == "||":
            alternatives.append([])
        else:
            alternatives[-1].append(word)
    return alternatives


def _split(word: str) -> tuple[str, str]:
    found = re.search(r"\d", word)
    if found is None:
        raise InvalidRangeError(f"there is no version in {word!r}")
    return word[: found.start()].strip(), word[found.start() :]


def _comparison(word: str) -> tuple[str, Version]:
    operator, version = _split(word)
    if operator not in _OPERATORS:
        raise InvalidRangeError(f"{operator!r} in {word!r} is no comparison: use <, <=, >, >=, = or !=")
    try:
        return _OPERATORS[operator], Version.parse(version)
    except InvalidVersionError as error:
        raise InvalidRangeError(f"in {word!r}: {error}") from None


_WILDCARD: dict[str, tuple[str, ...]] = {
    "": (">={floor}", "<{above}"),
    "==": (">={floor}", "<{above}"),
    "!=": ("<{floor}", ">={above}"),
    ">": (">={above}",),
    ">=": (">={floor}",),
    "<": ("<{floor}",),
    "<=": ("<{above}",),
}


def _expand(word: str) -> list[str]:
    """A comparison with a wildcard as comparisons without one.

    Any word with the letter x takes this road, ``=1.0.0-fix`` too, which is then refused: so does OLM. And what is no
    operator is dropped here without a word: ``~1.x`` means exactly 1.0.0.
    """
    if "x" not in word:
        return [word]
    operator, version = _split(word)
    floor = version.replace(".x.x", ".x", 1).replace(".x", ".0", 1)
    if floor.count(".") == 1:
        floor += ".0"
    above = _next_after(version, floor)
    forms = _WILDCARD.get(_OPERATORS.get(operator, operator), ("{floor}",))
    return [form.format(floor=floor, above=above) for form in forms]


def _next_after(version: str, floor: str) -> str:
    """The lowest version above all that the wildcard matches; empty where no wildcard stands at the end."""
    wanted = version.split(".")
    parts = floor.split(".")
    position = len(wanted) - 2
    if (
        wanted[-1] != "x"
        or len(wanted) not in (2, 3)
        or position >= len(parts)
        or not _DIGITS.issuperset(parts[position])
    ):
        return ""
    parts[position] = str(int(parts[position] or "0") + 1)
    return ".".join(parts)
