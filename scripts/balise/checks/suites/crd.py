"""Suite ``crd``: CustomResourceDefinitions as the API server validates them when they are created, schemas apart.

The rules are those of apiextensions-apiserver, pkg/apis/apiextensions/validation, after its defaulting. The reference
leaves out every finding about ``openAPIV3Schema`` and ``status``, so this suite has none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from balise.checks.registry import Options, Violation, check
from balise.model.csv import api_group_version
from balise.model.documents import FieldPath, render_path
from balise.model.go_types import same
from balise.model.kubernetes_names import dns1035_label, dns1123_subdomain, label_value, qualified_name
from balise.model.urls import InvalidUrlError, parse_request_uri, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from balise.model.bundle import Bundle
    from balise.model.internal_crd import InternalCrd

__all__: list[str] = []

_SUITE: Final = "crd"
_INVALID: Final = "FieldValueInvalid"
_REQUIRED: Final = "FieldValueRequired"
_FORBIDDEN: Final = "FieldValueForbidden"


def _problem(crd: InternalCrd, path: FieldPath, message: str, kind: str = _INVALID, at: str = "") -> Violation:
    """A finding at *path* of the internal form; *at* is the field where the reference calls it something else."""
    return Violation(
        f"{message} (in {crd.crd.name})" if crd.crd.name else message,
        crd.crd.document,
        crd.document_path(path),
        type=kind,
        field=at or render_path(path),
    )


def _missing(crd: InternalCrd, path: FieldPath, why: str = "") -> Violation:
    return _problem(crd, path, f"{path[-1]} is required{why and ': '}{why}", _REQUIRED)


@check(
    "BAL1201",
    suites=_SUITE,
    type=_INVALID,
    hint="correct the CRD's metadata; its name is PLURAL.GROUP",
    reference="ValidateCustomResourceDefinition, ValidateObjectMeta",
    example="""
        metadata:
          name: example.example.com
        spec:
          group: example.com
          names: {plural: examples, kind: Example}
        # instead
        metadata:
          name: examples.example.com
        spec:
          group: example.com
          names: {plural: examples, kind: Example}
        """,
)
def metadata(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The CRD's metadata is invalid.

    A CRD must be called PLURAL.GROUP, has no namespace, and its labels, annotations, finalizers and owner references
    obey the rules for all objects.
    """
    for each in bundle.crds:
        crd, fields = each.internal, each.metadata
        yield from _name(crd, fields)
        if fields.get("namespace"):
            yield _problem(crd, ("metadata", "namespace"), "a CRD belongs to no namespace", _FORBIDDEN)
        if fields.get("generation", 0) < 0:
            yield _problem(crd, ("metadata", "generation"), "generation is negative")
        yield from _labels_and_annotations(crd, fields)
        yield from _owners(crd, fields.get("ownerReferences") or ())
        yield from _finalizers(crd, fields.get("finalizers") or ())
        yield from _managed_fields(crd, fields.get("managedFields") or ())


def _name(crd: InternalCrd, fields: Mapping[str, Any]) -> Iterator[Violation]:
    wanted = f"{crd.names.get('plural', '')}.{crd.group}"
    for field in ("generateName", "name"):
        name = fields.get(field, "")
        path = ("metadata", field)
        if not name:
            if field == "name":
                yield _missing(crd, path)
            continue
        # A generated name's prefix may end with a dash, which the generated part follows.
        checked = f"{name[:-1]}a" if field == "generateName" and len(name) > 1 and name.endswith("-") else name
        for message in dns1123_subdomain(checked):
            yield _problem(crd, path, f"{name!r} is no name: {message}")
        if name != wanted:
            yield _problem(crd, path, f"the name {name!r} must be spec.names.plural and spec.group: {wanted!r}")


