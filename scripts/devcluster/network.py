"""The addresses of a cluster, and the one cable between this machine and a real node.

A real node has a network of its own: what it does there (routes, packet filter rules, interfaces of pods) is invisible
outside and goes with it. A pair of virtual Ethernet devices joins the two, so that the API server, which stays on the
machine, reaches kubelet and webhooks, and pods reach the API server. Nothing is forwarded to any other network.
"""

import contextlib
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devcluster.errors import DevclusterError, UnavailableError
from devcluster.processes import as_administrator

__all__ = [
    "LOOPBACK",
    "SIMULATED",
    "Network",
    "connect",
    "connected",
    "destinations_of",
    "disconnect",
    "free_network",
    "network_of",
    "routes",
]

LOOPBACK = "127.0.0.1"

_CHOICES = range(201, 251)


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses as text. `device` is the machine's end of the cable, empty when nodes are simulated."""

    device: str
    host: str
    node: str
    everything: str
    pods: str
    services: str

    def api_service(self) -> str:
        """The ClusterIP of the API server: the first of the range (Kubernetes, Service ClusterIP allocation)."""
        return str(ipaddress.ip_network(self.services)[1])

    def as_json(self) -> dict[str, str]:
        """The value as it is kept in the cluster's folder; `Network(**value)` is the inverse."""
        return asdict(self)


# A /16: the /24 that is often seen has no room for a thousand Services.
SIMULATED = Network("", LOOPBACK, LOOPBACK, "", "", "10.96.0.0/16")


def network_of(index: int) -> Network:
    """One of the networks that clusters take: a /16 for cable, pods and Services, so that one route leads to it."""
    return Network(
        device=f"devcluster{index}",
        host=f"10.{index}.0.1",
        node=f"10.{index}.0.2",
        everything=f"10.{index}.0.0/16",
        pods=f"10.{index}.64.0/22",
        services=f"10.{index}.128.0/17",
    )


def free_network(taken: Iterable[str]) -> Network:
    """The first network that overlaps no route's destination. Raises DevclusterError."""
    # A route to an eighth of the Internet or more is a way out, such as a VPN's, and not somebody's network.
    networks = (ipaddress.ip_network(destination, strict=False) for destination in taken)
    destinations = [network for network in networks if network.version == 4 and network.prefixlen > 3]
    for index in _CHOICES:
        network = network_of(index)
        wanted = ipaddress.ip_network(network.everything)
        if not any(wanted.overlaps(other) for other in destinations):
            return network
    raise DevclusterError(
        f"every network from 10.{_CHOICES[0]}.0.0/16 to 10.{_CHOICES[-1]}.0.0/16 is in use on this machine: "
        f"take a cluster down ('devcluster down')"
    )


def routes() -> list[str]:
    """The destinations that this machine has routes to, the default route excepted. Raises DevclusterError."""
    answer = json.loads(_ip("-json", "-4", "route", "show", "table", "all"))
    return destinations_of(answer)


def destinations_of(answer: Iterable[dict[str, Any]]) -> list[str]:
    """The destinations in the answer of `ip -json route`."""
    return [route["dst"] for route in answer if route["dst"] != "default"]


def connect(network: Network, owner: str, pid: int) -> None:
    """Lay the cable to the network that process `pid` lives in; `owner` marks it as ours. Raises DevclusterError."""
    _ip("link", "add", network.device, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _ip("address", "add", f"{network.host}/30", "dev", network.device)
    _ip("link", "set", network.device, "up")
    _inside(pid, "address", "add", f"{network.node}/30", "dev", "eth0")
    _inside(pid, "link", "set", "lo", "up")
    _inside(pid, "link", "set", "eth0", "up")
    # A packet to a Service must have a way before its destination is exchanged for a pod's.
    _inside(pid, "route", "add", network.services, "via", network.host)
    _ip("route", "add", network.everything, "via", network.node)
    # Last, as it says that all of the above is done; it is also what tells our device from somebody else's.
    _ip("link", "set", network.device, "alias", owner)


def connected(network: Network, owner: str) -> bool:
    """The cable is there, is ours and was laid to the end."""
    try:
        return Path(f"/sys/class/net/{network.device}/ifalias").read_text().strip() == owner
    except FileNotFoundError:
        return False


def disconnect(network: Network, owner: str) -> None:
    """Remove our end, and the other with it, without waiting for the kernel to do so; nothing when it is gone."""
    if connected(network, owner):
        # It may have gone by itself meanwhile.
        with contextlib.suppress(DevclusterError):
            _ip("link", "delete", network.device)


def _inside(pid: int, *arguments: str) -> str:
    return _run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", *arguments)


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=as_administrator(os.environ))
    if answer.returncode != 0:
        kind = UnavailableError if "Operation not" in answer.stderr else DevclusterError
        raise kind(f"'{' '.join(command)}' failed: {answer.stderr.strip()}")
    return answer.stdout
