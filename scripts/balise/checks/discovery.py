"""Finding the bundles and catalogs in the folders that were given.

A folder that is recognised is not looked into further; links to folders are not followed, so that loops end nowhere.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from balise.model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Found", "find"]

_HEAD_BYTES: Final = 2**18
"""How much of a file is looked at to tell what it is."""

_MANIFEST: Final = (".yaml", ".yml", ".json")
_CSV: Final = re.compile(rb"""["']?kind["']?[ \t]*:[ \t]*["']?ClusterServiceVersion\b""")
_BLOB: Final = re.compile(
    rb"""^[ \t{]*["']?schema["']?[ \t]*:[ \t]*["']?olm\.(?:package|channel|bundle|deprecations)\b""",
    re.IGNORECASE | re.MULTILINE,
)
_TEMPLATE: Final = re.compile(
    rb"""^[ \t{]*["']?schema["']?[ \t]*:[ \t]*["']?olm\.(?:template|semver|composite)\b""", re.IGNORECASE | re.MULTILINE
)


class Found(NamedTuple):
    """Paths of bundles and of catalogs, as given and in the order of names."""

    bundles: list[str]
    catalogs: list[str]
    seen: list[str]
    """Every folder and file that was looked at to find them."""

    def everything(self) -> Iterator[str]:
        """What was looked at, and every folder and file of the bundles and catalogs."""
        yield from self.seen
        for root in (*self.bundles, *self.catalogs):
            for folder, _, files in os.walk(root):
                yield folder
                yield from (f"{folder}/{name}" for name in files)


def find(paths: Iterable[str]) -> Found:
    """What is in *paths*; raises InputError for a path that is no folder.

    A path in which nothing is recognised was given for a reason: it is a catalog if any of its files, whatever its
    name, is one of a catalog, and else counts as a bundle, whose loading will say what is missing.
    """
    found = Found([], [], [])
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 (Path would rewrite ./ and // in what is reported)
            problem = "is a file, not a folder" if os.path.exists(path) else "there is no such folder"  # noqa: PTH110
            raise InputError(
                problem, place=path, way_out="give a bundle's folder, a tree of them, or a catalog's folder"
            )
        before = len(found.bundles) + len(found.catalogs)
        for folder, kind in _walk(path.rstrip("/") or path, found.seen):
            (found.bundles if kind == "bundle" else found.catalogs).append(folder)
        if len(found.bundles) + len(found.catalogs) == before:
            (found.catalogs if _holds_blobs(path) else found.bundles).append(path)
    return Found(list(dict.fromkeys(found.bundles)), list(dict.fromkeys(found.catalogs)), found.seen)


def _holds_blobs(path: str) -> bool:
    from balise.model.catalog_files import catalog_files  # noqa: PLC0415 (rarely needed, and not small)

    return any(_BLOB.search(_head(f"{path}/{name}")) for name in catalog_files(Path(path)))


def _head(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (hot)
            return b""  # a pipe would keep us waiting
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _walk(folder: str, seen: list[str]) -> Iterator[tuple[str, str]]:
    seen.append(folder)
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=folder) from None
    folders = [entry.path for entry in listed if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
    files = [
        entry.path for entry in listed if entry.name[0] != "." and entry.name.endswith(_MANIFEST) and entry.is_file()
    ]
    if kind := "bundle" if _has_bundle_layout(folders) else _kind_of_files(files):
        yield folder, kind
        return
    seen += files
    for below in folders:
        yield from _walk(below, seen)


def _has_bundle_layout(folders: list[str]) -> bool:
    names = {path.rpartition("/")[2]: path for path in folders}
    if "manifests" not in names:
        return "metadata" in names and (Path(names["metadata"]) / "annotations.yaml").exists()
    if "metadata" in names:
        return True
    # Projects have such folders, too, from which tools build the bundle's: without a CSV it is none.
    files = (f"{names['manifests']}/{path.name}" for path in Path(names["manifests"]).iterdir())
    return any(path.endswith(_MANIFEST) and _CSV.search(_head(path)) for path in files)


def _kind_of_files(files: list[str]) -> str:
    kind = ""
    for path in files:
        head = _head(path)
        if _BLOB.search(head):
            # (A catalog may hold ClusterServiceVersions, too.)
            if not _TEMPLATE.search(head):
                return "catalog"
        elif _CSV.search(head):
            kind = "bundle"
    return kind
