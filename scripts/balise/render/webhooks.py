"""Webhooks without OLM: the Service in front of them, what the API server is told of them, and whose certificate it is.

Names are those that OLM would give: an operator finds everything at the same place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Final

from balise.generate.manifests import Manifest
from balise.generate.webhooks import MATCH_CONDITIONS_ANNOTATION
from balise.model.errors import InputError
from balise.render.access import binding, role
from balise.render.options import Options

__all__ = ["CERTIFICATES", "CERTIFICATES_ANNOTATION", "converted", "served", "webhook_manifests"]

CERTIFICATES: Final = ("operator", "cert-manager")
"""Who makes the certificates: the operator itself, which then keeps them in a Secret, or cert-manager."""
CERTIFICATES_ANNOTATION: Final = "balise.timonier.dev/webhook-certificates"
"""On a ClusterServiceVersion: `operator` where the operator can do without OLM's certificates."""

_CONFIGURATIONS: Final = {
    "MutatingAdmissionWebhook": "MutatingWebhookConfiguration",
    "ValidatingAdmissionWebhook": "ValidatingWebhookConfiguration",
}
_ADMISSION_FIELDS: Final = ("admissionReviewVersions", "failurePolicy", "matchPolicy", "objectSelector",
                            "reinvocationPolicy", "rules", "sideEffects", "timeoutSeconds")  # fmt: skip
# Where OLM mounts a certificate, and under which names: operators look for it in either place.
_MOUNTS: Final = (
    ("webhook-cert", "/tmp/k8s-webhook-server/serving-certs", "tls.crt", "tls.key"),  # noqa: S108
    ("apiservice-cert", "/apiserver.local.config/certificates", "apiserver.crt", "apiserver.key"),
)


def webhook_manifests(csv: Manifest, options: Options, targets: tuple[str, ...]) -> list[Manifest]:
    """Everything that the bundle's webhooks need beside the operator and its CRDs; nothing when it has none."""
    definitions = csv["spec"].get("webhookdefinitions") or []
    if not definitions:
        return []
    by_manager = _certificates(csv, options) == "cert-manager"
    manifests = [_service(entry, definitions, options.namespace) for entry in _serving(csv, definitions)]
    for entry in _serving(csv, definitions):
        if by_manager:
            manifests += _managed(entry["name"], options.namespace)
        else:
            manifests += _own(csv, entry, definitions, options.namespace)
    owned = csv["spec"].get("customresourcedefinitions", {}).get("owned") or ()
    groups = frozenset(each["name"].partition(".")[2] for each in owned)
    return manifests + _configurations(csv, options, targets, groups, by_manager=by_manager)


def converted(crd: Manifest, csv: Manifest, options: Options) -> Manifest:
    """The CRD with a conversion that leads to the operator's own Service; the argument is not changed."""
    for definition in csv["spec"].get("webhookdefinitions") or ():
        if crd["metadata"]["name"] in (definition.get("conversionCRDs") or ()):
            result = copy.deepcopy(crd)
            if _certificates(csv, options) == "cert-manager":
                result["metadata"].setdefault("annotations", {}).update(_injected(definition, options.namespace))
            result["spec"]["conversion"] = {
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": _client(definition, options),
                    "conversionReviewVersions": definition["admissionReviewVersions"],
                },
            }
            return result
    return crd


def served(deployment: Manifest, csv: Manifest, options: Options) -> Manifest:
    """The Deployment with cert-manager's certificate mounted where OLM mounts its own, if it is to use one."""
    definitions = csv["spec"].get("webhookdefinitions") or ()
    name = deployment["metadata"]["name"]
    if name not in {each["deploymentName"] for each in definitions} or _certificates(csv, options) != "cert-manager":
        return deployment
    pod = deployment["spec"]["template"]["spec"]
    for volume, path, certificate, key in _MOUNTS:
        items = [{"key": "tls.crt", "path": certificate}, {"key": "tls.key", "path": key}]
        pod["volumes"] = [*(pod.get("volumes") or ()),
                          {"name": volume, "secret": {"secretName": _secret_name(name), "items": items}}]  # fmt: skip
        for container in pod["containers"]:
            kept = [mount for mount in container.get("volumeMounts") or () if mount["mountPath"] != path]
            container["volumeMounts"] = [*kept, {"name": volume, "mountPath": path, "readOnly": True}]
    return deployment


def _certificates(csv: Manifest, options: Options) -> str:
    offered = (csv["metadata"].get("annotations") or {}).get(CERTIFICATES_ANNOTATION, "")
    chosen = options.certificates or offered
    if not chosen:
        names = ", ".join(each.get("generateName", "?") for each in csv["spec"]["webhookdefinitions"])
        raise InputError(
            f"has webhooks ({names}), whose certificates OLM makes and renews",
            place=f"ClusterServiceVersion {csv['metadata']['name']}, spec.webhookdefinitions",
            way_out="choose who does it here: --certificates cert-manager, or --certificates operator where the "
            f"operator can; its author says so with the annotation {CERTIFICATES_ANNOTATION}",
        )
    return chosen


def _serving(csv: Manifest, definitions: Sequence[Manifest]) -> list[Manifest]:
    names = {each["deploymentName"] for each in definitions}
    return [entry for entry in csv["spec"]["install"]["spec"]["deployments"] if entry["name"] in names]


def _service_name(deployment: str) -> str:
    return f"{deployment}-service"


def _secret_name(deployment: str) -> str:
    return f"{_service_name(deployment)}-cert"


