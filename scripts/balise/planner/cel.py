"""The Common Expression Language as far as OLM's constraints use it: parsed, type-checked and evaluated.

OLM compiles a rule over one variable, ``properties`` (a list of maps from string to anything), with one function of its
own, ``semver_compare``. A rule that does not compile to a boolean stops the whole namespace, so types are checked here
as CEL's own checker does; an error while evaluating only means that a bundle does not match.

Covered: literals, lists, maps, indexing, selection, all operators, the macros ``has all exists exists_one map filter``,
``size contains startsWith endsWith matches dyn`` and conversions between numbers, strings and bytes. Not covered, and
refused by name: ``timestamp``, ``duration``, ``type``, messages. Patterns of ``matches`` are read by Python's ``re``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from balise.planner.cel_syntax import Call, InvalidRuleError, ListOf, Literal, MapOf, Name, Select, parse
from balise.planner.cel_values import (
    FUNCTIONS,
    EvaluationError,
    Uint,
    applied,
    contains,
    field_of,
    is_true,
    item_of,
    same,
)

__all__ = ["InvalidRuleError", "Rule", "compile_rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule."""

    text: str
    _evaluate: Callable[[dict[str, Any]], Any]

    def matches(self, properties: Sequence[dict[str, Any]]) -> bool:
        """Whether a bundle with these properties (``type`` and ``value`` each) satisfies the rule."""
        try:
            return self._evaluate({"properties": properties}) is True
        except (EvaluationError, RecursionError):
            return False


@lru_cache(maxsize=4096)
def compile_rule(text: str) -> Rule:
    """Compile a rule; raises :class:`InvalidRuleError`.

    >>> rule = compile_rule("properties.exists(p, p.type == 'tier' && p.value > 2)")
    >>> rule.matches([{"type": "tier", "value": 3}])
    True
    """
    try:
        node = _Compiler({"properties": ("list", ("map", "string", "dyn"))}).compile(parse(text))
    except RecursionError:
        raise InvalidRuleError("the rule is nested too deeply") from None
    if node.type != "bool":
        raise InvalidRuleError(f"the rule must yield a bool, but yields {_type_name(node.type)}")
    return Rule(text, node.run)


_Type = Any  # a primitive's name, ("list", element) or ("map", key, value)
_Run = Callable[[dict[str, Any]], Any]


class _Node(NamedTuple):
    type: _Type
    run: _Run


def _type_name(found: _Type) -> str:
    if isinstance(found, str):
        return "any type" if found == "dyn" else found
    return f"{found[0]}({', '.join(map(_type_name, found[1:]))})"


def _fits(first: _Type, second: _Type) -> bool:
    if "dyn" in (first, second):
        return True
    if isinstance(first, tuple) and isinstance(second, tuple) and first[0] == second[0]:
        return all(map(_fits, first[1:], second[1:]))
    return bool(first == second)


def _common(first: _Type, second: _Type) -> _Type:
    return first if first == second else "dyn"


