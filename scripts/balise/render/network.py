"""NetworkPolicies for an operator that says whom it talks to: OLM makes none, and bundles may have none.

Community pipelines refuse a bundle with a NetworkPolicy; so it is the installation that brings one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from balise.generate.manifests import Manifest
from balise.model.errors import InputError
from balise.render.bundle import Bundle
from balise.render.options import Options

__all__ = ["API_SERVER", "NETWORK_ANNOTATION", "NONE", "network_policies"]

NETWORK_ANNOTATION: Final = "balise.timonier.dev/network-policy"
"""On a ClusterServiceVersion: `api-server` where the operator talks to the API server and name servers alone."""
API_SERVER: Final = "api-server"
NONE: Final = "none"

_DNS: Final = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_KINDS: Final = ("httpGet", "tcpSocket", "grpc")

_Port = tuple[int | str, str]
"""A port's number, or its name where no container of the pod has that name, and its protocol."""


def network_policies(bundle: Bundle, options: Options) -> list[Manifest]:
    """One NetworkPolicy for each Deployment, where the options or the bundle ask for them; else nothing.

    In: the ports of its webhooks, of the bundle's Services in front of it, and those that its containers name for
    anything but probes, from everywhere: API servers are no pods that a policy could select. A kubelet needs no rule
    (Kubernetes, Network Policies: traffic from the node of a pod is always allowed). Out: name servers and the ports of
    the API server, to everywhere, as nobody knows its addresses here. Raises :class:`InputError` when the bundle's
    annotation says what nobody understands.
    """
    offered = (bundle.csv["metadata"].get("annotations") or {}).get(NETWORK_ANNOTATION, NONE)
    if offered not in (API_SERVER, NONE):
        raise InputError(
            f"the annotation {NETWORK_ANNOTATION} is {offered!r}, expected {API_SERVER!r} or {NONE!r}",
            place=f"ClusterServiceVersion {bundle.csv['metadata']['name']}, metadata.annotations",
            way_out=f"choose here: --network-policy {API_SERVER}, or --network-policy {NONE}",
        )
    if (options.network_policy or offered) == NONE:
        return []
    return [_policy(entry, bundle, options) for entry in bundle.csv["spec"]["install"]["spec"]["deployments"]]


def _policy(entry: Manifest, bundle: Bundle, options: Options) -> Manifest:
    ports = [{"port": port, "protocol": protocol} for port, protocol in _served(entry, bundle)]
    api_server = [{"port": port, "protocol": "TCP"} for port in sorted(set(options.api_server_ports))]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": entry["name"], "namespace": options.namespace},
        "spec": {
            "podSelector": copy.deepcopy(entry["spec"]["selector"]),
            "policyTypes": ["Ingress", "Egress"],
            # A rule without ports would let all of them in.
            "ingress": [{"ports": ports}] if ports else [],
            "egress": [{"ports": api_server}, {"ports": list(_DNS)}],
        },
    }


def _served(entry: Manifest, bundle: Bundle) -> list[_Port]:
    template = entry["spec"]["template"]
    containers = template["spec"]["containers"]
    numbers = {
        port["name"]: port["containerPort"] for each in containers for port in each.get("ports") or () if "name" in port
    }
    led_to = {
        (numbers.get(port, port), protocol)
        for port, protocol in (*_of_webhooks(entry["name"], bundle.csv), *_of_services(template, bundle))
    }
    probed = {(numbers.get(port, port), "TCP") for each in containers for port in _probed(each)}
    named = {
        (port["containerPort"], port.get("protocol", "TCP")) for each in containers for port in each.get("ports") or ()
    }
    return sorted(led_to | (named - probed), key=lambda port: (isinstance(port[0], str), port[0], port[1]))


def _of_webhooks(deployment: str, csv: Manifest) -> Iterator[_Port]:
    for definition in csv["spec"].get("webhookdefinitions") or ():
        if definition["deploymentName"] == deployment:
            # OLM: without a targetPort it is the containerPort, and that one is 443 unless stated.
            yield definition.get("targetPort", definition.get("containerPort", 443)), "TCP"


def _of_services(template: Manifest, bundle: Bundle) -> Iterator[_Port]:
    labels = (template.get("metadata") or {}).get("labels") or {}
    for service in bundle.others:
        # A Service without a selector leads to whatever somebody enters by hand.
        selector = (service.get("spec") or {}).get("selector") if service["kind"] == "Service" else None
        if selector and selector.items() <= labels.items():
            for port in service["spec"].get("ports") or ():
                yield port.get("targetPort", port["port"]), port.get("protocol", "TCP")


def _probed(container: dict[str, Any]) -> Iterator[int | str]:
    for probe in _PROBES:
        for kind in _PROBE_KINDS:
            asked = (container.get(probe) or {}).get(kind)
            # A probe of another host is no question to this container.
            if asked and "host" not in asked:
                yield asked["port"]
