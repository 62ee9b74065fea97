"""The cluster that tests share, and a namespace of its own for each test."""

import os
import re
import secrets
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from devcluster.cluster import Cluster, Given, given, running
from devcluster.spec import ClusterSpec
from harness.kube import NAMESPACES, Kube
from harness.programs import build_before_tests

# A machine that has other tests to run meanwhile says nothing of an example.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

SPEC = ClusterSpec(name="tests", nodes="kwok", count=3)

_unavailable = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the control plane before the first test, where no test's timeout counts and the progress can be seen."""
    wanted = any("cluster" in item.keywords for item in session.items)
    if not wanted or session.config.option.collectonly or given(os.environ, session.path) is not None:
        return
    session.config.stash[_unavailable] = build_before_tests(session, SPEC)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster | Given]:
    """A control plane with three simulated nodes in three zones, or the cluster of $KUBECONFIG.

    Where it cannot be had, tests are skipped with the reason; in continuous integration ($CI) they fail.
    """
    reason = pytestconfig.stash.get(_unavailable, "")
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with running(SPEC, tmp_path_factory.mktemp("devcluster") / "tests") as shared:
        yield shared


@pytest.fixture(scope="session")
def pod_security() -> str:
    """Which pods the tests' namespaces admit."""
    return "privileged"


@pytest.fixture
def namespace(kube: Kube, pod_security: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a new namespace; its deletion is asked for afterwards and not awaited."""
    title = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    name = f"{title}-{secrets.token_hex(3)}"
    labels = {"pod-security.kubernetes.io/enforce": pod_security}
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    kube.delete(NAMESPACES, None, name)
