"""kill -9 of the operator at a chosen write, and another one in its place."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.fault_proxy import FaultProxy, Moment, Write, proxied
from harness.fixtures import Installation
from harness.kube import Kube
from harness.operator_process import OperatorProcess
from timonier.api.resources import LEASES

__all__ = ["Guillotine", "run"]

T = TypeVar("T")


class Guillotine:
    """Kills the operator at its n-th write, before or after the API server has carried it out."""

    def __init__(self, number: int, moment: Moment) -> None:
        self.number = number
        self.moment = moment
        self.victim: OperatorProcess | None = None
        self.fell = threading.Event()

    def __call__(self, write: Write, moment: Moment) -> None:
        if write.number == self.number and moment is self.moment and self.victim is not None:
            self.victim.process.kill()
            self.fell.set()


def run(
    kube: Kube,
    installation: Installation,
    folder: Path,
    namespace: str,
    scenario: Callable[[Kube, str], T],
    blade: Guillotine | None = None,
) -> tuple[T, FaultProxy]:
    """Play a scenario in a new namespace with an operator of its own, which the blade may end; another one follows.

    Returns what the scenario returned, and the proxy that saw every call.
    """
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    with proxied(installation.kubeconfig) as proxy:
        kubeconfig = proxy.kubeconfig(folder / "proxied.kubeconfig")
        replica = installation.start(namespace, "--watch-namespaces", namespace, kubeconfig=kubeconfig)
        if blade is not None:
            blade.victim = replica
            proxy.on_write = blade
        replacements: list[OperatorProcess] = []

        def replace() -> None:
            assert blade is not None
            blade.fell.wait()
            if blade.victim is not None:
                blade.victim.process.wait()
                _forget_lease(kube, installation)
                replacements.append(
                    installation.start(namespace, "--watch-namespaces", namespace, kubeconfig=kubeconfig)
                )

        watcher = threading.Thread(target=replace, daemon=True) if blade is not None else None
        if watcher is not None:
            watcher.start()
        try:
            result = scenario(kube, namespace)
        finally:
            if blade is not None:
                blade.victim = None
                blade.fell.set()
            if watcher is not None:
                watcher.join(10)
            for process in (replica, *replacements):
                if process.process.poll() is None:
                    process.stop()
    return result, proxy


def _forget_lease(kube: Kube, installation: Installation) -> None:
    """The dead replica's lease would hold up its successor for 15 s, at every single run."""
    kube.delete(LEASES, installation.namespace, "timonier")
