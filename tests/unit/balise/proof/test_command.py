"""`balise prove` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from balise.cli import main

CATALOG = """\
schema: olm.package
name: a
defaultChannel: stable
---
schema: olm.channel
package: a
name: stable
entries:
- name: a.v1.0.0
- name: a.v1.1.0
  replaces: a.v1.0.0
---
schema: olm.bundle
package: a
name: a.v1.0.0
image: r.example.com/a:1
properties:
- {type: olm.package, value: {packageName: a, version: 1.0.0}}
---
schema: olm.bundle
package: a
name: a.v1.1.0
image: r.example.com/a:2
properties:
- {type: olm.package, value: {packageName: a, version: 1.1.0}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "catalog.yaml").write_text(CATALOG)
    return folder


def bundle(root: Path, version: str, **spec: Any) -> None:
    manifests = root / version / "manifests"
    manifests.mkdir(parents=True)
    csv = {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {"name": f"a.v{version}"},
        "spec": {"version": version, **spec},
    }
    (manifests / "csv.yaml").write_text(yaml.safe_dump(csv))
    metadata = root / version / "metadata"
    metadata.mkdir()
    (metadata / "annotations.yaml").write_text(
        "annotations:\n  operators.operatorframework.io.bundle.package.v1: a\n"
        "  operators.operatorframework.io.bundle.channels.v1: stable\n"
    )


def test_a_safe_catalog(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--catalog", str(catalog), "--kube-version", "1.30..1.32"]) == 0
    out = capsys.readouterr().out
    assert "stable   a.v1.0.0   v0   1               at the head, a.v1.1.0" in out
    assert "a: safe, 1 upgrade, 0 notes" in out
    assert "Not looked into, because the manifests are not at hand (--bundles DIR): a.v1.0.0 -> a.v1.1.0" in out


def test_json_has_every_version_channel_and_kubernetes_minor(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--catalog", str(catalog), "--kube-version", "1.30..1.31", "--format", "json"]) == 0
    (package,) = json.loads(capsys.readouterr().out)["packages"]
    journey = next(j for j in package["journeys"] if (j["olm"], j["from"]) == ("v0", "a.v1.0.0"))
    assert journey["through"] == ["a.v1.1.0"]
    assert journey["kubernetes"] == {"1.30": "reaches the head", "1.31": "reaches the head"}
    assert package["edges"] == [{"from": "a.v1.0.0", "to": "a.v1.1.0", "proven": False, "changes": []}]


def test_an_unsafe_upgrade_ends_with_1_and_is_explained(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle(tmp_path / "bundle", "1.0.0", installModes=[{"type": "OwnNamespace", "supported": True}])
    bundle(tmp_path / "bundle", "1.1.0", installModes=[{"type": "AllNamespaces", "supported": True}])
    command = ["prove", "--catalog", str(catalog), "--bundles", str(tmp_path / "bundle")]
    assert main(command) == 1
    assert "unsafe BAL5010 a.v1.0.0 -> a.v1.1.0: OwnNamespace is no longer supported" in capsys.readouterr().out
    assert main([*command, "--explain", "a.v1.0.0..a.v1.1.0"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a.v1.0.0 -> a.v1.1.0",
        "  taken by: a.v1.0.0 on stable (OLM v0), a.v1.0.0 on stable (OLM v1)",
        "  install mode: OwnNamespace is no longer supported: who installed it so gets stuck  BREAKS OLM v0",
        "  install mode: AllNamespaces is supported now",
    ]


def test_a_catalog_that_opm_refuses_is_unsafe(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "more.yaml").write_text("{schema: olm.channel, package: a, name: fast, entries: [{name: a.v9.0.0}]}\n")
    assert main(["prove", "--catalog", str(catalog)]) == 1
    out = capsys.readouterr().out
    assert "UNSAFE: opm refuses the catalog as a whole, so that no cluster can serve it:" in out
    assert "a.v9.0.0" in out
    assert main(["prove", "--catalog", str(catalog), "--format", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["safe"], len(data["refused"])) == (False, 1)


def test_a_code_is_explained(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--catalog", str(catalog), "--explain", "BAL5007"]) == 0
    assert capsys.readouterr().out.startswith("BAL5007: A fresh installation does not get the head\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--explain", "a.v9"], "nobody makes the upgrade a.v9"),
        (["--package", "z"], "there is no package z in catalog catalog"),
        (["--kube-version", "new"], "Give it as 1.31 or as 1.29..1.34."),
        (["--kube-version", "1.31..1.29"], "is no range of Kubernetes versions"),
        (["--bundles", "nowhere"], "nowhere: is no folder"),
        (["--objects", "nowhere"], "nowhere: "),
        (["--previous", "nowhere"], "nowhere: "),
    ],
)
def test_bad_input_is_told(
    catalog: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["prove", "--catalog", str(catalog), *arguments]) == 1
    assert message in capsys.readouterr().err
