"""A bundle directory, loaded by the rules of the reference loader (operator-framework/api, pkg/manifests).

Every file outside dot folders is looked at; the first YAML document of one of them must be a ClusterServiceVersion, and
the files of its folder, first document each, are the bundle's objects. Where the reference would refuse the directory,
:func:`load_bundle` raises :class:`BundleLoadError`, with every reason it found.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from balise.model.csv import GVK, ClusterServiceVersion, api_group_version
from balise.model.documents import (
    Document,
    FieldPath,
    Memo,
    Position,
    file_bytes,
    first_document,
    render_path,
    split_documents,
)
from balise.model.errors import InputError
from balise.model.go_types import MismatchError, convert_partially, decode
from balise.model.internal_crd import InternalCrd, internal_crd
from balise.model.yaml_text import Json, Mark, SyntaxProblem, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Bundle",
    "BundleAnnotations",
    "BundleFiles",
    "BundleLoadError",
    "CustomResourceDefinition",
    "LoadProblem",
    "ManifestObject",
    "load_bundle",
    "load_bundle_files",
    "read_bundle_files",
    "walk_files",
]

MAX_MANIFEST_BYTES: Final = 16 * 2**20
"""A larger file is not read: compressed, it could hardly be below OLM's limit for the whole bundle, which is 1 MiB."""

MAX_BUNDLE_BYTES: Final = 64 * 2**20
MAX_BUNDLE_FILES: Final = 5_000

LoadKind = Literal["csv-missing", "csv-twice", "syntax", "type", "no-object", "layout", "unreadable"]


@dataclass(frozen=True, slots=True)
class LoadProblem:
    """One reason why a directory is not a bundle."""

    kind: LoadKind
    message: str
    position: Position
    source: Document | None = None
    """A document that holds the place's text, for an excerpt."""


