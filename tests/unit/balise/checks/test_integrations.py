"""The hook and action definitions: their shape, and the action's script run as a runner would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise import cli

ROOT = Path(__file__).parents[4]


def test_hooks_run_commands_that_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    monkeypatch.setenv("BALISE_CACHE_DIR", str(folder / "cache"))
    assert [hook["id"] for hook in hooks] == ["balise-check", "balise-fix"]
    for hook in hooks:
        assert hook["language"] == "python"
        program, *arguments = hook["entry"].split()
        assert program == "balise"
        assert cli.main([*arguments, str(folder)]) == 1  # it has defects that nobody can mend for it


def _step(name: str) -> dict[str, Any]:
    action = yaml.safe_load((ROOT / ".github" / "actions" / "balise-check" / "action.yml").read_text())
    step: dict[str, Any] = next(step for step in action["runs"]["steps"] if step["name"] == name)
    return step


def test_the_action_s_script_annotates_and_writes_sarif(folder: Path, tmp_path: Path) -> None:
    output, sarif = tmp_path / "output", tmp_path / "found.sarif"
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BALISE_CACHE_DIR": str(tmp_path / "cache"),
        "GITHUB_OUTPUT": str(output),
        "PATHS": f"{folder}\n",
        "PROFILE": "reference",
        "KUBE_VERSION": "1.31",
        "ARGUMENTS": "--ignore BAL1116",
        "SARIF": str(sarif),
    }
    step = _step("Check")
    assert set(step["env"]) <= set(environment)
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]],
                          env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "::error file=" in done.stdout
    assert "BAL1116" not in done.stdout
    assert json.loads(sarif.read_text())["runs"][0]["results"]
    assert output.read_text() == f"sarif={sarif}\n"


def test_no_input_is_pasted_into_a_script() -> None:
    for name in ("Install balise", "Check"):
        assert "${{" not in _step(name)["run"]
