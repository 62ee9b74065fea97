"""The rules of v1 that an edit in v1alpha1 could break without being told: between what it shows and what it does not.

The API server holds an object against the rules of the version it is written in, and not of the one it is stored in.
These are v1's own CEL rules once more, for the one way by which an object can get around them.
"""

from collections.abc import Iterator
from fractions import Fraction

from timonier.api import quantity
from timonier.api.application import ApplicationSpec
from timonier.api.pods import Probe, Resources

__all__ = ["broken_rule"]


def broken_rule(spec: ApplicationSpec) -> str | None:
    """The first rule that the spec breaks, in words; None when it keeps them all."""
    return next(_broken(spec), None)


def _broken(spec: ApplicationSpec) -> Iterator[str]:
    yield from _network(spec)
    yield from _probes(spec)
    yield from _resources(spec)
    yield from _volumes(spec)


def _network(spec: ApplicationSpec) -> Iterator[str]:
    network, ports = spec.network, spec.workload.ports
    service = network.service if network else None
    if network and network.ingress:
        if not ports or (service and service.enabled is False):
            yield "network.ingress needs a port in workload.ports and a Service that is not disabled"
        elif network.ingress.port and network.ingress.port not in {port.name for port in ports}:
            yield "network.ingress.port must be the name of a port in workload.ports"
    if service and service.enabled and not ports:
        yield "network.service.enabled needs a port in workload.ports"


def _probes(spec: ApplicationSpec) -> Iterator[str]:
    probes = spec.workload.probes
    names = {port.name for port in spec.workload.ports}
    for probe in (probes.liveness, probes.readiness, probes.startup) if probes else ():
        port = _port(probe)
        if isinstance(port, str) and port not in names:
            yield "port must be a number or the name of a port in workload.ports"


def _port(probe: Probe | None) -> int | str | None:
    handler = (probe.http_get or probe.tcp_socket) if probe else None
    return handler.port if handler else None


def _resources(spec: ApplicationSpec) -> Iterator[str]:
    resources = spec.workload.resources or Resources()
    if any(_amount(value) > _amount(resources.limits.get(name, value)) for name, value in resources.requests.items()):
        yield "a request must not be greater than the limit of the same resource"
    autoscaling = spec.scaling.autoscaling
    if autoscaling and not {metric.type for metric in autoscaling.metrics} <= set(resources.requests):
        yield "scaling.autoscaling needs a request in workload.resources.requests for each resource that it measures"


def _amount(value: str | int) -> Fraction:
    return quantity.amount(value)


def _volumes(spec: ApplicationSpec) -> Iterator[str]:
    workload = spec.workload
    several = spec.scaling.replicas > 1 or spec.scaling.autoscaling
    if workload.for_one_pod and several:
        yield "several replicas of a Deployment share each volume: use accessMode ReadWriteMany or kind StatefulSet"
    mounted = {each.mount_path for each in workload.storage} | {each.mount_path for each in workload.volumes}
    if spec.config and mounted & set(spec.config.files):
        yield "a path cannot be a file of config.files and the mountPath of a volume at once"
