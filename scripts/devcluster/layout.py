"""Where everything of one cluster lies: one folder, and nothing outside it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from devcluster.processes import Daemon

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a cluster below its folder, which is absolute."""

    folder: Path

    @property
    def state(self) -> Path:
        """What was asked for and chosen; its presence says that the folder is ours to remove."""
        return self.folder / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        """For people and tests: an administrator by RBAC, so that authorizers are asked about it."""
        return self.folder / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """One JSON event a line."""
        return self.folder / "audit.log"

    @property
    def audit_policy(self) -> Path:
        """What the API server records."""
        return self.folder / "audit-policy.yaml"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.folder / "pki"

    @property
    def etcd_data(self) -> Path:
        """The database."""
        return self.folder / "etcd"

    @property
    def volumes(self) -> Path:
        """The folders behind persistent volumes."""
        return self.folder / "volumes"

    @property
    def kwok_configuration(self) -> Path:
        """How nodes and pods are simulated."""
        return self.folder / "kwok.yaml"

    @property
    def node(self) -> Path:
        """Everything that a real node writes: images, containers, logs of pods, sockets."""
        return self.folder / "node"

    @property
    def node_configuration(self) -> Path:
        """What a real node reads."""
        return self.node / "etc"

    @property
    def pause_image(self) -> Path:
        """The archive of the image that every pod has."""
        return self.node_configuration / "pause.tar"

    @property
    def label(self) -> str:
        """A short name for the folder, wherever the whole path has no room: interfaces, control groups."""
        return f"devcluster-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}"

    def identity_kubeconfig(self, identity: str) -> Path:
        """The kubeconfig of one component of the cluster."""
        return self.folder / "identities" / f"{identity}.kubeconfig"

    def certificate(self, name: str) -> str:
        """The path of a certificate, as a flag's value."""
        return str(self.pki / f"{name}.crt")

    def key(self, name: str) -> str:
        """The path of a private key, as a flag's value."""
        return str(self.pki / f"{name}.key")

    def daemon(self, name: str) -> Daemon:
        """The named background process."""
        return Daemon(name, self.folder / "run" / f"{name}.pid", self.folder / "logs" / f"{name}.log")
