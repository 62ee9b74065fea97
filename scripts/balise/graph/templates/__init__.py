"""opm's catalog templates, read and rendered as opm does: semver, basic and substitutes, told apart by their schema."""

from __future__ import annotations

from pathlib import Path

from balise.graph.rendering import Blob
from balise.graph.templates import basic, semver, substitutes
from balise.graph.templates.sources import BundleRenderer
from balise.model.documents import first_document
from balise.model.errors import InputError
from balise.model.yaml_text import SyntaxProblem

__all__ = ["SCHEMAS", "render_template"]

_RENDERERS = {
    semver.SCHEMA: semver.render,
    basic.SCHEMA: basic.render,
    substitutes.SCHEMA: substitutes.render,
}
SCHEMAS = tuple(_RENDERERS)
"""The template schemas that are known."""


def render_template(path: Path, data: bytes, renderer: BundleRenderer) -> list[Blob]:
    """The blobs of the catalog that a template describes, in the order in which they are written.

    Args:
        path: the template's file, for messages.
        data: its content.
        renderer: gives the bundle that stands at an image reference.

    Raises:
        InputError: when it is no template, or not one that opm would take; with file, line and column.
    """
    try:
        document = first_document(str(path), data)
    except SyntaxProblem as problem:
        mark = problem.mark
        raise InputError(problem.message, place=f"{path}:{mark.line + 1}:{mark.column + 1}") from None
    if document is None or not isinstance(document.data, dict):
        raise InputError("is not a template: a mapping with a schema is expected", place=str(path))
    names = [key for key in document.data if key.lower() == "schema"]
    schema = document.data[names[0]] if names else None
    if not isinstance(schema, str) or schema not in _RENDERERS:
        raise InputError(
            f"the schema {schema!r} is not that of a template" if names else "the template has no schema",
            place=_place(document.locate((names[0],) if names else ())),
            way_out=f"known: {', '.join(SCHEMAS)}",
        )
    return _RENDERERS[schema](document, renderer)


def _place(position: tuple[str, int, int]) -> str:
    return ":".join(map(str, position))
