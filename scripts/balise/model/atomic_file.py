"""Writing a file in one step: whoever reads it meanwhile, or when we are killed, finds all of the old or of the new."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write *content* to *path*, whose folder must be there. Raises OSError, and then leaves everything as it was."""
    import tempfile  # noqa: PLC0415 (slow to import, and most commands write nothing)

    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
