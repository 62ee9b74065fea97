"""Suite ``bundle``: whether the parts of a bundle fit together.

The rules are those of operator-framework/api, validation/internal/bundle.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from balise.checks.registry import Options, Violation, check
from balise.model.csv import GVK
from balise.model.image_reference import InvalidImageError, check_image

if TYPE_CHECKING:
    from balise.model.bundle import Bundle, CustomResourceDefinition
    from balise.model.documents import FieldPath

__all__: list[str] = []

_SUITE: Final = "bundle"
_OWNED: Final = ("spec", "customresourcedefinitions", "owned")


def _defined(bundle: Bundle) -> Iterator[tuple[GVK, CustomResourceDefinition, FieldPath]]:
    """What the bundle's CRDs define, and where each says so."""
    for crd in bundle.crds:
        for index, kind in enumerate(crd.gvks):
            yield kind, crd, ("spec", "versions", index, "name") if crd.spec.get("versions") else ("spec", "version")


def _owned(bundle: Bundle) -> Iterator[tuple[GVK, FieldPath]]:
    for index, owned in enumerate(bundle.csv.crds("owned")):
        yield GVK(owned.crd_group, owned.version, owned.kind), (*_OWNED, index)


@check(
    "BAL1301",
    suites=_SUITE,
    type="BundleNotValid",
    hint="keep one of the two definitions, the one of apiextensions.k8s.io/v1",
    reference="bundle.go: validateOwnedCRDs",
    example="""
        # a.yaml and b.yaml
        kind: CustomResourceDefinition
        metadata: {name: examples.example.com}
        # instead: one of them
        kind: CustomResourceDefinition
        metadata: {name: examples.example.com}
        """,
)
def defined_twice(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The same group, version and kind is defined twice.

    Two CRDs of the bundle, in v1 or v1beta1, define the same version of the same kind: the later one would overwrite
    the other in the cluster.
    """
    seen = set()
    for kind, crd, path in _defined(bundle):
        if kind in seen:
            yield Violation(f"{kind} is defined by two CRDs of the bundle", crd.document, path)
        seen.add(kind)


@check(
    "BAL1302",
    suites=_SUITE,
    type="BundleNotValid",
    hint="add the CRD to the bundle, or correct name, version and kind of the entry",
    reference="bundle.go: validateOwnedCRDs",
    example="""
        # the bundle's only CRD defines example.com/v1
        customresourcedefinitions:
          owned:
            - {name: examples.example.com, kind: Example, version: v1beta1}
        # instead
        customresourcedefinitions:
          owned:
            - {name: examples.example.com, kind: Example, version: v1}
        """,
)
def owned_not_defined(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An owned CRD is not in the bundle.

    Each entry of spec.customresourcedefinitions.owned must be defined by a CRD of the bundle with the same group (what
    follows the first dot of the name), version and kind, and be there once.
    """
    defined = {kind for kind, _crd, _path in _defined(bundle)}
    left = set(defined)
    for kind, path in _owned(bundle):
        if kind not in left:
            message, field = _why_not_defined(kind, defined)
            yield Violation(message, bundle.csv.document, (*path, field))
        left.discard(kind)


def _why_not_defined(kind: GVK, defined: set[GVK]) -> tuple[str, str]:
    """What is wrong with an owned kind, and which field of its entry is the likeliest to be."""
    if kind in defined:
        return f"the owned {kind} is the same as that of an earlier entry", "kind"
    message = f"no CRD of the bundle defines the owned {kind}"
    if versions := sorted(each.version for each in defined if (each.group, each.kind) == (kind.group, kind.kind)):
        return f"{message}: of {kind.kind} it defines {', '.join(versions)}", "version"
    return message, "name"


@check(
    "BAL1303",
    suites=_SUITE,
    type="BundleNotValid",
    hint="list it under spec.customresourcedefinitions.owned, or take the CRD out of the bundle",
    reference="bundle.go: validateOwnedCRDs",
    example="""
        # the bundle has a CRD for example.com/v1, Kind=Example
        customresourcedefinitions:
          owned: []
        # instead
        customresourcedefinitions:
          owned:
            - {name: examples.example.com, kind: Example, version: v1}
        """,
)
def defined_not_owned(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A CRD of the bundle is not owned.

    Every kind that the bundle's CRDs define must be owned in at least one version by the ClusterServiceVersion; OLM
    refuses to install CRDs that nobody answers for.
    """
    places = {kind: (crd, path) for kind, crd, path in reversed(list(_defined(bundle)))}
    owned = {kind for kind, _ in _owned(bundle)} & places.keys()
    kinds = {(kind.group, kind.kind) for kind in owned}
    for kind in sorted(places.keys() - owned):
        if (kind.group, kind.kind) not in kinds:
            crd, path = places[kind]
            yield Violation(f"the ClusterServiceVersion does not own {kind}, which a CRD defines", crd.document, path)


@check(
    "BAL1304",
    suites=_SUITE,
    type="BundleNotValid",
    hint="delete the ServiceAccount manifest: OLM creates the account from the ClusterServiceVersion",
    reference="bundle.go: validateServiceAccounts",
    example="""
        kind: ServiceAccount
        metadata: {name: example-controller}  # the deployment's serviceAccountName
        # instead: no such file
        """,
)
def service_account_twice(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A ServiceAccount manifest has the name of the operator's own account.

    OLM creates the account that a deployment of the ClusterServiceVersion names; a manifest of the same name makes two
    owners fight for it.
    """
    names = {
        deployment.get("spec", {}).get("template", {}).get("spec", {}).get("serviceAccountName", "")
        for deployment in bundle.csv.deployments or ()
    }
    for each in bundle.objects:
        account = each.converted("ServiceAccount") if each.gvk == GVK("", "v1", "ServiceAccount") else None
        if account is not None:
            name = account.get("metadata", {}).get("name", "")
            if name in names:
                message = f"the ServiceAccount {name!r} is the account of a deployment, which OLM creates by itself"
                yield Violation(message, each.document, ("metadata", "name"))


_LIMIT: Final = 2**20
_NEAR_LIMIT: Final = 0.85 * _LIMIT


@check(
    "BAL1305",
    suites=_SUITE,
    type="BundleNotValid",
    hint="shorten descriptions in CRD schemas, shrink icons, and leave out what is not needed at run time",
    reference="bundle.go: validateBundleSize",
    example="""
        # 6 MB of CRDs, 1.2 MB when compressed
        # instead
        # CRDs without descriptions (controller-gen crd:maxDescLen=0), 0.3 MB when compressed
        """,
)
def size(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The bundle is too large.

    OLM keeps a bundle in one ConfigMap, compressed; an API object has at most 1 MiB. From 85% of that on it is a
    warning.
    """
    compressed = bundle.compressed_size
    if compressed > _LIMIT:
        message = f"compressed, the bundle has {compressed} bytes, more than the {_LIMIT} of an API object"
        yield Violation(message, bundle.csv.document)
    elif compressed > _NEAR_LIMIT:
        message = f"compressed, the bundle has {compressed} bytes, close to the {_LIMIT} of an API object"
        yield Violation(message, bundle.csv.document, level="warning")


@check(
    "BAL1306",
    suites=_SUITE,
    type="BundleNotValid",
    hint="name it PACKAGE-vVERSION-RELEASE",
    reference="bundle.go: validateBundleName",
    example="""
        metadata:
          name: example.v1.0.0
        spec:
          version: 1.0.0
          release: "2"
        # instead
        metadata:
          name: example-v1.0.0-2
        spec:
          version: 1.0.0
          release: "2"
        """,
)
def release_name(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The name does not say the release.

    With spec.release set, the ClusterServiceVersion's name must be made of the package's name, the version and the
    release, so that two releases of one version have different names.
    """
    csv = bundle.csv
    if csv.release:
        release = ".".join(map(str, csv.release))
        wanted = f"{bundle.annotations.package}-v{csv.version}-{release}"
        if bundle.name != wanted:
            message = f"with release {release} the name must be {wanted!r}, not {bundle.name!r}"
            yield Violation(message, csv.document, ("metadata", "name"))


@check(
    "BAL1307",
    suites=_SUITE,
    type="BundleNotValid",
    hint="write HOST/PATH:TAG or HOST/PATH@sha256:DIGEST",
    reference="bundle.go: validateRelatedImages",
    example="""
        relatedImages:
          - {name: database, image: "Registry.example.com/DB"}
        # instead
        relatedImages:
          - {name: database, image: "registry.example.com/db:1.0"}
        """,
)
def related_images(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A related image is no image reference.

    Each entry of spec.relatedImages names an image that mirrors must copy; one without a readable reference cannot be.
    """
    for index, related in enumerate(bundle.csv.spec.get("relatedImages") or ()):
        image = related.get("image", "")
        path = ("spec", "relatedImages", index, "image")
        if not image:
            yield Violation(f"related image {index} names no image", bundle.csv.document, path)
            continue
        try:
            check_image(image)
        except InvalidImageError as error:
            yield Violation(f"related image {image!r} is no image reference: {error}", bundle.csv.document, path)
