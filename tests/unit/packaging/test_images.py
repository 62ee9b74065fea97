"""What images are built from: a commit, and nothing of the folder that it lies in.

Building takes buildah: `make check-images` does it.
"""

import re
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
SCRIPT = runpy.run_path(str(REPOSITORY / "scripts/images.py"))


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", REPOSITORY, *arguments], stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="not a clone")
def test_an_export_is_the_commit_and_as_old_as_it_is_told_to_be(tmp_path: Path) -> None:
    export: Callable[..., Any] = SCRIPT["export"]
    sources = export("HEAD", tmp_path, age=60)
    assert (tmp_path / "pyproject.toml").read_bytes() == git("show", "HEAD:pyproject.toml")
    assert sources.seconds == int(git("log", "-1", "--format=%ct", "HEAD"))
    found = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert {path.stat().st_mtime for path in found} == {sources.seconds - 60}
    # Neither the umask of the clone nor that of this process.
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} <= {0o644, 0o755}


def test_each_image_has_its_stage_and_its_name() -> None:
    text = (REPOSITORY / "Containerfile").read_text()
    titles = re.findall(r'image\.title="([\w-]+)"', text)
    stages = re.findall(r"^FROM \S+(?: AS (\w+))?$", text, re.MULTILINE)
    assert sorted(titles) == sorted(SCRIPT["STAGES"])
    assert {stage for stage in SCRIPT["STAGES"].values() if stage} <= set(stages)
    # The last stage is built where none is named.
    assert stages[-1] == ""
