from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balise.model.yaml_editing import Change, NotEditableError, edited, scalar
from balise.model.yaml_text import load

TEXT = b"""\
# what this is
metadata:
    name: example   # its name
    annotations: {a: 'one', "b": two}
spec:
- x: v1.28 # keep
  y: |
    many
    lines
"""


@pytest.mark.parametrize(
    ("change", "line", "wanted"),
    [
        (Change("set", ("metadata", "name"), "other"), 2, b"    name: other   # its name"),
        (Change("set", ("spec", 0, "x"), "1.28.0"), 5, b"- x: 1.28.0 # keep"),
        (Change("set", ("spec", 0, "x"), "1.28"), 5, b'- x: "1.28" # keep'),
        (Change("set", ("metadata", "annotations", "a"), "it's"), 3, b"    annotations: {a: 'it''s', \"b\": two}"),
        (Change("rename", ("metadata", "annotations", "b"), "c"), 3, b"    annotations: {a: 'one', \"c\": two}"),
        (
            Change("insert", ("metadata", "annotations", "c"), "no"),
            3,
            b'    annotations: {"c": "no", a: \'one\', "b": two}',
        ),
        (Change("insert", ("metadata", "labels"), "x"), 2, b"    labels: x\n    name: example   # its name"),
        (Change("insert", ("spec", 0, "w"), "true"), 5, b'- w: "true"\n  x: v1.28 # keep'),
    ],
)
def test_only_the_place_changes(change: Change, line: int, wanted: bytes) -> None:
    lines = TEXT.split(b"\n")
    lines[line] = wanted
    assert edited(TEXT, [change]) == b"\n".join(lines)


@pytest.mark.parametrize(
    ("text", "change", "why"),
    [
        (TEXT, Change("set", ("spec", 0, "y"), "x"), "no text on one line"),
        (TEXT, Change("set", ("metadata", "missing"), "x"), "no text on one line"),
        (TEXT, Change("rename", ("metadata", "annotations", "a"), "b"), "there already"),
        (TEXT, Change("insert", ("metadata", "name"), "x"), "there already"),
        (TEXT, Change("insert", ("metadata", "name", "x"), "x"), "no mapping"),
        (b"a: &x v1\nb: *x\n", Change("set", ("b",), "v2"), "not be YAML afterwards"),
        (b"a: &x {k: v1}\nb: *x\n", Change("set", ("b", "k"), "v2"), None),
        (b"a: 1\na: 2\n", Change("set", ("a",), "3"), "further"),
        (b"a: \xff\n", Change("set", ("a",), "3"), "UTF-8"),
    ],
)
def test_refuses_what_would_change_more(text: bytes, change: Change, why: str | None) -> None:
    if why is None:
        # Both places share the mapping: the values say so, and so does the edit.
        assert load(edited(text, [change])) == {"a": {"k": "v2"}, "b": {"k": "v2"}}
        return
    with pytest.raises(NotEditableError, match=why):
        edited(text, [change])


def test_carriage_returns_byte_order_mark_and_further_documents_stay() -> None:
    text = "\ufeffa: ü\r\nb: x\r\n---\r\nc: d\r\n".encode()
    assert edited(text, [Change("set", ("b",), "z")]) == "\ufeffa: ü\r\nb: z\r\n---\r\nc: d\r\n".encode()


@given(st.text(), st.sampled_from([None, "'", '"']))
def test_a_scalar_reads_as_its_text(value: str, style: str | None) -> None:
    try:
        written = scalar(value, style).encode("utf-8")
    except UnicodeEncodeError:
        return
    assert load(b"key: " + written) == {"key": value}
