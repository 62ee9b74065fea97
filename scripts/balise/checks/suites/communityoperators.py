"""Suite ``communityoperators``: the static checks of the community-operators repositories (operator-pipelines).

Those that look at a bundle alone are here; those that look at all bundles of an operator and its ci.yaml are declared
here and done by :mod:`balise.checks.operators`. Nothing is asked of the network: which Kubernetes a platform has is
computed.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable, Iterator
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

from balise.checks.registry import Check, Options, Violation, check, declare
from balise.checks.suites.standardcapabilities import CAPABILITY_LEVELS
from balise.checks.suites.standardcategories import STANDARD_CATEGORIES
from balise.model.documents import Document, FieldPath
from balise.model.platform_versions import PLATFORM_ANNOTATION, InvalidPlatformError, PlatformRange
from balise.model.semver import InvalidVersionError, Version
from balise.model.yaml_text import SyntaxProblem, load

if TYPE_CHECKING:
    from balise.checks.findings import Level
    from balise.model.bundle import Bundle

__all__ = ["COMMUNITY_SUITE", "CONFIGURATION", "DANGLING", "LOOP", "NAMES", "PLATFORMS", "platform_selector"]

COMMUNITY_SUITE: Final = "communityoperators"
_TYPE: Final = "StaticTest"
_REFERENCE: Final = "operator-pipelines, static_tests/community/bundle.py"
_COMMON: Final = "operator-pipelines, static_tests/common/bundle.py"


def _matches(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda value: bool(compiled.match(str(value)))


def _is_time(value: Any) -> bool:
    try:
        dt.datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _is_version(value: Any) -> bool:
    try:
        Version.parse(str(value))
    except InvalidVersionError:
        return False
    return True


def _entries(*names: str) -> Callable[[Any], bool]:
    """Whether the value is a list of mappings, at least one, each with a text under these names."""
    return lambda value: (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and all(isinstance(each.get(name), str) for name in names) for each in value)
    )


_ICON_TYPES: Final = frozenset(("image/png", "image/jpeg", "image/gif", "image/svg+xml"))


def _is_icon(value: Any) -> bool:
    if not _entries("base64data", "mediatype")(value):
        return False
    try:
        return all(
            each["mediatype"] in _ICON_TYPES and base64.b64decode(each["base64data"], validate=True) for each in value
        )
    except (binascii.Error, ValueError):
        return False


def _annotation(name: str) -> FieldPath:
    return ("metadata", "annotations", name)


# Where the field is, what it must be, in words and as a test, and how much its absence weighs.
_FIELDS: Final[tuple[tuple[FieldPath, str, Callable[[Any], bool], Level], ...]] = (
    (_annotation("capabilities"), "one of the five capability levels", lambda v: v in CAPABILITY_LEVELS, "error"),
    (
        _annotation("categories"),
        "standard categories with commas between them",
        lambda value: all(
            each.strip() in STANDARD_CATEGORIES | {"Drivers and plugins"} for each in str(value).split(",")
        ),
        "warning",
    ),
    (_annotation("containerImage"), "HOST/PATH/NAME:TAG", _matches("[^/]+/[^/]+/[^/:]+:.+"), "error"),
    (_annotation("createdAt"), "a time as in ISO 8601", _is_time, "error"),
    (_annotation("repository"), "a URL that begins with https://", _matches("https?://.+"), "warning"),
    (_annotation("support"), "a text of at least 3 characters", _matches(".{3,}"), "error"),
    (_annotation("alm-examples"), "a JSON list of examples", _matches(".{30,}"), "error"),
    (_annotation("description"), "a text of at least 10 characters", _matches(".{10,}"), "warning"),
    (("spec", "displayName"), "a text of 3 to 50 characters", _matches("[^\n]{3,50}"), "error"),
    (("spec", "description"), "a text of at least 20 characters", _matches(".{20,}"), "error"),
    (("spec", "icon"), "a list of icons, each with base64data and mediatype", _is_icon, "error"),
    (("spec", "version"), "a semantic version", _is_version, "error"),
    (("spec", "maintainers"), "a list of maintainers, each with name and email", _entries("name", "email"), "error"),
    (("spec", "provider", "name"), "a text of at least 3 characters", _matches("[^\n]{3,}"), "error"),
    (("spec", "links"), "a list of links, each with name and url", _entries("name", "url"), "error"),
    (
        ("spec", "keywords"),
        "a list of texts",
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value),
        "error",
    ),
)


def _value(data: Any, path: FieldPath) -> Any:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return data


@check(
    "BAL3201",
    suites=COMMUNITY_SUITE,
    type=_TYPE,
    hint="write the field as described",
    reference=f"{_REFERENCE}: check_required_fields",
    example="""
        metadata:
          annotations:
            containerImage: operator:1.0.0
        # instead
        metadata:
          annotations:
            containerImage: registry.example.com/example/operator:1.0.0
        """,
)
def required_fields(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A field that the community-operators repositories ask for is missing or has another form.

    Sixteen fields of the ClusterServiceVersion are asked for, so that a listing has all that people look for. Three
    of them, categories, repository and the short description, only draw a warning.
    """
    document = bundle.csv.document
    for path, form, fits, level in _FIELDS:
        value = _value(document.data, path)
        name = ".".join(map(str, path))
        if value is None:
            yield Violation(f"{name} is missing", document, path, hint=f"add it: {form}", level=level)
        elif not fits(value):
            message = f"{name} has not the form that is asked for"
            yield Violation(message, document, path, hint=f"write {form}", level=level)


