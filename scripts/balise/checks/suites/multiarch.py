"""Suite ``multiarch``: which platforms an operator says that it runs on, and whether its manifests agree.

The reference (operator-framework/api, validation/internal/multiarch.go) pulls every image to see. Here nothing is
pulled: labels, node affinity and annotations are held against each other, and against image indexes given as files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from balise.checks.registry import Options, Violation, check
from balise.model.documents import parse_json
from balise.model.image_index import Platform

if TYPE_CHECKING:
    from balise.model.bundle import Bundle
    from balise.model.csv import ClusterServiceVersion
    from balise.model.documents import FieldPath

__all__: list[str] = []

_SUITE: Final = "multiarch"
_TYPE: Final = "ValidationFailed"
_REFERENCE: Final = "multiarch.go"
_ARCH: Final = "operatorframework.io/arch."
_OS: Final = "operatorframework.io/os."
_LABELS: Final = ("metadata", "labels")

# Go's own lists: go/build, syslist.go.
_ARCHITECTURES: Final = frozenset(
    (
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
        "riscv64", "s390x", "wasm",
    )
)  # fmt: skip
_SYSTEMS: Final = frozenset(
    (
        "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd",
        "plan9", "solaris", "wasip1", "windows",
    )
)  # fmt: skip


def _labelled(csv: ClusterServiceVersion, prefix: str) -> dict[str, str]:
    """What the labels with a prefix declare as supported, each with its label."""
    labels: Mapping[str, str] = csv.metadata.get("labels") or {}
    return {key[len(prefix) :]: key for key, value in labels.items() if key.startswith(prefix) and value == "supported"}


@check(
    "BAL3101",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint='write "operatorframework.io/arch.GOARCH: supported" and "operatorframework.io/os.GOOS: supported"',
    reference="OLM, multiarch labels: only the value supported counts, names are Go's",
    example="""
        metadata:
          labels:
            operatorframework.io/arch.x86_64: "true"
        # instead
        metadata:
          labels:
            operatorframework.io/arch.amd64: supported
        """,
)
def labels(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A platform label has no effect.

    OperatorHub on a cluster shows only operators whose labels match the cluster's nodes. A label whose value is not
    ``supported``, or whose name is not one of Go's architectures and operating systems, matches none.
    """
    found: Mapping[str, str] = bundle.csv.metadata.get("labels") or {}
    for key, value in found.items():
        for prefix, known, what in ((_ARCH, _ARCHITECTURES, "architecture"), (_OS, _SYSTEMS, "operating system")):
            if not key.startswith(prefix):
                continue
            path = (*_LABELS, key)
            if value != "supported":
                yield Violation(f"the label {key} is {value!r} instead of 'supported'", bundle.csv.document, path)
            if key[len(prefix) :] not in known:
                message = f"{key[len(prefix) :]!r} is no {what} that Go knows"
                hint = f"use one of {', '.join(sorted(known))}"
                yield Violation(message, bundle.csv.document, path, key_itself=True, hint=hint)


_Requirement = tuple[Mapping[str, Any], "FieldPath"]


def _terms(spec: Mapping[str, Any]) -> Iterator[tuple[list[Mapping[str, Any]], FieldPath]]:
    """The alternatives of a pod's required node affinity, each with its requirements and the path to it."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    path: FieldPath = (
        "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms",
    )  # fmt: skip
    for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
        yield list(term.get("matchExpressions") or ()), (*path, index)


def _allows(requirements: list[Mapping[str, Any]], key: str, value: str) -> bool:
    for each in requirements:
        if each.get("key") != key:
            continue
        values = each.get("values") or ()
        match each.get("operator"):
            case "In":
                allowed = value in values
            case "NotIn":
                allowed = value not in values
            case operator:
                allowed = operator == "Exists"
        if not allowed:
            return False
    return True


def _runs_on(spec: Mapping[str, Any], key: str, value: str) -> tuple[bool, FieldPath]:
    """Whether a pod can be put on nodes with that label, and the place that says so."""
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    if key in selector and selector[key] != value:
        return False, ("nodeSelector", key)
    terms = list(_terms(spec))
    if terms and not any(_allows(requirements, key, value) for requirements, _ in terms):
        return False, terms[0][1][:-1]
    return True, ()


def _pods(csv: ClusterServiceVersion) -> Iterator[tuple[str, Mapping[str, Any], FieldPath]]:
    """Each deployment's name, pod specification and the path to that."""
    for index, deployment in enumerate(csv.deployments or ()):
        spec = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
        path = ("spec", "install", "spec", "deployments", index, "spec", "template", "spec")
        yield str(deployment.get("name", "")), spec, path


