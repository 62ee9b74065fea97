"""Loading a directory: what the reference loader refuses, with a place; and how bundles are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from balise.model.bundle import (
    MAX_MANIFEST_BYTES,
    Bundle,
    BundleLoadError,
    LoadProblem,
    load_bundle,
    load_bundle_files,
    read_bundle_files,
)
from balise.model.documents import Memo
from balise.model.errors import InputError

CSV = "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata: {name: a.v1.0.0}\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c}\nspec: {group: g}\n"


def load(root: Path, **files: str | bytes) -> Bundle:
    """The bundle of some files, whose names have _ for / and for the dot of their suffix."""
    for name, content in files.items():
        folder, _, file = name.rpartition("__")
        path = root.joinpath(*folder.split("__"), file.replace("_", "."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_bundle(root)


def problems(root: Path, **files: str | bytes) -> list[LoadProblem]:
    with pytest.raises(BundleLoadError) as caught:
        load(root, **files)
    return list(caught.value.problems)


def test_a_bundle(tmp_path: Path) -> None:
    annotations = "annotations: {operators.operatorframework.io.bundle.channels.v1: 'a, b'}\n"
    bundle = load(
        tmp_path, manifests__csv_yaml=CSV, manifests__c_json='{"kind": "X"}', metadata__annotations_yaml=annotations
    )
    assert bundle.name == "a.v1.0.0"
    assert [each.kind for each in bundle.objects] == ["X", "ClusterServiceVersion"]
    assert bundle.annotations.channels == ("a", " b")
    assert bundle.size == sum(map(len, bundle.files.values()))


def test_the_csv_s_folder_is_the_bundle_wherever_it_is(tmp_path: Path) -> None:
    bundle = load(tmp_path, deep__er__csv_txt=CSV, deep__er__c_txt=CONFIG_MAP, other__text_yaml="{", readme_md="\t- {")
    assert [each.kind for each in bundle.objects] == ["ConfigMap", "ClusterServiceVersion"]


@pytest.mark.parametrize(
    ("content", "kind", "place"),
    [
        (b"", "no-object", (1, 1)),
        (b"text", "no-object", (1, 1)),
        (b"apiVersion: v1\n", "no-object", (1, 1)),
        (b"# c\n---\n# d\n---\nkind: X\n", None, None),
        (b"apiVersion: a/b/c\nkind: X\n", "no-object", (1, 1)),
        (b"kind: [X]\n", "no-object", (1, 1)),
        (b"kind: X\n\tmetadata: {}\n", "syntax", (2, 1)),
        (b"kind: X\n--- oops\n", "syntax", (2, 4)),
        (b"kind: X\nmetadata: \xff\n", "syntax", (2, 11)),
        (b"apiVersion: apiextensions.k8s.io/v2\nkind: CustomResourceDefinition\n", "type", (1, 1)),
        (CRD.replace("g}", "[]}").encode(), "type", (4, 15)),
        (CSV.encode(), "csv-twice", (1, 1)),
    ],
)
def test_a_second_file(tmp_path: Path, content: bytes, kind: str | None, place: tuple[int, int] | None) -> None:
    files = {"manifests__csv_yaml": CSV, "manifests__zz_yaml": content}
    if kind is None:
        load(tmp_path, **files)
        return
    (found,) = problems(tmp_path, **files)
    assert found.kind == kind
    assert found.position == (f"{tmp_path}/manifests/zz.yaml", *(place or ()))


def test_no_csv(tmp_path: Path) -> None:
    assert [each.kind for each in problems(tmp_path, manifests__c_yaml=CONFIG_MAP)] == ["csv-missing"]


def test_a_csv_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    missing, why = problems(tmp_path, manifests__csv_yaml=CSV + "\tspec: {}\n")
    assert (missing.kind, why.kind) == ("csv-missing", "syntax")
    assert why.position == (f"{tmp_path}/manifests/csv.yaml", 4, 1)


def test_a_value_of_the_wrong_type_has_its_place(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, manifests__csv_yaml=CSV + "spec:\n  keywords: database\n")
    assert found.position == (f"{tmp_path}/manifests/csv.yaml", 5, 13)
    assert found.message == "spec.keywords: text where a list belongs"


@pytest.mark.parametrize("name", [".hidden", "folder/x.yaml", "empty/"])
def test_manifests_hold_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / "manifests" / name
    path.parent.mkdir(parents=True)
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text(CONFIG_MAP)
    assert [each.kind for each in problems(tmp_path, manifests__csv_yaml=CSV)] == ["layout"]


def test_hidden_files_elsewhere_do_not_matter_but_count(tmp_path: Path) -> None:
    assert load(tmp_path, manifests__csv_yaml=CSV, _git__x="{").size > len(CSV)


def test_unreadable_and_large_files(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/gone.yaml").symlink_to("nowhere")
    with (tmp_path / "manifests/large.yaml").open("wb") as file:
        file.truncate(MAX_MANIFEST_BYTES + 1)
    found = problems(tmp_path, manifests__csv_yaml=CSV)
    assert [each.kind for each in found] == ["unreadable", "unreadable"]


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_bundle(tmp_path / "nowhere")


def test_further_documents_make_the_reference_read_the_csv_from_elsewhere(tmp_path: Path) -> None:
    # What its buffer still held when it went back to the start is what it decodes, with the file after it.
    bundle = load(tmp_path, manifests__csv_yaml=f"{CSV}---\nspec: {{displayName: Other}}\n")
    assert bundle.name == "a.v1.0.0"
    assert bundle.csv.name == "a.v1.0.0"
    assert bundle.csv.spec["displayName"] == "Other"


def test_digests_tell_names_and_contents_but_not_places(tmp_path: Path) -> None:
    digests = set()
    for index, (name, content) in enumerate(
        [("csv.yaml", CSV), ("csv.yaml", CSV), ("csw.yaml", CSV), ("csv.yaml", CSV + " "), ("x/csv.yaml", CSV)]
    ):
        file = tmp_path / str(index) / name
        file.parent.mkdir(parents=True)
        file.write_text(content)
        digests.add(read_bundle_files(tmp_path / str(index)).digest(b""))
    assert len(digests) == 4
    (tmp_path / "0/empty").mkdir()
    assert read_bundle_files(tmp_path / "0").digest(b"") not in digests
    assert read_bundle_files(tmp_path / "1").digest(b"key") not in digests


def test_a_memo_changes_nothing(tmp_path: Path) -> None:
    load(tmp_path, manifests__csv_yaml=CSV, manifests__crd_yaml=CRD)
    files, memo = read_bundle_files(tmp_path), Memo(limit=len(CSV) + 10)
    first, again, plain = load_bundle_files(files, memo), load_bundle_files(files, memo), load_bundle_files(files)
    assert first.csv.fields == again.csv.fields == plain.csv.fields
    assert first.crds[0].fields == again.crds[0].fields == plain.crds[0].fields
