"""A small bundle on disk, for the tests of what is done with findings."""

from __future__ import annotations

from pathlib import Path

import pytest

CSV = """\
# the operator's own description
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata:
  name: example-operator.v1.0.0
  annotations:
    capabilities: basic install  # as its first release
    olm.skiprange: '<1.0.0'
spec:
  displayName: Example
  version: 1.0.0
  minKubeVersion: v1.28
  installModes:
    - {type: AllNamespaces, supported: true}
  install:
    strategy: deployment
    spec:
      deployments:
        - name: example-operator
          spec:
            selector: {matchLabels: {app: example}}
            template:
              metadata: {labels: {app: example}}
              spec:
                containers:
                  - {name: manager, image: registry.example.com/example/operator:1.0.0}
"""
ANNOTATIONS = """\
annotations:
  operators.operatorframework.io.bundle.mediatype.v1: registry+v1
  operators.operatorframework.io.bundle.manifests.v1: manifests/
  operators.operatorframework.io.bundle.metadata.v1: metadata/
  operators.operatorframework.io.bundle.package.v1: example-operator
  operators.operatorframework.io.bundle.channels.v1: stable
  operators.operatorframework.io.bundle.channel.default.v1: stable
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "example-operator" / "1.0.0"
    for name, text in (("manifests/csv.yaml", CSV), ("metadata/annotations.yaml", ANNOTATIONS)):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
    return root
