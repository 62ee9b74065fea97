"""Where the bundles that templates name by image come from: directories, without any network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from balise.graph.rendering import RenderedBundle, render_bundle
from balise.model.bundle import BundleLoadError, load_bundle
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version

__all__ = ["BundleRenderer", "directory_renderer"]

BundleRenderer = Callable[[str], RenderedBundle]
"""Gives the bundle at an image reference; raises :class:`InputError` where there is none."""


def directory_renderer(
    directories: Mapping[str, Path], *, versions: Path | None = None, objects: bool = False, inline: bool = False
) -> BundleRenderer:
    """Take bundles from directories.

    Args:
        directories: directory of the bundle at each image reference.
        versions: for other images, a folder that holds a bundle for each version: the image's tag is the version,
            with or without a leading v.
        objects: keep the bundles' objects instead of their metadata, as ``opm`` does without ``--migrate-level``.
        inline: keep their objects, and name no image, so that there is none to pull.
    """

    def render(image: str) -> RenderedBundle:
        directory = directories.get(image) or _by_version(image, versions)
        try:
            bundle = load_bundle(directory)
        except BundleLoadError as error:
            raise InputError(f"the bundle cannot be loaded: {error}", place=image) from None
        return render_bundle(bundle, "" if inline else image, inline=objects)

    return render


def _by_version(image: str, versions: Path | None) -> Path:
    way_out = f"say where its bundle is: --bundle {image}=DIRECTORY"
    if versions is None:
        raise InputError("nothing says where the bundle of this image is", place=image, way_out=way_out)
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
