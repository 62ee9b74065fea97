"""What the Common Expression Language's operators and functions do with values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from balise.model.semver import InvalidVersionError, Version

__all__ = ["FUNCTIONS", "EvaluationError", "Uint", "applied", "contains", "field_of", "is_true", "item_of", "same"]


class EvaluationError(Exception):
    """Evaluating came to no value."""


class Uint(int):
    """An unsigned number: of another type than a signed one, although equal to it."""


def is_true(found: Any) -> bool:
    """The value of what must be a boolean."""
    if not isinstance(found, bool):
        raise EvaluationError
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(first: Any, second: Any) -> bool:
    """Equality: numbers of all types by value, others only with their own type."""
    if _is_number(first) and _is_number(second):
        return bool(first == second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    return type(first) is type(second) and bool(first == second)


def contains(container: Any, item: Any) -> bool:
    """Whether a list has an item, or a map a key."""
    if not isinstance(container, (list, dict)):
        raise EvaluationError
    return any(same(item, found) for found in container)


def field_of(operand: Any, field: str) -> Any:
    """A field of a map, which must be there."""
    if not isinstance(operand, dict) or field not in operand:
        raise EvaluationError
    return operand[field]


def item_of(operand: Any, index: Any) -> Any:
    """An item of a list or the value of a key of a map, which must be there."""
    if isinstance(operand, (list, tuple)) and _is_number(index) and index == int(index) and 0 <= index < len(operand):
        return operand[int(index)]
    if isinstance(operand, dict):
        for key, value in operand.items():
            if same(key, index):
                return value
    raise EvaluationError


def applied(name: str, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """What a function makes of its arguments, within the bounds of 64-bit integers."""
    try:
        result = function(*arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, re.error):
        raise EvaluationError from None
    if isinstance(result, bool) or not isinstance(result, int):
        return result
    unsigned = isinstance(result, Uint) or (name in "+-*/%" and isinstance(arguments[0], Uint))
    if not (0 <= result < 2**64 if unsigned else -(2**63) <= result < 2**63):
        raise EvaluationError
    return Uint(result) if unsigned else result


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(first: Any, second: Any) -> bool:
        if type(first) is not type(second) and not (_is_number(first) and _is_number(second)):
            raise TypeError
        return test(first, second)

    return compare


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(first: Any, second: Any) -> Any:
        if type(first) is not type(second) or isinstance(first, (bool, dict)):
            raise TypeError
        return operation(first, second)

    return apply


def _numbers(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(first: Any, second: Any) -> Any:
        if not (_is_number(first) and _is_number(second)):
            raise TypeError
        return operation(first, second)

    return _arithmetic(apply)


def _divided(first: Any, second: Any) -> Any:
    if isinstance(first, float):
        if second == 0:
            return float("nan") if first == 0 else float("inf") * first
        return first / second
    quotient = abs(first) // abs(second)
    return quotient if (first < 0) == (second < 0) else -quotient


def _remainder(first: int, second: int) -> int:
    return int(first) - int(second) * int(_divided(int(first), int(second)))


def _negated(value: Any) -> Any:
    if not _is_number(value) or isinstance(value, Uint):
        raise TypeError
    return -value


def _not(value: Any) -> bool:
    return not is_true(value)


def _shown(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e21:
            return str(int(value))
        return repr(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, int)):
        return str(value)
    raise TypeError


def _semver_compare(first: Any, second: Any) -> int:
    try:
        one, other = Version.parse_tolerant(_shown(first)), Version.parse_tolerant(_shown(second))
    except InvalidVersionError:
        raise EvaluationError from None
    return (one > other) - (one < other)


def _whole(value: Any) -> int:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d+", value):
        raise ValueError
    return int(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"1": True, "t": True, "true": True, "True": True, "TRUE": True, "T": True,
            "0": False, "f": False, "false": False, "False": False, "FALSE": False, "F": False}[value]  # fmt: skip


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "!": _not,
    "neg": _negated,
    "<": _compared(lambda first, second: first < second),
    "<=": _compared(lambda first, second: first <= second),
    ">": _compared(lambda first, second: first > second),
    ">=": _compared(lambda first, second: first >= second),
    "+": _arithmetic(lambda first, second: first + second),
    "-": _numbers(lambda first, second: first - second),
    "*": _numbers(lambda first, second: first * second),
    "/": _numbers(_divided),
    "%": _numbers(_remainder),
    "contains": str.__contains__,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "semver_compare": _semver_compare,
    "dyn": lambda value: value,
    "int": _whole,
    "uint": lambda value: Uint(_whole(value)),
    "double": float,
    "string": _shown,
    "bytes": lambda value: value if isinstance(value, bytes) else value.encode(),
    "bool": _to_bool,
}
