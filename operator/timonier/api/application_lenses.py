"""How v1alpha1, the simple form, shows the spec of an Application. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from timonier.api.application import ApplicationSpec
from timonier.api.cross_rules import broken_rule
from timonier.api.lenses import Lens, Part, View, at, chosen, cut, put_at, same

__all__ = ["SPEC"]

_IMAGE_PARTS: Final = ("repository", "tag", "digest")
_IMAGE_PATHS: Final = tuple(("workload", "image", part) for part in _IMAGE_PARTS)


def _get_image(spec: Part) -> Part:
    image = at(spec, ("workload", "image")) or {}
    if not image.get("repository"):
        return {}
    tag = f":{image['tag']}" if image.get("tag") else ""
    digest = f"@{image['digest']}" if image.get("digest") else ""
    return {"image": f"{image['repository']}{tag}{digest}"}


def _put_image(values: Part, spec: Part) -> None:
    cut(spec, _IMAGE_PATHS)
    named, _, digest = values.get("image", "").partition("@")
    # A colon before the last slash belongs to the registry's port.
    folder, slash, name = named.rpartition("/")
    name, _, tag = name.partition(":")
    for path, value in zip(_IMAGE_PATHS, (f"{folder}{slash}{name}", tag, digest), strict=True):
        if value:
            put_at(spec, path, value)


_AUTOSCALING: Final = ("scaling", "autoscaling")


def _get_scaling(spec: Part) -> Part:
    """Autoscaling that does not look at the CPU stays out of sight: v1alpha1 has no word for it."""
    autoscaling = at(spec, _AUTOSCALING) or {}
    target = next((each["target"] for each in autoscaling.get("metrics") or () if each.get("type") == "cpu"), None)
    if target is None:
        replicas, most = at(spec, ("scaling", "replicas")), None
    else:
        replicas, most = autoscaling.get("minReplicas"), autoscaling.get("maxReplicas")
    values = {"replicas": replicas, "maxReplicas": most, "targetCPUPercent": target}
    return {name: value for name, value in values.items() if value is not None}


def _put_scaling(values: Part, spec: Part) -> None:
    showed_autoscaling = "targetCPUPercent" in _get_scaling(spec)
    cut(spec, (("scaling", "replicas"),))
    if "replicas" in values:
        put_at(spec, ("scaling", "replicas"), values["replicas"])
    if "maxReplicas" in values or "targetCPUPercent" in values:
        _put_autoscaling(values, spec)
    elif showed_autoscaling:
        cut(spec, (_AUTOSCALING,))


def _put_autoscaling(values: Part, spec: Part) -> None:
    old = at(spec, _AUTOSCALING) or {}
    metrics = [dict(each) for each in old.get("metrics") or ()]
    cpu = next((each for each in metrics if each.get("type") == "cpu"), None)
    if cpu is None and "targetCPUPercent" in values:
        cpu = {"type": "cpu"}
        metrics.insert(0, cpu)
    if cpu is not None and "targetCPUPercent" in values:
        cpu["target"] = values["targetCPUPercent"]
    new = {**old, "metrics": metrics, "minReplicas": values.get("replicas"), "maxReplicas": values.get("maxReplicas")}
    put_at(spec, _AUTOSCALING, {name: value for name, value in new.items() if value is not None})


_PORTS: Final = ("workload", "ports")


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")


def _get_ports(spec: Part) -> Part:
    ports = at(spec, _PORTS)
    return {} if ports is None else {"ports": [port["containerPort"] for port in ports if _is_tcp(port)]}


def _put_ports(values: Part, spec: Part) -> None:
    """Ports that stay keep their name; new ones are called after their number; other protocols are left alone."""
    old = at(spec, _PORTS) or ()
    others = [port for port in old if not _is_tcp(port)]
    numbers = values.get("ports", ())
    kept = {port["containerPort"]: port for port in old if _is_tcp(port) and port["containerPort"] in numbers}
    taken = {port.get("name") for port in (*others, *kept.values())}
    ports = [
        kept.get(number) or {"name": _port_name(number, taken), "containerPort": number, "protocol": "TCP"}
        for number in numbers
    ]
    if others or "ports" in values:
        put_at(spec, _PORTS, [*ports, *others])
    else:
        cut(spec, (_PORTS,))


def _port_name(number: int, taken: set[str | None]) -> str:
    name = f"p{number}"
    suffix = 0
    while name in taken:
        suffix += 1
        name = f"p{number}-{suffix}"
    return name


_ENV: Final = ("workload", "env")


def _get_env(spec: Part) -> Part:
    env = at(spec, _ENV)
    return {} if env is None else {"env": {each["name"]: each["value"] for each in env if _is_plain(each)}}


def _is_plain(variable: Mapping[str, Any]) -> bool:
    return set(variable) == {"name", "value"}


def _put_env(values: Part, spec: Part) -> None:
    """Variables that stay keep their place, new ones follow in the order of their names; sources are left alone."""
    env = values.get("env", {})
    kept = [
        {"name": each["name"], "value": env[each["name"]]} if each.get("name") in env else each
        for each in at(spec, _ENV) or ()
        if each.get("name") in env or not _is_plain(each)
    ]
    known = {each.get("name") for each in kept}
    variables = [*kept, *({"name": name, "value": env[name]} for name in sorted(env) if name not in known)]
    if variables or "env" in values:
        put_at(spec, _ENV, variables)
    else:
        cut(spec, (_ENV,))


SPEC: Final = View(
    lenses=(
        Lens(("image",), _IMAGE_PATHS, _get_image, _put_image),
        chosen("stateful", ("workload", "kind"), {True: "StatefulSet", False: "Deployment"}),
        Lens(
            ("replicas", "maxReplicas", "targetCPUPercent"),
            (("scaling", "replicas"), _AUTOSCALING),
            _get_scaling,
            _put_scaling,
        ),
        same("cpu", "workload", "resources", "requests", "cpu"),
        same("memory", "workload", "resources", "requests", "memory"),
        Lens(("ports",), (_PORTS,), _get_ports, _put_ports),
        Lens(("env",), (_ENV,), _get_env, _put_env),
        same("command", "workload", "command"),
        same("args", "workload", "args"),
        same("config", "config"),
        same("suspend", "suspend"),
        same("deletionPolicy", "deletionPolicy"),
    ),
    model=ApplicationSpec,
    broken=broken_rule,
)
