"""JSON Schemas of file-based catalogs and of the ClusterServiceVersion, for editors.

They are made from the same table of types that the loaders decode with (go_types.txt), so that what a schema refuses
could not be read, either. Beyond types they ask for what every catalog needs, such as a channel's name.
"""

from __future__ import annotations

import re
from typing import Any, Final

from balise.model.catalog_blobs import BLOB_TYPES, PROPERTY_TYPES
from balise.model.go_types import fields_of

__all__ = ["catalog_schema", "csv_schema"]

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BASE64: Final = (
    r"^((?:[\r\n]*[A-Za-z0-9+/]){4})*"
    r"((?:[\r\n]*[A-Za-z0-9+/]){2}[\r\n]*=[\r\n]*=|(?:[\r\n]*[A-Za-z0-9+/]){3}[\r\n]*=)?[\r\n]*$"
)
_DATE_TIME: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[-+]\d\d:\d\d)$"
_TOLERANT_VERSION: Final = r"^\s*v?\d+(\.\d+(\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?\s*$"
_QUANTITY: Final = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]?|[KMGTPE]i|[eE][-+]?[0-9]+)\s*$"

_NULL: Final[Schema] = {"type": "null"}
_SCALARS: Final[dict[str, Schema]] = {
    "string": {"type": ["string", "null"]},
    "bool": {"type": ["boolean", "null"]},
    "int32": {"type": ["integer", "null"], "minimum": -(2**31), "maximum": 2**31 - 1},
    "int64": {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1},
    "float64": {"type": ["number", "null"]},
    "bytes": {"type": ["string", "null"], "contentEncoding": "base64", "pattern": _BASE64},
    "json": {},
    "raw": {},
    "time": {"type": ["string", "null"], "pattern": _DATE_TIME},
    "quantity": {"type": ["string", "number", "null"], "pattern": _QUANTITY},
    "int-or-string": {"type": ["string", "integer", "null"]},
    "version": {"type": "string", "pattern": _TOLERANT_VERSION},
    "release": {"type": "string", "pattern": r"^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$"},
}
_SCHEMA_OR: Final = {
    "schema-or-bool": [{"type": ["boolean", "null"]}],
    "schema-or-array": [],
    "schema-or-strings": [],
}
_JSON_SCHEMA_PROPS: Final = "apiextensions.JSONSchemaProps"

# What a person who writes the field wants to know, by type and field.
_DESCRIPTIONS: Final[dict[str, str]] = {
    "catalog.Package.name": "The package's name: a DNS label. Channels and bundles refer to it.",
    "catalog.Package.defaultChannel": "The channel of users who do not ask for one. It must be one of the package's.",
    "catalog.Package.icon": "The picture that consoles show.",
    "catalog.Package.description": "What the operator does, in Markdown.",
    "catalog.Icon.base64data": "The picture, in base64.",
    "catalog.Icon.mediatype": "image/svg+xml, image/png, image/jpeg or image/gif.",
    "catalog.Channel.name": "The channel's name, which Subscriptions ask for.",
    "catalog.Channel.package": "The package that the channel belongs to.",
    "catalog.Channel.entries": "The bundles of the channel and the upgrades between them. Exactly one is the head.",
    "ChannelEntry.name": "The name of an olm.bundle of the same package.",
    "ChannelEntry.replaces": "The name of the bundle that this one upgrades. It may be one that is gone.",
    "ChannelEntry.skips": "Names of bundles that this one upgrades, too, and that nobody shall be upgraded to.",
    "ChannelEntry.skipRange": 'Versions that this one upgrades, such as ">=1.0.0 <1.2.0". It makes no entry reachable.',
    "Bundle.name": "The bundle's name: that of its ClusterServiceVersion.",
    "Bundle.package": "The package that the bundle belongs to.",
    "Bundle.image": "Where the bundle can be pulled from.",
    "Bundle.properties": "Facts for the resolver. Exactly one is of type olm.package.",
    "Bundle.relatedImages": "Every image that the operator may need, for mirroring.",
    "Property.type": "What kind of fact it is.",
    "Property.value": "Its value, whose form depends on the type.",
    "Deprecation.package": "The package of what is deprecated.",
    "Deprecation.entries": "What is deprecated, and why.",
    "DeprecationEntry.message": "What users see: why, and what to use instead.",
    "PackageScopedReference.schema": "olm.package, olm.channel or olm.bundle.",
    "PackageScopedReference.name": "The channel's or bundle's name; nothing for the package.",
    "property.Package.version": "A semantic version, without a leading v.",
    "PackageRequired.versionRange": "Comparisons joined by spaces or ||. There is no ^ and no ~.",
    "ClusterServiceVersionSpec.install": "The deployments and the permissions that they need.",
    "ClusterServiceVersionSpec.version": "The operator's version.",
    "ClusterServiceVersionSpec.maturity": "How mature this version is, such as alpha or stable.",
    "ClusterServiceVersionSpec.customresourcedefinitions": "The CRDs that the operator owns, and those it requires.",
    "ClusterServiceVersionSpec.minKubeVersion": "The lowest Kubernetes version on which OLM installs it.",
    "ClusterServiceVersionSpec.displayName": "The operator's name as people read it.",
    "ClusterServiceVersionSpec.description": "What the operator does, in Markdown.",
    "ClusterServiceVersionSpec.keywords": "Words under which it is found.",
    "ClusterServiceVersionSpec.maintainers": "Who maintains it, with e-mail addresses.",
    "ClusterServiceVersionSpec.provider": "Who publishes it.",
    "ClusterServiceVersionSpec.icon": "One picture, in base64.",
    "ClusterServiceVersionSpec.installModes": "Which sets of namespaces it can serve.",
    "ClusterServiceVersionSpec.replaces": "The name of the ClusterServiceVersion that this one upgrades.",
    "ClusterServiceVersionSpec.skips": "Names of ClusterServiceVersions that this one upgrades, too.",
    "ClusterServiceVersionSpec.relatedImages": "Every image that the operator may need, for mirroring.",
    "ClusterServiceVersionSpec.webhookdefinitions": "Admission and conversion webhooks that the deployments serve.",
    "StrategyDetailsDeployment.permissions": "Rights in each namespace that the operator serves, by service account.",
    "StrategyDetailsDeployment.clusterPermissions": "Rights in the whole cluster, by service account.",
    "InstallMode.type": "OwnNamespace, SingleNamespace, MultiNamespace or AllNamespaces.",
}

