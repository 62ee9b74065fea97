"""What YAML texts mean, as sigs.k8s.io/yaml reads them. Values were compared with its own, YAMLToJSON."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balise.model.yaml_text import MAX_DEPTH, Mark, SyntaxProblem, format_float32, load

VALUES: dict[str, Any] = {
    # YAML 1.1's words for true and false, and those that are none.
    "yes": True, "Off": False, "y": True, "N": False, "tRue": "tRue", "TRUE": True,
    "~": None, "null": None, "Null": None, "nULL": "nULL", "": None,
    # Numbers, their bases, separators and signs; what does not fit stays text.
    "0x1F": 31, "0o17": 15, "017": 15, "08": 8.0, "0b101": 5, "1_000": 1000, "_1": "_1", "+1": 1, "-0": 0,
    "9223372036854775808": 2**63, "18446744073709551615": 2**64 - 1, "18446744073709551616": 1.8446744073709552e19,
    "-9223372036854775809": -9.223372036854775808e18, "+9223372036854775808": 9.223372036854775808e18,
    "1.5": 1.5, ".5": 0.5, "5.": 5.0, "1e3": 1000.0, "1e400": "1e400", "1.10": 1.1,
    "9" * 5000: "9" * 5000,
    # Neither sexagesimal numbers nor dates.
    "1:30": "1:30", "12:30:45": "12:30:45", "2024-01-02": "2024-01-02",
    # Quoted, tagged and block scalars.
    "'yes'": "yes", '"1"': "1", "!!str 1": "1", "!!int '1'": 1, "!!float 1": 1.0, "!!binary aGk=": "hi", "!x 1": "1",
    "|\n a\n b\n": "a\nb\n", ">-\n a\n b\n": "a b",
    # Keys become text; later ones win; merged ones lose.
    "{1: a, true: b, 1.5: c}": {"1": "a", "true": "b", "1.5": "c"},
    "a: 1\na: 2": {"a": 2},
    "b: &b {x: 1, z: 2}\nc: {<<: *b, z: 3}": {"b": {"x": 1, "z": 2}, "c": {"x": 1, "z": 3}},
    "c: {<<: [{x: 1}, {x: 2, z: 2}]}": {"c": {"x": 1, "z": 2}},
    "{y: 1}": {"true": 1},
    "a: &a [1]\nb: *a": {"a": [1], "b": [1]},
    # Only the first document counts.
    "a: 1\n...\n{": {"a": 1}, "a: 1\n---\n{": {"a": 1},
    "# nothing\n": None,
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_values(text: str) -> None:
    found = load(text)
    assert found == VALUES[text]
    assert type(found) is type(VALUES[text])


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: b\n\tc: d\n", (1, 0), "found a tab character"),
        ("a: {b: [1, 2}\n", (0, 12), "expected ',' or ']'"),
        ("a: *nowhere\n", (0, 3), "not defined above"),
        ("a: &a [*a]\n", (0, 7), "contains itself"),
        ("? [1]\n: 2\n", (0, 2), "a mapping key must be"),
        ("null: 1\n", (0, 0), "a mapping key must be"),
        ("a: .inf\n", (0, 3), "infinity"),
        ("- .nan\n", (0, 2), "NaN"),
        ("a: !!int x\n", (0, 3), "tagged !!int"),
        ("a: !!binary '*'\n", (0, 3), "base64"),
        ("a: 1\nb: {<<: 1}\n", (1, 8), "merges a mapping"),
        ('a: "x\\/y"\n', (0, 3), "escape"),
        ("a: \x01\n", (0, 3), "control characters"),
    ],
)
def test_problems_have_a_place(text: str, place: tuple[int, int], said: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        load(text)
    assert caught.value.mark == Mark(*place)
    assert said in caught.value.message


def test_bytes_that_are_no_text_have_a_place() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        load(b"a: b\nc: \xff\n")
    assert caught.value.mark == Mark(1, 3)


@pytest.mark.parametrize("text", ["a: x\\/y", "a: 'x\\/y'", 'a: "x\\\\/y"', 'a: "x/y"'])
def test_a_slash_may_stand_after_a_backslash_that_is_none_of_its_own(text: str) -> None:
    assert load(text)["a"].endswith("/y")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert load("ä: ö".encode(encoding)) == {"ä": "ö"}


def test_nesting_is_bounded() -> None:
    assert load("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    with pytest.raises(SyntaxProblem, match="levels deep"):
        load("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_aliases_are_bounded_as_go_bounds_them() -> None:
    few = "a: &a [" + "x, " * 50 + "]\nb: [" + "*a, " * 15 + "]\n"
    assert len(load(few)["b"]) == 15
    many = "a: &a [" + "x, " * 1000 + "]\nb: &b [" + "*a, " * 200 + "]\nc: [" + "*b, " * 200 + "]\n"
    start = time.process_time()
    with pytest.raises(SyntaxProblem, match="aliases expand"):
        load(many)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1.0, "1"), (123456.0, "123456"), (1e6, "1e+06"), (1e21, "1e+21"), (1e-4, "0.0001"), (1e-5, "1e-05"),
     (16777217.0, "1.6777216e+07"), (3.4028236e38, "+Inf"), (-1.5, "-1.5"), (0.0, "0")],
)  # fmt: skip
def test_floats_become_text_with_the_precision_of_32_bits(value: float, text: str) -> None:
    assert format_float32(value) == text


plain_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(st.characters(codec="ascii"))),
    lambda part: st.one_of(
        st.lists(part, max_size=4), st.dictionaries(st.text("abc-./", min_size=1), part, max_size=4)
    ),
)


@given(plain_json)
def test_json_reads_as_itself(value: Any) -> None:
    if "\x7f" in json.dumps(value):  # JSON allows the character DEL, YAML does not
        return
    assert load(json.dumps(value)) == value
