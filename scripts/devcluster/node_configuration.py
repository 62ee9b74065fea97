"""The files that a real node reads, and what it needs from the machine. Pure."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devcluster.layout import Layout
from devcluster.names import DOMAIN
from devcluster.network import Network

__all__ = [
    "CNI_PLUGINS",
    "CONTAINERD_SOCKET",
    "HIDDEN",
    "PACKAGES",
    "PAUSE_IMAGE",
    "TUNABLES",
    "cgroup_folders",
    "containerd_configuration",
    "kubelet_configuration",
    "missing_sentence",
    "network_configuration",
    "surroundings",
]

PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
"""The programs that a real node takes from the machine, and the Debian packages that they come in."""

CNI_PLUGINS = ("ptp", "host-local", "loopback")
"""From the package containernetworking-plugins. With ptp every packet between pods is routed, so that a Service's
answer always passes the rules that its question has passed; on a bridge that takes a kernel module."""

PAUSE_IMAGE = "devcluster.local/pause:1"

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

TUNABLES: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What kubelet sets for the whole kernel (pkg/kubelet/cm, setupKernelTunables). Here it finds files that say so
already: the machine keeps its own values."""


HIDDEN = ("/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni")
"""Folders of the machine that a node does not see, as it has its own."""


def missing_sentence(missing: list[str], plugins: bool) -> str:
    """What to say when programs are not there, or the CNI plugins are not."""
    names = [*missing, *(["CNI plugins"] if plugins else [])]
    packages = sorted({PACKAGES[name] for name in missing} | ({"containernetworking-plugins"} if plugins else set()))
    return f"a real node needs {', '.join(names)}: run 'apt-get install {' '.join(packages)}' or the like"


def surroundings(layout: Layout) -> dict[str, Any]:
    """How the node's view of the file system differs from the machine's: what `devcluster.namespaces make` reads.

    Paths that programs have built in lead into the cluster's folder; nothing is left in the machine's own.
    """
    binds = [[str(layout.node / Path(target).name), target] for target in HIDDEN]
    binds += [[str(layout.node / "tunables" / name.replace("/", ".")), f"/proc/sys/{name}"] for name in TUNABLES]
    return {"rebuilt": ["/var/lib"], "binds": binds}


def containerd_configuration(layout: Layout, plugins: Path, snapshotter: str) -> str:
    """TOML. Everything that is written lies in the cluster's folder."""
    return f"""version = 2
root = {json.dumps(str(layout.node / "containerd"))}
state = "/run/containerd"

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = {json.dumps(str(layout.node / "opt"))}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
# A profile would be loaded into the machine's kernel and stay there.
disable_apparmor = true
# Without CAP_SYS_RESOURCE, as in many containers and virtual machines, no score can be lowered.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {json.dumps(str(plugins))}
conf_dir = {json.dumps(str(layout.node_configuration / "cni"))}
"""


def network_configuration(network: Network) -> str:
    """How a pod is connected: an address of the node's range, and a way through the node to everything else. JSON."""
    addresses = {
        "type": "host-local",
        "dataDir": "/var/lib/cni/networks",
        "ranges": [[{"subnet": network.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [{"type": "ptp", "ipMasq": False, "ipam": addresses}]
    return json.dumps({"cniVersion": "0.4.0", "name": "devcluster", "plugins": plugins}, indent=2)


def kubelet_configuration(layout: Layout, network: Network, cgroup: str) -> str:
    """KubeletConfiguration, YAML."""
    value = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": layout.certificate("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [network.node],
        "clusterDomain": DOMAIN,
        "resolvConf": "",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        # The disk is the machine's: how full it is, is no reason to evict pods or to throw images away.
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
    }
    return yaml.safe_dump(value, sort_keys=False)


def cgroup_folders(mounts: str, name: str) -> list[Path]:
    """The folder of that name in each control group hierarchy; `mounts` is the text of /proc/mounts.

    On version 1 every controller has a hierarchy of its own.
    """
    fields = [line.split() for line in mounts.splitlines()]
    return [Path(place) / name for _, place, kind, *_ in fields if kind in ("cgroup", "cgroup2")]
