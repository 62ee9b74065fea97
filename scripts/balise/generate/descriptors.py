"""Descriptors of a CRD's fields for consoles that show forms: derived from the schema, so they cannot go stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from balise.generate.manifests import Manifest

__all__ = ["display_name", "first_sentence", "spec_descriptors", "status_descriptors"]

# Deeper fields are shown by consoles inside their parent; descriptors for each would drown the ones that matter.
_DEPTH: Final = 3
_FORM: Final = "urn:alm:descriptor:com.tectonic.ui"
_KUBERNETES: Final = "urn:alm:descriptor:io.kubernetes"
_ACRONYMS: Final = {
    "api",
    "cpu",
    "dns",
    "http",
    "https",
    "id",
    "ip",
    "pvc",
    "s3",
    "tcp",
    "tls",
    "ttl",
    "uid",
    "uri",
    "url",
}
_WIDGETS: Final = {"boolean": "booleanSwitch", "integer": "number", "number": "number", "string": "text"}
_REFERENCES: Final = {
    "secretname": f"{_KUBERNETES}:Secret",
    "secretref": f"{_KUBERNETES}:Secret",
    "configmapname": f"{_KUBERNETES}:ConfigMap",
    "configmapref": f"{_KUBERNETES}:ConfigMap",
    "serviceaccountname": f"{_KUBERNETES}:ServiceAccount",
    "storageclassname": f"{_KUBERNETES}:StorageClass",
    "claimname": f"{_KUBERNETES}:PersistentVolumeClaim",
}


def spec_descriptors(schema: Manifest) -> list[Manifest]:
    """specDescriptors for the fields of a version's ``spec``, sorted by path; ``schema`` is its openAPIV3Schema."""
    fields = _fields(schema.get("properties", {}).get("spec", {}))
    return [_descriptor(path, field, _spec_hints(path, field)) for path, field in fields]


def status_descriptors(schema: Manifest) -> list[Manifest]:
    """statusDescriptors for the fields of a version's ``status``, sorted by path."""
    fields = _fields(schema.get("properties", {}).get("status", {}))
    return [_descriptor(path, field, _status_hints(path, field)) for path, field in fields]


def display_name(name: str) -> str:
    """A field's or kind's name in words.

    >>> display_name("backupStore"), display_name("HTTPRoute"), display_name("targetCPUPercent"), display_name("url")
    ('Backup Store', 'HTTP Route', 'Target CPU Percent', 'URL')
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", name)
    return " ".join(word.upper() if word.lower() in _ACRONYMS else word[:1].upper() + word[1:] for word in words)


def first_sentence(description: str) -> str:
    """The first sentence of the first paragraph, on one line.

    >>> first_sentence("How many pods\\nrun. More\\nwords.")
    'How many pods run.'
    """
    paragraph = " ".join(description.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)[0]


def _fields(schema: Manifest, prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Manifest]]:
    for name, field in sorted(schema.get("properties", {}).items()):
        path = f"{prefix}{name}"
        if field.get("properties") and depth < _DEPTH and not _is_reference(name) and not _is_resources(field):
            yield from _fields(field, f"{path}.", depth + 1)
        else:
            yield path, field


def _descriptor(path: str, field: Manifest, hints: list[str]) -> Manifest:
    # The field's own name and its parent's: "Type" alone would not say whose.
    shown = " ".join(display_name(name) for name in path.split(".")[-2:])
    descriptor: dict[str, Any] = {"path": path, "displayName": shown}
    if description := first_sentence(field.get("description", "")):
        descriptor["description"] = description
    if hints:
        descriptor["x-descriptors"] = hints
    return descriptor


def _is_reference(name: str) -> bool:
    return any(name.lower().endswith(ending) for ending in _REFERENCES)


def _is_resources(field: Manifest) -> bool:
    return {"limits", "requests"} <= set(field.get("properties", {}))


def _spec_hints(path: str, field: Manifest) -> list[str]:
    name = path.rpartition(".")[2].lower()
    for ending, hint in _REFERENCES.items():
        if name.endswith(ending):
            return [hint]
    if _is_resources(field):
        return [f"{_FORM}:resourceRequirements"]
    if values := field.get("enum"):
        return [f"{_FORM}:select:{value}" for value in values if value != ""]
    widget = _WIDGETS.get(field.get("type", ""), "")
    if name == "replicas" and widget == "number":
        widget = "podCount"
    if field.get("format") == "password":
        widget = "password"
    return [f"{_FORM}:{widget}"] if widget else []


def _status_hints(path: str, field: Manifest) -> list[str]:
    match path:
        case "conditions":
            return [f"{_KUBERNETES}.conditions"]
        case "phase":
            return [f"{_KUBERNETES}.phase"]
        case "reason":
            return [f"{_KUBERNETES}.phase:reason"]
    if field.get("type") == "string" and (field.get("format") == "uri" or path.lower().endswith("url")):
        return ["urn:alm:descriptor:org.w3:link"]
    return ["urn:alm:descriptor:text"] if field.get("type") in ("string", "integer", "number", "boolean") else []
