"""Conditions of standing kinds, and how a new verdict is merged into those that a status already has.

Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from timonier.api.moments import stamp

__all__ = ["Condition", "ConditionStatus", "condition_of", "merged", "stated"]

_LONGEST_MESSAGE: Final = 2048

ConditionStatus = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One verdict: `type` is CamelCase, `reason` a word of the kind's closed list, `message` a sentence for people."""

    type: str
    status: ConditionStatus
    reason: str
    message: str


def merged(
    conditions: Iterable[Condition], previous: Sequence[Mapping[str, Any]], *, generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions as a status carries them, in the given order.

    `lastTransitionTime` is kept from `previous` unless the status of that condition changed; a naive `now` is UTC.
    Conditions of `previous` that are not given any more are left out.
    """
    before = {condition["type"]: condition for condition in previous}
    written = stamp(now)
    result = []
    for condition in conditions:
        old = before.get(condition.type)
        same = old is not None and old.get("status") == condition.status
        result.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": str(condition.reason),
                "message": condition.message
                if len(condition.message) <= _LONGEST_MESSAGE
                else f"{condition.message[: _LONGEST_MESSAGE - 1]}…",
                "observedGeneration": generation,
                "lastTransitionTime": old.get("lastTransitionTime", written) if same and old is not None else written,
            }
        )
    return result


def stated(previous: Sequence[Mapping[str, Any]], type_: str) -> str | None:
    """The status of one condition in a list of them; None when it is not there."""
    return next((condition.get("status") for condition in previous if condition.get("type") == type_), None)


def condition_of(status: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    """One condition of a status; None when it is not there."""
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions", ())
    return next((condition for condition in conditions if condition.get("type") == type_), None)
