"""The preference search against trying everything."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balise.planner.solver import (
    AtMostOne,
    Conflict,
    Constraint,
    Mandatory,
    Prohibited,
    Requires,
    Unsatisfiable,
    Variable,
    solve,
)

NAMES = "abcdef"
Applied = tuple[str, Constraint]


@st.composite
def problems(draw: st.DrawFn) -> list[Variable]:
    """Up to six variables with some constraints each."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    several = st.lists(st.sampled_from(names), max_size=4).map(tuple)
    constraint = st.one_of(
        st.builds(Mandatory, st.just("m")),
        st.builds(Prohibited, st.just("p")),
        st.builds(Requires, several, st.just("r")),
        st.builds(Requires, several, st.just("r")),
        st.builds(Conflict, st.sampled_from(names), st.just("c")),
        st.builds(AtMostOne, several, st.just("o")),
    )
    return [Variable(name, draw(st.lists(constraint, max_size=2))) for name in names]


def holds(applied: Applied, chosen: frozenset[str]) -> bool:
    subject, constraint = applied
    match constraint:
        case Mandatory():
            return subject in chosen
        case Prohibited():
            return subject not in chosen
        case Requires(candidates):
            return subject not in chosen or bool(chosen & set(candidates))
        case Conflict(other):
            return not {subject, other} <= chosen
        case AtMostOne(members):
            return sum(member in chosen for member in members) <= 1


def constraints(variables: Sequence[Variable]) -> list[Applied]:
    return [(variable.identifier, constraint) for variable in variables for constraint in variable.constraints]


def models(applied: Iterable[Applied]) -> list[frozenset[str]]:
    subsets = chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1))
    wanted = list(applied)
    return [chosen for chosen in map(frozenset, subsets) if all(holds(each, chosen) for each in wanted)]


def preferred(variables: Sequence[Variable]) -> frozenset[str]:
    """The first solution in the order of choices, found by looking at all of them."""
    possible = models(constraints(variables))
    by_name = {variable.identifier: variable for variable in variables}
    chosen: frozenset[str] = frozenset()
    anchors = [v.identifier for v in variables if any(isinstance(c, Mandatory) for c in v.constraints)]
    queue: deque[tuple[str, ...]] = deque((anchor,) for anchor in anchors)
    while queue:
        candidates = queue.popleft()
        if chosen & set(candidates):
            continue
        pick = next(name for name in candidates if any(chosen | {name} <= model for model in possible))
        chosen |= {pick}
        queue.extend(c.candidates for c in by_name[pick].constraints if isinstance(c, Requires) and c.candidates)
    return chosen


@settings(max_examples=120, deadline=None)
@given(problems())
def test_the_first_solution_in_order_of_preference_or_a_smallest_conflict(variables: list[Variable]) -> None:
    found = solve(variables)
    if isinstance(found, Unsatisfiable):
        assert models(constraints(variables)) == []
        assert models(found.core) == []
        assert all(models([*found.core[:index], *found.core[index + 1 :]]) for index in range(len(found.core)))
    else:
        assert frozenset(variable.identifier for variable in found) == preferred(variables)
        assert frozenset(variable.identifier for variable in found) in models(constraints(variables))


def requires(*candidates: str) -> Requires:
    return Requires(candidates, "r")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([Variable("s", [Mandatory(""), requires("a", "b")]), Variable("a"), Variable("b")], ["s", "a"]),
        ([Variable("s", [Mandatory(""), requires("a", "b")]), Variable("a", [Prohibited("")]), Variable("b")],
         ["s", "b"]),
        ([Variable("s", [Mandatory(""), requires("a", "b")]), Variable("a", [requires("c")]), Variable("b"),
          Variable("c", [Conflict("s", "")])], ["s", "b"]),
        ([Variable("s", [Mandatory(""), requires("a")]), Variable("a", [requires("a")])], ["s", "a"]),
        ([], []),
    ],
    ids=["the first", "the second where the first is forbidden", "looking ahead", "itself", "nothing"],
)  # fmt: skip
def test_choices(variables: list[Variable], expected: list[str]) -> None:
    found = solve(variables)
    assert not isinstance(found, Unsatisfiable)
    assert [variable.identifier for variable in found] == expected


def test_a_hard_problem_is_solved_in_no_time() -> None:
    """Eight operators and seven places: no search without learning gets through this quickly."""
    places = [f"p{number}" for number in range(7)]
    variables = [
        Variable(f"o{number}", [Mandatory(""), Requires(tuple(f"o{number}{place}" for place in places), "")])
        for number in range(8)
    ]
    variables += [Variable(f"o{number}{place}") for number in range(8) for place in places]
    variables += [Variable(place, [AtMostOne(tuple(f"o{n}{place}" for n in range(8)), "")]) for place in places]
    assert isinstance(solve(variables), Unsatisfiable)
