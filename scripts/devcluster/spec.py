"""What a person may choose about a cluster."""

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from devcluster.errors import DevclusterError

__all__ = ["ClusterSpec", "NodeKind"]

NodeKind = Literal["kwok", "real"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """One cluster. `count` is the number of simulated nodes; a real node is always one.

    `apiserver_args` are appended to the API server's own flags, so a repeated flag wins. Raises DevclusterError when a
    value cannot be used.
    """

    name: str = "default"
    nodes: NodeKind = "kwok"
    count: int = 2
    apiserver_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DevclusterError(
                f"the cluster name {self.name!r} cannot be used: take at most 40 of a-z, 0-9 and '-', such as 'demo-2'"
            )
        if self.nodes not in get_args(NodeKind):
            raise DevclusterError(f"nodes are {' or '.join(get_args(NodeKind))}, not {self.nodes!r}")
        if not 0 <= self.count <= 1000:
            raise DevclusterError(f"the number of simulated nodes is 0 to 1000, not {self.count}")
        for argument in self.apiserver_args:
            if not argument.startswith("--"):
                raise DevclusterError(f"the API server's flags are written --name=value, not {argument!r}")

    def __str__(self) -> str:
        """The settings as they are given to `devcluster up`."""
        flags = [f"--name {self.name}", f"--nodes {self.nodes}", f"--count {self.count}"]
        return " ".join(flags + [f"--apiserver-arg={argument}" for argument in self.apiserver_args])

    def as_json(self) -> dict[str, Any]:
        """The value as it is kept in the cluster's folder."""
        return {
            "name": self.name,
            "nodes": self.nodes,
            "count": self.count,
            "apiserver_args": list(self.apiserver_args),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ClusterSpec":
        """The inverse of `as_json`."""
        return cls(value["name"], value["nodes"], value["count"], tuple(value["apiserver_args"]))
