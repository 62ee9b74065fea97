"""Suite ``csv``: the ClusterServiceVersion by itself (operator-framework/api, validation/internal/csv.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from balise.checks.examples import inner_document
from balise.checks.registry import Options, Violation, check
from balise.model.csv import GVK, ClusterServiceVersion, api_group_version
from balise.model.documents import FieldPath, parse_json
from balise.model.go_types import is_zero
from balise.model.kubernetes_names import dns1123_subdomain, label_value
from balise.model.semver import InvalidVersionError, Version
from balise.model.yaml_text import SyntaxProblem, load

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__ = ["ALM_EXAMPLES", "annotation_case_problems", "minimum_version_problems"]

ALM_EXAMPLES: Final = ("metadata", "annotations", "alm-examples")
_SUITE: Final = "csv"


def _name_problems(csv: ClusterServiceVersion, name: str, path: FieldPath) -> Iterator[Violation]:
    if problems := dns1123_subdomain(name) + label_value(name):
        yield Violation(f"the name {name!r} is invalid: {'; '.join(dict.fromkeys(problems))}", csv.document, path)


@check(
    "BAL1101",
    suites=_SUITE,
    type="CSVFileNotValid",
    hint="name it PACKAGE.vVERSION in lower case, with at most 63 characters",
    reference="csv.go: parseCSVNameFormat",
    example="""
        metadata:
          name: Example_Operator.v1.0.0
        # instead
        metadata:
          name: example-operator.v1.0.0
        """,
)
def name_format(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The ClusterServiceVersion's name is not a valid name.

    The name must be a DNS subdomain (lower-case letters, digits, hyphens and dots) and, because OLM puts it into a
    label, a label value: at most 63 characters.
    """
    yield from _name_problems(bundle.csv, bundle.csv.name, ("metadata", "name"))


