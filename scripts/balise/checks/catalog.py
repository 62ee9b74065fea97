"""The rules of ``opm validate`` on a file-based catalog: what is on disk, what belongs together, what the graph says.

The stages are those of opm, and so is their order: reading, packages, channels, bundles, deprecations, then the model
of each package. What a later stage would say often only follows from what an earlier one found, so the first stage with
a problem is the last one that is reported.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from balise.checks.catalog_graph import Channel, ChannelBundle, graph_problem
from balise.checks.findings import Finding
from balise.checks.suites.catalog import CATALOG_CHECKS, CATALOG_SUITE
from balise.model.catalog_blobs import BLOB_TYPES, PROPERTY_TYPES
from balise.model.catalog_files import ReadProblem, Source, scan
from balise.model.documents import Document, FieldPath, render_path
from balise.model.go_types import MismatchError, decode
from balise.model.image_reference import InvalidImageError, check_image
from balise.model.kubernetes_names import dns1123_label
from balise.model.semver import (
    InvalidRangeError,
    InvalidVersionError,
    Version,
    VersionRange,
    prerelease_identifier,
)
from balise.model.yaml_text import SyntaxProblem, load

__all__ = ["CatalogReport", "check_blobs", "check_catalog", "reading_problem"]


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """What there is to say about one catalog."""

    path: str
    findings: tuple[Finding, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether opm would take it."""
        return not any(finding.level == "error" for finding in self.findings)


def check_catalog(directory: Path | str, *, jobs: int | None = None) -> CatalogReport:
    """Check the catalog in *directory*, with as many processes as *jobs* says; raises InputError where it is none."""
    found = scan(Path(directory), _visit, jobs=jobs)
    documents: dict[Source, Document] = {}
    unread = [problem for blob in found.values if blob.unreadable for problem in blob.problems]
    if found.problems or unread:
        # In the order of the files and lines, so that the first one is that at which opm gives up.
        findings = [_read_finding(problem) for problem in found.problems]
        findings += [_finding(problem, documents) for problem in unread]
        findings.sort(key=lambda finding: (finding.file, finding.line))
    else:
        findings = [_finding(problem, documents) for problem in _problems(found.values)]
    return CatalogReport(str(directory), tuple(findings))


