"""The proof of a catalog: where everybody ends up, what every upgrade changes, and what is unsafe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from balise.model.catalog import Catalog
from balise.model.errors import InputError
from balise.model.semver import Version
from balise.planner.index import CatalogIndex
from balise.planner.universe import CatalogSource
from balise.proof.contents import Contents, inline_contents
from balise.proof.hazards import Finding, Scene, findings
from balise.proof.journeys import journeys

__all__ = ["Proof", "prove", "prove_all"]


@dataclass(frozen=True)
class Proof:
    """One package's proof. ``unproven`` are edges of which the content of one side is not at hand."""

    scene: Scene
    findings: tuple[Finding, ...]

    @property
    def safe(self) -> bool:
        """Whether nobody gets stuck, goes round in circles or is refused, as far as is known."""
        return not any(finding.level == "unsafe" for finding in self.findings)

    @property
    def unproven(self) -> list[tuple[str, str]]:
        """Upgrades whose changes could not be looked at, because the manifests of one side are not at hand."""
        known = self.scene.contents
        return [edge for edge in self.scene.edges if edge[0] not in known or edge[1] not in known]


def prove_all(
    catalogs: Sequence[CatalogSource],
    packages: Sequence[str] = (),
    *,
    contents: Mapping[str, Contents] | None = None,
    previous: Catalog | None = None,
    kube_versions: Sequence[Version] = (),
    objects: Sequence[Mapping[str, Any]] = (),
) -> list[Proof]:
    """Prove packages of the first catalog (all of them, where none is named); the others only offer dependencies.

    Raises:
        InputError: when a package is not in the first catalog.
    """
    index = CatalogIndex(catalogs)
    known = [package.name for package in catalogs[0].catalog.packages]
    missing = sorted(set(packages) - set(known))
    if missing:
        raise InputError(
            f"there is no package {missing[0]} in catalog {catalogs[0].key.name}",
            way_out=f"Known are: {', '.join(known) or 'none'}.",
        )
    return [
        prove(name, catalogs, index, contents or {}, previous, kube_versions, objects) for name in packages or known
    ]


def prove(
    package: str,
    catalogs: Sequence[CatalogSource],
    index: CatalogIndex,
    contents: Mapping[str, Contents],
    previous: Catalog | None = None,
    kube_versions: Sequence[Version] = (),
    objects: Sequence[Mapping[str, Any]] = (),
) -> Proof:
    """Prove one package."""
    catalog = catalogs[0].catalog
    inline = ((bundle.name, inline_contents(bundle)) for bundle in catalog.bundles_of(package))
    known = {**{name: found for name, found in inline if found is not None}, **contents}
    earlier = [bundle.name for bundle in previous.bundles_of(package)] if previous is not None else []
    walked = tuple(journeys(package, catalogs, index, earlier))
    names = {bundle.name for bundle in catalog.bundles_of(package)} | set(earlier)
    mine = {name: found for name, found in known.items() if name in names}
    scene = Scene(package, catalogs, index, walked, mine, previous, kube_versions, objects)
    return Proof(scene, tuple(findings(scene)))