_MACROS: Final = frozenset(["all", "exists", "exists_one", "filter", "map"])
_ORDERED: Final = ("bool", "int", "uint", "double", "string", "bytes")
_SIGNATURES: Final[dict[str, tuple[tuple[tuple[str, ...], str], ...]]] = {
    "!": ((("bool",), "bool"),),
    "neg": ((("int",), "int"), (("double",), "double")),
    "&&": ((("bool", "bool"), "bool"),),
    "||": ((("bool", "bool"), "bool"),),
    **{sign: tuple(((kind, kind), "bool") for kind in _ORDERED) for sign in ("<", "<=", ">", ">=")},
    "+": tuple(((kind, kind), kind) for kind in ("int", "uint", "double", "string", "bytes")),
    **{sign: tuple(((kind, kind), kind) for kind in ("int", "uint", "double")) for sign in ("-", "*", "/")},
    "%": ((("int", "int"), "int"), (("uint", "uint"), "uint")),
    "contains": ((("string", "string"), "bool"),),
    "startsWith": ((("string", "string"), "bool"),),
    "endsWith": ((("string", "string"), "bool"),),
    "matches": ((("string", "string"), "bool"),),
    "semver_compare": ((("dyn", "dyn"), "int"),),
    "dyn": ((("dyn",), "dyn"),),
    "int": tuple(((kind,), "int") for kind in ("int", "uint", "double", "string")),
    "uint": tuple(((kind,), "uint") for kind in ("uint", "int", "double", "string")),
    "double": tuple(((kind,), "double") for kind in ("double", "int", "uint", "string")),
    "string": tuple(((kind,), "string") for kind in ("string", "bool", "int", "uint", "double", "bytes")),
    "bytes": tuple(((kind,), "bytes") for kind in ("bytes", "string")),
    "bool": tuple(((kind,), "bool") for kind in ("bool", "string")),
}
_MEMBERS: Final = frozenset(["contains", "startsWith", "endsWith", "matches"])