def check_blobs(blobs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is wrong with a catalog that is not on disk; the messages only, as there are no places."""
    visited = []
    for number, blob in enumerate(blobs):
        source = Source("", number, number, 0)
        visited.append(_visit(source, Document("", b"", blob)))
    unread = [problem for blob in visited if blob.unreadable for problem in blob.problems]
    return tuple(problem.message for problem in unread or _problems(visited))


def reading_problem(blob: Mapping[str, Any]) -> tuple[FieldPath, str] | None:
    """Why opm could not even read a blob, and where; None where it could."""
    visited = _visit(Source("", 0, 0, 0), Document("", b"", blob))
    return (visited.problems[0].path, visited.problems[0].message) if visited.unreadable else None


class _Problem(NamedTuple):
    """A rule broken: the check's name, where, and what was found."""

    check: str
    source: Source
    path: FieldPath
    message: str


@dataclass(frozen=True, slots=True)
class _Blob:
    """What the rules need of a document, small enough to be sent between processes.

    ``problems`` are those that can be seen in the document alone; ``unreadable`` says that opm could not read it.
    """

    source: Source
    schema: str
    fields: Mapping[str, Any]
    problems: tuple[_Problem, ...] = ()
    unreadable: bool = False


# --- Reading one document ---------------------------------------------------------------------------------------------


def _visit(source: Source, document: Document) -> _Blob:
    data = document.data
    problem = _meta_problem(data)
    if problem is not None:
        return _unreadable(source, *problem)
    schema = next(data[key] for key in data if key.casefold() == "schema")
    kind = BLOB_TYPES.get(schema)
    if kind is None:
        return _Blob(source, schema, {})
    try:
        fields = decode(data, kind) or {}
    except MismatchError as error:
        return _unreadable(source, "type", error.path, f"{render_path(error.path)}: {error}")
    if schema == "olm.bundle":
        return _visit_bundle(source, fields, data)
    if schema == "olm.package":
        fields = {name: fields.get(name, "") for name in ("name", "defaultChannel")}
    return _Blob(source, schema, fields)


def _meta_problem(data: Any) -> tuple[str, FieldPath, str] | None:
    """Check, place and message of what keeps opm from telling what a document is."""
    if not isinstance(data, dict):
        return "no-schema", (), "a mapping with a schema is expected"
    folded: dict[str, str] = {}
    for key in data:
        if (other := folded.setdefault(key.casefold(), key)) != key:
            return "keys", (key,), f"{key} and {other} are the same key"
    for name in ("schema", "package", "name"):
        if name in folded and not isinstance(data[folded[name]], str):
            return "type", (folded[name],), f"{folded[name]} must be text"
    if "schema" not in folded or not data[folded["schema"]]:
        return "no-schema", (), "the document has no schema"
    return None


def _unreadable(source: Source, check: str, path: FieldPath, message: str) -> _Blob:
    return _Blob(source, "", {}, (_Problem(check, source, path, message),), unreadable=True)


def _visit_bundle(source: Source, fields: Mapping[str, Any], raw: Mapping[str, Any]) -> _Blob:
    objects = 0
    for index, each in enumerate(fields.get("properties") or ()):
        if each.get("type") == "olm.bundle.object":
            objects += 1
            try:
                _must_have_value(each, _nth(raw, "properties", index))
                _read_object(each.get("value"))
            except (MismatchError, SyntaxProblem, ValueError) as error:
                return _unreadable(source, "bundle-object", ("properties", index, "value"), str(error))
    problems: list[_Problem] = []
    packages = []
    for index, each in enumerate(fields.get("properties") or ()):
        path: FieldPath = ("properties", index)
        try:
            value = _property_value(each, _nth(raw, "properties", index))
        except MismatchError as error:
            message = f"property {each.get('type', '')}: {error}"
            problems.append(_Problem("property", source, (*path, "value", *error.path), message))
            continue
        if each.get("type") == "olm.package":
            packages.append((index, {name: value.get(name, "") for name in ("packageName", "version", "release")}))
    kept = {
        "name": fields.get("name", ""),
        "package": fields.get("package", ""),
        "image": fields.get("image", ""),
        "objects": objects,
        "packages": packages,
    }
    problems += _image_problems(source, fields)
    return _Blob(source, "olm.bundle", kept, tuple(problems))


def _nth(raw: Mapping[str, Any], field_name: str, index: int) -> Mapping[str, Any]:
    values: list[Any] = next((raw[key] for key in raw if key.casefold() == field_name), [])
    found: Mapping[str, Any] = values[index] or {}
    return found


def _property_value(found: Mapping[str, Any], raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value, decoded into the type of the property; raises MismatchError."""
    _must_have_value(found, raw)
    kind = PROPERTY_TYPES.get(found.get("type", ""))
    return (decode(found.get("value"), kind) or {}) if kind else {}


def _must_have_value(found: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
    if "value" not in found and not any(key.casefold() == "value" for key in raw):
        raise MismatchError("a value", None, why="there is no value")


def _read_object(value: Any) -> None:
    data = base64.b64decode((decode(value, "BundleObject") or {}).get("data", ""))
    if data[:1] != b"{" and not data.lstrip().startswith(b"{"):
        load(data)  # opm takes what looks like JSON without reading it


def _image_problems(source: Source, fields: Mapping[str, Any]) -> Iterator[_Problem]:
    images: list[tuple[FieldPath, str]] = [(("image",), fields.get("image", ""))]
    images += [
        (("relatedImages", index, "image"), each.get("image", ""))
        for index, each in enumerate(fields.get("relatedImages") or ())
    ]
    for path, image in images:
        try:
            if image:
                check_image(image)
        except InvalidImageError as error:
            yield _Problem("image", source, path, f"{image!r} is no image reference: {error}")


# --- What belongs together --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Package:
    """A package as opm puts it together: its channels, with the bundles that they list."""

    blob: _Blob
    channels: dict[str, Channel] = field(default_factory=dict)
    sources: dict[str, _Blob] = field(default_factory=dict)
    """The blob of each channel."""
    bundles: dict[str, _Blob] = field(default_factory=dict)
    deprecations: list[tuple[Source, FieldPath, str]] = field(default_factory=list)
    """Where deprecations without a message are."""

    @property
    def name(self) -> str:
        return str(self.blob.fields["name"])

    @property
    def default_channel(self) -> str:
        return str(self.blob.fields["defaultChannel"])


_Packages = dict[str, _Package]


def _problems(blobs: list[_Blob]) -> Iterator[_Problem]:
    """The problems of the first stage that has any."""
    by_schema: dict[str, list[_Blob]] = {schema: [] for schema in BLOB_TYPES}
    for blob in blobs:
        if blob.schema in by_schema:
            by_schema[blob.schema].append(blob)
    packages: _Packages = {}
    stages: list[tuple[Callable[[_Packages, list[_Blob]], Iterator[_Problem]], str]] = [
        (_add_packages, "olm.package"),
        (_add_channels, "olm.channel"),
        (_add_bundles, "olm.bundle"),
        (_entries_without_bundle, "olm.channel"),
        (_add_deprecations, "olm.deprecations"),
    ]
    for stage, schema in stages:
        problems = list(stage(packages, by_schema[schema]))
        if problems:
            yield from problems
            return
    for package in packages.values():
        yield from _model_problems(package)


def _add_packages(packages: _Packages, blobs: list[_Blob]) -> Iterator[_Problem]:
    for blob in blobs:
        name = blob.fields["name"]
        if not name:
            yield _Problem("package-no-name", blob.source, (), "the package has no name")
        elif name in packages:
            yield _Problem("package-twice", blob.source, ("name",), f"package {name} is defined a second time")
        elif wrong := dns1123_label(name):
            yield _Problem("package-name", blob.source, ("name",), f"{name!r}: {'; '.join(wrong)}")
        else:
            packages[name] = _Package(blob)


def _add_channels(packages: _Packages, blobs: list[_Blob]) -> Iterator[_Problem]:
    for blob in blobs:
        name, owner = blob.fields.get("name", ""), blob.fields.get("package", "")
        package = packages.get(owner)
        if package is None:
            message = f"channel {name}: there is no package {owner}" if owner else f"channel {name} names no package"
            yield _Problem("channel-package", blob.source, ("package",), message)
        elif not name:
            yield _Problem("channel-no-name", blob.source, ("name",), f"a channel of package {owner} has no name")
        elif name in package.channels:
            message = f"channel {name} of package {owner} is defined a second time"
            yield _Problem("channel-twice", blob.source, ("name",), message)
        else:
            channel = package.channels[name] = Channel(name)
            package.sources[name] = blob
            yield from _add_entries(channel, blob)


def _add_entries(channel: Channel, blob: _Blob) -> Iterator[_Problem]:
    for index, entry in enumerate(blob.fields.get("entries") or ()):
        name = entry.get("name", "")
        if name in channel.bundles:
            message = f"channel {channel.name} lists {name} a second time"
            yield _Problem("entry-twice", blob.source, ("entries", index, "name"), message)
        else:
            channel.bundles[name] = ChannelBundle(
                name, index, entry.get("replaces", ""), tuple(entry.get("skips") or ()), entry.get("skipRange", "")
            )


def _add_bundles(packages: _Packages, blobs: list[_Blob]) -> Iterator[_Problem]:
    for blob in blobs:
        name, owner = blob.fields["name"], blob.fields["package"]
        package = packages.get(owner)
        if package is None:
            check, message = "bundle-package", f"bundle {name}: there is no package {owner}"
            if not owner:
                check, message = "bundle-no-package", f"bundle {name} names no package"
            yield _Problem(check, blob.source, ("package",), message)
        elif name in package.bundles:
            message = f"bundle {name} of package {owner} is defined a second time"
            yield _Problem("bundle-twice", blob.source, ("name",), message)
        else:
            package.bundles[name] = blob
            yield from _add_bundle(package, blob)


def _add_bundle(package: _Package, blob: _Blob) -> Iterator[_Problem]:
    name = blob.fields["name"]
    if blob.problems:
        yield from (problem._replace(message=f"bundle {name}: {problem.message}") for problem in blob.problems)
        if any(problem.check == "property" for problem in blob.problems):
            return
    packages = blob.fields["packages"]
    if len(packages) != 1:
        path: FieldPath = ("properties", packages[1][0]) if packages else ("properties",)
        message = f"bundle {name} has {len(packages)} olm.package properties, not one"
        yield _Problem("package-property", blob.source, path, message)
        return
    index, value = packages[0]
    path = ("properties", index, "value")
    if value["packageName"] != package.name:
        message = f"bundle {name} of package {package.name}: its olm.package property says {value['packageName']!r}"
        yield _Problem("package-mismatch", blob.source, (*path, "packageName"), message)
    try:
        version = Version.parse(value["version"])
    except InvalidVersionError as error:
        yield _Problem("version", blob.source, (*path, "version"), f"bundle {name}: {error}")
        return
    try:
        release = _release(value["release"])
    except InvalidVersionError as error:
        yield _Problem("release", blob.source, (*path, "release"), f"bundle {name}: {error}")
        return
    listed = [channel for channel in package.channels.values() if name in channel.bundles]
    if not listed:
        message = f"no channel of package {package.name} lists bundle {name or 'without a name'}"
        yield _Problem("bundle-no-entry", blob.source, ("name",), message)
    for channel in listed:
        channel.bundles[name].describe(version, release, complete=bool(blob.fields["image"] or blob.fields["objects"]))


def _release(text: str) -> tuple[int | str, ...]:
    if len(text.encode()) > 20:
        raise InvalidVersionError(f"the release {text!r} has more than 20 characters")
    return tuple(prerelease_identifier(part) for part in text.split(".")) if text else ()


def _entries_without_bundle(packages: _Packages, _: list[_Blob]) -> Iterator[_Problem]:
    # opm looks only at the last channel of a package here; in the others it misses the bundle's image, and says so.
    for package in packages.values():
        for channel in package.channels.values():
            for bundle in channel.bundles.values():
                if bundle.name not in package.bundles:
                    message = (
                        f"channel {channel.name} of package {package.name} lists {bundle.name}, which is no bundle"
                    )
                    path: FieldPath = ("entries", bundle.index, "name")
                    yield _Problem("entry-no-bundle", package.sources[channel.name].source, path, message)


def _add_deprecations(packages: _Packages, blobs: list[_Blob]) -> Iterator[_Problem]:
    seen: set[str] = set()
    for blob in blobs:
        owner = blob.fields.get("package", "")
        package = packages.get(owner)
        if package is None:
            message = f"there is no package {owner} to deprecate anything of" if owner else "the package is not named"
            yield _Problem("deprecation-package", blob.source, ("package",), message)
        elif owner in seen:
            message = f"package {owner} has a second olm.deprecations"
            yield _Problem("deprecation-twice", blob.source, ("package",), message)
        else:
            seen.add(owner)
            yield from _add_deprecation(package, blob)


def _add_deprecation(package: _Package, blob: _Blob) -> Iterator[_Problem]:
    references: set[tuple[str, str]] = set()
    for index, entry in enumerate(blob.fields.get("entries") or ()):
        path: FieldPath = ("entries", index, "reference")
        reference = entry.get("reference") or {}
        schema, name = reference.get("schema", ""), reference.get("name", "")
        if (schema, name) in references:
            message = f"{schema} {name} of package {package.name} is deprecated a second time"
            yield _Problem("deprecation-entry-twice", blob.source, path, message)
            continue
        references.add((schema, name))
        problem = _deprecation_problem(package, schema, name)
        if problem:
            yield _Problem(problem[0], blob.source, (*path, problem[1]), problem[2])
        elif not entry.get("message"):
            package.deprecations.append((blob.source, ("entries", index), " ".join(filter(None, (schema, name)))))


def _deprecation_problem(package: _Package, schema: str, name: str) -> tuple[str, str, str] | None:
    """Check, field and message of what is wrong with a deprecation's reference."""
    match schema:
        case "olm.package" if name:
            return "deprecation-named", "name", f"the deprecation of package {package.name} itself names {name}"
        case "olm.bundle" if name not in package.bundles:
            return "deprecation-target", "name", f"package {package.name} has no bundle {name}"
        case "olm.channel" if name not in package.channels and (name != package.default_channel or not name):
            return "deprecation-target", "name", f"package {package.name} has no channel {name}"
        case "olm.package" | "olm.bundle" | "olm.channel":
            return None
        case _:
            wrong = f"{schema!r} is nothing that can be deprecated" if schema else "the reference has no schema"
            return "deprecation-schema", "schema", wrong


# --- What the graph says ----------------------------------------------------------------------------------------------


def _model_problems(package: _Package) -> Iterator[_Problem]:
    source = package.blob.source
    default = package.default_channel
    if not default:
        yield _Problem("default-unset", source, ("defaultChannel",), f"package {package.name} has no default channel")
        if not package.channels:
            yield _Problem("package-empty", source, (), f"package {package.name} has no channel")
    elif default not in package.channels:
        message = f"package {package.name} has no channel {default}, which is to be its default"
        yield _Problem("default-missing", source, ("defaultChannel",), message)
    for channel in package.channels.values():
        yield from _channel_problems(package, channel)
    yield from _version_problems(package)
    for place, path, what in package.deprecations:
        yield _Problem("deprecation-message", place, path, f"the deprecation of {what} has no message")


def _channel_problems(package: _Package, channel: Channel) -> Iterator[_Problem]:
    source = package.sources[channel.name].source
    if not channel.bundles:
        message = f"channel {channel.name} of package {package.name} has no entries"
        yield _Problem("channel-empty", source, ("entries",), message)
        return
    found = graph_problem(channel)
    if found is not None:
        path: FieldPath = ("entries", found.at)
        yield _Problem(found.check, source, path, f"channel {channel.name} of package {package.name}: {found.message}")
    for bundle in channel.bundles.values():
        for check, field_path, message in _entry_problems(package.name, bundle):
            yield _Problem(check, source, ("entries", bundle.index, *field_path), message)


def _entry_problems(package: str, bundle: ChannelBundle) -> Iterator[tuple[str, FieldPath, str]]:
    if not bundle.name:
        yield "bundle-no-name", ("name",), f"a bundle of package {package} has no name"
    if bundle.release:
        if bundle.name != (expected := f"{package}-v{bundle.version_text}"):
            yield "release-name", ("name",), f"{bundle.name} has a release, so its name should be {expected}"
        if bundle.version.build:
            yield "release-name", ("name",), f"{bundle.name} has a release and build metadata in its version"
    for index, skip in enumerate(bundle.skips):
        if not skip:
            yield "skip-empty", ("skips", index), f"{bundle.name} skips an empty name"
    if bundle.skip_range:
        try:
            VersionRange.parse(bundle.skip_range)
        except InvalidRangeError as error:
            yield "skip-range", ("skipRange",), f"{bundle.name}: {bundle.skip_range!r} is no version range: {error}"
    if not bundle.complete:
        yield "bundle-no-image", ("name",), f"{bundle.name} has no image"


def _version_problems(package: _Package) -> Iterator[_Problem]:
    names: dict[str, dict[str, None]] = {}
    for channel in package.channels.values():
        for bundle in channel.bundles.values():
            names.setdefault(bundle.version_text, {})[bundle.name] = None
    for version, twins in sorted(names.items()):
        if len(twins) > 1:
            last = package.bundles[list(twins)[-1]]
            path: FieldPath = ("properties", last.fields["packages"][0][0], "value", "version")
            message = f"{' and '.join(sorted(twins))} both have version {version}"
            yield _Problem("version-twice", last.source, path, message)


# --- Findings ---------------------------------------------------------------------------------------------------------


def _finding(problem: _Problem, documents: dict[Source, Document]) -> Finding:
    check = CATALOG_CHECKS[problem.check]
    document = documents.get(problem.source)
    if document is None:
        document = documents[problem.source] = problem.source.document()
    span = document.span(problem.path)
    return Finding(
        CATALOG_SUITE,
        check.level,
        check.code,
        check.type,
        "",
        problem.message,
        span.start.file,
        span.start.line,
        span.start.column,
        check.hint,
        span.end_column,
        document.source_line(span.start.line),
    )


def _read_finding(problem: ReadProblem) -> Finding:
    check = CATALOG_CHECKS[problem.kind]
    file, line, column = problem.position
    return Finding(
        CATALOG_SUITE, check.level, check.code, check.type, "", problem.message, file, line, column, check.hint,
        column + 1, problem.excerpt,
    )  # fmt: skip
