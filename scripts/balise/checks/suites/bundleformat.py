"""Suite ``bundleformat``: layout and metadata of a registry+v1 bundle, as ``opm`` and ``operator-sdk`` validate them.

The rules are those of operator-registry, pkg/lib/bundle, and of OLM's own unpacking where it is stricter. What is
already said by the suites ``load``, ``csv``, ``crd`` and ``bundle`` is not said again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from balise.checks.registry import Options, Violation, check
from balise.model.documents import Document, FieldPath, split_documents
from balise.model.kubernetes_names import dns1123_subdomain
from balise.model.yaml_text import SyntaxProblem, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from balise.model.bundle import Bundle

__all__ = ["balanced", "metadata_document"]

_SUITE: Final = "bundleformat"
_TYPE: Final = "BundleNotValid"
_PREFIX: Final = "operators.operatorframework.io.bundle."
_FORMAT: Final = "operator-registry, pkg/lib/bundle/validate.go"


@check(
    "BAL3001",
    suites=_SUITE,
    type=_TYPE,
    hint="put the manifests into manifests/ and annotations.yaml into metadata/",
    reference=f"{_FORMAT}: ValidateBundleFormat",
    example="""
        # example/1.0.0/example.clusterserviceversion.yaml
        # instead
        # example/1.0.0/manifests/example.clusterserviceversion.yaml
        # example/1.0.0/metadata/annotations.yaml
        """,
)
def layout(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The bundle has no folder manifests/ or no folder metadata/.

    OLM unpacks a bundle image from these two folders; whatever else is in the image is not looked at.
    """
    for folder in ("manifests/", "metadata/"):
        if not any(file.startswith(folder) for file in bundle.files):
            yield Violation(f"the bundle has no folder {folder}")
    home = bundle.csv.document.file.replace("\\", "/").rpartition("/")[0]
    if any(file.startswith("manifests/") for file in bundle.files) and not home.endswith("/manifests"):
        yield Violation("the ClusterServiceVersion is not in manifests/", bundle.csv.document)


def metadata_document(bundle: Bundle, name: str) -> Document | None:
    """The YAML file metadata/*name*.yaml or .yml; None where it is missing or cannot be read."""
    for file in (f"metadata/{name}.yaml", f"metadata/{name}.yml"):
        if (data := bundle.files.get(file)) is not None:
            try:
                return Document(f"{bundle.path}/{file}", data, load(data))
            except SyntaxProblem:
                return None
    return None


def _annotations(bundle: Bundle) -> tuple[Document, Mapping[str, Any]] | None:
    document = bundle.annotations.document
    if document is None or not isinstance(document.data, dict):
        return None
    found = document.data.get("annotations")
    return (document, found) if isinstance(found, dict) else None


@check(
    "BAL3002",
    suites=_SUITE,
    type=_TYPE,
    hint="add metadata/annotations.yaml with the annotations of the bundle format",
    reference=f"{_FORMAT}: ValidateBundleFormat",
    example="""
        # metadata/annotations.yaml is missing
        # instead
        annotations:
          operators.operatorframework.io.bundle.mediatype.v1: registry+v1
          operators.operatorframework.io.bundle.manifests.v1: manifests/
          operators.operatorframework.io.bundle.metadata.v1: metadata/
          operators.operatorframework.io.bundle.package.v1: example
          operators.operatorframework.io.bundle.channels.v1: stable
        """,
)
def annotations_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """There is no annotations.yaml.

    The file says which package the bundle belongs to and which channels it is in; without it no catalog can take it.
    """
    document = bundle.annotations.document
    if document is None:
        yield Violation("metadata/annotations.yaml is missing")
    elif _annotations(bundle) is None:
        yield Violation("the file has no annotations", document, ("annotations",))


def _single_value(bundle: Bundle, name: str, value: str) -> Iterator[Violation]:
    if (found := _annotations(bundle)) is None:
        return
    document, annotations = found
    path: FieldPath = ("annotations", _PREFIX + name)
    written = annotations.get(_PREFIX + name)
    if written is None:
        yield Violation(f"the annotation {_PREFIX}{name} is missing", document, path)
    elif str(written).rstrip("/") != value.rstrip("/"):
        yield Violation(f"the annotation {_PREFIX}{name} must be {value}, not {written!r}", document, path)


