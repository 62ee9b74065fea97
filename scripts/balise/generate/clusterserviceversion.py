"""The ClusterServiceVersion: the one document that tells OLM what an operator is, needs, owns and may do."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from balise.generate.configuration import INSTALL_MODES, Configuration
from balise.generate.descriptors import display_name, spec_descriptors, status_descriptors
from balise.generate.facts import Facts
from balise.generate.manifests import Manifest
from balise.generate.webhooks import MATCH_CONDITIONS_ANNOTATION
from balise.model.errors import InputError

__all__ = ["cluster_service_version", "csv_name"]

_RELATED_IMAGE: Final = "RELATED_IMAGE_"


def csv_name(configuration: Configuration) -> str:
    """The object's name, ``<package>.v<version>``: the form that the community catalogs demand."""
    return f"{configuration.package}.v{configuration.version}"


def cluster_service_version(configuration: Configuration, facts: Facts) -> Manifest:
    """Build the ClusterServiceVersion from configuration and code.

    Raises :class:`InputError` when a kind has no sample or a sample has no kind, and when the Deployment names an
    image that is not declared.
    """
    owned = [description for crd in facts.crds for description in _owned(crd, dict(configuration.resources))]
    spec: dict[str, Any] = {
        "apiservicedefinitions": {},
        "customresourcedefinitions": {"owned": owned},
        "description": facts.description,
        "displayName": configuration.display_name,
        "icon": [{"base64data": base64.b64encode(facts.icon).decode(), "mediatype": configuration.icon_type}],
        "install": {"strategy": "deployment", "spec": _install(facts)},
        "installModes": [{"type": mode, "supported": mode in configuration.install_modes} for mode in INSTALL_MODES],
        "keywords": list(configuration.keywords),
        "links": [{"name": link.name, "url": link.address} for link in configuration.links],
        "maintainers": [{"name": who.name, "email": who.address} for who in configuration.maintainers],
        "maturity": configuration.maturity,
        "minKubeVersion": configuration.min_kube_version,
        "provider": {"name": configuration.provider.name, "url": configuration.provider.address},
        "relatedImages": _related_images(configuration, facts),
        "version": configuration.version,
    }
    if facts.webhooks:
        spec["webhookdefinitions"] = [
            {field: value for field, value in each.items() if field != "matchConditions"} for each in facts.webhooks
        ]
    if configuration.replaces:
        spec["replaces"] = configuration.replaces
    if configuration.skips:
        spec["skips"] = list(configuration.skips)
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": csv_name(configuration),
            "namespace": "placeholder",
            "annotations": _annotations(configuration, facts, owned),
            "labels": _labels(configuration),
        },
        "spec": spec,
    }


def _annotations(configuration: Configuration, facts: Facts, owned: list[Manifest]) -> dict[str, str]:
    annotations = {
        "alm-examples": _examples(facts, owned),
        "capabilities": configuration.capability,
        "categories": ", ".join(configuration.categories),
        "certified": "false",
        "containerImage": configuration.image,
        "description": configuration.summary,
        "operatorframework.io/suggested-namespace": configuration.suggested_namespace,
        "repository": configuration.repository,
        "support": configuration.provider.name,
    }
    if configuration.created_at:
        annotations["createdAt"] = configuration.created_at
    if configuration.skip_range:
        annotations["olm.skipRange"] = configuration.skip_range
    if conditions := _match_conditions(facts):
        annotations[MATCH_CONDITIONS_ANNOTATION] = conditions
    return annotations | dict(configuration.annotations)


def _match_conditions(facts: Facts) -> str:
    """OLM's webhookdefinitions have no field for them: whoever installs without OLM finds them in an annotation."""
    stated = {each["generateName"]: each["matchConditions"] for each in facts.webhooks if "matchConditions" in each}
    return json.dumps(stated, sort_keys=True) if stated else ""


def _labels(configuration: Configuration) -> dict[str, str]:
    if not configuration.architectures:
        return {}
    architectures = {f"operatorframework.io/arch.{name}": "supported" for name in configuration.architectures}
    return architectures | {"operatorframework.io/os.linux": "supported"}


