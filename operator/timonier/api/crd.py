"""CustomResourceDefinitions, generated from the typed models: deterministic, structural, every field bounded.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from timonier.api import v1alpha1
from timonier.api.application import ApplicationSpec, ApplicationStatus
from timonier.api.backup import BackupSpec, BackupStatus
from timonier.api.backup_store import BackupStoreSpec, BackupStoreStatus
from timonier.api.resources import APPLICATIONS, BACKUP_STORES, BACKUPS, RESTORES, UPGRADES, Resource
from timonier.api.restore import RestoreSpec, RestoreStatus
from timonier.api.upgrade import UpgradeSpec, UpgradeStatus

__all__ = [
    "APPLICATION",
    "BACKUP",
    "BACKUP_STORE",
    "CONVERSION_PATH",
    "KINDS",
    "RESTORE",
    "UPGRADE",
    "WEBHOOK_SERVICE",
    "Column",
    "Kind",
    "Version",
    "crd",
    "crds",
    "structural",
]

CONVERSION_PATH: Final = "/convert"
WEBHOOK_SERVICE: Final = "timonier-service"
"""What OLM calls the Service that it makes for a Deployment called timonier."""
_NAMESPACE: Final = "timonier-system"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a `priority` above 0 shows it only with -o wide."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0

    def manifest(self) -> dict[str, Any]:
        """The column as a CustomResourceDefinition states it."""
        return {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Version:
    """One served version of a kind. Its status and columns are those of the version that is stored, if not stated."""

    name: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel] | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """All that a CustomResourceDefinition says about one kind. `scale` maps to paths of the scale subresource."""

    resource: Resource
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    scale: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Mapping[str, str], ...] = ()
    older: tuple[Version, ...] = ()


def _reason(condition: str) -> str:
    return f'.status.conditions[?(@.type=="{condition}")].reason'


_SUCCEEDED: Final = '.status.conditions[?(@.type=="Succeeded")].message'


def _run_name(longest: int) -> Mapping[str, str]:
    return {
        "rule": f"self.metadata.name.size() <= {longest}",
        "message": f"metadata.name must be at most {longest} characters: Jobs and labels are named after it",
        "fieldPath": ".metadata.name",
    }


APPLICATION: Final = Kind(
    resource=APPLICATIONS,
    description="A containerised application: what runs, how it is configured, reached and scaled, and what becomes of "
    "its data. Only spec.workload.image.repository is required.",
    spec=ApplicationSpec,
    status=ApplicationStatus,
    short_names=("app",),
    scale={
        "specReplicasPath": ".spec.scaling.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether all is as asked for."),
        Column("Status", _reason("Ready"), "What it is doing, in a word."),
        Column("Pods", ".status.ready", "Ready pods of those asked for."),
        Column("Version", ".status.version", "Tag of the image, or the start of its digest."),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date"),
        Column("Image", ".status.image", "Image that runs.", priority=1),
        Column("Endpoint", ".status.endpoints[0].url", "Where it is reachable.", priority=1),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', "Why it is so.", priority=1),
    ),
    rules=(
        {
            "rule": "self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "message": "metadata.name must be at most 52 characters of a-z, 0-9 and '-', beginning with a letter: "
            "Services and pods are named after it",
            "fieldPath": ".metadata.name",
        },
    ),
    older=(
        Version(
            "v1alpha1",
            "A containerised application in a few simple fields; only spec.image is required. Version v1 says the "
            "same and more: what an Application has beyond these fields is kept when it is written in this version.",
            v1alpha1.ApplicationSpec,
        ),
    ),
)

BACKUP_STORE: Final = Kind(
    resource=BACKUP_STORES,
    description="A place that keeps backups: a bucket, a REST server or a volume; always encrypted.",
    spec=BackupStoreSpec,
    status=BackupStoreStatus,
    short_names=("bks",),
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether it can be used."),
        Column("Status", _reason("Ready"), "How it is, in a word."),
        Column("Type", ".status.type", "What kind of store it is."),
        Column("Backups", ".status.backups", "Backups in it.", type="integer"),
        Column("Size", ".status.size", "Bytes stored."),
        Column("Last-Check", ".status.lastCheckTime", "Time since it was last looked at.", type="date"),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date"),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', "Why it is so.", priority=1),
    ),
    rules=(_run_name(40),),
)

BACKUP: Final = Kind(
    resource=BACKUPS,
    description="One backup of an application's data, from its making to its removal.",
    spec=BackupSpec,
    status=BackupStatus,
    short_names=("bk",),
    columns=(
        Column("App", ".spec.targetRef.name", "Application whose data it is."),
        Column("Status", ".status.phase", "How far it is."),
        Column("Reason", ".spec.reason", "What it was made for."),
        Column("Size", ".status.size", "Bytes of data in it."),
        Column("Duration", ".status.duration", "Time that it took."),
        Column("Verified", ".status.verified.result", "What the last restore on trial found."),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date"),
        Column("Step", ".status.step", "Step that it is in, or ended in.", priority=1),
        Column("Store", ".status.store.name", "Where it is.", priority=1),
        Column("Message", _SUCCEEDED, "Why it is so.", priority=1),
    ),
    rules=(_run_name(63),),
    older=(
        Version(
            "v1alpha1",
            "One backup of an application's data in a few simple fields; only spec.application is required. Version v1 "
            "says the same and more: what a Backup has beyond these fields is kept when it is written in this version.",
            v1alpha1.BackupSpec,
            v1alpha1.BackupStatus,
            (
                Column("App", ".spec.application", "Application whose data it is."),
                Column("State", ".status.state", "How far it is."),
                Column("Type", ".spec.type", "How it is made, where that is stated."),
                Column("Size", ".status.size", "Bytes of data in it."),
                Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date"),
            ),
        ),
    ),
)

RESTORE: Final = Kind(
    resource=RESTORES,
    description="One return of an application's data, from a backup into a place.",
    spec=RestoreSpec,
    status=RestoreStatus,
    short_names=("rst",),
    columns=(
        Column("App", ".status.application", "Application that is restored."),
        Column("From", ".status.backup", "Backup that was chosen."),
        Column("Status", ".status.phase", "How far it is."),
        Column("Step", ".status.step", "Step that it is in, or ended in."),
        Column("Duration", ".status.duration", "Time that it took."),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date"),
        Column("Message", _SUCCEEDED, "Why it is so.", priority=1),
    ),
    rules=(_run_name(63),),
)

UPGRADE: Final = Kind(
    resource=UPGRADES,
    description="One change of an application from a revision to another. The operator makes these objects; the "
    "annotations timonier.dev/approve and timonier.dev/rollback let one go on that waits for a person.",
    spec=UpgradeSpec,
    status=UpgradeStatus,
    short_names=("upg",),
    columns=(
        Column("App", ".spec.targetRef.name", "Application that is changed."),
        Column("From", ".spec.fromVersion", "Version that ran before."),
        Column("To", ".spec.toVersion", "Version that is to run."),
        Column("Status", ".status.phase", "How far it is."),
        Column("Step", ".status.step", "Step that it is in, or ended in."),
        Column("Reason", ".status.rollbackReason", "Why it was rolled back."),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date"),
        Column("Duration", ".status.duration", "Time that it took.", priority=1),
        Column("Message", _SUCCEEDED, "Why it is so.", priority=1),
    ),
    rules=(_run_name(63),),
)

KINDS: Final = (APPLICATION, BACKUP_STORE, BACKUP, RESTORE, UPGRADE)
"""Every kind, each with a reconciler."""


def crds() -> list[dict[str, Any]]:
    """Every CustomResourceDefinition that is installed with the operator, by name."""
    return sorted((crd(kind) for kind in KINDS), key=lambda manifest: str(manifest["metadata"]["name"]))


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    resource = kind.resource
    singular = resource.kind.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": singular,
                "shortNames": list(kind.short_names),
                "categories": ["day2"],
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                _version(kind, Version(resource.version, kind.description, kind.spec), stored=True),
                *(_version(kind, each, stored=False) for each in kind.older),
            ],
        }
        | ({"conversion": _conversion()} if kind.older else {}),
    }


def _version(kind: Kind, version: Version, *, stored: bool) -> dict[str, Any]:
    # The numbers of pods stand at other paths in other versions; autoscalers and kubectl use the first one.
    scale = {"scale": dict(kind.scale)} if stored and kind.scale else {}
    return {
        "name": version.name,
        "served": True,
        "storage": stored,
        "schema": {"openAPIV3Schema": _schema(kind, version)},
        "subresources": {"status": {}} | scale,
        "additionalPrinterColumns": [column.manifest() for column in version.columns or kind.columns],
    }


def _conversion() -> dict[str, Any]:
    """Who converts. OLM puts its own Service and certificate there; without it, whoever renders and the operator do."""
    service = {"namespace": _NAMESPACE, "name": WEBHOOK_SERVICE, "path": CONVERSION_PATH, "port": 443}
    return {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}},
    }


def _schema(kind: Kind, version: Version) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "description": version.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the schema that this object is written in."},
            "kind": {"type": "string", "description": f"Always {kind.resource.kind}."},
            # Declared, so that a rule can point to it.
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
            "spec": structural(version.spec) | {"description": "What is wanted."},
            "status": structural(version.status or kind.status) | {"description": "What the operator observes."},
        },
    }
    return schema | ({"x-kubernetes-validations": [dict(rule) for rule in kind.rules]} if kind.rules else {})


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """A model's structural schema: references put in place, nothing that Kubernetes does not know."""
    schema = model.model_json_schema(by_alias=True)
    return _node(schema, schema.get("$defs", {}))


