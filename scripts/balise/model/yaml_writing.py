"""JSON values as YAML text: the same value gives the same bytes, and every YAML reader gets the same value back.

Written with libyaml, ten times faster than PyYAML's own emitter: a catalog has megabytes.
"""

from __future__ import annotations

import re

import yaml
from yaml import CSafeDumper

from balise.model.yaml_text import Json

__all__ = ["dump", "dump_all", "scalar_style"]

# Words that PyYAML writes bare but that other YAML readers take for numbers or booleans: 1e3, 0o17, 1:30, y, n.
_AMBIGUOUS = re.compile(r"[-+.]?[0-9][0-9a-zA-Z_+:.-]*|[yYnN]")
# Line breaks to some YAML readers; only escaped do they come back as they were.
_BREAKS = re.compile("[\r\x85\u2028\u2029]")


def scalar_style(value: str) -> str | None:
    """The style in which text is safe and readable: quoted, literal, or None where the emitter may choose."""
    if _AMBIGUOUS.fullmatch(value) or _BREAKS.search(value):
        return '"'
    return "|" if "\n" in value else None


class _Dumper(CSafeDumper):
    """Block style, no aliases, long texts as literal blocks."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=scalar_style(value))


_Dumper.add_representer(str, _text)


def dump(value: Json) -> str:
    """One YAML document with sorted keys."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=110
    )
    return text


def dump_all(values: list[Json]) -> str:
    """A stream of documents, each opened by ``---``, as opm writes a catalog."""
    return "".join(f"---\n{dump(value)}" for value in values)
