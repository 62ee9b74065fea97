"""One catalog of several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from balise.graph.rendering import Blob
from balise.model.catalog import Catalog
from balise.model.catalog_blobs import canonical, in_order, meta
from balise.model.errors import InputError
from balise.model.go_types import MismatchError

__all__ = ["merge_catalogs"]


def merge_catalogs(catalogs: Iterable[tuple[str, Catalog]]) -> list[Blob]:
    """The blobs of all catalogs, each once.

    Args:
        catalogs: each with a name for messages, such as its folder.

    Raises:
        InputError: when two catalogs have the same package, channel, bundle or deprecations with different content.
    """
    merged: dict[tuple[str, str, str], tuple[str, Blob]] = {}
    others: list[Blob] = []
    for source, catalog in catalogs:
        for raw in catalog.blobs:
            blob = _canonical(raw, source)
            key = _key(blob)
            if key is None:
                if blob not in others:
                    others.append(blob)
                continue
            first, known = merged.setdefault(key, (source, blob))
            if known != blob:
                schema, package, name = key
                raise InputError(
                    f"{schema} {name or package} differs from the one in {first}",
                    place=source,
                    way_out="leave one of them out, or make them equal: which of the two is meant cannot be known",
                )
    return in_order([*(blob for _, blob in merged.values()), *others])


def _canonical(raw: Any, source: str) -> Blob:
    try:
        return canonical(raw)
    except MismatchError as error:
        raise InputError(str(error), place=source) from None


def _key(blob: Blob) -> tuple[str, str, str] | None:
    """What there may be only one of; None for other schemas."""
    schema = meta(blob, "schema")
    match schema:
        case "olm.package":
            return schema, "", blob["name"]
        case "olm.channel" | "olm.bundle":
            return schema, blob.get("package", ""), blob.get("name", "")
        case "olm.deprecations":
            return schema, blob["package"], ""
        case _:
            return None
