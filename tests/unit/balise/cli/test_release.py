"""`balise release` on a copy of this project, with channels alpha and stable."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from balise import cli
from balise.checks.catalog import check_catalog
from balise.graph.upgrades import End, journey
from balise.model.catalog_files import load_catalog
from balise.model.semver import Version

REPOSITORY = Path(__file__).parents[4]
TEMPLATE = """\
# What is offered where.
schema: olm.template.basic
entries:
- schema: olm.package
  name: timonier
  defaultChannel: alpha
- schema: olm.channel
  package: timonier
  name: alpha
  entries:
  - name: timonier.v0.1.0
- schema: olm.bundle
  image: registry.timonier.dev/timonier-bundle:v0.1.0
"""


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")


def news(root: Path) -> None:
    path = root / "CHANGELOG.md"
    path.write_text(
        re.sub(r"^## Unreleased\n", "## Unreleased\n\n- Something new.\n", path.read_text(), flags=re.MULTILINE)
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    root = tmp_path / "project"
    for path in ("pyproject.toml", "CHANGELOG.md", "bundle/0.1.0", "operator/packaging", "operator/samples"):
        copy = shutil.copytree if (REPOSITORY / path).is_dir() else shutil.copy
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / path, root / path)
    config = root / "pyproject.toml"
    text = re.sub(r'^version = ".*"', 'version = "0.1.0"', config.read_text(), count=1, flags=re.MULTILINE)
    config.write_text(re.sub(r"^channels = .*", 'channels = ["alpha"]', text, flags=re.MULTILINE))
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- Something new.\n\n## 0.1.0\n\n- All.\n")
    (root / "docs").mkdir()
    (root / "catalog").mkdir()
    (root / "catalog/template.yaml").write_text(TEMPLATE)
    git(tmp_path, "init", "-q", str(root))
    assert cli.main(["generate", "--config", str(config)]) == 0
    assert cli.main(["catalog", "build", "--config", str(config)]) == 0
    commit(root)
    return root


def release(root: Path, *arguments: str) -> int:
    return cli.main(["release", *arguments, "--config", str(root / "pyproject.toml"), "--date", "2026-12-01"])


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_three_releases_and_a_backport_bring_everybody_to_a_head(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(project)
    assert release(project, "0.2.0", "--channel", "alpha", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert contents(project) == before, "a dry run writes nothing"
    assert "+++ bundle/0.2.0/manifests/timonier.clusterserviceversion.yaml" in shown
    assert '-version = "0.1.0"\n+version = "0.2.0"' in shown
    for version, channels in (
        ("0.2.0", ("alpha",)),
        ("0.2.1", ("alpha", "stable")),
        ("0.3.0", ("alpha", "stable")),
        ("0.2.2", ("stable-0.2",)),
    ):
        wanted = [word for channel in channels for word in ("--channel", channel)]
        assert release(project, version, *wanted) == 0, capsys.readouterr().err
        said = capsys.readouterr().out
        assert f"wrote bundle/{version}/manifests/timonier.clusterserviceversion.yaml" in said
        assert f"git tag v{version}" in said
        news(project)
        commit(project)
    folder = project / "catalog/timonier"
    assert check_catalog(folder).valid
    catalog = load_catalog(folder)
    versions = {bundle.name: Version.parse(bundle.version) for bundle in catalog.bundles}
    ways = {
        channel.name: {start.removeprefix("timonier.v"): journey(channel, start, versions) for start in versions}
        for channel in catalog.channels
    }
    assert {version: len(way.steps) for version, way in ways["stable"].items()} == {
        "0.1.0": 3,
        "0.2.0": 2,
        "0.2.1": 1,
        "0.2.2": 1,
        "0.3.0": 0,
    }
    for channel in ("alpha", "stable"):
        assert {way.end for way in ways[channel].values()} == {End.HEAD}
    assert ways["stable-0.2"]["0.2.1"].steps == ("timonier.v0.2.2",)


def test_what_would_strand_a_user_is_refused_and_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(project)
    assert release(project, "0.0.9", "--channel", "alpha") == 1
    assert "0.0.9 is lower than 0.1.0, the head of alpha" in capsys.readouterr().err
    template = project / "catalog/template.yaml"
    template.write_text(TEMPLATE.replace("name: alpha", "name: beta").replace("Channel: alpha", "Channel: beta"))
    assert release(project, "0.2.0", "--channel", "beta") == 1
    assert "the tree is not clean" in capsys.readouterr().err
    commit(project)
    assert release(project, "0.2.0", "--channel", "gamma") == 1
    assert "channel alpha is gone" in capsys.readouterr().err
    assert contents(project) == {**before, "catalog/template.yaml": template.read_bytes()}


def test_removed_default_channel_and_unfit_bundle_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "catalog/template.yaml").write_text(TEMPLATE.replace("defaultChannel: alpha", "defaultChannel: gone"))
    commit(project)
    assert release(project, "0.2.0", "--channel", "alpha") == 1
    said = capsys.readouterr().err
    assert "has no channel gone, which is to be its default" in said
    assert "Traceback" not in said


def test_project_without_git_is_told_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("pyproject.toml", "operator/packaging"):
        copy = shutil.copytree if (REPOSITORY / path).is_dir() else shutil.copy
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / path, tmp_path / path)
    assert release(tmp_path, "0.2.0") == 1
    assert "git init" in capsys.readouterr().err


def test_first_release_needs_neither_bundle_nor_catalog_before(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "bundle")
    shutil.rmtree(project / "catalog")
    commit(project)
    assert release(project, "0.1.0", "--channel", "alpha", "--channel", "stable") == 0, capsys.readouterr().err
    catalog = load_catalog(project / "catalog/timonier")
    assert [channel.name for channel in catalog.channels] == ["alpha", "stable"]
    assert catalog.packages[0].default_channel == "alpha"


def test_tagged_bundle_that_was_changed_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "tag", "v0.1.0")
    assert release(project, "0.1.0", "--channel", "alpha") == 1
    assert "0.1.0 has a bundle already" in capsys.readouterr().err
    (project / "bundle/0.1.0/metadata/annotations.yaml").write_text("annotations: {}\n")
    commit(project)
    assert release(project, "0.2.0", "--channel", "alpha") == 1
    assert "bundle/0.1.0 is not what was tagged v0.1.0" in capsys.readouterr().err
