"""Images as OCI layouts on disk (opencontainers/image-spec): written reproducibly, read without trusting them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from balise.model.errors import InputError

__all__ = ["Image", "images_in", "is_layout", "read_image", "write_image"]

MAX_IMAGE_BYTES: Final = 512 * 2**20
"""An image whose files are larger together is not read."""

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_REF_NAME: Final = "org.opencontainers.image.ref.name"
_INDEX_TYPES: Final = (_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")


@dataclass(frozen=True, slots=True)
class Image:
    """What an image holds: labels, and the content of its regular files by path from its root."""

    labels: Mapping[str, str]
    files: Mapping[str, bytes]


# --- Writing ----------------------------------------------------------------------------------------------------------


def write_image(
    layout: Path, image: Image, *, name: str, platforms: Sequence[str], annotations: Mapping[str, str] = {}
) -> str:
    """Write an image for several platforms (``linux/amd64``) with the same files; return its digest.

    The layer is not compressed: what zlib makes of it differs between its versions, and the digest should not.
    """
    blobs: dict[str, bytes] = {}

    def add(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    layer = _tar(image.files)
    layer_descriptor = add(layer, _LAYER)
    manifests = []
    for platform in platforms:
        os_name, _, architecture = platform.partition("/")
        config = {
            "architecture": architecture,
            "os": os_name,
            "config": {"Labels": dict(sorted(image.labels.items()))},
            "rootfs": {"type": "layers", "diff_ids": [layer_descriptor["digest"]]},
            "history": [{"created_by": "balise catalog image"}],
        }
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": add(_json(config), _CONFIG),
            "layers": [layer_descriptor],
        }
        if annotations:
            manifest["annotations"] = dict(sorted(annotations.items()))
        described = {"architecture": architecture, "os": os_name}
        manifests.append(add(_json(manifest), _MANIFEST, platform=described))
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    if annotations:
        index["annotations"] = dict(sorted(annotations.items()))
    top = add(_json(index), _INDEX, annotations={_REF_NAME: name})
    _write_layout(layout, blobs, {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [top]})
    return str(top["digest"])


def _write_layout(layout: Path, blobs: Mapping[str, bytes], index: Mapping[str, Any]) -> None:
    folder = layout / "blobs" / "sha256"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for digest, data in blobs.items():
            (folder / digest.removeprefix("sha256:")).write_bytes(data)
        (layout / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
        # The index comes last: a layout that was interrupted refers to nothing that is not there.
        (layout / "index.json").write_bytes(_json(index))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", place=str(layout)) from None


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _tar(files: Mapping[str, bytes]) -> bytes:
    """The files and the folders above them, in the order of names, without times, users and the machine's modes."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents if str(parent) != "."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted({*folders, *files}):
            entry = tarfile.TarInfo(path)
            if path in folders:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(files[path]), 0o644
                archive.addfile(entry, io.BytesIO(files[path]))
    return buffer.getvalue()


# --- Reading ----------------------------------------------------------------------------------------------------------


def is_layout(folder: Path) -> bool:
    """Whether a folder is an OCI layout."""
    return (folder / "oci-layout").is_file() and (folder / "index.json").is_file()


def images_in(layout: Path) -> list[tuple[str, str]]:
    """Name (empty without one) and digest of each image in a layout."""
    return [
        (str((each.get("annotations") or {}).get(_REF_NAME, "")), str(each.get("digest", "")))
        for each in _manifests(_read_json(layout, layout / "index.json"), layout)
    ]


def read_image(layout: Path, reference: str = "") -> Image:
    """The image that a layout has for *reference*.

    That is the one with that name or digest, or with its tag as name; the only one where *reference* is empty.

    Raises:
        InputError: when there is none, when a blob is missing or not what its digest says, or when a file of it would
            leave the image's root.
    """
    path, _, digest = reference.partition("@")
    tag = path.rpartition("/")[2].partition(":")[2]
    listed = images_in(layout)
    found = [each for _, each in listed if each == digest]
    found += [each for wanted in (reference, path, tag) if wanted for name, each in listed if name == wanted]
    if not reference and len({each for _, each in listed}) == 1:
        found.append(listed[0][1])
    if not found:
        names = ", ".join(sorted(name or each for name, each in listed)) or "none"
        raise InputError(
            f"has no image {reference}" if reference else "does not have exactly one image",
            place=str(layout),
            way_out=f"its images: {names}",
        )
    manifest = _manifest(layout, found[0])
    config = json.loads(_blob(layout, manifest["config"]["digest"]))
    files: dict[str, bytes] = {}
    for layer in manifest.get("layers") or ():
        _apply(layout, layer, files)
    labels = (config.get("config") or {}).get("Labels") or {}
    return Image({str(key): str(value) for key, value in labels.items()}, files)


