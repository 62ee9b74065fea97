"""What is missing or unreadable in a catalog, where OLM and opm do not agree on what then happens.

`opm` refuses such a catalog as a whole; a plan still tells what the rest would do, and says what it left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from balise.model.catalog import Catalog
from balise.model.semver import InvalidRangeError, VersionRange

__all__ = ["gaps"]


def gaps(catalog: Catalog, package: str) -> Iterator[str]:
    """Sentences about what a package lacks."""
    channels = catalog.channels_of(package)
    bundles = {bundle.name for bundle in catalog.bundles_of(package)}
    found = catalog.package(package)
    names = sorted(channel.name for channel in channels)
    if found is not None and found.default_channel not in names:
        yield (
            f"the default channel {found.default_channel or '(none)'} of {package} does not exist; "
            f"there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"
        )
    for channel in channels:
        for entry in channel.entries:
            if entry.name not in bundles:
                yield f"channel {channel.name} lists {entry.name}, and there is no such bundle: nobody can get it"
            if entry.skip_range and not _readable(entry.skip_range):
                yield (
                    f"skipRange {entry.skip_range!r} of {entry.name} in channel {channel.name} cannot be read: "
                    "OLM goes on as if there were none"
                )
    for name in sorted(bundles - {entry.name for channel in channels for entry in channel.entries}):
        yield f"{name} is in no channel: nobody can get it"


def _readable(skip_range: str) -> bool:
    try:
        VersionRange.parse(skip_range)
    except InvalidRangeError:
        return False
    return True
