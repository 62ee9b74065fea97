"""A bundle's folder, read for rendering."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from balise.generate.manifests import Manifest, read_manifests
from balise.model.errors import InputError

__all__ = ["Bundle", "images", "load"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's ClusterServiceVersion, its CRDs, and its other objects in the order of their files."""

    csv: Manifest
    crds: tuple[Manifest, ...]
    others: tuple[Manifest, ...]


def load(folder: Path) -> Bundle:
    """Read a bundle's folder, or its manifests folder. Raises :class:`InputError` when there is not exactly one CSV."""
    inner = folder / "manifests"
    manifests_folder = inner if inner.is_dir() else folder
    if not manifests_folder.is_dir():
        raise InputError("is not a folder", place=str(folder), way_out="name the folder that holds manifests/")
    # The reference loader skips names with a leading dot, and so do we.
    paths = sorted(path for path in manifests_folder.iterdir() if path.is_file() and not path.name.startswith("."))
    manifests = [manifest for path in paths for manifest in read_manifests(path)]
    csvs = [manifest for manifest in manifests if manifest["kind"] == "ClusterServiceVersion"]
    if len(csvs) != 1:
        raise InputError(
            f"expected one ClusterServiceVersion, found {len(csvs)}",
            place=str(manifests_folder),
            way_out="name the folder of one version of a bundle",
        )
    return Bundle(
        csv=csvs[0],
        crds=tuple(manifest for manifest in manifests if manifest["kind"] == "CustomResourceDefinition"),
        others=tuple(
            manifest
            for manifest in manifests
            if manifest["kind"] not in ("ClusterServiceVersion", "CustomResourceDefinition")
        ),
    )


def images(bundle: Bundle) -> tuple[str, ...]:
    """The images that the bundle's containers run, sorted, without repeats."""
    deployments = bundle.csv["spec"]["install"]["spec"].get("deployments") or ()
    pods = [deployment["spec"]["template"]["spec"] for deployment in deployments]
    return tuple(
        sorted({each["image"] for pod in pods for each in [*(pod.get("initContainers") or ()), *pod["containers"]]})
    )
