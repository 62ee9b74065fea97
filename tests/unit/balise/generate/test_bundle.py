from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise.generate.bundle import bundle_files
from balise.generate.configuration import read
from balise.generate.facts import gather
from balise.model.errors import InputError


def generated(project: Path) -> dict[str, str]:
    settings = read(project)
    return bundle_files(settings, gather(settings))


def csv(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(generated(project)["manifests/acme.clusterserviceversion.yaml"])
    return found


def edit(path: Path, change: Callable[[Any], object]) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    change(documents)
    path.write_text(yaml.safe_dump_all(documents))


def test_the_files_of_a_bundle(project: Path) -> None:
    files = generated(project)
    assert list(files) == [
        "bundle.Containerfile",
        "manifests/acme.clusterserviceversion.yaml",
        "manifests/acme.example_backupstores.yaml",
        "metadata/annotations.yaml",
    ]
    annotations = yaml.safe_load(files["metadata/annotations.yaml"])["annotations"]
    prefix = "operators.operatorframework.io.bundle"
    assert annotations[f"{prefix}.channels.v1"] == "stable-v1,fast-v1"
    assert annotations[f"{prefix}.channel.default.v1"] == "stable-v1"
    for key, value in annotations.items():
        assert f"LABEL {key}={value}\n" in files["bundle.Containerfile"]


def test_same_input_same_bytes_from_files_and_from_code(project: Path, python_project: Path) -> None:
    first = generated(python_project)
    assert generated(python_project) == first


def test_files_and_entry_points_give_the_same_bundle(project: Path, request: pytest.FixtureRequest) -> None:
    from_files = generated(project)
    assert generated(request.getfixturevalue("python_project")) == from_files


def test_owned_kinds_are_described_from_their_schema(project: Path) -> None:
    owned = csv(project)["spec"]["customresourcedefinitions"]["owned"]
    assert [each["version"] for each in owned] == ["v1", "v1alpha1"]  # storage version first
    assert owned[0]["displayName"] == "Backup Store"
    assert owned[0]["description"] == "A place for backups."
    hints = {each["path"]: each.get("x-descriptors") for each in owned[0]["specDescriptors"]}
    assert hints == {
        "credentialsSecretRef": ["urn:alm:descriptor:io.kubernetes:Secret"],
        "mode": [
            "urn:alm:descriptor:com.tectonic.ui:select:Fast",
            "urn:alm:descriptor:com.tectonic.ui:select:Safe",
        ],
        "replicas": ["urn:alm:descriptor:com.tectonic.ui:podCount"],
    }
    assert owned[0]["specDescriptors"][2]["description"] == "How many."
    assert owned[0]["statusDescriptors"][0]["x-descriptors"] == ["urn:alm:descriptor:io.kubernetes.conditions"]


def test_the_csv_says_what_configuration_and_code_say(project: Path) -> None:
    found = csv(project)
    metadata, spec = found["metadata"], found["spec"]
    assert metadata["name"] == "acme.v1.2.3"
    assert metadata["annotations"]["createdAt"] == "2026-01-31T12:00:00Z"
    assert metadata["annotations"]["capabilities"] == "Full Lifecycle"
    assert base64.b64decode(spec["icon"][0]["base64data"]) == b"<svg/>\n"
    assert [mode["type"] for mode in spec["installModes"] if mode["supported"]] == ["OwnNamespace", "AllNamespaces"]
    assert spec["relatedImages"] == [
        {"name": "acme", "image": "registry.example/acme:v1.2.3"},
        {"name": "data-mover", "image": "registry.example/mover:1"},
    ]
    install = spec["install"]["spec"]
    assert install["clusterPermissions"][0]["serviceAccountName"] == "acme"
    assert install["clusterPermissions"][0]["rules"][0]["verbs"] == ["get", "list", "watch"]
    assert install["permissions"][0]["rules"][0]["resources"] == ["leases"]
    assert install["deployments"][0]["label"] == {"app": "acme"}
    examples = json.loads(metadata["annotations"]["alm-examples"])
    assert [each["apiVersion"] for each in examples] == ["acme.example/v1", "acme.example/v1alpha1"]


def test_upgrade_edges_are_optional(project: Path) -> None:
    assert not {"replaces", "skips"} & set(csv(project)["spec"])
    text = project.read_text()
    edges = 'replaces = "acme.v1.2.2"\nskips = ["acme.v1.2.1"]\nskip-range = ">=1.0.0 <1.2.3"\n'
    project.write_text(text.replace('maturity = "beta"\n', f'maturity = "beta"\n{edges}'))
    found = csv(project)
    assert found["spec"]["replaces"] == "acme.v1.2.2"
    assert found["spec"]["skips"] == ["acme.v1.2.1"]
    assert found["metadata"]["annotations"]["olm.skipRange"] == ">=1.0.0 <1.2.3"


def test_time_comes_from_source_date_epoch_when_not_configured(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text(project.read_text().replace('created-at = "2026-01-31T12:00:00Z"\n', ""))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert "createdAt" not in csv(project)["metadata"]["annotations"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert csv(project)["metadata"]["annotations"]["createdAt"] == "1970-01-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH"):
        csv(project)


def test_extra_manifests_ship_if_olm_installs_them(project: Path) -> None:
    project.write_text(project.read_text().replace("samples =", 'manifests = ["extra/*.yaml"]\nsamples ='))
    extra = project.parent / "extra" / "service.yaml"
    extra.parent.mkdir()
    extra.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: acme-metrics}\n")
    assert "manifests/acme-metrics_v1_service.yaml" in generated(project)
    extra.write_text("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: acme}\n")
    with pytest.raises(InputError, match="DaemonSet acme is of a kind that OLM does not install"):
        generated(project)
    extra.write_text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: acme}\n")
    with pytest.raises(InputError, match="operator's own"):
        generated(project)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("samples/stores.yaml", lambda docs: docs.pop(), "no sample of BackupStore in acme.example/v1alpha1"),
        ("samples/stores.yaml", lambda docs: docs[0].update(kind="Store"), "a sample is a Store"),
        ("config/crd/stores.yaml", lambda docs: docs[0].update(kind="Role"), "expected one or more CustomResourceDef"),
        (
            "config/crd/stores.yaml",
            lambda docs: docs[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"].pop("description"),
            "version v1alpha1 has no description",
        ),
        ("config/deployment.yaml", lambda docs: docs.append(docs[0]), "expected one Deployment, found 2"),
        (
            "config/deployment.yaml",
            lambda docs: docs[0]["spec"]["template"]["spec"].pop("serviceAccountName"),
            "containers and a serviceAccountName",
        ),
        (
            "config/deployment.yaml",
            lambda docs: docs[0]["spec"]["template"]["spec"]["containers"][0].update(image="other:1"),
            "container 'operator' runs other:1, which is not declared",
        ),
        ("config/role.yaml", lambda docs: docs[0]["rules"][0].update(verbs=["*"]), "cluster, rule 1: verbs has the"),
    ],
)
def test_wrong_facts_are_told(project: Path, file: str, change: Callable[[Any], object], message: str) -> None:
    edit(project.parent / file, change)
    with pytest.raises(InputError) as caught:
        generated(project)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("no_such_module:crds", "cannot import no_such_module"),
        ("acme_facts:absent", "has no function absent"),
        ("acme_facts:nothing", "has no function nothing"),
        ("acme_facts:broken", "raised RuntimeError: no luck"),
        ("acme_facts:rules", "expected one or more CustomResourceDefinitions"),
    ],
)
def test_wrong_entry_points_are_told(python_project: Path, entry_point: str, message: str) -> None:
    python_project.write_text(python_project.read_text().replace("acme_facts:crds", entry_point))
    with pytest.raises(InputError, match=entry_point) as caught:
        generated(python_project)
    assert message in str(caught.value)


def test_a_glob_that_matches_nothing_is_told(project: Path) -> None:
    project.write_text(project.read_text().replace("samples/*", "sample/*"))
    with pytest.raises(InputError, match=r"tool\.balise\.samples: no file matches 'sample/\*\.yaml'"):
        generated(project)
