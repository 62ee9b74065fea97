"""What a catalog says of a package to the people who look for an operator, as OperatorHub and consoles show it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from balise.graph.upgrades import candidates
from balise.model.catalog import Bundle, Catalog
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version
from balise.model.yaml_text import SyntaxProblem, load

__all__ = ["LEVELS", "Api", "ChannelSummary", "Link", "Listing", "listing", "package_head"]

LEVELS: Final = ("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot")
"""Capability levels, each including those before it."""

_ICON_TYPES: Final = frozenset(("image/png", "image/jpeg", "image/gif", "image/svg+xml"))
_INSTALL_MODES: Final = ("AllNamespaces", "OwnNamespace", "SingleNamespace", "MultiNamespace")


@dataclass(frozen=True, slots=True)
class Link:
    """A link or a person: what it is called, and an address, which is empty where it is not one that can be opened."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Api:
    """A kind that the operator provides, or that it requires."""

    kind: str
    version: str
    name: str
    display_name: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """A channel: names of its bundles, the head first, and their versions in the same order."""

    name: str
    default: bool
    deprecated: str
    bundles: tuple[str, ...]
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A version of a package. Texts are as the catalog has them, unescaped; what is absent is empty."""

    package: str
    bundle: str
    version: str
    display_name: str
    provider: Link
    summary: str
    description: str
    """Markdown."""
    icon: str
    """A data URI of an image."""
    categories: tuple[str, ...]
    keywords: tuple[str, ...]
    level: str
    maturity: str
    min_kube_version: str
    install_modes: tuple[str, ...]
    namespace: str
    """Where the author suggests to install it."""
    channels: tuple[ChannelSummary, ...]
    channel: str
    """The channel whose installation is shown: the default one, where it offers the version."""
    apis: tuple[Api, ...]
    links: tuple[Link, ...]
    maintainers: tuple[Link, ...]
    repository: str
    image: str
    created: str
    deprecations: tuple[str, ...]


def package_head(catalog: Catalog, package: str) -> str:
    """What a user gets who names no channel; where there is no such thing, the highest version. May be empty."""
    found = catalog.package(package)
    for channel in catalog.channels_of(package):
        chain = candidates(channel)
        if found is not None and channel.name == found.default_channel and chain:
            return chain[0].name
    bundles = sorted(catalog.bundles_of(package), key=_order)
    return bundles[-1].name if bundles else ""


def listing(catalog: Catalog, package: str, bundle: str = "") -> Listing:
    """What is shown of a bundle, or of the one that a new user gets.

    Raises:
        InputError: when the package or the bundle is not there.
    """
    name = bundle or package_head(catalog, package)
    found = next((each for each in catalog.bundles_of(package) if each.name == name), None)
    owner = catalog.package(package)
    if owner is None or found is None:
        what = f"bundle {name} in package {package}" if owner and name else f"package {package} with a bundle"
        known = ", ".join(sorted(each.name for each in catalog.packages)) or "none"
        raise InputError(f"there is no {what} in the catalog", way_out=f"its packages: {known}")
    facts = _facts(found)
    annotations = _mapping(facts, "annotations")
    channels = tuple(_channels(catalog, package, owner.default_channel))
    homes = [each.name for each in channels if name in each.bundles]
    provider = _mapping(facts, "provider")
    maintainers = (Link(_text(each, "name"), _text(each, "email")) for each in _mappings(facts, "maintainers"))
    links = (
        Link(_text(each, "name") or _text(each, "url"), web(_text(each, "url"))) for each in _mappings(facts, "links")
    )
    supported = {_text(each, "type") for each in _mappings(facts, "installModes") if each.get("supported") is True}
    return Listing(
        package=package,
        bundle=name,
        version=found.version,
        display_name=_text(facts, "displayName") or package,
        provider=Link(_text(provider, "name"), web(_text(provider, "url"))),
        summary=_text(annotations, "description"),
        description=_text(facts, "description") or _text(owner.blob, "description"),
        icon=_icon(owner.blob, facts),
        categories=tuple(part for each in _text(annotations, "categories").split(",") if (part := each.strip())),
        keywords=tuple(each for each in _list(facts, "keywords") if isinstance(each, str)),
        level=_text(annotations, "capabilities"),
        maturity=_text(facts, "maturity"),
        min_kube_version=_text(facts, "minKubeVersion"),
        install_modes=tuple(mode for mode in _INSTALL_MODES if mode in supported),
        namespace=_text(annotations, "operatorframework.io/suggested-namespace"),
        channels=channels,
        channel=homes[0] if homes else "",
        apis=tuple(_apis(facts)),
        links=tuple(links),
        maintainers=tuple(maintainers),
        repository=web(_text(annotations, "repository")),
        image=_text(annotations, "containerImage"),
        created=_text(annotations, "createdAt"),
        deprecations=tuple(_deprecations(catalog, package, name)),
    )


def web(address: str) -> str:
    """The address, where a click may follow it."""
    return address if address.lower().startswith(("https://", "http://")) else ""


def _facts(bundle: Bundle) -> Mapping[str, Any]:
    """The shown part of the ClusterServiceVersion: as its metadata, or from the object itself."""
    for found in bundle.properties:
        if found.type == "olm.csv.metadata" and isinstance(found.value, dict):
            return {**found.value, "crds": found.value.get("crdDescriptions")}
    for found in bundle.properties:
        if found.type == "olm.bundle.object" and isinstance(found.value, dict):
            csv = _csv(str(found.value.get("data") or ""))
            if csv is not None:
                spec = _mapping(csv, "spec")
                annotations = _mapping(_mapping(csv, "metadata"), "annotations")
                return {**spec, "annotations": annotations, "crds": spec.get("customresourcedefinitions")}
    return {}


def _csv(data: str) -> Mapping[str, Any] | None:
    try:
        text = base64.b64decode(data)
        found = json.loads(text) if text.lstrip().startswith(b"{") else load(text)
    except (binascii.Error, ValueError, SyntaxProblem, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == "ClusterServiceVersion" else None


def _icon(package: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    inline = next(iter(_mappings(facts, "icon")), {})
    for icon in (inline, _mapping(package, "icon")):
        kind, data = _text(icon, "mediatype"), _text(icon, "base64data")
        try:
            base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            continue
        if data and kind in _ICON_TYPES:
            return f"data:{kind};base64,{data}"
    return ""


def _channels(catalog: Catalog, package: str, default: str) -> Iterator[ChannelSummary]:
    """The default channel first."""
    notes = {each.name: each.message for each in catalog.deprecations
             if (each.package, each.schema) == (package, "olm.channel")}  # fmt: skip
    versions = {bundle.name: _order(bundle) for bundle in catalog.bundles_of(package)}
    texts = {bundle.name: bundle.version for bundle in catalog.bundles_of(package)}
    for channel in sorted(catalog.channels_of(package), key=lambda each: (each.name != default, each.name)):
        chain = [entry.name for entry in candidates(channel)]
        others = {entry.name for entry in channel.entries if entry.name not in chain}
        rest = sorted(others, key=lambda name: versions.get(name, (Version(), name)), reverse=True)
        names = (*chain, *rest)
        shown = tuple(texts.get(name) or name for name in names)
        yield ChannelSummary(channel.name, channel.name == default, notes.get(channel.name, ""), names, shown)


def _apis(facts: Mapping[str, Any]) -> Iterator[Api]:
    for relation in ("owned", "required"):
        for each in _mappings(_mapping(facts, "crds"), relation):
            kind = _text(each, "kind")
            yield Api(
                kind,
                _text(each, "version"),
                _text(each, "name"),
                _text(each, "displayName") or kind,
                _text(each, "description"),
                required=relation == "required",
            )


def _deprecations(catalog: Catalog, package: str, bundle: str) -> Iterator[str]:
    for each in catalog.deprecations:
        if each.package == package and (
            each.schema == "olm.package" or (each.schema, each.name) == ("olm.bundle", bundle)
        ):
            yield each.message


def _order(bundle: Bundle) -> tuple[Version, str]:
    try:
        return Version.parse_tolerant(bundle.version), bundle.name
    except InvalidVersionError:
        return Version(), bundle.name


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value.strip() if isinstance(value, str) else ""


def _list(mapping: Mapping[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    return value if isinstance(value, list) else []


def _mappings(mapping: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [each for each in _list(mapping, key) if isinstance(each, dict)]


def _mapping(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}
