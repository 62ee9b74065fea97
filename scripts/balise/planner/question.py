"""The question of one user: given this catalog and what I have, what will happen to me?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from balise.model.catalog import Bundle, Catalog, Property
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version
from balise.planner.universe import CatalogSource, InstalledCSV, SourceKey, Subscription, Universe

__all__ = ["NAMESPACE", "Question", "installed_csv", "source_of", "universe_for"]

#: The namespace of the Subscription, where the question names none.
NAMESPACE = "operators"


@dataclass(frozen=True, slots=True)
class Question:
    """One Subscription, and what is installed for it.

    ``channel`` may be empty (the package's default channel) and so may be ``installed`` (nothing yet).
    """

    package: str
    channel: str = ""
    installed: str = ""
    installed_version: str = ""
    starting_csv: str = ""
    beside: tuple[str, ...] = ()
    """Names of further CSVs of the catalogs, installed by hand: no Subscription owns them."""
    namespace: str = NAMESPACE
    fail_forward: bool = False


def universe_for(question: Question, catalogs: Sequence[CatalogSource]) -> Universe:
    """The namespace of that user; the Subscription is named like the package.

    Raises:
        InputError: when the package is in none of the catalogs, or when an installed version cannot be told.
    """
    source = next((each for each in catalogs if each.catalog.package(question.package)), None)
    if source is None:
        known = sorted({package.name for each in catalogs for package in each.catalog.packages})
        raise InputError(f"there is no package {question.package}", way_out=f"Known are: {', '.join(known) or 'none'}.")
    package = source.catalog.package(question.package)
    subscription = Subscription(
        name=question.package,
        package=question.package,
        channel=question.channel or (package.default_channel if package else ""),
        source=source.key,
        starting_csv=question.starting_csv,
        installed_csv=question.installed,
        current_csv=question.installed,
    )
    csvs = []
    if question.installed:
        csvs.append(installed_csv(question.installed, question.package, catalogs, question.installed_version))
    csvs += [installed_csv(name, "", catalogs) for name in question.beside]
    return Universe(tuple(catalogs), (subscription,), tuple(csvs), question.namespace, question.fail_forward)


def installed_csv(name: str, package: str, catalogs: Iterable[CatalogSource], version: str = "") -> InstalledCSV:
    """An installed CSV: as the catalogs describe it, else as its name and version tell.

    Raises:
        InputError: when neither a catalog nor the name tells its version.
    """
    bundle = next((found for each in catalogs if (found := _bundle(each.catalog, name, package))), None)
    if bundle is not None:
        properties = tuple(p for p in bundle.properties if p.type not in {"olm.bundle.object", "olm.csv.metadata"})
        return InstalledCSV(name, version or bundle.version, properties=properties)
    version = version or re.sub(r"^.*?\.v?(?=\d)", "", name, count=1)
    try:
        Version.parse_tolerant(version)
    except InvalidVersionError:
        raise InputError(
            f"the version of {name} is not known: no catalog has it and its name does not end with .vVERSION",
            way_out="Give --installed-version.",
        ) from None
    properties = (Property("olm.package", {"packageName": package, "version": version}),) if package else ()
    return InstalledCSV(name, version, properties=properties)


def _bundle(catalog: Catalog, name: str, package: str) -> Bundle | None:
    return next((b for b in catalog.bundles if b.name == name and package in ("", b.package)), None)


def source_of(name: str, catalog: Catalog, priority: int = 0) -> CatalogSource:
    """A catalog in the global catalog namespace."""
    return CatalogSource(SourceKey(name, "olm"), catalog, priority)
