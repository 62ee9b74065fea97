"""How long a review of a request takes, as the API server sees it, with many people writing at once.

    make bench-admission           20 writers for 20 s, each with half a second of rest, on simulated nodes
    make bench-admission BENCH="--rest 0"        as many requests as the machine can take, writers included

Each writer is another user with permissions of its own, so that little of what one is allowed is remembered for others.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from devcluster.cluster import Cluster, running
from devcluster.spec import ClusterSpec
from harness.applications import application
from harness.fixtures import OPERATOR_NAMESPACE, install, review_configurations
from harness.kube import NAMESPACES, Kube, RefusedError
from harness.loopback_service import LoopbackService
from harness.operator_process import OperatorProcess, service_account_kubeconfig, start_operator
from timonier.api.resources import APPLICATIONS
from timonier.webhooks.definitions import AUTHOR_WEBHOOK, REVIEW_WEBHOOK

_SERIES: Final = "apiserver_admission_webhook_admission_duration_seconds"
_RBAC: Final = "rbac.authorization.k8s.io"
_ENV: Final = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}]}


def grant(kube: Kube, namespace: str, users: list[str]) -> None:
    """What writing an Application with a Secret takes."""
    metadata = {"namespace": namespace, "name": "writer"}
    rules = [
        {"apiGroups": [APPLICATIONS.group], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["create", "get"]},
    ]
    subjects = [{"apiGroup": _RBAC, "kind": "User", "name": user} for user in users]
    role = {"apiGroup": _RBAC, "kind": "Role", "name": "writer"}
    kube.apply(
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {"apiVersion": f"{_RBAC}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": role,
         "subjects": subjects},
    )  # fmt: skip


def buckets(kube: Kube, name: str) -> dict[float, float]:
    """How many reviews took at most so many seconds."""
    found: dict[float, float] = {}
    for family in text_string_to_metric_families(kube.text("/metrics")):
        for sample in family.samples:
            if sample.name == f"{_SERIES}_bucket" and sample.labels["name"] == name:
                end = float(sample.labels["le"])
                found[end] = found.get(end, 0) + sample.value
    return found


def quantile(counts: dict[float, float], share: float) -> str:
    """Between which bounds of the histogram, in seconds, that share ends."""
    ends, wanted = sorted(counts), share * max(counts.values())
    index = next(index for index, end in enumerate(ends) if counts[end] >= wanted)
    return f"{ends[index - 1] if index else 0:g} to {ends[index]:g} s"


def write(cluster: Cluster, user: str, namespace: str, until: float, rest: float, lasted: list[float]) -> None:
    """Create and change an Application of one's own, as if, until then; raises RefusedError."""
    kube, number = Kube(cluster.kubeconfig, acting_as=user), 0
    path = APPLICATIONS.url(namespace)
    while time.monotonic() < until:
        number += 1
        wanted: dict[str, Any] = application(namespace, user, workload=_ENV, config={"env": {"N": str(number)}})
        time.sleep(rest * random.uniform(0.5, 1.5))
        began = time.monotonic()
        kube.request("POST", path, wanted, dryRun="All")
        lasted.append(time.monotonic() - began)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rest", type=float, default=0.5, help="seconds between two requests of a writer")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running(ClusterSpec(name="bench-admission"), folder / "cluster"))
        assert isinstance(cluster, Cluster)
        kube, replicas = Kube(cluster.kubeconfig), list[OperatorProcess]()
        service = LoopbackService(lambda: replicas)
        install(kube, service.url)
        account = service_account_kubeconfig(
            cluster.kubeconfig, OPERATOR_NAMESPACE, "timonier", folder / "timonier.kubeconfig"
        )
        replicas.append(start_operator(account, OPERATOR_NAMESPACE, folder / "timonier.log"))
        stack.callback(replicas[0].stop)
        replicas[0].wait_ready()
        kube.apply({"apiVersion": "v1", "kind": NAMESPACES.kind, "metadata": {"name": "bench"}})
        users = [f"writer-{number}" for number in range(arguments.writers)]
        grant(kube, "bench", users)
        lasted: list[float] = []

        def measure(what: str) -> None:
            lasted.clear()
            until = time.monotonic() + arguments.seconds
            threads = [
                threading.Thread(target=write, args=(cluster, user, "bench", until, arguments.rest, lasted))
                for user in users
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            ordered = sorted(lasted)
            half, most = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
            print(
                f"{what:18} {len(ordered) / arguments.seconds:5.0f} requests/s of {len(users)} writers, "
                f"as they see it: half within {half * 1000:.0f} ms, 99 % within {most * 1000:.0f} ms",
                flush=True,
            )

        measure("not reviewed")
        kube.apply(*review_configurations(service.url))
        kube.wait("requests are reviewed", lambda: answered(kube), 60)
        measure("reviewed, at first")
        before = {name: buckets(kube, name) for name in (AUTHOR_WEBHOOK, REVIEW_WEBHOOK)}
        measure("reviewed, then")
        for name, earlier in before.items():
            counts = {end: count - earlier.get(end, 0) for end, count in buckets(kube, name).items()}
            print(
                f"{max(counts.values()):.0f} times {name}, as the API server sees it: half end within "
                f"{quantile(counts, 0.5)}, 99 % within {quantile(counts, 0.99)}"
            )
    return 0


def answered(kube: Kube) -> bool:
    """The webhook is known, and trusted."""
    try:
        kube.request("POST", APPLICATIONS.url("bench"), application("bench"), dryRun="All")
    except RefusedError:
        return False
    return bool(buckets(kube, REVIEW_WEBHOOK))


if __name__ == "__main__":
    sys.exit(main())
