"""A catalog cut into its packages."""

from __future__ import annotations

from balise.model.catalog import Blob, Catalog, catalog_from_blobs

__all__ = ["by_package"]


def by_package(catalog: Catalog) -> dict[str, Catalog]:
    """A catalog for each package, by name: what looks at one package many times need not pass all the others."""
    blobs: dict[str, list[Blob]] = {}
    for blob in catalog.blobs:
        name = blob.get("name" if blob.get("schema") == "olm.package" else "package")
        blobs.setdefault(str(name), []).append(blob)
    return {name: catalog_from_blobs(blobs[name]) for name in sorted({package.name for package in catalog.packages})}
