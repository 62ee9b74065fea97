"""The ``olm.csv.metadata`` property: what a catalog keeps of a ClusterServiceVersion when its image holds the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from balise.model.yaml_text import Json

__all__ = ["csv_metadata"]

# Where each field comes from: below spec, under the same name where none is given.
_FROM_SPEC: Final = {
    "apiServiceDefinitions": "apiservicedefinitions",
    "crdDescriptions": "customresourcedefinitions",
    **{
        name: name
        for name in (
            "description", "displayName", "installModes", "keywords", "links", "maintainers", "maturity",
            "minKubeVersion", "nativeAPIs", "provider",
        )
    },
}  # fmt: skip

# Fields that the reference writes even when they are empty, with what it then writes.
_API: Final = {"name": "", "version": "", "kind": ""}
_DESCRIPTION: Final = {
    "resources": _API,
    **{name: {"path": ""} for name in ("statusDescriptors", "specDescriptors", "actionDescriptors")},
}
_ALWAYS: Final[dict[str, dict[str, Json]]] = {
    "installModes": {"type": "", "supported": False},
    "nativeAPIs": {"group": "", "version": "", "kind": ""},
    "links": {},
    "maintainers": {},
}


def csv_metadata(csv: Mapping[str, Any]) -> dict[str, Json]:
    """The property's value for a decoded CSV (canonical names, no nulls): empty fields left out as the reference does.

    >>> csv_metadata({"metadata": {"annotations": {}}, "spec": {"displayName": "App", "keywords": []}})
    {'apiServiceDefinitions': {}, 'crdDescriptions': {}, 'displayName': 'App', 'provider': {}}
    """
    metadata, spec = csv.get("metadata") or {}, csv.get("spec") or {}
    found: dict[str, Json] = {name: metadata.get(name) for name in ("annotations", "labels")}
    found |= {name: spec.get(source) for name, source in _FROM_SPEC.items()}
    for name, always in _ALWAYS.items():
        found[name] = [_written(each, always) for each in found[name] or ()]
    found["provider"] = _written(found["provider"], {})
    found["crdDescriptions"] = _definitions(found["crdDescriptions"], _API)
    found["apiServiceDefinitions"] = _definitions(found["apiServiceDefinitions"], {**_API, "group": ""})
    structs = ("apiServiceDefinitions", "crdDescriptions", "provider")
    return {name: found[name] for name in sorted(found) if found[name] or name in structs}


def _written(value: Mapping[str, Json] | None, always: Mapping[str, Json]) -> dict[str, Json]:
    # A descriptor's value may be any JSON, 0 and "" included.
    kept = {name: each for name, each in (value or {}).items() if each or name in always or name == "value"}
    return {**always, **kept}


def _definitions(value: Mapping[str, Json] | None, always: Mapping[str, Json]) -> dict[str, Json]:
    return {
        relation: [_definition(each, always) for each in entries]
        for relation, entries in (value or {}).items()
        if entries
    }


def _definition(value: Mapping[str, Json], always: Mapping[str, Json]) -> dict[str, Json]:
    found = _written(value, always)
    for name, inner in _DESCRIPTION.items():
        if name in found:
            found[name] = [_written(each, inner) for each in found[name]]
    return found
