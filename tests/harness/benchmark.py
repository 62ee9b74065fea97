"""A real node with the operator beside it, for measurements that are not tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster.cluster import Cluster, running
from devcluster.spec import ClusterSpec
from harness.fixtures import OPERATOR_NAMESPACE, install
from harness.images import busybox_archive, mover_archive, static_busybox
from harness.kube import Kube
from harness.loopback_service import LoopbackService
from harness.operator_process import OperatorProcess, service_account_kubeconfig, start_operator

__all__ = ["NAMESPACE", "Bench", "benchmark", "impossible"]

NAMESPACE = "bench"


@dataclass(frozen=True, slots=True)
class Bench:
    """What there is to measure with."""

    cluster: Cluster
    kube: Kube
    folder: Path


def impossible() -> str | None:
    """Why this machine can measure nothing; None when it can."""
    return None if static_busybox() is not None and os.geteuid() == 0 else "it takes root and busybox-static"


@contextmanager
def benchmark(name: str) -> Iterator[Bench]:
    """The cluster, the operator installed from its bundle and running, the images of busybox and the mover."""
    busybox = static_busybox()
    assert busybox is not None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running(ClusterSpec(name=name, nodes="real"), folder / "cluster"))
        assert isinstance(cluster, Cluster)
        cluster.load_image(busybox_archive(folder, busybox))
        cluster.load_image(mover_archive(folder))
        kube = Kube(cluster.kubeconfig)
        replicas: list[OperatorProcess] = []
        install(kube, LoopbackService(lambda: replicas).url)
        account = service_account_kubeconfig(
            cluster.kubeconfig, OPERATOR_NAMESPACE, "timonier", folder / "timonier.kubeconfig"
        )
        replicas.append(start_operator(account, OPERATOR_NAMESPACE, folder / "timonier.log"))
        stack.callback(replicas[0].stop)
        replicas[0].wait_ready()
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield Bench(cluster, kube, folder)
