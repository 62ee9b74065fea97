"""Conversion of an Application between v1alpha1, the simple form, and v1, the form that is stored. Pure, and lossless.

v1 says more than v1alpha1. What an object in v1alpha1 cannot show travels with it in an annotation, the *stash*:

- `rest`: the v1 spec without what v1alpha1's fields stand for;
- `fields`: for each group of fields whose v1 form is not the one that we would write ourselves (a port with a name of
  its own, a variable taken from a Secret), a fingerprint of what v1alpha1 shows, and the v1 form itself.

On the way back to v1 a group that still shows what it showed then gets its v1 form back, exactly. A group that somebody
edited is written anew, over its old v1 form, so that what the edit did not touch stays. Stored objects carry no stash.

A group is a *lens*: `get` reads the fields from a v1 spec, `put` writes them into one. Each lens owns some paths of the
v1 spec, and no two own the same.
"""

import base64
import copy
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from timonier.api.application import ApplicationSpec
from timonier.api.cross_rules import broken_rule
from timonier.api.resources import GROUP

__all__ = ["STASH", "ConversionError", "convert", "to_v1", "to_v1alpha1"]

STASH: Final = f"{GROUP}/conversion-data"
TOO_LARGE: Final = "too-large"
"""The stash of an object whose rest does not fit into an annotation: it can be read in v1alpha1, and not written."""

# Kubernetes: all annotations of an object together hold at most 256 KiB, keys included.
_ANNOTATIONS_LIMIT: Final = 256 * 1024
_UNPACKED_LIMIT: Final = 2 * 1024 * 1024

Spec = dict[str, Any]
Manifest = dict[str, Any]
Path = tuple[str, ...]


class ConversionError(Exception):
    """An object cannot be written in the version that was asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Lens:
    """One group of v1alpha1's fields. `get` gives those that are there; `put` starts from the old v1 form, if any."""

    fields: tuple[str, ...]
    paths: tuple[Path, ...]
    get: Callable[[Spec], Spec]
    put: Callable[[Spec, Spec], None]


def convert(manifest: Mapping[str, Any], version: str) -> Manifest:
    """The object in `version` (`v1` or `v1alpha1`), in either of which it may be given. The argument is not changed.

    Raises ConversionError for other versions, and for a v1alpha1 object that lost what did not fit into its stash.
    """
    given = str(manifest.get("apiVersion", "")).rpartition("/")[2]
    directions = {("v1", "v1alpha1"): to_v1alpha1, ("v1alpha1", "v1"): to_v1}
    if given == version and given in ("v1", "v1alpha1"):
        return dict(manifest)
    if (given, version) not in directions:
        raise ConversionError(f"{GROUP} has no conversion of an Application from {given or 'no version'} to {version}")
    return directions[given, version](manifest)


def to_v1alpha1(manifest: Mapping[str, Any]) -> Manifest:
    """The v1 object as v1alpha1, with a stash where that shows less."""
    spec = manifest.get("spec") or {}
    shown: Spec = {}
    forms: dict[str, Any] = {}
    rest = copy.deepcopy(spec)
    for lens in _LENSES:
        values = lens.get(spec)
        form = _cut(rest, lens.paths)
        ours: Spec = {}
        if values:
            lens.put(values, ours)
        if ours != form:
            forms[lens.fields[0]] = [_fingerprint(values), form]
        shown |= values
    annotations = dict(manifest.get("metadata", {}).get("annotations") or {})
    annotations.pop(STASH, None)
    if rest or forms:
        annotations[STASH] = _fitting(_pack({"rest": rest, "fields": forms}), annotations)
    return _rewritten(manifest, "v1alpha1", shown if "spec" in manifest else None, annotations)


def to_v1(manifest: Mapping[str, Any]) -> Manifest:
    """The v1alpha1 object as v1: what its stash kept comes back, and what was edited since wins, field by field."""
    shown = manifest.get("spec") or {}
    annotations = dict(manifest.get("metadata", {}).get("annotations") or {})
    text = annotations.pop(STASH, "")
    if text == TOO_LARGE:
        raise ConversionError(
            "this Application says more than v1alpha1 can carry along, and would lose it: write it in v1, or take the "
            f"annotation {STASH} away to keep only what v1alpha1 shows"
        )
    spec = _restored(shown, text) if text else _assembled(shown, {}, {})
    return _rewritten(manifest, "v1", spec if "spec" in manifest else None, annotations)


def _restored(shown: Spec, text: str) -> Spec:
    """The spec with what the stash kept. Nobody else looks at what comes out of a stash, which is in the user's hands.

    One that is not ours, or that gives a spec which v1 does not know, is refused rather than ignored: ignoring it would
    lose what it may have kept.
    """
    try:
        spec = _assembled(shown, *_unpack(text))
        broken = broken_rule(ApplicationSpec.model_validate(spec))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, zlib.error) as error:
        raise ConversionError(
            f"the annotation {STASH} does not lead to a spec of v1 ({_first_line(error)}): read the object "
            "again, or take the annotation away to keep only what v1alpha1 shows"
        ) from error
    if broken:
        raise ConversionError(f"with what v1alpha1 does not show, {broken}: write this Application in v1")
    return spec


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "it is not one that was handed out"


