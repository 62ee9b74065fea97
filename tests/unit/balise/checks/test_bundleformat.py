from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from balise.checks.findings import Finding
from balise.checks.runner import Run, check_bundle

Edit = Callable[[Path], None]


def _found(folder: Path) -> list[Finding]:
    return list(check_bundle(folder, Run(("bundleformat",))).findings)


def _write(name: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return edit


def _annotation(old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "metadata" / "annotations.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit


def _remove(name: str) -> Edit:
    return lambda folder: (folder / name).unlink()


def _dependency(kind: str, value: str) -> Edit:
    return _write("metadata/dependencies.yaml", f"dependencies:\n- type: {kind}\n  value: {value}\n")


def test_a_good_bundle_has_no_finding(folder: Path) -> None:
    assert _found(folder) == []


@pytest.mark.parametrize(
    ("edit", "code", "line"),
    [
        (_remove("metadata/annotations.yaml"), "BAL3001", 0),
        (_write("metadata/annotations.yaml", "annotation: {}\n"), "BAL3002", 1),
        (_annotation("registry+v1", "plain+v0"), "BAL3004", 2),
        (_annotation("manifests.v1: manifests/", "manifests.v1: deploy/"), "BAL3005", 3),
        (_annotation("manifests.v1: manifests/", "manifests.v1: manifests"), "", 0),
        (_annotation("metadata.v1: metadata/", "metadata.v1: meta/"), "BAL3006", 4),
        (_annotation("package.v1: example-operator", "package.v1: ''"), "BAL3007", 5),
        (_annotation("channels.v1: stable", "channels.v1: ','"), "BAL3008", 6),
        (_annotation("channel.default.v1: stable", "channel.default.v1: ''"), "BAL3008", 7),
        (_annotation("channels.v1: stable", "channels.v1: 'stable, fast'"), "BAL3009", 6),
        (_annotation("channel.default.v1: stable", "other: x"), "", 0),
        (_write("metadata/dependencies.yaml", "- type: olm.gvk\n"), "BAL3010", 1),
        (_write("metadata/dependencies.yaml", "dependencies: [\n"), "BAL3010", 1),
        (_write("metadata/dependencies.yaml", "dependencies: [x]\n"), "BAL3011", 1),
        (_dependency("olm.gvk", "{group: a.b, kind: K, version: v1}"), "", 0),
        (_dependency("olm.gvk", "{group: a.b, kind: K}"), "BAL3011", 3),
        (_dependency("olm.package", "{packageName: x, version: '>=1.0.0 <2.0.0'}"), "", 0),
        (_dependency("olm.package", "{packageName: x, version: newest}"), "BAL3011", 3),
        (_dependency("olm.package", "{version: 1.0.0}"), "BAL3011", 3),
        (_dependency("olm.label", "{label: x}"), "", 0),
        (_dependency("olm.label", "{}"), "BAL3011", 3),
        (_dependency("olm.magic", "{}"), "BAL3011", 2),
        (_dependency("olm.constraint", "{failureMessage: m, cel: {rule: 'size(properties) > 0'}}"), "", 0),
        (_dependency("olm.constraint", "{failureMessage: m, cel: {rule: 'f(\")\"'}}"), "BAL3011", 3),
        (_dependency("olm.constraint", "{cel: {rule: 'true'}}"), "BAL3011", 3),
        (_dependency("olm.constraint", "{failureMessage: m}"), "BAL3011", 3),
        (_dependency("olm.constraint", "{failureMessage: m, any: {constraints: []}}"), "BAL3011", 3),
        (
            _dependency("olm.constraint", "{failureMessage: m, all: {constraints: [{package: {packageName: x}}]}}"),
            "BAL3011",
            3,
        ),
        (_write("manifests/d.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"), "BAL3012", 2),
        (_write("manifests/c.yaml", "kind: ConfigMap\nmetadata: {name: x}\n"), "BAL3013", 1),
        (_write("manifests/c.yaml", "apiVersion: v1\nkind: ConfigMap\n"), "BAL3013", 1),
        (_write("manifests/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: X_y\n"), "BAL3013", 4),
        (
            _write("manifests/r.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a:b}\n"),
            "",
            0,
        ),
        (
            _write("manifests/r.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a/b}\n"),
            "BAL3013",
            3,
        ),
        (
            _write(
                "manifests/c.yaml",
                f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{a: {'x' * 1572864}}}\n",
            ),
            "BAL3014",
            1,
        ),
        (
            _write(
                "manifests/c.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n# nothing\n---\nkind: Y\n",
            ),
            "BAL3015",
            7,
        ),
        (
            _write("Dockerfile", "FROM scratch\nLABEL operators.operatorframework.io.bundle.channels.v1=beta\n"),
            "BAL3016",
            2,
        ),
    ],
)
def test_each_rule(folder: Path, edit: Edit, code: str, line: int) -> None:
    edit(folder)
    found = _found(folder)
    assert ([] if not code else [(code, line)]) == [(each.code, each.line) for each in found][:1]


def test_labels_are_read_as_a_builder_reads_them(folder: Path) -> None:
    prefix = "operators.operatorframework.io.bundle."
    (folder / "bundle.Dockerfile").write_text(
        f'FROM scratch\nlabel {prefix}mediatype.v1="registry+v1" \\\n   {prefix}manifests.v1=manifests/ \\\n'
        f"   {prefix}metadata.v1='metadata/'\nLABEL {prefix}package.v1=example-operator\n"
        f"LABEL {prefix}channels.v1=stable\nLABEL {prefix}channel.default.v1=stable\nCOPY manifests /manifests/\n"
    )
    assert _found(folder) == []
