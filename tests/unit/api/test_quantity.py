"""Quantities: the spelling that the API server stores, and exact amounts."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonier.api.quantity import PATTERN, amount, canonical

# Sent as a container's memory limit to kube-apiserver 1.34, the right of each was stored as it is.
STORED = {
    "0": "0", "0Mi": "0", "0e3": "0", "1": "1", "1.0": "1", "1000m": "1", "0.5": "500m", ".5": "500m", "5.": "5",
    "100m": "100m", "1500m": "1500m", "1.5": "1500m", "1k": "1k", "1000": "1k", "1500": "1500", "1000000": "1M",
    "1e3": "1e3", "1E3": "1e3", "1000e3": "1e6", "12e2": "1200", "100e1": "1e3", "1.5e3": "1500", "1e0": "1",
    "1e-3": "1e-3", "1e-9": "1e-3", "1024": "1024", "1Ki": "1Ki", "1024Ki": "1Mi", "1024Mi": "1Gi", "1.5Gi": "1536Mi",
    "0.5Ki": "512", "0.3Ki": "307200m", "1000Ki": "1000Ki", "1025Ki": "1025Ki", "2048Ti": "2Pi", "128M": "128M",
    "1E": "1E", "1Ei": "1Ei", "8Ei": "9223372036854775807", "10E": "9223372036854775807", "0.001": "1m",
    "100n": "1m", "0.1n": "1m", "1500u": "2m", "1.23456789012": "1235m", "+5": "5",
}  # fmt: skip


@pytest.mark.parametrize("text", STORED)
def test_the_canonical_spelling_is_the_stored_one(text: str) -> None:
    assert canonical(text) == STORED[text]


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1GB", "1Gib", "--1", "1e", "0x10", "1,5", "one", "1e333", "1mm"])
def test_what_is_no_quantity_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a quantity: write a number and a unit such as 500m"):
        canonical(text)


def test_numbers_are_read_as_they_are_spelt() -> None:
    assert canonical(2) == "2"
    assert canonical(0.5) == "500m"


def test_amounts_are_exact() -> None:
    assert amount("0.1") == Fraction(1, 10)
    assert amount("1Gi") == 2**30
    assert amount("-250m") == Fraction(-1, 4)


QUANTITIES = st.from_regex(re.compile(PATTERN, re.ASCII), fullmatch=True).filter(lambda text: len(text) <= 32)


@given(QUANTITIES)
def test_a_canonical_spelling_is_kept_and_means_the_same(text: str) -> None:
    spelt = canonical(text)
    assert canonical(spelt) == spelt
    assert amount(spelt) == amount(text)


@given(QUANTITIES)
def test_what_is_canonical_is_of_the_form_that_the_definition_accepts(text: str) -> None:
    assert re.search(PATTERN, canonical(text))
