from __future__ import annotations

import stat
from pathlib import Path

import pytest

from balise.checks.fixes import FIXABLE, FileFix, bundle_fixes, write_fixes
from balise.checks.registry import find_check
from balise.checks.runner import Run, check_bundle, check_loaded
from balise.model.bundle import Bundle, load_bundle
from balise.model.errors import InputError


def _fixes(folder: Path) -> tuple[Bundle, tuple[FileFix, ...]]:
    bundle = load_bundle(folder)
    codes = {finding.code for finding in check_loaded(bundle, Run.of_profile("default")).findings}
    return bundle, bundle_fixes(bundle, codes)


def test_every_fix_is_of_a_check() -> None:
    assert [code for code in FIXABLE if find_check(code) is None] == []


def test_mends_and_keeps_everything_else(folder: Path) -> None:
    _, fixes = _fixes(folder)
    (fix,) = fixes
    assert fix.codes == ("BAL1114", "BAL1116", "BAL1501")
    changed = [line for line in fix.diff().splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == [
        "-    capabilities: basic install  # as its first release",
        "-    olm.skiprange: '<1.0.0'",
        "+    capabilities: Basic Install  # as its first release",
        "+    olm.skipRange: '<1.0.0'",
        "-  minKubeVersion: v1.28",
        "+  minKubeVersion: 1.28.0",
    ]
    path = folder / "manifests" / "csv.yaml"
    path.chmod(0o640)
    write_fixes(fixes)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["csv.yaml"]
    codes = {finding.code for finding in check_bundle(folder, Run.of_profile("default")).findings}
    assert not codes & FIXABLE
    assert _fixes(folder)[1] == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bundle.channels.v1: stable", "bundle.channels.v1: stable,candidate"),
        ("bundle.mediatype.v1: registry+v1", "bundle.mediatype.v1: registry+v1"),
        ("bundle.manifests.v1: manifests/", "bundle.manifests.v1: manifests/"),
    ],
)
def test_annotations_with_one_right_value(folder: Path, before: str, after: str) -> None:
    path = folder / "metadata" / "annotations.yaml"
    right = path.read_text().replace(before, after)
    key = before.partition(":")[0]
    wrong = {"bundle.channels.v1": "bundle.channels.v1: 'stable , candidate'"}.get(key, f"{key}: nonsense")
    path.write_text(right.replace(after, wrong, 1))
    _, fixes = _fixes(folder)
    written = {fix.file: fix.after.decode().replace("'", "") for fix in fixes}
    assert written[str(path)] == right


def test_a_missing_annotation_is_added(folder: Path) -> None:
    path = folder / "metadata" / "annotations.yaml"
    text = path.read_text()
    path.write_text("".join(line for line in text.splitlines(keepends=True) if "mediatype" not in line))
    write_fixes(_fixes(folder)[1])
    assert path.read_text() == text


@pytest.mark.parametrize("version", ["latest", "1.x", ""])
def test_what_is_meant_must_be_certain(folder: Path, version: str) -> None:
    path = folder / "manifests" / "csv.yaml"
    path.write_text(path.read_text().replace("v1.28", version))
    assert "BAL1114" not in {code for fix in _fixes(folder)[1] for code in fix.codes}


def test_refuses_links_and_files_that_changed_meanwhile(folder: Path, tmp_path: Path) -> None:
    _, fixes = _fixes(folder)
    path = folder / "manifests" / "csv.yaml"
    path.write_text(path.read_text() + "# edited\n")
    with pytest.raises(InputError, match="has changed"):
        write_fixes(fixes)
    target = path.rename(tmp_path / "target.yaml")
    path.symlink_to(target)
    with pytest.raises(InputError, match="is a link"):
        write_fixes(fixes)
    assert target.read_text().endswith("# edited\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("apiVersion: batch/v1beta1  # soon\nkind: CronJob", "apiVersion: batch/v1  # soon\nkind: CronJob"),
        ("apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: Role",
         "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role"),
        ("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nspec: {selector: {matchLabels: {a: b}}}",
         "apiVersion: policy/v1\nkind: PodDisruptionBudget\nspec: {selector: {matchLabels: {a: b}}}"),
        ("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nspec: {selector: {}}", None),
        ("apiVersion: extensions/v1beta1\nkind: Ingress", None),
        ("apiVersion: operators.coreos.com/v1\nkind: OperatorGroup\nmetadata:\n  annotations: {olm.providedapis: x}",
         "apiVersion: operators.coreos.com/v1\nkind: OperatorGroup\nmetadata:\n  annotations: {olm.providedAPIs: x}"),
    ],
)  # fmt: skip
def test_other_objects(folder: Path, old: str, new: str | None) -> None:
    path = folder / "manifests" / "object.yaml"
    path.write_text(f"{old}\n")
    fixes = {fix.file: fix.after.decode() for fix in _fixes(folder)[1]}
    assert fixes.get(str(path)) == (f"{new}\n" if new else None)