@check(
    "BAL3102",
    suites=_SUITE,
    type=_TYPE,
    hint="let the node affinity name every platform that the labels declare, or remove the label",
    reference="ours: a label promises what the scheduler then refuses",
    example="""
        metadata:
          labels:
            operatorframework.io/arch.arm64: supported
        spec:
          install:
            spec:
              deployments:
                - name: example
                  spec:
                    template:
                      spec:
                        nodeSelector:
                          kubernetes.io/arch: amd64
        # instead
        metadata:
          labels:
            operatorframework.io/arch.amd64: supported
        """,
)
def unreachable_platform(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A deployment cannot run on a platform that is declared as supported.

    Its node selector or required node affinity excludes every node of the platform. The operator is then offered on
    such a cluster, installed, and stays pending.
    """
    for prefix, key in ((_ARCH, "kubernetes.io/arch"), (_OS, "kubernetes.io/os")):
        for value, label in _labelled(bundle.csv, prefix).items():
            for name, spec, path in _pods(bundle.csv):
                possible, where = _runs_on(spec, key, value)
                if not possible:
                    message = f"the label {label} declares {value} as supported; deployment {name!r} cannot run there"
                    yield Violation(message, bundle.csv.document, (*path, *where))


def _restricts(spec: Mapping[str, Any]) -> bool:
    keys = {str(each.get("key")) for requirements, _ in _terms(spec) for each in requirements}
    return "kubernetes.io/arch" in keys | set(spec.get("nodeSelector") or {})


@check(
    "BAL3103",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="add a required node affinity for kubernetes.io/arch with the architectures that the labels declare",
    reference="OLM, multiarch: labels decide who is offered the operator, node affinity where its pods run",
    example="""
        metadata:
          labels:
            operatorframework.io/arch.amd64: supported
        # instead, in addition, in each pod's specification
        affinity:
          nodeAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
              nodeSelectorTerms:
                - matchExpressions:
                    - {key: kubernetes.io/arch, operator: In, values: [amd64]}
        """,
)
def no_affinity(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The labels limit the architectures and a deployment does not.

    On a cluster with nodes of several architectures the pod may land on one that its image was not built for.
    """
    declared = _labelled(bundle.csv, _ARCH)
    for name, spec, path in _pods(bundle.csv) if declared else ():
        if not _restricts(spec):
            message = (
                f"deployment {name!r} may run on any architecture; the labels declare {', '.join(sorted(declared))}"
            )
            yield Violation(message, bundle.csv.document, path)


def _images(csv: ClusterServiceVersion) -> tuple[dict[str, FieldPath], dict[str, FieldPath]]:
    """The operator's own images and the others, by the reference's guess, each with its place."""
    own: dict[str, FieldPath] = {}
    others: dict[str, FieldPath] = {}
    for _, spec, path in _pods(csv):
        containers = list(enumerate(spec.get("containers") or ()))
        managers = [index for index, each in containers if each.get("name") == "manager"][:1]
        if not managers:
            managers = [index for index, each in containers if each.get("name") != "kube-rbac-proxy"]
        for index, each in containers:
            target = own if index in managers else others
            target.setdefault(each.get("image", ""), (*path, "containers", index, "image"))
    for index, each in enumerate(csv.spec.get("relatedImages") or ()):
        others.setdefault(each.get("image", ""), ("spec", "relatedImages", index, "image"))
    return own, {image: path for image, path in others.items() if image not in own}


def _declared(csv: ClusterServiceVersion) -> set[Platform]:
    """The platforms that the labels declare; what has no label is what OLM assumes."""
    systems = _labelled(csv, _OS) or {"linux": ""}
    architectures = _labelled(csv, _ARCH) or {"amd64": ""}
    return {Platform(system, architecture) for system in systems for architecture in architectures}


def _listed(platforms: Iterator[Platform] | set[Platform]) -> str:
    return ", ".join(sorted(map(str, platforms)))


@check(
    "BAL3104",
    suites=_SUITE,
    type=_TYPE,
    hint="publish the image for that platform too, or remove its label",
    reference=f"{_REFERENCE}: checkSupportDefined",
    example="""
        metadata:
          labels:
            operatorframework.io/arch.s390x: supported  # and the image's index has amd64 and arm64
        # instead
        metadata:
          labels:
            operatorframework.io/arch.amd64: supported
            operatorframework.io/arch.arm64: supported
        """,
)
def image_lacks_platform(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """The operator's image does not have a platform that is declared as supported.

    Only images whose index is given (``--image-index``) are looked at. The operator's image is that of the container
    called manager, or else of every container but kube-rbac-proxy. Without labels, OLM assumes linux/amd64.
    """
    own, _others = _images(bundle.csv)
    for image, path in own.items():
        if image in options.platforms and (lacking := _declared(bundle.csv) - options.platforms[image]):
            message = f"the image is not built for {_listed(lacking)}, but for {_listed(set(options.platforms[image]))}"
            yield Violation(message, bundle.csv.document, path)


@check(
    "BAL3105",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="add a label operatorframework.io/arch.GOARCH: supported for each",
    reference=f"{_REFERENCE}: checkMissingLabelsForArchs, checkMissingLabelsForSO",
    example="""
        metadata:
          labels:
            operatorframework.io/arch.amd64: supported  # and the image's index has arm64 as well
        # instead
        metadata:
          labels:
            operatorframework.io/arch.amd64: supported
            operatorframework.io/arch.arm64: supported
        """,
)
def undeclared_platform(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """The operator's image has a platform that is not declared.

    Clusters of that platform are not offered the operator, although it could run there. Only images whose index is
    given are looked at.
    """
    own, _others = _images(bundle.csv)
    for image in own:
        if more := options.platforms.get(image, frozenset()) - _declared(bundle.csv):
            message = f"the image {image} is built for {_listed(set(more))}, too, which no label declares"
            yield Violation(message, bundle.csv.document, _LABELS)


@check(
    "BAL3106",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="publish that image for the platform too, or make sure that it is not needed there",
    reference=f"{_REFERENCE}: checkMissingSupportForOtherImages",
    example="""
        spec:
          relatedImages:
            - {name: database, image: registry.example.com/database:1.0}  # whose index has no arm64
        # instead: an image whose index has every platform of the operator's
        spec:
          relatedImages:
            - {name: database, image: registry.example.com/database:1.1}
        """,
)
def other_image_lacks_platform(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """Another image of the bundle does not have all platforms of the operator's.

    What the operator starts would not run where the operator itself does. Only images whose index is given are looked
    at.
    """
    own, others = _images(bundle.csv)
    wanted = _declared(bundle.csv).union(*(options.platforms.get(image, frozenset()) for image in own))
    for image, path in others.items():
        if image in options.platforms and (lacking := wanted - options.platforms[image]):
            yield Violation(f"the image is not built for {_listed(lacking)}", bundle.csv.document, path)


_FEATURES: Final = "operators.openshift.io/infrastructure-features"


@check(
    "BAL3107",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="write a JSON list of texts, or use the features.operators.openshift.io/ annotations",
    reference="OpenShift, infrastructure annotations",
    example="""
        metadata:
          annotations:
            operators.openshift.io/infrastructure-features: disconnected
        # instead
        metadata:
          annotations:
            operators.openshift.io/infrastructure-features: '["disconnected"]'
        """,
)
def infrastructure_annotations(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An annotation about the infrastructure cannot be read.

    The older annotation holds a JSON list; each of the newer ones holds the text "true" or "false". Anything else is
    taken as if it were not there.
    """
    for key, value in bundle.csv.annotations.items():
        path = ("metadata", "annotations", key)
        if key == _FEATURES:
            try:
                found = parse_json(value)
            except ValueError:
                found = None
            if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
                yield Violation(f"{value!r} is no JSON list of texts", bundle.csv.document, path)
        elif key.startswith("features.operators.openshift.io/") and value not in ("true", "false"):
            hint = 'write "true" or "false", in quotes'
            yield Violation(f"{value!r} is neither 'true' nor 'false'", bundle.csv.document, path, hint=hint)
