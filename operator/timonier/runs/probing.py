"""What a pod of the mover's image is told to ask of an application. Pure."""

from collections.abc import Sequence
from typing import Any

from timonier.api.application import Application
from timonier.api.probes import Probe

__all__ = ["instruction"]


def instruction(
    probes: Sequence[Probe], application: Application, seconds: int | None = None, *, service: str | None = None
) -> dict[str, Any] | None:
    """What a pod is told that asks from where the application is; None when there is nothing to ask that way.

    With `seconds` it asks for so long. `service` is the name of the Service to ask; the Application's own if unset.
    """
    host = f"{service or application.metadata.name}.{application.metadata.namespace}.svc"
    told = [wanted for probe in probes if (wanted := _network_probe(probe, application, host)) is not None]
    return {"probes": told} | ({"seconds": seconds} if seconds else {}) if told else None


def _network_probe(probe: Probe, application: Application, service: str) -> dict[str, Any] | None:
    asked: dict[str, Any] = {}
    if probe.http is not None:
        url = probe.http.url or f"http://{service}:{_port(probe.http.port, application)}{probe.http.path or '/'}"
        asked["http"] = {"url": url, "expectStatus": list(probe.http.expect_status)}
        if probe.http.expect_body is not None:
            asked["http"]["expectBody"] = probe.http.expect_body
    elif probe.tcp is not None:
        asked["tcp"] = {"host": probe.tcp.host or service, "port": _port(probe.tcp.port, application)}
    elif probe.prom_ql is not None:
        wanted = probe.prom_ql
        asked["promQL"] = {
            "url": wanted.url, "query": wanted.query, "operator": wanted.operator, "value": wanted.value,
        }  # fmt: skip
    else:
        return None
    return {
        "name": probe.name,
        "intervalSeconds": probe.interval_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "failureThreshold": probe.failure_threshold,
        "successThreshold": probe.success_threshold,
        **asked,
    }


def _port(port: int | str | None, application: Application) -> int:
    """By its name among those of the revision; a name that it has not is answered by a port that nobody listens on."""
    if isinstance(port, int):
        return port
    ports = application.spec.workload.ports
    return next((found.container_port for found in ports if found.name == port), 0)
