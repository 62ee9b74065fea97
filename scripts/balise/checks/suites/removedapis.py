"""Suite ``removedapis``: APIs that Kubernetes 1.22, 1.25 and 1.26 no longer have.

The rules are those of operator-framework/api, validation/internal/removed_apis.go; the removals themselves are in
Kubernetes' deprecation guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from balise.checks.registry import Options, Violation, check
from balise.model.csv import GVK, api_group_version
from balise.model.documents import FieldPath, render_path
from balise.model.go_types import convert_partially
from balise.model.semver import InvalidVersionError, Version

if TYPE_CHECKING:
    from balise.model.bundle import Bundle
    from balise.model.documents import Document

__all__ = ["REMOVED"]

_SUITES: Final = "removedapis operatorhubv2"
_TYPE: Final = "ValidationFailed"

REMOVED: Final = {
    "1.22": frozenset(
        GVK(group, "v1beta1", kind)
        for group, kinds in {
            "admissionregistration.k8s.io": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
            "apiregistration.k8s.io": "APIService",
            "authentication.k8s.io": "TokenReview",
            "authorization.k8s.io": "LocalSubjectAccessReview SelfSubjectAccessReview SubjectAccessReview",
            "certificates.k8s.io": "CertificateSigningRequest",
            "coordination.k8s.io": "Lease",
            "extensions": "Ingress",
            "networking.k8s.io": "Ingress IngressClass",
            "rbac.authorization.k8s.io": "Role RoleBinding ClusterRole ClusterRoleBinding",
            "scheduling.k8s.io": "PriorityClass",
            "storage.k8s.io": "CSIDriver CSINode StorageClass VolumeAttachment",
        }.items()
        for kind in kinds.split()
    ),
    "1.25": frozenset(
        (
            GVK("autoscaling", "v2beta1", "HorizontalPodAutoscaler"),
            GVK("batch", "v1beta1", "CronJob"),
            GVK("discovery.k8s.io", "v1beta1", "EndpointSlice"),
            GVK("events.k8s.io", "v1beta1", "Event"),
            GVK("node.k8s.io", "v1beta1", "RuntimeClass"),
            GVK("policy", "v1beta1", "PodDisruptionBudget"),
            GVK("policy", "v1beta1", "PodSecurityPolicy"),
        )
    ),
    "1.26": frozenset((GVK("autoscaling", "v2beta2", "HorizontalPodAutoscaler"),)),
}
"""What each version of Kubernetes no longer serves; 1.22 also dropped apiextensions.k8s.io/v1beta1."""


class _Use(NamedTuple):
    """One use of a removed API."""

    kind: str
    name: str
    document: Document
    path: FieldPath


def _objects(bundle: Bundle, removed: frozenset[GVK]) -> Iterator[_Use]:
    for each in bundle.objects:
        if each.gvk in removed:
            yield _Use(each.kind, each.name, each.document, ("apiVersion",))


def _v1beta1_crds(bundle: Bundle) -> Iterator[_Use]:
    for crd in bundle.crds:
        if crd.api == "v1beta1":
            yield _Use("CRD", crd.name, crd.document, ("apiVersion",))


_KIND_OF_CSV: Final = ("operators.coreos.com/v1alpha1", "ClusterServiceVersion")


class _Resource(NamedTuple):
    """An entry of ``resources`` under an owned or required CRD."""

    kind: GVK
    name: str
    path: FieldPath


def _resources(spec: Mapping[str, Any]) -> Iterator[_Resource]:
    for relation in ("owned", "required"):
        for index, description in enumerate((spec.get("customresourcedefinitions") or {}).get(relation) or ()):
            for position, resource in enumerate(description.get("resources") or ()):
                group_version = api_group_version(resource.get("version", "")) or ("", "")
                kind = GVK(*group_version, resource.get("kind", ""))
                path: FieldPath = ("spec", "customresourcedefinitions", relation, index, "resources", position)
                yield _Resource(kind, render_path(path), path)


def _converted_spec(bundle: Bundle) -> Mapping[str, Any]:
    """The CSV's spec as far as the reference sets it, which here stops at the first value of another type."""
    for each in bundle.objects:
        if (each.api_version, each.kind) == _KIND_OF_CSV:
            fields, _stopped_by = convert_partially(each.data, "ClusterServiceVersion")
            spec: Mapping[str, Any] = (fields or {}).get("spec") or {}
            return spec
    return {}


def _removed_resources(bundle: Bundle, removed: frozenset[GVK]) -> Iterator[_Use]:
    # What is not in the decoded spec is not in the converted one either, which takes longer to make.
    if any(each.kind in removed for each in _resources(bundle.csv.spec)):
        for each in _resources(_converted_spec(bundle)):
            if each.kind in removed:
                yield _Use(each.kind.kind, each.name, bundle.csv.document, each.path)


def _uses(bundle: Bundle, version: str) -> Iterator[_Use]:
    removed = REMOVED[version]
    if version == "1.22":
        yield from _v1beta1_crds(bundle)
    yield from _objects(bundle, removed)
    if version == "1.25":
        yield from _removed_resources(bundle, removed)


def _tolerant(text: str) -> Version | None:
    try:
        return Version.parse_tolerant(text)
    except InvalidVersionError:
        return None


