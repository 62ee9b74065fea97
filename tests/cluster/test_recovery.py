"""Recovery where no pod really runs: when nothing is done, and what is said then. tests/node has real pods."""

from typing import Any

import pytest

from harness.applications import application
from harness.backups import condition
from harness.kube import Kube, Manifest
from harness.operator_process import OperatorProcess
from timonier.api.resources import APPLICATIONS

pytestmark = pytest.mark.cluster

STORAGE = {"name": "data", "size": "1Gi", "mountPath": "/data", "storageClassName": "nowhere"}


def waiting(namespace: str, name: str, **recovery: Any) -> Manifest:
    """An application whose pod waits for a volume that never comes."""
    policy = {"unhealthyAfterSeconds": 10, "cooldownSeconds": 0, **recovery}
    return application(namespace, name, workload={"storage": [STORAGE]}, recovery=policy)


def wait_suspended(kube: Kube, namespace: str, name: str, reason: str) -> Manifest:
    def reached() -> Manifest | None:
        found = kube.get(APPLICATIONS, namespace, name)
        said = condition(found, "RecoverySuspended")
        return found if (said.get("status"), said.get("reason")) == ("True", reason) else None

    found = kube.wait(f"the recovery of {name} is suspended: {reason}", reached, 60, 0.2)
    assert found is not None
    return found


def test_a_storm_is_waited_out_and_what_nothing_helps_with_is_told(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(waiting(namespace, "one"), waiting(namespace, "two"))
    for name in ("one", "two"):
        found = wait_suspended(kube, namespace, name, "Storm")
        assert found["status"]["recovery"]["trouble"] == "Unschedulable"
        assert "history" not in found["status"]["recovery"]
    kube.delete(APPLICATIONS, namespace, "two")
    # Alone it is its own trouble; another pod would fare no better, so that telling is all that is left.
    kube.wait(
        "a person is told",
        lambda: (kube.get(APPLICATIONS, namespace, "one") or {})["status"]["recovery"].get("history"),
        60,
    )
    (event,) = (kube.get(APPLICATIONS, namespace, "one") or {})["status"]["recovery"]["history"]
    assert (event["action"], event["reason"]) == ("Alert", "Unschedulable")


def test_switched_off_it_tells_and_without_a_policy_nothing_is_said(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(waiting(namespace, "one", enabled=False))
    wait_suspended(kube, namespace, "one", "Disabled")
    made = waiting(namespace, "one")
    del made["spec"]["recovery"]
    kube.apply(made)

    def is_silent() -> bool:
        status = (kube.get(APPLICATIONS, namespace, "one") or {})["status"]
        return "recovery" not in status and not condition({"status": status}, "RecoverySuspended")

    kube.wait("nothing is said of recovery", is_silent)
