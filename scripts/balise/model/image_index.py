"""Image indexes as files: which platforms an image has, without asking a registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from balise.model.documents import file_bytes
from balise.model.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Platform", "read_platforms"]

_MAX_BYTES = 4 * 2**20


class Platform(NamedTuple):
    """What an image runs on, in Go's words: ``Platform("linux", "arm64")``."""

    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


def read_platforms(path: Path) -> frozenset[Platform]:
    """The platforms of an image index (OCI) or manifest list (Docker), as ``skopeo inspect --raw`` prints it.

    The configuration of a single image will do, too. Attestations, whose platform is unknown, are left out.
    Raises :class:`InputError` for anything else.
    """
    way_out = "save the index with: skopeo inspect --raw docker://IMAGE"
    data = file_bytes(path)
    if len(data) > _MAX_BYTES:
        raise InputError(f"is too large for an image index: {len(data)} bytes", place=str(path), way_out=way_out)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", place=str(path), way_out=way_out) from None
    manifests = document.get("manifests") if isinstance(document, dict) else None
    if isinstance(manifests, list):
        found = [each.get("platform") for each in manifests if isinstance(each, dict)]
    else:
        found = [document]
    platforms = frozenset(filter(None, map(_platform, found)))
    if not platforms:
        raise InputError("is no image index and no image configuration", place=str(path), way_out=way_out)
    return platforms


def _platform(value: Any) -> Platform | None:
    match value:
        case {"os": str(os), "architecture": str(architecture)} if "unknown" not in (os, architecture):
            return Platform(os, architecture)
    return None