class BundleLoadError(Exception):
    """The reference loader refuses the directory."""

    def __init__(self, path: str, problems: tuple[LoadProblem, ...]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{problem.position.file}: {problem.message}" for problem in self.problems)


@dataclass(frozen=True)
class ManifestObject:
    """The first document of a file of the bundle. ``data`` is empty for a file whose first document is."""

    document: Document

    @property
    def data(self) -> Mapping[str, Any]:
        """The object as JSON values."""
        return self.document.data or {}

    @cached_property
    def kind(self) -> str:
        """Its kind; empty where there is none."""
        return _text(self.data.get("kind"))

    @cached_property
    def api_version(self) -> str:
        """Its apiVersion; empty where there is none."""
        return _text(self.data.get("apiVersion"))

    @property
    def name(self) -> str:
        """``metadata.name``; empty where there is none."""
        metadata = self.data.get("metadata")
        return _text(metadata.get("name")) if isinstance(metadata, dict) else ""

    def converted(self, type_name: str) -> Mapping[str, Any] | None:
        """The object as the type, with the strictness of Kubernetes' own conversion; None where it does not fit."""
        found, problem = convert_partially(self.data, type_name)
        return found if problem is None else None

    @cached_property
    def gvk(self) -> GVK:
        """Group, version and kind; empty ones where the apiVersion has more than one slash."""
        group_version = api_group_version(self.api_version)
        return GVK(*group_version, self.kind) if group_version else GVK("", "", "")


@dataclass(frozen=True)
class CustomResourceDefinition:
    """A CRD, decoded into the type of its apiVersion (``v1`` or ``v1beta1``)."""

    document: Document
    api: Literal["v1", "v1beta1"]
    fields: Mapping[str, Any]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """``metadata``, decoded."""
        return self.fields.get("metadata") or {}

    @property
    def name(self) -> str:
        """``metadata.name``; empty where there is none."""
        return str(self.metadata.get("name", ""))

    @property
    def spec(self) -> Mapping[str, Any]:
        """``spec``, decoded."""
        return self.fields.get("spec") or {}

    @cached_property
    def internal(self) -> InternalCrd:
        """The form in which the API server validates it."""
        return internal_crd(self)

    @cached_property
    def gvks(self) -> tuple[GVK, ...]:
        """What the CRD defines, one for each version."""
        spec = self.spec
        group, kind = spec.get("group", ""), (spec.get("names") or {}).get("kind", "")
        versions = [version.get("name", "") for version in spec.get("versions") or ()]
        if not versions and self.api == "v1beta1":
            versions = [spec.get("version", "")]
        return tuple(GVK(group, version, kind) for version in versions)


@dataclass(frozen=True)
class BundleAnnotations:
    """The file named annotations*: which package and channels the bundle is for. Empty where there is none."""

    document: Document | None = None
    package: str = ""
    channels: tuple[str, ...] = ("",)
    """Cut at commas and not trimmed, as the reference keeps them."""
    default_channel: str = ""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    path: str
    name: str
    csv: ClusterServiceVersion
    objects: tuple[ManifestObject, ...]
    crds: tuple[CustomResourceDefinition, ...]
    """v1 first, then v1beta1; in each the order of the file names."""
    annotations: BundleAnnotations
    size: int
    """Bytes of all files."""
    compressed_size: int
    """Bytes of each file as gzip in base64, summed. An upper bound where that is far below every limit."""
    files: Mapping[str, bytes] = field(default_factory=dict, compare=False)
    """Every file's content, by its path below the bundle's."""


def _kind(data: Mapping[str, Json]) -> str:
    """An object's kind; none, to Kubernetes, where the apiVersion cannot be taken apart."""
    return _text(data.get("kind")) if api_group_version(_text(data.get("apiVersion"))) else ""


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def walk_files(root: Path, folders: list[str] | None = None) -> Iterator[tuple[str, bool]]:
    """The files below *root*, in the order of names, links to folders not followed.

    Paths are relative, with slashes; beside each is whether it goes through a name with a dot in front, which the
    loader skips. Paths of folders are added to *folders*.
    """

    def visit(folder: str, prefix: str, hidden: bool) -> Iterator[tuple[str, bool]]:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            dotted = hidden or entry.name.startswith(".")
            if entry.is_dir(follow_symlinks=False):
                if folders is not None:
                    folders.append(prefix + entry.name)
                yield from visit(entry.path, f"{prefix}{entry.name}/", dotted)
            else:
                yield prefix + entry.name, dotted

    yield from visit(str(root), "", hidden=False)


@dataclass(frozen=True)
class BundleFiles:
    """What is in a directory: every file's content, read once."""

    root: Path
    names: tuple[tuple[str, bool], ...]
    """Each file's path below the root, and whether it goes through a name with a dot in front."""
    contents: Mapping[str, bytes]
    unreadable: Mapping[str, str]
    """Why the others could not be read."""
    folders: tuple[str, ...]
    """Paths of the folders below the root."""

    def digest(self, key: bytes) -> bytes:
        """The same for the same *key*, names and contents, wherever the directory is."""
        total = hashlib.blake2b(key, digest_size=20)
        for name in self.folders:
            total.update(b"/%b\0" % os.fsencode(name))
        for name, _ in self.names:
            data = self.contents.get(name)
            size = b"?" if data is None else b"%d" % len(data)
            total.update(b"%b\0%b\0" % (os.fsencode(name), size))
            total.update(self.unreadable[name].encode() if data is None else data)
        return total.digest()


def read_bundle_files(path: Path | str) -> BundleFiles:
    """Read a directory; raises :class:`InputError` where it is none, or has more bytes than are read."""
    root = Path(path)
    folders: list[str] = []
    try:
        names = tuple(walk_files(root, folders))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(path)) from None
    contents, unreadable, total = {}, {}, 0
    for name, _ in names:
        try:
            contents[name] = file_bytes(f"{root}/{name}", MAX_MANIFEST_BYTES)
        except InputError as error:
            unreadable[name] = error.message
            continue
        total += len(contents[name])
        if total > MAX_BUNDLE_BYTES or len(contents) > MAX_BUNDLE_FILES:
            raise InputError(
                f"it has more than {MAX_BUNDLE_FILES} files or more than {MAX_BUNDLE_BYTES} bytes",
                place=str(path),
                way_out="check that it is a bundle: OLM takes 1 MiB, compressed",
            )
    return BundleFiles(root, names, contents, unreadable, tuple(folders))


def load_bundle(path: Path | str) -> Bundle:
    """The bundle in directory *path*. Raises :class:`BundleLoadError`, or :class:`InputError` where *path* is none."""
    return load_bundle_files(read_bundle_files(path))


def load_bundle_files(files: BundleFiles, memo: Memo | None = None) -> Bundle:
    """The bundle in a directory that was read; raises :class:`BundleLoadError`.

    With a *memo*, texts that it knows are not read again.
    """
    return _Loader(files, memo).load()


