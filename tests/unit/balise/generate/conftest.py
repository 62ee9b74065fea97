"""A small operator project, in another language's layout and as Python entry points: the input of every test here."""

from __future__ import annotations

import copy
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "backupstores.acme.example", "creationTimestamp": None},
    "spec": {
        "group": "acme.example",
        "scope": "Namespaced",
        "names": {"kind": "BackupStore", "plural": "backupstores", "singular": "backupstore"},
        "versions": [
            {
                "name": name,
                "served": True,
                "storage": name == "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A place\nfor backups.",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "replicas": {"type": "integer", "description": "How many. Not zero."},
                                    "credentialsSecretRef": {
                                        "type": "object",
                                        "properties": {"name": {"type": "string"}},
                                    },
                                    "mode": {"type": "string", "enum": ["Fast", "Safe"]},
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {"conditions": {"type": "array", "items": {"type": "object"}}},
                            },
                        },
                    }
                },
            }
            for name in ("v1alpha1", "v1")
        ],
    },
    "status": {"conditions": []},
}
RULES: dict[str, list[dict[str, Any]]] = {
    "cluster": [{"apiGroups": ["acme.example"], "resources": ["backupstores"], "verbs": ["watch", "list", "get"]}],
    "namespaced": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}],
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "acme", "labels": {"app": "acme"}},
    "spec": {
        "selector": {"matchLabels": {"app": "acme"}},
        "template": {
            "metadata": {"labels": {"app": "acme"}},
            "spec": {
                "serviceAccountName": "acme",
                "containers": [
                    {
                        "name": "operator",
                        "image": "registry.example/acme:v1.2.3",
                        "env": [{"name": "RELATED_IMAGE_DATA_MOVER", "value": "registry.example/mover:1"}],
                        "resources": {"requests": {"cpu": "10m"}},
                    }
                ],
            },
        },
    },
}
PYPROJECT = """\
[project]
name = "acme"
version = "1.2.3"

[tool.balise]
package = "acme"
display-name = "Acme Backups"
summary = "Backups for everything that Acme makes"
description = "packaging/description.md"
icon = "packaging/icon.svg"
maintainers = [{ name = "Ann", email = "ann@acme.example" }]
provider = { name = "Acme", url = "https://acme.example" }
links = [{ name = "Docs", url = "https://acme.example/docs" }]
repository = "https://acme.example/source"
keywords = ["backup"]
categories = ["Storage"]
maturity = "beta"
capability = "Full Lifecycle"
min-kube-version = "1.28.0"
install-modes = ["AllNamespaces", "OwnNamespace"]
channels = ["stable-v1", "fast-v1"]
registry = "registry.example"
image = "{registry}/acme:v{version}"
samples = ["samples/*.yaml"]
created-at = "2026-01-31T12:00:00Z"

[tool.balise.code]
crds = ["config/crd/*.yaml"]
rules = ["config/role*.yaml"]
deployment = ["config/deployment.yaml"]
"""


def write_project(root: Path) -> Path:
    """A whole project whose facts are YAML files; returns its pyproject.toml."""
    roles = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "acme"},
            "rules": RULES[scope],
        }
        for kind, scope in (("ClusterRole", "cluster"), ("Role", "namespaced"))
    ]
    samples = [
        {"apiVersion": f"acme.example/{version}", "kind": "BackupStore", "metadata": {"name": "s"}, "spec": {}}
        for version in ("v1", "v1alpha1")
    ]
    for path, content in {
        "pyproject.toml": PYPROJECT,
        "packaging/description.md": "Keeps your data twice.\n",
        "packaging/icon.svg": "<svg/>\n",
        "config/crd/stores.yaml": yaml.safe_dump(CRD),
        "config/role.yaml": yaml.safe_dump_all(roles),
        "config/deployment.yaml": yaml.safe_dump(DEPLOYMENT),
        "samples/stores.yaml": yaml.safe_dump_all(samples),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root / "pyproject.toml"


def write_module(root: Path, name: str) -> None:
    """The same facts as Python entry points, in module `name`."""
    deployment = copy.deepcopy(DEPLOYMENT)
    (root / f"{name}.py").write_text(
        textwrap.dedent(f"""\
        def crds():
            return [{CRD!r}]

        def rules():
            return {RULES!r}

        def deployment(image):
            found = {deployment!r}
            found["spec"]["template"]["spec"]["containers"][0]["image"] = image
            return found

        def broken():
            raise RuntimeError("no luck")

        nothing = None
        """)
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The path of the project's pyproject.toml."""
    return write_project(tmp_path)


@pytest.fixture
def python_project(project: Path) -> Iterator[Path]:
    """The same project with its facts as entry points in module `acme_facts`."""
    write_module(project.parent, "acme_facts")
    text, _, _ = project.read_text().partition("[tool.balise.code]")
    entry_points = "".join(f'{key} = "acme_facts:{key}"\n' for key in ("crds", "rules", "deployment"))
    project.write_text(f"{text}[tool.balise.code]\n{entry_points}")
    yield project
    sys.modules.pop("acme_facts", None)