def _owned(crd: Manifest, resources: dict[str, tuple[str, ...]]) -> list[Manifest]:
    """One entry for each served version; the storage version first, then by name."""
    spec = crd["spec"]
    kind = spec["names"]["kind"]
    served = [version for version in spec["versions"] if version.get("served")]
    return [
        _described(crd, kind, version, resources.get(kind, ()))
        for version in sorted(served, key=lambda version: (not version.get("storage"), version["name"]))
    ]


def _described(crd: Manifest, kind: str, version: Manifest, made: tuple[str, ...]) -> Manifest:
    schema = version.get("schema", {}).get("openAPIV3Schema", {})
    description = " ".join(schema.get("description", "").split())
    if not description:
        raise InputError(
            f"version {version['name']} has no description",
            place=f"CustomResourceDefinition {crd['metadata']['name']}",
            way_out="say in the schema's top description what the kind is for: it is what people read in the catalog",
        )
    owned: dict[str, Any] = {
        "name": crd["metadata"]["name"],
        "kind": kind,
        "version": version["name"],
        "displayName": display_name(kind),
        "description": description,
    }
    if made:
        owned["resources"] = [_resource(item) for item in made]
    if descriptors := spec_descriptors(schema):
        owned["specDescriptors"] = descriptors
    if descriptors := status_descriptors(schema):
        owned["statusDescriptors"] = descriptors
    return owned


def _resource(item: str) -> Manifest:
    version, _, kind = item.rpartition("/")
    return {"kind": kind, "name": "", "version": version}


def _examples(facts: Facts, owned: list[Manifest]) -> str:
    """The samples as JSON text, in the order of the owned kinds: each has one, and none is of another kind."""
    provided = {
        (f"{each['name'].partition('.')[2]}/{each['version']}", each["kind"]): n for n, each in enumerate(owned)
    }
    shown = {(sample["apiVersion"], sample["kind"]) for sample in facts.samples}
    for group_version, kind in shown - set(provided):
        raise InputError(
            f"a sample is a {kind} of {group_version}, which no CustomResourceDefinition serves",
            place="tool.balise.samples",
            way_out="correct its apiVersion or kind, or leave it out",
        )
    for group_version, kind in sorted(set(provided) - shown):
        raise InputError(
            f"no sample of {kind} in {group_version}",
            place="tool.balise.samples",
            way_out="write the smallest useful one: consoles offer it when somebody creates the first object",
        )
    samples = sorted(
        facts.samples, key=lambda each: (provided[each["apiVersion"], each["kind"]], each["metadata"]["name"])
    )
    return json.dumps(samples, indent=2, sort_keys=True, ensure_ascii=False)


def _install(facts: Facts) -> Manifest:
    deployment = facts.deployment
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    install: dict[str, Any] = {
        "deployments": [
            {
                "name": deployment["metadata"]["name"],
                "label": deployment["metadata"].get("labels", {}),
                "spec": deployment["spec"],
            }
        ]
    }
    for key, rules in (("clusterPermissions", facts.cluster_rules), ("permissions", facts.namespaced_rules)):
        if rules:
            install[key] = [{"serviceAccountName": account, "rules": list(rules)}]
    return install


def _related_images(configuration: Configuration, facts: Facts) -> list[Manifest]:
    """Every image a mirror must copy: the operator's, the declared ones, and those given to it as RELATED_IMAGE_*."""
    images = dict(configuration.related_images)
    pod = facts.deployment["spec"]["template"]["spec"]
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        for variable in container.get("env", ()):
            name = variable["name"]
            if name.startswith(_RELATED_IMAGE) and variable.get("value"):
                images.setdefault(name.removeprefix(_RELATED_IMAGE).lower().replace("_", "-"), variable["value"])
        if container["image"] != configuration.image and container["image"] not in images.values():
            raise InputError(
                f"container {container['name']!r} runs {container['image']}, which is not declared",
                place="tool.balise.related-images",
                way_out="declare it there, or make it tool.balise.image: a mirror copies only declared images",
            )
    named = {configuration.package: configuration.image} | images
    return [{"name": name, "image": image} for name, image in sorted(named.items())]
