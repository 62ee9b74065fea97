"""Version ranges as a ClusterExtension states them: the grammar of github.com/Masterminds/semver v3.

Not that of OLM v0: here ``~``, ``^``, commas, ``*`` and hyphen ranges exist, and a pre-release only matches where the
range names one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from balise.model.semver import InvalidRangeError, InvalidVersionError, Version

__all__ = ["Constraint"]

_PART = r"[0-9xX*]+"
_VERSION = (
    rf"v?({_PART})(\.{_PART})?(\.{_PART})?(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_PLAIN_VERSION = re.sub(r"\((?!\?)", "(?:", _VERSION)
_OPERATOR = r"!=|>=|=>|<=|=<|~>|=|>|<|~|\^|"
_TERM = re.compile(rf"\s*({_OPERATOR})\s*{_VERSION}\s*")
_ALL_TERMS = re.compile(
    rf"\s*(?:{_OPERATOR})\s*{_PLAIN_VERSION}\s*(?:(?:\s|,\s*)(?:{_OPERATOR})\s*{_PLAIN_VERSION}\s*)*"
)
_HYPHEN = re.compile(rf"\s*({_PLAIN_VERSION})\s+-\s+({_PLAIN_VERSION})\s*")
_WILD: Final = frozenset(["x", "X", "*", ""])


@dataclass(frozen=True, slots=True)
class _Term:
    operator: str
    version: Version
    exact_parts: int
    """How many of major, minor and patch are given: 3 unless there is a wildcard or something is left out."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """Alternatives (``||``) of terms that must all hold (joined by commas or spaces).

    >>> Constraint.parse("~1.2").matches(Version.parse("1.2.9")), Constraint.parse("^1").matches(Version.parse("2.0.0"))
    (True, False)
    >>> Constraint.parse(">=1.0.0").matches(Version.parse("2.0.0-rc.1"))
    False
    """

    text: str
    _alternatives: tuple[tuple[_Term, ...], ...]

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Constraint:
        """The range that *text* is; raises :class:`InvalidRangeError`."""
        return cls(text, tuple(_alternative(part, text) for part in text.split("||")))

    def matches(self, version: Version) -> bool:
        """Whether *version* satisfies the range; build metadata does not count."""
        for terms in self._alternatives:
            if version.pre and not any(term.version.pre for term in terms):
                continue
            if all(_CHECKS[term.operator](version, term) for term in terms):
                return True
        return False


def _alternative(part: str, text: str) -> tuple[_Term, ...]:
    part = _HYPHEN.sub(lambda found: f" >={found[1]}, <={found[2]} ", part)
    if not _ALL_TERMS.fullmatch(part):
        raise InvalidRangeError(f"{text!r} is no version range: {part.strip()!r} cannot be read")
    return tuple(_term(found, text) for found in _TERM.finditer(part.replace(",", " ")))


def _term(found: re.Match[str], text: str) -> _Term:
    operator, *parts, pre, _ = found.groups("")
    numbers = [part.removeprefix(".") for part in parts]
    exact = next((index for index, number in enumerate(numbers) if number in _WILD), 3)
    kept = [*numbers[:exact], "0", "0", "0"][:3]
    # What comes after a wildcard does not count; a pre-release does, unless not even the major version is given.
    version = ".".join(kept) + (pre if exact else "")
    try:
        return _Term({"=>": ">=", "=<": "<=", "~>": "~"}.get(operator, operator), Version.parse(version), exact)
    except InvalidVersionError as error:
        raise InvalidRangeError(f"{text!r} is no version range: {error}") from None


def _tilde(version: Version, term: _Term) -> bool:
    bound = term.version
    if version < bound:
        return False
    if (bound.major, bound.minor, bound.patch) == (0, 0, 0) and term.exact_parts in (0, 3):
        return True
    return version.major == bound.major and (term.exact_parts == 1 or version.minor == bound.minor)


def _equal(version: Version, term: _Term) -> bool:
    return version == term.version if term.exact_parts == 3 else _tilde(version, term)


def _unequal(version: Version, term: _Term) -> bool:
    bound = term.version
    if term.exact_parts == 3:
        return version != bound
    if version.major != bound.major:
        return True
    return term.exact_parts == 2 and version.minor != bound.minor


def _greater(version: Version, term: _Term) -> bool:
    bound = term.version
    if term.exact_parts == 3:
        return version > bound
    if version.major != bound.major or term.exact_parts < 2:
        return version.major > bound.major
    return version.minor > bound.minor


def _at_most(version: Version, term: _Term) -> bool:
    bound = term.version
    if term.exact_parts == 3:
        return version <= bound
    if version.major != bound.major:
        return version.major < bound.major
    return term.exact_parts == 1 or version.minor <= bound.minor


def _caret(version: Version, term: _Term) -> bool:
    bound = term.version
    if version < bound:
        return False
    if bound.major > 0 or term.exact_parts == 1:
        return version.major == bound.major
    if version.major > 0:
        return False
    if bound.minor > 0 or term.exact_parts == 2:
        return version.minor == bound.minor
    return version.minor == 0 and version.patch == bound.patch


_CHECKS: Final[dict[str, Callable[[Version, _Term], bool]]] = {
    "": _equal,
    "=": _equal,
    "!=": _unequal,
    ">": _greater,
    "<": lambda version, term: version < term.version,
    ">=": lambda version, term: version >= term.version,
    "<=": _at_most,
    "~": _tilde,
    "^": _caret,
}