def _removed(bundle: Bundle, options: Options, version: str) -> Iterator[Violation]:
    uses = list(_uses(bundle, version))
    if not uses:
        return
    meant_for = [text for text in (options.kube_version, bundle.csv.min_kube_version) if text]
    limit = Version.parse(f"{version}.0")
    past = any(limit <= (_tolerant(text) or Version()) for text in meant_for)
    names: dict[str, list[str]] = {}
    for use in uses:
        names.setdefault(use.kind, []).append(use.name)
    listed = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in sorted(names.items()))
    message = f"Kubernetes {version} no longer has the API of {listed}"
    yield Violation(message, uses[0].document, uses[0].path, level="error" if past else "warning")


@check(
    "BAL1801",
    suites=_SUITES,
    level="warning",
    type=_TYPE,
    hint="write it for the API that replaced it, which is v1 in most cases",
    reference="removed_apis.go: getRemovedAPIsOn1_22From",
    example="""
        apiVersion: rbac.authorization.k8s.io/v1beta1
        kind: ClusterRole
        # instead
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        """,
)
def removed_in_1_22(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """A manifest is of an API that Kubernetes 1.22 removed.

    It cannot be created in any supported cluster. An error when --kube-version or spec.minKubeVersion is 1.22 or later.
    """
    yield from _removed(bundle, options, "1.22")


@check(
    "BAL1802",
    suites=_SUITES,
    level="warning",
    type=_TYPE,
    hint="write it for the API that replaced it, such as policy/v1 or batch/v1",
    reference="removed_apis.go: getRemovedAPIsOn1_25From",
    example="""
        apiVersion: policy/v1beta1
        kind: PodDisruptionBudget
        # instead
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        """,
)
def removed_in_1_25(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """A manifest, or a resource listed under a CRD, is of an API that Kubernetes 1.25 removed.

    An error when --kube-version or spec.minKubeVersion is 1.25 or later.
    """
    yield from _removed(bundle, options, "1.25")


@check(
    "BAL1803",
    suites=_SUITES,
    level="warning",
    type=_TYPE,
    hint="write it for autoscaling/v2",
    reference="removed_apis.go: getRemovedAPIsOn1_26From",
    example="""
        apiVersion: autoscaling/v2beta2
        kind: HorizontalPodAutoscaler
        # instead
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        """,
)
def removed_in_1_26(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """A manifest is of an API that Kubernetes 1.26 removed.

    An error when --kube-version or spec.minKubeVersion is 1.26 or later.
    """
    yield from _removed(bundle, options, "1.26")


@check(
    "BAL1804",
    suites=_SUITES,
    level="warning",
    type=_TYPE,
    hint="drop the rule; use Pod Security Admission instead of PodSecurityPolicies",
    reference="removed_apis.go: getRemovedAPIsOn1_25From",
    example="""
        clusterPermissions:
          - serviceAccountName: example
            rules:
              - {apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use]}
        # instead
        clusterPermissions:
          - serviceAccountName: example
            rules: []
        """,
)
def permission_for_removed(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A permission is for PodSecurityPolicies, which Kubernetes 1.25 removed.

    The rule grants nothing any more; the operator may still believe that it does.
    """
    if not list(_dead_rules(bundle.csv.spec)):
        return
    spec = _converted_spec(bundle)
    places = list(_dead_rules(spec))
    listed = {f"{each.kind.kind.lower()}s" for each in _resources(spec)}
    if places and "podsecuritypolicies" not in listed:
        where = ", ".join(render_path(place) for place in places)
        message = f"Kubernetes 1.25 no longer has podsecuritypolicies, for which there are permissions: {where}"
        yield Violation(message, bundle.csv.document, places[0])


def _dead_rules(spec: Mapping[str, Any]) -> Iterator[FieldPath]:
    strategy = (spec.get("install") or {}).get("spec") or {}
    for field in ("clusterPermissions", "permissions"):
        for index, permission in enumerate(strategy.get(field) or ()):
            for position, rule in enumerate(permission.get("rules") or ()):
                if "policy" in (rule.get("apiGroups") or ()) and "podsecuritypolicies" in (rule.get("resources") or ()):
                    yield ("spec", "install", "spec", field, index, "rules", position)


@check(
    "BAL1805",
    suites=_SUITES,
    type=_TYPE,
    hint="write a version such as 1.25",
    reference="removed_apis.go: validateDeprecatedAPIS",
    example="""
        balise check --kube-version one-twenty-five
        # instead
        balise check --kube-version 1.25
        """,
)
def kube_version_option(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """The Kubernetes version that was given cannot be read.

    Numbers without a patch, and a leading v, are fine.
    """
    if options.kube_version and _tolerant(options.kube_version) is None:
        yield Violation(f"{options.kube_version!r} is no Kubernetes version", bundle.csv.document)


@check(
    "BAL1806",
    suites=_SUITES,
    type=_TYPE,
    hint="write three numbers such as 1.28.0",
    reference="removed_apis.go: validateDeprecatedAPIS",
    example="""
        spec:
          minKubeVersion: latest
        # instead
        spec:
          minKubeVersion: 1.28.0
        """,
)
def minimum_version_unreadable(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """``spec.minKubeVersion`` cannot be read even tolerantly.

    Whether the removed APIs matter cannot be told without it.
    """
    text = bundle.csv.min_kube_version
    if text and _tolerant(text) is None:
        yield Violation(f"minKubeVersion {text!r} is no version", bundle.csv.document, ("spec", "minKubeVersion"))
