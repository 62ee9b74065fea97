from pathlib import Path

import pytest

from devcluster.errors import DevclusterError, UnavailableError
from devcluster.go_toolchain import parse_go_version, required_go
from devcluster.programs import (
    GROUPS,
    build_detail,
    build_failure,
    cache_folder,
    find_programs,
    kubernetes_version,
    module_of,
    version_key,
)
from devcluster.progress import silent

GO_MOD = b"module x\n\ngo 1.24.0\n\nrequire (\n\tk8s.io/kubernetes v1.34.4\n\tk8s.io/kubectl v0.34.4\n)\n"


def test_the_key_names_the_version_and_follows_every_byte_and_the_platform() -> None:
    key = version_key({"go.mod": GO_MOD, "a/main.go": b"1"}, "Linux/x86_64")
    assert key.startswith("v1.34.4-")
    assert key == version_key({"a/main.go": b"1", "go.mod": GO_MOD}, "Linux/x86_64")
    others = [
        version_key({"go.mod": GO_MOD, "a/main.go": b"2"}, "Linux/x86_64"),
        version_key({"go.mod": GO_MOD, "b/main.go": b"1"}, "Linux/x86_64"),
        version_key({"go.mod": GO_MOD, "a/main.go": b"1"}, "Linux/aarch64"),
    ]
    assert len({key, *others}) == 4


def test_the_kubernetes_version_is_read_from_the_module() -> None:
    assert kubernetes_version(GO_MOD.decode()) == "v1.34.4"
    with pytest.raises(DevclusterError):
        kubernetes_version("module x\n")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go version go1.28rc1 linux/arm64", (1, 28, 0)),
        ("go 1.24.0", (1, 24, 0)),
        ("command not found", None),
    ],
)
def test_go_versions_are_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_go_version(text) == version


def test_the_module_says_which_go_it_needs() -> None:
    assert required_go(GO_MOD.decode()) == (1, 24, 0)


def test_the_cache_follows_the_desktop_rules() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/timonier/devcluster")
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache/timonier/devcluster"


def test_given_programs_are_taken_and_none_is_built(tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver"):
        (tmp_path / name).touch(mode=0o755)
    found = find_programs(("etcd", "kube-apiserver"), {"KUBEBUILDER_ASSETS": str(tmp_path)}, silent)
    assert found == {"etcd": tmp_path / "etcd", "kube-apiserver": tmp_path / "kube-apiserver"}


def test_assets_without_the_essentials_are_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="setup-envtest"):
        find_programs(("etcd", "kube-apiserver"), {"KUBEBUILDER_ASSETS": str(tmp_path)}, silent)


def test_every_part_of_a_cluster_has_the_same_version_and_its_own_key() -> None:
    modules = {group: module_of(group) / "go.mod" for group in GROUPS}
    assert len({kubernetes_version(path.read_text()) for path in modules.values()}) == 1
    assert modules["controlplane"] != modules["node"]


def test_a_build_tells_how_far_it_is_and_why_it_failed() -> None:
    log = "go: downloading k8s.io/api v0.34.4\nfmt\nk8s.io/api/core/v1\n# x/controlplane\nmain.go:3:1: undefined: y\n"
    assert build_detail("") == "reading packages"
    assert build_detail("go: downloading k8s.io/api v0.34.4\n") == "downloading k8s.io/api v0.34.4"
    assert build_detail("\n".join(log.splitlines()[:3])) == "2 packages compiled, now k8s.io/api/core/v1"
    assert build_failure(log) == "# x/controlplane | main.go:3:1: undefined: y"
    assert build_failure("fmt\n") == "it gave no reason"
