"""What is written is read back as the same value, by our reader, which is Go's, and by PyYAML's."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from balise.model.catalog_blobs import canonical, in_order
from balise.model.go_json import compact
from balise.model.yaml_text import load
from balise.model.yaml_writing import dump, dump_all

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\n\t"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_yaml_comes_back(value: object) -> None:
    assert load(dump(value)) == value


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "1:30", "y", "N", "on", "~", "1_000", ".5", "=", "<<", "- a", "a: b", "#", " a ", "a\n",
             "\ta", "2024-01-02", "0x1F", "+.inf", "a\u2028b", "a\rb", "\n a", "null", ""]
)  # fmt: skip
def test_yaml_text_stays_text(text: str) -> None:
    assert load(dump({"a": text})) == {"a": text}
    assert yaml.safe_load(dump({"a": text})) == {"a": text}


def test_stream_begins_every_document() -> None:
    assert dump_all([{"b": 1, "a": [2]}, {}]) == "---\na:\n- 2\nb: 1\n---\n{}\n"


@given(JSON)
def test_json_comes_back_and_is_ascii_safe_for_html(value: object) -> None:
    text = compact(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_blobs_are_written_as_opm_writes_them() -> None:
    assert canonical({"schema": "olm.channel", "package": "a", "Name": "b"}) == {
        "schema": "olm.channel", "name": "b", "package": "a", "entries": None,
    }  # fmt: skip
    entry = {"reference": {"schema": "olm.package"}, "message": "Gone."}
    deprecations = {"schema": "olm.deprecations", "package": "a", "entries": [entry]}
    assert canonical({**deprecations, "unknown": 1}) == deprecations
    icon = {"base64data": "aWNv\nbg==", "mediatype": "image/png"}
    assert canonical({"schema": "olm.package", "name": "a", "icon": icon, "description": ""}) == {
        "schema": "olm.package", "name": "a", "defaultChannel": "", "icon": {**icon, "base64data": "aWNvbg=="},
    }  # fmt: skip


def test_order_is_opms() -> None:
    blobs = [
        {"schema": "acme.notes"},
        {"schema": "olm.deprecations", "package": "b"},
        {"schema": "acme.notes", "package": "b"},
        {"schema": "olm.bundle", "package": "b", "name": "2"},
        {"schema": "olm.bundle", "package": "b", "name": "1"},
        {"schema": "olm.channel", "package": "b", "name": "z"},
        {"schema": "olm.package", "name": "b"},
        {"schema": "olm.package", "name": "a"},
    ]
    assert in_order(blobs) == [blobs[7], blobs[6], blobs[5], blobs[4], blobs[3], blobs[2], blobs[1], blobs[0]]
