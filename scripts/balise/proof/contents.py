"""What a bundle holds: its ClusterServiceVersion, its CRDs and what else it brings, from a folder or from a catalog."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from balise.model.bundle import BundleLoadError, load_bundle
from balise.model.catalog import Bundle
from balise.model.errors import InputError
from balise.model.yaml_text import SyntaxProblem, load

__all__ = ["Contents", "bundle_folders", "inline_contents", "read_contents"]


@dataclass(frozen=True, slots=True)
class Contents:
    """A bundle's manifests as JSON values; sizes are in bytes, 0 where they are not known."""

    name: str
    csv: Mapping[str, Any]
    crds: Mapping[str, Mapping[str, Any]]
    kinds: frozenset[str]
    size: int = 0
    compressed_size: int = 0
    inline: bool = field(default=False)

    @property
    def spec(self) -> Mapping[str, Any]:
        """The CSV's spec."""
        return mapping(self.csv.get("spec"))


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> list[Mapping[str, Any]]:
    """The mappings in a list; none where the value is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def read_contents(folder: Path) -> Contents:
    """Read a bundle's folder; raises InputError where it cannot be read."""
    try:
        bundle = load_bundle(folder)
    except BundleLoadError as error:
        raise InputError(f"is no bundle: {error}", place=str(folder)) from None
    objects = [manifest.data for manifest in bundle.objects]
    return _contents(objects, bundle.size, bundle.compressed_size, inline=False)


def bundle_folders(root: Path) -> list[Path]:
    """Folders of bundles: *root* itself, or those below it that hold ``manifests``."""
    if (root / "manifests").is_dir():
        return [root]
    if not root.is_dir():
        raise InputError("is no folder", place=str(root))
    return sorted(path.parent for path in root.rglob("manifests") if path.is_dir())


def inline_contents(bundle: Bundle) -> Contents | None:
    """What the catalog itself holds of a bundle; None where it holds only a reference to an image."""
    objects = []
    size = 0
    for found in bundle.properties:
        if found.type == "olm.bundle.object":
            data = _decoded(found.value)
            size += len(data)
            try:
                value = load(data)
            except SyntaxProblem:
                continue
            if isinstance(value, dict):
                objects.append(value)
    return _contents(objects, size, 0, inline=True) if objects else None


def _decoded(value: Any) -> bytes:
    data = mapping(value).get("data")
    try:
        return base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _contents(objects: Iterable[Mapping[str, Any]], size: int, compressed: int, *, inline: bool) -> Contents:
    csv: Mapping[str, Any] = {}
    crds = {}
    kinds = set()
    for manifest in objects:
        kind = str(manifest.get("kind"))
        name = str(mapping(manifest.get("metadata")).get("name"))
        kinds.add(kind)
        if kind == "ClusterServiceVersion":
            csv = csv or manifest
        elif kind == "CustomResourceDefinition":
            crds[name] = manifest
    name = str(mapping(csv.get("metadata")).get("name") or "")
    return Contents(name, csv, crds, frozenset(kinds), size or len(json.dumps(csv)), compressed, inline)
