"""Catalog templates, edited in place: a version enters its channels and the rest of the file stays as it was written.

Every edit is read again and compared with what was wanted, so an unusual style ends in a refusal, never in a catalog
that says something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from balise.graph.templates import basic, semver
from balise.model.documents import Document, FieldPath, file_bytes, first_document
from balise.model.errors import InputError
from balise.model.yaml_editing import scalar
from balise.model.yaml_text import Json, SyntaxProblem, resolve_plain

__all__ = ["ARCHETYPES", "Template", "is_editable", "listed_in", "parse_template", "tag_of"]

ARCHETYPES: Final = ("candidate", "fast", "stable")
"""The channels of a semver template, before their version is added."""


@dataclass(frozen=True)
class Template:
    """A template's text and what it says; methods give a new one."""

    path: str
    document: Document

    @property
    def text(self) -> str:
        """The file's text."""
        return self.document.text.decode("utf-8")

    @property
    def schema(self) -> str:
        """``olm.semver``, ``olm.template.basic`` or another."""
        return str(_get(self.document.data, "schema") or "")

    @property
    def images(self) -> list[str]:
        """Image references of all bundles, in their order."""
        if self.schema == semver.SCHEMA:
            found = [each for archetype in ARCHETYPES for each in self._listed(archetype)]
        else:
            found = [_get(each, "image") for each in self._entries() if _get(each, "schema") == "olm.bundle"]
        return list(dict.fromkeys(str(each) for each in found if each))

    def archetypes_of(self, version: str) -> list[str]:
        """Which of candidate, fast and stable list an image whose tag is the version."""
        return [name for name in ARCHETYPES if any(tag_of(each) == version for each in self._listed(name))]

    def channel_names(self, archetype: str, major: int, minor: int) -> list[str]:
        """The channels that a semver template makes for an archetype and a version."""
        by_major = bool(_get(self.document.data, "generateMajorChannels"))
        by_minor = bool(_get(self.document.data, "generateMinorChannels")) or not by_major
        names = [f"{archetype}-v{major}"] if by_major else []
        return [*names, f"{archetype}-v{major}.{minor}"] if by_minor else names

    def _listed(self, archetype: str) -> list[str]:
        bundles = _get(_get(self.document.data, archetype) or {}, "bundles") or []
        return [str(_get(each, "image") or "") for each in bundles if isinstance(each, dict)]

    def _entries(self) -> list[Any]:
        found = _get(self.document.data, "entries") or []
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def channel(self, name: str) -> FieldPath | None:
        """Where a basic template describes a channel."""
        for index, each in enumerate(_get(self.document.data, "entries") or ()):
            if isinstance(each, dict) and _get(each, "schema") == "olm.channel" and _get(each, "name") == name:
                return _key(self.document.data, "entries"), index
        return None

    # --- Edits ---------------------------------------------------------------------------------------------------

    def add_to_archetype(self, archetype: str, image: str) -> Template:
        """A semver template that lists the image there, too."""
        data: Any = self.document.data
        key = _key(data, archetype)
        if _get(_get(data, archetype) or {}, "bundles"):
            return self._appended((key, _key(data[key], "bundles")), {"image": image})
        if key in data:
            raise self._refusal((key,), f"{archetype} lists no bundle")
        wanted = {**data, archetype: {"bundles": [{"image": image}]}}
        text = self.text if self.text.endswith("\n") else f"{self.text}\n"
        return self._checked(f"{text}{archetype}:\n  bundles:\n  - image: {_text(image)}\n", wanted)

    def add_entry(self, blob: Mapping[str, Any]) -> Template:
        """A basic template with one more blob."""
        return self._appended((_key(self.document.data, "entries"),), blob)

    def add_to_channel(self, channel: FieldPath, entry: Mapping[str, Any]) -> Template:
        """A basic template in which the channel has one more entry."""
        return self._appended((*channel, _key(_at(self.document.data, channel), "entries")), entry)

    def add_skip(self, channel: FieldPath, name: str, skipped: str) -> Template:
        """A basic template in which the channel's entry *name* skips one more."""
        blob = _at(self.document.data, channel)
        key = _key(blob, "entries")
        index = next(n for n, each in enumerate(blob[key]) if _get(each, "name") == name)
        path = (*channel, key, index)
        entry = _at(self.document.data, path)
        if _get(entry, "skips"):
            return self._appended((*path, _key(entry, "skips")), skipped)
        found = self.document.nodes(path)
        if found is None or found[0].id != "mapping" or _key(entry, "skips") in entry:
            raise self._refusal(path, f"skips cannot be added to {name}")
        node = found[0]
        item = f"skips: [{scalar(skipped)}]"
        if node.flow_style:
            place, inserted = node.end_mark.index - 1, f", {item}"
        else:
            place = _end_of_line(self.text, _last_leaf(node))
            inserted = f"\n{' ' * node.value[0][0].start_mark.column}{item}"
        wanted = _unshared(self.document.data)
        _at(wanted, path)["skips"] = [skipped]
        return self._checked(self.text[:place].rstrip(" ") + inserted + self.text[place:], wanted)

    def _appended(self, path: FieldPath, item: Json) -> Template:
        """The text with one more item at the end of a list, in the list's own style."""
        found = self.document.nodes(path)
        if found is None or found[0].id != "sequence" or not found[0].value:
            raise self._refusal(path, "there is no list to add to")
        node = found[0]
        wanted = _unshared(self.document.data)
        _at(wanted, path).append(item)
        if node.flow_style:
            place = node.end_mark.index - 1
            return self._checked(self.text[:place].rstrip() + f", {_flow(item)}" + self.text[place:], wanted)
        place = _end_of_line(self.text, _last_leaf(node))
        indent = " " * node.start_mark.column
        lines = _block(item)
        inserted = "\n".join([f"{indent}- {lines[0]}", *(f"{indent}  {line}" for line in lines[1:])])
        return self._checked(f"{self.text[:place]}\n{inserted}{self.text[place:]}", wanted)

    def _checked(self, text: str, wanted: Json) -> Template:
        try:
            edited = parse_template(self.path, text.encode())
        except InputError:
            raise self._refusal((), "it is written in a way that cannot be edited in place") from None
        if json.dumps(edited.document.data, sort_keys=True) != json.dumps(wanted, sort_keys=True):
            raise self._refusal((), "it is written in a way that cannot be edited in place")
        return edited

    def _refusal(self, path: FieldPath, message: str) -> InputError:
        place = ":".join(map(str, self.document.locate(path)))
        return InputError(message, place=place, way_out="edit the template by hand, then release")