@check(
    "BAL3202",
    suites=COMMUNITY_SUITE,
    type=_TYPE,
    hint="use one name: for the package, for the ClusterServiceVersion up to its first dot, and for the folder",
    reference=f"{_COMMON}: check_operator_name",
    example="""
        # operators/example/1.0.0/metadata/annotations.yaml
        annotations:
          operators.operatorframework.io.bundle.package.v1: example-operator
        # instead
        annotations:
          operators.operatorframework.io.bundle.package.v1: example
        """,
)
def operator_name(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The operator has several names.

    The package in annotations.yaml, the ClusterServiceVersion's name before the first dot, and the folder that holds
    the versions' folders must be the same word. It is an error for a new operator; where earlier bundles differ
    already, the repository's own check only warns: use ``severity`` to do the same.
    """
    package = bundle.annotations.package
    if not package:
        return  # suite bundleformat says so
    key = "operators.operatorframework.io.bundle.package.v1"
    if (own := bundle.csv.name.partition(".")[0]) != package:
        message = f"the ClusterServiceVersion is called {own!r}, the package {package!r}"
        yield Violation(message, bundle.csv.document, ("metadata", "name"))
    parts = [part for part in bundle.path.replace("\\", "/").split("/") if part not in ("", ".")]
    if len(parts) > 1 and parts[-2] != package and parts[-2] != "..":
        message = f"the operator's folder is called {parts[-2]!r}, the package {package!r}"
        yield Violation(message, bundle.annotations.document, ("annotations", key))


@check(
    "BAL3203",
    suites=COMMUNITY_SUITE,
    type=_TYPE,
    hint="call the folder like spec.version",
    reference="operator-pipelines: OPERATOR/VERSION/ is the layout of the repository",
    example="""
        # operators/example/v1.0/manifests/example.clusterserviceversion.yaml
        spec:
          version: 1.0.0
        # instead: operators/example/1.0.0/manifests/example.clusterserviceversion.yaml
        spec:
          version: 1.0.0
        """,
)
def folder_name(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The bundle's folder is not called like its version.

    The repositories' pipelines find a bundle by operators/NAME/VERSION.
    """
    folder = bundle.path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    version = _value(bundle.csv.document.data, ("spec", "version"))
    if version is not None and folder not in ("", ".", "..") and folder not in (str(version), f"v{version}"):
        yield Violation(
            f"the folder is called {folder!r}, the version is {version}", bundle.csv.document, ("spec", "version")
        )


@check(
    "BAL3204",
    suites=COMMUNITY_SUITE,
    type=_TYPE,
    hint="let the operator create its NetworkPolicies, or remove them",
    reference="operator-pipelines, static_tests/community: network policies in bundles",
    example="""
        # manifests/policy.yaml
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        # instead: no such file in manifests/
        """,
)
def network_policies(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The bundle has a NetworkPolicy.

    Not every version of OLM that the repositories serve installs them; where they are unknown, the bundle fails.
    """
    for each in bundle.objects:
        if each.kind == "NetworkPolicy":
            yield Violation(f"the bundle has the NetworkPolicy {each.name}", each.document, ("kind",))


@check(
    "BAL3210",
    suites=COMMUNITY_SUITE,
    type=_TYPE,
    hint="let com.redhat.openshift.versions begin with a version whose Kubernetes is at least minKubeVersion",
    reference=f"{_REFERENCE}: check_api_version_constraints",
    example="""
        # with "minKubeVersion: 1.25.0", which OpenShift has had since 4.12
        annotations:
          com.redhat.openshift.versions: v4.10
        # instead
        annotations:
          com.redhat.openshift.versions: v4.12
        """,
)
def platform_versions(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The platform versions do not agree with minKubeVersion.

    A catalog of a platform whose Kubernetes is older than minKubeVersion would offer what OLM then refuses to install.
    Where minKubeVersion is set and no platform is named, the bundle goes into the catalogs of all of them.
    """
    text = bundle.csv.min_kube_version
    if not text:
        return
    path: FieldPath = ("spec", "minKubeVersion")
    try:
        least = Version.parse_tolerant(text)
    except InvalidVersionError as error:
        yield Violation(f"minKubeVersion {text!r} is no version: {error}", bundle.csv.document, path)
        return
    document, selector = platform_selector(bundle)
    if selector is None or document is None:
        message = f"minKubeVersion is {text}, and {PLATFORM_ANNOTATION} does not limit the platforms"
        yield Violation(message, bundle.csv.document, path, level="warning")
        return
    place = ("annotations", PLATFORM_ANNOTATION)
    try:
        platforms = PlatformRange.parse(selector)
    except InvalidPlatformError as error:
        yield Violation(f"{PLATFORM_ANNOTATION} cannot be read: {error}", document, place)
        return
    if platforms.oldest_kubernetes < least:
        has = f"OpenShift 4.{platforms.least} has Kubernetes {platforms.oldest_kubernetes}"
        yield Violation(f"{has}, older than minKubeVersion {text}", document, place)


def platform_selector(bundle: Bundle) -> tuple[Document | None, str | None]:
    """The annotations file, and what it says of platforms; None where it says nothing."""
    document = bundle.annotations.document
    found = _value(document.data, ("annotations", PLATFORM_ANNOTATION)) if document else None
    return document, None if found is None else str(found)


_RELEASE_CONFIG: Final = "release-config.yaml"


@check(
    "BAL3205",
    suites=COMMUNITY_SUITE,
    type=_TYPE,
    hint="list catalog_templates, each with template_name and channels",
    reference=f"{_COMMON}: validate_schema_bundle_release_config",
    example="""
        # release-config.yaml
        catalog_templates:
          - template_name: basic.yaml
        # instead
        catalog_templates:
          - template_name: basic.yaml
            channels: [stable]
        """,
)
def release_config(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """release-config.yaml has another form than the pipeline reads.

    The file says which catalog templates the bundle goes into, and where: a list of templates with channels, and
    optionally replaces, skips and skipRange.
    """
    data = bundle.files.get(_RELEASE_CONFIG)
    if data is None:
        return
    document = Document(f"{bundle.path}/{_RELEASE_CONFIG}", data, None)
    try:
        document.data = load(data)
    except SyntaxProblem as problem:
        yield Violation(f"the file is not YAML: {problem.message}", document)
        return
    templates = _value(document.data, ("catalog_templates",))
    if not isinstance(templates, list) or not templates:
        yield Violation("there is no list catalog_templates", document, ("catalog_templates",))
        return
    for index, each in enumerate(templates):
        path: FieldPath = ("catalog_templates", index)
        for name, kind, wanted in (
            ("template_name", str, "a text"), ("channels", list, "a list"), ("replaces", str, "a text"),
            ("skips", list, "a list"), ("skipRange", str, "a text"),
        ):  # fmt: skip
            value = each.get(name) if isinstance(each, dict) else None
            if value is None and name not in ("template_name", "channels"):
                continue
            if not isinstance(value, kind) or not value:
                yield Violation(f"{name} must be {wanted}", document, (*path, name))


def _declare(code: str, level: Level, title: str, explanation: str, example: str, hint: str, reference: str) -> Check:
    text = " ".join(explanation.split())
    return declare(Check(code, title, (COMMUNITY_SUITE,), level, _TYPE, text, cleandoc(example), hint, reference, None))


LOOP: Final = _declare(
    "BAL3206",
    "error",
    "The upgrade graph has a loop",
    """Following replaces from a bundle leads back to it: the channel has no newest bundle, and OLM refuses it.""",
    """
    # 1.0.0
    spec: {replaces: example.v1.1.0}
    # 1.1.0
    spec: {replaces: example.v1.0.0}
    # instead: 1.0.0 replaces nothing
    spec: {}
    """,
    "let each bundle replace an older one",
    f"{_REFERENCE}: check_upgrade_graph_loop",
)
DANGLING: Final = _declare(
    "BAL3207",
    "error",
    "A bundle cannot be upgraded to the channel's newest one",
    """Nothing in the channel replaces the bundle, skips it or has a skipRange that covers it, and it is not the newest:
    whoever has installed it stays there.""",
    """
    # 1.0.0 and 1.1.0 are in the channel stable, 1.2.0 too
    spec: {replaces: example.v1.1.0}  # and 1.1.0 replaces nothing
    # instead, in 1.1.0
    spec: {replaces: example.v1.0.0}
    """,
    "replace or skip it in a newer bundle, or take it out of the channel",
    f"{_REFERENCE}: check_dangling_bundles",
)
NAMES: Final = _declare(
    "BAL3208",
    "error",
    "The operator's bundles have several names",
    """The ClusterServiceVersions of one operator must agree on the name before their version, or OLM takes them for
    different operators.""",
    """
    # 1.0.0
    metadata: {name: example.v1.0.0}
    # 1.1.0
    metadata: {name: example-operator.v1.1.0}
    # instead
    metadata: {name: example.v1.1.0}
    """,
    "use one name in all bundles",
    "operator-pipelines, static_tests/community/operator.py: check_operator_name",
)
CONFIGURATION: Final = _declare(
    "BAL3209",
    "error",
    "The operator's ci.yaml is wrong",
    """ci.yaml, beside the versions' folders, says how the upgrade graph is made (updateGraph: replaces-mode or
    semver-mode; to leave it out is worth a warning), who reviews, and which catalog templates there are
    (fbc.catalog_mapping). A template that release-config.yaml names must be among them, and a semver template has no
    channels but Candidate, Fast and Stable.""",
    """
    updateGraph: replaces
    # instead
    updateGraph: replaces-mode
    """,
    "write ci.yaml as the repository's documentation says",
    f"{_COMMON}: check_bundle_release_config; the repositories' ci.yaml",
)
PLATFORMS: Final = _declare(
    "BAL3211",
    "error",
    "The replaced bundle is for other platform versions",
    """A bundle must not be in a platform's catalog without the one that it replaces: the upgrade graph of that catalog
    would begin in the middle.""",
    """
    # 1.1.0, where 1.0.0 has v4.12
    annotations: {com.redhat.openshift.versions: v4.10}
    # instead
    annotations: {com.redhat.openshift.versions: v4.12}
    """,
    "let both have the same com.redhat.openshift.versions",
    f"{_REFERENCE}: check_replaces_availability",
)