class _Loader:
    def __init__(self, files: BundleFiles, memo: Memo | None) -> None:
        self.files = files
        self.memo = memo
        self.documents: dict[str, Document | None] = {}
        self.root = files.root
        self.listed = files.names
        self.problems: list[LoadProblem] = []
        self.contents = files.contents
        self.annotations = BundleAnnotations()
        self.not_read: dict[str, SyntaxProblem] = {}
        """Files that mention a ClusterServiceVersion, and why they could not be read."""

    def _name(self, file: str) -> str:
        """What findings call a file of the bundle: always the bundle's path, a slash, and its own, even below "."."""
        return f"{self.root}/{file}" if file else str(self.root)

    def problem(self, kind: LoadKind, message: str, file: str, mark: Mark = Mark(0, 0)) -> None:  # noqa: B008
        place = Position(self._name(file), mark.line + 1, mark.column + 1)
        source = Document(place.file, self.contents[file], None) if file in self.contents else None
        self.problems.append(LoadProblem(kind, message, place, source))

    def load(self) -> Bundle:
        for file, why in self.files.unreadable.items():
            self.problem("unreadable", why, file)
        csv_files = []
        for file, hidden in self.listed:
            if hidden or file not in self.contents:
                continue
            if file.rpartition("/")[2].startswith("annotations"):
                self._read_annotations(file)
            if b"ClusterServiceVersion" in self.contents[file] and self._first_kind(file) == "ClusterServiceVersion":
                csv_files.append(file)
        if not csv_files:
            self.problem("csv-missing", "no file's first document is a ClusterServiceVersion", "")
            for file, problem in self.not_read.items():
                self.problem("syntax", problem.message, file, problem.mark)
        bundle = None
        for folder in dict.fromkeys(file.rpartition("/")[0] for file in csv_files):
            bundle = self._load_folder(folder)
        if self.problems or bundle is None:
            raise BundleLoadError(str(self.root), tuple(self.problems))
        return bundle

    def _first_kind(self, file: str) -> str:
        """The kind of a file's first object, read as JSON or YAML; problems only matter where there is no other CSV."""
        data = self.contents[file]
        try:
            document = self._first_document(file)
        except SyntaxProblem as problem:
            self.not_read[file] = problem
            if not data[:30].lstrip().startswith(b"{"):
                return ""
            try:
                value, _ = json.JSONDecoder().raw_decode(data.decode("utf-8", "replace").lstrip())
            except (ValueError, RecursionError):
                return ""
            return _kind(value) if isinstance(value, dict) else ""
        return _kind(document.data) if document and isinstance(document.data, dict) else ""

    def _first_document(self, file: str) -> Document | None:
        if file not in self.documents:
            self.documents[file] = first_document(self._name(file), self.contents[file], self.memo)
        return self.documents[file]

    def _read_annotations(self, file: str) -> None:
        data = self.contents[file]
        try:
            document = Document(self._name(file), data, load(data))
            fields = decode(document.data, "AnnotationsFile", yaml=True) or {}
        except SyntaxProblem as problem:
            self.problem("syntax", problem.message, file, problem.mark)
            return
        except MismatchError as error:
            self._mismatch(file, document, error)
            return
        prefix = "operators.operatorframework.io.bundle."
        found = fields.get("annotations") or {}
        self.annotations = BundleAnnotations(
            document,
            found.get(prefix + "package.v1", ""),
            tuple(found.get(prefix + "channels.v1", "").split(",")),
            found.get(prefix + "channel.default.v1", ""),
        )

    def _mismatch(self, file: str, document: Document, error: MismatchError) -> None:
        place = document.locate(error.path)
        where = render_path(error.path)
        message = f"{where}: {error}" if where else str(error)
        self.problem("type", message, file, Mark(place.line - 1, place.column - 1))

    def _load_folder(self, folder: str) -> Bundle | None:
        csv: ClusterServiceVersion | None = None
        csv_name = ""
        objects: list[ManifestObject] = []
        crds: dict[str, list[CustomResourceDefinition]] = {"v1": [], "v1beta1": []}
        for file in self._folder_files(folder):
            manifest = self._read_object(file)
            if manifest is None:
                continue
            objects.append(manifest)
            if manifest.kind == "ClusterServiceVersion":
                if csv_name:
                    self.problem("csv-twice", f"a second ClusterServiceVersion beside {csv_name}", file)
                    return None
                csv_name = file
                if (fields := self._decode(file, manifest, "ClusterServiceVersion")) is not None:
                    csv = ClusterServiceVersion(manifest.document, fields)
            elif manifest.kind == "CustomResourceDefinition":
                self._add_crd(file, manifest, crds)
        if csv is None:
            return None
        size, compressed = self._sizes()
        metadata_name = next(each.name for each in objects if each.document is csv.document)
        crds_in_order = tuple(crds["v1"] + crds["v1beta1"])
        return Bundle(
            str(self.root),
            metadata_name,
            csv,
            tuple(objects),
            crds_in_order,
            self.annotations,
            size,
            compressed,
            self.contents,
        )

    def _folder_files(self, folder: str) -> Iterator[str]:
        """The files directly in the folder of the CSV; anything else there is a problem."""
        prefix = f"{folder}/" if folder else ""
        folders_seen = set()
        for file, _ in self.listed:
            if not file.startswith(prefix):
                continue
            name, slash, _ = file[len(prefix) :].partition("/")
            if slash:
                if name not in folders_seen:
                    self.problem("layout", f"the folder {name} stands among the manifests", prefix + name)
                folders_seen.add(name)
            elif name.startswith("."):
                self.problem("layout", "a hidden file stands among the manifests", file)
            elif file in self.contents:
                yield file
        # An empty folder holds no file that would show it.
        for path in self.files.folders:
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and "/" not in name and name not in folders_seen:
                self.problem("layout", f"the folder {name} stands among the manifests", path)

    def _read_object(self, file: str) -> ManifestObject | None:
        try:
            document = self._first_document(file)
        except SyntaxProblem as problem:
            self.problem("syntax", problem.message, file, problem.mark)
            return None
        if document is None:
            self.problem("no-object", "the file is empty", file)
        elif document.data is not None and not isinstance(document.data, dict):
            self.problem("no-object", "the file holds no Kubernetes object, which is a mapping with a kind", file)
        elif document.data is not None and not _kind(document.data):
            written = document.data.get("kind")
            message = (
                "with an apiVersion of more than one slash the kind counts as missing"
                if written
                else ("the object has no kind")
            )
            self.problem("no-object", message, file, Mark(document.line, 0))
        else:
            return ManifestObject(document)
        return None

    def _add_crd(self, file: str, manifest: ManifestObject, crds: dict[str, list[CustomResourceDefinition]]) -> None:
        api = {"apiextensions.k8s.io/v1": "v1", "apiextensions.k8s.io/v1beta1": "v1beta1"}.get(manifest.api_version)
        if api is None:
            self.problem("type", f"{manifest.api_version!r} is no apiVersion of a CustomResourceDefinition", file)
            return
        type_name = "apiextensions.CustomResourceDefinition" if api == "v1" else "CustomResourceDefinition.v1beta1"
        fields = self._decode(file, manifest, type_name)
        if fields is not None:
            crds[api].append(CustomResourceDefinition(manifest.document, "v1" if api == "v1" else "v1beta1", fields))

    def _decode(self, file: str, manifest: ManifestObject, type_name: str) -> Mapping[str, Any] | None:
        try:
            value = _second_reading(self.contents[file], manifest.document)
            return decode(value, type_name, yaml=True) or {}
        except SyntaxProblem as problem:
            text = "further documents make the reference loader misread the file: keep one document in a file"
            self.problem("syntax", f"{text} ({problem.message})", file)
        except MismatchError as error:
            self._mismatch(file, manifest.document, error)
        return None

    def _sizes(self) -> tuple[int, int]:
        size = sum(map(len, self.contents.values()))
        # gzip never makes a file more than some bytes larger: below this no limit is near, and the sum is not needed.
        bound = size * 4 // 3 + 64 * len(self.contents)
        if bound < 0.85 * 2**20:
            return size, bound
        return size, sum(_gzip_base64_length(data) for data in self.contents.values())


def _gzip_base64_length(data: bytes) -> int:
    packer = zlib.compressobj(wbits=31)
    return len(base64.b64encode(packer.compress(data) + packer.flush()))


def _second_reading(data: bytes, first: Document) -> Json:
    """What the reference decodes into the typed object.

    It reads the first document, seeks the file to its start and reads a document again, but through the same buffer: of
    a file with several documents that is what the buffer (4,096 bytes) still held, followed by the file.
    """
    chunk = next(split_documents(data))
    if chunk.end >= len(data):
        return first.data
    position = filled = 0
    while position < chunk.end:
        newline = data.find(b"\n", position, filled)
        if newline >= 0:
            position = newline + 1
        elif filled - position >= 4096 or filled >= len(data):
            position = filled
        else:
            filled = min(len(data), filled + 4096 - (filled - position))
    again = next(split_documents(data[position:filled] + data))
    return load(again.text)


def field_path(*steps: str | int) -> FieldPath:
    """A path, spelled without a tuple's parentheses."""
    return steps
