"""`balise catalog`, on this project itself and on small ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from balise import cli
from balise.checks.catalog import check_catalog
from balise.model.bundle import load_bundle
from balise.model.oci import Image, read_image, write_image

REPOSITORY = Path(__file__).parents[4]
BUNDLE = REPOSITORY / "bundle/0.1.0"
IMAGE = "registry.timonier.dev/timonier-bundle:v0.1.0"


def balise(*arguments: object) -> int:
    return cli.main(["catalog", *map(str, arguments)])


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(f"schema: olm.semver\nstable: {{bundles: [{{image: {IMAGE}}}]}}\n")
    return path


def test_committed_catalog_is_what_is_built_and_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert balise("build", "--check", "--config", REPOSITORY / "pyproject.toml") == 0, capsys.readouterr()
    assert check_catalog(REPOSITORY / "catalog/timonier").valid


def test_check_shows_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("build", "--config", REPOSITORY / "pyproject.toml", "--output", tmp_path)
    assert balise(*arguments) == 0
    path = tmp_path / "timonier/catalog.yaml"
    assert path.read_bytes() == (REPOSITORY / "catalog/timonier/catalog.yaml").read_bytes()
    path.write_text(path.read_text().replace("defaultChannel: ", "defaultChannel: un"))
    assert balise(*arguments, "--check") == 1
    captured = capsys.readouterr()
    assert "-defaultChannel: uncandidate-v0" in captured.out
    assert "stale" in captured.err
    assert "uncandidate" in path.read_text()


def test_inline_catalog_holds_every_object_and_no_image(tmp_path: Path) -> None:
    config = REPOSITORY / "pyproject.toml"
    assert balise("build", "--config", config, "--inline") == 1
    assert balise("build", "--config", config, "--inline", "--output", tmp_path) == 0
    assert check_catalog(tmp_path).valid
    documents = list(yaml.safe_load_all((tmp_path / "timonier/catalog.yaml").read_text()))
    bundles = [each for each in documents if each["schema"] == "olm.bundle"]
    folders = [folder for folder in BUNDLE.parent.iterdir() if folder.is_dir()]
    assert {bundle["name"] for bundle in bundles} == {f"timonier.v{folder.name}" for folder in folders}
    for bundle in bundles:
        types = [each["type"] for each in bundle["properties"]]
        folder = BUNDLE.parent / bundle["name"].removeprefix("timonier.v")
        assert bundle["image"] == ""
        assert types.count("olm.bundle.object") == len(load_bundle(folder).objects)
        assert "olm.csv.metadata" not in types


def test_bundles_come_from_folders_and_from_layouts(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {str(path.relative_to(BUNDLE)): path.read_bytes() for path in BUNDLE.rglob("*") if path.is_file()}
    layout = tmp_path / "layout"
    write_image(layout, Image({}, files), name=IMAGE, platforms=["linux/amd64"])
    printed = []
    for source in (["--bundles", BUNDLE.parent], ["--bundle", f"{IMAGE}={BUNDLE}"], ["--bundles", layout],
                   ["--bundle", f"{IMAGE}={layout}"]):  # fmt: skip
        assert balise("render-template", template, *source) == 0
        printed.append(capsys.readouterr().out)
    assert len(set(printed)) == 1
    types = {each["type"] for each in json.loads(printed[0][printed[0].rindex("\n{") :])["properties"]}
    assert "olm.bundle.object" in types
    assert balise("render-template", template, "--bundles", layout, "--migrate-level", "bundle-object-to-csv-metadata",
                  "-o", "yaml") == 0  # fmt: skip
    out = capsys.readouterr().out
    assert "olm.csv.metadata" in out
    assert "olm.bundle.object" not in out
    assert balise("render-template", template, "--bundles", layout, "-o", "mermaid") == 0
    assert "timonier-stable-v0.1-timonier.v0.1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"{IMAGE}: nothing says where the bundle of this image is\n  say where it is: --bundle {IMAGE}="),
        (["--bundles", "/nowhere"], "there is no /nowhere/0.1.0"),
        (["--bundle", "x"], "--bundle: is 'x'\n  write it as IMAGE=DIR"),
        (["--bundle", f"{IMAGE}=/nowhere"], "/nowhere: cannot be read"),
        (["--bundle", f"{IMAGE}={REPOSITORY}/docs"], "the bundle cannot be loaded"),
    ],
)
def test_what_is_missing_is_said(
    template: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert balise("render-template", template, *arguments) == 1
    assert message in capsys.readouterr().err


def test_graph_of_a_broken_catalog_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "catalog.yaml").write_text("schema: olm.package\nname: app\n")
    assert balise("graph", tmp_path) == 1
    error = capsys.readouterr().err
    assert "catalog.yaml:1:1: BAL2071: package app has no default channel (and 1 more)" in error
    assert balise("graph", REPOSITORY / "catalog/timonier") == 0


def test_image_has_the_catalog_and_its_label_and_the_same_digest_every_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = REPOSITORY / "catalog/timonier"
    digests = set()
    for name in ("a", "b"):
        assert balise("image", folder, "--output", tmp_path / name, "--name", "v1") == 0
        digests.add(capsys.readouterr().out.split()[0])
    assert len(digests) == 1
    image = read_image(tmp_path / "a", "registry.example.org/catalog:v1")
    assert image.labels == {"operators.operatorframework.io.index.configs.v1": "/configs"}
    assert image.files == {"configs/catalog.yaml": (folder / "catalog.yaml").read_bytes()}
    assert balise("image", folder, "--output", tmp_path / "c", "--platform", "amd64") == 1
    assert "--platform: is 'amd64'\n  write it as linux/amd64" in capsys.readouterr().err


def test_diff_fails_where_users_are_harmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = REPOSITORY / "catalog/timonier"
    assert balise("diff", folder, folder) == 0
    assert capsys.readouterr().out == "nothing changes for anybody\n"
    text = (folder / "catalog.yaml").read_text()
    (tmp_path / "catalog.yaml").write_text(text.replace("candidate-v0", "stable-v0"))
    assert balise("diff", folder, tmp_path) == 1
    out = capsys.readouterr().out
    assert out.startswith("timonier\n  ! channel candidate-v0 is gone")
    assert out.endswith("1 change harms users (marked !)\n")
    assert balise("diff", folder, tmp_path, "--format", "json") == 1
    changes = json.loads(capsys.readouterr().out)
    assert [change["kind"] for change in changes] == ["channel-removed", "default-channel", "channel-added"]


def test_merge_and_migrate_print_catalogs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = REPOSITORY / "catalog/timonier"
    assert balise("merge", folder, folder) == 0
    merged = capsys.readouterr().out
    assert balise("migrate", folder, "--to", "objects", "--bundles", BUNDLE.parent) == 0
    (tmp_path / "catalog.yaml").write_text(capsys.readouterr().out)
    assert check_catalog(tmp_path).valid
    assert balise("migrate", tmp_path) == 0
    assert capsys.readouterr().out == merged


def test_render_prints_what_the_catalog_holds(capsys: pytest.CaptureFixture[str]) -> None:
    level = ("--migrate-level", "bundle-object-to-csv-metadata")
    image = "registry.timonier.dev/{package}-bundle:v{version}"
    assert balise("render", BUNDLE, "--image", image, *level) == 0
    blob = json.loads(capsys.readouterr().out)
    catalog = yaml.safe_load_all((REPOSITORY / "catalog/timonier/catalog.yaml").read_text())
    assert blob == next(each for each in catalog if each["schema"] == "olm.bundle")
    assert balise("render", BUNDLE, "--image", "{tag}") == 1
    assert "--image: is '{tag}'" in capsys.readouterr().err
    assert balise("render", REPOSITORY / "docs") == 1


def test_deprecations_are_published_by_the_next_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pyproject.toml", "operator", "scripts", "bundle"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    config = ("--config", tmp_path / "pyproject.toml")
    assert balise("build", *config) == 1
    assert "catalog/template.yaml: there is no template" in capsys.readouterr().err
    shutil.copytree(REPOSITORY / "catalog", tmp_path / "catalog")
    assert balise("deprecate", "Use stable-v1.", "--channel", "candidate-v0", *config) == 0
    assert balise("build", "--check", *config) == 1
    assert balise("build", *config) == 0
    assert balise("diff", REPOSITORY / "catalog", tmp_path / "catalog") == 0
    assert "  ~ channel candidate-v0 is now deprecated: Use stable-v1." in capsys.readouterr().out
    assert balise("deprecate", "", "--channel", "candidate-v0", *config) == 0
    assert not (tmp_path / "catalog/deprecations.yaml").exists()


@pytest.mark.parametrize("kind", ["basic", "substitutes"])
def test_a_converted_catalog_renders_to_itself(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = REPOSITORY / "catalog/timonier"
    assert balise("merge", folder) == 0
    catalog = capsys.readouterr().out
    assert balise("convert-template", kind, folder) == 0
    template = tmp_path / "template.yaml"
    template.write_text(capsys.readouterr().out)
    assert ("olm.csv.metadata" in template.read_text()) == (kind == "substitutes")
    level = ("--migrate-level", "bundle-object-to-csv-metadata")
    assert balise("render-template", template, "--bundles", BUNDLE.parent, "-o", "yaml", *level) == 0
    assert capsys.readouterr().out == catalog
