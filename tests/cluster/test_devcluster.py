"""The development cluster itself, as the command and the tests use it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.cluster import Cluster, running
from devcluster.errors import DevclusterError
from devcluster.processes import identity_of
from devcluster.spec import ClusterSpec
from harness.interruptions import heeding_ctrl_c
from harness.kube import Kube, RefusedError
from harness.restricted_pods import restricted_spec
from timonier.api.resources import DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, STATEFUL_SETS

pytestmark = pytest.mark.cluster

PERSISTENT_VOLUMES = "/api/v1/persistentvolumes"


@pytest.fixture(autouse=True)
def _ours(cluster: Any) -> None:
    if not isinstance(cluster, Cluster):
        pytest.skip("KUBECONFIG names a cluster that is not ours")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that this test may harm."""
    with running(ClusterSpec("own", count=1), tmp_path / "own") as cluster:
        assert isinstance(cluster, Cluster)
        yield cluster


def devcluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devcluster.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def pod_template(app: str, **container: Any) -> dict[str, Any]:
    spec = restricted_spec({"name": "main", "image": "registry.example/x:1", **container})
    return {"metadata": {"labels": {"app": app}}, "spec": spec}


def workload(kind: str, namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "replicas": 2, **spec},
    }


def ready_replicas(kube: Kube, resource: Any, namespace: str) -> Callable[[], bool]:
    def probe() -> bool:
        found = kube.get(resource, namespace, "web") or {}
        return bool(found.get("status", {}).get("readyReplicas") == 2)

    return probe


def test_a_deployment_becomes_ready(kube: Kube, namespace: str) -> None:
    kube.create(workload("Deployment", namespace, template=pod_template("web")))
    kube.wait("two ready pods", ready_replicas(kube, DEPLOYMENTS, namespace))


def test_a_stateful_set_gets_volumes_that_grow_and_go(kube: Kube, namespace: str) -> None:
    template = pod_template("web", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": claim}]
    kube.create(workload("StatefulSet", namespace, serviceName="web", template=template, volumeClaimTemplates=claims))
    kube.wait("two ready pods", ready_replicas(kube, STATEFUL_SETS, namespace))
    found = kube.get(PERSISTENT_VOLUME_CLAIMS, namespace, "data-web-0")
    assert found is not None
    assert found["status"]["phase"] == "Bound"
    volume = f"{PERSISTENT_VOLUMES}/{found['spec']['volumeName']}"

    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    kube.patch(PERSISTENT_VOLUME_CLAIMS, namespace, "data-web-0", larger)

    def size() -> bool:
        now = kube.get(PERSISTENT_VOLUME_CLAIMS, namespace, "data-web-0") or {}
        return bool(now["status"]["capacity"]["storage"] == "2Gi")

    kube.wait("the claim has grown", size)
    kube.delete(STATEFUL_SETS, namespace, "web")
    for index in range(2):
        kube.delete(PERSISTENT_VOLUME_CLAIMS, namespace, f"data-web-{index}")

    def gone() -> bool:
        try:
            kube.request("GET", volume)
        except RefusedError as error:
            return error.status == 404
        return False

    kube.wait("the volume is gone", gone)


def test_a_job_completes(kube: Kube, namespace: str) -> None:
    template = pod_template("job")
    template["spec"]["restartPolicy"] = "Never"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"namespace": namespace, "name": "once"},
        "spec": {"template": template},
    }
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    kube.request("POST", path, job)
    kube.wait("success", lambda: kube.request("GET", f"{path}/once").get("status", {}).get("succeeded") == 1)


def test_the_audit_log_tells_who_did_what(cluster: Cluster, kube: Kube, namespace: str) -> None:
    kube.create(workload("Deployment", namespace, template=pod_template("web")))
    events = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    mine = [event for event in events if event.get("objectRef", {}).get("namespace") == namespace]
    assert ("devcluster-administrator", "create", "deployments") in {
        (event["user"]["username"], event["verb"], event["objectRef"]["resource"]) for event in mine
    }
    assert {event["stage"] for event in mine} <= {"ResponseComplete", "ResponseStarted", "Panic"}


