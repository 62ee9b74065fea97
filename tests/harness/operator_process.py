"""The operator as a process beside the cluster, under the identity that its bundle asks for."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.images import MOVER
from harness.kube import Kube

__all__ = ["OperatorProcess", "running_operator", "service_account_kubeconfig"]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def service_account_kubeconfig(admin: Path, namespace: str, name: str, target: Path) -> Path:
    """A kubeconfig that is the service account, and nothing else: the operator must live on its own permissions."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}
    token = Kube(admin).request("POST", path, body)["status"]["token"]
    source = yaml.safe_load(admin.read_text())
    cluster = source["clusters"][0]
    target.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "operator",
                "clusters": [cluster],
                "users": [{"name": "operator", "user": {"token": token}}],
                "contexts": [{"name": "operator", "context": {"cluster": cluster["name"], "user": "operator"}}],
            }
        )
    )
    target.chmod(0o600)
    return target


@dataclass(slots=True)
class OperatorProcess:
    """One replica. `log` holds its JSON lines."""

    process: subprocess.Popen[bytes]
    log: Path
    health: int
    metrics: int
    webhooks: int

    def ready(self) -> bool:
        """It answers its readiness probe with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Wait for readiness. Fails with the end of the log when the process dies or takes too long."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the operator is not ready (exit {self.process.poll()}):\n{self.tail()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9: no chance to clean up."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM and wait. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the operator did not stop within {seconds} s of SIGTERM:\n{self.tail()}") from None

    def scrape(self) -> dict[str, float]:
        """The metrics by series, labels included."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {series: float(value) for series, _, value in pairs}

    def resident_mib(self) -> float:
        """Resident memory of the process, MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def lines(self) -> Iterator[dict[str, Any]]:
        """The log, parsed."""
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def tail(self, count: int = 30) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text().splitlines()[-count:]) if self.log.exists() else "(no log)"


def start_operator(kubeconfig: Path, namespace: str, log: Path, *arguments: str, **environment: str) -> OperatorProcess:
    """Start one replica, without waiting for anything."""
    health, metrics, webhooks = free_port(), free_port(), free_port()
    command = [
        sys.executable, "-m", "timonier.cli", "run",
        "--kubeconfig", str(kubeconfig),
        "--namespace", namespace,
        "--health-address", f"127.0.0.1:{health}",
        "--metrics-address", f"127.0.0.1:{metrics}",
        "--webhook-address", f"127.0.0.1:{webhooks}",
        *arguments,
    ]  # fmt: skip
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=sink, env={**os.environ, "RELATED_IMAGE_MOVER": MOVER, **environment}
        )
    return OperatorProcess(process, log, health, metrics, webhooks)


@contextmanager
def running_operator(kubeconfig: Path, namespace: str, log: Path, *arguments: str) -> Iterator[OperatorProcess]:
    """One ready replica for the life of the block; stopped properly afterwards."""
    operator = start_operator(kubeconfig, namespace, log, *arguments)
    try:
        operator.wait_ready()
        yield operator
        operator.stop()
    finally:
        if operator.process.poll() is None:
            operator.kill()
