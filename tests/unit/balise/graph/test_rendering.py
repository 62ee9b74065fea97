"""Bundles as opm renders them: by rule, and beside the catalogs of the corpus, which opm made of the same bundles."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise.graph.rendering import RenderedBundle, render_bundle
from balise.model.bundle import load_bundle
from balise.model.catalog_files import load_catalog
from balise.model.errors import InputError

CORPUS = Path(os.environ.get("BALISE_CORPUS", Path(__file__).parents[4].parent / "shared/corpus"))

OWNED = {"name": "apps.acme.example", "version": "v1", "kind": "App", "specDescriptors": [{"path": "x"}]}
CSV: dict[str, Any] = {
    "apiVersion": "operators.coreos.com/v1alpha1",
    "kind": "ClusterServiceVersion",
    "metadata": {"name": "app.v1.0.0", "annotations": {"categories": "Database"}},
    "spec": {
        "version": "1.0.0",
        "displayName": "App",
        "description": "Runs <things>",
        "icon": [{"base64data": "aWNv\nbg==", "mediatype": "image/png"}],
        "customresourcedefinitions": {
            "owned": [OWNED],
            "required": [{"name": "stores.other.example", "version": "v2", "kind": "Store"}],
        },
        "relatedImages": [{"name": "tool", "image": "example.org/tool:1"}],
        "install": {
            "strategy": "deployment",
            "spec": {"deployments": [{"name": "app", "spec": {"template": {"spec": {
                "containers": [{"name": "app", "image": "example.org/app:1"}],
                "initContainers": [{"name": "init", "image": "example.org/tool:1"}],
            }}}}]},
        },
    },
}  # fmt: skip
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "apps.acme.example"},
    "spec": {
        "group": "acme.example",
        "names": {"kind": "App", "plural": "apps"},
        "scope": "Namespaced",
        "versions": [{"name": "v1"}, {"name": "v1alpha1"}],
    },
}
ANNOTATIONS = {"annotations": {"operators.operatorframework.io.bundle.package.v1": "app"}}


def write(folder: Path, files: dict[str, Any]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(
        tmp_path, {"manifests/csv.yaml": CSV, "manifests/crd.yaml": CRD, "metadata/annotations.yaml": ANNOTATIONS}
    )


def render(folder: Path, image: str = "example.org/app-bundle:v1", *, inline: bool = False) -> RenderedBundle:
    return render_bundle(load_bundle(folder), image, inline=inline)


def values(found: RenderedBundle, kind: str) -> list[Any]:
    return [each["value"] for each in found.blob["properties"] if each["type"] == kind]


def test_properties_are_derived_and_sorted_with_the_metadata_last(bundle: Path) -> None:
    found = render(bundle)
    assert [each["type"] for each in found.blob["properties"]] == [
        "olm.gvk", "olm.gvk", "olm.gvk.required", "olm.package", "olm.csv.metadata"
    ]  # fmt: skip
    assert values(found, "olm.gvk") == [
        {"group": "acme.example", "kind": "App", "version": "v1"},
        {"group": "acme.example", "kind": "App", "version": "v1alpha1"},
    ]
    assert values(found, "olm.gvk.required") == [{"group": "other.example", "kind": "Store", "version": "v2"}]
    assert values(found, "olm.package") == [{"packageName": "app", "version": "1.0.0"}]


def test_metadata_has_what_the_reference_writes_even_when_empty(bundle: Path) -> None:
    (metadata,) = values(render(bundle), "olm.csv.metadata")
    assert metadata == {
        "annotations": {"categories": "Database"},
        "apiServiceDefinitions": {},
        "crdDescriptions": {
            "owned": [
                {"name": "apps.acme.example", "version": "v1", "kind": "App", "specDescriptors": [{"path": "x"}]}
            ],
            "required": [{"name": "stores.other.example", "version": "v2", "kind": "Store"}],
        },
        "description": "Runs <things>",
        "displayName": "App",
        "provider": {},
    }


def test_related_images_are_those_listed_the_bundles_own_and_those_that_run(bundle: Path) -> None:
    assert render(bundle).blob["relatedImages"] == [
        {"name": "", "image": "example.org/app-bundle:v1"},
        {"name": "", "image": "example.org/app:1"},
        {"name": "tool", "image": "example.org/tool:1"},
    ]


def test_description_and_first_icon_are_for_the_package(bundle: Path) -> None:
    found = render(bundle)
    assert found.description == "Runs <things>"
    assert found.icon == {"base64data": base64.b64encode(b"icon").decode(), "mediatype": "image/png"}


def test_without_an_image_the_objects_are_kept_as_go_writes_them(bundle: Path) -> None:
    found = render(bundle, image="")
    assert not values(found, "olm.csv.metadata")
    texts = [base64.b64decode(each["data"]).decode() for each in values(found, "olm.bundle.object")]
    assert [json.loads(text) for text in texts] == [CRD, CSV]
    assert r"Runs \u003cthings\u003e" in texts[1]
    assert "example.org/app-bundle:v1" not in json.dumps(found.blob["relatedImages"])


def test_dependencies_and_properties_files_are_taken(bundle: Path) -> None:
    write(bundle, {
        "metadata/dependencies.yaml": {"dependencies": [
            {"type": "olm.package", "value": {"packageName": "db", "version": ">1.0.0"}},
            {"type": "olm.gvk", "value": {"group": "g", "kind": "K", "version": "v1"}},
            {"type": "olm.constraint", "value": {"cel": {"rule": "true"}}},
        ]},
        "metadata/properties.yaml": {"properties": [{"type": "olm.maxOpenShiftVersion", "value": "4.20"}]},
    })  # fmt: skip
    found = render(bundle)
    assert values(found, "olm.package.required") == [{"packageName": "db", "versionRange": ">1.0.0"}]
    assert {"group": "g", "kind": "K", "version": "v1"} in values(found, "olm.gvk.required")
    assert values(found, "olm.constraint") == [{"cel": {"rule": "true"}}]
    assert values(found, "olm.maxOpenShiftVersion") == ["4.20"]


def test_of_two_package_properties_the_annotations_counts(bundle: Path) -> None:
    text = json.dumps([{"type": "olm.package", "value": {"packageName": "app", "version": "9.9.9"}}])
    csv = {**CSV, "metadata": {"name": "app.v1.0.0", "annotations": {"olm.properties": text}}}
    write(bundle, {"manifests/csv.yaml": csv})
    assert values(render(bundle), "olm.package") == [{"packageName": "app", "version": "9.9.9"}]


def test_a_release_becomes_part_of_the_package_property(bundle: Path) -> None:
    write(bundle, {"manifests/csv.yaml": {**CSV, "spec": {**CSV["spec"], "release": "2"}}})
    assert values(render(bundle), "olm.package") == [{"packageName": "app", "version": "1.0.0", "release": "2"}]


def test_no_package_is_refused(bundle: Path) -> None:
    (bundle / "metadata/annotations.yaml").unlink()
    with pytest.raises(InputError, match="which package it belongs to"):
        render(bundle)


def test_like_opm_on_the_corpus() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"the corpus is not at {CORPUS} (set BALISE_CORPUS)")
    # This package's catalog was edited by hand, and this bundle has images that tie in opm's unstable sort.
    unlike = {"kubebrowser.v0.0.1", "kubebrowser.v0.0.2", "openstack-lightspeed-operator.v0.0.2"}
    compared = 0
    for folder in sorted((CORPUS / "catalogs").iterdir()):
        for bundle in load_catalog(folder).bundles:
            source = CORPUS / "bundles" / bundle.package / bundle.version
            if not source.is_dir() or bundle.name in unlike:
                continue
            inline = not any(found.type == "olm.csv.metadata" for found in bundle.properties)
            assert render(source, bundle.image, inline=inline).blob == bundle.blob
            compared += 1
    assert compared >= 10


@pytest.mark.parametrize(
    ("owned", "message"),
    [
        ({"name": "apps", "version": "v1", "kind": "App"}, "names a CRD 'apps'"),
        ({"name": "apps.acme.example", "version": "v9", "kind": "App"}, "owns apps.acme.example v9, kind App"),
        ({"name": "apps.acme.example", "version": "v1", "kind": "Appp"}, "the bundle has no such CRD"),
        ({"name": "app.acme.example", "version": "v1", "kind": "App"}, "the bundle has no such CRD"),
    ],
)
def test_owned_crds_must_be_there(bundle: Path, owned: dict[str, str], message: str) -> None:
    write(
        bundle,
        {"manifests/csv.yaml": {**CSV, "spec": {**CSV["spec"], "customresourcedefinitions": {"owned": [owned]}}}},
    )
    with pytest.raises(InputError, match=message):
        render(bundle)
