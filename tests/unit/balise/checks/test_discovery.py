"""What counts as a bundle and what as a catalog, in folders as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from balise.checks.discovery import find
from balise.model.errors import InputError

CSV = "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\n"
BLOBS = "---\nschema: olm.package\nname: a\n---\nschema: olm.channel\nname: b\n"


def lay(root: Path, *names: str, text: str = "kind: ConfigMap\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(root: Path, *below: str) -> tuple[list[str], list[str]]:
    result = find([str(root / path) for path in below or ("",)])
    cut = len(str(root)) + 1
    return [path[cut:] for path in result.bundles], [path[cut:] for path in result.catalogs]


def test_a_tree_of_bundles_in_the_order_of_names(tmp_path: Path) -> None:
    lay(tmp_path, "b/2.0.0/manifests/csv.yaml", "b/10.0.0/manifests/csv.yaml", text=CSV)
    lay(tmp_path, "a/metadata/annotations.yaml", "c/manifests/x.txt", "packaging/manifests/service.yaml")
    lay(tmp_path, ".hidden/manifests/x.yaml", text=CSV)
    lay(tmp_path, "loose/csv.yaml", "loose/crd.yaml", text=CSV)
    assert found(tmp_path) == (["a", "b/10.0.0", "b/2.0.0", "loose"], [])


def test_catalogs_and_what_is_none(tmp_path: Path) -> None:
    lay(tmp_path, "catalogs/a/catalog.yaml", "catalogs/b/index.json", text=BLOBS)
    lay(
        tmp_path, "inline/catalog.yaml", text=f"{BLOBS}properties:\n- value: |\n    {CSV.replace(chr(10), chr(10) * 2)}"
    )
    lay(tmp_path, "template/catalog.yaml", text="schema: olm.template.basic\nentries:\n- schema: olm.package\n")
    lay(tmp_path, "semver/catalog.yaml", text="schema: olm.semver\nentries: []\n")
    assert found(tmp_path) == ([], ["catalogs/a", "catalogs/b", "inline"])


def test_a_folder_that_was_given_counts_whatever_is_in_it(tmp_path: Path) -> None:
    lay(tmp_path, "some/thing.yaml", "tree/bundle/manifests/csv.yaml", text=CSV)
    assert found(tmp_path, "some", "tree", "tree/bundle") == (["some", "tree/bundle"], [])


def test_a_catalog_that_was_given_may_have_files_of_any_name(tmp_path: Path) -> None:
    lay(tmp_path, "deep/down/blobs", text=BLOBS)
    assert found(tmp_path, "deep") == ([], ["deep"])


def test_links_are_not_followed_except_what_was_given(tmp_path: Path) -> None:
    lay(tmp_path, "real/manifests/csv.yaml", text=CSV)
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "real/manifests/loop").symlink_to(tmp_path)
    assert found(tmp_path) == (["real"], [])
    assert found(tmp_path, "linked") == (["linked"], [])


@pytest.mark.parametrize(("name", "said"), [("file", "is a file"), ("nowhere", "no such folder")])
def test_what_is_no_folder(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=said):
        find([str(tmp_path / name)])


def test_everything_that_a_result_depends_on_is_told(tmp_path: Path) -> None:
    lay(tmp_path, "a/manifests/csv.yaml", text=CSV)
    lay(tmp_path, "a/.git/x", "b/notes.yaml", "c/deep/catalog.yaml")
    lay(tmp_path, "c/deep/catalog.yaml", text=BLOBS)
    result = find([str(tmp_path)])
    seen = {Path(path).relative_to(tmp_path).as_posix() for path in result.everything()}
    assert seen >= {".", "a", "a/manifests", "a/manifests/csv.yaml", "a/.git/x", "b", "b/notes.yaml", "c", "c/deep"}
