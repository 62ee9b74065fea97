"""What a hostile client makes of a good document: wrong types, holes, depth, repetition, and broken bytes."""

import copy
import json
from random import Random
from typing import Any, Final

__all__ = ["broken_bytes", "mutated"]

_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 2**63, 10**400, 0.5, 1e308, "", "x", "a" * 300, "\x00", "\ud800", "é\u202e", "1", "null",
    "/../..", [], [None], [[]], ["x", 1], {}, {"": None}, {"name": []}, {"name": "x", "namespace": 5},
    "2026-13-45T99:99:99Z", "9" * 30, "true", [{}], {"spec": {}},
)  # fmt: skip
_DEEP: Final = (2, 3, 4, 5, 20, 30, 300, 1_500)


def mutated(document: Any, random: Random) -> Any:
    """A copy in which one to four things are not as they were."""
    whole = [copy.deepcopy(document)]
    for _ in range(random.randint(1, 4)):
        holder, key = random.choice(_places(whole))
        _change(holder, key, random)
    return whole[0]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each place that a value stands at: what holds it, and under which key or number."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        holder = left.pop()
        entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, inner in entries:
            found.append((holder, key))
            if isinstance(inner, dict | list):
                left.append(inner)
    return found


def _change(holder: Any, key: Any, random: Random) -> None:
    match random.randrange(6):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[random.choice(["", "spec", "metadata", f"{key}x", "\udfff"])] = holder.pop(key)
        case 2:
            inner: Any = holder[key]
            for _ in range(random.choice(_DEEP)):
                inner = [inner] if random.random() < 0.5 else {"a": inner}
            holder[key] = inner
        case 3:
            holder[key] = [holder[key]] * random.randint(0, 3)
        case _:
            holder[key] = copy.deepcopy(random.choice(_ODD))


def broken_bytes(document: Any, random: Random) -> bytes:
    """The document as JSON with something wrong in the bytes themselves."""
    text = bytearray(json.dumps(document).encode())
    where = random.randrange(len(text))
    match random.randrange(5):
        case 0:
            del text[where:]
        case 1:
            text[where] = random.randrange(256)
        case 2:
            text[where:where] = random.choice(
                [b"NaN", b"Infinity", b"\xff\xfe", b"\x00", b"1e999", b"9" * 5000, b"\\u"]
            )
        case 3:
            text *= 2
        case _:
            text = bytearray(text.decode().encode(random.choice(["utf-16", "utf-32", "utf-8-sig"])))
    return bytes(text)
