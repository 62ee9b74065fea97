"""Reading a catalog's files as opm's decoder does."""

from __future__ import annotations

from pathlib import Path

import pytest

from balise.model.catalog_files import ReadProblem, catalog_files, load_catalog, read_documents
from balise.model.errors import InputError


def read(data: str) -> list[object]:
    """The documents' data; a problem as its place and message."""
    return [
        f"{document.position.line}:{document.position.column} {document.message}"
        if isinstance(document, ReadProblem)
        else document.data
        for _, document in read_documents("catalog", data.encode())
    ]


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("---\na: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}], id="yaml"),
        pytest.param("# only\n---\na: 1\n", [None, {"a": 1}], id="comments before a separator are a document"),
        pytest.param("---\n# inside\na: 1\n", [{"a": 1}], id="comments after it are not"),
        pytest.param("a: 1\n---\n", [{"a": 1}], id="separator at the end"),
        pytest.param("a: 1\n---\n\n", [{"a": 1}, None], id="blank line after the last separator"),
        pytest.param('{"a": 1}{"b": 2}\n{"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}], id="json stream"),
        pytest.param('{"a": 1}\n---\nb: 2\n', [{"a": 1}, {"b": 2}], id="json, then yaml"),
        pytest.param("{a: 1}\n---\n{b: 2}\n", [{"a": 1}, {"b": 2}], id="yaml that begins with a brace"),
        pytest.param('{"a": 1}{"b": 2}\n---\nc: 3\n', [{"a": 1}, {"b": 2}, "2:1 not JSON: Expecting value"],
                     id="after two json values there is no yaml"),
        pytest.param('{"a": 1}{"a": 2}{"a": 1e999}',
                     [{"a": 1}, {"a": 2}, "1:17 not JSON: the number 1e999 is too large"], id="number too large"),
        pytest.param('{"a": NaN}', [{"a": "NaN"}], id="NaN is no json, and text in yaml"),
        pytest.param("a: 1\n--- b\nc: 2\n",
                     ["2:4 a line that starts with --- may only go on with a comment, not 'b'"], id="separator line"),
        pytest.param("a: &a *a\n---\nb: 1\n", ["1:7 while parsing a block mapping did not find expected key", {"b": 1}],
                     id="a broken document does not hide the next"),
    ],
)  # fmt: skip
def test_documents(data: str, documents: list[object]) -> None:
    assert read(data) == documents


def test_places_in_json() -> None:
    documents = dict(read_documents("catalog", b'{"a": 1} {"b":\n {"c": "\xc3\xa9", "d": 2}}'))
    (_, second) = documents.values()
    assert not isinstance(second, ReadProblem)
    assert second.locate()[1:] == (1, 10)
    assert second.locate(("b", "d"))[1:] == (2, 18)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_every_file_counts_but_what_indexignore_names(tmp_path: Path) -> None:
    write(tmp_path, README="not yaml: [", b__catalog="schema: x", a__notes="z: 1", a__keep="schema: y")
    assert catalog_files(tmp_path) == ["README", "a/keep", "a/notes", "b/catalog"]
    (tmp_path / ".indexignore").write_text("README\n/a/*\n!keep\n")
    assert catalog_files(tmp_path) == ["a/keep", "b/catalog"]
    (tmp_path / "a/.indexignore").write_text("keep\n")
    assert catalog_files(tmp_path) == ["b/catalog"]


def test_catalog_is_typed(tmp_path: Path) -> None:
    write(tmp_path, catalog="""
schema: olm.package
name: app
defaultChannel: stable
---
schema: olm.channel
package: app
name: stable
entries: [{name: app.v1, skips: [app.v0]}]
""")  # fmt: skip
    catalog = load_catalog(tmp_path)
    assert [package.default_channel for package in catalog.packages] == ["stable"]
    assert catalog.channels[0].entries[0].skips == ("app.v0",)
    assert load_catalog(tmp_path / "catalog") == catalog


def test_unreadable_catalog_says_where(tmp_path: Path) -> None:
    write(tmp_path, catalog="a: 1\n---\n[b]: 1\n")
    with pytest.raises(InputError, match="catalog:3:1: a mapping key"):
        load_catalog(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_catalog(tmp_path / "absent")
