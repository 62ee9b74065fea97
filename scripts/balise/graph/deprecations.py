"""Deprecations of a package, kept as one blob, as the catalog's rules want it."""

from __future__ import annotations

from balise.graph.rendering import Blob
from balise.model.catalog import Catalog
from balise.model.errors import InputError

__all__ = ["deprecate"]

_ORDER = ("olm.package", "olm.channel", "olm.bundle")


def deprecate(
    published: Catalog, present: Catalog, package: str, message: str, *, channel: str = "", bundle: str = ""
) -> Blob:
    """The package's olm.deprecations with one entry set, or taken away where *message* is empty.

    Args:
        published: the catalog, which must have what is deprecated.
        present: the deprecations so far.
        package: the package, which is meant itself where neither *channel* nor *bundle* is given.
        message: what users see.

    Raises:
        InputError: when there is nothing of that name to deprecate, or to take back.
    """
    schema, name = ("olm.channel", channel) if channel else ("olm.bundle", bundle) if bundle else ("olm.package", "")
    known = {
        "olm.package": [""],
        "olm.channel": [each.name for each in published.channels_of(package)],
        "olm.bundle": [each.name for each in published.bundles_of(package)],
    }
    if message and name not in known[schema]:
        raise InputError(
            f"package {package} has no {schema.removeprefix('olm.')} {name}",
            way_out=f"it has {', '.join(sorted(known[schema])) or 'none'}",
        )
    entries = {(each.schema, each.name): each.message for each in present.deprecations if each.package == package}
    if message:
        entries[schema, name] = message
    elif entries.pop((schema, name), None) is None:
        raise InputError(f"{schema.removeprefix('olm.')} {name or package} is not deprecated")
    ordered = sorted(entries, key=lambda key: (_ORDER.index(key[0]) if key[0] in _ORDER else len(_ORDER), key[1]))
    return {
        "schema": "olm.deprecations",
        "package": package,
        "entries": [
            {"reference": {"schema": kind, **({"name": what} if what else {})}, "message": entries[kind, what]}
            for kind, what in ordered
        ],
    }
