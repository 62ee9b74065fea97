"""Bundle images on disk: OCI layouts, as folders or archives, and what ``docker save`` writes.

Only manifests/, metadata/ and tests/ are unpacked, and only files. An image comes from somebody else: what would
leave the folder, a link, a device, and whatever expands beyond all measure is refused before it does anything.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Protocol, cast

from balise.model.errors import InputError

__all__ = ["is_image", "unpack"]

_MOST_READ: Final = 512 * 2**20
"""Bytes of all layers, unpacked. A bundle image has some hundred kilobytes."""
_MOST_WRITTEN: Final = 64 * 2**20
_MOST_JSON: Final = 4 * 2**20
_MOST_ENTRIES: Final = 10_000
_MOST_AT_ONCE: Final = 2 * _MOST_JSON
_WANTED: Final = frozenset(("manifests", "metadata", "tests"))
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")


def is_image(path: Path) -> bool:
    """Whether *path* is an OCI layout's folder, or a file that may be an archive of an image."""
    return (path / "oci-layout").is_file() if path.is_dir() else path.is_file() and _looks_like_archive(path)


def _looks_like_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    return head[:2] == b"\x1f\x8b" or head[257:262] == b"ustar"


def unpack(path: Path, folder: Path) -> None:
    """Unpack the bundle of an image into *folder*; raises InputError for what is no bundle image, or unsafe."""
    try:
        with _source(path) as source:
            layers = _layers(source, path)
            written = _Unpacking(path, folder)
            for layer in layers:
                written.apply(source, layer)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise _refused(path, f"is damaged: {error}") from None
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from None
    if not (folder / "manifests").is_dir():
        way_out = "give the image of the bundle, not that of the operator"
        raise _refused(path, "is an image without a folder manifests/", way_out)


def _refused(path: Path, message: str, way_out: str = "") -> InputError:
    return InputError(message, place=str(path), way_out=way_out or "write it again: skopeo copy docker://IMAGE oci:DIR")


class _Source(Protocol):
    """The files of an image, by their names in it."""

    def open(self, name: str) -> BinaryIO | None:
        """The file; None where there is none."""


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def open(self, name: str) -> BinaryIO | None:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise _refused(self._root, f"has {name}, a link out of its folder")
        return path.open("rb") if path.is_file() else None


class _Archive:
    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        for number, member in enumerate(tar):
            if number >= _MOST_ENTRIES:
                raise _refused(path, f"has more than {_MOST_ENTRIES} entries")
            self._members[member.name.removeprefix("./")] = member

    def open(self, name: str) -> BinaryIO | None:
        # Docker writes a layer that several images share once, and links to it.
        for _ in range(4):
            member = self._members.get(name)
            if member is None or not member.issym():
                break
            name = _joined(PurePosixPath(name).parent, member.linkname)
        if member is None or not member.isreg() or member.issparse():
            return None
        return cast("BinaryIO", self._tar.extractfile(member))


def _joined(folder: PurePosixPath, link: str) -> str:
    parts: list[str] = []
    for part in (folder / link).parts:
        if part == "..":
            parts = parts[:-1]
        elif part not in ("/", "."):
            parts.append(part)
    return "/".join(parts)


@contextlib.contextmanager
def _source(path: Path) -> Iterator[_Source]:
    if path.is_dir():
        yield _Folder(path)
        return
    with path.open("rb") as file, _unzipped(file, path) as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
        yield _Archive(path, tar)


