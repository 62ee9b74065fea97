"""Applications of the operator as real pods: their probes, their files and their data."""

import urllib.error
import urllib.request

import pytest

from harness.applications import application
from harness.fixtures import Kubectl
from harness.images import BUSYBOX
from harness.kube import PODS, Kube
from harness.operator_process import OperatorProcess
from timonier.api.resources import SERVICES

pytestmark = pytest.mark.node

REPOSITORY, _, TAG = BUSYBOX.rpartition(":")
SERVE = "test -f /data/index.html || cp /etc/web/index.html /data; exec httpd -f -p 8080 -h /data"


def test_a_stateful_application_serves_its_configuration_and_keeps_its_data(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str
) -> None:
    workload = {
        "kind": "StatefulSet",
        "image": {"repository": REPOSITORY, "tag": TAG},
        "command": ["sh", "-c", SERVE],
        "ports": [{"name": "http", "containerPort": 8080}],
        "probes": {"readiness": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}},
        "podSecurityContext": {"runAsUser": 1000, "fsGroup": 1000},
        "storage": [{"name": "data", "size": "1Gi", "mountPath": "/data"}],
        "terminationGracePeriodSeconds": 1,
    }
    files = {"/etc/web/index.html": "as configured\n"}
    kube.apply(application(namespace, "web", workload=workload, config={"files": files}))
    kube.wait_condition(namespace, "web", "Ready", seconds=60)
    service = kube.get(SERVICES, namespace, "web")
    assert service is not None

    def page() -> str:
        # This machine has a route to the cluster's Services, as the API server has to reach webhooks.
        port = service["spec"]["ports"][0]["port"]
        try:
            with urllib.request.urlopen(f"http://{service['spec']['clusterIP']}:{port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError as error:
            # kube-proxy learns of a ready pod a moment later than we do.
            return str(error)

    kube.wait("the configured page", lambda: page() == "as configured\n")
    kubectl("exec", "--namespace", namespace, "web-0", "--", "sh", "-c", "echo changed > /data/index.html")
    first = kube.get(PODS, namespace, "web-0")
    assert first is not None
    kube.delete(PODS, namespace, "web-0")

    def replaced() -> bool:
        found = kube.get(PODS, namespace, "web-0") or {"metadata": {"uid": first["metadata"]["uid"]}}
        statuses = found.get("status", {}).get("containerStatuses", [{}])
        return found["metadata"]["uid"] != first["metadata"]["uid"] and bool(statuses[0].get("ready"))

    kube.wait("another pod is ready", replaced, 60)
    kube.wait("the changed page", lambda: page() == "changed\n")
