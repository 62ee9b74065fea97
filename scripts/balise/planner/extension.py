"""OLM v1: which bundle a ClusterExtension gets, and which bundles it refuses.

Nothing of OLM v0 carries over: no default channel, no chain, no dependencies. The highest version that the range, the
channels and the upgrade policy leave is taken, and if that one cannot be installed no other is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from balise.model.catalog import Bundle, Catalog, ChannelEntry
from balise.model.semver import InvalidRangeError, InvalidVersionError, Version, VersionRange, prerelease_identifier
from balise.planner.masterminds import Constraint

__all__ = ["ClusterCatalog", "Extension", "Refusal", "Step", "Walk", "refusals", "resolve_extension", "walk"]

Policy = Literal["CatalogProvided", "SelfCertified"]

_MAX_RANGE: Final = 64


@dataclass(frozen=True, slots=True)
class ClusterCatalog:
    """A catalog that the extension's selector matches."""

    name: str
    catalog: Catalog
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Extension:
    """A ClusterExtension: what it asks for, and the bundle that it has (name and version), if any."""

    package: str
    version: str = ""
    channels: tuple[str, ...] = ()
    policy: Policy = "CatalogProvided"
    installed: str = ""
    installed_version: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A bundle that gets installed, and from which catalog."""

    bundle: Bundle
    catalog: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an extension makes no progress, in words; ``bundle`` is the one that was chosen, if it got that far."""

    text: str
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """Versions that an extension gets one after the other, and what stops it, if anything does."""

    steps: tuple[Step, ...]
    stopped: Refusal | None


@dataclass(frozen=True, slots=True)
class _Found:
    step: Step
    priority: int
    version: Version
    release: tuple[Any, ...]
    deprecated: bool

    @property
    def rank(self) -> tuple[Any, ...]:
        return (not self.deprecated, self.version, self.release)


def walk(extension: Extension, catalogs: Sequence[ClusterCatalog]) -> Walk:
    """Resolve again and again until the installed bundle is the answer, or until nothing is."""
    steps: list[Step] = []
    current = extension
    seen = {extension.installed}
    while True:
        found = resolve_extension(current, catalogs)
        if isinstance(found, Refusal):
            return Walk(tuple(steps), found)
        name = found.bundle.name
        if name == current.installed:
            return Walk(tuple(steps), None)
        steps.append(found)
        if name in seen:
            return Walk(tuple(steps), Refusal(f"this never ends: {name} is installed again and again", name))
        seen.add(name)
        current = Extension(
            extension.package, extension.version, extension.channels, extension.policy, name, found.bundle.version
        )


def resolve_extension(extension: Extension, catalogs: Sequence[ClusterCatalog]) -> Step | Refusal:
    """The bundle that OLM v1 installs now, which may be the installed one."""
    if len(extension.version) > _MAX_RANGE:
        return Refusal(
            f"the version range has {len(extension.version)} characters; a ClusterExtension takes {_MAX_RANGE}"
        )
    try:
        wanted = Constraint.parse(extension.version) if extension.version else None
    except InvalidRangeError as error:
        return Refusal(str(error))
    best: list[_Found] = []
    for catalog in catalogs:
        found = [each for each in _offered(extension, catalog) if wanted is None or wanted.matches(each.version)]
        if extension.installed and extension.policy == "CatalogProvided":
            found = [each for each in found if _follows(each, extension, catalog.catalog)]
        if found:
            best.append(max(found, key=lambda each: each.rank))
    if not best:
        return Refusal(_nothing(extension))
    usable = [each for each in best if not each.deprecated] or best
    top = max(each.priority for each in usable)
    first = [each for each in usable if each.priority == top]
    if len(first) > 1:
        names = ", ".join(sorted(each.step.catalog for each in first))
        return Refusal(
            f"catalogs {names} all offer {extension.package} with the same priority {top}: OLM v1 does not choose"
        )
    chosen = first[0].step
    problems = refusals(chosen.bundle)
    return Refusal("; ".join(problems), chosen.bundle.name) if problems else chosen


