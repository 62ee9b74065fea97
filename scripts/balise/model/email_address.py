"""Email addresses by RFC 5322, as far as the reference tools (Go's net/mail) read it."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["InvalidEmailError", "check_email"]


class InvalidEmailError(ValueError):
    """The text is no single email address; the message says why."""


_MAX_LENGTH = 5_000
"""The reference has no limit; mail has one of 254 for an address, without its name."""

_ATOM = re.compile(r"[!#-\'*+\-./0-9=?A-Z^-~\x80-\U0010ffff]+")
_QUOTED = re.compile(r'"((?:[\t !#-\[\]-~\x80-\U0010ffff]|\\[\t -~\x80-\U0010ffff])*)"')
_DOMAIN_LITERAL = re.compile(r"\[([!-Z^-~\x80-\U0010ffff]*)\]")
_ENCODED_WORD = re.compile(r"=\?([^?]+)\?([BbQq])\?([^?]*)\?=")
_KNOWN_CHARSETS = {"utf-8", "iso-8859-1", "us-ascii"}


def check_email(text: str) -> None:
    """Raises :class:`InvalidEmailError` unless *text* is one address, with or without a name: ``Name <a@b>``.

    >>> check_email("Jane Doe <jane@example.com>")
    """
    if len(text) > _MAX_LENGTH:
        raise InvalidEmailError(f"it is longer than {_MAX_LENGTH} characters")
    parser = _Parser(text)
    count = parser.address(groups=True)
    parser.skip_comments()
    if parser.rest:
        raise InvalidEmailError(f"{parser.rest!r} is left over after an address")
    if count != 1:
        raise InvalidEmailError("a group of addresses is not one address")


class _Parser:
    def __init__(self, text: str) -> None:
        self.rest = text

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.rest)
        if found:
            self.rest = self.rest[found.end() :]
        return found

    def consume(self, character: str) -> bool:
        if not self.rest.startswith(character):
            return False
        self.rest = self.rest[1:]
        return True

    def skip_space(self) -> None:
        self.rest = self.rest.lstrip(" \t")

    def skip_comments(self) -> None:
        self.skip_space()
        while self.consume("("):
            self.comment()
            self.skip_space()

    def comment(self) -> str:
        depth, found, index = 1, [], 0
        while index < len(self.rest) and depth:
            character = self.rest[index]
            if character == "\\" and index + 1 < len(self.rest):
                index += 1
                character = self.rest[index]
            elif character in "()":
                depth += 1 if character == "(" else -1
            if depth:
                found.append(character)
            index += 1
        self.rest = self.rest[index:]
        if depth:
            raise InvalidEmailError("a comment in parentheses is not closed")
        return "".join(found)

    def address(self, *, groups: bool) -> int:
        """One mailbox or group; returns the number of addresses in it."""
        self.skip_space()
        if not self.rest:
            raise InvalidEmailError("there is no address")
        if self.try_address_specification():
            self.skip_space()
            if self.consume("("):
                for word in re.split("[ \t]+", self.comment()):
                    _check_encoded_word(word)
            return 1
        if not self.rest.startswith("<"):
            self.phrase()
        self.skip_space()
        if groups and self.consume(":"):
            return self.group()
        if not self.consume("<"):
            raise InvalidEmailError("there is no @ and no <...>")
        self.address_specification()
        if not self.consume(">"):
            raise InvalidEmailError("the > after the address is missing")
        return 1

    def group(self) -> int:
        self.skip_space()
        count = 0
        if not self.consume(";"):
            while True:
                self.skip_space()
                count += self.address(groups=False)
                self.skip_comments()
                if self.consume(";"):
                    break
                if not self.consume(","):
                    raise InvalidEmailError("a comma or semicolon is missing after an address of a group")
        self.skip_comments()
        return count

    def try_address_specification(self) -> bool:
        before = self.rest
        try:
            self.address_specification()
        except InvalidEmailError:
            self.rest = before
            return False
        return True

    def address_specification(self) -> None:
        self.skip_space()
        if self.rest.startswith('"'):
            local = self.take(_QUOTED)
            if local is None or not local[1]:
                raise InvalidEmailError("the quoted part before @ is empty or not closed")
        else:
            self.dotted_atom("before @")
        if not self.consume("@"):
            raise InvalidEmailError("there is no @")
        self.skip_space()
        if self.rest.startswith("["):
            self.domain_literal()
        else:
            self.dotted_atom("after @")

    def domain_literal(self) -> None:
        found = self.take(_DOMAIN_LITERAL)
        try:
            if found is None or "%" in found[1]:
                raise InvalidEmailError("what stands in [...] is no IP address")
            ipaddress.ip_address(found[1])
        except ValueError:
            raise InvalidEmailError("what stands in [...] is no IP address") from None

    def dotted_atom(self, where: str) -> None:
        found = self.take(_ATOM)
        if found is None:
            raise InvalidEmailError(f"nothing that may stand {where} stands there")
        if found[0].startswith(".") or found[0].endswith(".") or ".." in found[0]:
            raise InvalidEmailError(f"a dot begins, ends or is doubled in {found[0]!r}")

    def phrase(self) -> None:
        words = 0
        while True:
            if words:
                self.skip_comments()
            self.skip_space()
            if not self.rest:
                break
            found = self.take(_QUOTED if self.rest.startswith('"') else _ATOM)
            if found is None:
                break
            if not found[0].startswith('"'):
                try:
                    _check_encoded_word(found[0])
                except InvalidEmailError:
                    if not words:
                        raise
                    break
            words += 1
        if not words:
            raise InvalidEmailError("there is no name and no address")


def _check_encoded_word(word: str) -> None:
    """RFC 2047: only the character sets that the reference knows."""
    found = _ENCODED_WORD.fullmatch(word)
    if found and found[1].lower() not in _KNOWN_CHARSETS:
        raise InvalidEmailError(f"the character set {found[1]!r} is not known")