class _Compiler:
    def __init__(self, scope: dict[str, _Type]) -> None:
        self._scope = scope

    def compile(self, tree: Any) -> _Node:
        match tree:
            case Literal(kind, value):
                return _literal(kind, value)
            case Name(name):
                return self._name(name)
            case Select(operand, field):
                return self._select(self.compile(operand), field)
            case ListOf(items):
                return self._list([self.compile(item) for item in items])
            case MapOf(pairs):
                return self._map([(self.compile(key), self.compile(value)) for key, value in pairs])
            case Call(name, arguments, target):
                return self._call(name, arguments, target)
        raise AssertionError(tree)

    def _name(self, name: str) -> _Node:
        if name not in self._scope:
            raise InvalidRuleError(f"{name!r} is not known; a rule has only the variable 'properties'")
        return _Node(self._scope[name], lambda values: values[name])

    def _select(self, operand: _Node, field: str) -> _Node:
        kind = operand.type
        if kind == "dyn":
            found: _Type = "dyn"
        elif isinstance(kind, tuple) and kind[0] == "map":
            found = kind[2]
        else:
            raise InvalidRuleError(f"{_type_name(kind)} has no field {field!r}")
        return _Node(found, lambda values: field_of(operand.run(values), field))

    def _list(self, items: list[_Node]) -> _Node:
        kind: _Type = "dyn"
        if items:
            kind = items[0].type
            for item in items:
                kind = _common(kind, item.type)
        return _Node(("list", kind), lambda values: [item.run(values) for item in items])

    def _map(self, pairs: list[tuple[_Node, _Node]]) -> _Node:
        key: _Type = "dyn"
        value: _Type = "dyn"
        if pairs:
            key, value = pairs[0][0].type, pairs[0][1].type
            for found_key, found_value in pairs:
                key, value = _common(key, found_key.type), _common(value, found_value.type)
        return _Node(("map", key, value), lambda values: {k.run(values): v.run(values) for k, v in pairs})

    def _call(self, name: str, arguments: tuple[Any, ...], target: Any) -> _Node:
        if name == "has" and target is None:
            return self._has(arguments)
        if target is not None and name in _MACROS and len(arguments) in (2, 3):
            return self._macro(name, target, arguments)
        nodes = [self.compile(argument) for argument in arguments]
        if target is not None:
            nodes.insert(0, self.compile(target))
            if name not in _MEMBERS and name != "size":
                raise InvalidRuleError(f"there is no function {name!r} to call on {_type_name(nodes[0].type)}")
        elif name in _MEMBERS and name != "matches":
            raise InvalidRuleError(f"{name} is called on a string: text.{name}(other)")
        special = {"==": self._equal, "!=": self._equal, "in": self._in, "[]": self._index, "?:": self._choice,
                   "size": self._size}.get(name)  # fmt: skip
        if special is not None:
            return special(name, nodes)
        return self._plain(name, nodes)

    def _plain(self, name: str, nodes: list[_Node]) -> _Node:
        overloads = _SIGNATURES.get(name)
        if overloads is None:
            raise InvalidRuleError(f"there is no function {name!r} that this planner knows")
        kinds = [node.type for node in nodes]
        results: list[_Type] = [
            result for wanted, result in overloads if len(wanted) == len(kinds) and all(map(_fits, kinds, wanted))
        ]
        if name == "+" and len(kinds) == 2 and all(_fits(kind, ("list", "dyn")) for kind in kinds):
            results.append(kinds[0] if isinstance(kinds[0], tuple) else kinds[1])
        if not results:
            shown = " and ".join(map(_type_name, kinds)) or "nothing"
            raise InvalidRuleError(f"{name!r} cannot be applied to {shown}")
        result = results[0] if all(found == results[0] for found in results) else "dyn"
        if name in ("&&", "||"):
            return _Node("bool", _logical(name, nodes[0].run, nodes[1].run))
        function = FUNCTIONS[name]
        runs = [node.run for node in nodes]
        return _Node(result, lambda values: applied(name, function, [run(values) for run in runs]))

    def _equal(self, name: str, nodes: list[_Node]) -> _Node:
        if not _fits(nodes[0].type, nodes[1].type):
            raise InvalidRuleError(f"{_type_name(nodes[0].type)} is never {_type_name(nodes[1].type)}: {name!r}")
        first, second = nodes[0].run, nodes[1].run
        wanted = name == "=="
        return _Node("bool", lambda values: same(first(values), second(values)) is wanted)

    def _in(self, _: str, nodes: list[_Node]) -> _Node:
        item, container = nodes
        kind = container.type
        if kind != "dyn" and not (isinstance(kind, tuple) and _fits(item.type, kind[1])):
            raise InvalidRuleError(f"'in' cannot look for {_type_name(item.type)} in {_type_name(kind)}")
        return _Node("bool", lambda values: contains(container.run(values), item.run(values)))

    def _index(self, _: str, nodes: list[_Node]) -> _Node:
        operand, index = nodes
        kind = operand.type
        wanted = (
            "int" if isinstance(kind, tuple) and kind[0] == "list" else kind[1] if isinstance(kind, tuple) else kind
        )
        if (kind != "dyn" and not isinstance(kind, tuple)) or not _fits(index.type, wanted):
            raise InvalidRuleError(f"{_type_name(kind)} cannot be indexed with {_type_name(index.type)}")
        found = kind if kind == "dyn" else kind[-1]
        return _Node(found, lambda values: item_of(operand.run(values), index.run(values)))

    def _choice(self, _: str, nodes: list[_Node]) -> _Node:
        test, then, otherwise = nodes
        if not _fits(test.type, "bool") or not _fits(then.type, otherwise.type):
            raise InvalidRuleError("'?:' needs a bool and two values of one type")

        def run(values: dict[str, Any]) -> Any:
            decided = test.run(values)
            if not isinstance(decided, bool):
                raise EvaluationError
            return then.run(values) if decided else otherwise.run(values)

        return _Node(_common(then.type, otherwise.type), run)

    def _size(self, _: str, nodes: list[_Node]) -> _Node:
        if len(nodes) != 1 or not (isinstance(nodes[0].type, tuple) or nodes[0].type in ("dyn", "string", "bytes")):
            raise InvalidRuleError("size takes one string, list or map")

        def run(values: dict[str, Any]) -> int:
            found = nodes[0].run(values)
            if not isinstance(found, (str, bytes, list, dict)):
                raise EvaluationError
            return len(found)

        return _Node("int", run)

    def _has(self, arguments: tuple[Any, ...]) -> _Node:
        if len(arguments) != 1 or not isinstance(arguments[0], Select):
            raise InvalidRuleError("has takes one selection, such as has(p.value.name)")
        self.compile(arguments[0])
        operand, field = self.compile(arguments[0].operand), arguments[0].field

        def run(values: dict[str, Any]) -> bool:
            found = operand.run(values)
            if not isinstance(found, dict):
                raise EvaluationError
            return field in found

        return _Node("bool", run)

    def _macro(self, name: str, target: Any, arguments: tuple[Any, ...]) -> _Node:
        source = self.compile(target)
        if source.type != "dyn" and not isinstance(source.type, tuple):
            raise InvalidRuleError(f"{name} goes over a list or a map, not over {_type_name(source.type)}")
        if not isinstance(arguments[0], Name) or (len(arguments) == 3 and name != "map"):
            raise InvalidRuleError(f"{name} takes a name and an expression: list.{name}(item, expression)")
        variable = arguments[0].name
        element = source.type if source.type == "dyn" else source.type[1]
        inner = _Compiler({**self._scope, variable: element})
        bodies = [inner.compile(argument) for argument in arguments[1:]]
        tests = bodies[:-1] if name == "map" else bodies
        if not all(_fits(test.type, "bool") for test in tests):
            raise InvalidRuleError(f"{name} needs an expression that yields a bool")
        kind: _Type = "bool"
        if name in ("map", "filter"):
            kind = ("list", bodies[-1].type if name == "map" else element)
        fold = _FOLDS[name]
        return _Node(kind, lambda values: fold(_bound(source.run(values), values, variable), [b.run for b in bodies]))


