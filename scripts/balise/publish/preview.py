"""The preview as a site: its pages by path, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from balise.model.catalog import Catalog
from balise.publish.listing import listing, package_head
from balise.publish.listing_page import detail_page, detail_path, index_page
from balise.publish.packages import by_package

__all__ = ["site"]


def site(catalog: Catalog) -> dict[str, Callable[[], str]]:
    """What makes each page, by its path.

    Packages without any bundle have no page: nothing could be shown.
    """
    packages = {name: part for name, part in by_package(catalog).items() if package_head(part, name)}
    pages: dict[str, Callable[[], str]] = {
        "index.html": lambda: index_page([listing(part, name) for name, part in packages.items()])
    }
    for name, part in packages.items():
        pages[detail_path(name)] = _page(part, name)
        for bundle in part.bundles_of(name):
            pages[detail_path(name, bundle.name)] = _page(part, name, bundle.name)
    return pages


def _page(catalog: Catalog, package: str, bundle: str = "") -> Callable[[], str]:
    return lambda: detail_page(catalog, listing(catalog, package, bundle), graph=not bundle)