def _nothing(extension: Extension) -> str:
    text = f"no bundle of package {extension.package}"
    if extension.version:
        text += f" with a version in {extension.version!r}"
    if extension.channels:
        text += f" in {'channel' if len(extension.channels) == 1 else 'channels'} {', '.join(extension.channels)}"
    if extension.installed and extension.policy == "CatalogProvided":
        text += f" is {extension.installed} or replaces it, skips it, or has it in its skipRange"
    else:
        text += " is in any catalog"
    return text


def _offered(extension: Extension, catalog: ClusterCatalog) -> Iterator[_Found]:
    content = catalog.catalog
    in_channels = {
        entry.name
        for channel in content.channels_of(extension.package)
        if channel.name in extension.channels
        for entry in channel.entries
    }
    deprecated = {d.name for d in content.deprecations if d.package == extension.package and d.schema == "olm.bundle"}
    for bundle in content.bundles_of(extension.package):
        if extension.channels and bundle.name not in in_channels:
            continue
        try:
            version = Version.parse(bundle.version)
        except InvalidVersionError:
            continue
        step = Step(bundle, catalog.name)
        yield _Found(step, catalog.priority, version, _release_key(version), bundle.name in deprecated)


def _release_key(version: Version) -> tuple[Any, ...]:
    """Order of what OLM v1 reads as a release from the build metadata: none is lowest, then like a pre-release."""
    text = ".".join(version.build)
    if not text or len(text) > 20:
        return ()
    try:
        parts = [prerelease_identifier(part) for part in version.build]
    except InvalidVersionError:
        return ()
    return tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in parts)


def _follows(found: _Found, extension: Extension, catalog: Catalog) -> bool:
    """Whether a bundle is the installed one or, by an entry of its own, a direct successor of it."""
    installed = _parsed(extension.installed_version)
    if installed is not None and found.version == installed and found.release == _release_key(installed):
        return True
    return any(
        _succeeds(entry, extension.installed, installed)
        for channel in catalog.channels_of(extension.package)
        if not extension.channels or channel.name in extension.channels
        for entry in channel.entries
        if entry.name == found.step.bundle.name
    )


@cache
def _parsed(version: str) -> Version | None:
    try:
        return Version.parse(version)
    except InvalidVersionError:
        return None


def _succeeds(entry: ChannelEntry, installed: str, version: Version | None) -> bool:
    if entry.replaces == installed or installed in entry.skips:
        return True
    if not entry.skip_range or version is None:
        return False
    try:
        return version in VersionRange.parse(entry.skip_range)
    except InvalidRangeError:
        return False


_DEPENDENCIES = {"olm.package.required", "olm.gvk.required", "olm.constraint"}


def refusals(bundle: Bundle) -> list[str]:
    """Why OLM v1 refuses a bundle, as far as the catalog tells: what is in the image only is not known here."""
    found = [
        f"{bundle.name} has a dependency ({kind}), which OLM v1 does not resolve"
        for kind in sorted({p.type for p in bundle.properties} & _DEPENDENCIES)
    ]
    metadata = next(
        (p.value for p in bundle.properties if p.type == "olm.csv.metadata" and isinstance(p.value, dict)), {}
    )
    modes = metadata.get("installModes")
    if isinstance(modes, list) and not _supports(modes, "AllNamespaces"):
        found.append(f"{bundle.name} cannot serve all namespaces (install mode AllNamespaces), which OLM v1 asks for")
    services = metadata.get("apiServiceDefinitions")
    if isinstance(services, dict) and services.get("owned"):
        found.append(f"{bundle.name} owns an APIService, which OLM v1 does not support")
    return found


def _supports(modes: Iterable[Any], wanted: str) -> bool:
    return any(isinstance(m, dict) and m.get("type") == wanted and m.get("supported") is True for m in modes)
