"""A CustomResourceDefinition in the form in which the API server validates it, whatever version it was written in.

Both ``v1`` and ``v1beta1`` become one form, by the API server's own defaulting and conversion
(apiextensions-apiserver, pkg/apis/apiextensions): what is equal in all versions of a v1 CRD moves to the top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from balise.model.documents import FieldPath
from balise.model.go_types import same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from balise.model.bundle import CustomResourceDefinition

__all__ = ["InternalCrd", "internal_crd"]

_PER_VERSION: Final = {
    "subresources": "*apiextensions.CustomResourceSubresources",
    "schema": "*apiextensions.CustomResourceValidation",
    "additionalPrinterColumns": "[]apiextensions.CustomResourceColumnDefinition",
    "selectableFields": "[]apiextensions.SelectableField",
}


@dataclass(frozen=True, slots=True)
class InternalCrd:
    """The internal form. Mappings hold fields under their v1 names, absent ones left out."""

    crd: CustomResourceDefinition
    group: str
    version: str
    names: Mapping[str, Any]
    scope: str
    versions: Sequence[Mapping[str, Any]]
    shared: Mapping[str, Any]
    """subresources, schema, additionalPrinterColumns, selectableFields of all versions; absent where they differ."""
    conversion: Mapping[str, Any]
    """strategy, webhookClientConfig, conversionReviewVersions."""
    preserve_unknown_fields: bool | None

    def document_path(self, path: FieldPath) -> FieldPath:
        """Where the value that the internal form has at *path* was written."""
        # The internal form writes JSONPath as v1beta1 does; places are found without regard to case.
        v1 = self.crd.api == "v1"
        match path:
            case ("spec", "validation", *rest) if v1:
                return ("spec", "versions", 0, "schema", *rest)
            case ("spec", "subresources" | "additionalPrinterColumns" | "selectableFields", *_) if v1:
                return ("spec", "versions", 0, *path[1:])
            case ("spec", "version") if v1 or "version" not in self.crd.spec:
                return ("spec", "versions", 0, "name")
            case ("spec", "conversion", "webhookClientConfig", *rest) if v1:
                return ("spec", "conversion", "webhook", "clientConfig", *rest)
            case ("spec", "conversion", "conversionReviewVersions", *rest) if v1:
                return ("spec", "conversion", "webhook", "conversionReviewVersions", *rest)
        return path


def internal_crd(crd: CustomResourceDefinition) -> InternalCrd:
    """The internal form of a decoded CRD."""
    spec = crd.spec
    names = dict(spec.get("names") or {})
    kind = names.get("kind", "")
    if not names.get("singular"):
        names["singular"] = kind.lower()
    if not names.get("listKind") and kind:
        names["listKind"] = f"{kind}List"
    build = _from_v1 if crd.api == "v1" else _from_v1beta1
    return build(crd, spec, names)


def _from_v1(crd: CustomResourceDefinition, spec: Mapping[str, Any], names: Mapping[str, Any]) -> InternalCrd:
    versions = [dict(version) for version in spec.get("versions") or ()]
    shared: dict[str, Any] = {}
    for name, kind in _PER_VERSION.items() if versions else ():
        first = versions[0].get(name)
        if all(same(first, version.get(name), kind) for version in versions[1:]):
            if first is not None:
                shared[name] = first
            for version in versions:
                version.pop(name, None)
    conversion = spec.get("conversion")
    internal_conversion: dict[str, Any] = {"strategy": "None"}
    if conversion is not None:
        webhook = conversion.get("webhook") or {}
        internal_conversion = {"strategy": conversion.get("strategy", "")}
        if webhook.get("conversionReviewVersions"):
            internal_conversion["conversionReviewVersions"] = webhook["conversionReviewVersions"]
        if webhook.get("clientConfig") is not None:
            internal_conversion["webhookClientConfig"] = webhook["clientConfig"]
    return InternalCrd(
        crd,
        spec.get("group", ""),
        versions[0].get("name", "") if versions else "",
        names,
        spec.get("scope", ""),
        versions,
        shared,
        internal_conversion,
        bool(spec.get("preserveUnknownFields")),
    )


def _from_v1beta1(crd: CustomResourceDefinition, spec: Mapping[str, Any], names: Mapping[str, Any]) -> InternalCrd:
    versions = list(spec.get("versions") or ())
    version = spec.get("version", "")
    if not versions and version:
        versions = [{"name": version, "storage": True, "served": True}]
    if not version and versions:
        version = versions[0].get("name", "")
    shared = {
        name: spec[written]
        for name, written in zip(_PER_VERSION, ("subresources", "validation", *list(_PER_VERSION)[2:]), strict=True)
        if spec.get(written) is not None
    }
    conversion = {"strategy": "None"} if spec.get("conversion") is None else dict(spec["conversion"])
    conversion.setdefault("strategy", "")
    if conversion["strategy"] == "Webhook" and not conversion.get("conversionReviewVersions"):
        conversion["conversionReviewVersions"] = ["v1beta1"]
    return InternalCrd(
        crd,
        spec.get("group", ""),
        version,
        names,
        spec.get("scope") or "Namespaced",
        versions,
        shared,
        conversion,
        spec.get("preserveUnknownFields", True),
    )
