"""JSON text as Go's encoding/json writes it: compact, keys sorted, and what HTML would trip over escaped."""

from __future__ import annotations

import json

from balise.model.yaml_text import Json

__all__ = ["compact"]

_HTML = str.maketrans({
    "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029",
})  # fmt: skip


def compact(value: Json) -> str:
    r"""*value* as Go's json.Marshal writes a map.

    >>> compact({"b": "<a>", "a": [1.0, None]})
    '{"a":[1,null],"b":"\\u003ca\\u003e"}'
    """
    # None of the characters can stand outside of a string, so the whole text may be translated at once.
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).translate(_HTML)


def _plain(value: Json) -> Json:
    """Go writes a float without a fraction as a whole number."""
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if value.is_integer() and abs(value) < 1e21:
            return int(value)
        case _:
            return value
