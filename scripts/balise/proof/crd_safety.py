"""Whether one CustomResourceDefinition may take another's place: OLM v1's preflight check, and OLM v0's.

Functions of two CRDs (as JSON values, ``apiextensions.k8s.io/v1``); no cluster is asked. OLM v1 refuses an upgrade
whose CRD breaks any of these rules; OLM v0 only looks at stored versions and at the objects that exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

__all__ = [
    "CRDProblem",
    "by_kube_version",
    "compare_crds",
    "removed_stored_versions",
    "served_versions",
    "stored_versions",
]

JSON = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CRDProblem:
    """One broken rule: the check's name in OLM v1, the version or pair of versions it is about, and where."""

    check: str
    text: str
    version: str = ""
    path: str = ""

    def __str__(self) -> str:
        place = " ".join(part for part in (self.version, self.path) if part)
        return f"{place}: {self.text}" if place else self.text


def compare_crds(old: JSON, new: JSON) -> list[CRDProblem]:
    """What OLM v1's preflight finds: nothing means that the upgrade is safe.

    Stored versions are those of the old CRD's status, where it has one, else its storage version.
    """
    found = []
    scopes = _spec(old).get("scope"), _spec(new).get("scope")
    if scopes[0] != scopes[1]:
        found.append(CRDProblem("scope", f"the scope changes from {scopes[0]} to {scopes[1]}"))
    found += [
        CRDProblem("storedVersionRemoval", f"version {version} is gone, and objects may be stored in it", version)
        for version in removed_stored_versions(old, new)
    ]
    new_versions = _versions(new)
    for name, version in _versions(old).items():
        if name in new_versions:
            found += _compared(_schema(version), _schema(new_versions[name]), name)
    if _conversion(new) != "Webhook":
        known = set(_between_served(old))
        found += [problem for problem in _between_served(new) if problem not in known]
    return found


def removed_stored_versions(old: JSON, new: JSON) -> list[str]:
    """Versions in which objects may be stored and which the new CRD no longer has: OLM v0 and v1 refuse it alike."""
    return [version for version in stored_versions(old) if version not in _versions(new)]


def stored_versions(crd: JSON) -> list[str]:
    """Versions in which objects may be stored: by its status, else the storage version."""
    status = crd.get("status")
    stored = status.get("storedVersions") if isinstance(status, Mapping) else None
    if isinstance(stored, list) and stored:
        return [str(version) for version in stored]
    return [name for name, version in _versions(crd).items() if version.get("storage") is True]


def served_versions(crd: JSON) -> list[str]:
    """Versions that the API server offers, oldest first."""
    return by_kube_version(name for name, version in _versions(crd).items() if version.get("served") is True)


_KUBE_VERSION = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")


def by_kube_version(names: Iterable[str]) -> list[str]:
    """Names of API versions, oldest first, as Kubernetes orders them: other names, v1alpha1, v1beta1, v1, v2alpha1…

    A stable version is newer than any beta, a beta newer than any alpha, whatever their numbers.
    """

    def key(name: str) -> tuple[int, int, int, int, str]:
        found = _KUBE_VERSION.fullmatch(name)
        if found is None:
            return (0, 0, 0, 0, "")
        stage = {"alpha": 0, "beta": 1}.get(found[2] or "", 2)
        return (1, stage, int(found[1]), int(found[3] or 0), "")

    # Names of no known form are ordered by themselves, the last of the alphabet being the oldest.
    return sorted(sorted(names, reverse=True), key=key)


def _between_served(crd: JSON) -> Iterator[CRDProblem]:
    """Each served version against each newer one of the same CRD: objects of one are read as the other."""
    versions = _versions(crd)
    for older, newer in combinations(served_versions(crd), 2):
        yield from _compared(_schema(versions[older]), _schema(versions[newer]), f"{older} -> {newer}")


def _spec(crd: JSON) -> JSON:
    spec = crd.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _versions(crd: JSON) -> dict[str, JSON]:
    versions = _spec(crd).get("versions")
    return {str(v.get("name")): v for v in versions if isinstance(v, Mapping)} if isinstance(versions, list) else {}


def _schema(version: JSON) -> JSON:
    validation = version.get("schema")
    schema = validation.get("openAPIV3Schema") if isinstance(validation, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}


def _conversion(crd: JSON) -> str:
    conversion = _spec(crd).get("conversion")
    return str(conversion.get("strategy") or "None") if isinstance(conversion, Mapping) else "None"


def _compared(old: JSON, new: JSON, version: str) -> Iterator[CRDProblem]:
    """Schemas place by place. What only the new one has is no problem: a new required field shows one place above."""
    after = dict(_flattened(new))
    for path, before in _flattened(old):
        if path not in after:
            if "->" in version:
                yield CRDProblem("type", "the newer version lacks the field: converting loses it", version, path)
            else:
                yield CRDProblem(
                    "existingFieldRemoval", "the field is gone: what is written there is lost", version, path
                )
            continue
        for check, text in _differences(before, after[path]):
            yield CRDProblem(check, text, version, path)


