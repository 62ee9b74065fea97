"""What goes into a pull request to the community catalogs, and what keeps it out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from balise import cli
from balise.model.bundle import Bundle, load_bundle
from balise.model.errors import InputError
from balise.publish.operatorhub import Choices, Submission, Tree, plan_submission, read_pipeline
from balise.publish.trees import read_tree, write_folder

from .conftest import channel, demo_catalog, entry

CSV = """\
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata: {{name: {name}}}
spec:
  version: {version}
{more}"""


def bundle(folder: Path, version: str = "1.1.0", *, name: str = "", more: str = "") -> Bundle:
    annotations = {"operators.operatorframework.io.bundle.package.v1": "demo"}
    files = {
        "manifests/csv.yaml": CSV.format(name=name or f"demo.v{version}", version=version, more=more),
        "metadata/annotations.yaml": yaml.safe_dump({"annotations": annotations}),
        "bundle.Containerfile": "FROM scratch\n",
    }
    for path, text in files.items():
        (folder / version / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / version / path).write_text(text)
    return load_bundle(folder / version)


def tree(*versions: str, **files: str) -> Tree:
    found = {f"{version}/manifests/csv.yaml": b"old" for version in versions}
    return Tree(found | {path.replace("__", "."): text.encode() for path, text in files.items()})


def test_new_package_gets_the_bundle_and_a_ci_file(tmp_path: Path) -> None:
    found = plan_submission(bundle(tmp_path), Tree(), Choices(reviewers=("ann",)))
    assert found.reasons == ()
    assert sorted(found.files) == ["1.1.0/manifests/csv.yaml", "1.1.0/metadata/annotations.yaml", "ci.yaml"]
    assert yaml.safe_load(found.files["ci.yaml"]) == {
        "addReviewers": True,
        "reviewers": ["ann"],
        "updateGraph": "semver-mode",
    }


@pytest.mark.parametrize("more", ["  replaces: demo.v1.0.0", "  skips: [demo.v1.0.0]"])
def test_version_with_edges_of_its_own_asks_for_replaces_mode(tmp_path: Path, more: str) -> None:
    found = plan_submission(bundle(tmp_path, more=more), tree("1.0.0"), Choices())
    assert found.reasons == ()
    assert yaml.safe_load(found.files["ci.yaml"])["updateGraph"] == "replaces-mode"


def test_ci_file_that_is_there_is_kept(tmp_path: Path) -> None:
    found = plan_submission(bundle(tmp_path), tree(ci__yaml="# mine\nreviewers: [bob]\n"), Choices())
    assert "ci.yaml" not in found.files
    assert "add updateGraph: semver-mode" in found.notes[0]


REFUSED = {
    "named otherwise": ({"name": "demo-1.1.0"}, tree(), "their CI wants demo.v1.1.0"),
    "published": ({}, tree("1.1.0"), "1.1.0 is published with other content (manifests/csv.yaml"),
    "second head": ({}, tree("1.0.0", ci__yaml="updateGraph: replaces-mode"), "a second head beside 1.0.0"),
    "replaces nothing that is there": (
        {"more": "  replaces: demo.v0.9.0"},
        tree("1.0.0", ci__yaml="updateGraph: replaces-mode"),
        "replaces demo.v0.9.0, which is not published",
    ),
    "template missing": (
        {},
        tree(ci__yaml="fbc: {enabled: true, catalog_mapping: [{template_name: a.yaml, type: olm.semver}]}"),
        "not in catalog-templates/",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_why(tmp_path: Path, case: str) -> None:
    more, present, reason = REFUSED[case]
    found = plan_submission(bundle(tmp_path, **more), present, Choices(), archetypes=("stable",))
    assert any(reason in each for each in found.reasons), found.reasons


def test_published_version_is_replaced_when_told(tmp_path: Path) -> None:
    assert plan_submission(bundle(tmp_path), tree("1.1.0"), Choices(overwrite=True)).reasons == ()


@pytest.mark.parametrize("text", ["updateGraph: random-mode", "[1]", "fbc: {enabled: true}", "a: [", "\tb: 1"])
def test_ci_file_of_another_schema_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as error:
        read_pipeline(text.encode(), "operators/demo/ci.yaml")
    assert error.value.place.startswith("operators/demo/ci.yaml")


def test_file_based_catalog_is_told_channels_and_edges_of_each_kind_of_template(tmp_path: Path) -> None:
    mapping = (
        "fbc: {enabled: true, catalog_mapping: [{template_name: semver.yaml, type: olm.semver},"
        " {template_name: basic.yaml, type: olm.template.basic}]}"
    )
    present = Tree(
        {
            "ci.yaml": mapping.encode(),
            "catalog-templates/semver.yaml": b"",
            "catalog-templates/basic.yaml": b"",
        }
    )
    own = demo_catalog(
        channel("stable", entry("1.0.0"), entry("1.1.0", "1.0.0")),
        channel("beta", entry("1.0.0"), entry("1.1.0", "1.0.0")),
        channel("alpha", entry("1.1.0", skip_range="<1.1.0")),
    )
    found = plan_submission(bundle(tmp_path), present, Choices(), archetypes=("fast", "stable"), catalog=own)
    assert found.reasons == ()
    assert yaml.safe_load(found.files["1.1.0/release-config.yaml"]) == {
        "catalog_templates": [
            {"template_name": "basic.yaml", "channels": ["beta", "stable"], "replaces": "demo.v1.0.0"},
            {"template_name": "basic.yaml", "channels": ["alpha"], "skipRange": "<1.1.0"},
            {"template_name": "semver.yaml", "channels": ["Fast", "Stable"]},
        ]
    }


def test_second_run_finds_everything_there(tmp_path: Path) -> None:
    given = bundle(tmp_path)
    first = plan_submission(given, Tree(), Choices())
    again: Submission = plan_submission(given, Tree(first.files), Choices())
    assert again.unchanged
    assert again.reasons == ()


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "operators/1.0.0"
    write_folder(target, {"manifests/a.yaml": b"1", "gone.yaml": b"2"})
    write_folder(target, {"manifests/a.yaml": b"3"})
    assert read_tree(tmp_path / "operators") == {"1.0.0/manifests/a.yaml": b"3"}
    assert [each.name for each in (tmp_path / "operators").iterdir()] == ["1.0.0"], "nothing temporary is left"


def test_this_project_can_be_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = Path(__file__).parents[4]
    version = min(path.name for path in (repository / "bundle").iterdir())
    arguments = ["publish", "operatorhub", "--to", str(tmp_path), "--config", str(repository / "pyproject.toml"),
                 "--version", version]  # fmt: skip
    assert cli.main([*arguments, "--dry-run"]) == 0
    assert list(tmp_path.iterdir()) == []
    assert cli.main(arguments) == 0, capsys.readouterr().err
    folder = tmp_path / "operators/timonier" / version
    assert load_bundle(folder).name == f"timonier.v{version}"
    (folder / "metadata/annotations.yaml").write_text("annotations: {}\n")
    assert cli.main(arguments) == 1
    assert "whoever installed it keeps what they have" in capsys.readouterr().err


def test_bundle_with_errors_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle(tmp_path)
    target = tmp_path / "catalogs"
    assert cli.main(["publish", "operatorhub", "--to", str(target), "--bundle", str(tmp_path / "1.1.0")]) == 1
    assert "the catalogs' CI would refuse it" in capsys.readouterr().err
    assert not target.exists()
