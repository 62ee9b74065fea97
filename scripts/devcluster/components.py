"""The command line of every background process. Pure: nothing is started here."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.configuration import NODE
from devcluster.layout import Layout
from devcluster.network import LOOPBACK, Network
from devcluster.ports import Ports
from devcluster.spec import ClusterSpec

__all__ = ["INIT", "INSIDE", "Addresses", "command_of", "daemons_of", "programs_of", "server_url"]

INIT = "node"
"""The first process of a real node's namespaces."""

INSIDE = ("containerd", "kubelet", "kube-proxy", "nameserver")
"""What runs inside them, in the order in which it is started."""

Programs = Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens."""

    ports: Ports
    network: Network


def server_url(addresses: Addresses) -> str:
    """Where the API server answers."""
    return f"https://{addresses.network.host}:{addresses.ports.apiserver}"


def daemons_of(spec: ClusterSpec) -> tuple[str, ...]:
    """The background processes of a cluster, in the order in which they are started."""
    nodes = ("kwok",) if spec.nodes == "kwok" else (INIT, *INSIDE)
    return ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", *nodes, "provisioner")


def programs_of(spec: ClusterSpec) -> tuple[str, ...]:
    """The programs that `find_programs` has to find for it; a real node's others are those of the machine."""
    built = [name for name in daemons_of(spec) if name not in (INIT, "containerd", "nameserver", "provisioner")]
    return (*built, "pki", *(("pause",) if spec.nodes == "real" else ()))


def command_of(daemon: str, spec: ClusterSpec, layout: Layout, addresses: Addresses, programs: Programs) -> list[str]:
    """The whole command line of a background process."""
    if daemon == "provisioner":
        node = [NODE] if spec.nodes == "real" else []
        return [sys.executable, "-m", "devcluster.provisioner", str(layout.identity_kubeconfig("provisioner")),
                str(layout.volumes), *node]  # fmt: skip
    if daemon == "nameserver":
        # kube-proxy may read what a name server has to know, and no more.
        return [sys.executable, "-m", "devcluster.nameserver", str(layout.identity_kubeconfig("kube-proxy")),
                addresses.network.node]  # fmt: skip
    return [str(programs.get(daemon, daemon)), *_FLAGS[daemon](spec, layout, addresses)]


def _etcd(_spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    ports = addresses.ports
    client, peer = f"http://{LOOPBACK}:{ports.etcd}", f"http://{LOOPBACK}:{ports.etcd_peer}"
    return [
        "--name=devcluster",
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=devcluster={peer}",
        # What a power cut would lose here, nobody misses; and every write is several times faster.
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ]


def _apiserver(spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    ports, network = addresses.ports, addresses.network
    return [
        f"--etcd-servers=http://{LOOPBACK}:{ports.etcd}",
        f"--bind-address={network.host}",
        f"--advertise-address={network.host}",
        f"--secure-port={ports.apiserver}",
        # An Endpoints object may not hold a loopback address; without real nodes nobody would use it anyway.
        f"--endpoint-reconciler-type={'lease' if spec.nodes == 'real' else 'none'}",
        f"--service-cluster-ip-range={network.services}",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--tls-cert-file={layout.certificate('apiserver')}",
        f"--tls-private-key-file={layout.key('apiserver')}",
        f"--kubelet-client-certificate={layout.certificate('apiserver-kubelet')}",
        f"--kubelet-client-key={layout.key('apiserver-kubelet')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={layout.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={layout.certificate('front-proxy')}",
        f"--proxy-client-key-file={layout.key('front-proxy')}",
        f"--service-account-key-file={layout.pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={layout.key('service-accounts')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        *_authorization(spec),
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--audit-policy-file={layout.audit_policy}",
        f"--audit-log-path={layout.audit_log}",
        # Megabytes; large enough that the log of a long test is never rotated away.
        "--audit-log-maxsize=100000",
        *spec.apiserver_args,
    ]


def _authorization(spec: ClusterSpec) -> list[str]:
    # The API server refuses a mode beside a configuration file, which names the authorizers itself.
    configured = any(argument.startswith("--authorization-config") for argument in spec.apiserver_args)
    return [] if configured else ["--authorization-mode=Node,RBAC"]


def _controller_manager(_spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    kubeconfig = layout.identity_kubeconfig("kube-controller-manager")
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={addresses.ports.controller_manager}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={layout.certificate('ca')}",
        f"--service-account-private-key-file={layout.key('service-accounts')}",
        f"--cluster-signing-cert-file={layout.certificate('ca')}",
        f"--cluster-signing-key-file={layout.key('ca')}",
        # The default of 20 requests a second makes the garbage collection of a large test take minutes.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _scheduler(_spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    kubeconfig = layout.identity_kubeconfig("kube-scheduler")
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={addresses.ports.scheduler}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _kwok(_spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    return [
        f"--kubeconfig={layout.identity_kubeconfig('kwok')}",
        f"--config={layout.kwok_configuration}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        f"--node-ip={LOOPBACK}",
        f"--server-address={LOOPBACK}:{addresses.ports.kwok}",
    ]


def _containerd(_spec: ClusterSpec, layout: Layout, _addresses: Addresses) -> list[str]:
    return [f"--config={layout.node_configuration / 'containerd.toml'}"]


def _kubelet(_spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    return [
        f"--config={layout.node_configuration / 'kubelet.yaml'}",
        f"--kubeconfig={layout.identity_kubeconfig('kubelet')}",
        f"--hostname-override={NODE}",
        f"--node-ip={addresses.network.node}",
        "--node-labels=topology.kubernetes.io/region=local,topology.kubernetes.io/zone=zone-a",
    ]


def _kube_proxy(_spec: ClusterSpec, layout: Layout, addresses: Addresses) -> list[str]:
    return [
        f"--kubeconfig={layout.identity_kubeconfig('kube-proxy')}",
        f"--hostname-override={NODE}",
        f"--bind-address={addresses.network.node}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={addresses.network.pods}",
        # The table's size is the whole machine's, and not ours to set.
        "--conntrack-max-per-core=0",
    ]


_FLAGS: Mapping[str, Callable[[ClusterSpec, Layout, Addresses], list[str]]] = {
    "etcd": _etcd,
    "kube-apiserver": _apiserver,
    "kube-controller-manager": _controller_manager,
    "kube-scheduler": _scheduler,
    "kwok": _kwok,
    "containerd": _containerd,
    "kubelet": _kubelet,
    "kube-proxy": _kube_proxy,
}
