"""Reading a template's own fields with the strictness of opm: nothing unknown, nothing of the wrong type."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from balise.model.documents import Document, FieldPath, render_path
from balise.model.errors import InputError

__all__ = ["Fields", "Strict"]


class Strict:
    """A document under reading."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def mapping(self, path: FieldPath, known: set[str]) -> Fields:
        """The mapping at *path*, which may have the *known* fields, in whatever case, and no others."""
        value: Any = self.document.data
        for step in path:
            value = value[step]
        if not isinstance(value, dict):
            raise self.wrong(path, "is not a mapping", "")
        folded = {name.lower(): name for name in known}
        keys: dict[str, str] = {}
        # Of keys that differ in case only, the last one in the order of Go's JSON counts.
        for key in sorted(value):
            name = folded.get(key.lower())
            if name is None:
                near = difflib.get_close_matches(key, sorted(known), 1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
                raise self.wrong((*path, key), "is not known", hint)
            keys[name] = key
        return Fields(self, path, value, keys)

    def wrong(self, path: FieldPath, message: str, way_out: str) -> InputError:
        """An error about the value at *path*."""
        place = ":".join(map(str, self.document.locate(path)))
        return InputError(f"{render_path(path) or 'the template'} {message}", place=place, way_out=way_out)


class Fields:
    """A mapping's fields under their canonical names."""

    def __init__(self, reader: Strict, path: FieldPath, value: dict[str, Any], keys: dict[str, str]) -> None:
        self._reader = reader
        self._path = path
        self._value = value
        self._keys = keys

    def wrong(self, name: str, message: str, way_out: str = "") -> InputError:
        """An error about the field *name*."""
        return self._reader.wrong(self.path(name), message, way_out)

    def path(self, name: str) -> FieldPath:
        """Where the field stands, as it is spelled there."""
        return *self._path, self._keys.get(name, name)

    def value(self, name: str) -> Any:
        """The field's value; None where it is absent."""
        return self._value.get(self._keys.get(name, name))

    def text(self, name: str) -> str:
        """A text; empty where it is absent."""
        value = self.value(name)
        if value is None:
            return ""
        # sigs.k8s.io/yaml makes text of a number or a boolean where text is wanted.
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int)):
            return str(value)
        raise self.wrong(name, f"is {value!r}", "expected text")

    def flag(self, name: str) -> bool:
        """A boolean; false where it is absent."""
        value = self.value(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, f"is {value!r}", "expected true or false")
        return bool(value)

    def child(self, name: str, known: set[str]) -> Fields | None:
        """A mapping; None where it is absent."""
        return None if self.value(name) is None else self._reader.mapping(self.path(name), known)

    def children(self, name: str, known: set[str]) -> Iterator[Fields]:
        """A list of mappings; nothing where it is absent."""
        value = self.value(name)
        if value is not None and not isinstance(value, list):
            raise self.wrong(name, "is not a list")
        for index in range(len(value or ())):
            yield self._reader.mapping((*self.path(name), index), known)
