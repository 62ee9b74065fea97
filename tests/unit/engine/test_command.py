"""What a person gets who starts the operator wrongly: one sentence, and an exit code that says so."""

from pathlib import Path

import pytest

from timonier import cli


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not tell how to reach a cluster"),
        ("users: [", "while parsing"),
        ("", "does not tell how to reach a cluster"),
        ("just words", "does not tell how to reach a cluster"),
        ("current-context: other\ncontexts: []\nclusters: []\nusers: []\n", "other"),
        (
            "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: b}}]}",
            "clusters",
        ),
    ],
    ids=["absent", "no YAML", "empty", "text", "another context", "no clusters"],
)
def test_a_kubeconfig_that_leads_nowhere(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    assert cli.main(["run", "--kubeconfig", str(path), "--health-address", "", "--metrics-address", ""]) == 1
    printed = capsys.readouterr().err
    assert said in printed
    assert str(path) in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    "wrong",
    [
        ("--workers", "0"),
        ("--workers", "-3"),
        ("--workers", "many"),
        ("--health-address", "8081"),
        ("--health-address", ":99999"),
        ("--metrics-address", "localhost"),
    ],
    ids=" ".join,
)
def test_a_setting_that_cannot_be(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["run", *wrong])
    assert end.value.code == 2
    assert repr(wrong[1]) in capsys.readouterr().err
