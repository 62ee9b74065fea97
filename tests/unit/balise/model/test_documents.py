"""Documents in files, and the places of values in them."""

from __future__ import annotations

import pytest

from balise.model.documents import (
    Document,
    FieldPath,
    Memo,
    SeparatorProblem,
    first_document,
    parse_json,
    render_path,
    split_documents,
)
from balise.model.yaml_text import SyntaxProblem, load

TEXT = b"""\
---
# a comment
kind: Example
spec:
  list:
  - {name: a, value: 1}
  - name: b
    Value: 2
  empty: {}
"""


@pytest.mark.parametrize(
    ("path", "place", "end"),
    [
        ((), (3, 1), 2),
        (("kind",), (3, 7), 14),
        (("spec",), (4, 1), 5),
        (("spec", "list"), (5, 3), 7),
        (("spec", "list", 0, "value"), (6, 22), 23),
        (("spec", "list", 1), (7, 5), 6),
        # Found in another case, as Go finds fields.
        (("spec", "list", 1, "value"), (8, 12), 13),
        # What is absent belongs to its nearest parent.
        (("spec", "list", 5), (5, 3), 7),
        (("spec", "list", 1, "absent", "more"), (7, 5), 6),
        (("spec", "empty", "absent"), (9, 3), 8),
        (("metadata", "name"), (3, 1), 2),
    ],
)
def test_places(path: FieldPath, place: tuple[int, int], end: int) -> None:
    document = first_document("f.yaml", TEXT)
    assert document is not None
    span = document.span(path)
    assert span.start == ("f.yaml", *place)
    assert span.end_column == end


def test_places_in_a_later_document_and_of_nothing() -> None:
    document = first_document("f", b"# nothing\n---\n---\na: {b: c}\n")
    assert document is not None
    assert document.data is None
    assert document.locate(("a",)) == ("f", 1, 1)
    later = Document("f", b"a: {b: c}\n", {}, 7)
    assert later.locate(("a", "b")) == ("f", 8, 8)
    assert later.source_line(8) == "a: {b: c}"
    assert later.source_line(1) == ""


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        (b"", []),
        (b"a\n", [b"a\n"]),
        (b"---\na\n", [b"---\na\n"]),
        (b"a\n---\nb\n", [b"a\n", b"b\n"]),
        (b"a\n--- # note\nb\n---\n", [b"a\n", b"b\n"]),
        (b"a\n---", [b"a\n"]),
        (b"a: |\n  ---\n", [b"a: |\n  ---\n"]),
    ],
)
def test_documents_of_a_file(data: bytes, documents: list[bytes]) -> None:
    assert [chunk.text for chunk in split_documents(data)] == documents


def test_a_separator_has_its_line_to_itself() -> None:
    with pytest.raises(SeparatorProblem) as caught:
        list(split_documents(b"a\nb\n--- c\n"))
    assert caught.value.mark == (2, 3)


def test_problems_are_placed_in_the_file() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        first_document("f", b"---\na: {\n")
    assert caught.value.mark.line == 2


def test_paths_as_kubernetes_writes_them() -> None:
    assert render_path(("a", 0, "b", "c.d/e")) == "a[0].b[c.d/e]"


@pytest.mark.parametrize("text", ["[NaN]", "{", "[1,]", "", "[" * 100_000])
def test_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_json_with_a_long_number() -> None:
    assert parse_json(f"[{'9' * 10_000}, 1]")[1] == 1


def test_a_memo_forgets_the_oldest_first() -> None:
    memo = Memo(limit=10)
    first = memo.load(b"[1, 2]")
    assert memo.load(b"[1, 2]") is first
    memo.load(b"[3, 4]")
    assert memo.load(b"[1, 2]") is not first
    assert memo.load(b"[" + b"1, " * 20 + b"]") == load("[" + "1, " * 20 + "]")
