"""A real node runs real pods: processes, Services, names and volumes."""

from typing import Any

import pytest

from devcluster.cluster import Cluster
from devcluster.errors import DevclusterError
from harness.fixtures import Kubectl
from harness.images import BUSYBOX
from harness.kube import PODS, Kube, Manifest
from timonier.api.resources import DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, SERVICES

pytestmark = pytest.mark.node

USER = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod_spec(script: str, **more: Any) -> Manifest:
    """A pod of one restricted container that runs a shell script."""
    container = {
        "name": "main",
        "image": BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **more.pop("container", {}),
    }
    # A shell that is a container's first process does not heed SIGTERM.
    return {"containers": [container], "terminationGracePeriodSeconds": 0, "securityContext": USER, **more}


def pod(namespace: str, name: str, script: str, **more: Any) -> Manifest:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(script, **more)}


def run_to_end(kube: Kube, manifest: Manifest) -> Manifest:
    """Create a pod and wait until its container has ended; how it ended."""
    metadata = manifest["metadata"]
    kube.create(manifest)

    def ended() -> Manifest | None:
        found = kube.get(PODS, metadata["namespace"], metadata["name"]) or {}
        statuses = found.get("status", {}).get("containerStatuses", [{}])
        state: Manifest | None = statuses[0].get("state", {}).get("terminated")
        return state

    state = kube.wait(f"pod {metadata['name']} ends", ended, 60)
    assert state is not None
    return state


def wait_running(kube: Kube, namespace: str, name: str) -> None:
    def phase() -> bool:
        return (kube.get(PODS, namespace, name) or {}).get("status", {}).get("phase") == "Running"

    kube.wait(f"pod {name} runs", phase, 60)


def web(namespace: str, replicas: int) -> tuple[Manifest, Manifest]:
    """A web server that answers with its host name, and its Service."""
    script = "mkdir /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    spec = pod_spec(script, container={"ports": [{"containerPort": 8080}], "readinessProbe": probe})
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return deployment, service


def test_the_node_says_what_it_is(kube: Kube) -> None:
    (found,) = kube.request("GET", "/api/v1/nodes")["items"]
    assert found["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    assert found["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.")


def test_a_pod_is_a_process_with_a_log_and_a_way_in(kube: Kube, kubectl: Kubectl, namespace: str) -> None:
    kube.create(pod(namespace, "main", "echo started as $(id -u); exec sleep 600"))
    wait_running(kube, namespace, "main")
    kube.wait("the log", lambda: kubectl("logs", "--namespace", namespace, "main") == "started as 1000\n")
    inside = kubectl(
        "exec", "--namespace", namespace, "main", "--", "sh", "-c", "hostname; tr '\\0' ' ' < /proc/1/cmdline"
    )
    assert inside == "main\nsleep 600 "


def test_an_end_is_told_with_its_code_and_a_crash_is_started_again(kube: Kube, namespace: str) -> None:
    assert run_to_end(kube, pod(namespace, "done", "exit 0", restartPolicy="Never"))["exitCode"] == 0
    assert run_to_end(kube, pod(namespace, "failed", "exit 7", restartPolicy="Never"))["exitCode"] == 7
    kube.create(pod(namespace, "crashing", "exit 1"))

    def restarts() -> int:
        statuses = (kube.get(PODS, namespace, "crashing") or {}).get("status", {}).get("containerStatuses", [{}])
        return int(statuses[0].get("restartCount", 0))

    kube.wait("a restart", restarts, 30)


def test_memory_has_a_limit_that_kills(kube: Kube, namespace: str) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi", "cpu": "1"}}}
    eater = pod(namespace, "eater", "x=a; while true; do x=$x$x; done", restartPolicy="Never", container=limits)
    assert run_to_end(kube, eater)["reason"] == "OOMKilled"


def test_a_service_is_answered_by_every_pod_behind_it(
    cluster: Cluster, kube: Kube, kubectl: Kubectl, namespace: str
) -> None:
    kube.create(pod(namespace, "client", "exec sleep 600"))
    for manifest in web(namespace, 2):
        kube.create(manifest)
    wait_running(kube, namespace, "client")

    def ready() -> bool:
        found = kube.get(DEPLOYMENTS, namespace, "web") or {}
        return found.get("status", {}).get("readyReplicas") == 2

    kube.wait("two ready pods", ready, 60)
    service = kube.get(SERVICES, namespace, "web")
    assert service is not None
    names = {item["metadata"]["name"] for item in kube.list(PODS, namespace, "app=web")}

    def ask(host: str) -> str:
        question = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} 80 | tail -n 1"
        return kubectl("exec", "--namespace", namespace, "client", "--", "sh", "-c", question).strip()

    address = service["spec"]["clusterIP"]
    seen: set[str] = set()

    def all_answered() -> bool:
        seen.add(ask(address))
        return seen >= names

    kube.wait("both pods answer through the ClusterIP", all_answered, 30)
    assert seen <= names | {""}
    for name in ("web", f"web.{namespace}", f"web.{namespace}.svc.cluster.local"):
        assert ask(name) in names, name


def test_a_pod_reaches_the_api_server(kubectl: Kubectl, kube: Kube, namespace: str) -> None:
    kube.create(pod(namespace, "client", "exec sleep 600"))
    wait_running(kube, namespace, "client")
    question = "nc -w 3 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT < /dev/null && echo connected"
    answer = kubectl("exec", "--namespace", namespace, "client", "--", "sh", "-c", question)
    assert answer == "connected\n"


def test_a_volume_outlives_its_pod_and_goes_with_its_claim(cluster: Cluster, kube: Kube, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": namespace, "name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    kube.create(claim)
    mounted = {
        "restartPolicy": "Never",
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "container": {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
    }
    assert run_to_end(kube, pod(namespace, "writer", "echo kept > /data/file", **mounted))["exitCode"] == 0
    kube.delete(PODS, namespace, "writer")
    kube.wait("the first pod is gone", lambda: kube.get(PODS, namespace, "writer") is None, 30)
    assert run_to_end(kube, pod(namespace, "reader", "grep -qx kept /data/file", **mounted))["exitCode"] == 0

    found = kube.get(PERSISTENT_VOLUME_CLAIMS, namespace, "data")
    assert found is not None
    folder = cluster.directory / "volumes" / found["spec"]["volumeName"]
    assert (folder / "file").read_text() == "kept\n"
    kube.delete(PODS, namespace, "reader")
    kube.delete(PERSISTENT_VOLUME_CLAIMS, namespace, "data")
    kube.wait("the volume's folder is gone", lambda: not folder.exists(), 30)


def test_what_is_no_image_is_refused(cluster: Cluster, tmp_path: Any) -> None:
    (tmp_path / "words.tar").write_text("no image\n" * 1000)
    with pytest.raises(DevclusterError, match=r"words\.tar could not be loaded as an image"):
        cluster.load_image(tmp_path / "words.tar")