def test_two_clusters_live_side_by_side(cluster: Cluster, kube: Kube, own: Cluster, namespace: str) -> None:
    assert own.url != cluster.url
    other = Kube(own.kubeconfig)
    assert len(other.request("GET", "/api/v1/nodes")["items"]) == 1
    names = {item["metadata"]["name"] for item in other.request("GET", "/api/v1/namespaces")["items"]}
    assert namespace not in names


def test_the_api_server_comes_back_with_everything(own: Cluster) -> None:
    kube = Kube(own.kubeconfig)
    kube.request(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "survivor"}}
    )
    own.stop_apiserver()
    assert own.status().dead() == ["kube-apiserver"]
    own.start_apiserver()
    assert own.status().ready
    assert kube.request("GET", "/api/v1/namespaces/survivor")["metadata"]["name"] == "survivor"


def test_a_dead_process_is_told_and_started_again(own: Cluster) -> None:
    pids = {process.name: process.pid for process in own.status().processes}
    victim = pids["etcd"]
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while own.status().dead() != ["etcd"] and time.monotonic() < deadline:
        time.sleep(0.05)

    told = devcluster("status", "--name", "own", "--dir", str(own.directory))
    assert told.returncode == 1
    assert "NOT ready" in told.stdout
    assert any(line.split()[:2] == ["etcd", "DEAD"] for line in told.stdout.splitlines())

    again = devcluster("up", "--name", "own", "--dir", str(own.directory), "--count", "1")
    assert again.returncode == 0, again.stderr
    now = json.loads(devcluster("status", "--name", "own", "--dir", str(own.directory), "--json").stdout)
    assert now["ready"]
    assert {process["name"] for process in now["processes"] if process["pid"] == pids[process["name"]]} >= {"kwok"}


def test_up_again_changes_nothing_and_other_settings_are_refused(own: Cluster) -> None:
    before = own.status()
    assert devcluster("up", "--name", "own", "--dir", str(own.directory), "--count", "1").returncode == 0
    assert own.status() == before
    refused = devcluster("up", "--name", "own", "--dir", str(own.directory), "--count", "9")
    assert refused.returncode == 1
    assert "other settings (--name own --nodes kwok --count 1)" in refused.stderr
    assert f"devcluster down --dir {own.directory}" in refused.stderr


def test_down_leaves_neither_process_nor_folder(tmp_path: Path) -> None:
    with running(ClusterSpec("brief", count=1), tmp_path / "brief") as cluster:
        assert isinstance(cluster, Cluster)
        pids = [process.pid for process in cluster.status().processes]
    assert pids
    assert not [pid for pid in pids if pid is not None and identity_of(pid) is not None]
    assert not (tmp_path / "brief").exists()


def test_simulated_nodes_take_no_image(own: Cluster) -> None:
    refused = devcluster("load-image", "--dir", str(own.directory), "image.tar")
    assert refused.returncode == 1
    assert "nothing to load" in refused.stderr


def test_a_foreign_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    for command in ("up", "down"):
        answer = devcluster(command, "--dir", str(tmp_path))
        assert answer.returncode == 1
        assert "no cluster of ours" in answer.stderr
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "broken-off"
    command = [sys.executable, "-m", "devcluster.cli", "up", "--dir", str(folder)]
    with heeding_ctrl_c():
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (folder / "run" / "kube-apiserver.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    pids = [json.loads(path.read_text())["pid"] for path in (folder / "run").glob("*.pid") if path.read_text()]
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130, error
    assert not folder.exists()
    assert pids
    assert not [pid for pid in pids if identity_of(pid) is not None]


def test_extra_flags_reach_the_api_server(tmp_path: Path) -> None:
    spec = ClusterSpec("flags", count=0, apiserver_args=("--max-requests-inflight=123",))
    with running(spec, tmp_path / "flags") as cluster:
        metrics = devcluster("status", "--name", "flags", "--dir", str(cluster.directory))
        assert metrics.returncode == 0
        pid = json.loads((cluster.directory / "run" / "kube-apiserver.pid").read_text())["pid"]
        assert b"--max-requests-inflight=123" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def test_a_flag_that_the_api_server_refuses_is_told_with_its_words(tmp_path: Path) -> None:
    spec = ClusterSpec("wrong", count=0, apiserver_args=("--no-such-flag=1",))
    with pytest.raises(DevclusterError, match="unknown flag: --no-such-flag"), running(spec, tmp_path / "wrong"):
        pass
    assert not (tmp_path / "wrong").exists()
