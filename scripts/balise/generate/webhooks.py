"""Webhook definitions, held against the operator that is to answer them: OLM finds out only when it installs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from balise.generate.manifests import Manifest
from balise.model.errors import InputError

__all__ = ["MATCH_CONDITIONS_ANNOTATION", "checked_webhooks"]

MATCH_CONDITIONS_ANNOTATION: Final = "balise.timonier.dev/webhook-match-conditions"
"""On a ClusterServiceVersion: the `matchConditions` of admission webhooks, by `generateName`, as JSON."""

_TYPES: Final = ("ConversionWebhook", "MutatingAdmissionWebhook", "ValidatingAdmissionWebhook")
# Groups and kinds that OLM refuses to let a webhook intercept: it could lock everybody out, OLM included.
_GUARDED_GROUPS: Final = ("*", "operators.coreos.com", "olm.operatorframework.io")
_GUARDED_RESOURCES: Final = ("*", "mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def checked_webhooks(
    definitions: Sequence[Manifest],
    served: Sequence[str],
    deployment: Manifest,
    crds: Sequence[Manifest],
    install_modes: Sequence[str],
    *,
    place: str,
) -> tuple[Manifest, ...]:
    """The definitions, sorted by name. Raises :class:`InputError` where they and the operator's code disagree.

    That is: a path that is defined and not served, or served and not defined; a Deployment or port that is not there;
    and what OLM refuses when it installs: rules for what is guarded, and conversion of CRDs that are not owned or in a
    bundle that does not serve the whole cluster only.
    """
    for number, definition in enumerate(definitions, 1):
        _check_form(definition, f"{place}, definition {number}")
        _check_target(definition, deployment, f"{place}, {definition['generateName']}")
        _check_rules(definition, f"{place}, {definition['generateName']}")
    _check_paths(definitions, served, place)
    _check_conversion(definitions, crds, install_modes, place)
    return tuple(sorted(definitions, key=lambda definition: (definition["generateName"], definition["type"])))


def _check_form(definition: Manifest, place: str) -> None:
    match definition:
        case {"type": kind, "generateName": str(), "deploymentName": str(), "webhookPath": str(path)} if (
            kind in _TYPES and path.startswith("/")
        ):
            _check_conditions(definition, place)
            return
    raise InputError(
        "expected type, generateName, deploymentName and a webhookPath that begins with '/'",
        place=place,
        way_out=f"type is one of {', '.join(_TYPES)}",
    )


def _check_conditions(definition: Manifest, place: str) -> None:
    conditions = definition.get("matchConditions", [])
    for condition in conditions if isinstance(conditions, list) else [None]:
        match condition:
            case {"name": str(), "expression": str(), **rest} if not rest and definition["type"] != _TYPES[0]:
                continue
        raise InputError(
            "expected matchConditions with a name and an expression each, on admission webhooks alone", place=place
        )


def _check_target(definition: Manifest, deployment: Manifest, place: str) -> None:
    name = deployment["metadata"]["name"]
    if definition["deploymentName"] != name:
        raise InputError(f"is served by {definition['deploymentName']!r}; the Deployment is {name!r}", place=place)
    if "." in name:
        # OLM calls the Service by the Deployment's name, and dials that name with every dot replaced.
        raise InputError(f"the Deployment {name} has a dot in its name: OLM would dial another name", place=place)
    port = definition.get("targetPort", definition.get("containerPort", 443))
    containers = deployment["spec"]["template"]["spec"]["containers"]
    ports = [each for container in containers for each in container.get("ports", ())]
    if port not in {value for each in ports for value in (each["containerPort"], each.get("name"))}:
        raise InputError(f"targetPort {port} is no port of the Deployment's containers", place=place)


def _check_rules(definition: Manifest, place: str) -> None:
    for rule in definition.get("rules", ()):
        groups, resources = rule.get("apiGroups", ()), rule.get("resources", ())
        guarded = [group for group in groups if group in _GUARDED_GROUPS]
        if "admissionregistration.k8s.io" in groups:
            guarded += [resource for resource in resources if resource.lower() in _GUARDED_RESOURCES]
        if guarded:
            raise InputError(f"has a rule for {guarded[0]}, which OLM refuses", place=place)


def _check_paths(definitions: Sequence[Manifest], served: Sequence[str], place: str) -> None:
    defined = {definition["webhookPath"] for definition in definitions}
    _must_be_empty(defined - set(served), "is defined as a webhook, and the operator does not serve it", place)
    _must_be_empty(set(served) - defined, "is served by the operator, and no definition leads there", place)


def _check_conversion(
    definitions: Sequence[Manifest], crds: Sequence[Manifest], install_modes: Sequence[str], place: str
) -> None:
    converted = [name for each in definitions for name in each.get("conversionCRDs", ())]
    wanted = {
        crd["metadata"]["name"] for crd in crds if (crd["spec"].get("conversion") or {}).get("strategy") == "Webhook"
    }
    twice = {name for name in converted if converted.count(name) > 1}
    _must_be_empty(twice, "is converted by two webhooks", place)
    _must_be_empty(set(converted) - wanted, "is to be converted, and no CRD of the bundle asks for that", place)
    _must_be_empty(wanted - set(converted), "asks for conversion by webhook, and no definition names it", place)
    if converted and list(install_modes) != ["AllNamespaces"]:
        raise InputError(
            f"converts {converted[0]}, which OLM allows with AllNamespaces as the only install mode",
            place="tool.balise.install-modes",
            way_out='write install-modes = ["AllNamespaces"]',
        )


def _must_be_empty(names: Iterable[str], problem: str, place: str) -> None:
    for name in sorted(names):
        raise InputError(f"{name} {problem}", place=place)
