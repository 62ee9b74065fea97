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

__all__ = ["Entry", "Image", "write_image", "write_layer"]


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
    digests = [_digest(layer) for layer in layers]
    configuration = json.dumps(_configuration(image, digests)).encode()
    names = [f"{digest}.tar" for digest in digests]
    with tarfile.open(target, "w") as archive:
        file = f"{hashlib.sha256(configuration).hexdigest()}.json"
        _add(archive, file, configuration)
        for layer, name in zip(layers, names, strict=True):
            archive.add(layer, name, filter=_anonymous)
        manifest = [{"Config": file, "RepoTags": [image.name], "Layers": names}]
        _add(archive, "manifest.json", json.dumps(manifest).encode())


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
