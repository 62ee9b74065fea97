"""What the operator sends must mean the same to a parser of JSON and to one of YAML, which reads what is applied."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from timonier.engine.client import encoded


@pytest.mark.parametrize(
    "text",
    ["😀", "a\n😀\t\"", "\\ud83d\\ude00", "\\😀", "\\\\ud83d", "\u0000\u0085\ufeff\uffff\u2028", "🏳️‍🌈 ünïcode ☃"],
)  # fmt: skip
def test_what_is_encoded_reads_the_same_in_json_and_yaml(text: str) -> None:
    manifest = {"data": {text: text}}
    assert json.loads(encoded(manifest)) == manifest
    assert yaml.safe_load(encoded(manifest).decode()) == manifest


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=4))
def test_whatever_the_text(data: dict[str, Any]) -> None:
    assert json.loads(encoded({"data": data})) == {"data": data}
    assert yaml.safe_load(encoded({"data": data}).decode()) == {"data": data}
