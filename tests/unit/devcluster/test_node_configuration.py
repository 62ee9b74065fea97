import json
import tomllib
from pathlib import Path

import pytest
import yaml

from devcluster import components, node
from devcluster.configuration import NODE
from devcluster.errors import DevclusterError, UnavailableError
from devcluster.layout import Layout
from devcluster.network import network_of
from devcluster.node_configuration import (
    HIDDEN,
    TUNABLES,
    cgroup_folders,
    containerd_configuration,
    kubelet_configuration,
    missing_sentence,
    network_configuration,
    surroundings,
)
from devcluster.ports import Ports
from devcluster.spec import ClusterSpec

LAYOUT = Layout(Path("/clusters/demo"))
NETWORK = network_of(201)
REAL = ClusterSpec(nodes="real")


def command(daemon: str) -> list[str]:
    addresses = components.Addresses(Ports(2379, 2380, 6443, 10257, 10259, 10247), NETWORK)
    return components.command_of(daemon, REAL, LAYOUT, addresses, {})


def test_a_real_node_builds_what_the_machine_does_not_have() -> None:
    built = set(components.programs_of(REAL))
    assert built >= {"kubelet", "kube-proxy", "pause"}
    assert not built & {"kwok", "containerd", "node", "provisioner"}
    assert not {"kubelet", "kube-proxy", "pause"} & set(components.programs_of(ClusterSpec()))


def test_the_api_server_listens_where_pods_reach_it_and_nowhere_else() -> None:
    line = command("kube-apiserver")
    assert "--bind-address=10.201.0.1" in line
    assert "--service-cluster-ip-range=10.201.128.0/17" in line
    assert not [flag for flag in line if "0.0.0.0" in flag]


def test_one_name_for_the_node_everywhere() -> None:
    assert f"--hostname-override={NODE}" in command("kubelet")
    assert f"--hostname-override={NODE}" in command("kube-proxy")
    assert command("provisioner")[-1] == NODE


def test_what_containerd_keeps_lies_in_the_clusters_folder() -> None:
    value = tomllib.loads(containerd_configuration(LAYOUT, Path("/usr/lib/cni"), "overlayfs"))
    cri = value["plugins"]["io.containerd.grpc.v1.cri"]
    places = [value["root"], value["plugins"]["io.containerd.internal.v1.opt"]["path"], cri["cni"]["conf_dir"]]
    assert all(place.startswith("/clusters/demo/") for place in places)
    # The node has its own /run, which lies in the folder, too.
    assert value["state"].startswith("/run/")
    assert "/run" in HIDDEN
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False


def test_kubelet_and_its_runtime_agree() -> None:
    value = yaml.safe_load(kubelet_configuration(LAYOUT, NETWORK, "/devcluster-x"))
    assert value["cgroupDriver"] == "cgroupfs"
    assert value["cgroupRoot"] == "/devcluster-x"
    runtime = tomllib.loads(containerd_configuration(LAYOUT, Path("/p"), "native"))
    assert value["containerRuntimeEndpoint"] == f"unix://{runtime['grpc']['address']}"
    assert value["authentication"]["anonymous"] == {"enabled": False}


def test_pods_have_addresses_of_the_nodes_range() -> None:
    (plugin,) = json.loads(network_configuration(NETWORK))["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": NETWORK.pods}]]


def test_the_nodes_own_folders_come_from_the_clusters() -> None:
    value = surroundings(LAYOUT)
    sources, targets = zip(*value["binds"], strict=True)
    assert all(source.startswith("/clusters/demo/node/") for source in sources)
    assert len(set(sources)) == len(sources)
    assert {f"/proc/sys/{name}" for name in TUNABLES} <= set(targets)


@pytest.mark.parametrize("folder", ["/run/user/0/cluster", "/var/log/cluster"])
def test_a_folder_that_the_node_would_not_see_is_refused(folder: str) -> None:
    with pytest.raises(DevclusterError, match="--dir"):
        node.check_folder(Path(folder))


def test_control_groups_of_both_versions_are_found() -> None:
    mounts = (
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )
    assert cgroup_folders(mounts, "x") == [Path("/sys/fs/cgroup/cpu,cpuacct/x"), Path("/sys/fs/cgroup/unified/x")]


def test_what_is_missing_is_named_with_the_command_that_brings_it() -> None:
    assert missing_sentence(["containerd", "ctr", "nft"], plugins=True) == (
        "a real node needs containerd, ctr, nft, CNI plugins: "
        "run 'apt-get install containerd containernetworking-plugins nftables' or the like"
    )
    assert missing_sentence(["runc"], plugins=False) == "a real node needs runc: run 'apt-get install runc' or the like"


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="needs root"):
        node.check()


def test_another_system_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(UnavailableError, match="needs Linux"):
        node.check()