def _manifest(layout: Path, digest: str) -> dict[str, Any]:
    """The manifest at a digest; of an index the one for Linux on amd64, else its first."""
    document = _parse(_blob(layout, digest), layout)
    if document.get("mediaType") in _INDEX_TYPES or "manifests" in document:
        listed = _manifests(document, layout)
        if not listed:
            raise InputError("has an index without images", place=str(layout))
        platform = {"os": "linux", "architecture": "amd64"}
        best = [each for each in listed if platform.items() <= (each.get("platform") or {}).items()]
        return _manifest(layout, str((best or listed)[0].get("digest", "")))
    if not isinstance(document.get("config"), dict) or not isinstance(document.get("layers"), list):
        raise InputError(f"{digest} is no image manifest", place=str(layout))
    return document


def _apply(layout: Path, layer: Mapping[str, Any], files: dict[str, bytes]) -> None:
    """Put a layer's files over those of the layers below."""
    media_type = str(layer.get("mediaType", ""))
    if media_type.endswith("zstd"):
        raise InputError("has a layer compressed with zstd, which is not read", place=str(layout),
                         way_out="copy it with `skopeo copy --dest-compress-format gzip`")  # fmt: skip
    data = _blob(layout, str(layer.get("digest", "")))
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, layout)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for entry in archive:
                _apply_entry(archive, entry, files, layout)
    except tarfile.TarError as error:
        raise InputError(f"has a layer that is no tar archive: {error}", place=str(layout)) from None


def _apply_entry(archive: tarfile.TarFile, entry: tarfile.TarInfo, files: dict[str, bytes], layout: Path) -> None:
    path = PurePosixPath("/" + entry.name.removeprefix("./").lstrip("/"))
    if ".." in path.parts:
        raise InputError(f"has a file that leaves the image: {entry.name}", place=str(layout))
    name = str(path)[1:]
    folder = f"{path.parent}/".lstrip("/")
    if path.name == ".wh..wh..opq":
        _remove(files, folder)
    elif path.name.startswith(".wh."):
        removed = folder + path.name.removeprefix(".wh.")
        files.pop(removed, None)
        _remove(files, f"{removed}/")
    elif entry.isreg():
        content = archive.extractfile(entry)
        files[name] = content.read() if content else b""
        if sum(map(len, files.values())) > MAX_IMAGE_BYTES:
            raise InputError("has an image that is too large to be read", place=str(layout))


def _remove(files: dict[str, bytes], prefix: str) -> None:
    for path in [path for path in files if path.startswith(prefix)]:
        del files[path]


def _gunzip(data: bytes, layout: Path) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, MAX_IMAGE_BYTES)
    except zlib.error as error:
        raise InputError(f"has a layer that is no gzip file: {error}", place=str(layout)) from None
    if unpacker.unconsumed_tail:
        raise InputError("has a layer that is too large to be read", place=str(layout))
    return unpacked


def _blob(layout: Path, digest: str) -> bytes:
    algorithm, _, figures = digest.partition(":")
    if algorithm != "sha256" or len(figures) != 64 or not set(figures) <= set("0123456789abcdef"):
        raise InputError(f"refers to {digest!r}, which is no sha256 digest", place=str(layout))
    try:
        data = (layout / "blobs" / "sha256" / figures).read_bytes()
    except OSError as error:
        raise InputError(f"blob {digest} cannot be read: {error.strerror or error}", place=str(layout)) from None
    if hashlib.sha256(data).hexdigest() != figures:
        raise InputError(f"blob {digest} has another content than its digest says", place=str(layout))
    return data


def _read_json(layout: Path, path: Path) -> dict[str, Any]:
    try:
        return _parse(path.read_bytes(), layout)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(path)) from None


def _parse(data: bytes, layout: Path) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"has a document that is not JSON: {error}", place=str(layout)) from None
    if not isinstance(found, dict):
        raise InputError("has a document that is not a mapping", place=str(layout))
    return found


def _manifests(index: Mapping[str, Any], layout: Path) -> list[dict[str, Any]]:
    listed = index.get("manifests") or []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise InputError("has an index of the wrong form", place=str(layout))
    return listed
