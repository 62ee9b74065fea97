"""How an Application is reached: Services, Ingress, NetworkPolicy, and the endpoints that its status names."""

from collections.abc import Mapping
from typing import Any

from timonier.api.application import Application
from timonier.api.pods import Port
from timonier.api.resources import INGRESSES, NETWORK_POLICIES, SERVICES
from timonier.applications.children import child, headless_name
from timonier.engine.contract import Manifest

__all__ = [
    "endpoints",
    "has_service",
    "headless_service",
    "ingress",
    "network_policy",
    "service",
    "service_beside",
    "unshared_port",
]

Labels = Mapping[str, str]


def has_service(application: Application) -> bool:
    """Whether there is a Service in front of the pods."""
    network = application.spec.network
    disabled = network is not None and network.service is not None and network.service.enabled is False
    return bool(application.spec.workload.ports) and not disabled


def service(application: Application, selector: Labels, *, beside: Application | None = None) -> dict[str, Any]:
    """The Service of the Application's name, on the numbers that the container listens on.

    With `beside`, it leads to pods of that revision as well: by a name that both have, else by a number.
    """
    wanted = application.spec.network.service if application.spec.network else None
    body = {
        "type": wanted.type if wanted else "ClusterIP",
        "selector": dict(selector),
        "ports": _service_ports(application, beside),
    }
    annotations = wanted.annotations if wanted else {}
    return child(application, SERVICES, application.metadata.name, {"spec": body}, annotations=annotations)


def service_beside(application: Application, name: str, selector: Labels) -> dict[str, Any]:
    """A Service of that name for what is tried: nobody but its probes, and who knows of it, asks there."""
    body = {"type": "ClusterIP", "selector": dict(selector), "ports": _service_ports(application)}
    return child(application, SERVICES, name, {"spec": body})


def headless_service(application: Application, selector: Labels) -> dict[str, Any]:
    """The Service that gives each pod of a StatefulSet a name; members must find each other before they are ready."""
    body = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": dict(selector),
        "ports": _service_ports(application),
    }
    return child(application, SERVICES, headless_name(application), {"spec": body})


def unshared_port(application: Application, beside: Application) -> Port | None:
    """A port of the first by which no Service could lead to pods of both."""
    return next((port for port in application.spec.workload.ports if _target(port, beside) is None), None)


def _target(port: Port, beside: Application) -> int | str | None:
    others = [other for other in beside.spec.workload.ports if other.protocol == port.protocol]
    same = next((other for other in others if other.name == port.name), None)
    if same is not None:  # a number is what there always was, where it is the same
        return port.container_port if same.container_port == port.container_port else port.name
    return port.container_port if port.container_port in [other.container_port for other in others] else None


def _service_ports(application: Application, beside: Application | None = None) -> list[dict[str, Any]]:
    return [
        {
            "name": port.name,
            "port": port.container_port,
            "targetPort": (_target(port, beside) if beside else None) or port.container_port,
            "protocol": port.protocol,
        }
        for port in application.spec.workload.ports
    ]


def _ingress_port(application: Application) -> Port | None:
    """The port that the Ingress leads to; None without an Ingress."""
    network = application.spec.network
    if network is None or network.ingress is None:
        return None
    ports = application.spec.workload.ports
    return next((port for port in ports if port.name == network.ingress.port), ports[0] if ports else None)


def ingress(application: Application) -> dict[str, Any] | None:
    """The Ingress, when one is asked for."""
    wanted = application.spec.network.ingress if application.spec.network else None
    port = _ingress_port(application)
    if wanted is None or port is None:
        return None
    backend = {"service": {"name": application.metadata.name, "port": {"name": port.name}}}
    path = {"path": wanted.path, "pathType": "Prefix", "backend": backend}
    tls = [{"hosts": [wanted.host], "secretName": wanted.tls_secret_name}] if wanted.tls_secret_name else []
    body = {
        "ingressClassName": wanted.class_name,
        "rules": [{"host": wanted.host, "http": {"paths": [path]}}],
        "tls": tls,
    }
    return child(application, INGRESSES, application.metadata.name, {"spec": body}, annotations=wanted.annotations)


def network_policy(application: Application, selector: Mapping[str, Any]) -> dict[str, Any] | None:
    """Who may connect to the pods that the whole label `selector` selects; None where anybody may.

    Pods of the namespace reach the declared ports, the cluster reaches the Ingress' port, and everybody reaches the
    ports of a Service that is meant for outside. Without ports nobody gets in.
    """
    network = application.spec.network
    if network is not None and network.network_policy == "None":
        return None
    ports = [_policy_port(port) for port in application.spec.workload.ports]
    rules: list[dict[str, Any]] = []
    if ports and _outside(application):
        rules.append({"ports": ports})
    elif ports:
        rules.append({"from": [{"podSelector": {}}], "ports": ports})
    if (port := _ingress_port(application)) is not None:
        rules.append({"from": [{"namespaceSelector": {}}], "ports": [_policy_port(port)]})
    body = {"podSelector": dict(selector), "policyTypes": ["Ingress"], "ingress": rules}
    return child(application, NETWORK_POLICIES, application.metadata.name, {"spec": body})


def _outside(application: Application) -> bool:
    wanted = application.spec.network.service if application.spec.network else None
    return has_service(application) and wanted is not None and wanted.type != "ClusterIP"


def _policy_port(port: Port) -> dict[str, Any]:
    return {"port": port.container_port, "protocol": port.protocol}


def endpoints(application: Application, live_service: Manifest | None) -> list[dict[str, str]]:
    """Where the application is reachable: its Service, what a load balancer was given, its Ingress."""
    if not has_service(application):
        return []
    ports = application.spec.workload.ports
    host = f"{application.metadata.name}.{application.metadata.namespace}.svc"
    found = [{"name": port.name, "scope": "Cluster", "url": _url(port, host)} for port in ports]
    for address in _balancer_addresses(live_service):
        found += [{"name": port.name, "scope": "External", "url": _url(port, address)} for port in ports]
    wanted = application.spec.network.ingress if application.spec.network else None
    if wanted is not None:
        scheme = "https" if wanted.tls_secret_name else "http"
        found.append({"name": "ingress", "scope": "External", "url": f"{scheme}://{wanted.host}{wanted.path}"})
    return found


def _balancer_addresses(live_service: Manifest | None) -> list[str]:
    status = (live_service or {}).get("status", {}).get("loadBalancer", {})
    return [entry.get("hostname") or entry["ip"] for entry in status.get("ingress", ())]


def _url(port: Port, host: str) -> str:
    """The address of a port; the scheme is what the port's name says, else its protocol."""
    scheme = next((name for name in ("https", "http", "grpc") if port.name.startswith(name)), port.protocol.lower())
    address = f"[{host}]" if ":" in host else host
    return f"{scheme}://{address}:{port.container_port}"
