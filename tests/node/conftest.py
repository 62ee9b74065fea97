"""The cluster of the node tests: one real node, with an image to run. Skipped, with the reason, where it cannot be."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import node
from devcluster.cluster import Cluster, running
from devcluster.errors import UnavailableError
from devcluster.spec import ClusterSpec
from harness.fixtures import audit, installation, kube, kubectl, operator, operator_factory
from harness.images import busybox_archive, static_busybox
from harness.programs import build_before_tests

__all__ = ["audit", "installation", "kube", "kubectl", "operator", "operator_factory"]

SPEC = ClusterSpec(name="node-tests", nodes="real")

_not_built = pytest.StashKey[str]()


def impossible() -> str | None:
    """Why this machine can have no real node; None when it can."""
    if os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names a cluster that is not ours"
    try:
        node.check()
    except UnavailableError as error:
        return str(error)
    return None if static_busybox() else "pods need an image: run 'apt-get install busybox-static'"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what a node needs before the first test, where no test's timeout counts and the progress can be seen."""
    wanted = any(item.get_closest_marker("node") for item in session.items)
    if not wanted or session.config.option.collectonly or impossible() is not None:
        return
    session.config.stash[_not_built] = build_before_tests(session, SPEC)


@pytest.fixture(scope="session")
def possible(pytestconfig: pytest.Config) -> None:
    """This machine can have a real node. In continuous integration ($CI) a failed build is no reason to skip."""
    reason = impossible()
    if reason is not None:
        pytest.skip(reason)
    failed = pytestconfig.stash.get(_not_built, "")
    if failed and os.environ.get("CI"):
        pytest.fail(failed)
    if failed:
        pytest.skip(failed)


@pytest.fixture(scope="session")
def archive(possible: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image to load, as a file."""
    busybox = static_busybox()
    assert busybox is not None
    return busybox_archive(tmp_path_factory.mktemp("images"), busybox)


@pytest.fixture(scope="session")
def cluster(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster that tests share."""
    with running(SPEC, tmp_path_factory.mktemp("devcluster") / "node") as shared:
        assert isinstance(shared, Cluster)
        shared.load_image(archive)
        yield shared
