"""A cluster that the user names is used, and what names none is told in one line."""

from pathlib import Path

import pytest

from devcluster.cluster import given
from devcluster.errors import DevclusterError
from devcluster.spec import ClusterSpec

GOOD = """
current-context: a
contexts: [{name: a, context: {cluster: b}}]
clusters: [{name: b, cluster: {server: "https://example.test"}}]
"""


def test_the_server_of_the_current_context_is_used(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(GOOD)
    found = given({"KUBECONFIG": str(path)}, tmp_path)
    assert found is not None
    assert (found.kubeconfig, found.url) == (path, "https://example.test")


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert given({}, tmp_path) is None
    assert given({"KUBECONFIG": ""}, tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"words",
        b"users: [",
        b"\xf0\x28",
        b"[]",
        b"contexts: []",
        GOOD.encode().replace(b"name: a", b"name: c"),
    ],
    ids=["absent", "empty", "text", "no YAML", "no text", "a list", "no context", "another context"],
)
def test_what_names_no_cluster_is_told_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DevclusterError, match="names no cluster") as told:
        given({"KUBECONFIG": str(path)}, tmp_path)
    assert "\n" not in str(told.value)


def test_settings_read_as_they_are_given() -> None:
    assert str(ClusterSpec("own", count=1, apiserver_args=("--v=2",))) == (
        "--name own --nodes kwok --count 1 --apiserver-arg=--v=2"
    )
