"""Kubernetes quantities ("500m", "1Gi") and the one spelling of each that the API server stores.

Applying "1000m" makes the API server store "1", and "1500u" becomes "2m": a manifest that is compared with the stored
object must be spelt the same way. Rules: https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity
"""

import re
from fractions import Fraction
from typing import Final

__all__ = ["PATTERN", "amount", "canonical", "rounded"]

PATTERN: Final = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]{1,2}))?$"
"""A quantity that is not negative: nothing that an Application asks for can be."""
_PARTS: Final = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?")
_DECIMAL: Final = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_BINARY: Final = {0: "", 1: "Ki", 2: "Mi", 3: "Gi", 4: "Ti", 5: "Pi", 6: "Ei"}
_DECIMAL_POWER: Final = {suffix: power for power, suffix in _DECIMAL.items()}
_BINARY_POWER: Final = {suffix: power for power, suffix in _BINARY.items() if suffix}
_MILLI: Final = Fraction(1, 1000)
_LARGEST: Final = 2**63 - 1


def canonical(text: str | int | float) -> str:
    """The spelling that the API server stores. Raises ValueError for what is not a quantity.

    >>> canonical("1000m"), canonical("1024Mi"), canonical("0.5"), canonical("1.5Gi")
    ('1', '1Gi', '500m', '1536Mi')
    """
    value, suffix = _parse(text)
    if value == 0:
        return "0"
    # A binary quantity below 1024, or with a fraction of a byte, is spelt in decimal so that nothing is rounded.
    if suffix in _BINARY_POWER and abs(value) >= 1024 and value.denominator == 1:
        return _scaled(value, 1024, _BINARY)
    if suffix[:1] in ("e", "E") and suffix not in ("E", "Ei"):
        return _exponent(value)
    return _scaled(value * 1000, 1000, {step: _DECIMAL[3 * step - 3] for step in range(8)})


def amount(text: str | int | float) -> Fraction:
    """The exact number that a quantity stands for, in units (cores, bytes). Raises ValueError.

    >>> amount("250m")
    Fraction(1, 4)
    """
    return _parse(text)[0]


def rounded(count: int) -> str:
    """A number of bytes for people: at most three digits before the unit.

    >>> rounded(0), rounded(1023), rounded(1536), rounded(5 * 2**30)
    ('0', '1023', '1.5Ki', '5Gi')
    """
    value, power = float(count), 0
    while value >= 1024 and power < 6:
        value, power = value / 1024, power + 1
    return f"{value:.1f}".removesuffix(".0") + _BINARY[power]


def _parse(text: str | int | float) -> tuple[Fraction, str]:
    spelt = str(text).strip()
    match = _PARTS.fullmatch(spelt)
    if match is None:
        raise ValueError(f"{spelt!r} is not a quantity: write a number and a unit such as 500m, 2, 512Mi or 10Gi")
    number, suffix = Fraction(match[1]), match[2] or ""
    if suffix in _BINARY_POWER:
        number *= 1024 ** _BINARY_POWER[suffix]
    elif suffix in _DECIMAL_POWER:
        number *= Fraction(10) ** _DECIMAL_POWER[suffix]
    else:
        number *= Fraction(10) ** int(suffix[1:])
    return _bounded(number), suffix


def _bounded(number: Fraction) -> Fraction:
    """Rounded away from zero to thousandths and capped: what the API server does to the amounts of resources."""
    sign = -1 if number < 0 else 1
    thousandths = -(-abs(number) // _MILLI)
    return sign * min(thousandths * _MILLI, Fraction(_LARGEST))


def _scaled(value: Fraction, base: int, suffixes: dict[int, str]) -> str:
    whole, step = int(value), 0
    while whole % base == 0 and step + 1 in suffixes:
        whole, step = whole // base, step + 1
    return f"{whole}{suffixes[step]}"


def _exponent(value: Fraction) -> str:
    whole, power = int(value * 1000), -3
    while whole % 1000 == 0:
        whole, power = whole // 1000, power + 3
    return f"{whole}e{power}" if power else str(whole)
