from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from balise.generate.manifests import dump, read_manifests
from balise.model.errors import InputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_reads_back(value: object) -> None:
    assert yaml.safe_load(dump(value)) == value


def test_key_order_does_not_matter() -> None:
    assert dump({"b": 1, "a": {"d": 2, "c": 3}}) == dump({"a": {"c": 3, "d": 2}, "b": 1})


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "1:30", "y", "N", "yes", "0x1f", "1_000", "2026-01-31", "1.0", "~", ""]
)
def test_texts_that_look_like_something_else_are_quoted(text: str) -> None:
    assert dump([text])[2] in "'\""


def test_long_texts_are_literal_blocks() -> None:
    assert dump({"a": "one\ntwo\n"}) == "a: |\n  one\n  two\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "x.yaml:1:5: not valid YAML"),
        ("a: 1\na: 2\n", "x.yaml:2:1: not valid YAML: key 'a' is given twice"),
        ("just text", "not a Kubernetes object"),
        ("kind: Pod\napiVersion: v1\nmetadata: {}\n", "not a Kubernetes object"),
    ],
)
def test_bad_files_say_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"x\.yaml") as caught:
        read_manifests(path)
    assert message in str(caught.value)


def test_empty_documents_are_left_out_and_dates_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {day: 2026-01-31}\n")
    (manifest,) = read_manifests(path)
    assert manifest["data"] == {"day": "2026-01-31"}


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_manifests(tmp_path / "none.yaml")
