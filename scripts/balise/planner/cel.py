"""The Common Expression Language as far as OLM's constraints use it: parsed, type-checked and evaluated.

OLM compiles a rule over one variable, ``properties`` (a list of maps from string to anything), with one function of its
own, ``semver_compare``. A rule that does not compile to a boolean stops the whole namespace, so types are checked here
as CEL's own checker does; an error while evaluating only means that a bundle does not match.

Covered: literals, lists, maps, indexing, selection, all operators, the macros ``has all exists exists_one map filter``,
``size contains startsWith endsWith matches dyn`` and conversions between numbers, strings and bytes. Not covered, and
refused by name: ``timestamp``, ``duration``, ``type``, messages. Patterns of ``matches`` are read by Python's ``re``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from balise.model.semver import InvalidVersionError, Version

__all__ = ["InvalidRuleError", "Rule", "compile_rule"]


class InvalidRuleError(ValueError):
    """The text is no CEL rule that yields a boolean; the message says why."""


class _EvaluationError(Exception):
    """Evaluating came to no value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule."""

    text: str
    _evaluate: Callable[[dict[str, Any]], Any]

    def matches(self, properties: Sequence[dict[str, Any]]) -> bool:
        """Whether a bundle with these properties (``type`` and ``value`` each) satisfies the rule."""
        try:
            return self._evaluate({"properties": properties}) is True
        except (_EvaluationError, RecursionError):
            return False


@lru_cache(maxsize=4096)
def compile_rule(text: str) -> Rule:
    """Compile a rule; raises :class:`InvalidRuleError`.

    >>> rule = compile_rule("properties.exists(p, p.type == 'tier' && p.value > 2)")
    >>> rule.matches([{"type": "tier", "value": 3}])
    True
    """
    try:
        node = _Compiler({"properties": ("list", ("map", "string", "dyn"))}).compile(_Parser(text).whole())
    except RecursionError:
        raise InvalidRuleError("the rule is nested too deeply") from None
    if node.type != "bool":
        raise InvalidRuleError(f"the rule must yield a bool, but yields {_type_name(node.type)}")
    return Rule(text, node.run)


# Parsing --------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n\f\r]+|//[^\n]*)
      | (?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
      | (?P<int>0x[0-9a-fA-F]+[uU]?|\d+[uU]?)
      | (?P<text>(?:[bB][rR]?|[rR][bB]?)?(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"
                                           |'(?:\\.|[^\\'\n\r])*'|"(?:\\.|[^\\"\n\r])*"))
      | (?P<raw>[rR][bB]?(?:'[^'\n\r]*'|"[^"\n\r]*"))
      | (?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
      | (?P<sign>\|\||&&|<=|>=|==|!=|[-+*/%!<>?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_RESERVED: Final = frozenset(
    ["as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
     "namespace", "return", "var", "void", "while"]
)  # fmt: skip


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Call(NamedTuple):
    """A function or operator applied to arguments; ``target`` is what stands before the dot, if anything does."""

    name: str
    arguments: tuple[Any, ...]
    target: Any = None


class _Literal(NamedTuple):
    type: str
    value: Any


class _Name(NamedTuple):
    name: str


class _Select(NamedTuple):
    operand: Any
    field: str


class _ListOf(NamedTuple):
    items: tuple[Any, ...]


class _MapOf(NamedTuple):
    items: tuple[tuple[Any, Any], ...]


_LEVELS: Final = (("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = list(_tokens(text))
        self._index = 0

    def whole(self) -> Any:
        tree = self._expression()
        if self._peek().kind != "end":
            raise self._unexpected()
        return tree

    def _peek(self) -> _Token:
        return self._tokens[self._index]

    def _next(self) -> _Token:
        self._index += 1
        return self._tokens[self._index - 1]

    def _accept(self, *texts: str) -> str:
        token = self._peek()
        if token.kind in ("sign", "name") and token.text in texts:
            self._index += 1
            return token.text
        return ""

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected(f", expected {text!r}")

    def _unexpected(self, more: str = "") -> InvalidRuleError:
        token = self._peek()
        found = "the end of the rule" if token.kind == "end" else repr(token.text)
        return InvalidRuleError(f"column {token.column}: {found} does not belong here{more}")

    def _expression(self) -> Any:
        tree = self._binary(0)
        if self._accept("?"):
            then = self._binary(0)
            self._expect(":")
            return _Call("?:", (tree, then, self._expression()))
        return tree

    def _binary(self, level: int) -> Any:
        if level == len(_LEVELS):
            return self._unary()
        tree = self._binary(level + 1)
        while operator := self._accept(*_LEVELS[level]):
            tree = _Call(operator, (tree, self._binary(level + 1)))
        return tree

    def _unary(self) -> Any:
        if self._accept("!"):
            return _Call("!", (self._unary(),))
        if self._accept("-"):
            operand = self._unary()
            if isinstance(operand, _Literal) and operand.type in ("int", "double"):
                return _Literal(operand.type, -operand.value)
            return _Call("neg", (operand,))
        return self._member(self._primary())

    def _member(self, tree: Any) -> Any:
        while True:
            if self._accept("."):
                token = self._next()
                if token.kind != "name":
                    self._index -= 1
                    raise self._unexpected(", expected a name")
                called = self._accept("(")
                tree = _Call(token.text, self._list(")"), tree) if called else _Select(tree, token.text)
            elif self._accept("["):
                tree = _Call("[]", (tree, self._expression()))
                self._expect("]")
            else:
                return tree

    def _list(self, end: str) -> tuple[Any, ...]:
        items: list[Any] = []
        while not self._accept(end):
            if items:
                self._expect(",")
                if end != ")" and self._accept(end):
                    break
            items.append(self._expression())
        return tuple(items)

    def _primary(self) -> Any:  # noqa: PLR0911 (one for each kind of token)
        token = self._next()
        if token.kind == "float":
            return _Literal("double", float(token.text))
        if token.kind == "int":
            digits = token.text.rstrip("uU")
            value = int(digits, 16) if digits.startswith("0x") else int(digits)
            return _Literal("int" if digits == token.text else "uint", value)
        if token.kind == "text":
            return _text_literal(token)
        if token.kind == "name" and token.text not in _RESERVED and token.text != "in":
            return self._named(token)
        if token.text == "(":
            tree = self._expression()
            self._expect(")")
            return tree
        if token.text == "[":
            return _ListOf(self._list("]"))
        if token.text == "{":
            return self._map()
        self._index -= 1
        raise self._unexpected()

    def _named(self, token: _Token) -> Any:
        constant = {"true": ("bool", True), "false": ("bool", False), "null": ("null", None)}.get(token.text)
        if constant is not None:
            return _Literal(*constant)
        if self._accept("("):
            return _Call(token.text, self._list(")"))
        return _Name(token.text)

    def _map(self) -> _MapOf:
        items: list[tuple[Any, Any]] = []
        while not self._accept("}"):
            if items:
                self._expect(",")
                if self._accept("}"):
                    break
            key = self._expression()
            self._expect(":")
            items.append((key, self._expression()))
        return _MapOf(tuple(items))


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise InvalidRuleError(f"column {position + 1}: {text[position]!r} cannot be read")
        position = found.end()
        kind = str(found.lastgroup)
        if kind != "space":
            yield _Token("text" if kind == "raw" else kind, found.group(), found.start() + 1)
    yield _Token("end", "", len(text) + 1)


_ESCAPE = re.compile(
    r"""\\(?:([abfnrtv\\?\"'`])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))""",
    re.DOTALL,
)
_PLAIN_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _text_literal(token: _Token) -> _Literal:
    body = token.text.lstrip("bBrR")
    prefix = token.text[: -len(body)].lower()
    quotes = 3 if body[:3] in ("'''", '"""') else 1
    content = body[quotes:-quotes]
    if "r" not in prefix:

        def replace(match: re.Match[str]) -> str:
            plain, *codes, octal, bad = match.groups()
            if plain is not None:
                return _PLAIN_ESCAPES.get(plain, plain)
            if bad is not None:
                raise InvalidRuleError(f"column {token.column}: \\{bad} is no escape sequence")
            return chr(int(octal, 8) if octal is not None else int(next(code for code in codes if code), 16))

        content = _ESCAPE.sub(replace, content)
    return _Literal("bytes", content.encode()) if "b" in prefix else _Literal("string", content)


# Checking and evaluating ----------------------------------------------------------------------------------------------

_Type = Any  # a primitive's name, ("list", element) or ("map", key, value)
_Run = Callable[[dict[str, Any]], Any]


class _Node(NamedTuple):
    type: _Type
    run: _Run


class _Uint(int):
    """An unsigned number: of another type than a signed one, although equal to it."""


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
            case _Literal(kind, value):
                return _literal(kind, value)
            case _Name(name):
                return self._name(name)
            case _Select(operand, field):
                return self._select(self.compile(operand), field)
            case _ListOf(items):
                return self._list([self.compile(item) for item in items])
            case _MapOf(pairs):
                return self._map([(self.compile(key), self.compile(value)) for key, value in pairs])
            case _Call(name, arguments, target):
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
        return _Node(found, lambda values: _field(operand.run(values), field))

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
        function = _FUNCTIONS[name]
        runs = [node.run for node in nodes]
        return _Node(result, lambda values: _applied(name, function, [run(values) for run in runs]))

    def _equal(self, name: str, nodes: list[_Node]) -> _Node:
        if not _fits(nodes[0].type, nodes[1].type):
            raise InvalidRuleError(f"{_type_name(nodes[0].type)} is never {_type_name(nodes[1].type)}: {name!r}")
        first, second = nodes[0].run, nodes[1].run
        wanted = name == "=="
        return _Node("bool", lambda values: _same(first(values), second(values)) is wanted)

    def _in(self, _: str, nodes: list[_Node]) -> _Node:
        item, container = nodes
        kind = container.type
        if kind != "dyn" and not (isinstance(kind, tuple) and _fits(item.type, kind[1])):
            raise InvalidRuleError(f"'in' cannot look for {_type_name(item.type)} in {_type_name(kind)}")
        return _Node("bool", lambda values: _contains(container.run(values), item.run(values)))

    def _index(self, _: str, nodes: list[_Node]) -> _Node:
        operand, index = nodes
        kind = operand.type
        wanted = (
            "int" if isinstance(kind, tuple) and kind[0] == "list" else kind[1] if isinstance(kind, tuple) else kind
        )
        if (kind != "dyn" and not isinstance(kind, tuple)) or not _fits(index.type, wanted):
            raise InvalidRuleError(f"{_type_name(kind)} cannot be indexed with {_type_name(index.type)}")
        found = kind if kind == "dyn" else kind[-1]
        return _Node(found, lambda values: _item(operand.run(values), index.run(values)))

    def _choice(self, _: str, nodes: list[_Node]) -> _Node:
        test, then, otherwise = nodes
        if not _fits(test.type, "bool") or not _fits(then.type, otherwise.type):
            raise InvalidRuleError("'?:' needs a bool and two values of one type")

        def run(values: dict[str, Any]) -> Any:
            decided = test.run(values)
            if not isinstance(decided, bool):
                raise _EvaluationError
            return then.run(values) if decided else otherwise.run(values)

        return _Node(_common(then.type, otherwise.type), run)

    def _size(self, _: str, nodes: list[_Node]) -> _Node:
        if len(nodes) != 1 or not (isinstance(nodes[0].type, tuple) or nodes[0].type in ("dyn", "string", "bytes")):
            raise InvalidRuleError("size takes one string, list or map")

        def run(values: dict[str, Any]) -> int:
            found = nodes[0].run(values)
            if not isinstance(found, (str, bytes, list, dict)):
                raise _EvaluationError
            return len(found)

        return _Node("int", run)

    def _has(self, arguments: tuple[Any, ...]) -> _Node:
        if len(arguments) != 1 or not isinstance(arguments[0], _Select):
            raise InvalidRuleError("has takes one selection, such as has(p.value.name)")
        self.compile(arguments[0])
        operand, field = self.compile(arguments[0].operand), arguments[0].field

        def run(values: dict[str, Any]) -> bool:
            found = operand.run(values)
            if not isinstance(found, dict):
                raise _EvaluationError
            return field in found

        return _Node("bool", run)

    def _macro(self, name: str, target: Any, arguments: tuple[Any, ...]) -> _Node:
        source = self.compile(target)
        if source.type != "dyn" and not isinstance(source.type, tuple):
            raise InvalidRuleError(f"{name} goes over a list or a map, not over {_type_name(source.type)}")
        if not isinstance(arguments[0], _Name) or (len(arguments) == 3 and name != "map"):
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
    constant = _Uint(value) if kind == "uint" else value
    return _Node(kind, lambda _: constant)


def _bound(source: Any, values: dict[str, Any], variable: str) -> list[dict[str, Any]]:
    if not isinstance(source, (list, tuple, dict)):
        raise _EvaluationError
    outer = {name: value for name, value in values.items() if name != variable}
    return [{**outer, variable: item} for item in source]


def _logical(name: str, first: _Run, second: _Run) -> _Run:
    """``&&`` and ``||``: an error on one side does not matter when the other side decides."""
    decisive = name == "||"

    def run(values: dict[str, Any]) -> bool:
        failed = False
        for side in (first, second):
            try:
                found = side(values)
            except _EvaluationError:
                failed = True
                continue
            if found is decisive:
                return bool(found)
            failed = failed or not isinstance(found, bool)
        if failed:
            raise _EvaluationError
        return not decisive

    return run


def _quantified(decisive: bool) -> Callable[[list[dict[str, Any]], list[_Run]], bool]:
    def fold(scopes: list[dict[str, Any]], bodies: list[_Run]) -> bool:
        failed = False
        for scope in scopes:
            try:
                found = bodies[0](scope)
            except _EvaluationError:
                failed = True
                continue
            if found is decisive:
                return bool(found)
            failed = failed or not isinstance(found, bool)
        if failed:
            raise _EvaluationError
        return not decisive

    return fold


def _true(found: Any) -> bool:
    if not isinstance(found, bool):
        raise _EvaluationError
    return found


def _mapped(scopes: list[dict[str, Any]], bodies: list[_Run]) -> list[Any]:
    return [bodies[-1](scope) for scope in scopes if len(bodies) == 1 or _true(bodies[0](scope))]


def _filtered(scopes: list[dict[str, Any]], bodies: list[_Run]) -> list[Any]:
    # The loop variable is the innermost binding, hence the last one of the scope.
    return [next(reversed(scope.values())) for scope in scopes if _true(bodies[0](scope))]


_FOLDS: Final[dict[str, Callable[[list[dict[str, Any]], list[_Run]], Any]]] = {
    "all": _quantified(decisive=False),
    "exists": _quantified(decisive=True),
    "exists_one": lambda scopes, bodies: sum(_true(bodies[0](scope)) for scope in scopes) == 1,
    "map": _mapped,
    "filter": _filtered,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(first: Any, second: Any) -> bool:
    if _is_number(first) and _is_number(second):
        return bool(first == second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(value, second[key]) for key, value in first.items())
    return type(first) is type(second) and bool(first == second)


def _contains(container: Any, item: Any) -> bool:
    if not isinstance(container, (list, dict)):
        raise _EvaluationError
    return any(_same(item, found) for found in container)


def _field(operand: Any, field: str) -> Any:
    if not isinstance(operand, dict) or field not in operand:
        raise _EvaluationError
    return operand[field]


def _item(operand: Any, index: Any) -> Any:
    if isinstance(operand, (list, tuple)) and _is_number(index) and index == int(index) and 0 <= index < len(operand):
        return operand[int(index)]
    if isinstance(operand, dict):
        for key, value in operand.items():
            if _same(key, index):
                return value
    raise _EvaluationError


def _applied(name: str, function: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        result = function(*arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, re.error):
        raise _EvaluationError from None
    if isinstance(result, bool) or not isinstance(result, int):
        return result
    unsigned = isinstance(result, _Uint) or (name in "+-*/%" and isinstance(arguments[0], _Uint))
    if not (0 <= result < 2**64 if unsigned else -(2**63) <= result < 2**63):
        raise _EvaluationError
    return _Uint(result) if unsigned else result


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(first: Any, second: Any) -> bool:
        if type(first) is not type(second) and not (_is_number(first) and _is_number(second)):
            raise TypeError
        return test(first, second)

    return compare


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(first: Any, second: Any) -> Any:
        if type(first) is not type(second) or isinstance(first, (bool, dict)):
            raise TypeError
        return operation(first, second)

    return apply


def _numbers(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(first: Any, second: Any) -> Any:
        if not (_is_number(first) and _is_number(second)):
            raise TypeError
        return operation(first, second)

    return _arithmetic(apply)


def _divided(first: Any, second: Any) -> Any:
    if isinstance(first, float):
        if second == 0:
            return float("nan") if first == 0 else float("inf") * first
        return first / second
    quotient = abs(first) // abs(second)
    return quotient if (first < 0) == (second < 0) else -quotient


def _remainder(first: int, second: int) -> int:
    return int(first) - int(second) * int(_divided(int(first), int(second)))


def _negated(value: Any) -> Any:
    if not _is_number(value) or isinstance(value, _Uint):
        raise TypeError
    return -value


def _not(value: Any) -> bool:
    return not _true(value)


def _shown(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e21:
            return str(int(value))
        return repr(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, int)):
        return str(value)
    raise TypeError


def _semver_compare(first: Any, second: Any) -> int:
    try:
        one, other = Version.parse_tolerant(_shown(first)), Version.parse_tolerant(_shown(second))
    except InvalidVersionError:
        raise _EvaluationError from None
    return (one > other) - (one < other)


def _whole(value: Any) -> int:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d+", value):
        raise ValueError
    return int(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"1": True, "t": True, "true": True, "True": True, "TRUE": True, "T": True,
            "0": False, "f": False, "false": False, "False": False, "FALSE": False, "F": False}[value]  # fmt: skip


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "!": _not,
    "neg": _negated,
    "<": _compared(lambda first, second: first < second),
    "<=": _compared(lambda first, second: first <= second),
    ">": _compared(lambda first, second: first > second),
    ">=": _compared(lambda first, second: first >= second),
    "+": _arithmetic(lambda first, second: first + second),
    "-": _numbers(lambda first, second: first - second),
    "*": _numbers(lambda first, second: first * second),
    "/": _numbers(_divided),
    "%": _numbers(_remainder),
    "contains": str.__contains__,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "semver_compare": _semver_compare,
    "dyn": lambda value: value,
    "int": _whole,
    "uint": lambda value: _Uint(_whole(value)),
    "double": float,
    "string": _shown,
    "bytes": lambda value: value if isinstance(value, bytes) else value.encode(),
    "bool": _to_bool,
}