def parse_template(path: str, data: bytes) -> Template:
    """The template in a file's content; raises InputError where it is none."""
    try:
        document = first_document(path, data)
    except SyntaxProblem as problem:
        where = f"{path}:{problem.mark.line + 1}:{problem.mark.column + 1}"
        raise InputError(problem.message, place=where) from None
    if document is None or not isinstance(document.data, dict) or document.text != data:
        raise InputError("is not a template: one mapping with a schema is expected", place=path)
    return Template(path, document)


def listed_in(path: Path, version: str) -> list[str]:
    """Which of candidate, fast and stable list the version in a template file; none where it is no semver template."""
    template = parse_template(str(path), file_bytes(path))
    return template.archetypes_of(version) if template.schema == semver.SCHEMA else []


def tag_of(image: str) -> str:
    """The version that an image's tag is, without a leading v.

    >>> tag_of("example.com:5000/demo-bundle:v1.2.0@sha256:12")
    '1.2.0'
    """
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2].removeprefix("v")


def is_editable(schema: str) -> bool:
    """Whether a release can be added to templates of that schema."""
    return schema in (semver.SCHEMA, basic.SCHEMA)


def _key(mapping: Mapping[str, Any], name: str) -> str:
    """The key as it is spelled there; opm reads keys in whatever case."""
    return next((key for key in mapping if key.lower() == name.lower()), name)


def _get(mapping: Any, name: str) -> Any:
    return mapping.get(_key(mapping, name)) if isinstance(mapping, dict) else None


def _at(data: Any, path: FieldPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _unshared(data: Json) -> Any:
    """A copy in which what an anchor shares is apart, so that an edit that would reach further is seen."""
    return json.loads(json.dumps(data))


def _last_leaf(node: Any) -> int:
    """Where the last text of a node ends: a block's own end mark is beyond the comments after it."""
    while not (node.id == "scalar" or node.flow_style or not node.value):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _end_of_line(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found


def _block(item: Json) -> list[str]:
    """An item's lines in block style, lists of texts on one line."""
    if not isinstance(item, dict):
        return [_flow(item)]
    lines = []
    for key, value in item.items():
        if isinstance(value, list) and any(isinstance(each, dict) for each in value):
            lines.append(f"{key}:")
            lines += [
                f"{'- ' if number == 0 else '  '}{line}" for each in value for number, line in enumerate(_block(each))
            ]
        else:
            lines.append(f"{key}: {_text(value) if isinstance(value, str) else _flow(value)}")
    return lines


_BARE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@+-]*[A-Za-z0-9]")


def _text(value: str) -> str:
    """Text as a person writes it in a block: an image reference needs no quotes there."""
    return value if _BARE.fullmatch(value) and resolve_plain(value) == value else scalar(value)


def _flow(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)
