"""Suite ``goodpractices``: what the ecosystem recommends.

The rules are those of operator-framework/api, validation/internal/good_practices.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from balise.checks.registry import Options, Violation, check
from balise.model.semver import InvalidVersionError, Version

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__: list[str] = []

_SUITE: Final = "goodpractices"
_TYPE: Final = "ValidationFailed"
_STRATEGY: Final = ("spec", "install", "spec")


@check(
    "BAL1901",
    suites=_SUITE,
    type=_TYPE,
    hint="describe the operator's Deployment under spec.install.spec.deployments",
    reference="good_practices.go: validateResourceRequests",
    example="""
        spec:
          install:
            strategy: deployment
            spec: {}
        # instead
        spec:
          install:
            strategy: deployment
            spec:
              deployments:
                - name: example
                  spec: {}
        """,
)
def deployments(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """There is no deployment to install.

    An operator is the Deployments that its ClusterServiceVersion describes; without any there is nothing to run.
    """
    if bundle.csv.deployments is None:
        message = "the ClusterServiceVersion describes no deployments"
        yield Violation(message, bundle.csv.document, (*_STRATEGY, "deployments"))


@check(
    "BAL1902",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="set resources.requests for cpu and memory",
    reference="good_practices.go: validateResourceRequests",
    example="""
        containers:
          - name: manager
        # instead
        containers:
          - name: manager
            resources:
              requests: {cpu: 10m, memory: 64Mi}
        """,
)
def resource_requests(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A container requests no resources.

    Without requests the scheduler cannot plan, a quota may refuse the pod, and it is the first to be evicted.
    """
    for index, deployment in enumerate(bundle.csv.deployments or ()):
        pod = deployment.get("spec", {}).get("template", {}).get("spec", {})
        for position, container in enumerate(pod.get("containers") or ()):
            if (container.get("resources") or {}).get("requests") is None:
                path = (*_STRATEGY, "deployments", index, "spec", "template", "spec", "containers", position)
                message = f"the container {container.get('name', '')!r} requests no resources"
                # Without resources, their place is the container's, of which the name is what a person knows.
                place = (*path, "resources", "requests") if container.get("resources") else (*path, "name")
                yield Violation(message, bundle.csv.document, place)


@check(
    "BAL1903",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="describe in a sentence what the kind is for",
    reference="good_practices.go: validateCrdDescriptions",
    example="""
        owned:
          - {name: examples.example.com, kind: Example, version: v1}
        # instead
        owned:
          - {name: examples.example.com, kind: Example, version: v1, description: An example application}
        """,
)
def crd_descriptions(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An owned or required CRD has no description.

    The description is what a catalog shows about the kind.
    """
    for relation in ("owned", "required"):
        for index, crd in enumerate(bundle.csv.crds(relation)):
            if not crd.description:
                path = ("spec", "customresourcedefinitions", relation, index, "description")
                yield Violation(f"the {relation} CRD {crd.name!r} has no description", bundle.csv.document, path)


_CHANNEL_PREFIXES: Final = ("candidate", "fast", "stable")
_CHANNELS: Final = "operators.operatorframework.io.bundle.channels.v1"
_DEFAULT_CHANNEL: Final = "operators.operatorframework.io.bundle.channel.default.v1"


@check(
    "BAL1904",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="begin channel names with candidate, fast or stable",
    reference="good_practices.go: validateHubChannels",
    example="""
        annotations:
          operators.operatorframework.io.bundle.channels.v1: alpha
        # instead
        annotations:
          operators.operatorframework.io.bundle.channels.v1: candidate-v1
        """,
)
def channel_names(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A channel's name does not say how mature it is.

    By convention the names begin with candidate, fast or stable, so that people know what they subscribe to.
    """
    annotations = bundle.annotations
    names = dict.fromkeys(name.strip() for name in (*annotations.channels, annotations.default_channel))
    odd = [name for name in names if name and not name.startswith(_CHANNEL_PREFIXES)]
    if odd:
        message = f"channels whose names begin with none of candidate, fast, stable: {', '.join(odd)}"
        listed = {name.strip() for name in annotations.channels}
        field = _CHANNELS if listed.intersection(odd) else _DEFAULT_CHANNEL
        yield Violation(message, annotations.document or bundle.csv.document, ("annotations", field))


@check(
    "BAL1905",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="ship CRDs in the bundle, and depend on other operators by olm.package or olm.gvk",
    reference="good_practices.go: validateRBACForCRDsWith",
    example="""
        rules:
          - {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [create]}
        # instead
        rules:
          - {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get, list, watch]}
        """,
)
def permission_for_crds(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The operator may create CRDs.

    CRDs come with bundles, so that OLM can check and upgrade them; an operator that makes its own, or another
    operator's, takes that away.
    """
    for field in ("permissions", "clusterPermissions"):
        for index, permission in enumerate(bundle.csv.permissions(field)):
            for position, rule in enumerate(permission.rules):
                if (
                    "apiextensions.k8s.io" in (rule.get("apiGroups") or ())
                    and not {"customresourcedefinitions", "*", "[*]"}.isdisjoint(rule.get("resources") or ())
                    and not {"create", "patch", "*", "[*]"}.isdisjoint(rule.get("verbs") or ())
                ):
                    path = (*_STRATEGY, field, index, "rules", position)
                    yield Violation("the operator has the permission to create CRDs", bundle.csv.document, path)
                    return


_VERSION_AT_END: Final = re.compile(
    r"([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+)?\Z"
)


@check(
    "BAL1906",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="end the name with the version: PACKAGE.vMAJOR.MINOR.PATCH",
    reference="good_practices.go: checkBundleName",
    example="""
        metadata:
          name: example.v1
        # instead
        metadata:
          name: example.v1.0.0
        """,
)
def name_ends_with_version(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The name does not end with a semantic version.

    People read the version off the name; by convention it is there in full.
    """
    found = _VERSION_AT_END.search(bundle.csv.name)
    try:
        if found:
            Version.parse(found[0])
            return
    except InvalidVersionError:
        pass
    message = f"the name {bundle.csv.name!r} does not end with MAJOR.MINOR.PATCH"
    yield Violation(message, bundle.csv.document, ("metadata", "name"))


@check(
    "BAL1907",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="name it PACKAGE.vVERSION",
    reference="good_practices.go: checkBundleName",
    example="""
        metadata:
          name: example-1.0.0
        # instead
        metadata:
          name: example.v1.0.0
        """,
)
def name_of_package_and_version(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The name is not made of a package and a version.

    By convention ``.v`` stands between the package's name and the version, once.
    """
    if bundle.csv.name.count(".v") != 1:
        message = f"the name {bundle.csv.name!r} does not have the form PACKAGE.vVERSION"
        yield Violation(message, bundle.csv.document, ("metadata", "name"))
