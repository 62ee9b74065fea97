"""How long a bad version is out, beside what somebody at a keyboard does with kubectl on the same cluster.

    make bench-upgrades             needs root and Linux, as a real node does

By hand means: a Deployment of the same pods, `kubectl apply`, `kubectl rollout status` until it gives up after the same
deadline, `kubectl rollout undo`, `kubectl rollout status`. Ours is one apply.
"""

import copy
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from harness.benchmark import NAMESPACE, Bench, benchmark, impossible
from harness.kube import Kube, Manifest
from harness.shop import files_application
from harness.upgrades import seconds_to_roll_back, wait_upgrade
from timonier.api.resources import DEPLOYMENTS

DEADLINE = 60
NEVER_READY = {"probes": {"readiness": {"tcpSocket": {"port": 1234}, "periodSeconds": 1}}}
CRASHES = {"command": ["sh", "-c", "exit 3"]}
NO_IMAGE = {"image": {"repository": "example.test/nobody-has-it", "tag": "1", "pullPolicy": "Never"}}
BAD = {"never ready": NEVER_READY, "crashes": CRASHES, "no image": NO_IMAGE}


def web(name: str, **workload: Any) -> Manifest:
    """Three pods that answer; without volumes, so that they are replaced one after the other."""
    made = files_application(NAMESPACE, name, scaling={"replicas": 3}, upgrade={"progressDeadlineSeconds": DEADLINE})
    spec = made["spec"]["workload"]
    del spec["storage"]
    spec["command"] = ["httpd", "-f", "-p", "8080", "-h", "/tmp"]
    spec |= workload
    return made


def timed(doing: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.monotonic()
    doing()
    return time.monotonic() - start


def ours(kube: Kube, workload: Manifest) -> tuple[float, float]:
    """Seconds until it was known, and from then until all was as before."""
    name = f"web-{next(NUMBERS)}"
    kube.apply(web(name))
    kube.wait_condition(NAMESPACE, name, "Ready", seconds=60)
    kube.apply(web(name, **workload))
    return seconds_to_roll_back(wait_upgrade(kube, NAMESPACE, f"{name}-2", phase="Failed", seconds=180))


def by_hand(bench: Bench, workload: Manifest) -> tuple[float, float]:
    """The same for a Deployment, as quickly as somebody could type."""
    name = f"hand-{next(NUMBERS)}"
    # What the operator would make of both versions, under a name of its own.
    good, bad = (template_of(bench.kube, each) for each in ({}, workload))
    for template in (good, bad):
        template["metadata"]["labels"] = {"by": name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "replicas": 3,
            "progressDeadlineSeconds": DEADLINE,
            "selector": {"matchLabels": {"by": name}},
            "template": good,
        },
    }

    def kubectl(*arguments: str, check: bool = True) -> None:
        program = [
            str(bench.cluster.kubectl()),
            "--kubeconfig",
            str(bench.cluster.kubeconfig),
            "--namespace",
            NAMESPACE,
        ]
        subprocess.run([*program, *arguments], check=check, capture_output=True)

    bench.kube.apply(deployment)
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")

    def noticed() -> None:
        bench.kube.apply({**deployment, "spec": {**deployment["spec"], "template": bad}})
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", check=False)

    def undone() -> None:
        kubectl("rollout", "undo", f"deployment/{name}")
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")

    return timed(noticed), timed(undone)


def template_of(kube: Kube, workload: Manifest) -> Manifest:
    """The pods' template that the operator makes of an Application."""
    name = f"model-{next(NUMBERS)}"
    made = web(name, **workload)
    made["spec"]["scaling"] = {"replicas": 0}
    kube.apply(made)
    found = kube.wait("its Deployment is there", lambda: kube.get(DEPLOYMENTS, NAMESPACE, name), 30)
    assert found is not None
    return copy.deepcopy(found["spec"]["template"])


def main() -> int:
    """The exit code."""
    reason = impossible()
    if reason is not None:
        print(f"not measured: {reason}")
        return 0
    with benchmark("bench-upgrades") as bench:
        for what, workload in BAD.items():
            (found, back), (hand_found, hand_back) = ours(bench.kube, workload), by_hand(bench, workload)
            share = (found + back) / (hand_found + hand_back)
            mine = f"ours: known after {found:5.1f} s, as before {back:4.1f} s later"
            hand = f"by hand: {hand_found:5.1f} s, {hand_back:4.1f} s"
            print(f"{what:12} {mine}   {hand}   {share:.2f} of it", flush=True)
    return 0


NUMBERS = iter(range(1, 1000))

if __name__ == "__main__":
    sys.exit(main())
