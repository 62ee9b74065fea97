"""What a person chooses when OLM is not there to choose: where the operator runs, and what it watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from balise.generate.manifests import Manifest
from balise.model.errors import InputError

__all__ = ["API_SERVER_PORTS", "Options", "target_namespaces"]

API_SERVER_PORTS: Final = (443, 6443)
"""Where API servers mostly listen: behind a cloud's load balancer, and by kubeadm's default."""


@dataclass(frozen=True, slots=True)
class Options:
    """``watch_namespaces`` empty means: all if the operator can, else its own. ``images`` maps old references to new.

    ``pod_security`` is the Pod Security level that the namespace enforces, empty for none. ``certificates`` says who
    makes those of webhooks (`operator` or `cert-manager`), empty for what the bundle itself offers; ``webhook_url`` is
    where the API server finds the webhooks of an operator that runs beside the cluster instead of in it.
    ``network_policy`` says whom the operator may talk to (`api-server`, or `none` for no policy at all), empty for what
    the bundle itself offers; ``api_server_ports`` are those behind the API server's Service, as policies see them.
    """

    namespace: str
    watch_namespaces: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    create_namespace: bool = True
    pod_security: str = "restricted"
    certificates: str = ""
    webhook_url: str = ""
    network_policy: str = ""
    api_server_ports: tuple[int, ...] = API_SERVER_PORTS


def target_namespaces(csv: Manifest, options: Options) -> tuple[str, ...]:
    """The namespaces the operator watches, sorted; empty means the whole cluster.

    OLM: [own] needs OwnNamespace, all need AllNamespaces, one other needs SingleNamespace, several MultiNamespace, and
    OwnNamespace too if its own is among them. Raises :class:`InputError` when the bundle does not support it.
    """
    supported = {mode["type"] for mode in csv["spec"].get("installModes") or () if mode.get("supported")}
    if not options.watch_namespaces:
        if "AllNamespaces" in supported:
            return ()
        if "OwnNamespace" in supported:
            return (options.namespace,)
        raise _unsupported(csv, "the whole cluster or its own namespace only", supported)
    targets = tuple(sorted(set(options.watch_namespaces)))
    needed = {"MultiNamespace"} if len(targets) > 1 else set()
    if options.namespace in targets:
        needed.add("OwnNamespace")
    elif len(targets) == 1:
        needed.add("SingleNamespace")
    if not needed <= supported:
        raise _unsupported(csv, f"{', '.join(targets)} (needs {' and '.join(sorted(needed))})", supported)
    return targets


def _unsupported(csv: Manifest, wanted: str, supported: set[str]) -> InputError:
    return InputError(
        f"cannot watch {wanted}",
        place=f"ClusterServiceVersion {csv['metadata']['name']}, spec.installModes",
        way_out=f"it supports {', '.join(sorted(supported)) or 'no install mode at all'}: choose --watch-namespace so",
    )
