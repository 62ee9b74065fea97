from __future__ import annotations

import importlib

import pytest

from balise import cli
from balise.model.errors import InputError


@pytest.mark.parametrize("name", cli.commands())
def test_every_module_is_a_command(name: str) -> None:
    module = importlib.import_module(f"balise.cli.{name}")
    assert module.NAME.replace("-", "_") == name
    assert module.HELP
    assert callable(module.configure)
    assert callable(module.run)


def test_no_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 2
    assert "usage: balise" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("balise ")


def test_error_reads_place_then_fact_then_way_out() -> None:
    error = InputError("is empty", place="a.yaml:1", way_out="give it a document")
    assert str(error) == "a.yaml:1: is empty\n  give it a document"
