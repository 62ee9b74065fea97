"""Versions and ranges against the grammar of blang/semver, its oddities included."""

from __future__ import annotations

import pytest

from balise.model.semver import InvalidRangeError, InvalidVersionError, Version, VersionRange

# https://semver.org/#spec-item-11, and a few beside it
ASCENDING = [
    "0.0.0-0", "0.0.0",
    "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
    "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1-rc.1", "1.9.0", "1.10.0", "2.0.0",
]  # fmt: skip


def test_order_is_precedence() -> None:
    versions = [Version.parse(text) for text in ASCENDING]
    assert sorted(versions, reverse=True)[::-1] == versions
    assert [str(version) for version in versions] == ASCENDING
    assert len(set(versions)) == len(versions)


def test_build_metadata_is_kept_and_does_not_count() -> None:
    left, right = Version.parse("1.2.3+a.1"), Version.parse("1.2.3+b")
    assert left == right
    assert hash(left) == hash(right)
    assert str(left) == "1.2.3+a.1"


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+", "1.2.3+a_b", "a.b.c",
     " 1.2.3", "1.2.-3", "18446744073709551616.0.0", "9" * 5000 + ".0.0", "\u0661.0.0"],
)  # fmt: skip
def test_strict_parsing_refuses(text: str) -> None:
    with pytest.raises(InvalidVersionError):
        Version.parse(text)


@pytest.mark.parametrize(
    ("text", "version"),
    [("v1.2.3", "1.2.3"), (" 1.2 ", "1.2.0"), ("1", "1.0.0"), ("01.02.03", "1.2.3"), ("1.2.00-rc", "1.2.0-rc"),
     ("v0", "0.0.0"), ("1.2.3-rc.1+x", "1.2.3-rc.1+x")],
)  # fmt: skip
def test_tolerant_parsing_accepts(text: str, version: str) -> None:
    assert str(Version.parse_tolerant(text)) == version


@pytest.mark.parametrize("text", ["", "vv1.2.3", "1.2-rc", "1+x", "x", "1.2.3-01"])
def test_tolerant_parsing_refuses(text: str) -> None:
    with pytest.raises(InvalidVersionError):
        Version.parse_tolerant(text)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=1.0.0 <2.0.0", ["1.0.0", "1.9.9", "2.0.0-rc.1"], ["1.0.0-rc.1", "2.0.0"]),
        ("<1.0.0 || >=2.0.0", ["0.9.0", "2.0.0"], ["1.0.0", "1.5.0"]),
        ("=1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4"]),
        ("1.2.3", ["1.2.3"], ["1.2.2"]),
        ("!=1.2.3", ["1.2.2"], ["1.2.3"]),
        (">= 1.2.3", ["1.2.3", "3.0.0"], ["1.2.2"]),
        (">1.x", ["2.0.0"], ["1.9.9", "1.0.0"]),
        ("<=1.2.x", ["1.2.9", "0.1.0"], ["1.3.0"]),
        ("1.x", ["1.0.0", "1.9.9"], ["0.9.9", "2.0.0"]),
        ("1.x.x", ["1.0.0", "1.0.9"], ["0.9.9", "1.1.0"]),  # the last x alone counts
        ("3.1.x", ["3.1.0", "3.1.9"], ["3.2.0", "3.0.9"]),
        ("<1.x", ["0.9.9"], ["1.0.0"]),
        ("~1.x", ["1.0.0"], ["1.0.1"]),
        (">=1.0.0 y", ["1.0.0"], ["0.9.0"]),  # a word of one character gets lost
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    found = VersionRange.parse(text)
    assert [version for version in inside if not found.matches(Version.parse(version))] == []
    assert [version for version in outside if Version.parse(version) in found] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "||",
        "|| 1.0.0",
        "1.0.0 ||",
        "^1.0.0",
        "~1.0.0",
        ">=1.0.0, <2.0.0",
        "1.2",
        ">=1",
        "latest",
        "=1.0.0-fix",
        "1.x.3",
    ],
)
def test_ranges_refused(text: str) -> None:
    with pytest.raises(InvalidRangeError):
        VersionRange.parse(text)


def test_ranges_of_equal_meaning_are_equal() -> None:
    assert VersionRange.parse(">=1.0.0  <2.0.0") == VersionRange.parse("1.x")
    assert len({VersionRange.parse(">=1.0.0 <2.0.0"), VersionRange.parse("1.x")}) == 1
    assert VersionRange.parse("1.x") != VersionRange.parse("1.2.x")
