"""Where the bundles that templates name by image come from: directories and OCI layouts, without any network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from balise.graph.rendering import RenderedBundle, render_bundle
from balise.model.bundle import Bundle, BundleLoadError, load_bundle
from balise.model.errors import InputError
from balise.model.image_archive import is_image, unpack
from balise.model.oci import is_layout, read_image
from balise.model.semver import InvalidVersionError, Version

__all__ = ["BundleRenderer", "local_renderer"]

BundleRenderer = Callable[[str], RenderedBundle]
"""Gives the bundle at an image reference; raises :class:`InputError` where there is none."""


def local_renderer(
    places: Mapping[str, Path], *, bundles: Path | None = None, objects: bool = False, inline: bool = False
) -> BundleRenderer:
    """Take bundles from this machine.

    Args:
        places: the directory of the bundle at each image reference, or an OCI layout or image archive that has it.
        bundles: for other images, an OCI layout that has them by name, or a folder that holds a bundle for each
            version: the image's tag is the version, with or without a leading v.
        objects: keep the bundles' objects instead of their metadata, as ``opm`` does without ``--migrate-level``.
        inline: keep their objects, and name no image, so that there is none to pull.
    """

    def render(image: str) -> RenderedBundle:
        try:
            bundle = _bundle(image, places, bundles)
        except BundleLoadError as error:
            raise InputError(f"the bundle cannot be loaded: {error}", place=image) from None
        return render_bundle(bundle, "" if inline else image, inline=objects)

    return render


def _bundle(image: str, places: Mapping[str, Path], bundles: Path | None) -> Bundle:
    place = places.get(image, bundles)
    if place is None:
        raise InputError(
            "nothing says where the bundle of this image is",
            place=image,
            way_out=f"say where it is: --bundle {image}=DIRECTORY",
        )
    if is_layout(place):
        return _from_layout(place, image)
    if is_image(place):
        with tempfile.TemporaryDirectory(prefix="balise-bundle-") as folder:
            unpack(place, Path(folder))
            return load_bundle(folder)
    return load_bundle(place if image in places else _by_version(image, place))


def _from_layout(layout: Path, image: str) -> Bundle:
    content = read_image(layout, image)
    with tempfile.TemporaryDirectory(prefix="balise-bundle-") as folder:
        for path, data in content.files.items():
            if path.startswith(("manifests/", "metadata/")):
                target = Path(folder) / path
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
                except OSError as error:
                    raise InputError(f"{path} cannot be unpacked: {error.strerror or error}", place=image) from None
        return load_bundle(folder)


def _by_version(image: str, versions: Path) -> Path:
    way_out = f"say where its bundle is: --bundle {image}=DIRECTORY"
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    version = tag.removeprefix("v")
    try:
        Version.parse(version)
    except InvalidVersionError:
        raise InputError("the image's tag is not a version", place=image, way_out=way_out) from None
    directory = versions / version
    if not directory.is_dir():
        raise InputError(f"there is no {directory}", place=image, way_out=f"run balise generate, or {way_out}")
    return directory
