"""Container images without a container engine: an archive that containerd and docker read, from files of our choice.

The format is that of `docker save`: a tar archive of a configuration, uncompressed layers and a manifest.json.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.errors import DevclusterError

__all__ = ["Entry", "Image", "names_in", "write_image", "write_images", "write_layer"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an image, a folder (`path` ends in a slash) or a symbolic link (`link` says where to)."""

    path: str
    content: bytes = b""
    mode: int = 0o755
    link: str = ""
    owner: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says about itself. `name` is a whole reference, such as example.com/web:1."""

    name: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    user: str = ""
    folder: str = "/"


def write_layer(target: Path, entries: Iterable[Entry]) -> None:
    """A layer: a tar archive with exactly these entries, the same bytes for the same entries."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        for entry in entries:
            info = tarfile.TarInfo(entry.path.strip("/"))
            info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
            if entry.link:
                info.type, info.linkname = tarfile.SYMTYPE, entry.link
            elif entry.path.endswith("/"):
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(entry.content)
            layer.addfile(info, io.BytesIO(entry.content))


def write_image(target: Path, image: Image, layers: Sequence[Path]) -> None:
    """An image of these layers, lowest first, for this machine's architecture. Any uncompressed tar file is a layer."""
    write_images(target, [(image, layers)])


def write_images(target: Path, images: Sequence[tuple[Image, Sequence[Path]]]) -> None:
    """Several images, each of its layers as in `write_image`. A layer that many have is in the archive once."""
    digests = {layer: _digest(layer) for layer in dict.fromkeys(layer for _, layers in images for layer in layers)}
    manifest = []
    with tarfile.open(target, "w") as archive:
        for layer, digest in digests.items():
            archive.add(layer, f"{digest}.tar", filter=_anonymous)
        for image, layers in images:
            configuration = json.dumps(_configuration(image, [digests[layer] for layer in layers])).encode()
            file = f"{hashlib.sha256(configuration).hexdigest()}.json"
            _add(archive, file, configuration)
            names = [f"{digests[layer]}.tar" for layer in layers]
            manifest.append({"Config": file, "RepoTags": [image.name], "Layers": names})
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def names_in(archive: Path) -> list[str]:
    """The names that an archive gives to its images: of `docker save`'s format or an OCI layout, compressed or not.

    Raises DevclusterError when it holds no image.
    """
    try:
        with tarfile.open(archive) as content:
            found = {Path(name).as_posix(): name for name in content.getnames()}
            if "manifest.json" in found:
                return [name for item in _json_in(content, found["manifest.json"]) for name in item["RepoTags"] or ()]
            if "index.json" in found:
                manifests = _json_in(content, found["index.json"])["manifests"]
                return [name for item in manifests for name in [_annotated(item.get("annotations", {}))] if name]
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DevclusterError(
            f"{archive} could not be loaded as an image: {str(error) or type(error).__name__}"
        ) from None
    raise DevclusterError(f"{archive} could not be loaded as an image: it holds neither manifest.json nor index.json")


def _json_in(content: tarfile.TarFile, name: str) -> Any:
    file = content.extractfile(name)
    return json.load(file) if file is not None else None


def _annotated(annotations: dict[str, str]) -> str:
    # A containerd name is whole; an OCI one may be a mere tag.
    return annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name", "")


def _configuration(image: Image, digests: Sequence[str]) -> dict[str, Any]:
    # OCI Image Format, config.md: a layer is named by the digest of its uncompressed bytes.
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Cmd": list(image.command),
            "Env": list(image.environment),
            "User": image.user,
            "WorkingDir": image.folder,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