@check(
    "BAL1102",
    suites=_SUITE,
    type="CSVFileNotValid",
    hint="write the metadata.name of the ClusterServiceVersion that this one replaces",
    reference="csv.go: validateCSV",
    example="""
        spec:
          replaces: Example.v0.9.0
        # instead
        spec:
          replaces: example.v0.9.0
        """,
)
def replaces_format(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """``spec.replaces`` is not a valid name.

    It names another ClusterServiceVersion and obeys the same rules as its name; OLM would never find what it replaces.
    """
    if replaces := bundle.csv.spec.get("replaces"):
        yield from _name_problems(bundle.csv, replaces, ("spec", "replaces"))


class _Examples(NamedTuple):
    """The example custom resources of a ClusterServiceVersion, or why there are none."""

    path: FieldPath
    kinds: Mapping[GVK, int] = {}
    """Each kind, and the index of its first example."""
    problem: str = ""
    data: Any = None


def _examples(csv: ClusterServiceVersion) -> _Examples | None:
    key = next((key for key in ("alm-examples", "olm.examples") if key in csv.annotations), None)
    if key is None:
        return None
    return _read_examples(key, csv.annotations[key])


@lru_cache(maxsize=8)
def _read_examples(key: str, text: str) -> _Examples:
    path = ("metadata", "annotations", key)
    if not text:
        return _Examples(path)
    try:
        parse_json(text)
    except ValueError as error:
        return _Examples(path, problem=f"{key} is not JSON: {error}")
    try:
        found = load(text)  # the reference reads it once more, as YAML, which refuses some JSON (lone surrogates)
    except SyntaxProblem as problem:
        return _Examples(path, problem=f"{key} cannot be read: {problem.message}")
    if found is not None and not isinstance(found, list):
        return _Examples(path, problem=f"{key} must be a list of objects")
    return _example_kinds(path, key, found or [])


def _example_kinds(path: FieldPath, key: str, found: list[Any]) -> _Examples:
    kinds: dict[GVK, int] = {}
    for index, item in enumerate(found):
        kind = item.get("kind") if isinstance(item, dict) else None
        version = item.get("apiVersion") if isinstance(item, dict) else None
        group_version = api_group_version(version if isinstance(version, str) else "")
        if not kind or not isinstance(kind, str) or group_version is None:
            return _Examples(
                path, problem=f"item {index} of {key} is no Kubernetes object with a kind and an apiVersion"
            )
        kinds.setdefault(GVK(*group_version, kind), index)
    return _Examples(path, kinds, data=found)


@check(
    "BAL1103",
    suites=_SUITE,
    level="warning",
    type="CSVFileNotValid",
    hint="add annotations, at least alm-examples",
    reference="csv.go: validateExamplesAnnotations",
    example="""
        metadata:
          name: example.v1.0.0
        # instead
        metadata:
          name: example.v1.0.0
          annotations:
            alm-examples: '[{"apiVersion": "example.com/v1", "kind": "Example", "metadata": {"name": "example"}}]'
        """,
)
def annotations_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The ClusterServiceVersion has no annotations.

    Annotations carry what a catalog's user interface shows: examples, capabilities, categories, the container image.
    """
    if not bundle.csv.annotations:
        yield Violation(
            "the ClusterServiceVersion has no annotations", bundle.csv.document, ("metadata", "annotations")
        )


@check(
    "BAL1104",
    suites=_SUITE,
    level="warning",
    type="CSVFileNotValid",
    hint="add the annotation alm-examples, a JSON list with one example of each provided kind",
    reference="csv.go: validateExamplesAnnotations",
    example="""
        metadata:
          annotations:
            capabilities: Basic Install
        # instead
        metadata:
          annotations:
            capabilities: Basic Install
            alm-examples: '[{"apiVersion": "example.com/v1", "kind": "Example", "metadata": {"name": "example"}}]'
        """,
)
def examples_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """There are no example custom resources.

    The annotation alm-examples (or olm.examples) holds a JSON list of example objects. User interfaces fill their forms
    from it; without it, a person starts with an empty page.
    """
    csv = bundle.csv
    if csv.annotations and "alm-examples" not in csv.annotations and "olm.examples" not in csv.annotations:
        yield Violation("there is neither an alm-examples nor an olm.examples annotation", csv.document, ALM_EXAMPLES)


@check(
    "BAL1105",
    suites=_SUITE,
    level="warning",
    type="CSVFileNotValid",
    hint="keep one of the two annotations",
    reference="csv.go: validateExamplesAnnotations",
    example="""
        metadata:
          annotations:
            alm-examples: '[]'
            olm.examples: '[]'
        # instead
        metadata:
          annotations:
            alm-examples: '[]'
        """,
)
def examples_twice(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """Both annotations for examples are there.

    Only alm-examples is read when alm-examples and olm.examples are both present.
    """
    if {"alm-examples", "olm.examples"} <= bundle.csv.annotations.keys():
        path = ("metadata", "annotations", "olm.examples")
        yield Violation("olm.examples is ignored, because alm-examples is there too", bundle.csv.document, path)


@check(
    "BAL1106",
    suites=_SUITE,
    type="ParseError",
    hint="make the annotation a JSON list of objects, each with an apiVersion and a kind",
    reference="csv.go: validateJSON and the decoding after it",
    example="""
        metadata:
          annotations:
            alm-examples: '[{"kind": "Example",}]'
        # instead
        metadata:
          annotations:
            alm-examples: '[{"apiVersion": "example.com/v1", "kind": "Example"}]'
        """,
)
def examples_unreadable(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The example custom resources cannot be read.

    The annotation must hold JSON: a list of objects, each of which has a kind. A trailing comma, a single object
    instead of a list, or YAML is refused.
    """
    examples = _examples(bundle.csv)
    if examples and examples.problem:
        yield Violation(examples.problem, bundle.csv.document, examples.path)


def _provided(csv: ClusterServiceVersion) -> dict[GVK, FieldPath]:
    """The kinds that the ClusterServiceVersion provides, and where it says so."""
    found: dict[GVK, FieldPath] = {}
    for index, owned in enumerate(csv.crds("owned")):
        _, dot, group = owned.name.partition(".")
        if dot:
            found[GVK(group, owned.version, owned.kind)] = ("spec", "customresourcedefinitions", "owned", index)
    for index, api in enumerate(csv.api_services("owned")):
        found[GVK(api.group, api.version, api.kind)] = ("spec", "apiservicedefinitions", "owned", index)
    return found


@check(
    "BAL1107",
    suites=_SUITE,
    type="ParseError",
    hint="write the CRD's full name, PLURAL.GROUP",
    reference="csv.go: getProvidedAPIs",
    example="""
        spec:
          customresourcedefinitions:
            owned:
              - name: examples
                kind: Example
                version: v1
        # instead
        spec:
          customresourcedefinitions:
            owned:
              - name: examples.example.com
                kind: Example
                version: v1
        """,
)
def owned_name_format(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An owned CRD's name is not PLURAL.GROUP.

    The group of what the operator provides is taken from the name, after its first dot.
    """
    examples = _examples(bundle.csv)
    if examples is None or examples.problem:
        return  # the reference does not come this far either
    for index, owned in enumerate(bundle.csv.crds("owned")):
        if "." not in owned.name:
            path = ("spec", "customresourcedefinitions", "owned", index, "name")
            yield Violation(f"the owned CRD's name {owned.name!r} has no group", bundle.csv.document, path)


@check(
    "BAL1108",
    suites=_SUITE,
    type="OperationFailed",
    hint="list its CRD under spec.customresourcedefinitions.owned, correct its apiVersion and kind, or drop it",
    reference="csv.go: matchGVKProvidedAPIs",
    example="""
        metadata:
          annotations:
            alm-examples: '[{"apiVersion": "example.com/v2", "kind": "Example"}]'
        spec:
          customresourcedefinitions:
            owned:
              - {name: examples.example.com, kind: Example, version: v1}
        # instead
        metadata:
          annotations:
            alm-examples: '[{"apiVersion": "example.com/v1", "kind": "Example"}]'
        spec:
          customresourcedefinitions:
            owned:
              - {name: examples.example.com, kind: Example, version: v1}
        """,
)
def example_not_provided(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An example is of a kind that the operator does not provide.

    Each example's apiVersion and kind must be those of an owned CRD or owned aggregated API: no one could create it.
    """
    examples = _examples(bundle.csv)
    if examples is None or examples.problem:
        return
    provided = _provided(bundle.csv)
    inner = (
        inner_document(bundle.csv.document, examples.path, examples.data) if examples.kinds.keys() - provided else None
    )
    for kind in sorted(examples.kinds.keys() - provided.keys()):
        others = sorted(each.version for each in provided if (each.group, each.kind) == (kind.group, kind.kind))
        known = f": of {kind.kind} it provides {', '.join(others)}" if others else ""
        message = f"the operator does not provide the kind of the example {kind}{known}"
        if inner:
            yield Violation(message, inner, (examples.kinds[kind], "kind"))
        else:
            yield Violation(message, bundle.csv.document, examples.path)


@check(
    "BAL1109",
    suites=_SUITE,
    level="warning",
    type="OperationFailed",
    hint="add an example of it to the alm-examples annotation",
    reference="csv.go: matchGVKProvidedAPIs",
    example="""
        metadata:
          annotations:
            alm-examples: '[]'
        spec:
          customresourcedefinitions:
            owned:
              - {name: examples.example.com, kind: Example, version: v1}
        # instead
        metadata:
          annotations:
            alm-examples: '[{"apiVersion": "example.com/v1", "kind": "Example"}]'
        spec:
          customresourcedefinitions:
            owned:
              - {name: examples.example.com, kind: Example, version: v1}
        """,
)
def provided_without_example(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A provided kind has no example.

    Every version of every owned kind should have one object in alm-examples.
    """
    examples = _examples(bundle.csv)
    if examples is None or examples.problem:
        return
    for kind, path in _provided(bundle.csv).items():
        if kind not in examples.kinds:
            yield Violation(f"the provided kind {kind} has no example", bundle.csv.document, (*path, "kind"))


_INSTALL_MODES: Final = ("spec", "installModes")


@check(
    "BAL1110",
    suites=_SUITE,
    type="CSVFileNotValid",
    hint="list the four install modes and whether each is supported",
    reference="csv.go: validateInstallModes",
    example="""
        spec:
          installModes: []
        # instead
        spec:
          installModes:
            - {type: OwnNamespace, supported: false}
            - {type: SingleNamespace, supported: false}
            - {type: MultiNamespace, supported: false}
            - {type: AllNamespaces, supported: true}
        """,
)
def install_modes_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """There are no install modes.

    Install modes say which sets of namespaces the operator can watch. OLM compares them with the OperatorGroup before
    it installs anything.
    """
    if not bundle.csv.spec.get("installModes"):
        yield Violation("spec.installModes is missing or empty", bundle.csv.document, _INSTALL_MODES)


@check(
    "BAL1111",
    suites=_SUITE,
    type="CSVFileNotValid",
    hint="support at least one install mode",
    reference="csv.go: validateInstallModes",
    example="""
        spec:
          installModes:
            - {type: AllNamespaces, supported: false}
        # instead
        spec:
          installModes:
            - {type: AllNamespaces, supported: true}
        """,
)
def install_modes_unsupported(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """No install mode is supported.

    An operator that supports none of the install modes cannot be installed by OLM at all.
    """
    modes = bundle.csv.spec.get("installModes") or ()
    if modes and not any(mode.get("supported") for mode in modes):
        yield Violation("no install mode is supported", bundle.csv.document, _INSTALL_MODES)


@check(
    "BAL1112",
    suites=_SUITE,
    type="CSVFileNotValid",
    hint="set supported: true for AllNamespaces and false for every other install mode",
    reference="csv.go: validateInstallModes",
    example="""
        spec:
          installModes:
            - {type: OwnNamespace, supported: true}
          webhookdefinitions:
            - type: ConversionWebhook
              conversionCRDs: [examples.example.com]
        # instead
        spec:
          installModes:
            - {type: OwnNamespace, supported: false}
            - {type: AllNamespaces, supported: true}
          webhookdefinitions:
            - type: ConversionWebhook
              conversionCRDs: [examples.example.com]
        """,
)
def conversion_needs_all_namespaces(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A conversion webhook needs AllNamespaces as the only supported install mode.

    A CRD and its conversion webhook exist once in a cluster; an operator that is installed per namespace could not
    share them.
    """
    modes = bundle.csv.spec.get("installModes") or ()
    if not any((mode.get("type") == "AllNamespaces") != bool(mode.get("supported")) for mode in modes):
        return
    for index, webhook in enumerate(bundle.csv.spec.get("webhookdefinitions") or ()):
        if webhook.get("conversionCRDs"):
            path = ("spec", "webhookdefinitions", index, "conversionCRDs")
            message = "with a conversion webhook, AllNamespaces must be the only supported install mode"
            yield Violation(message, bundle.csv.document, path)


_MIN_KUBE_VERSION: Final = ("spec", "minKubeVersion")


def minimum_version_problems(bundle: Bundle) -> tuple[Violation | None, Violation | None]:
    """What is wrong with ``spec.minKubeVersion``: that it is missing, that it is no version. None where it is not."""
    text = bundle.csv.min_kube_version
    if not text.strip():
        return Violation("spec.minKubeVersion is not set", bundle.csv.document, _MIN_KUBE_VERSION), None
    try:
        Version.parse(text)
    except InvalidVersionError as error:
        return None, Violation(
            f"minKubeVersion {text!r} is no version: {error}", bundle.csv.document, _MIN_KUBE_VERSION
        )
    return None, None


@check(
    "BAL1113",
    suites="csv operatorhubv2",
    level="warning",
    type="CSVFileNotValid",
    hint="add minKubeVersion: MAJOR.MINOR.PATCH, the oldest Kubernetes that the operator works with",
    reference="csv.go: validateMinKubeVersion; operatorhub.go: checkSpecMinKubeVersion",
    example="""
        spec:
          displayName: Example
        # instead
        spec:
          displayName: Example
          minKubeVersion: 1.28.0
        """,
)
def minimum_version_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """``spec.minKubeVersion`` is missing.

    Without it OLM offers the operator to every cluster, however old.
    """
    missing, _invalid = minimum_version_problems(bundle)
    if missing:
        yield missing


@check(
    "BAL1114",
    suites="csv operatorhubv2",
    type="CSVFileNotValid",
    hint="write three numbers without a v, such as 1.28.0",
    reference="csv.go: validateMinKubeVersion; operatorhub.go: checkSpecMinKubeVersion",
    example="""
        spec:
          minKubeVersion: v1.28
        # instead
        spec:
          minKubeVersion: 1.28.0
        """,
)
def minimum_version_format(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """``spec.minKubeVersion`` is not a semantic version.

    It must have all three numbers and no leading v; otherwise OLM refuses to install the operator.
    """
    _missing, invalid = minimum_version_problems(bundle)
    if invalid:
        yield invalid


# Every field of the reference's Go type that it does not mark as optional: where it is, the names by which the
# reference calls it, and its type here. A field below a value that is missing altogether is not asked for.
_REQUIRED: Final[tuple[tuple[FieldPath, str, str], ...]] = (
    (("metadata",), "ObjectMeta", "ObjectMeta"),
    (("spec",), "Spec", "ClusterServiceVersionSpec"),
    (("spec", "install"), "Spec.InstallStrategy", "NamedInstallStrategy"),
    (("spec", "install", "strategy"), "Spec.InstallStrategy.StrategyName", "string"),
    (("spec", "install", "spec", "deployments"), "Spec.InstallStrategy.StrategySpec.DeploymentSpecs", "[]"),
    (("spec", "displayName"), "Spec.DisplayName", "string"),
)
_STRUCTS: Final[dict[FieldPath, str]] = {
    ("metadata",): "ObjectMeta",
    ("spec",): "ClusterServiceVersionSpec",
    ("spec", "install"): "NamedInstallStrategy",
    ("spec", "install", "spec"): "StrategyDetailsDeployment",
}


def _field(fields: Any, path: FieldPath) -> Any:
    for step in path:
        fields = fields.get(step) if isinstance(fields, dict) else None
    return fields


@check(
    "BAL1115",
    suites=_SUITE,
    type="FieldNotFound",
    hint="set it",
    reference="typecheck.go: checkEmptyFields",
    example="""
        spec:
          version: 1.0.0
        # instead
        spec:
          version: 1.0.0
          displayName: Example
        """,
)
def required_fields(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A required field is missing or empty.

    A ClusterServiceVersion must have metadata, a display name, and an install strategy with its name and deployments.
    """
    fields = bundle.csv.fields
    if is_zero(fields, "TypeMeta"):
        yield Violation("apiVersion and kind are missing or empty", bundle.csv.document, ("kind",), field="TypeMeta")
    for path, name, kind in _REQUIRED:
        parents = [path[:length] for length in range(1, len(path)) if path[:length] in _STRUCTS]
        if any(is_zero(_field(fields, parent), _STRUCTS[parent]) for parent in parents):
            continue
        if is_zero(_field(fields, path), kind):
            yield Violation(f"{'.'.join(map(str, path))} is missing or empty", bundle.csv.document, path, field=name)


_CASE_SENSITIVE: Final = {
    key.lower(): key
    for key in (
        "olm.operatorGroup",
        "olm.operatorNamespace",
        "olm.targetNamespaces",
        "olm.providedAPIs",
        "olm.skipRange",
    )
}


def annotation_case_problems(keys: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The keys that OLM knows in another case: as written, and as OLM knows them."""
    for key in keys:
        known = _CASE_SENSITIVE.get(key.lower())
        if known and key != known:
            yield key, known


@check(
    "BAL1116",
    suites=_SUITE,
    type="ValidationFailed",
    hint="write the key exactly as OLM does",
    reference="annotations.go: ValidateAnnotationNames",
    example="""
        metadata:
          annotations:
            olm.skiprange: '<1.0.0'
        # instead
        metadata:
          annotations:
            olm.skipRange: '<1.0.0'
        """,
)
def annotation_case(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An annotation of OLM's is written in the wrong case.

    OLM compares keys exactly: olm.skiprange has no effect at all, and nobody says so at run time.
    """
    for key, known in annotation_case_problems(iter(bundle.csv.annotations)):
        path = ("metadata", "annotations", key)
        yield Violation(f"the annotation {key} must be written {known}", bundle.csv.document, path, key_itself=True)


@check(
    "BAL1117",
    suites=_SUITE,
    level="warning",
    type="PropertiesAnnotationUsed",
    hint="move the properties to metadata/properties.yaml",
    reference="annotations.go: ValidateAnnotationNames",
    example="""
        metadata:
          annotations:
            olm.properties: '[{"type": "olm.maxOpenShiftVersion", "value": "4.18"}]'
        # instead: a file metadata/properties.yaml
        properties:
          - type: olm.maxOpenShiftVersion
            value: "4.18"
        """,
)
def properties_annotation(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """Properties are set by an annotation.

    The annotation olm.properties belongs to OLM itself; a bundle's properties belong to the file
    metadata/properties.yaml.
    """
    if "olm.properties" in bundle.csv.annotations:
        path = ("metadata", "annotations", "olm.properties")
        yield Violation("the annotation olm.properties is used", bundle.csv.document, path)


@check(
    "BAL1118",
    suites=_SUITE,
    type="CSVFileNotValid",
    hint="write apiVersion: operators.coreos.com/v1alpha1 and kind: ClusterServiceVersion",
    reference="csv.go: validateVersionKind",
    example="""
        kind: ClusterServiceVersion
        # instead
        apiVersion: operators.coreos.com/v1alpha1
        kind: ClusterServiceVersion
        """,
)
def version_and_kind(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """apiVersion or kind is missing.

    Every Kubernetes object names its API version and kind.
    """
    csv = bundle.csv
    group_version = api_group_version(csv.fields.get("apiVersion", ""))
    if not (group_version and group_version[1]):
        yield Violation("apiVersion is missing or has no version", csv.document, ("apiVersion",))
    if not csv.fields.get("kind"):
        yield Violation("kind is missing", csv.document, ("kind",))
