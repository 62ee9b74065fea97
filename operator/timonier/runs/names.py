"""Names that are made of other names, and must not become too long. Pure."""

import hashlib

__all__ = ["shortened"]

_HASH = 8


def shortened(name: str, longest: int) -> str:
    """The name, or its beginning with a hash over all of it: two names that differ stay different.

    >>> shortened("web-2", 10), len(shortened("a-very-long-name", 12))
    ('web-2', 12)
    """
    if len(name) <= longest:
        return name
    return f"{name[: longest - _HASH - 1].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH]}"
