"""Fixtures of the cluster tests: the operator installed from its bundle, running as its own service account."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from harness.audit import AuditLog
from harness.kube import CRDS, Kube, Manifest
from harness.loopback_service import LoopbackService
from harness.operator_process import OperatorProcess, service_account_kubeconfig, start_operator
from timonier.api.resources import MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS, Resource

__all__ = [
    "Installation",
    "Kubectl",
    "audit",
    "installation",
    "kube",
    "kubectl",
    "newest_bundle",
    "operator",
    "operator_factory",
    "rendered",
    "review_configurations",
    "reviewed",
]

Kubectl = Callable[..., str]

REPOSITORY = Path(__file__).parents[2]
OPERATOR_NAMESPACE = "timonier-system"


@dataclass(slots=True)
class Installation:
    """What an installation leaves: the operator's namespace, its identity, and where its logs go."""

    namespace: str
    user: str
    kubeconfig: Path
    folder: Path
    webhook_url: str
    shared: OperatorProcess | None = None
    replicas: list[OperatorProcess] = field(default_factory=list)

    def start(self, name: str, *arguments: str, kubeconfig: Path | None = None) -> OperatorProcess:
        """Start one more replica, without waiting for it."""
        log = self.folder / f"{name}.log"
        replica = start_operator(kubeconfig or self.kubeconfig, self.namespace, log, *arguments)
        self.replicas.append(replica)
        return replica

    def running(self) -> OperatorProcess:
        """The replica that tests share; started again when a test has ended it."""
        if self.shared is None or self.shared.process.poll() is not None:
            self.shared = self.start("shared")
            self.shared.wait_ready()
        return self.shared

    def stop(self) -> None:
        """End the shared replica, so that a test can run its own."""
        if self.shared is not None:
            self.shared.stop()
            self.shared = None


REVIEWS: Final[dict[str, Resource]] = {
    resource.kind: resource for resource in (MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS)
}


def newest_bundle() -> Path:
    """The folder of the bundle with the highest version."""
    return max((REPOSITORY / "bundle").glob("[0-9]*"), key=lambda path: [int(part) for part in path.name.split(".")])


def rendered(webhook_url: str) -> list[Manifest]:
    """The newest bundle as plain manifests, for an operator whose webhooks the API server finds at an address."""
    command = [REPOSITORY / ".venv/bin/balise", "render", str(newest_bundle()), "--namespace", OPERATOR_NAMESPACE,
               "--webhook-url", webhook_url]  # fmt: skip
    return list(yaml.safe_load_all(subprocess.run(command, capture_output=True, check=True).stdout))


def install(kube: Kube, webhook_url: str) -> None:
    """Install the newest bundle with `balise render`, as a cluster administrator without OLM does.

    Without the review of requests, which refuses all of them while no replica runs: many a test wants none to run.
    """
    kube.apply(*(each for each in rendered(webhook_url) if each["kind"] not in REVIEWS), manager="administrator")
    kube.wait("the definitions are established", lambda: all(map(established, kube.list(CRDS))))


def review_configurations(webhook_url: str) -> list[Manifest]:
    """What has the API server ask the operator about each request for its kinds."""
    return [each for each in rendered(webhook_url) if each["kind"] in REVIEWS]


def established(crd: Manifest) -> bool:
    """The API server serves the kind."""
    conditions = crd.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


@pytest.fixture(scope="session")
def kube(cluster: Any) -> Kube:
    """The cluster as its administrator sees it."""
    return Kube(cluster.kubeconfig)


@pytest.fixture(scope="session")
def kubectl(cluster: Any) -> Kubectl:
    """Run kubectl as the administrator; its output."""
    built = cluster.kubectl() if hasattr(cluster, "kubectl") else None
    program = built or shutil.which("kubectl")
    if program is None:
        pytest.skip("the given cluster comes without a kubectl, and there is none on PATH")

    def run(*arguments: str) -> str:
        command = [str(program), "--kubeconfig", str(cluster.kubeconfig), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


@pytest.fixture(scope="session")
def installation(cluster: Any, kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The operator's permissions and definitions, installed once for all tests."""
    replicas: list[OperatorProcess] = []
    service = LoopbackService(lambda: replicas)
    install(kube, service.url)
    folder = tmp_path_factory.mktemp("operator")
    kubeconfig = service_account_kubeconfig(
        cluster.kubeconfig, OPERATOR_NAMESPACE, "timonier", folder / "operator.kubeconfig"
    )
    user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:timonier"
    installed = Installation(OPERATOR_NAMESPACE, user, kubeconfig, folder, service.url, replicas=replicas)
    yield installed
    installed.stop()
    service.close()


@pytest.fixture
def operator(installation: Installation) -> OperatorProcess:
    """A ready operator, shared by the tests that do not harm it."""
    return installation.running()


@pytest.fixture
def operator_factory(installation: Installation) -> Iterator[Callable[[], OperatorProcess]]:
    """Operators of this test's own: the shared one is ended first, these are ended afterwards."""
    installation.stop()
    started: list[OperatorProcess] = []

    def make(*arguments: str, kubeconfig: Path | None = None) -> OperatorProcess:
        replica = installation.start(f"own-{len(started)}", *arguments, kubeconfig=kubeconfig)
        started.append(replica)
        replica.wait_ready()
        return replica

    yield make
    for replica in started:
        if replica.process.poll() is None:
            replica.stop()


@pytest.fixture(scope="module")
def reviewed(kube: Kube, installation: Installation) -> Iterator[None]:
    """The API server has us review each request for our kinds, once a replica has made itself known."""
    wanted = review_configurations(installation.webhook_url)
    kube.apply(*wanted, manager="administrator")
    yield
    for each in wanted:
        kube.delete(REVIEWS[each["kind"]], None, each["metadata"]["name"])


@pytest.fixture
def audit(cluster: Any) -> AuditLog:
    """The API server's calls from the start of this test on."""
    return AuditLog(cluster.audit_log)
