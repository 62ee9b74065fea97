"""Version ranges of OLM v1, by the documented behaviour of Masterminds/semver."""

from __future__ import annotations

import pytest

from balise.model.semver import InvalidRangeError, Version
from balise.planner.masterminds import Constraint


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4", "1.2.3-rc.1"]),
        ("1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]),
        ("1", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("*", ["0.0.1", "9.0.0"], ["1.0.0-rc.1"]),
        ("1.2.x || 3.X", ["1.2.7", "3.9.0"], ["1.3.0", "4.0.0"]),
        (">=1.0.0, <2.0.0", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9"]),
        (">= 1.0.0 < 2.0.0", ["1.5.0"], ["2.0.0", "1.5.0-rc.1"]),
        ("=>1.0.0 =<1.1.0", ["1.0.0", "1.1.0"], ["1.1.1"]),
        ("1.0.0 - 2.0.0", ["1.0.0", "2.0.0"], ["2.0.1"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
        ("~1", ["1.9.0"], ["2.0.0"]),
        ("~>1.2", ["1.2.9"], ["1.3.0"]),
        ("^1.2.3", ["1.2.3", "1.9.0"], ["2.0.0", "1.2.2"]),
        ("^0.2.3", ["0.2.9"], ["0.3.0", "1.0.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0.0", ["0.0.9"], ["0.1.0"]),
        ("^0", ["0.9.0"], ["1.0.0"]),
        (">1", ["2.0.0"], ["1.9.0"]),
        (">1.2", ["1.3.0"], ["1.2.9"]),
        ("<=1.2", ["1.2.9", "0.1.0"], ["1.3.0"]),
        ("<=1", ["1.9.0"], ["2.0.0"]),
        ("!=1.2", ["1.3.0", "2.2.0"], ["1.2.9"]),
        ("!=1.2.3", ["1.2.4"], ["1.2.3"]),
        (">=1.0.0-0", ["1.0.0-rc.1", "2.0.0-rc.1"], ["0.9.0"]),
        ("v1.2.3", ["1.2.3"], []),
    ],
)
def test_ranges(text: str, matching: list[str], others: list[str]) -> None:
    constraint = Constraint.parse(text)
    assert [version for version in matching if not constraint.matches(Version.parse(version))] == []
    assert [version for version in others if constraint.matches(Version.parse(version))] == []


@pytest.mark.parametrize("text", ["abc", ">>1.0.0", "1.2.3.4", "", "1.0.0 and 2.0.0", "01.2.3", "1.0.0 ||"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(InvalidRangeError):
        Constraint.parse(text)
