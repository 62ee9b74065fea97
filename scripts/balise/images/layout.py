"""Images as folders in the OCI image layout: what they are called by, and the files that a container of them sees.

Images of our own making are read here; a bundle's image, which comes from somebody else, is unpacked elsewhere
(:mod:`balise.model.image_archive`).
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from balise.model.errors import InputError

__all__ = ["Entry", "Image", "entries", "files", "open_layout"]

_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")
# OCI Image Format, layer.md, Whiteouts.
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class Image:
    """An image on disk: ``digest`` names its manifest as registries do; ``layers`` are files, the lowest first."""

    digest: str
    configuration: Mapping[str, Any]
    layers: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a layer says about a file, its content by digest: equal when nobody could tell two apart."""

    type: bytes
    mode: int
    owner: tuple[int, int]
    modified: float
    link: str
    content: str


def open_layout(folder: Path) -> Image:
    """The one image of a layout. Raises :class:`InputError` for anything else, an index of several images included."""
    index = _json(folder, folder / "index.json")
    manifests = index.get("manifests")
    if not isinstance(manifests, list) or len(manifests) != 1:
        raise _refused(folder, f"holds {len(manifests) if isinstance(manifests, list) else 'no'} images, expected one")
    manifest = _json(folder, _blob(folder, manifests[0]))
    layers = manifest.get("layers")
    if not isinstance(layers, list):
        raise _refused(folder, "holds an index of images, expected one image")
    return Image(
        digest=manifests[0]["digest"],
        configuration=_json(folder, _blob(folder, manifest.get("config"))),
        layers=tuple(_blob(folder, layer) for layer in layers),
    )


def files(image: Image, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The content of regular files whose path is wanted, as they are once all layers lie over each other.

    Paths have no leading slash. Raises :class:`InputError` for a layer that cannot be read.
    """
    found: dict[str, bytes] = {}
    for layer in image.layers:
        for member, archive in _members(layer):
            path = PurePosixPath(member.name)
            name = path.name
            if name == _OPAQUE:
                _forget(found, path.parent, itself=False)
            elif name.startswith(_WHITEOUT):
                _forget(found, path.with_name(name.removeprefix(_WHITEOUT)), itself=True)
            elif not member.isdir():
                found.pop(str(path), None)
                # A hard link is the file that it leads to, which stands before it in the same layer.
                if (member.isreg() or member.islnk()) and wanted(str(path)):
                    found[str(path)] = _content(archive, member)
    return found


def entries(layer: Path) -> dict[str, Entry]:
    """What a layer holds, by path. Raises :class:`InputError` for one that cannot be read."""
    return {
        member.name: Entry(
            type=member.type,
            mode=member.mode,
            owner=(member.uid, member.gid),
            modified=member.mtime,
            link=member.linkname,
            content=hashlib.sha256(_content(archive, member)).hexdigest() if member.isreg() else "",
        )
        for member, archive in _members(layer)
    }


def _forget(found: dict[str, bytes], path: PurePosixPath, *, itself: bool) -> None:
    for known in list(found):
        if path in PurePosixPath(known).parents or (itself and known == str(path)):
            del found[known]


def _members(layer: Path) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    with _readable(layer), tarfile.open(layer) as archive:
        for member in archive:
            member.name = member.name.removeprefix("./").strip("/")
            yield member, archive


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    layer = Path(str(archive.name))
    with _readable(layer):
        try:
            file = archive.extractfile(member)
        except KeyError:
            raise _refused(layer, f"has a link {member.name} to {member.linkname}, which is not there") from None
        return file.read() if file is not None else b""


@contextmanager
def _readable(layer: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise _refused(layer, f"cannot be read as a layer: {error}") from None


def _blob(folder: Path, descriptor: Any) -> Path:
    """The file of a blob, whose content is what the digest says."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    found = _SHA256.fullmatch(digest) if isinstance(digest, str) else None
    if found is None:
        raise _refused(folder, f"names a blob by {digest!r}, expected sha256: and 64 hexadecimal digits")
    path = folder / "blobs" / "sha256" / found[1]
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _refused(folder, f"has no readable blob {digest}: {error.strerror}") from None
    if actual != found[1]:
        raise _refused(folder, f"has a blob {digest} whose content is another one")
    return path


def _json(folder: Path, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _refused(folder, f"has no readable {path.relative_to(folder)}: {error}") from None
    if not isinstance(found, dict):
        raise _refused(folder, f"has a {path.relative_to(folder)} that is no object")
    return found


def _refused(place: Path, message: str) -> InputError:
    return InputError(message, place=str(place), way_out="write it again: buildah push IMAGE oci:FOLDER")
