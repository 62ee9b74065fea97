"""The preview as a site: its pages by path, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from balise.model.catalog import Catalog
from balise.publish.listing import listing, package_head
from balise.publish.listing_page import detail_page, detail_path, index_page

__all__ = ["site"]


def site(catalog: Catalog) -> dict[str, Callable[[], str]]:
    """What makes each page, by its path.

    Packages without any bundle have no page: nothing could be shown.
    """
    packages = sorted(package.name for package in catalog.packages if package_head(catalog, package.name))
    pages: dict[str, Callable[[], str]] = {
        "index.html": lambda: index_page([listing(catalog, package) for package in packages])
    }
    for package in packages:
        pages[detail_path(package)] = _page(catalog, package)
        for bundle in catalog.bundles_of(package):
            pages[detail_path(package, bundle.name)] = _page(catalog, package, bundle.name)
    return pages


def _page(catalog: Catalog, package: str, bundle: str = "") -> Callable[[], str]:
    return lambda: detail_page(catalog, listing(catalog, package, bundle), graph=not bundle)
