"""The family of errors that balise raises for bad input."""

from __future__ import annotations

__all__ = ["BaliseError", "InputError"]


class BaliseError(Exception):
    """An expected failure: the command prints it without a traceback and ends with exit code 1.

    ``message`` says what was found and what was expected; ``place`` is ``file[:line[:column]]`` where known;
    ``way_out`` is what the person can do about it.
    """

    def __init__(self, message: str, *, place: str = "", way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.way_out = way_out

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}\n  {self.way_out}" if self.way_out else text


class InputError(BaliseError):
    """A file or argument that was given cannot be used as what it was given for."""
