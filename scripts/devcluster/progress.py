"""A line that says what is going on, and for how many seconds."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress", "Report", "silent"]

Report = Callable[[str, str], None]
"""Called with the step ("building the control plane") and a detail that changes often ("812 packages")."""


def silent(_step: str, _detail: str) -> None:
    """No progress at all."""


class Progress:
    """A Report on a text stream: one line rewritten on a terminal; else a line per step, and one every 15 seconds."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._began = time.monotonic()
        self._step = ""
        self._written = 0.0

    def __call__(self, step: str, detail: str) -> None:
        """Show the step."""
        now = time.monotonic()
        if step == self._step and now - self._written < (0.2 if self._terminal else 15):
            return
        self._step, self._written = step, now
        text = f"[{now - self._began:4.0f} s] {step}" + (f": {detail}" if detail else "")
        self._stream.write(f"\r\033[K{text[:118]}" if self._terminal else f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._step:
            self._stream.write("\r\033[K")
            self._stream.flush()
