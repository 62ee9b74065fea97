"""The Common Expression Language's syntax: a rule becomes a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

__all__ = ["Call", "InvalidRuleError", "ListOf", "Literal", "MapOf", "Name", "Select", "parse"]


class InvalidRuleError(ValueError):
    """The text is no CEL rule that yields a boolean; the message says why."""


def parse(text: str) -> Any:
    """The tree of a rule; raises :class:`InvalidRuleError`."""
    return _Parser(text).whole()


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


class Call(NamedTuple):
    """A function or operator applied to arguments; ``target`` is what stands before the dot, if anything does."""

    name: str
    arguments: tuple[Any, ...]
    target: Any = None


class Literal(NamedTuple):
    """A constant and the name of its type."""

    type: str
    value: Any


class Name(NamedTuple):
    """A variable."""

    name: str


class Select(NamedTuple):
    """A field of a map: ``operand.field``."""

    operand: Any
    field: str


class ListOf(NamedTuple):
    """A list that is written out."""

    items: tuple[Any, ...]


class MapOf(NamedTuple):
    """A map that is written out: its keys and values."""

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
            return Call("?:", (tree, then, self._expression()))
        return tree

    def _binary(self, level: int) -> Any:
        if level == len(_LEVELS):
            return self._unary()
        tree = self._binary(level + 1)
        while operator := self._accept(*_LEVELS[level]):
            tree = Call(operator, (tree, self._binary(level + 1)))
        return tree

    def _unary(self) -> Any:
        if self._accept("!"):
            return Call("!", (self._unary(),))
        if self._accept("-"):
            operand = self._unary()
            if isinstance(operand, Literal) and operand.type in ("int", "double"):
                return Literal(operand.type, -operand.value)
            return Call("neg", (operand,))
        return self._member(self._primary())

    def _member(self, tree: Any) -> Any:
        while True:
            if self._accept("."):
                token = self._next()
                if token.kind != "name":
                    self._index -= 1
                    raise self._unexpected(", expected a name")
                called = self._accept("(")
                tree = Call(token.text, self._list(")"), tree) if called else Select(tree, token.text)
            elif self._accept("["):
                tree = Call("[]", (tree, self._expression()))
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
            return Literal("double", float(token.text))
        if token.kind == "int":
            digits = token.text.rstrip("uU")
            value = int(digits, 16) if digits.startswith("0x") else int(digits)
            return Literal("int" if digits == token.text else "uint", value)
        if token.kind == "text":
            return _text_literal(token)
        if token.kind == "name" and token.text not in _RESERVED and token.text != "in":
            return self._named(token)
        if token.text == "(":
            tree = self._expression()
            self._expect(")")
            return tree
        if token.text == "[":
            return ListOf(self._list("]"))
        if token.text == "{":
            return self._map()
        self._index -= 1
        raise self._unexpected()

    def _named(self, token: _Token) -> Any:
        constant = {"true": ("bool", True), "false": ("bool", False), "null": ("null", None)}.get(token.text)
        if constant is not None:
            return Literal(*constant)
        if self._accept("("):
            return Call(token.text, self._list(")"))
        return Name(token.text)

    def _map(self) -> MapOf:
        items: list[tuple[Any, Any]] = []
        while not self._accept("}"):
            if items:
                self._expect(",")
                if self._accept("}"):
                    break
            key = self._expression()
            self._expect(":")
            items.append((key, self._expression()))
        return MapOf(tuple(items))


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


def _text_literal(token: _Token) -> Literal:
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
    return Literal("bytes", content.encode()) if "b" in prefix else Literal("string", content)