def _assembled(shown: Spec, rest: Spec, forms: Mapping[str, tuple[str, Spec]]) -> Spec:
    spec = copy.deepcopy(rest)
    for lens in _LENSES:
        values = {name: shown[name] for name in lens.fields if name in shown}
        then, form = forms.get(lens.fields[0], ("", {}))
        if then and then == _fingerprint(values):
            _merge(spec, form)
        else:
            part = copy.deepcopy(form)
            lens.put(values, part)
            _merge(spec, part)
    return spec


def _rewritten(manifest: Mapping[str, Any], version: str, spec: Spec | None, annotations: dict[str, str]) -> Manifest:
    metadata = {name: value for name, value in manifest.get("metadata", {}).items() if name != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    result = {**manifest, "apiVersion": f"{GROUP}/{version}", "metadata": metadata}
    return result if spec is None else result | {"spec": spec}


def _pack(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 6)).decode()


def _fitting(packed: str, annotations: Mapping[str, str]) -> str:
    others = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    return packed if others + len(STASH) + len(packed) <= _ANNOTATIONS_LIMIT else TOO_LARGE


def _unpack(text: str) -> tuple[Spec, dict[str, tuple[str, Spec]]]:
    """The stash. A small text cannot unfold into a large one. Raises ValueError or zlib.error when it is not ours."""
    unfolding = zlib.decompressobj()
    unfolded = unfolding.decompress(base64.b64decode(text, validate=True), _UNPACKED_LIMIT)
    value = json.loads(unfolded)
    match value:
        case {"rest": dict(rest), "fields": dict(fields)} if unfolding.eof:
            return rest, {name: (str(fingerprint), dict(form)) for name, (fingerprint, form) in fields.items()}
    raise ValueError