@contextlib.contextmanager
def _unzipped(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """The archive itself, if need be decompressed into a temporary file, since its members are read out of order."""
    if file.peek(2)[:2] != b"\x1f\x8b":  # type: ignore[attr-defined]
        yield cast("BinaryIO", _Bounded(file, path, 2**62))
        return
    import tempfile  # noqa: PLC0415 (rarely wanted)

    with tempfile.TemporaryFile() as plain:
        unzipped = cast("BinaryIO", gzip.GzipFile(fileobj=file))
        for block in _blocks(cast("BinaryIO", _Bounded(unzipped, path, _MOST_READ))):
            plain.write(block)
        plain.seek(0)
        yield cast("BinaryIO", _Bounded(cast("BinaryIO", plain), path, 2**62))


class _Bounded(io.RawIOBase):
    """A file of which only so much can be read, and only so much at once: a header cannot ask for gigabytes."""

    def __init__(self, file: BinaryIO, path: Path, most: int) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._most = most
        self._taken = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MOST_AT_ONCE:
            raise _refused(self._path, f"has a header of {size} bytes")
        data = self._file.read(size)
        self._taken += len(data)
        if self._taken > self._most:
            raise _refused(self._path, f"unpacks to more than {self._most} bytes")
        return data

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        if self._most == 2**62:
            return self._file.seek(offset, whence)
        while (left := offset - self.tell()) > 0 and self.read(min(left, _MOST_AT_ONCE)):
            pass  # in a compressed layer what is passed over has to be unpacked, and counts
        return self.tell()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(2**16):
        yield block


def _json(source: _Source, path: Path, name: str) -> Any:
    file = source.open(name)
    if file is None:
        return None
    with file:
        data = file.read(_MOST_JSON + 1)
    if len(data) > _MOST_JSON:
        raise _refused(path, f"has a {name} of more than {_MOST_JSON} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"has a {name} that is not JSON: {error}") from None


def _layers(source: _Source, path: Path) -> list[str]:
    """The names of the layers, in the order in which they are laid over each other."""
    index = _json(source, path, "index.json")
    if index is not None:
        manifest = _manifest(source, path, index, 0)
        layers = _list(path, manifest, "layers")
        if any("zstd" in str(layer.get("mediaType")) for layer in layers if isinstance(layer, dict)):
            way_out = "write it with gzip: skopeo copy --dest-compress-format gzip"
            raise _refused(path, "has a layer compressed with zstd", way_out)
        return [_blob(path, layer) for layer in layers]
    images = _json(source, path, "manifest.json")
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
        raise _refused(path, "is no OCI layout and no archive of one image")
    layers = _list(path, images[0], "Layers")
    if not all(isinstance(layer, str) for layer in layers):
        raise _refused(path, "has layers without names")
    return layers


def _list(path: Path, document: Any, key: str) -> list[Any]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list) or not found:
        raise _refused(path, f"has a manifest without {key}")
    return found


def _manifest(source: _Source, path: Path, index: Any, depth: int) -> Any:
    """The manifest that an index leads to: of several platforms the first linux/amd64, or else the first there is."""
    candidates = [each for each in _list(path, index, "manifests") if isinstance(each, dict)]
    wanted = {"os": "linux", "architecture": "amd64"}
    preferred = [each for each in candidates if wanted.items() <= (each.get("platform") or {}).items()]
    document = _json(source, path, _blob(path, (preferred or candidates or [{}])[0]))
    if isinstance(document, dict) and "manifests" in document and depth < 3:
        return _manifest(source, path, document, depth + 1)
    return document


def _blob(path: Path, descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if found is None:
        raise _refused(path, f"names a blob by {digest!r}, which is no sha256 digest")
    return f"blobs/sha256/{found[1]}"


class _Unpacking:
    """Layers laid over each other in a folder."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._read = 0
        self._written = 0
        self._entries = 0

    def apply(self, source: _Source, layer: str) -> None:
        file = source.open(layer)
        if file is None:
            raise _refused(self._path, f"lacks its layer {layer}")
        with file:
            self._verify(file, layer)
            file.seek(0)
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            plain = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if zipped else file
            bounded = cast("BinaryIO", _Bounded(plain, self._path, _MOST_READ - self._read))
            with tarfile.open(fileobj=bounded, mode="r:") as tar:
                for member in tar:
                    self._entries += 1
                    if self._entries > _MOST_ENTRIES:
                        raise _refused(self._path, f"has more than {_MOST_ENTRIES} files")
                    self._take(tar, member)
            self._read += plain.tell()

    def _verify(self, file: BinaryIO, layer: str) -> None:
        if not layer.startswith("blobs/sha256/"):
            return
        digest = hashlib.sha256()
        for block in _blocks(file):
            digest.update(block)
        if digest.hexdigest() != layer.rpartition("/")[2]:
            raise _refused(self._path, f"has a layer that is not what its digest says: {layer}")

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if not parts:
            return
        if ".." in parts or "\0" in member.name or "\\" in member.name:
            raise _refused(self._path, f"has the entry {member.name!r}, which leads out of its folder")
        if parts[-1].startswith(".wh."):
            self._whiteout(parts)
        elif parts[0] not in _WANTED or member.isdir():
            return
        elif not member.isreg() or member.issparse():
            raise _refused(self._path, f"has {member.name!r}, a link or a device where a file belongs")
        else:
            self._write(tar, member, self._folder.joinpath(*parts))

    def _whiteout(self, parts: list[str]) -> None:
        """A later layer takes back what an earlier one had."""
        import shutil  # noqa: PLC0415 (rarely wanted)

        folder, name = self._folder.joinpath(*parts[:-1]), parts[-1].removeprefix(".wh.")
        if parts[0] not in _WANTED and not (len(parts) == 1 and name in _WANTED):
            return
        gone = list(folder.iterdir()) if name == ".wh..opq" and folder.is_dir() else [folder / name]
        for path in gone:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
        self._written += member.size
        if self._written > _MOST_WRITTEN:
            raise _refused(self._path, f"has more than {_MOST_WRITTEN} bytes of manifests")
        content = tar.extractfile(member)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with content or io.BytesIO() as reading, target.open("xb") as writing:
            for block in _blocks(cast("BinaryIO", reading)):
                writing.write(block)
