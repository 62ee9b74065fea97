"""The preference search of OLM's resolver: which variables to install, given constraints over them.

OLM asks a SAT solver and searches in preference order, going back where it must. What it finds is the first set, in
that order, in which every requirement of a member has a member that meets it and no rule is broken. Here the same set
is found without going back: each choice takes its first candidate with which the whole can still be satisfied, as a
small conflict-driven solver tells.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = [
    "AtMostOne",
    "Conflict",
    "Constraint",
    "Mandatory",
    "Prohibited",
    "Requires",
    "Unsatisfiable",
    "Variable",
    "solve",
]


@dataclass(frozen=True, slots=True)
class Mandatory:
    """The variable must be chosen."""

    reason: str


@dataclass(frozen=True, slots=True)
class Prohibited:
    """The variable must not be chosen."""

    reason: str


@dataclass(frozen=True, slots=True)
class Requires:
    """If the variable is chosen, one of the candidates must be: the earlier, the better.

    ``reason`` becomes text by ``str``, when it is needed.
    """

    candidates: tuple[str, ...]
    reason: object


@dataclass(frozen=True, slots=True)
class Conflict:
    """The variable and the other one must not both be chosen."""

    other: str
    reason: str


@dataclass(frozen=True, slots=True)
class AtMostOne:
    """At most one of the members may be chosen. A member named twice counts twice, hence never."""

    members: tuple[str, ...]
    reason: str


Constraint = Mandatory | Prohibited | Requires | Conflict | AtMostOne


@dataclass(slots=True)
class Variable:
    """Something that may be chosen, and the constraints that come with it. ``subject`` is whatever it stands for."""

    identifier: str
    constraints: list[Constraint] = field(default_factory=list)
    subject: object = None


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """Why there is no solution: constraints that cannot all hold; without any one of them the rest can."""

    core: tuple[tuple[str, Constraint], ...]


def solve(variables: Sequence[Variable]) -> list[Variable] | Unsatisfiable:
    """Choose variables as OLM does.

    Args:
        variables: in the order in which mandatory ones get their preference; identifiers are unique.

    Returns:
        The chosen variables in that order, or the smallest conflict found.
    """
    problem = _Problem(variables)
    if not problem.satisfiable(()):
        return Unsatisfiable(_smallest_core(variables, problem.core()))
    chosen: dict[str, None] = {}
    queue: deque[tuple[str, ...]] = deque((variable.identifier,) for variable in variables if _is_anchor(variable))
    by_identifier = {variable.identifier: variable for variable in variables}
    while queue:
        candidates = queue.popleft()
        if any(candidate in chosen for candidate in candidates):
            continue
        pick = next(name for name in candidates if problem.satisfiable((*chosen, name)))
        chosen[pick] = None
        queue.extend(
            constraint.candidates
            for constraint in by_identifier[pick].constraints
            if isinstance(constraint, Requires) and constraint.candidates
        )
    return [variable for variable in variables if variable.identifier in chosen]


def _is_anchor(variable: Variable) -> bool:
    return any(isinstance(constraint, Mandatory) for constraint in variable.constraints)


Applied = tuple[str, Constraint]


def _smallest_core(variables: Sequence[Variable], core: Iterable[Applied]) -> tuple[Applied, ...]:
    """Take away from the core whatever is not needed for the conflict."""
    needed = list(core)
    index = 0
    while index < len(needed):
        rest = needed[:index] + needed[index + 1 :]
        trial = _Problem([Variable(v.identifier) for v in variables], rest)
        if trial.satisfiable(()):
            index += 1
        else:
            kept = set(map(id_of, trial.core()))
            needed = [applied for applied in rest if id_of(applied) in kept]
            index = sum(id_of(applied) in kept for applied in rest[:index])
    return tuple(needed)


def id_of(applied: Applied) -> tuple[str, int]:
    """Identity of a constraint on a variable."""
    return applied[0], id(applied[1])


# Literals are integers: 2*i for variable i chosen, 2*i+1 for not chosen. A clause holds when one of its literals does.
_Clause = tuple[tuple[int, ...], frozenset[int]]  # literals, and the constraints (by number) from which it follows


class _Problem:
    """Clauses over the variables and a conflict-driven search for an assignment.

    Decisions are only ever made to meet an open requirement of a chosen variable, its candidates in order; when none is
    open the rest is not chosen. So the search visits what the question needs, not the whole catalog.
    """

    def __init__(self, variables: Sequence[Variable], applied: Sequence[Applied] | None = None) -> None:
        self._number = {variable.identifier: number for number, variable in enumerate(variables)}
        self._applied: list[Applied] = (
            list(applied)
            if applied is not None
            else [(variable.identifier, constraint) for variable in variables for constraint in variable.constraints]
        )
        self._needs: dict[tuple[str, ...], int] = {}
        self._alternatives: dict[int, tuple[int, ...]] = {}
        self._clauses: list[_Clause] = []
        self._watches: dict[int, list[int]] = defaultdict(list)
        self._groups: list[tuple[tuple[int, ...], int]] = []
        self._groups_of: dict[int, list[int]] = defaultdict(list)
        self._units: list[_Clause] = []
        self._value: dict[int, bool] = {}
        self._reason: dict[int, _Clause] = {}
        self._level: dict[int, int] = {}
        self._trail: list[int] = []
        self._limits: list[int] = []
        self._head = 0
        self._met = 0
        self._core: frozenset[int] = frozenset()
        self._model: frozenset[int] = frozenset()
        for number, (identifier, constraint) in enumerate(self._applied):
            self._add(number, self._number[identifier], constraint)

    def core(self) -> list[Applied]:
        """Constraints that were used to show that there is no solution."""
        return [self._applied[number] for number in sorted(self._core)]

    def satisfiable(self, assumptions: Sequence[str]) -> bool:
        """Whether all constraints can hold with the assumed variables chosen."""
        assumed = [self._number[name] for name in assumptions]
        if self._model and self._model.issuperset(assumed):
            return True
        self._backtrack(0)
        for literals, origin in self._units:
            if self._truth(literals[0]) is False:
                self._core = self._resolve_all((literals, origin))
                return False
            if self._truth(literals[0]) is None:
                self._assign(literals[0], (literals, origin))
        self._units.clear()
        return self._search(assumed)

    def _add(self, number: int, subject: int, constraint: Constraint) -> None:
        origin = frozenset((number,))
        match constraint:
            case Mandatory():
                self._add_clause((2 * subject,), origin)
            case Prohibited():
                self._add_clause((2 * subject + 1,), origin)
            case Conflict(other):
                if other in self._number:
                    self._add_clause(tuple({2 * subject + 1, 2 * self._number[other] + 1}), origin)
            case Requires(candidates):
                if not candidates:
                    self._add_clause((2 * subject + 1,), origin)
                elif (need := self._need(candidates)) != subject:
                    self._add_clause((2 * subject + 1, 2 * need), origin)
            case AtMostOne(members):
                seen: set[int] = set()
                for member in (self._number[name] for name in members):
                    if member in seen:
                        self._add_clause((2 * member + 1,), origin)
                    else:
                        seen.add(member)
                        self._groups_of[member].append(len(self._groups))
                self._groups.append((tuple(seen), number))

    def _need(self, candidates: tuple[str, ...]) -> int:
        """A variable that stands for the choice among the candidates; whole channels share one."""
        known = self._needs.get(candidates)
        if known is None:
            numbers = tuple(dict.fromkeys(self._number[candidate] for candidate in candidates))
            known = numbers[0] if len(numbers) == 1 else len(self._number) + len(self._needs)
            self._needs[candidates] = known
            if len(numbers) > 1:
                self._alternatives[known] = numbers
                # What follows from it follows from the constraints that led to it.
                self._add_clause((2 * known + 1, *(2 * number for number in numbers)), frozenset())
        return known

    def _add_clause(self, literals: tuple[int, ...], origin: frozenset[int]) -> None:
        if len(literals) == 1:
            self._units.append((literals, origin))
            return
        index = len(self._clauses)
        self._clauses.append((literals, origin))
        for literal in literals[:2]:
            self._watches[literal].append(index)

    def _truth(self, literal: int) -> bool | None:
        value = self._value.get(literal >> 1)
        return None if value is None else value != bool(literal & 1)

    def _assign(self, literal: int, reason: _Clause | None) -> None:
        variable = literal >> 1
        self._value[variable] = not literal & 1
        self._level[variable] = len(self._limits)
        if reason is not None:
            self._reason[variable] = reason
        self._trail.append(literal)

    def _backtrack(self, level: int) -> None:
        if len(self._limits) <= level:
            return
        self._met = 0
        keep = self._limits[level]
        for literal in self._trail[keep:]:
            variable = literal >> 1
            del self._value[variable]
            del self._level[variable]
            self._reason.pop(variable, None)
        del self._trail[keep:]
        del self._limits[level:]
        self._head = min(self._head, keep)

    def _propagate(self) -> _Clause | None:
        """Draw what follows from the trail; the clause that is broken, if one is."""
        while self._head < len(self._trail):
            literal = self._trail[self._head]
            self._head += 1
            broken = self._propagate_groups(literal) or self._propagate_watches(literal ^ 1)
            if broken is not None:
                return broken
        return None

    def _propagate_groups(self, literal: int) -> _Clause | None:
        if literal & 1:
            return None
        for group in self._groups_of.get(literal >> 1, ()):
            members, number = self._groups[group]
            origin = frozenset((number,))
            for member in members:
                excluded = 2 * member + 1
                if excluded == literal ^ 1:
                    continue
                truth = self._truth(excluded)
                if truth is False:
                    return (excluded, literal ^ 1), origin
                if truth is None:
                    self._assign(excluded, ((excluded, literal ^ 1), origin))
        return None

    def _propagate_watches(self, false_literal: int) -> _Clause | None:
        watching = self._watches[false_literal]
        kept = 0
        for position, index in enumerate(watching):
            literals, origin = self._clauses[index]
            first, second = literals[0], literals[1]
            other = second if first == false_literal else first
            replacement = None
            if self._truth(other) is not True:
                replacement = next((p for p in range(2, len(literals)) if self._truth(literals[p]) is not False), None)
            if replacement is not None:
                moved = list(literals)
                moved[0], moved[1], moved[replacement] = other, literals[replacement], false_literal
                self._clauses[index] = (tuple(moved), origin)
                self._watches[moved[1]].append(index)
                continue
            watching[kept] = index
            kept += 1
            truth = self._truth(other)
            if truth is False:
                watching[kept:] = watching[position + 1 :]
                return literals, origin
            if truth is None:
                self._assign(other, (literals, origin))
        del watching[kept:]
        return None

    def _search(self, assumed: list[int]) -> bool:
        while True:
            broken = self._propagate()
            if broken is not None:
                if not self._limits:
                    self._core = self._resolve_all(broken)
                    return False
                learned, level = self._learn(broken)
                self._backtrack(level)
                self._add_clause(*learned)
                if len(learned[0]) == 1:
                    self._units.clear()
                self._assign(learned[0][0], learned)
                continue
            if len(self._limits) < len(assumed):
                truth = self._value.get(assumed[len(self._limits)])
                if truth is False:
                    return False
                self._limits.append(len(self._trail))
                if truth is None:
                    self._assign(2 * assumed[len(self._limits) - 1], None)
                continue
            decision = self._decide()
            if decision is None:
                self._model = frozenset(literal >> 1 for literal in self._trail if not literal & 1)
                return True
            self._limits.append(len(self._trail))
            self._assign(decision, None)

    def _decide(self) -> int | None:
        # What was found met stays so until something is taken back.
        for position in range(self._met, len(self._trail)):
            self._met = position
            literal = self._trail[position]
            if literal & 1:
                continue
            candidates = self._alternatives.get(literal >> 1, ())
            if candidates and not any(self._value.get(candidate) for candidate in candidates):
                return next(2 * candidate for candidate in candidates if candidate not in self._value)
        return None

    def _learn(self, broken: _Clause) -> tuple[_Clause, int]:
        """First unique implication point: a clause that would have prevented the conflict, and where to go back to."""
        level = len(self._limits)
        below: dict[int, None] = {}
        seen: set[int] = set()
        open_here = 0
        literals, origin = broken
        position = len(self._trail)
        resolved: int | None = None
        while True:
            for literal in literals:
                variable = literal >> 1
                if variable in seen or literal == resolved:
                    continue
                seen.add(variable)
                if self._level[variable] == level:
                    open_here += 1
                elif self._level[variable] > 0:
                    below[literal] = None
                else:
                    origin |= self._ground(variable)
            while True:
                position -= 1
                if self._trail[position] >> 1 in seen and self._level[self._trail[position] >> 1] == level:
                    break
            resolved = self._trail[position]
            open_here -= 1
            if open_here == 0:
                break
            literals, more = self._reason[resolved >> 1]
            origin |= more
        others = sorted(below, key=lambda literal: -self._level[literal >> 1])
        back = self._level[others[0] >> 1] if others else 0
        return ((resolved ^ 1, *others), origin), back

    def _ground(self, variable: int) -> frozenset[int]:
        """Constraints from which an assignment before any decision follows."""
        return self._resolve_all(self._reason[variable]) if variable in self._reason else frozenset()

    def _resolve_all(self, broken: _Clause) -> frozenset[int]:
        origins = set(broken[1])
        stack, seen = [literal >> 1 for literal in broken[0]], set()
        while stack:
            variable = stack.pop()
            if variable in seen or variable not in self._reason:
                continue
            seen.add(variable)
            literals, origin = self._reason[variable]
            origins |= origin
            stack.extend(literal >> 1 for literal in literals)
        return frozenset(origins)
