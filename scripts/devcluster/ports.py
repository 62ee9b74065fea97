"""Free ports on loopback, so that several clusters live side by side."""

import socket
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields

__all__ = ["Ports", "choose_ports"]


@dataclass(frozen=True, slots=True)
class Ports:
    """One port per listener of a cluster."""

    etcd: int
    etcd_peer: int
    apiserver: int
    controller_manager: int
    scheduler: int
    kwok: int

    def as_json(self) -> dict[str, int]:
        """The value as it is kept in the cluster's folder; `Ports(**value)` is the inverse."""
        return asdict(self)


def choose_ports() -> Ports:
    """Ports that nobody listens on now, all different: every one is held until the last is chosen."""
    with ExitStack() as held:
        chosen = []
        for _ in fields(Ports):
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            chosen.append(int(probe.getsockname()[1]))
        return Ports(*chosen)
