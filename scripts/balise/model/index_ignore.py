"""``.indexignore`` files: which files of a catalog are not part of it, in the language of ``.gitignore``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["INDEX_IGNORE", "Pattern", "is_ignored", "patterns"]

INDEX_IGNORE: Final = ".indexignore"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: ``folder`` is where its file stands, empty or ending with a slash."""

    folder: str
    expression: str
    negated: bool
    folders_only: bool

    def matches(self, path: str) -> bool:
        """Whether it matches the file at *path*, or a folder on the way to it."""
        if not path.startswith(self.folder):
            return False
        rest = path[len(self.folder) :]
        ends = [index for index, character in enumerate(rest) if character == "/"]
        candidates = [rest[:end] for end in ends] + ([] if self.folders_only else [rest])
        return any(_compiled(self.expression).fullmatch(candidate) for candidate in candidates)


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)


def patterns(folder: str, text: str) -> list[Pattern]:
    """The patterns of an ignore file in *folder* (relative to the catalog, ending with a slash unless empty).

    >>> is_ignored("docs/a.md", patterns("", "*.md"))
    True
    """
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        negated = line.startswith("!")
        body = line[1:] if negated else line
        body = body.removeprefix("\\") if body.startswith(("\\#", "\\!")) else body
        body = body if body.endswith("\\ ") else body.rstrip(" ")
        folders_only = body.endswith("/")
        body = body.rstrip("/")
        anchored = "/" in body
        expression = _translate(body.removeprefix("/"))
        found.append(Pattern(folder, expression if anchored else f"(?:.*/)?{expression}", negated, folders_only))
    return found


def is_ignored(path: str, found: Iterable[Pattern]) -> bool:
    """Whether the file at *path* is left out: of all patterns that match, the last one decides."""
    ignored = False
    for pattern in found:
        if pattern.matches(path):
            ignored = not pattern.negated
    return ignored


def _translate(glob: str) -> str:
    expression = ""
    index = 0
    while index < len(glob):
        character = glob[index]
        index += 1
        if glob.startswith("**/", index - 1) and (index == 1 or glob[index - 2] == "/"):
            expression += "(?:.*/)?"
            index += 2
        elif glob[index - 1 :] == "**" and (index == 1 or glob[index - 2] == "/"):
            expression += ".*"
            index += 1
        elif character == "*":
            expression += "[^/]*"
        elif character == "?":
            expression += "[^/]"
        elif character == "[" and (end := glob.find("]", index + 1)) > 0:
            inner = glob[index:end].replace("\\", "\\\\")
            inner = "^" + inner[1:] if inner[0] in "!^" else inner
            expression += f"[{inner}]"
            index = end + 1
        elif character == "\\" and index < len(glob):
            expression += re.escape(glob[index])
            index += 1
        else:
            expression += re.escape(character)
    return expression
