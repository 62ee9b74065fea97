"""What a person sees who has kubectl and nothing else."""

from pathlib import Path

import pytest
import yaml

from harness.applications import PORTS, application
from harness.fixtures import Kubectl
from harness.kube import Kube
from harness.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[2]


def test_get_fits_100_columns_and_says_how_it_is(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str
) -> None:
    name = "customer-facing-storefront-frontend"
    autoscaling = {"minReplicas": 10, "maxReplicas": 99, "metrics": [{"type": "cpu", "target": 70}]}
    resources = {"requests": {"cpu": "10m"}}
    image = {"repository": "registry.example/web", "tag": "2026.11.24-rc.1"}
    workload = {**PORTS, "image": image, "resources": resources}
    kube.apply(application(namespace, name, workload=workload, scaling={"autoscaling": autoscaling}))
    kube.wait_condition(namespace, name, "Ready")
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": "taken"},
                "spec": {"ports": [{"port": 1}]}}, manager="somebody")  # fmt: skip
    kube.apply(application(namespace, "taken", workload=PORTS))
    kube.wait_condition(namespace, "taken", "Stalled")
    lines = kubectl("get", "applications", "--namespace", namespace).splitlines()
    print("\n".join(lines))
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["NAME", "READY", "STATUS", "PODS", "VERSION", "AGE"]
    assert lines[1].split()[:5] == [name, "True", "AutoscalerActive", "10/10", "2026.11.24-rc.1"]
    assert lines[2].split()[:3] == ["taken", "False", "Conflict"]


def test_the_category_lists_them(kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str) -> None:
    kube.apply(application(namespace))
    assert "web " in kubectl("get", "day2", "--namespace", namespace)


def test_explain_reads_like_documentation(kubectl: Kubectl, operator: OperatorProcess) -> None:
    text = kubectl("explain", "application.spec", "--recursive=false")
    fields = [line for line in text.splitlines() if "\t" in line]
    assert len(fields) >= 7
    below = kubectl("explain", "application", "--recursive")
    assert "autoscaling" in below
    for path in ("application.spec", "application.spec.workload.image", "application.spec.scaling.autoscaling"):
        assert "<empty>" not in kubectl("explain", path)


SAMPLES = sorted((REPOSITORY / "operator" / "samples").glob("*.yaml"))


@pytest.mark.parametrize(
    "sample",
    [path for path in SAMPLES if yaml.safe_load(path.read_text())["kind"] == "Application"],
    ids=lambda path: path.stem,
)
def test_the_samples_get_ready(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, sample: Path
) -> None:
    kubectl("apply", "--namespace", namespace, "--filename", str(sample))
    kubectl("wait", "application", "--all", "--for=condition=Ready", "--namespace", namespace, "--timeout=60s")
