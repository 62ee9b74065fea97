"""Names that are made of other names, and must not become too long. Pure."""

import hashlib

__all__ = ["made_name", "shortened"]

_HASH = 8
_LONGEST_MAKER = 44
_UID = 6


def made_name(maker: str, uid: str, what: str) -> str:
    """The name of what a run makes and what may outlive it: the same each time, and not that of a namesake's.

    >>> made_name("web-2", "0a1b2c3d-4e5f", "before")
    'web-2-before-0a1b2c'
    """
    return f"{shortened(maker, _LONGEST_MAKER)}-{what}-{uid.replace('-', '')[:_UID]}"


def shortened(name: str, longest: int) -> str:
    """The name, or its beginning with a hash over all of it: two names that differ stay different.

    >>> shortened("web-2", 10), len(shortened("a-very-long-name", 12))
    ('web-2', 12)
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - _HASH - 1].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH]}"
