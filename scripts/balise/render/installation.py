"""What OLM would create for a bundle, as a list of manifests in the order in which ``kubectl apply`` needs them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from balise.generate.manifests import Manifest
from balise.model.errors import InputError
from balise.render.access import operator_access, service_accounts, user_roles
from balise.render.bundle import Bundle
from balise.render.network import network_policies
from balise.render.options import Options, target_namespaces
from balise.render.webhooks import converted, served, webhook_manifests

__all__ = ["render"]

# Everything another object refers to comes before it; what is not named here stands between the two groups.
_FIRST: Final = ("Namespace", "CustomResourceDefinition", "PriorityClass", "ServiceAccount", "ClusterRole",
                 "ClusterRoleBinding", "Role", "RoleBinding", "Secret", "ConfigMap", "Service")  # fmt: skip
# A webhook that is known before its operator runs would hold up what comes after it.
_LAST: Final = ("Deployment", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_CLUSTER_WIDE: Final = frozenset({
    "ClusterRole", "ClusterRoleBinding", "ConsoleCLIDownload", "ConsoleLink", "ConsolePlugin", "ConsoleQuickStart",
    "ConsoleYAMLSample", "PriorityClass",
})  # fmt: skip


def render(bundle: Bundle, options: Options) -> list[Manifest]:
    """Do what OLM does on install, for ``options``; the same input gives the same list. The bundle is not changed.

    Raises :class:`InputError` for an install mode that the bundle does not support, for an image to replace that it
    does not use, for webhooks when nobody is said to make their certificates, for an annotation about its network that
    says nothing known, and for APIServices.
    """
    _must_need_no_olm(bundle.csv)
    targets = target_namespaces(bundle.csv, options)
    manifests = [
        *([_namespace(options)] if options.create_namespace else []),
        *(converted(copy.deepcopy(crd), bundle.csv, options) for crd in bundle.crds),
        *service_accounts(bundle.csv, options.namespace),
        *operator_access(bundle.csv, options.namespace, targets),
        *user_roles(bundle.csv),
        *(_placed(other, options.namespace) for other in bundle.others),
        *webhook_manifests(bundle.csv, options, targets),
        *network_policies(bundle, options),
        *(served(each, bundle.csv, options) for each in _deployments(bundle.csv, options, targets)),
    ]
    return sorted(_with_images(manifests, options.images), key=_order)


def _must_need_no_olm(csv: Manifest) -> None:
    place = f"ClusterServiceVersion {csv['metadata']['name']}"
    spec = csv["spec"]
    if (spec.get("install") or {}).get("strategy") != "deployment":
        raise InputError("has no install strategy 'deployment'", place=place)
    if (spec.get("apiservicedefinitions") or {}).get("owned"):
        raise InputError(
            "serves APIs of its own, whose certificates OLM makes and rotates",
            place=f"{place}, spec.apiservicedefinitions.owned",
            way_out="install this bundle with OLM",
        )


def _namespace(options: Options) -> Manifest:
    metadata: dict[str, Any] = {"name": options.namespace}
    if options.pod_security:
        metadata["labels"] = {
            f"pod-security.kubernetes.io/{mode}": options.pod_security for mode in ("audit", "enforce", "warn")
        }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _placed(manifest: Manifest, namespace: str) -> Manifest:
    placed = copy.deepcopy(manifest)
    if manifest["kind"] not in _CLUSTER_WIDE:
        placed["metadata"]["namespace"] = namespace
    for subject in placed.get("subjects") or ():
        if subject.get("kind") == "ServiceAccount":
            subject["namespace"] = namespace
    return placed


def _deployments(csv: Manifest, options: Options, targets: tuple[str, ...]) -> list[Manifest]:
    """The CSV's Deployments with the annotations through which OLM tells an operator where it is and what to watch.

    ``olm.operatorGroup`` and OPERATOR_CONDITION_NAME are left out: neither object exists without OLM, and an operator
    learns from their absence that it is on its own. The CSV's other annotations (its samples among them) stay in the
    CSV, so that a new text does not restart the pods.
    """
    annotations = {"olm.operatorNamespace": options.namespace, "olm.targetNamespaces": ",".join(targets)}
    return [
        _deployment(entry, options.namespace, annotations) for entry in csv["spec"]["install"]["spec"]["deployments"]
    ]


def _deployment(entry: Manifest, namespace: str, annotations: Mapping[str, str]) -> Manifest:
    spec = copy.deepcopy(entry["spec"])
    spec["revisionHistoryLimit"] = 1  # as OLM does
    pod = spec["template"].setdefault("metadata", {})
    pod["annotations"] = {**(pod.get("annotations") or {}), **annotations}
    metadata: dict[str, Any] = {"name": entry["name"], "namespace": namespace}
    if entry.get("label"):
        metadata["labels"] = dict(entry["label"])
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _with_images(manifests: list[Manifest], images: Mapping[str, str]) -> list[Manifest]:
    """Replace image references wherever a Deployment holds them: containers, and variables such as RELATED_IMAGE_*."""
    used: set[str] = set()
    for manifest in manifests:
        if manifest["kind"] != "Deployment":
            continue
        pod = manifest["spec"]["template"]["spec"]
        for container in [*(pod.get("initContainers") or ()), *pod["containers"]]:
            places = [(container, "image")] + [(variable, "value") for variable in container.get("env") or ()]
            for holder, key in places:
                found = holder.get(key)
                used |= {found} & set(images)
                if found in images:
                    holder[key] = images[found]
    if unused := sorted(set(images) - used):
        raise InputError(
            f"no container uses the image {unused[0]}", place="--image", way_out="give OLD=NEW with an OLD it uses"
        )
    return manifests


def _order(manifest: Manifest) -> tuple[int, str, str, str]:
    kind = manifest["kind"]
    rank = _FIRST.index(kind) if kind in _FIRST else len(_FIRST)
    if kind in _LAST:
        rank = len(_FIRST) + 1 + _LAST.index(kind)
    return rank, kind, manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
