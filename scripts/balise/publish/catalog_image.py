"""A catalog as an image that OLM can use, made without a container engine.

Its root has the catalog below /configs and nothing else, so there is nothing to run and nothing to patch. OLM v1 finds
the catalog by the image's label; OLM v0 takes it out of the image with ``grpcPodConfig.extractContent``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from balise.model.catalog_files import catalog_files
from balise.model.documents import file_bytes
from balise.model.errors import InputError
from balise.model.oci import Image, write_image

__all__ = ["PLATFORMS", "catalog_image", "write_catalog_image"]

PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/ppc64le", "linux/s390x")
"""Where clusters run. The image is the same on all of them."""

_LABEL: Final = "operators.operatorframework.io.index.configs.v1"
_FOLDER: Final = "configs"


def catalog_image(folder: Path) -> Image:
    """The image of the catalog in *folder*: its files, without those that ``.indexignore`` names."""
    files = {f"{_FOLDER}/{path}": file_bytes(folder / path) for path in catalog_files(folder)}
    if not files:
        raise InputError("holds no catalog", place=str(folder), way_out="run balise catalog build, or name its folder")
    return Image({_LABEL: f"/{_FOLDER}"}, files)


def write_catalog_image(folder: Path, layout: Path, *, name: str, platforms: tuple[str, ...] = PLATFORMS) -> str:
    """Write the catalog's image to an OCI layout under a name; return its digest, which depends on the content only."""
    return write_image(layout, catalog_image(folder), name=name, platforms=platforms)
