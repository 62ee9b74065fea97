"""What a check has to say: values that can be printed, compared, cached and sent between processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Level"]

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong at one place.

    ``code`` is ours and stable; ``type`` and ``field`` are the reference tool's names for the kind of finding and for
    the field, empty where it gives none. Lines and columns count from 1 and are 0 where no place is known.
    """

    suite: str
    level: Level
    code: str
    type: str
    field: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""
    """What to do about it."""
    end_column: int = 0
    """Column after the offending text's last character on its first line."""
    excerpt: str = ""
    """That line's text."""