_REQUIRED: Final[dict[str, list[str]]] = {
    "catalog.Package": ["schema", "name", "defaultChannel"],
    "catalog.Channel": ["schema", "package", "name", "entries"],
    "ChannelEntry": ["name"],
    "Bundle": ["schema", "package", "name", "properties"],
    "Deprecation": ["schema", "package", "entries"],
    "DeprecationEntry": ["reference", "message"],
    "PackageScopedReference": ["schema"],
    "property.Package": ["packageName", "version"],
}
"""Fields without which opm refuses a catalog."""


class _Builder:
    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def schema(self, kind: str) -> Schema:
        """The schema of a type as go_types.txt writes it."""
        kind = kind.lstrip("*")
        if kind.startswith("[]"):
            return {"type": ["array", "null"], "items": self.schema(kind[2:])}
        if kind.startswith("{}"):
            return {"type": ["object", "null"], "additionalProperties": self.schema(kind[2:])}
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind in _SCHEMA_OR:
            return self._schema_or(kind)
        name = _definition_name(kind)
        if name not in self.definitions:
            self.definitions[name] = {}  # a type may contain itself
            self.definitions[name] = self._struct(kind)
        return {"$ref": f"#/$defs/{name}"}

    def _schema_or(self, kind: str) -> Schema:
        if kind == "schema-or-bool":
            return {"anyOf": [*_SCHEMA_OR[kind], self.schema(_JSON_SCHEMA_PROPS)]}
        item = _JSON_SCHEMA_PROPS if kind == "schema-or-array" else "string"
        # Anything but a mapping or a list is taken for nothing.
        return {
            "if": {"type": "array"},
            "then": {"items": self.schema(item)},
            "else": {"if": {"type": "object"}, "then": self.schema(_JSON_SCHEMA_PROPS)},
        }

    def _struct(self, kind: str) -> Schema:
        properties: dict[str, Schema] = {}
        for name, field_kind, _ in fields_of(kind):
            field = self.schema(field_kind)
            description = _DESCRIPTIONS.get(f"{kind}.{name}")
            properties[name] = {**field, "description": description} if description else field
        found: Schema = {"type": ["object", "null"], "properties": properties}
        if required := _REQUIRED.get(kind):
            found |= {"type": "object", "required": required}
        if kind == "Property":
            found |= {"type": "object", "required": ["value"], "allOf": self._property_values()}
        return found

    def _property_values(self) -> list[Schema]:
        return [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"value": self.schema(kind)}},
            }
            for name, kind in PROPERTY_TYPES.items()
        ]

    def document(self, title: str, description: str, content: Schema) -> Schema:
        return {
            "$schema": _DIALECT,
            "title": title,
            "description": description,
            **content,
            "$defs": dict(sorted(self.definitions.items())),
        }


def _definition_name(kind: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", kind)


def catalog_schema() -> Schema:
    """The schema of one document of a file-based catalog."""
    builder = _Builder()
    blobs = [
        {"if": {"properties": {"schema": {"const": name}}, "required": ["schema"]}, "then": builder.schema(kind)}
        for name, kind in BLOB_TYPES.items()
    ]
    return builder.document(
        "File-based catalog",
        "One document of a file-based catalog: olm.package, olm.channel, olm.bundle, olm.deprecations, or another"
        " schema, whose form is its own.",
        {
            "type": "object",
            "properties": {
                "schema": {"type": "string", "minLength": 1, "description": "What kind of document it is."},
                "package": {"type": "string"},
                "name": {"type": "string"},
            },
            "required": ["schema"],
            "allOf": blobs,
        },
    )


def csv_schema() -> Schema:
    """The schema of a ClusterServiceVersion."""
    builder = _Builder()
    content = builder.schema("ClusterServiceVersion")
    return builder.document(
        "ClusterServiceVersion",
        "operators.coreos.com/v1alpha1, as OLM reads it. Fields that are not listed are ignored.",
        content,
    )