_SCHEMA_MAPS: Final = ("properties", "patternProperties", "definitions", "dependencies")
_SCHEMA_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SCHEMAS: Final = ("items", "additionalProperties", "not", "additionalItems")


def _flattened(schema: JSON, path: str = "") -> Iterator[tuple[str, JSON]]:
    """Every schema within a schema, with the path to it: ``.spec.ports[].name``; in compounds ``.spec(anyOf 1)``."""
    yield path or ".", schema
    for key in _SCHEMA_MAPS:
        for name, child in _mapping(schema.get(key)).items():
            if isinstance(child, Mapping):
                yield from _flattened(child, f"{path}.{name}" if key == "properties" else f"{path}({key} {name})")
    for key in _SCHEMA_LISTS:
        children = schema.get(key)
        for number, child in enumerate(children if isinstance(children, list) else (), 1):
            if isinstance(child, Mapping):
                yield from _flattened(child, f"{path}({key} {number})")
    for key in _SCHEMAS:
        child = schema.get(key)
        if isinstance(child, Mapping):
            mark = {"items": "[]", "additionalProperties": "{}"}.get(key, f"({key})")
            yield from _flattened(child, path + mark)


def _mapping(value: Any) -> JSON:
    return value if isinstance(value, Mapping) else {}


def _differences(old: JSON, new: JSON) -> Iterator[tuple[str, str]]:
    """Broken rules at one place, the fields and items below it apart.

    What is below in any other way (additionalProperties, allOf …) is looked at by itself, too; yet every difference in
    it, be it only a description, also is one that the reference does not judge here.
    """
    handled = {"properties", "items", "description"}
    for keys, rule in _RULES:
        handled.update(keys)
        for key in keys:
            if old.get(key) != new.get(key):
                text = rule(key, old.get(key), new.get(key))
                if text:
                    yield key, text
    for key in sorted((set(old) | set(new)) - handled):
        before, after = _normal(key, old.get(key)), _normal(key, new.get(key))
        if before != after:
            yield "unhandled", f"{key} changes from {_shown(before)} to {_shown(after)}, which OLM v1 does not judge"


_FALSE_IS_ABSENT: Final = frozenset(
    ["exclusiveMinimum", "exclusiveMaximum", "uniqueItems", "x-kubernetes-embedded-resource",
     "x-kubernetes-int-or-string"]
)  # fmt: skip


def _normal(key: str, value: Any) -> Any:
    """None for what Go cannot tell from nothing."""
    empty = value in ("", [], {}) or (value is False and key in _FALSE_IS_ABSENT)
    return None if empty else value


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


_Rule = Callable[[str, Any, Any], str]


def _any_change(key: str, old: Any, new: Any) -> str:
    return f"{key} changes from {_shown(old)} to {_shown(new)}"


def _new_required(_: str, old: Any, new: Any) -> str:
    added = sorted(set(_names(new)) - set(_names(old)))
    return f"{', '.join(added)} {'becomes' if len(added) == 1 else 'become'} required" if added else ""


def _fewer_values(_: str, old: Any, new: Any) -> str:
    if not old:
        return f"only {_shown(new)} are allowed, and anything was before" if new else ""
    removed = [value for value in old if value not in (new or ())]
    # An enum that is dropped altogether allows more than before, yet the reference sees its values removed.
    return (
        f"{', '.join(map(_shown, removed))} {'is' if len(removed) == 1 else 'are'} no longer allowed" if removed else ""
    )


def _tighter_minimum(key: str, old: Any, new: Any) -> str:
    if new is None or (old is not None and new <= old):
        return ""
    return f"{key} is raised from {_shown(old)} to {new}"


def _tighter_maximum(key: str, old: Any, new: Any) -> str:
    if new is None or (old is not None and new >= old):
        return ""
    return f"{key} is lowered from {_shown(old)} to {new}"


def _nullability(_: str, old: Any, new: Any) -> str:
    if bool(old) == bool(new):
        return ""
    return "null is allowed, and was not before" if new else "null is no longer allowed"


def _names(value: Any) -> Sequence[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


_RULES: Final[tuple[tuple[tuple[str, ...], _Rule], ...]] = (
    (("type", "default", "pattern"), _any_change),
    (("required",), _new_required),
    (("enum",), _fewer_values),
    (("minimum", "minItems", "minLength", "minProperties"), _tighter_minimum),
    (("maximum", "maxItems", "maxLength", "maxProperties"), _tighter_maximum),
    (("nullable",), _nullability),
)
