"""kill -9 at every single API write of a scenario: whatever moment it was, the next run brings the same end."""

import os
import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from harness.applications import PORTS, application
from harness.crashes import Guillotine, run
from harness.fault_proxy import Moment
from harness.fixtures import Installation
from harness.kube import NAMESPACES, Kube, Manifest
from timonier.api.resources import (
    APPLICATIONS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
)

_STRIDE = int(os.environ.get("KILL_STRIDE", "1"))
"""Only one write of so many, another one each time: for machines that have half an hour."""

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CHILDREN = (
    DEPLOYMENTS,
    SERVICES,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    CONFIG_MAPS,
    INGRESSES,
    HORIZONTAL_POD_AUTOSCALERS,
    PERSISTENT_VOLUME_CLAIMS,
)


def created(namespace: str) -> Manifest:
    return application(namespace, workload=PORTS, config={"files": {"/etc/web.conf": "a=1\n"}}, scaling={"replicas": 2})


def updated(namespace: str) -> Manifest:
    return application(
        namespace,
        workload={**PORTS, "resources": {"requests": {"cpu": "100m"}}},
        network={"networkPolicy": "None", "ingress": {"host": "web.example.org"}},
        scaling={"autoscaling": {"minReplicas": 2, "maxReplicas": 4, "metrics": [{"type": "cpu", "target": 70}]}},
    )


def scenario(kube: Kube, namespace: str) -> dict[str, Any]:
    """Create, update, delete; after each, wait until the operator has brought it about. Returns what there is then."""
    kube.apply(created(namespace))
    kube.wait_condition(namespace, "web", "Ready", seconds=60)
    born = outcome(kube, namespace)
    kube.apply(updated(namespace))
    kube.wait_condition(namespace, "web", "Ready", seconds=60)
    kube.wait("the policy that is not wanted any more is gone", lambda: not kube.list(NETWORK_POLICIES, namespace))
    changed = outcome(kube, namespace)
    kube.delete(APPLICATIONS, namespace, "web")
    kube.wait("all of it is gone", lambda: not outcome(kube, namespace), seconds=60)
    return {"born": born, "changed": changed}


def outcome(kube: Kube, namespace: str) -> dict[str, Any]:
    """All objects of the namespace, without what differs between two undisturbed runs."""
    found = {}
    for resource in (*CHILDREN, APPLICATIONS):
        for manifest in kube.list(resource, namespace):
            name = manifest["metadata"]["name"]
            if name != "kube-root-ca.crt":
                found[f"{resource}/{name}"] = normal(manifest)
    return found


_VOLATILE = {
    "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "namespace", "time", "clusterIP",
    "clusterIPs", "lastTransitionTime", "lastUpdateTime", "observedGeneration", "lastScaleTime",
    "deployment.kubernetes.io/revision", "collisionCount",
}  # fmt: skip


def normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: normal(below) for name, below in value.items() if name not in _VOLATILE}
    if isinstance(value, list):
        return sorted((normal(item) for item in value), key=repr)
    if isinstance(value, str):
        return re.sub(r"crash-[a-z0-9-]+|[0-9a-f]{8,10}-[0-9a-z]{5}|web-[0-9a-f]{8,10}", "*", value)
    return value


def test_killed_at_every_write(
    kube: Kube, installation: Installation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    installation.stop()
    undisturbed, proxy = run(kube, installation, tmp_path, "crash-none", scenario)
    writes = [f"{write.number}. {write.method} {write.path}" for write in proxy.writes]
    assert len(writes) >= 10, writes
    failures = []
    numbers = range(1 + secrets.randbelow(_STRIDE), len(writes) + 1, _STRIDE)
    for number in numbers:
        moment = Moment.BEFORE if number % 2 else Moment.AFTER
        namespace = f"crash-{number}-{moment.value}"
        result, _ = run(kube, installation, tmp_path, namespace, scenario, Guillotine(number, moment))
        if result != undisturbed:
            failures.append(f"killed {moment.value} write {writes[number - 1]}: {difference(undisturbed, result)}")
        kube.delete(NAMESPACES, None, namespace)
    kube.delete(NAMESPACES, None, "crash-none")
    print(f"killed at {len(numbers)} of {len(writes)} writes")
    assert not failures, "\n".join(failures)


def difference(expected: Any, found: Any, path: str = "") -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        parts = [
            difference(expected.get(name), found.get(name), f"{path}.{name}")
            for name in sorted(expected.keys() | found.keys())
            if expected.get(name) != found.get(name)
        ]
        return "; ".join(parts)
    return f"{path}: {expected!r} became {found!r}"