_KEPT: Final = (
    "type", "description", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
    "maxItems", "minProperties", "maxProperties", "required",
)  # fmt: skip


def _node(schema: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    schema = _resolved(schema, models)
    node: dict[str, Any] = {
        name: copy.deepcopy(value)
        for name, value in schema.items()
        if name in _KEPT or name.startswith("x-kubernetes-")
    }
    if "const" in schema:
        node["enum"] = [schema["const"]]
    if node.get("type") == "integer":
        node.setdefault("format", "int32" if schema.get("maximum", 2**63) < 2**31 else "int64")
    if schema.get("x-timonier-defaulted"):
        node["default"] = schema["default"]
    if schema.get("x-kubernetes-int-or-string"):
        node["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if spelling := schema.get("x-timonier-spelling"):
        _add_rule(node, _spelling(node.pop("pattern"), int_or_string="anyOf" in node), spelling)
    if "properties" in schema:
        node["properties"] = {name: _node(below, models) for name, below in schema["properties"].items()}
    elif isinstance(values := _values(schema), Mapping):
        node["additionalProperties"] = _node(values, models)
        _add_key_rule(node, schema)
    if "items" in schema:
        node["items"] = _node(schema["items"], models)
    return node


def _add_rule(node: dict[str, Any], rule: str, message: str) -> None:
    node["x-kubernetes-validations"] = [*node.get("x-kubernetes-validations", ()), {"rule": rule, "message": message}]


def _spelling(pattern: str, *, int_or_string: bool) -> str:
    matches = f"self.matches({json.dumps(pattern)})"
    return f"type(self) == int || {matches}" if int_or_string else matches


def _add_key_rule(node: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """A structural schema says nothing about the keys of a map: JSON Schema's `propertyNames` becomes a CEL rule."""
    names: Mapping[str, Any] = schema.get("propertyNames", {})
    if not (spelling := names.get("x-timonier-spelling")):
        return
    pattern = next(iter(schema["patternProperties"]))
    rule = f"self.all(key, key.size() <= {names['maxLength']} && key.matches({json.dumps(pattern)}))"
    _add_rule(node, rule, f"each key {spelling}; at most {names['maxLength']} characters")


def _values(schema: Mapping[str, Any]) -> Any:
    """The schema of a map's values. JSON Schema says by pattern which keys there may be; a CRD leaves that to CEL."""
    patterns = schema.get("patternProperties")
    return next(iter(patterns.values())) if patterns else schema.get("additionalProperties")


def _resolved(schema: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its reference, or its one choice besides null, put in place; what stands beside them wins."""
    merged = dict(schema)
    choices = [choice for choice in merged.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1 and "x-kubernetes-int-or-string" not in merged:
        del merged["anyOf"]
        merged = _resolved(choices[0], models) | merged
    if "$ref" in merged:
        target = models[merged.pop("$ref").rpartition("/")[2]]
        own_rules = merged.get("x-kubernetes-validations", [])
        merged = _resolved(target, models) | merged
        if own_rules and target.get("x-kubernetes-validations"):
            merged["x-kubernetes-validations"] = [*target["x-kubernetes-validations"], *own_rules]
    return merged
