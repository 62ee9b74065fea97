"""Lenses: how a group of an older version's fields stands for paths of the version that is stored. Pure.

A lens reads its fields from a stored spec, and writes them into one. Each owns some paths of the spec, and no two of a
kind own the same.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

__all__ = ["Lens", "Part", "Path", "View", "at", "chosen", "cut", "merge", "put_at", "same"]

Part = dict[str, Any]
"""A spec, as JSON values."""
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lens:
    """One group of fields. `get` gives those that are there; `put` starts from the old stored form, if any."""

    fields: tuple[str, ...]
    paths: tuple[Path, ...]
    get: Callable[[Part], Part]
    put: Callable[[Part, Part], None]


@dataclass(frozen=True, slots=True)
class View:
    """How an older version shows a spec, and what one that was put together anew has to keep.

    `model` is the typed model of the stored version. `broken` says which of its rules between fields is broken, those
    that the API server does not ask when somebody writes the older version.
    """

    lenses: tuple[Lens, ...]
    model: type[BaseModel]
    broken: Callable[[Any], str | None] = lambda _: None


def at(part: Mapping[str, Any], path: Path) -> Any:
    """What stands at a path, or None."""
    found: Any = part
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def put_at(part: Part, path: Path, value: Any) -> None:
    """Set what stands at a path, and make the objects that lead there."""
    for name in path[:-1]:
        inner = part.setdefault(name, {})
        if not isinstance(inner, dict):  # only a forged stash has anything else there
            inner = part[name] = {}
        part = inner
    part[path[-1]] = value


def cut(part: Part, paths: tuple[Path, ...]) -> Part:
    """Take what stands at the paths out of the part, and the objects that are empty without it; give it back."""
    taken: Part = {}
    for path in paths:
        parents = [part]
        for name in path[:-1]:
            inner = parents[-1].get(name)
            if not isinstance(inner, dict):
                break
            parents.append(inner)
        if len(parents) < len(path) or path[-1] not in parents[-1]:
            continue
        put_at(taken, path, parents[-1].pop(path[-1]))
        for name, parent, inner in reversed(list(zip(path, parents, parents[1:], strict=False))):
            if not inner:
                del parent[name]
    return taken


def merge(part: Part, other: Mapping[str, Any]) -> None:
    """Put another part over this one, object by object; what is no object is replaced."""
    for name, value in other.items():
        if isinstance(value, dict) and isinstance(part.get(name), dict):
            merge(part[name], value)
        else:
            part[name] = copy.deepcopy(value)


def same(field: str, *path: str) -> Lens:
    """A field that is spelt alike in both versions."""

    def get(part: Part) -> Part:
        value = at(part, path)
        return {} if value is None else {field: copy.deepcopy(value)}

    def put(values: Part, part: Part) -> None:
        if field in values:
            put_at(part, path, copy.deepcopy(values[field]))
        else:
            cut(part, (path,))

    return Lens((field,), (path,), get, put)


def chosen(field: str, path: Path, words: Mapping[Any, str]) -> Lens:
    """A field whose values have other words in the stored version: `words` has these by the older ones.

    A stored word that is not among them is not shown, and stays until somebody states the field.
    """
    shown = {stored: word for word, stored in words.items()}

    def get(part: Part) -> Part:
        value = at(part, path)
        return {field: shown[value]} if isinstance(value, str) and value in shown else {}

    def put(values: Part, part: Part) -> None:
        cut(part, (path,))
        if field in values:
            put_at(part, path, words[values[field]])

    return Lens((field,), (path,), get, put)
