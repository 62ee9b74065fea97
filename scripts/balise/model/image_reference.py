"""Image references as containers/image reads them (docker/reference): ``[host[:port]/]path[:tag][@digest]``."""

from __future__ import annotations

import re

__all__ = ["InvalidImageError", "check_image"]


class InvalidImageError(ValueError):
    """The text is no image reference; the message says why."""


_COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN_COMPONENT = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"((?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(\w[\w.-]{0,127}))?"
    r"(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile("[a-f0-9]{64}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


def check_image(text: str) -> None:
    """Raises :class:`InvalidImageError` unless *text* is an image reference.

    >>> check_image("registry.example.com:5000/team/app:1.0")
    """
    if _IDENTIFIER.fullmatch(text):
        raise InvalidImageError("64 hexadecimal digits are an image's identifier, not a reference")
    host, slash, rest = text.partition("/")
    if not slash or (host != "localhost" and not re.search("[.:]", host)):
        host, rest = "docker.io", text
    if host in ("docker.io", "index.docker.io"):
        host = "docker.io"
        rest = rest if "/" in rest else f"library/{rest}"
    name = rest.partition(":")[0]
    if name.lower() != name:
        raise InvalidImageError("the repository must be in lower case")
    found = _REFERENCE.fullmatch(f"{host}/{rest}")
    if found is None:
        raise InvalidImageError("it does not have the form [HOST[:PORT]/]PATH[:TAG][@DIGEST]")
    if len(found[1]) > 255:
        raise InvalidImageError("the name is longer than 255 characters")
    if found[3]:
        _check_digest(found[3])


def _check_digest(digest: str) -> None:
    algorithm, _, figures = digest.partition(":")
    if algorithm not in _DIGEST_LENGTHS:
        raise InvalidImageError(f"{algorithm!r} is no digest algorithm: use sha256")
    if len(figures) != _DIGEST_LENGTHS[algorithm] or figures.lower() != figures:
        raise InvalidImageError(f"a {algorithm} digest has {_DIGEST_LENGTHS[algorithm]} lower-case hexadecimal digits")
