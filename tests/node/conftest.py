"""The cluster of the node tests: one real node, with an image to run. Skipped, with the reason, where it cannot be."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from devcluster import node
from devcluster.cluster import Cluster, running
from devcluster.errors import UnavailableError
from devcluster.spec import ClusterSpec
from harness.debian import UnavailableLayerError
from harness.debian import impossible as debian_impossible
from harness.fixtures import audit, installation, kube, kubectl, operator, operator_factory
from harness.images import MOVER, POSTGRES, SHOP, busybox_archive, database_archive, mover_archive, static_busybox
from harness.programs import build_before_tests
from harness.stores import Server, Stores, rest_server, s3_server, small_disk

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
def debian(possible: None) -> None:
    """This machine can make images of Debian's packages."""
    reason = debian_impossible()
    if reason is not None:
        pytest.skip(reason)


def _unavailable(error: Exception) -> NoReturn:
    """Skip, or fail in continuous integration ($CI)."""
    if os.environ.get("CI"):
        pytest.fail(str(error))
    pytest.skip(str(error))


def _load(cluster: Cluster, build: Callable[[Path], Path], folder: Path) -> None:
    try:
        archive = build(folder)
    except UnavailableLayerError as error:
        _unavailable(error)
    cluster.load_image(archive)
    archive.unlink()


@pytest.fixture(scope="session")
def mover(cluster: Cluster, debian: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the mover's image, loaded into the cluster."""
    _load(cluster, mover_archive, tmp_path_factory.mktemp("mover"))
    return MOVER


@pytest.fixture(scope="session")
def postgres(cluster: Cluster, debian: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the image of PostgreSQL, loaded into the cluster with those of the shop."""
    _load(cluster, database_archive, tmp_path_factory.mktemp("databases"))
    return POSTGRES


@pytest.fixture(scope="session")
def shop(postgres: str) -> str:
    """The name of the shop's images without a tag; SHOP_VERSIONS are loaded, and the database that they need."""
    return SHOP


@pytest.fixture
def stores(cluster: Cluster, tmp_path: Path) -> Iterator[Stores]:
    """Servers of backups beside the cluster, stopped after the test."""
    with ExitStack() as stack:

        def start(
            kind: str = "rest", *, tls: bool = False, credentials: bool = True, megabytes: int | None = None
        ) -> Server:
            folder = tmp_path / f"store-{secrets.token_hex(3)}"
            try:
                if megabytes is not None:
                    stack.enter_context(small_disk(folder, megabytes))
                if kind == "s3":
                    return stack.enter_context(s3_server(cluster.host_address, folder, tls=tls))
                serving = rest_server(cluster.host_address, folder, tls=tls, credentials=credentials)
                return stack.enter_context(serving)
            except UnavailableError as error:
                _unavailable(error)

        yield start


@pytest.fixture(scope="session")
def cluster(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster that tests share."""
    with running(SPEC, tmp_path_factory.mktemp("devcluster") / "node") as shared:
        assert isinstance(shared, Cluster)
        shared.load_image(archive)
        yield shared
