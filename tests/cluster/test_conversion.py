"""Both versions of Applications and Backups, as the real API server serves them through the conversion webhook."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.applications import PORTS, application
from harness.backups import backup, wait_over
from harness.fixtures import Installation, Kubectl
from harness.kube import CRDS, Kube, Manifest, RefusedError
from harness.movers import application_with_volume, played, waiting_store
from harness.operator_process import OperatorProcess
from harness.simple_objects import (
    BACKUP_DEFINITION,
    DEFINITION,
    SIMPLE,
    SIMPLE_BACKUP,
    apply,
    definition,
    simple,
    simple_backup,
    wait_for_conversion,
)
from timonier.api.conversion import STASH
from timonier.api.resources import APPLICATIONS, BACKUPS, DEPLOYMENTS, GROUP, Resource

pytestmark = pytest.mark.cluster

SAMPLE = Path(__file__).parents[2] / "operator" / "samples" / "simple.yaml"
NOBODY = "https://127.0.0.1:1/convert"
ASKED = "timonier_webhook_request_duration_seconds"
CONVERT = '{path="/convert"}'
LIMITS = ("0.0025", "0.005", "0.01", "0.025")


@pytest.fixture
def converting(kube: Kube, operator: OperatorProcess, namespace: str) -> OperatorProcess:
    """The operator that tests share, which the API server has begun to ask."""
    wait_for_conversion(kube, namespace)
    return operator


def test_kubectl_applies_and_gets_either_version(
    kube: Kube, kubectl: Kubectl, converting: OperatorProcess, namespace: str
) -> None:
    for _ in range(2):
        kubectl("apply", "--namespace", namespace, "--filename", str(SAMPLE))
    kube.wait_condition(namespace, "simple", "Ready")
    asked = yaml.safe_load(SAMPLE.read_text())["spec"]

    def shown(version: str) -> Manifest:
        text = kubectl("get", f"application.{version}.{GROUP}", "simple", "--namespace", namespace, "--output", "yaml")
        value: Manifest = yaml.safe_load(text)
        return value

    def both() -> tuple[Manifest, Manifest] | None:
        """Both forms of one state: the operator may write a status in between."""
        pair = shown("v1alpha1"), shown("v1")
        first, second = (each["metadata"]["resourceVersion"] for each in pair)
        return pair if first == second else None

    pair = kube.wait("nobody writes between two reads", both)
    assert pair is not None
    old, new = pair
    assert old["spec"] == asked | {"stateful": False, "deletionPolicy": "Retain"}
    assert STASH not in old["metadata"]["annotations"]
    assert new["spec"]["workload"]["image"] == {"repository": "docker.io/nginxinc/nginx-unprivileged", "tag": "1.29"}
    assert new["spec"]["scaling"]["replicas"] == 2
    assert new["status"] == old["status"]
    assert new["metadata"]["generation"] == 1, "the second apply changed something"
    assert "unchanged" in kubectl("apply", "--namespace", namespace, "--filename", str(SAMPLE))


def test_an_edit_in_the_simple_form_keeps_what_it_does_not_show(
    kube: Kube, converting: OperatorProcess, namespace: str
) -> None:
    env = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "MODE", "value": "x"},
    ]
    kube.apply(application(namespace, workload={**PORTS, "env": env}, network={"networkPolicy": "None"}))
    before = kube.wait_condition(namespace, "web", "Ready")
    seen = kube.wait("it is written as it was read", lambda: put_back(kube, namespace))
    assert seen["spec"]["env"] == {"MODE": "x"}
    assert STASH in seen["metadata"]["annotations"]
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


def test_server_side_apply_in_both_versions(kube: Kube, converting: OperatorProcess, namespace: str) -> None:
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
    kube: Kube, converting: OperatorProcess, namespace: str, spec: dict[str, Any], says: str
) -> None:
    with pytest.raises(RefusedError, match=says):
        apply(kube, simple(namespace, **spec))


def test_an_edit_that_would_break_a_rule_of_v1_is_refused(
    kube: Kube, converting: OperatorProcess, namespace: str
) -> None:
    kube.apply(application(namespace, workload=PORTS, network={"ingress": {"host": "web.example.org"}}))
    with pytest.raises(RefusedError, match=r"network.ingress needs a port"):
        kube.patch(SIMPLE, namespace, "web", {"spec": {"ports": []}})


def test_a_forged_stash_changes_nothing(kube: Kube, converting: OperatorProcess, namespace: str) -> None:
    forged = simple(namespace)
    forged["metadata"]["annotations"] = {STASH: "bm90IG91cnM="}
    with pytest.raises(RefusedError, match="take the annotation away"):
        apply(kube, forged)
    assert kube.get(APPLICATIONS, namespace, "web") is None


def test_a_backup_in_the_simple_form_is_made_and_shown_in_both(
    cluster: Any, kube: Kube, kubectl: Kubectl, converting: OperatorProcess, namespace: str
) -> None:
    policy = {"storeRef": {"name": "shelf"}}
    with played(cluster.kubeconfig, namespace):
        kube.apply(*waiting_store(namespace, "shelf"), *application_with_volume(namespace, backup=policy))
        apply(kube, simple_backup(namespace, type="full"))
        made = wait_over(kube, namespace, "first", seconds=40)
    assert made["spec"]["method"] == "Files"
    assert made["status"]["snapshotID"]
    shown = kube.request("GET", SIMPLE_BACKUP.url(namespace, "first"))
    assert shown["spec"] == {"application": "web", "type": "full", "keepForever": False}
    assert shown["status"].pop("state") == "Succeeded"
    assert shown["status"] == {name: value for name, value in made["status"].items() if name != "phase"}
    row = kubectl("get", f"backup.v1alpha1.{GROUP}", "first", "--namespace", namespace, "--no-headers").split()
    assert row[:4] == ["first", "web", "Succeeded", "full"]
    kube.patch(SIMPLE_BACKUP, namespace, "first", {"spec": {"keepForever": True}})
    kept = kube.get(BACKUPS, namespace, "first")
    assert kept is not None
    assert kept["spec"] == made["spec"] | {"retain": "Forever"}
    assert kept["status"] == made["status"]
    assert STASH not in kept["metadata"].get("annotations", {})
    # What carries the rest is in the user's hands; of the status nothing is in it.
    kube.patch(SIMPLE_BACKUP, namespace, "first", {"metadata": {"annotations": {STASH: None}}})
    bare = kube.get(BACKUPS, namespace, "first")
    assert bare is not None
    assert bare["status"] == made["status"]
    with pytest.raises(RefusedError, match="application cannot change"):
        kube.patch(SIMPLE_BACKUP, namespace, "first", {"spec": {"application": "other"}})


@contextmanager
def unreachable(kube: Kube, namespace: str, name: str) -> Iterator[None]:
    """For the life of the block nobody listens where the API server looks for conversion; then all is as before."""
    url = definition(kube)["spec"]["conversion"]["webhook"]["clientConfig"]["url"]
    lead_to(kube, NOBODY)
    try:
        kube.wait("v1alpha1 is refused", lambda: not readable(kube, namespace, name))
        yield
    finally:
        lead_to(kube, url)
        wait_for_conversion(kube, namespace)


def lead_to(kube: Kube, url: str) -> None:
    kube.patch(CRDS, None, DEFINITION, {"spec": {"conversion": {"webhook": {"clientConfig": {"url": url}}}}})


def test_who_speaks_v1_needs_no_conversion(
    kube: Kube, converting: OperatorProcess, installation: Installation, namespace: str
) -> None:
    """With a webhook that nobody can reach: the operator hears and acts, starts anew, and v1 can do everything."""
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    with unreachable(kube, namespace, "web"):
        kube.apply(application(namespace, scaling={"replicas": 2}))
        kube.wait_condition(namespace, "web", "Ready")
        assert (kube.get(DEPLOYMENTS, namespace, "web") or {})["spec"]["replicas"] == 2
        installation.stop()
        installation.running()
        kube.apply(application(namespace, scaling={"replicas": 3}), application(namespace, "fresh"))
        kube.wait_condition(namespace, "web", "Ready")
        kube.wait_condition(namespace, "fresh", "Ready")
        kube.delete(APPLICATIONS, namespace, "web")
        kube.wait("it is deleted", lambda: kube.get(APPLICATIONS, namespace, "web") is None)


def test_what_was_written_in_v1alpha1_is_repaired_without_conversion_and_its_status_follows(
    kube: Kube, converting: OperatorProcess, namespace: str
) -> None:
    """The API server applies a status only when it can show the object in every version that somebody wrote it in."""
    apply(kube, simple(namespace))
    before = kube.wait_condition(namespace, "web", "Ready")
    with unreachable(kube, namespace, "web"):
        failures = errors(converting)
        kube.create(
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"namespace": namespace, "name": "no-pods"},
                "spec": {"hard": {"pods": "0"}},
            }
        )
        kube.delete(DEPLOYMENTS, namespace, "web")
        kube.wait("it is repaired", lambda: kube.get(DEPLOYMENTS, namespace, "web"))
        kube.wait("the status is refused", lambda: errors(converting) > failures)
        now = kube.get(APPLICATIONS, namespace, "web")
        assert now is not None
        assert now["metadata"]["managedFields"] == before["metadata"]["managedFields"], "who owns what is forgotten"
    kube.wait_condition(namespace, "web", "Ready", "False", seconds=60)


def errors(operator: OperatorProcess) -> float:
    return operator.scrape().get('timonier_reconcile_errors_total{controller="application"}', 0.0)


def test_objects_stored_in_the_old_version_are_migrated(
    kube: Kube, operator_factory: Callable[[], OperatorProcess], namespace: str
) -> None:
    """A cluster from before: v1alpha1 is what is stored. A new definition comes, then a new replica of the operator."""
    before = operator_factory()
    wait_for_conversion(kube, namespace)
    kube.apply(application(namespace, "probe", suspend=True), backup(namespace, "web", "probe", suspend=True))
    store_as(kube, "v1alpha1")
    kube.wait("the API server stores v1alpha1", lambda: moves(kube, APPLICATIONS, namespace, "probe"))
    kube.wait("of Backups, too", lambda: moves(kube, BACKUPS, namespace, "probe"))
    for n in range(20):
        apply(kube, simple(namespace, f"old-{n:02}", ports=[8080]))
        apply(kube, simple_backup(namespace, f"old-{n:02}", type="dump"))
    store_as(kube, "v1")
    assert set(stored_versions(kube, DEFINITION)) == set(stored_versions(kube, BACKUP_DEFINITION)) == {"v1alpha1", "v1"}
    after = operator_factory()
    before.stop()
    kube.wait("only v1 is stored", lambda: stored_versions(kube, DEFINITION) == ["v1"], seconds=90)
    kube.wait("of Backups, too", lambda: stored_versions(kube, BACKUP_DEFINITION) == ["v1"], seconds=90)
    after.stop()
    for n in range(20):  # nobody converts any more: what can be read as v1 is stored as v1
        found = kube.get(APPLICATIONS, namespace, f"old-{n:02}")
        assert found is not None
        assert found["spec"]["workload"]["ports"][0]["containerPort"] == 8080
        saved = kube.get(BACKUPS, namespace, f"old-{n:02}")
        assert saved is not None
        assert saved["spec"]["method"] == "Command"


def test_a_list_of_500_objects_is_converted_for_3_ms_of_cpu_each_at_most(
    kube: Kube, operator_factory: Callable[..., OperatorProcess], namespace: str
) -> None:
    """Bound: time of the operator's own, which does not depend on who else is busy; what was waited for is printed.

    The operator is told to leave these objects alone, so that it does nothing else.
    """
    operator = operator_factory("--watch-namespaces", "default")
    ports = [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
    manifests = [application(namespace, f"web-{n:03}", workload={"ports": ports}) for n in range(500)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(kube.create, manifests))
    wait_for_conversion(kube, namespace)
    before = operator.scrape()
    seconds = [timed(lambda: all_shown(kube, namespace)) for _ in range(5)]
    stored = timed(lambda: kube.list(APPLICATIONS, namespace))
    alone = operator.scrape()
    single = sorted(timed(lambda n=n: kube.request("GET", SIMPLE.url(namespace, f"web-{n:03}"))) for n in range(200))
    after = operator.scrape()
    objects, cpu = (
        after[series] - before[series]
        for series in (
            'timonier_webhook_converted_objects_total{version="v1alpha1"}',
            "process_cpu_seconds_total",
        )
    )
    assert objects >= 200
    print(f"{cpu / objects * 1000:.2f} ms of CPU an object, {objects:.0f} objects")
    within = {
        limit: after[series] - alone[series]
        for limit, series in ((limit, f'{ASKED}_bucket{{le="{limit}",path="/convert"}}') for limit in LIMITS)
    }
    print(f"of {after[f'{ASKED}_count{CONVERT}'] - alone[f'{ASKED}_count{CONVERT}']:.0f} conversions of one object, "
          f"within seconds: {within}")  # fmt: skip
    print(
        f"500 as v1alpha1: {[round(each * 1000) for each in seconds]} ms (as v1: {stored * 1000:.0f} ms); "
        f"one: median {single[100] * 1000:.1f} ms, p99 {single[197] * 1000:.1f} ms"
    )
    assert cpu / objects < 0.003


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def all_shown(kube: Kube, namespace: str) -> None:
    items = kube.request("GET", SIMPLE.url(namespace))["items"]
    assert len(items) == 500
    assert all(item["spec"]["ports"] == [8080] for item in items)


def put_back(kube: Kube, namespace: str) -> Manifest | None:
    """Read and write the simple form of `web`; None when the operator wrote in between."""
    seen = kube.request("GET", SIMPLE.url(namespace, "web"))
    try:
        kube.request("PUT", SIMPLE.url(namespace, "web"), seen)
    except RefusedError as error:
        if error.status != 409:
            raise
        return None
    return seen


def readable(kube: Kube, namespace: str, name: str) -> bool:
    try:
        kube.request("GET", SIMPLE.url(namespace, name))
    except RefusedError:
        return False
    return True


def moves(kube: Kube, resource: Resource, namespace: str, name: str) -> bool:
    """An empty change moves the object: it is stored in another version than before."""
    before = kube.get(resource, namespace, name)
    after = kube.patch(resource, namespace, name, {})
    assert before is not None
    return bool(after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"])


def store_as(kube: Kube, version: str) -> None:
    def tried(name: str) -> bool:
        wanted = definition(kube, name)
        for each in wanted["spec"]["versions"]:
            each["storage"] = each["name"] == version
        try:
            kube.request("PUT", CRDS.url(None, name), wanted)
        except RefusedError as error:
            if error.status != 409:  # the API server's own controllers write to it, too
                raise
            return False
        return True

    for name in (DEFINITION, BACKUP_DEFINITION):
        kube.wait("the definition is changed", lambda name=name: tried(name))


def stored_versions(kube: Kube, name: str) -> list[str]:
    versions: list[str] = definition(kube, name)["status"]["storedVersions"]
    return versions