def _service(entry: Manifest, definitions: Sequence[Manifest], namespace: str) -> Manifest:
    ports = sorted({_ports(each) for each in definitions if each["deploymentName"] == entry["name"]}, key=str)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _service_name(entry["name"]), "namespace": namespace},
        "spec": {
            "selector": dict(entry["spec"]["selector"]["matchLabels"]),
            "ports": [
                {"name": str(port), "port": port, "targetPort": target, "protocol": "TCP"} for port, target in ports
            ],
        },
    }


def _ports(definition: Manifest) -> tuple[int, int | str]:
    port: int = definition.get("containerPort", 443)
    target: int | str = definition.get("targetPort", port)
    return port, target


def _client(definition: Manifest, options: Options) -> Manifest:
    path = definition.get("webhookPath", "/")
    if options.webhook_url:
        return {"url": f"{options.webhook_url.rstrip('/')}{path}"}
    return {
        "service": {
            "name": _service_name(definition["deploymentName"]),
            "namespace": options.namespace,
            "path": path,
            "port": _ports(definition)[0],
        }
    }


def _match_conditions(csv: Manifest) -> dict[str, list[Manifest]]:
    """Which requests each webhook is asked about, where its author says so; OLM knows no such thing."""
    text = (csv["metadata"].get("annotations") or {}).get(MATCH_CONDITIONS_ANNOTATION, "{}")
    try:
        found = json.loads(text)
    except (RecursionError, ValueError):
        found = None
    if isinstance(found, dict) and all(isinstance(each, list) for each in found.values()):
        return found
    raise InputError(
        f"the annotation {MATCH_CONDITIONS_ANNOTATION} is no JSON object of lists of matchConditions",
        place=f"ClusterServiceVersion {csv['metadata']['name']}, metadata.annotations",
        way_out="write it as balise generate does: by the generateName of each webhook",
    )


def _configurations(
    csv: Manifest,
    options: Options,
    targets: tuple[str, ...],
    groups: frozenset[str],
    *,
    by_manager: bool,
) -> list[Manifest]:
    """One configuration for each admission webhook. The operator's own namespace is left alone: it must start first.

    Not so for webhooks about the bundle's own kinds alone: nothing of the operator's start is one of these.
    """
    definitions = csv["spec"]["webhookdefinitions"]
    label = "kubernetes.io/metadata.name"
    if targets:
        where = {"key": label, "operator": "In", "values": sorted(targets)}
    else:
        where = {"key": label, "operator": "NotIn", "values": [options.namespace]}
    conditions = _match_conditions(csv)
    manifests = []
    for definition in definitions:
        if (kind := _CONFIGURATIONS.get(definition["type"])) is None:
            continue
        name = definition["generateName"]
        webhook: dict[str, Any] = {field: definition[field] for field in _ADMISSION_FIELDS if field in definition}
        metadata: dict[str, Any] = {"name": name}
        if by_manager:
            metadata["annotations"] = _injected(definition, options.namespace)
        webhook |= {
            "name": name,
            "clientConfig": _client(definition, options),
        }
        if name in conditions:
            webhook["matchConditions"] = conditions[name]
        asked = {group for rule in definition.get("rules") or () for group in rule.get("apiGroups") or ()}
        if targets or not asked or not asked <= groups:
            webhook["namespaceSelector"] = {"matchExpressions": [where]}
        manifests.append(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": metadata,
                "webhooks": [webhook],
            }
        )
    return manifests


def _own(csv: Manifest, entry: Manifest, definitions: Sequence[Manifest], namespace: str) -> list[Manifest]:
    """An empty Secret, and the right to fill it and to say so to the API server: each object by its name, none to make.

    With the right to create Secrets an operator could make itself the token of any service account, and then read it.
    """
    account = entry["spec"]["template"]["spec"].get("serviceAccountName", "default")
    secret = _secret_name(entry["name"])
    mine = [each for each in definitions if each["deploymentName"] == entry["name"]]
    rules = []
    crds = sorted({name for each in mine for name in each.get("conversionCRDs") or ()})
    if crds:
        rules.append(_rule("apiextensions.k8s.io", "customresourcedefinitions", crds))
    for type_, kind in _CONFIGURATIONS.items():
        names = sorted(each["generateName"] for each in mine if each["type"] == type_)
        if names:
            rules.append(_rule("admissionregistration.k8s.io", f"{kind.lower()}s", names))
    name = f"{csv['metadata']['name'].partition('.')[0]}-certificates"
    cluster_wide = {"name": f"{name}-{namespace}"}
    local = {"name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": namespace}, "type": "Opaque"},
        role("Role", local, [_rule("", "secrets", [secret])]),
        binding("Role", local, account, namespace),
        role("ClusterRole", cluster_wide, rules),
        binding("ClusterRole", cluster_wide, account, namespace),
    ]


def _rule(group: str, resource: str, names: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": ["get", "update"]}


def _managed(deployment: str, namespace: str) -> list[Manifest]:
    """What cert-manager needs to make a certificate for the Service, and to renew it."""
    service = _service_name(deployment)
    issuer = f"{service}-issuer"
    return [
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": issuer, "namespace": namespace},
            "spec": {"selfSigned": {}},
        },
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": _secret_name(deployment), "namespace": namespace},
            "spec": {
                "secretName": _secret_name(deployment),
                "dnsNames": [
                    f"{service}.{namespace}",
                    f"{service}.{namespace}.svc",
                    f"{service}.{namespace}.svc.cluster.local",
                ],
                "issuerRef": {"kind": "Issuer", "name": issuer},
                "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always", "size": 256},
                "usages": ["digital signature", "key encipherment", "server auth"],
            },
        },
    ]


def _injected(definition: Manifest, namespace: str) -> dict[str, str]:
    return {"cert-manager.io/inject-ca-from": f"{namespace}/{_secret_name(definition['deploymentName'])}"}