@check(
    "BAL3004",
    suites=_SUITE,
    type=_TYPE,
    hint="write registry+v1",
    reference=f"{_FORMAT}: validateAnnotations",
    example="""
        annotations:
          operators.operatorframework.io.bundle.mediatype.v1: registry+v2
        # instead
        annotations:
          operators.operatorframework.io.bundle.mediatype.v1: registry+v1
        """,
)
def media_type(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The media type is not that of the manifests.

    A bundle with a ClusterServiceVersion is of the media type registry+v1; the annotation must say so.
    """
    yield from _single_value(bundle, "mediatype.v1", "registry+v1")


@check(
    "BAL3005",
    suites=_SUITE,
    type=_TYPE,
    hint="write manifests/",
    reference=f"{_FORMAT}: validateAnnotations",
    example="""
        annotations:
          operators.operatorframework.io.bundle.manifests.v1: deploy/
        # instead
        annotations:
          operators.operatorframework.io.bundle.manifests.v1: manifests/
        """,
)
def manifests_folder(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The annotation for the manifests' folder is missing or wrong.

    OLM reads the manifests from the folder that this annotation names, which is manifests/ in every bundle.
    """
    yield from _single_value(bundle, "manifests.v1", "manifests/")


@check(
    "BAL3006",
    suites=_SUITE,
    type=_TYPE,
    hint="write metadata/",
    reference=f"{_FORMAT}: validateAnnotations",
    example="""
        annotations:
          operators.operatorframework.io.bundle.metadata.v1: meta/
        # instead
        annotations:
          operators.operatorframework.io.bundle.metadata.v1: metadata/
        """,
)
def metadata_folder(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The annotation for the metadata's folder is missing or wrong.

    OLM reads annotations and dependencies from the folder that this annotation names: metadata/ in every bundle.
    """
    yield from _single_value(bundle, "metadata.v1", "metadata/")


@check(
    "BAL3007",
    suites=_SUITE,
    type=_TYPE,
    hint="write the package's name, as in the catalog",
    reference=f"{_FORMAT}: validateAnnotations",
    example="""
        annotations:
          operators.operatorframework.io.bundle.channels.v1: stable
        # instead
        annotations:
          operators.operatorframework.io.bundle.package.v1: example
          operators.operatorframework.io.bundle.channels.v1: stable
        """,
)
def package(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The package's name is missing.

    A catalog lists a bundle under its package. The name may differ from that of the ClusterServiceVersion, but usually
    should not.
    """
    if found := _annotations(bundle):
        key = _PREFIX + "package.v1"
        if not str(found[1].get(key) or "").strip():
            yield Violation(f"the annotation {key} is missing or empty", found[0], ("annotations", key))


@check(
    "BAL3008",
    suites=_SUITE,
    type=_TYPE,
    hint="name one channel or several, with commas between them",
    reference=f"{_FORMAT}: validateAnnotations",
    example="""
        annotations:
          operators.operatorframework.io.bundle.channels.v1: ""
        # instead
        annotations:
          operators.operatorframework.io.bundle.channels.v1: stable,candidate
        """,
)
def channels(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The channels or the default channel are empty.

    A bundle is in at least one channel. The annotation for the default channel can be left out, but not be empty.
    """
    if (found := _annotations(bundle)) is None:
        return
    document, annotations = found
    for name, optional in (("channels.v1", False), ("channel.default.v1", True)):
        key = _PREFIX + name
        if (optional and key not in annotations) or str(annotations.get(key) or "").strip(" ,"):
            continue
        yield Violation(f"the annotation {key} is missing or empty", document, ("annotations", key))


@check(
    "BAL3009",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="write the channels with a comma and nothing else between them",
    reference="operator-registry, pkg/registry: channels are cut at commas and not trimmed",
    example="""
        annotations:
          operators.operatorframework.io.bundle.channels.v1: stable, candidate
        # instead
        annotations:
          operators.operatorframework.io.bundle.channels.v1: stable,candidate
        """,
)
def channel_spaces(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A channel's name has spaces around it, or is empty.

    The list of channels is cut at its commas and nothing is trimmed, so that a space becomes part of a channel's name.
    """
    if found := _annotations(bundle):
        written = bundle.annotations.channels
        if any(channel.strip() for channel in written) and any(not each or each != each.strip() for each in written):
            path = ("annotations", _PREFIX + "channels.v1")
            yield Violation(f"the channels are {', '.join(map(repr, written))}", found[0], path)


_DEPENDENCIES: Final = "dependencies"


def _dependency_list(bundle: Bundle) -> tuple[Document, list[Any]] | None:
    document = metadata_document(bundle, _DEPENDENCIES)
    if document is None or not isinstance(document.data, dict):
        return None
    found = document.data.get(_DEPENDENCIES)
    return (document, found) if isinstance(found, list) else None


@check(
    "BAL3010",
    suites=_SUITE,
    type=_TYPE,
    hint="write a mapping with a list of dependencies, each with a type and a value",
    reference=f"{_FORMAT}: parseDependenciesFile",
    example="""
        - type: olm.package
          value: {packageName: example, version: ">=1.0.0"}
        # instead
        dependencies:
          - type: olm.package
            value: {packageName: example, version: ">=1.0.0"}
        """,
)
def dependencies_form(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """dependencies.yaml cannot be read as a list of dependencies.

    A file that cannot be read is passed over by some tools, and the bundle is then published without its dependencies.
    """
    for file in ("metadata/dependencies.yaml", "metadata/dependencies.yml"):
        if file in bundle.files and _dependency_list(bundle) is None:
            place = Document(f"{bundle.path}/{file}", bundle.files[file], None)
            yield Violation("this is no mapping with a list of dependencies", place, (_DEPENDENCIES,))


@check(
    "BAL3011",
    suites=_SUITE,
    type=_TYPE,
    hint="complete the dependency as its type demands",
    reference="operator-registry, pkg/registry/types.go: the Validate functions of dependencies",
    example="""
        dependencies:
          - type: olm.package
            value: {packageName: example, version: newest}
          - type: olm.gvk
            value: {group: example.com, kind: Example}
        # instead
        dependencies:
          - type: olm.package
            value: {packageName: example, version: ">=1.0.0"}
          - type: olm.gvk
            value: {group: example.com, kind: Example, version: v1}
        """,
)
def dependencies(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A dependency is incomplete or of an unknown type.

    olm.gvk needs group, version and kind; olm.package needs packageName and a version range; olm.label needs a label;
    olm.constraint holds one of gvk, package, all, any, not and cel. A CEL rule is not compiled here: only its brackets
    and quotes are matched.
    """
    if (found := _dependency_list(bundle)) is None:
        return
    document, entries = found
    for index, entry in enumerate(entries):
        path: FieldPath = (_DEPENDENCIES, index)
        kind = entry.get("type") if isinstance(entry, dict) else None
        value = entry.get("value") if isinstance(entry, dict) else None
        for message, where in _dependency_problems(kind, value):
            yield Violation(message, document, (*path, *where))


_Problems = Iterator[tuple[str, FieldPath]]


def _dependency_problems(kind: Any, value: Any) -> _Problems:
    fields = value if isinstance(value, dict) else {}
    match kind:
        case "olm.gvk":
            yield from _texts(fields, ("group", "version", "kind"), kind)
        case "olm.package":
            yield from _texts(fields, ("packageName", "version"), kind)
            yield from _range(fields.get("version"), ("value", "version"))
        case "olm.label":
            yield from _texts(fields, ("label",), kind)
        case "olm.constraint":
            yield from _constraint(fields, ("value",), 0)
        case None | "":
            yield "the dependency has no type", ("type",)
        case _:
            known = "olm.gvk, olm.package, olm.label and olm.constraint"
            yield f"{kind!r} is no type of dependency; there are {known}", ("type",)


def _texts(fields: Mapping[str, Any], names: tuple[str, ...], kind: str, path: FieldPath = ("value",)) -> _Problems:
    for name in names:
        if not isinstance(fields.get(name), str) or not fields[name]:
            yield f"{kind} needs {name}, a text", (*path, name)


def _range(text: Any, path: FieldPath) -> _Problems:
    from balise.model.semver import InvalidRangeError, VersionRange  # noqa: PLC0415 (few bundles have dependencies)

    if isinstance(text, str) and text:
        try:
            VersionRange.parse(text)
        except InvalidRangeError as error:
            yield f"{text!r} is no version range: {error}", path


_MEMBERS: Final = ("gvk", "package", "all", "any", "not", "cel")


def _constraint(fields: Any, path: FieldPath, depth: int) -> _Problems:
    if not isinstance(fields, dict):
        yield "a constraint is a mapping", path
        return
    members = [name for name in _MEMBERS if fields.get(name) is not None]
    if len(members) != 1 or depth > 20:
        yield f"a constraint holds exactly one of {', '.join(_MEMBERS)}, not {len(members)}", path
        return
    if depth == 0 and not fields.get("failureMessage"):
        yield "olm.constraint needs failureMessage, a text that says what is missing", (*path, "failureMessage")
    member, inner = members[0], fields[members[0]]
    place = (*path, member)
    values = inner if isinstance(inner, dict) else {}
    match member:
        case "gvk":
            yield from _texts(values, ("group", "version", "kind"), "gvk", place)
        case "package":
            yield from _texts(values, ("packageName", "versionRange"), "package", place)
            yield from _range(values.get("versionRange"), (*place, "versionRange"))
        case "cel":
            yield from _texts(values, ("rule",), "cel", place)
            if isinstance(rule := values.get("rule"), str) and not balanced(rule):
                yield "the CEL rule has a bracket or a quote without its counterpart", (*place, "rule")
        case _:
            constraints = values.get("constraints")
            if not isinstance(constraints, list) or not constraints:
                yield f"{member} needs constraints, a list", (*place, "constraints")
                return
            for index, each in enumerate(constraints):
                yield from _constraint(each, (*place, "constraints", index), depth + 1)


_CEL_PARTS: Final = re.compile(r"//[^\n]*|[rR]?'(?:\\.|[^'\\\n])*'|[rR]?\"(?:\\.|[^\"\\\n])*\"|[()\[\]{}'\"]")


def balanced(rule: str) -> bool:
    """Whether the brackets and quotes of a CEL expression match."""
    expected = []
    for part in _CEL_PARTS.findall(rule):
        if part in "([{":
            expected.append(")]}"["([{".index(part)])
        elif (part in ")]}" and (not expected or expected.pop() != part)) or part in ("'", '"'):
            return False
    return not expected


# opm's list (pkg/lib/bundle/supported_resources.go) and what else OLM v0 installs today.
_KINDS: Final = frozenset(
    (
        "ClusterRole", "ClusterRoleBinding", "ClusterServiceVersion", "ConfigMap", "ConsoleCLIDownload", "ConsoleLink",
        "ConsolePlugin", "ConsoleQuickStart", "ConsoleYAMLSample", "CustomResourceDefinition", "NetworkPolicy",
        "PodDisruptionBudget", "PriorityClass", "PrometheusRule", "Role", "RoleBinding", "Secret", "Service",
        "ServiceAccount", "ServiceMonitor", "VerticalPodAutoscaler",
    )
)  # fmt: skip


@check(
    "BAL3012",
    suites=_SUITE,
    type=_TYPE,
    hint="let the operator create the object itself, or move it into the ClusterServiceVersion where it has a place",
    reference="operator-registry, pkg/lib/bundle/supported_resources.go; OLM, controller/operators/catalog",
    example="""
        # manifests/deployment.yaml
        apiVersion: apps/v1
        kind: Deployment
        # instead, in the ClusterServiceVersion
        spec:
          install:
            strategy: deployment
            spec:
              deployments: []
        """,
)
def supported_kinds(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A manifest is of a kind that OLM does not install.

    Beside the ClusterServiceVersion and CRDs, OLM installs a fixed set of kinds. One other object fails the whole
    bundle, and only at the moment of its installation.
    """
    for each in bundle.objects:
        if each.kind and each.kind not in _KINDS:
            known = ", ".join(sorted(_KINDS))
            message = f"OLM installs no {each.kind} from a bundle"
            yield Violation(message, each.document, ("kind",), hint=f"the kinds that can be there are {known}")


_PATH_SEGMENT_NAMES: Final = frozenset(("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"))


@check(
    "BAL3013",
    suites=_SUITE,
    type=_TYPE,
    hint="give the object a name of lower-case letters, digits, dots and hyphens",
    reference=f"{_FORMAT}: validateKubectlable",
    example="""
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: Example_Settings
        # instead
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: example-settings
        """,
)
def object_names(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An object has no name, or one that the API server refuses.

    Every object of the bundle is created as it stands, so it needs a name, and an apiVersion.
    """
    for each in bundle.objects:
        if each.kind in ("ClusterServiceVersion", "CustomResourceDefinition", ""):
            continue
        if not each.api_version:
            yield Violation(
                f"the {each.kind} has no apiVersion", each.document, ("apiVersion",), hint="add the apiVersion"
            )
        if not each.name:
            yield Violation(f"the {each.kind} has no name", each.document, ("metadata", "name"))
        elif each.kind in _PATH_SEGMENT_NAMES:
            if each.name in (".", "..") or "/" in each.name or "%" in each.name:
                yield Violation(f"{each.name!r} is no name for a {each.kind}", each.document, ("metadata", "name"))
        elif problems := dns1123_subdomain(each.name):
            message = f"{each.name!r} is no name for a {each.kind}: {'; '.join(problems)}"
            yield Violation(message, each.document, ("metadata", "name"))


_ETCD_LIMIT: Final = 1_572_864


@check(
    "BAL3014",
    suites=_SUITE,
    type=_TYPE,
    hint="shorten it: descriptions in CRDs and icons are what is large, usually",
    reference="etcd: --max-request-bytes, 1.5 MiB",
    example="""
        # manifests/crd.yaml has 2 MB
        # instead: less than 1.5 MiB, for example without the descriptions of embedded pod templates
        """,
)
def object_size(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An object is larger than a cluster can store.

    etcd refuses requests of more than 1.5 MiB, so that the object cannot be created however the bundle is compressed.
    """
    import json  # noqa: PLC0415 (only for what is large)

    for each in bundle.objects:
        # Written as JSON, an object has at most the size of its YAML plus some quotes, and usually much less.
        if len(each.document.text) <= _ETCD_LIMIT // 2:
            continue
        size = len(json.dumps(each.data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if size > _ETCD_LIMIT:
            yield Violation(f"the {each.kind} has {size} bytes, more than the {_ETCD_LIMIT} allowed", each.document)


@check(
    "BAL3015",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="move each further document to a file of its own",
    reference="operator-framework/api, pkg/manifests: only the first document of a file is decoded",
    example="""
        kind: Role
        metadata: {name: first}
        ---
        kind: Role
        metadata: {name: second}
        # instead: two files
        kind: Role
        metadata: {name: first}
        """,
)
def further_documents(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A file has more than one document.

    Of each file only the first document becomes part of the bundle. The others are dropped, and nobody says so.
    """
    for each in bundle.objects:
        data = bundle.files.get(_relative(bundle, each.document.file), b"")
        if len(data) == len(each.document.text):
            continue
        try:
            others = [chunk for chunk in list(split_documents(data))[1:] if _has_content(chunk.text)]
        except SyntaxProblem:
            continue
        if others:
            place = Document(each.document.file, others[0].text, None, others[0].line)
            following = f" and the {len(others) - 1} after it" if len(others) > 1 else ""
            yield Violation(f"this document{following} will not be part of the bundle", place)


def _relative(bundle: Bundle, file: str) -> str:
    return file.removeprefix(bundle.path).replace("\\", "/").lstrip("/")


def _has_content(text: bytes) -> bool:
    lines = (line.strip() for line in text.splitlines())
    return any(line and not line.startswith((b"#", b"---", b"...")) for line in lines)


_LABEL: Final = re.compile(r"(?:\"([^\"=\s]+)\"|([^\"=\s]+))=(?:\"((?:\\.|[^\"\\])*)\"|'([^']*)'|(\S+))")
_BUILD_FILES: Final = re.compile(r"(?:bundle[.-])?(?:Dockerfile|Containerfile)|(?:Dockerfile|Containerfile)[.-]bundle")


@check(
    "BAL3016",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="write the label as in metadata/annotations.yaml",
    reference="operator-registry, pkg/lib/bundle/generate.go: labels and annotations are written together",
    example="""
        LABEL operators.operatorframework.io.bundle.channels.v1=alpha
        # instead, with "channels.v1: stable" in annotations.yaml
        LABEL operators.operatorframework.io.bundle.channels.v1=stable
        """,
)
def image_labels(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The image's labels differ from annotations.yaml.

    A bundle image carries the annotations as labels, too. Some tools read the one and some the other.
    """
    if (found := _annotations(bundle)) is None:
        return
    annotations = {str(key): str(value) for key, value in found[1].items() if str(key).startswith(_PREFIX)}
    for file, data in bundle.files.items():
        if not _BUILD_FILES.fullmatch(file):
            continue
        place = f"{bundle.path}/{file}"
        labels = _labels(data.decode("utf-8", "replace"))
        for key, (value, line) in labels.items():
            if key in annotations and annotations[key] != value:
                where = _line_document(place, data, line)
                yield Violation(f"the label {key} is {value!r}, the annotation is {annotations[key]!r}", where)
        missing = sorted(annotations.keys() - labels.keys())
        if missing:
            yield Violation(f"the image gets no label {', '.join(missing)}", _line_document(place, data, 1))


def _labels(text: str) -> dict[str, tuple[str, int]]:
    """The labels that a Containerfile sets, each with its value and line."""
    labels = {}
    continued = False
    for number, line in enumerate(text.splitlines(), 1):
        instruction, _, rest = line.strip().partition(" ")
        if continued or instruction.upper() == "LABEL":
            for match in _LABEL.finditer(line if continued else rest):
                quoted, plain, double, single, bare = match.groups()
                value = next((each for each in (double, single, bare) if each is not None), "")
                labels[quoted or plain] = (value, number)
            continued = line.rstrip().endswith("\\")
        else:
            continued = False
    return labels


def _line_document(file: str, data: bytes, line: int) -> Document:
    """A document of one line of a file that is not YAML, so that a finding shows it."""
    lines = data.split(b"\n")
    return Document(file, lines[min(line, len(lines)) - 1], None, line - 1)
