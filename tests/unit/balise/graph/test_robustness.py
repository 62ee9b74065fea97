"""Whatever a catalog or a template holds: an answer, or an error that says what is wrong, never a traceback."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from balise.checks.catalog import check_blobs
from balise.graph.diff import compare_catalogs
from balise.graph.merging import merge_catalogs
from balise.graph.mermaid import mermaid
from balise.graph.migration import to_metadata
from balise.graph.rendering import RenderedBundle
from balise.graph.templates import SCHEMAS, render_template
from balise.model.catalog import catalog_from_blobs
from balise.model.catalog_blobs import BLOB_TYPES
from balise.model.errors import BaliseError
from balise.model.go_types import fields_of

WORDS = st.sampled_from(
    ["", "app", "stable", "app.v1", "app.v2", "1.0.0", "<2.0.0", "x/y:1", "olm.package", "olm.bundle"]
)
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.just(1.5) | WORDS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2), max_leaves=4
)


def value_of(kind: str, depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly of the type that the field has, sometimes anything."""
    kind = kind.lstrip("*")
    if depth > 4:
        return SCALARS
    if kind.startswith("[]"):
        fitting: st.SearchStrategy[Any] = st.lists(value_of(kind[2:], depth + 1), max_size=3)
    elif fields := fields_of(kind):
        fitting = st.fixed_dictionaries({}, optional={name: value_of(each, depth + 1) for name, each, _ in fields})
    else:
        fitting = {"raw": JSON, "bytes": st.sampled_from(["", "aWNv", "%"])}.get(kind, WORDS)
    return fitting if depth < 2 else st.one_of(*[fitting] * 5, JSON)


BLOBS = st.lists(
    st.one_of(
        *(value_of(kind).map(lambda blob, name=name: {**blob, "schema": name}) for name, kind in BLOB_TYPES.items())
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=80)
@given(BLOBS, BLOBS)
def test_catalogs(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    problems = check_blobs(new)
    assert all(isinstance(problem, str) and problem for problem in problems)
    with contextlib.suppress(BaliseError):
        catalogs = [catalog_from_blobs(old), catalog_from_blobs(new)]
        for change in compare_catalogs(*catalogs):
            assert change.message
        mermaid(catalogs[1])
        merged = merge_catalogs([("old", catalogs[0]), ("new", catalogs[1])])
        assert [to_metadata(to_metadata(blob)) for blob in merged] == [to_metadata(blob) for blob in merged]


def renderer(image: str) -> RenderedBundle:
    properties = [{"type": "olm.package", "value": {"packageName": "app", "version": "1.0.0"}}]
    return RenderedBundle(
        {"schema": "olm.bundle", "name": "app.v1", "package": "app", "image": image, "properties": properties}, "", None
    )


LIST_OF_IMAGES = st.fixed_dictionaries(
    {}, optional={"bundles": st.lists(st.fixed_dictionaries({}, optional={"image": WORDS})) | JSON}
)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(SCHEMAS),
    st.dictionaries(
        st.sampled_from(["generateMajorChannels", "defaultChannelTypePreference", "ENTRIES", "x"]), JSON, max_size=2
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "entries": BLOBS | JSON,
            "stable": LIST_OF_IMAGES | JSON,
            "substitutions": st.lists(st.fixed_dictionaries({"name": WORDS, "base": WORDS}), max_size=2) | JSON,
        },
    ),
)
def test_templates(schema: str, some: dict[str, Any], more: dict[str, Any]) -> None:
    template = json.dumps({**some, **more, "schema": schema}).encode()
    with contextlib.suppress(BaliseError):
        blobs = render_template(Path("template.json"), template, renderer)
        assert all(blob["schema"] for blob in blobs)
