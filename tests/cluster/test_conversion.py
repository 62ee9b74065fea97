"""Both versions of an Application, as the real API server serves them through the operator's conversion webhook."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.applications import PORTS, application
from harness.fixtures import Kubectl
from harness.kube import CRDS, Kube, Manifest, RefusedError
from harness.operator_process import OperatorProcess
from timonier.api.conversion import STASH
from timonier.api.resources import APPLICATIONS, GROUP, Resource

pytestmark = pytest.mark.cluster

SIMPLE = Resource(GROUP, "v1alpha1", "applications", "Application")
SAMPLE = Path(__file__).parents[2] / "operator" / "samples" / "simple.yaml"
DEFINITION = f"{APPLICATIONS.plural}.{GROUP}"


def simple(namespace: str, name: str = "web", **spec: Any) -> Manifest:
    return {
        "apiVersion": SIMPLE.api_version,
        "kind": SIMPLE.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"image": "registry.example/web:1.0", **spec},
    }


def apply(kube: Kube, manifest: Manifest, manager: str = "tests") -> Manifest:
    path = SIMPLE.url(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
    return kube.request("PATCH", path, manifest, "application/apply-patch+yaml", fieldManager=manager, force="true")


def test_kubectl_applies_and_gets_either_version(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str
) -> None:
    for _ in range(2):
        kubectl("apply", "--namespace", namespace, "--filename", str(SAMPLE))
    kube.wait_condition(namespace, "simple", "Ready")
    asked = yaml.safe_load(SAMPLE.read_text())["spec"]

    def shown(version: str) -> Manifest:
        text = kubectl("get", f"application.{version}.{GROUP}", "simple", "--namespace", namespace, "--output", "yaml")
        value: Manifest = yaml.safe_load(text)
        return value

    old, new = shown("v1alpha1"), shown("v1")
    assert old["spec"] == asked | {"stateful": False, "deletionPolicy": "Retain"}
    assert STASH not in old["metadata"]["annotations"]
    assert new["spec"]["workload"]["image"] == {"repository": "docker.io/nginxinc/nginx-unprivileged", "tag": "1.29"}
    assert new["spec"]["scaling"]["replicas"] == 2
    assert new["status"] == old["status"]
    assert new["metadata"]["generation"] == 1, "the second apply changed something"
    assert "unchanged" in kubectl("apply", "--namespace", namespace, "--filename", str(SAMPLE))


def test_an_edit_in_the_simple_form_keeps_what_it_does_not_show(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    env = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "MODE", "value": "x"},
    ]
    kube.apply(application(namespace, workload={**PORTS, "env": env}, network={"networkPolicy": "None"}))
    before = kube.wait_condition(namespace, "web", "Ready")
    seen = kube.request("GET", SIMPLE.url(namespace, "web"))
    assert seen["spec"]["env"] == {"MODE": "x"}
    assert STASH in seen["metadata"]["annotations"]
    kube.request("PUT", SIMPLE.url(namespace, "web"), seen)
    unchanged = kube.get(APPLICATIONS, namespace, "web")
    assert unchanged is not None
    assert unchanged["spec"] == before["spec"]
    assert unchanged["metadata"]["generation"] == before["metadata"]["generation"]
    kube.patch(SIMPLE, namespace, "web", {"spec": {"image": "other:2", "env": {"MODE": "y"}}})
    after = kube.get(APPLICATIONS, namespace, "web")
    assert after is not None
    assert after["spec"]["workload"]["image"]["repository"] == "other"
    assert after["spec"]["workload"]["env"] == [env[0], {"name": "MODE", "value": "y"}]
    assert after["spec"]["workload"]["ports"] == before["spec"]["workload"]["ports"]
    assert after["spec"]["network"] == before["spec"]["network"]
    assert STASH not in after["metadata"].get("annotations", {})


def test_server_side_apply_in_both_versions(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    apply(kube, simple(namespace, replicas=2, ports=[8080]))
    kube.apply(
        {**application(namespace), "spec": {"workload": {"image": {"repository": "registry.example/web", "tag": "1.0"}},
                                            "suspend": True}}, manager="another"
    )  # fmt: skip
    again = apply(kube, simple(namespace, replicas=3, ports=[8080]))
    assert (again["spec"]["replicas"], again["spec"]["suspend"]) == (3, True)
    managers = {entry["manager"]: entry["apiVersion"] for entry in again["metadata"]["managedFields"]}
    assert managers["tests"] == SIMPLE.api_version
    assert managers["another"] == APPLICATIONS.api_version


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"image": "https://web"}, "must be an image such as"),
        ({"maxReplicas": 3}, "maxReplicas needs targetCPUPercent"),
        ({"targetCPUPercent": 70}, "targetCPUPercent needs maxReplicas"),
        ({"maxReplicas": 3, "targetCPUPercent": 70}, "maxReplicas needs cpu"),
        ({"maxReplicas": 3, "targetCPUPercent": 70, "cpu": 1, "replicas": 4}, "must be at least 1 and not greater"),
        ({"ports": [80, 80]}, "each port may be listed once"),
    ],
)
def test_the_simple_form_is_refused_in_its_own_words(
    kube: Kube, operator: OperatorProcess, namespace: str, spec: dict[str, Any], says: str
) -> None:
    with pytest.raises(RefusedError, match=says):
        apply(kube, simple(namespace, **spec))


def test_an_edit_that_would_break_a_rule_of_v1_is_refused(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(application(namespace, workload=PORTS, network={"ingress": {"host": "web.example.org"}}))
    with pytest.raises(RefusedError, match=r"network.ingress needs a port"):
        kube.patch(SIMPLE, namespace, "web", {"spec": {"ports": []}})


def test_a_forged_stash_changes_nothing(kube: Kube, operator: OperatorProcess, namespace: str) -> None:
    forged = simple(namespace)
    forged["metadata"]["annotations"] = {STASH: "bm90IG91cnM="}
    with pytest.raises(RefusedError, match="take the annotation away"):
        apply(kube, forged)
    assert kube.get(APPLICATIONS, namespace, "web") is None


def test_objects_stored_in_the_old_version_are_migrated(
    kube: Kube, operator_factory: Callable[[], OperatorProcess], namespace: str
) -> None:
    """A cluster from before: v1alpha1 is what is stored. A new definition comes, then a new replica of the operator."""
    before = operator_factory()
    store_as(kube, "v1alpha1")
    kube.wait("it is said so", lambda: "v1alpha1" in stored_versions(kube))
    time.sleep(1)  # until the API server's handlers have heard of it
    for n in range(20):
        kube.wait("it is stored", lambda n=n: applied(kube, simple(namespace, f"old-{n:02}", ports=[8080])))
    store_as(kube, "v1")
    assert set(stored_versions(kube)) == {"v1alpha1", "v1"}
    operator_factory()
    before.stop()
    kube.wait("only v1 is stored", lambda: stored_versions(kube) == ["v1"], seconds=30)
    for n in range(20):
        found = kube.get(APPLICATIONS, namespace, f"old-{n:02}")
        assert found is not None
        assert found["spec"]["workload"]["ports"][0]["containerPort"] == 8080


def test_500_objects_are_listed_in_the_old_version_in_half_a_second(
    kube: Kube, operator_factory: Callable[..., OperatorProcess], namespace: str
) -> None:
    """What is measured is the conversion: the operator is told to leave these objects alone."""
    operator = operator_factory("--watch-namespaces", "default")
    ports = [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
    manifests = [application(namespace, f"web-{n:03}", workload={"ports": ports}) for n in range(500)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(kube.create, manifests))
    kube.request("GET", SIMPLE.url(namespace), limit="1")
    seconds = []
    for _ in range(5):
        began = time.monotonic()
        items = kube.request("GET", SIMPLE.url(namespace))["items"]
        seconds.append(time.monotonic() - began)
        assert len(items) == 500
        assert all(item["spec"]["ports"] == [8080] for item in items)
    reference = time.monotonic()
    kube.list(APPLICATIONS, namespace)
    stored = time.monotonic() - reference
    single = []
    for n in range(200):
        began = time.monotonic()
        kube.request("GET", SIMPLE.url(namespace, f"web-{n:03}"))
        single.append(time.monotonic() - began)
    one_by_one = sorted(single)
    metrics = operator.scrape()
    inside = metrics['timonier_webhook_request_duration_seconds_sum{path="/convert"}']
    objects = metrics['timonier_webhook_converted_objects_total{version="v1alpha1"}']
    quick = metrics['timonier_webhook_request_duration_seconds_bucket{le="0.005",path="/convert"}']
    asked = metrics['timonier_webhook_request_duration_seconds_count{path="/convert"}']
    print(
        f"inside the operator: {inside / objects * 1000:.2f} ms an object, {quick / asked:.1%} of {asked:.0f} requests "
        "within 5 ms"
    )
    print(
        f"500 as v1alpha1: {min(seconds) * 1000:.0f} to {max(seconds) * 1000:.0f} ms (as v1: {stored * 1000:.0f} ms); "
        f"one: median {one_by_one[100] * 1000:.1f} ms, p99 {one_by_one[197] * 1000:.1f} ms"
    )
    assert sorted(seconds)[2] < 0.5
    assert quick / asked >= 0.99


def applied(kube: Kube, manifest: Manifest) -> bool:
    """Apply, unless the API server is just taking up a new definition."""
    try:
        apply(kube, manifest)
    except RefusedError as error:
        if error.status != 429:
            raise
        return False
    return True


def store_as(kube: Kube, version: str) -> None:
    def tried() -> bool:
        definition = kube.get(CRDS, None, DEFINITION)
        assert definition is not None
        for each in definition["spec"]["versions"]:
            each["storage"] = each["name"] == version
        try:
            kube.request("PUT", CRDS.url(None, DEFINITION), definition)
        except RefusedError as error:
            if error.status != 409:  # the API server's own controllers write to it, too
                raise
            return False
        return True

    kube.wait("the definition is changed", tried)


def stored_versions(kube: Kube) -> list[str]:
    definition = kube.get(CRDS, None, DEFINITION)
    assert definition is not None
    versions: list[str] = definition["status"]["storedVersions"]
    return versions
