"""Pod Security level restricted: what runs the operator, and what the operator runs, is admitted by the API server.

All cluster tests run in such namespaces (`pod_security` in conftest.py), so that every Job of theirs is admitted; here
is the proof that such a namespace refuses something, and what no other test makes.
"""

from typing import Any

import pytest

from harness.applications import application
from harness.fixtures import Installation, rendered
from harness.kube import NAMESPACES, PODS, Kube, RefusedError
from harness.operator_process import OperatorProcess
from timonier.api.resources import DEPLOYMENTS, STATEFUL_SETS
from timonier.runs.commands import probe_pod

pytestmark = pytest.mark.cluster


def admit(kube: Kube, namespace: str, spec: dict[str, Any]) -> None:
    """Have the API server look at a pod, and keep nothing. Raises RefusedError."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": "one"}, "spec": spec}
    kube.request("POST", PODS.url(namespace), pod, dryRun="All")


def test_such_a_namespace_refuses_what_is_not_restricted(kube: Kube, namespace: str) -> None:
    with pytest.raises(RefusedError, match='violates PodSecurity "restricted:latest"'):
        admit(kube, namespace, {"containers": [{"name": "one", "image": "one"}]})


def test_the_operator_itself_is_admitted(kube: Kube, namespace: str) -> None:
    (deployment,) = (each for each in rendered("https://127.0.0.1:1") if each["kind"] == DEPLOYMENTS.kind)
    spec = {**deployment["spec"]["template"]["spec"], "serviceAccountName": "default"}
    admit(kube, namespace, spec)
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in spec["containers"])


def test_a_pod_that_asks_what_probes_ask_is_admitted(kube: Kube, namespace: str) -> None:
    admit(kube, namespace, probe_pod("registry.example/mover:1", {"task": "probe"}))


def test_its_namespace_is_a_restricted_one(kube: Kube, installation: Installation) -> None:
    labels = (kube.get(NAMESPACES, None, installation.namespace) or {})["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_an_application_that_says_nothing_of_it_is_admitted(
    kube: Kube, operator: OperatorProcess, namespace: str, kind: str
) -> None:
    kube.apply(application(namespace, workload={"kind": kind}))
    kube.wait_condition(namespace, "web", "Ready")
    resource = DEPLOYMENTS if kind == "Deployment" else STATEFUL_SETS
    workload = kube.get(resource, namespace, "web") or {}
    admit(kube, namespace, workload["spec"]["template"]["spec"])
