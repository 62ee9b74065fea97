"""A real node comes, is harmed, is interrupted, and goes without a trace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from devcluster.cluster import Cluster, running
from devcluster.components import INIT, INSIDE
from devcluster.layout import Layout
from devcluster.node_configuration import TUNABLES
from devcluster.processes import Identity, identity_of
from devcluster.spec import ClusterSpec
from harness.images import BUSYBOX
from harness.interruptions import heeding_ctrl_c
from harness.kube import PODS, Kube, Manifest

pytestmark = pytest.mark.node


def links() -> set[str]:
    """The interfaces of the machine; those of other clusters come and go."""
    return {path.name for path in Path("/sys/class/net").iterdir()}


def mounts() -> set[str]:
    """The machine's mounts, without their numbers."""
    return set(Path("/proc/self/mounts").read_text().splitlines())


def entries(*folders: str) -> set[str]:
    """What lies directly in those folders, as far as they exist."""
    return {str(path) for folder in folders if Path(folder).exists() for path in Path(folder).iterdir()}


def rules() -> str:
    """The machine's packet filter."""
    return subprocess.run(["/usr/sbin/nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def settings() -> dict[str, str]:
    """What kubelet would like to set for the whole kernel."""
    return {name: Path("/proc/sys", name).read_text() for name in TUNABLES}


def traces(label: str) -> list[str]:
    """The control groups of that name."""
    return [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{label}")]


def surroundings() -> dict[str, Any]:
    """Everything that must be afterwards as it was before."""
    return {
        "mounts": mounts(),
        "rules": rules(),
        "settings": settings(),
        "folders": entries("/var/lib", "/var/log", "/opt", "/etc", "/etc/cni", "/usr/libexec", "/run/netns"),
    }


def population(cluster: Cluster) -> set[Identity]:
    """Every process that lives in the node's namespaces, or in a pod's within them."""
    recorded = json.loads((cluster.directory / "run" / "node.pid").read_text())
    home, label = Path(f"/proc/{recorded['pid']}/ns/pid").readlink(), Layout(cluster.directory).label
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            here = (folder / "ns" / "pid").readlink() == home or label in (folder / "cgroup").read_text()
        except OSError:
            continue
        identity = identity_of(int(folder.name)) if here else None
        if identity is not None:
            found.add(identity)
    return found


def sleeper(name: str) -> Manifest:
    container = {"name": "main", "image": BUSYBOX, "command": ["sleep", "600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def wait_running(kube: Kube, name: str) -> None:
    def runs() -> bool:
        return (kube.get(PODS, "default", name) or {}).get("status", {}).get("phase") == "Running"

    kube.wait(f"pod {name} runs", runs, 60)


def test_two_real_nodes_live_side_by_side_and_one_goes_without_a_trace(
    cluster: Cluster, archive: Path, tmp_path: Path
) -> None:
    before = surroundings()
    directory = tmp_path / "own"
    with running(ClusterSpec("own", nodes="real"), directory) as own:
        assert isinstance(own, Cluster)
        device = json.loads((directory / "cluster.json").read_text())["network"]["device"]
        assert device in links()
        assert own.host_address != cluster.host_address
        own.load_image(archive)
        kube = Kube(own.kubeconfig)
        for name in ("one", "two"):
            kube.create(sleeper(name))
        for name in ("one", "two"):
            wait_running(kube, name)
        assert surroundings() == before
        inhabitants = population(own)
        # First process, containerd, kubelet, kube-proxy; and of each pod a shim, the pause and the container.
        assert len(inhabitants) >= 10
        label = Layout(directory).label
        assert traces(label)
    assert not directory.exists()
    assert device not in links()
    assert not traces(label)
    assert not [one for one in inhabitants if identity_of(one.pid) == one]
    assert surroundings() == before
    assert cluster.status().ready


def test_a_dead_kubelet_is_told_and_started_again(cluster: Cluster, kube: Kube) -> None:
    kube.create(sleeper("witness"))
    wait_running(kube, "witness")
    pids = {process.name: process.pid for process in cluster.status().processes}
    victim = pids["kubelet"]
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    kube.wait("it is told", lambda: cluster.status().dead() == ["kubelet"], 10)
    cluster.start()
    now = {process.name: process.pid for process in cluster.status().processes}
    assert cluster.status().ready
    assert now == pids | {"kubelet": now["kubelet"]}
    kube.create(sleeper("newcomer"))
    wait_running(kube, "newcomer")
    for name in ("witness", "newcomer"):
        kube.delete(PODS, "default", name)


def test_after_the_end_of_its_first_process_a_node_comes_back_as_after_a_reboot(cluster: Cluster, kube: Kube) -> None:
    kube.create(sleeper("survivor"))
    wait_running(kube, "survivor")
    first = next(process.pid for process in cluster.status().processes if process.name == "node")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    kube.wait("all is dead", lambda: cluster.status().dead() == [INIT, *INSIDE], 20)
    cluster.start()
    assert cluster.status().ready

    def started_again() -> bool:
        found = kube.get(PODS, "default", "survivor") or {}
        status = found.get("status", {}).get("containerStatuses", [{}])[0]
        return bool(status.get("restartCount") == 1 and "running" in status.get("state", {}))

    kube.wait("the pod runs again", started_again, 90)
    kube.delete(PODS, "default", "survivor")


@pytest.mark.parametrize("stage", ["node", "containerd", "kubelet"])
def test_an_interrupted_up_leaves_nothing(possible: None, tmp_path: Path, stage: str) -> None:
    before = surroundings()
    folder = tmp_path / "broken-off"
    command = [sys.executable, "-m", "devcluster.cli", "up", "--nodes", "real", "--dir", str(folder)]
    with heeding_ctrl_c():
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (folder / "run" / f"{stage}.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    pids = [json.loads(path.read_text() or "{}").get("pid") for path in (folder / "run").glob("*.pid")]
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert not folder.exists()
    assert not [pid for pid in pids if pid is not None and identity_of(pid) is not None]
    assert not traces(Layout(folder).label)
    assert surroundings() == before
