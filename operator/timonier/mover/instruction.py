"""The instruction: one JSON object whose fields are read one by one, each with its type."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timonier.mover.outcome import MoverError

__all__ = ["Instruction", "parse"]

_SNAPSHOT = re.compile("[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """What is to be done. Every reader raises MoverError when the field is not what it must be."""

    fields: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text that must be there."""
        found = self.optional_text(name)
        if not found:
            raise _wrong(name, "a text")
        return found

    def optional_text(self, name: str) -> str | None:
        """A text, or None where it is absent or null."""
        found = self.fields.get(name)
        if found is not None and not isinstance(found, str):
            raise _wrong(name, "a text")
        return found

    def texts(self, name: str, *, required: bool = True) -> tuple[str, ...]:
        """Several texts, at least one of them where they are required."""
        found = self.fields.get(name) or []
        if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
            raise _wrong(name, "a list of texts")
        if required and not found:
            raise _wrong(name, "a list of at least one text")
        return tuple(found)

    def mapping(self, name: str) -> dict[str, str]:
        """Texts by name; empty where absent."""
        found = self.fields.get(name) or {}
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise _wrong(name, "an object of texts")
        return dict(found)

    def flag(self, name: str) -> bool:
        """True or false; false where absent."""
        found = self.fields.get(name, False)
        if not isinstance(found, bool):
            raise _wrong(name, "true or false")
        return found

    def seconds(self, name: str, default: float) -> float:
        """A positive number of seconds."""
        found = self.fields.get(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float) or found <= 0:
            raise _wrong(name, "a positive number of seconds")
        return float(found)

    def optional_count(self, name: str) -> int | None:
        """A whole number that is not negative; None where absent."""
        found = self.fields.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise _wrong(name, "a whole number that is not negative")
        return found

    def snapshot(self) -> str:
        """The id of a snapshot: a part of one that is not hexadecimal cannot exist, and might be an option."""
        found = self.text("snapshot")
        if not _SNAPSHOT.fullmatch(found):
            raise MoverError(
                "SnapshotNotFound", f"There is no snapshot {found!r}: an id has 8 to 64 hexadecimal digits."
            )
        return found


def parse(text: str) -> Instruction:
    """The instruction in that text; MoverError when it is none."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise MoverError("Failed", f"The instruction in TIMONIER_TASK is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise MoverError("Failed", "The instruction in TIMONIER_TASK is not a JSON object.")
    return Instruction(found)


def _wrong(name: str, expected: str) -> MoverError:
    return MoverError("Failed", f"The instruction's field {name!r} must be {expected}.")