def _literal(kind: str, value: Any) -> _Node:
    low, high = {"int": (-(2**63), 2**63), "uint": (0, 2**64)}.get(kind, (0, 0))
    if kind in ("int", "uint") and not low <= value < high:
        raise InvalidRuleError(f"{value} is out of range")
    constant = Uint(value) if kind == "uint" else value
    return _Node(kind, lambda _: constant)


def _bound(source: Any, values: dict[str, Any], variable: str) -> list[dict[str, Any]]:
    if not isinstance(source, (list, tuple, dict)):
        raise EvaluationError
    outer = {name: value for name, value in values.items() if name != variable}
    return [{**outer, variable: item} for item in source]


def _decided(decisive: bool, attempts: Iterable[tuple[_Run, dict[str, Any]]]) -> bool:
    """*decisive* when any attempt gives it, its opposite when all do: an error matters only where nothing decides."""
    failed = False
    for run, values in attempts:
        try:
            found = run(values)
        except EvaluationError:
            failed = True
            continue
        if not isinstance(found, bool):
            failed = True
        elif found is decisive:
            return decisive
    if failed:
        raise EvaluationError
    return not decisive


def _logical(name: str, first: _Run, second: _Run) -> _Run:
    """``&&`` and ``||``."""
    decisive = name == "||"
    return lambda values: _decided(decisive, ((first, values), (second, values)))


def _quantified(decisive: bool) -> Callable[[list[dict[str, Any]], list[_Run]], bool]:
    """``exists`` and ``all``."""
    return lambda scopes, bodies: _decided(decisive, ((bodies[0], scope) for scope in scopes))


def _mapped(scopes: list[dict[str, Any]], bodies: list[_Run]) -> list[Any]:
    return [bodies[-1](scope) for scope in scopes if len(bodies) == 1 or is_true(bodies[0](scope))]


def _filtered(scopes: list[dict[str, Any]], bodies: list[_Run]) -> list[Any]:
    # The loop variable is the innermost binding, hence the last one of the scope.
    return [next(reversed(scope.values())) for scope in scopes if is_true(bodies[0](scope))]


_FOLDS: Final[dict[str, Callable[[list[dict[str, Any]], list[_Run]], Any]]] = {
    "all": _quantified(decisive=False),
    "exists": _quantified(decisive=True),
    "exists_one": lambda scopes, bodies: sum(is_true(bodies[0](scope)) for scope in scopes) == 1,
    "map": _mapped,
    "filter": _filtered,
}