def _labels_and_annotations(crd: InternalCrd, fields: Mapping[str, Any]) -> Iterator[Violation]:
    for key, value in (fields.get("labels") or {}).items():
        for message in qualified_name(key) + label_value(value):
            yield _problem(crd, ("metadata", "labels", key), f"label {key}={value}: {message}", at="metadata.labels")
    annotations = fields.get("annotations") or {}
    for key in annotations:
        for message in qualified_name(key.lower()):
            path = ("metadata", "annotations", key)
            yield _problem(crd, path, f"annotation {key!r}: {message}", at="metadata.annotations")
    size = sum(len(text.encode("utf-8", "surrogatepass")) for pair in annotations.items() for text in pair)
    if size > 256 * 1024:
        message = f"the annotations have {size} bytes, more than the 262144 allowed"
        yield _problem(crd, ("metadata", "annotations"), message, "FieldValueTooLong")


def _owners(crd: InternalCrd, references: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    path: FieldPath = ("metadata", "ownerReferences")
    controllers = 0
    for index, reference in enumerate(references):
        group_version = api_group_version(reference.get("apiVersion", "")) or ("", "")
        values = {"apiVersion": group_version[1], **{name: reference.get(name) for name in ("kind", "name", "uid")}}
        for name, value in values.items():
            if not value:
                field = f"metadata.ownerReferences.{name}"
                yield _problem(crd, (*path, index, name), f"an owner reference's {name} is empty", at=field)
        if (*group_version, reference.get("kind")) == ("", "v1", "Event"):
            yield _problem(crd, (*path, index), "an Event cannot own anything", at="metadata.ownerReferences")
        controllers += bool(reference.get("controller"))
        if reference.get("controller") and controllers > 1:
            yield _problem(crd, (*path, index), "only one owner can be the controller", at="metadata.ownerReferences")


def _finalizers(crd: InternalCrd, finalizers: Sequence[str]) -> Iterator[Violation]:
    path: FieldPath = ("metadata", "finalizers")
    for index, name in enumerate(finalizers):
        for message in qualified_name(name):
            yield _problem(crd, (*path, index), f"finalizer {name!r}: {message}", at="metadata.finalizers")
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield _problem(crd, path, "the finalizers orphan and foregroundDeletion exclude each other")


def _managed_fields(crd: InternalCrd, entries: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    for index, entry in enumerate(entries):
        path: FieldPath = ("metadata", "managedFields", index)
        if entry.get("operation") not in ("Apply", "Update"):
            yield _problem(crd, (*path, "operation"), "operation must be Apply or Update")
        if entry.get("fieldsType", "") not in ("", "FieldsV1"):
            yield _problem(crd, (*path, "fieldsType"), "fieldsType must be FieldsV1")
        manager = entry.get("manager", "")
        if len(manager.encode()) > 128:
            yield _problem(crd, (*path, "manager"), "the manager's name is too long", "FieldValueTooLong")
        for character in manager:
            if not character.isprintable():
                yield _problem(crd, (*path, "manager"), f"the manager's name has the character {character!r}")
        if len(entry.get("subresource", "").encode()) > 256:
            yield _problem(crd, (*path, "subresource"), "the subresource's name is too long", "FieldValueTooLong")


@check(
    "BAL1202",
    suites=_SUITE,
    type=_INVALID,
    hint="write a group such as example.com, and a scope that is Namespaced or Cluster",
    reference="validateCustomResourceDefinitionSpec",
    example="""
        spec:
          group: example
          scope: namespaced
        # instead
        spec:
          group: example.com
          scope: Namespaced
        """,
)
def group_and_scope(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The CRD's group or scope is invalid.

    The group is a DNS subdomain with at least one dot; the scope is Namespaced or Cluster, and v1 has no default for
    it.
    """
    for each in bundle.crds:
        crd = each.internal
        group: FieldPath = ("spec", "group")
        if not crd.group:
            yield _missing(crd, group)
        elif problems := dns1123_subdomain(crd.group):
            yield _problem(crd, group, f"the group {crd.group!r} is no DNS subdomain: {'; '.join(problems)}")
        elif "." not in crd.group:
            yield _problem(crd, group, f"the group {crd.group!r} must be a domain with at least one dot")
        if not crd.scope:
            yield _missing(crd, ("spec", "scope"))
        elif crd.scope not in ("Cluster", "Namespaced"):
            message = f"the scope {crd.scope!r} must be Namespaced or Cluster"
            yield _problem(crd, ("spec", "scope"), message, "FieldValueNotSupported")


@check(
    "BAL1203",
    suites=_SUITE,
    type=_INVALID,
    hint="write plural, singular and short names in lower case, kind and listKind in CamelCase",
    reference="validateCustomResourceDefinitionSpec, ValidateCustomResourceDefinitionNames",
    example="""
        spec:
          names: {plural: Examples, kind: Example}
        # instead
        spec:
          names: {plural: examples, kind: Example}
        """,
)
def names(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A name under spec.names is missing or invalid.

    plural and kind must be there (singular and listKind are made from kind). All are DNS labels, except that kind and
    listKind may have capitals; kind and listKind must differ.
    """
    for each in bundle.crds:
        crd = each.internal
        for field in ("plural", "singular", "kind", "listKind"):
            name = crd.names.get(field, "")
            path = ("spec", "names", field)
            if not name:
                yield _missing(crd, path)
            elif problems := dns1035_label(name.lower() if field in ("kind", "listKind") else name):
                yield _problem(crd, path, f"{field} {name!r} is invalid: {'; '.join(problems)}")
        if crd.names.get("kind") and crd.names["kind"] == crd.names.get("listKind"):
            yield _problem(crd, ("spec", "names", "listKind"), "kind and listKind must differ")
        for field in ("shortNames", "categories"):
            for index, name in enumerate(crd.names.get(field) or ()):
                if problems := dns1035_label(name):
                    yield _problem(crd, ("spec", "names", field, index), f"{name!r} is invalid: {'; '.join(problems)}")


@check(
    "BAL1204",
    suites=_SUITE,
    type=_INVALID,
    hint="give every version its own name, and storage: true to exactly one",
    reference="validateCustomResourceDefinitionSpec",
    example="""
        spec:
          versions:
            - {name: v1, served: true, storage: true}
            - {name: v1beta1, served: true, storage: true}
        # instead
        spec:
          versions:
            - {name: v1, served: true, storage: true}
            - {name: v1beta1, served: true, storage: false}
        """,
)
def versions(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The CRD's versions are invalid.

    Versions have different names, each a DNS label such as v1alpha1, and exactly one of them is the storage version. In
    a v1beta1 CRD, what stands at the top must not stand in the versions, and what is the same in all versions must
    stand at the top.
    """
    for each in bundle.crds:
        crd = each.internal
        path: FieldPath = ("spec", "versions")
        found = [version.get("name", "") for version in crd.versions]
        for index, name in enumerate(found):
            if problems := dns1035_label(name):
                message = f"the version {name!r} is invalid: {'; '.join(problems)}"
                yield _problem(crd, (*path, index, "name"), message)
        yield from _shared_and_per_version(crd)
        if len(set(found)) != len(found):
            yield _problem(crd, path, "two versions have the same name")
        storage = [name for name, version in zip(found, crd.versions, strict=True) if version.get("storage")]
        if len(storage) != 1:
            listed = f" ({', '.join(map(str, storage))})" if storage else ""
            message = f"exactly one version must be the storage version, not {len(storage)}{listed}"
            yield _problem(crd, path, message)
        if crd.version:
            if problems := dns1035_label(crd.version):
                message = f"the version {crd.version!r} is invalid: {'; '.join(problems)}"
                yield _problem(crd, ("spec", "version"), message)
            if found and found[0] != crd.version:
                message = f"version {crd.version!r} must be the first of the versions, {found[0]!r}"
                yield _problem(crd, ("spec", "version"), message)


# Field in a version, the same at the top, and its type; None where the reference does not ask.
_SHARED: Final = (
    ("schema", "validation", "*apiextensions.CustomResourceValidation"),
    ("subresources", "subresources", "*apiextensions.CustomResourceSubresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns", "[]apiextensions.CustomResourceColumnDefinition"),
)


def _shared_and_per_version(crd: InternalCrd) -> Iterator[Violation]:
    for field, top, kind in _SHARED:
        is_list = kind.startswith("[]")
        values = [version.get(field) for version in crd.versions]
        present = [bool(value) if is_list else value is not None for value in values]
        shared = crd.shared.get(field)
        if (bool(shared) if is_list else shared is not None) and any(present):
            message = f"{top} stands both at the top and in a version"
            yield _problem(crd, ("spec", top), message, _FORBIDDEN)
        if values and all(present) and all(same(values[0], value, kind) for value in values):
            message = f"{field} is the same in all versions: write it once, at the top, as {top}"
            yield _problem(crd, ("spec", "versions"), message)


@check(
    "BAL1205",
    suites=_SUITE,
    type=_INVALID,
    hint="set deprecated: true beside a short printable deprecationWarning",
    reference="validateDeprecationWarning",
    example="""
        spec:
          versions:
            - {name: v1alpha1, served: true, storage: true, deprecationWarning: use v1}
        # instead
        spec:
          versions:
            - {name: v1alpha1, served: true, storage: true, deprecated: true, deprecationWarning: use v1}
        """,
)
def deprecation_warning(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A version's deprecation warning is invalid.

    Only a deprecated version can have one; it has 1 to 256 bytes and is printable.
    """
    for each in bundle.crds:
        crd = each.internal
        for index, version in enumerate(crd.versions):
            for message in _deprecation_problems(version):
                yield _problem(crd, ("spec", "versions", index, "deprecationWarning"), message)


def _deprecation_problems(version: Mapping[str, Any]) -> Iterator[str]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield "a deprecation warning is only for a deprecated version"
        return
    if len(text.encode("utf-8", "surrogatepass")) > 256:
        yield "the deprecation warning is longer than 256 bytes"
    if not text:
        yield "the deprecation warning is empty"
    if not text.isprintable():
        yield "the deprecation warning has a character that cannot be printed"


@check(
    "BAL1206",
    suites=_SUITE,
    type=_INVALID,
    hint="give the column a name, a type (integer, number, string, boolean, date) and a JSON path that begins with .",
    reference="ValidateCustomResourceColumnDefinition",
    example="""
        additionalPrinterColumns:
          - {name: Age, type: time, jsonPath: metadata.creationTimestamp}
        # instead
        additionalPrinterColumns:
          - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
        """,
)
def printer_columns(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A printer column is invalid.

    A column of ``kubectl get`` needs a name, one of five types, optionally one of eight formats, and a JSON path.
    """
    for each in bundle.crds:
        crd = each.internal
        for path, holder in _holders(crd):
            for index, column in enumerate(holder.get("additionalPrinterColumns") or ()):
                yield from _column(crd, (*path, "additionalPrinterColumns", index), column)


def _holders(crd: InternalCrd) -> Iterator[tuple[FieldPath, Mapping[str, Any]]]:
    """Each version and the top, where fields that versions may share stand."""
    for index, version in enumerate(crd.versions):
        yield ("spec", "versions", index), version
    yield ("spec",), crd.shared


_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("int32", "int64", "float", "double", "byte", "date", "date-time", "password")


def _column(crd: InternalCrd, path: FieldPath, column: Mapping[str, Any]) -> Iterator[Violation]:
    if not column.get("name"):
        yield _missing(crd, (*path, "name"))
    kind, form = column.get("type"), column.get("format")
    if not kind:
        yield _missing(crd, (*path, "type"), f"one of {', '.join(_COLUMN_TYPES)}")
    elif kind not in _COLUMN_TYPES:
        yield _problem(crd, (*path, "type"), f"the type {kind!r} must be one of {', '.join(_COLUMN_TYPES)}")
    if form and form not in _COLUMN_FORMATS:
        yield _problem(crd, (*path, "format"), f"the format {form!r} must be one of {', '.join(_COLUMN_FORMATS)}")
    json_path = column.get("jsonPath") or column.get("JSONPath")
    if not json_path:
        yield _missing(crd, (*path, "JSONPath"))
    elif not json_path.startswith("."):
        yield _problem(crd, (*path, "JSONPath"), f"the JSON path {json_path!r} must begin with a dot")


@check(
    "BAL1207",
    suites=_SUITE,
    type=_INVALID,
    hint="write a path such as .spec.replicas",
    reference="ValidateCustomResourceDefinitionSubresources",
    example="""
        subresources:
          scale: {specReplicasPath: spec.replicas, statusReplicasPath: .status.replicas}
        # instead
        subresources:
          scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
        """,
)
def scale_subresource(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A path of the scale subresource is invalid.

    specReplicasPath leads below .spec, labelSelectorPath below .spec or .status. What concerns statusReplicasPath is
    left out, as the reference leaves it out.
    """
    for each in bundle.crds:
        crd = each.internal
        for path, holder in _holders(crd):
            scale = (holder.get("subresources") or {}).get("scale")
            if scale is not None:
                yield from _scale(crd, (*path, "subresources", "scale"), scale)


def _scale(crd: InternalCrd, path: FieldPath, scale: Mapping[str, Any]) -> Iterator[Violation]:
    replicas, selector = scale.get("specReplicasPath"), scale.get("labelSelectorPath")
    if not replicas:
        yield _missing(crd, (*path, "specReplicasPath"))
    elif not replicas.startswith(".spec."):
        yield _problem(crd, (*path, "specReplicasPath"), f"{replicas!r} must be a path below .spec")
    if selector and not selector.startswith((".spec.", ".status.")):
        yield _problem(crd, (*path, "labelSelectorPath"), f"{selector!r} must be a path below .spec or .status")


@check(
    "BAL1208",
    suites=_SUITE,
    type=_INVALID,
    hint="name a field of type string, boolean or integer that the schema has, such as .spec.color",
    reference="ValidateCustomResourceSelectableFields",
    example="""
        selectableFields:
          - jsonPath: .spec.colour
        schema:
          openAPIV3Schema:
            properties: {spec: {type: object, properties: {color: {type: string}}}}
        # instead
        selectableFields:
          - jsonPath: .spec.color
        schema:
          openAPIV3Schema:
            properties: {spec: {type: object, properties: {color: {type: string}}}}
        """,
)
def selectable_fields(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A selectable field is invalid.

    At most eight fields can be selected by; each path is there once, leads to a string, boolean or integer of the
    schema, and not into metadata.
    """
    for each in bundle.crds:
        crd = each.internal
        for path, holder in _holders(crd):
            if fields := holder.get("selectableFields"):
                yield from _selectable(crd, (*path, "selectableFields"), fields, holder.get("schema"))


def _selectable(
    crd: InternalCrd, path: FieldPath, fields: Sequence[Mapping[str, Any]], validation: Mapping[str, Any] | None
) -> Iterator[Violation]:
    schema = (validation or {}).get("openAPIV3Schema")
    if schema is None:
        yield _problem(crd, path, "fields can be selected by only where the same place has a schema")
        return
    seen = set()
    for index, field in enumerate(fields):
        at = (*path, index, "jsonPath")
        text = field.get("jsonPath")
        if not text:
            yield _missing(crd, at)
            continue
        names, found, problem = _schema_field(text, schema)
        if problem:
            yield _problem(crd, at, f"{text!r} is no path of the schema: {problem}")
            continue
        if names[0] == "metadata":
            yield _problem(crd, at, f"{text!r} leads into metadata")
        if found is None or found.get("type") not in ("string", "boolean", "integer"):
            yield _problem(crd, at, f"{text!r} must lead to a string, boolean or integer")
        if names in seen:
            yield _problem(crd, at, f"{text!r} is there twice", "FieldValueDuplicate")
        seen.add(names)
    if len(seen) > 8:
        yield _problem(crd, path, f"{len(seen)} fields can be selected by, more than 8", "FieldValueTooMany")


def _schema_field(text: str, schema: Mapping[str, Any]) -> tuple[tuple[str, ...], Mapping[str, Any] | None, str]:
    """The names of a simple JSON path, the schema it leads to, and what is wrong with it."""
    if "[" in text or not text.startswith("."):
        return (), None, "it must consist of names, each after a dot"
    names = tuple(text[1:].split("."))
    current: Mapping[str, Any] | None = schema
    for name in names:
        properties = (current or {}).get("properties")
        additional = (current or {}).get("additionalProperties")
        if properties:
            if name not in properties:
                return names, None, f"the schema has no field {name!r} there"
            current = properties[name] or {}
        elif name and additional is not None:
            current = additional if isinstance(additional, dict) else None
        else:
            return names, None, f"the schema has no field {name!r} there"
    return names, current, ""


@check(
    "BAL1209",
    suites=_SUITE,
    type=_INVALID,
    hint="write apiVersion: apiextensions.k8s.io/v1 without preserveUnknownFields (in v1beta1, set it to false), and"
    " x-kubernetes-preserve-unknown-fields: true in the schema where it is needed",
    reference="validatePreserveUnknownFields, validateCustomResourceDefinitionSpec",
    example="""
        apiVersion: apiextensions.k8s.io/v1
        spec:
          preserveUnknownFields: true
        # instead
        apiVersion: apiextensions.k8s.io/v1
        spec:
          preserveUnknownFields: false
        """,
)
def preserve_unknown_fields(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The CRD keeps unknown fields.

    A CRD must not set preserveUnknownFields to true, which is v1beta1's default; least of all one whose schema has
    defaults.
    """
    for each in bundle.crds:
        crd = each.internal
        if crd.preserve_unknown_fields:
            path: FieldPath = ("spec", "preserveUnknownFields")
            schemas = [(holder.get("schema") or {}).get("openAPIV3Schema") for _, holder in _holders(crd)]
            if any(_has_default(schema) for schema in schemas if schema is not None):
                yield _problem(crd, path, "preserveUnknownFields must be false where the schema has defaults")
            yield _problem(crd, path, "preserveUnknownFields must not be true")


def _has_default(schema: Any) -> bool:
    pending = [schema]
    while pending:
        current = pending.pop()
        if not isinstance(current, dict):
            continue
        if "default" in current:
            return True
        for name in ("not", "additionalProperties", "additionalItems", "items"):
            found = current.get(name)
            pending += found if isinstance(found, list) else [found]
        for name in ("allOf", "anyOf", "oneOf"):
            pending += current.get(name) or ()
        for name in ("properties", "patternProperties", "definitions", "dependencies"):
            pending += (current.get(name) or {}).values()
    return False


@check(
    "BAL1210",
    suites=_SUITE,
    type=_INVALID,
    hint="for strategy Webhook give a client configuration and conversionReviewVersions with v1; for None give neither",
    reference="validateCustomResourceConversion",
    example="""
        spec:
          conversion:
            strategy: Webhook
        # instead
        spec:
          conversion:
            strategy: Webhook
            webhook:
              clientConfig:
                service: {name: example-webhook, namespace: example, path: /convert}
              conversionReviewVersions: [v1]
        """,
)
def conversion(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The CRD's conversion is invalid.

    With strategy Webhook, exactly one of a service and an https URL is given, and the versions of ConversionReview that
    the webhook understands include v1 or v1beta1.
    """
    for each in bundle.crds:
        crd = each.internal
        strategy = crd.conversion["strategy"]
        path: FieldPath = ("spec", "conversion")
        if strategy != "None" and crd.preserve_unknown_fields:
            yield _problem(crd, (*path, "strategy"), "the strategy must be None where unknown fields are preserved")
        if not strategy:
            yield _missing(crd, (*path, "strategy"))
        elif strategy not in ("None", "Webhook"):
            message = f"the strategy {strategy!r} must be None or Webhook"
            yield _problem(crd, (*path, "strategy"), message, "FieldValueNotSupported")
        config, reviews = crd.conversion.get("webhookClientConfig"), crd.conversion.get("conversionReviewVersions")
        if strategy == "Webhook":
            yield from _client_config(crd, (*path, "webhookClientConfig"), config)
            yield from _review_versions(crd, (*path, "conversionReviewVersions"), reviews or ())
        else:
            for name, value in (("webhookClientConfig", config), ("conversionReviewVersions", reviews or None)):
                if value is not None:
                    yield _problem(crd, (*path, name), f"{name} is only for the strategy Webhook", _FORBIDDEN)


def _client_config(crd: InternalCrd, path: FieldPath, config: Mapping[str, Any] | None) -> Iterator[Violation]:
    if config is None:
        yield _missing(crd, path, "the strategy is Webhook")
        return
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield _missing(crd, path, "exactly one of url and service")
    elif url is not None:
        yield from _webhook_url(crd, (*path, "url"), url)
    elif service is not None:
        yield from _webhook_service(crd, (*path, "service"), service)


def _webhook_url(crd: InternalCrd, path: FieldPath, text: str) -> Iterator[Violation]:
    try:
        url = parse_url(text)
    except InvalidUrlError as error:
        yield _problem(crd, path, f"{text!r} is no URL: {error}", _REQUIRED)
        return
    problems = {
        "its scheme must be https": url.scheme != "https",
        "it has no host": not url.host,
        "it must not name a user": url.user is not None,
        "it must not have a fragment": bool(url.fragment),
        "it must not have a query": bool(url.query),
    }
    for problem, found in problems.items():
        if found:
            yield _problem(crd, path, f"the webhook's URL {text!r}: {problem}")


def _webhook_service(crd: InternalCrd, path: FieldPath, service: Mapping[str, Any]) -> Iterator[Violation]:
    # The reference mixes the two up: of a missing name it says that the namespace is required, and the other way round.
    for missing, called in (("namespace", "name"), ("name", "namespace")):
        if not service.get(missing):
            field = render_path((*path, called))
            yield _problem(crd, (*path, missing), f"the webhook's service needs a {missing}", _REQUIRED, at=field)
    if not 1 <= service.get("port", 443) <= 65535:
        yield _problem(crd, (*path, "port"), "the port must be from 1 to 65535")
    for message in _url_path_problems(service.get("path") or "/"):
        yield _problem(crd, (*path, "path"), message)


def _url_path_problems(text: str) -> Iterator[str]:
    if text == "/":
        return
    if text == "//":
        yield f"the path {text!r} has an empty part"
        return
    if not text.startswith("/"):
        yield f"the path {text!r} must begin with /"
    for step in text[1:].removesuffix("/").split("/"):
        if not step:
            yield "the path has an empty part"
            continue
        yield from (f"the path's part {step!r}: {message}" for message in dns1123_subdomain(step))


def _review_versions(crd: InternalCrd, path: FieldPath, reviews: Sequence[str]) -> Iterator[Violation]:
    if not reviews:
        yield _missing(crd, path)
        return
    seen = set()
    for index, version in enumerate(reviews):
        if version in seen:
            yield _problem(crd, (*path, index), f"{version!r} is there twice")
            continue
        seen.add(version)
        for message in dns1035_label(version):
            yield _problem(crd, (*path, index), f"{version!r} is no version: {message}")
    if not seen & {"v1", "v1beta1"}:
        yield _problem(crd, path, "conversionReviewVersions must include v1 or v1beta1")


@check(
    "BAL1211",
    suites=_SUITE,
    type=_INVALID,
    hint="use a group of your own domain",
    reference="validateAPIApproval",
    example="""
        spec:
          group: example.k8s.io
        # instead
        spec:
          group: example.com
        """,
)
def protected_group(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The CRD's group belongs to the Kubernetes community.

    Groups below k8s.io and kubernetes.io need the annotation api-approved.kubernetes.io with the URL of the approval,
    or a text that begins with ``unapproved``.
    """
    key = "api-approved.kubernetes.io"
    for each in bundle.crds:
        crd = each.internal
        if not f".{crd.group}".endswith((".k8s.io", ".kubernetes.io")):
            continue
        approval = (each.metadata.get("annotations") or {}).get(key, "")
        path = ("metadata", "annotations", key)
        if not approval:
            yield _problem(
                crd, path, f"the group {crd.group} is protected: the annotation {key} is required", _REQUIRED
            )
        elif not approval.startswith("unapproved") and not _is_absolute_url(approval):
            yield _problem(crd, path, f"{approval!r} is neither a URL nor begins with 'unapproved'")


def _is_absolute_url(text: str) -> bool:
    try:
        url = parse_request_uri(text)
    except InvalidUrlError:
        return False
    return bool(url.scheme and url.host)
