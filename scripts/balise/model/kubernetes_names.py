"""Names as Kubernetes allows them (apimachinery, pkg/util/validation). Lengths are counted in bytes of UTF-8.

Each function returns what is wrong with the text, one sentence for each rule broken; empty where it is fine.
"""

from __future__ import annotations

import re

__all__ = ["dns1035_label", "dns1123_label", "dns1123_subdomain", "label_value", "qualified_name"]

_DNS1123_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_LABEL = re.compile(_DNS1123_LABEL, re.ASCII)
_SUBDOMAIN = re.compile(rf"{_DNS1123_LABEL}(?:\.{_DNS1123_LABEL})*", re.ASCII)
_DNS1035_LABEL = re.compile("[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile("(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)
_QUALIFIED = re.compile("(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)


def _check(text: str, limit: int, pattern: re.Pattern[str], form: str) -> list[str]:
    problems = []
    if len(text.encode("utf-8", "surrogatepass")) > limit:
        problems.append(f"more than {limit} characters long")
    if not pattern.fullmatch(text):
        problems.append(form)
    return problems


def dns1123_subdomain(text: str) -> list[str]:
    """A DNS subdomain, such as most objects' names.

    >>> dns1123_subdomain("etcd.v1.0.0"), dns1123_subdomain("Etcd")
    ([], ['only lower-case letters, digits, - and . are allowed, beginning and ending with a letter or digit'])
    """
    return _check(
        text,
        253,
        _SUBDOMAIN,
        "only lower-case letters, digits, - and . are allowed, beginning and ending with a letter or digit",
    )


def dns1123_label(text: str) -> list[str]:
    """A DNS label, such as a namespace's or a package's name."""
    return _check(
        text,
        63,
        _LABEL,
        "only lower-case letters, digits and - are allowed, beginning and ending with a letter or digit",
    )


def dns1035_label(text: str) -> list[str]:
    """A DNS label that begins with a letter, such as a resource's plural name."""
    return _check(
        text,
        63,
        _DNS1035_LABEL,
        "only lower-case letters, digits and - are allowed, beginning with a letter and ending with a letter or digit",
    )


def label_value(text: str) -> list[str]:
    """A label's value; may be empty."""
    return _check(
        text,
        63,
        _LABEL_VALUE,
        "only letters, digits, -, _ and . are allowed in a label, beginning and ending with a letter or digit",
    )


def qualified_name(text: str) -> list[str]:
    """The key of a label or annotation: a name, optionally after a DNS subdomain and a slash."""
    prefix, *rest = text.split("/")
    if len(rest) > 1:
        return ["only one / is allowed in a key"]
    problems = []
    name = rest[0] if rest else prefix
    if rest:
        problems += ["nothing stands before the /"] if not prefix else dns1123_subdomain(prefix)
    if not name:
        problems.append("the name is empty")
    return problems + _check(
        name,
        63,
        _QUALIFIED,
        "only letters, digits, -, _ and . are allowed in a key, beginning and ending with a letter or digit",
    )