def _fingerprint(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _at(spec: Mapping[str, Any], path: Path) -> Any:
    """What stands at a path, or None."""
    found: Any = spec
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _set(spec: Spec, path: Path, value: Any) -> None:
    for name in path[:-1]:
        inner = spec.setdefault(name, {})
        if not isinstance(inner, dict):  # only a forged stash has anything else there
            inner = spec[name] = {}
        spec = inner
    spec[path[-1]] = value


def _cut(spec: Spec, paths: tuple[Path, ...]) -> Spec:
    """Take what stands at the paths out of the spec, and the objects that are empty without it; give it back."""
    taken: Spec = {}
    for path in paths:
        parents = [spec]
        for name in path[:-1]:
            inner = parents[-1].get(name)
            if not isinstance(inner, dict):
                break
            parents.append(inner)
        if len(parents) < len(path) or path[-1] not in parents[-1]:
            continue
        _set(taken, path, parents[-1].pop(path[-1]))
        for name, parent, inner in reversed(list(zip(path, parents, parents[1:], strict=False))):
            if not inner:
                del parent[name]
    return taken


def _merge(spec: Spec, part: Mapping[str, Any]) -> None:
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(spec.get(name), dict):
            _merge(spec[name], value)
        else:
            spec[name] = copy.deepcopy(value)


def _same(field: str, *path: str) -> _Lens:
    """A field that is spelt alike in both versions."""

    def get(spec: Spec) -> Spec:
        value = _at(spec, path)
        return {} if value is None else {field: copy.deepcopy(value)}

    def put(values: Spec, spec: Spec) -> None:
        if field in values:
            _set(spec, path, copy.deepcopy(values[field]))
        else:
            _cut(spec, (path,))

    return _Lens((field,), (path,), get, put)


_IMAGE_PARTS: Final = ("repository", "tag", "digest")
_IMAGE_PATHS: Final = tuple(("workload", "image", part) for part in _IMAGE_PARTS)


def _get_image(spec: Spec) -> Spec:
    image = _at(spec, ("workload", "image")) or {}
    if not image.get("repository"):
        return {}
    tag = f":{image['tag']}" if image.get("tag") else ""
    digest = f"@{image['digest']}" if image.get("digest") else ""
    return {"image": f"{image['repository']}{tag}{digest}"}


def _put_image(values: Spec, spec: Spec) -> None:
    _cut(spec, _IMAGE_PATHS)
    named, _, digest = values.get("image", "").partition("@")
    # A colon before the last slash belongs to the registry's port.
    folder, slash, name = named.rpartition("/")
    name, _, tag = name.partition(":")
    for path, value in zip(_IMAGE_PATHS, (f"{folder}{slash}{name}", tag, digest), strict=True):
        if value:
            _set(spec, path, value)


_KINDS: Final = {True: "StatefulSet", False: "Deployment"}


def _get_kind(spec: Spec) -> Spec:
    kind = _at(spec, ("workload", "kind"))
    return {} if kind is None else {"stateful": kind == "StatefulSet"}


def _put_kind(values: Spec, spec: Spec) -> None:
    _cut(spec, (("workload", "kind"),))
    if "stateful" in values:
        _set(spec, ("workload", "kind"), _KINDS[bool(values["stateful"])])


_AUTOSCALING: Final = ("scaling", "autoscaling")


def _get_scaling(spec: Spec) -> Spec:
    """Autoscaling that does not look at the CPU stays out of sight: v1alpha1 has no word for it."""
    autoscaling = _at(spec, _AUTOSCALING) or {}
    target = next((each["target"] for each in autoscaling.get("metrics") or () if each.get("type") == "cpu"), None)
    if target is None:
        replicas, most = _at(spec, ("scaling", "replicas")), None
    else:
        replicas, most = autoscaling.get("minReplicas"), autoscaling.get("maxReplicas")
    values = {"replicas": replicas, "maxReplicas": most, "targetCPUPercent": target}
    return {name: value for name, value in values.items() if value is not None}


def _put_scaling(values: Spec, spec: Spec) -> None:
    showed_autoscaling = "targetCPUPercent" in _get_scaling(spec)
    _cut(spec, (("scaling", "replicas"),))
    if "replicas" in values:
        _set(spec, ("scaling", "replicas"), values["replicas"])
    if "maxReplicas" in values or "targetCPUPercent" in values:
        _put_autoscaling(values, spec)
    elif showed_autoscaling:
        _cut(spec, (_AUTOSCALING,))


def _put_autoscaling(values: Spec, spec: Spec) -> None:
    old = _at(spec, _AUTOSCALING) or {}
    metrics = [dict(each) for each in old.get("metrics") or ()]
    cpu = next((each for each in metrics if each.get("type") == "cpu"), None)
    if cpu is None and "targetCPUPercent" in values:
        cpu = {"type": "cpu"}
        metrics.insert(0, cpu)
    if cpu is not None and "targetCPUPercent" in values:
        cpu["target"] = values["targetCPUPercent"]
    new = {**old, "metrics": metrics, "minReplicas": values.get("replicas"), "maxReplicas": values.get("maxReplicas")}
    _set(spec, _AUTOSCALING, {name: value for name, value in new.items() if value is not None})


_PORTS: Final = ("workload", "ports")


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")


def _get_ports(spec: Spec) -> Spec:
    ports = _at(spec, _PORTS)
    return {} if ports is None else {"ports": [port["containerPort"] for port in ports if _is_tcp(port)]}


def _put_ports(values: Spec, spec: Spec) -> None:
    """Ports that stay keep their name; new ones are called after their number; other protocols are left alone."""
    old = _at(spec, _PORTS) or ()
    others = [port for port in old if not _is_tcp(port)]
    numbers = values.get("ports", ())
    kept = {port["containerPort"]: port for port in old if _is_tcp(port) and port["containerPort"] in numbers}
    taken = {port.get("name") for port in (*others, *kept.values())}
    ports = [
        kept.get(number) or {"name": _port_name(number, taken), "containerPort": number, "protocol": "TCP"}
        for number in numbers
    ]
    if others or "ports" in values:
        _set(spec, _PORTS, [*ports, *others])
    else:
        _cut(spec, (_PORTS,))


def _port_name(number: int, taken: set[str | None]) -> str:
    name = f"p{number}"
    suffix = 0
    while name in taken:
        suffix += 1
        name = f"p{number}-{suffix}"
    return name


_ENV: Final = ("workload", "env")


def _get_env(spec: Spec) -> Spec:
    env = _at(spec, _ENV)
    return {} if env is None else {"env": {each["name"]: each["value"] for each in env if _is_plain(each)}}


def _is_plain(variable: Mapping[str, Any]) -> bool:
    return set(variable) == {"name", "value"}


def _put_env(values: Spec, spec: Spec) -> None:
    """Variables that stay keep their place, new ones follow in the order of their names; sources are left alone."""
    env = values.get("env", {})
    kept = [
        {"name": each["name"], "value": env[each["name"]]} if each.get("name") in env else each
        for each in _at(spec, _ENV) or ()
        if each.get("name") in env or not _is_plain(each)
    ]
    known = {each.get("name") for each in kept}
    variables = [*kept, *({"name": name, "value": env[name]} for name in sorted(env) if name not in known)]
    if variables or "env" in values:
        _set(spec, _ENV, variables)
    else:
        _cut(spec, (_ENV,))


_LENSES: Final = (
    _Lens(("image",), _IMAGE_PATHS, _get_image, _put_image),
    _Lens(("stateful",), (("workload", "kind"),), _get_kind, _put_kind),
    _Lens(
        ("replicas", "maxReplicas", "targetCPUPercent"),
        (("scaling", "replicas"), _AUTOSCALING),
        _get_scaling,
        _put_scaling,
    ),
    _same("cpu", "workload", "resources", "requests", "cpu"),
    _same("memory", "workload", "resources", "requests", "memory"),
    _Lens(("ports",), (_PORTS,), _get_ports, _put_ports),
    _Lens(("env",), (_ENV,), _get_env, _put_env),
    _same("command", "workload", "command"),
    _same("args", "workload", "args"),
    _same("config", "config"),
    _same("suspend", "suspend"),
    _same("deletionPolicy", "deletionPolicy"),
)
