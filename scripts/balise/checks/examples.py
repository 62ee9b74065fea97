"""Places inside the example objects of a ClusterServiceVersion, which are a text within its YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from balise.model.documents import Document

if TYPE_CHECKING:
    from balise.model.documents import FieldPath
    from balise.model.yaml_text import Json

__all__ = ["inner_document"]


def inner_document(outer: Document, path: FieldPath, data: Json) -> Document | None:
    """The lines of the block scalar at *path* as a document of its own, whose places are places in the file.

    None for a text in quotes, whose lines are not those of what it says.
    """
    found = outer.nodes(path)
    if found is None or found[0].style != "|":
        return None
    start, end = found[0].start_mark.line + 1, found[0].end_mark.line
    lines = outer.text.split(b"\n")[start : end + 1]
    return Document(outer.file, b"\n".join(lines), data, outer.line + start)
