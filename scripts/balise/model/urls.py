"""URLs as the reference tools parse them: the rules of Go's net/url, stricter and laxer than Python's in places."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["InvalidUrlError", "Url", "parse_request_uri", "parse_url"]


class InvalidUrlError(ValueError):
    """The text is no URL; the message says why."""


@dataclass(frozen=True, slots=True)
class Url:
    """The parts that checks ask for; absent ones are empty. ``user`` is None where there is no ``@``."""

    scheme: str = ""
    host: str = ""
    user: str | None = None
    query: str = ""
    fragment: str = ""


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)?:")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What may stand unescaped in a host (RFC 3986 3.2.2, and what Go adds to it); anything beyond ASCII may.
_HOST = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"]|[^\x00-\x7f]|%25|%[89A-Fa-f][0-9A-Fa-f])*")
_ZONE = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})*")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile(r"(?::[0-9]*)?")


def parse_request_uri(text: str) -> Url:
    """An absolute URI or an absolute path; raises :class:`InvalidUrlError`. A ``#`` has no meaning in it."""
    return _parse(text, by_request=True)


def parse_url(text: str) -> Url:
    """Any URL reference; raises :class:`InvalidUrlError`."""
    text, _, fragment = text.partition("#")
    found = _parse(text, by_request=False)
    _check_escapes(fragment)
    return Url(found.scheme, found.host, found.user, found.query, fragment)


def _parse(text: str, *, by_request: bool) -> Url:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise InvalidUrlError("it contains a control character")
    if not text and by_request:
        raise InvalidUrlError("it is empty")
    if text == "*":
        return Url()
    scheme, rest = _split_scheme(text)
    if rest.endswith("?") and rest.count("?") == 1:
        rest, query = rest[:-1], ""
    else:
        rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Url(scheme, query=query)
        if by_request:
            raise InvalidUrlError("it has no scheme such as https:// and is no absolute path either")
        if ":" in rest.partition("/")[0]:
            raise InvalidUrlError("its first part has a colon and yet is no scheme")
    host, user = "", None
    if rest.startswith("//") and (scheme or (not by_request and not rest.startswith("///"))):
        authority, slash, path = rest[2:].partition("/")
        user, host = _authority(scheme, authority)
        rest = slash + path
    _check_escapes(rest)
    return Url(scheme, host, user, query)


def _split_scheme(text: str) -> tuple[str, str]:
    found = _SCHEME.match(text)
    if found is None:
        return "", text
    if found[1] is None:
        raise InvalidUrlError("nothing stands before the first colon")
    return found[1].lower(), text[found.end() :]


def _check_escapes(text: str) -> None:
    if found := _ESCAPE.search(text):
        raise InvalidUrlError(f"{text[found.start() : found.start() + 3]!r} is no escape: write %25 for a % sign")


def _authority(scheme: str, authority: str) -> tuple[str | None, str]:
    user, at, host = authority.rpartition("@")
    _check_host(scheme, host)
    if not at:
        return None, host
    if not _USER.fullmatch(user):
        raise InvalidUrlError("the user name before @ has a character that must be escaped")
    _check_escapes(user)
    return user, host


def _check_host(scheme: str, host: str) -> None:
    bracket = host.rfind("[")
    if bracket > 0:
        raise InvalidUrlError("a [ stands inside the host name")
    if bracket == 0:
        _check_ip_literal(host)
        return
    colons = host.count(":")
    if colons:
        # Several hosts with ports, as databases have them, are fine except for http and https.
        start = host.find(":") if colons == 1 or scheme in ("http", "https") else host.rfind(":")
        if not _PORT.fullmatch(host[start:]):
            raise InvalidUrlError(f"{host[start:]!r} after the host is no port")
    if not _HOST.fullmatch(host):
        raise InvalidUrlError(f"{host!r} is no host name: it has a character that must not be in one")


def _check_ip_literal(host: str) -> None:
    name, bracket, port = host[1:].rpartition("]")
    if not bracket:
        raise InvalidUrlError("the ] after the host is missing")
    if not _PORT.fullmatch(port):
        raise InvalidUrlError(f"{port!r} after the host is no port")
    address, percent, zone = name.partition("%25")
    if not _HOST.fullmatch(address) or not _ZONE.fullmatch(zone) or (percent and not zone):
        raise InvalidUrlError(f"{host!r} is no IPv6 address")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        raise InvalidUrlError(f"{host!r} is no IPv6 address") from None
