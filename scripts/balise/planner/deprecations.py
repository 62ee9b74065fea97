"""What OLM v0 says of deprecated packages, channels and bundles: conditions of a Subscription, and nothing else.

They neither keep a bundle from being installed nor change what is preferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from balise.planner.universe import Subscription, Universe

__all__ = ["Condition", "deprecation_conditions"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a Subscription that is True."""

    type: str
    message: str


_TYPES = {"olm.package": "PackageDeprecated", "olm.channel": "ChannelDeprecated", "olm.bundle": "BundleDeprecated"}


def deprecation_conditions(universe: Universe, subscription: Subscription) -> list[Condition]:
    """The deprecation conditions of a Subscription as it is now, the sum of them last."""
    found = list(_conditions(universe, subscription))
    if found:
        found.append(Condition("Deprecated", "; ".join(condition.message for condition in found)))
    return found


def _conditions(universe: Universe, subscription: Subscription) -> Iterator[Condition]:
    names = {"olm.package": "", "olm.channel": subscription.channel, "olm.bundle": subscription.installed_csv}
    for catalog in universe.catalogs:
        if catalog.key != subscription.source:
            continue
        for deprecation in catalog.catalog.deprecations:
            kind = _TYPES.get(deprecation.schema)
            if kind is None or deprecation.package != subscription.package:
                continue
            if deprecation.name == names[deprecation.schema] and (deprecation.name or kind == "PackageDeprecated"):
                named = deprecation.name or deprecation.package
                yield Condition(kind, f"{deprecation.schema}/{named}: {deprecation.message}")
