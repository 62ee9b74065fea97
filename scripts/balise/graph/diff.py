"""What changes for users when one catalog takes the place of another, in their words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from balise.graph.upgrades import End, Journey, candidates, journey
from balise.model.catalog import Bundle, Catalog, Channel
from balise.model.semver import InvalidVersionError, Version

__all__ = ["Change", "Weight", "compare_catalogs"]

Weight = Literal["danger", "change", "note"]
"""``danger``: users are stuck or broken; ``change``: they get something else; ``note``: all the rest."""

_WEIGHTS: dict[Weight, int] = {"danger": 0, "change": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different. ``bundles`` are those whose users it concerns, where it does."""

    weight: Weight
    kind: str
    package: str
    message: str
    channel: str = ""
    bundles: tuple[str, ...] = ()


def compare_catalogs(old: Catalog, new: Catalog) -> list[Change]:
    """Everything that is different, package by package, the dangerous things first."""
    packages = {package.name: None for catalog in (old, new) for package in catalog.packages}
    changes: list[Change] = []
    for package in sorted(packages):
        found = list(_package_changes(package, old, new))
        changes += sorted(found, key=lambda change: _WEIGHTS[change.weight])
    return changes


def _package_changes(package: str, old: Catalog, new: Catalog) -> Iterator[Change]:
    before, after = old.package(package), new.package(package)
    if before is None:
        yield Change("note", "package-added", package, f"package {package} is new")
        return
    if after is None:
        message = (
            f"package {package} is gone: its Subscriptions cannot be resolved any more, and in OLM v0 they block every"
            " other one in their namespaces"
        )
        yield Change("danger", "package-removed", package, message)
        return
    if before.default_channel != after.default_channel:
        message = (
            f"users who ask for no channel now get {after.default_channel} instead of {before.default_channel};"
            " existing Subscriptions that name none move, too"
        )
        yield Change("change", "default-channel", package, message)
    yield from _bundle_changes(package, old, new)
    yield from _channel_changes(package, old, new)
    yield from _deprecation_changes(package, old, new)


def _bundle_changes(package: str, old: Catalog, new: Catalog) -> Iterator[Change]:
    before = {bundle.name: bundle for bundle in old.bundles_of(package)}
    after = {bundle.name: bundle for bundle in new.bundles_of(package)}
    for name in sorted(before.keys() - after.keys()):
        message = f"{_version(before[name])} is gone: who pinned it by startingCSV cannot install it any more"
        yield Change("note", "bundle-removed", package, message, bundles=(name,))
    for name in sorted(after.keys() - before.keys()):
        yield Change("note", "bundle-added", package, f"{_version(after[name])} is new", bundles=(name,))
    for name in sorted(before.keys() & after.keys()):
        parts = list(_differences(before[name], after[name]))
        if parts:
            message = (
                f"{name} was published again with another {' and '.join(parts)}: who runs it keeps the old one, as OLM"
                " never updates a ClusterServiceVersion"
            )
            yield Change("danger", "bundle-changed", package, message, bundles=(name,))


def _differences(before: Bundle, after: Bundle) -> Iterator[str]:
    if before.image != after.image:
        yield "image"
    if before.version != after.version:
        yield "version"
    kept = [
        sorted((each.type, each.canonical()) for each in bundle.properties if each.type != "olm.csv.metadata")
        for bundle in (before, after)
    ]
    # The metadata may be held as the objects of which they are part; that alone is no difference.
    facts = [[each for each in properties if each[0] != "olm.bundle.object"] for properties in kept]
    if facts[0] != facts[1] and before.version == after.version:
        yield "set of properties"


def _channel_changes(package: str, old: Catalog, new: Catalog) -> Iterator[Change]:
    before = {channel.name: channel for channel in old.channels_of(package)}
    after = {channel.name: channel for channel in new.channels_of(package)}
    versions = _versions(package, old, new)
    for name in sorted(after.keys() - before.keys()):
        yield Change("note", "channel-added", package, f"channel {name} is new", name)
    for name, channel in sorted(before.items()):
        if name not in after:
            message = (
                f"channel {name} is gone: its Subscriptions cannot be resolved any more, and in OLM v0 they block every"
                " other one in their namespaces"
            )
            bundles = tuple(entry.name for entry in channel.entries)
            yield Change("danger", "channel-removed", package, message, name, bundles)
            continue
        yield from _head_change(package, channel, after[name], versions)
        yield from _journey_changes(package, channel, after[name], versions)


def _versions(package: str, *catalogs: Catalog) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for bundle in (bundle for catalog in catalogs for bundle in catalog.bundles_of(package)):
        try:
            found[bundle.name] = Version.parse_tolerant(bundle.version)
        except InvalidVersionError:
            continue
    return found


def _head_change(package: str, before: Channel, after: Channel, versions: Mapping[str, Version]) -> Iterator[Change]:
    heads = [next((entry.name for entry in candidates(channel)), "") for channel in (before, after)]
    if heads[0] == heads[1]:
        return
    if not heads[1]:
        message = f"channel {after.name} has no single head any more: OLM v0 resolves nothing where it is subscribed to"
        yield Change("danger", "head", package, message, after.name)
        return
    instead = f" instead of {_short(heads[0], versions)}" if heads[0] else ""
    message = f"new users of {after.name} get {_short(heads[1], versions)}{instead}"
    yield Change("change", "head", package, message, after.name)


def _journey_changes(package: str, before: Channel, after: Channel, versions: dict[str, Version]) -> Iterator[Change]:
    """Who is taken somewhere else. Users who come from and get to the same are told together."""
    groups: dict[tuple[str, Weight, str, End], list[Journey]] = {}
    for start in sorted((entry.name for entry in before.entries), key=lambda name: _order(name, versions)):
        then, now = journey(before, start, versions), journey(after, start, versions)
        told = None if (then.steps, then.end) == (now.steps, now.end) else _told(now, versions)
        if told is not None:
            groups.setdefault((*told, then.last if then.steps else "", then.end), []).append(then)
    for (message, weight, _, end), journeys in groups.items():
        starts = tuple(each.start for each in journeys)
        users = _users([_short(start, versions) for start in starts])
        past = "" if end is End.BROKEN else f" (before: {_past(journeys, versions)})"
        text = f"users of {users} on {after.name} {message}{past}"
        yield Change(weight, "upgrade", package, text, after.name, starts)


def _told(now: Journey, versions: Mapping[str, Version]) -> tuple[str, Weight] | None:
    """What to say of users who are taken this way now; None where there is nothing to say."""
    last = _short(now.last, versions)
    match now.end:
        case End.BROKEN:
            return None  # said of the channel
        case End.CIRCLE:
            return (
                f"now go round in a circle, through {_list([_short(step, versions) for step in now.steps])}",
                "danger",
            )
        case End.STRANDED:
            return (f"are now stuck at {last}" if now.steps else "now get no upgrade"), "danger"
        case _ if not now.steps:
            return None  # they are at the head, where they were taken before, too
    if len(now.steps) == 1:
        return f"now go to {last} in one step", "change"
    through = _list([_short(step, versions) for step in now.steps[:-1]])
    return f"now go to {last} in {len(now.steps)} steps, through {through}", "change"


def _past(journeys: list[Journey], versions: Mapping[str, Version]) -> str:
    """The way that users went before; they all ended alike."""
    end, last = journeys[0].end, _short(journeys[0].last, versions)
    if end is End.CIRCLE:
        return "they went round in a circle"
    if not journeys[0].steps:
        return "they stayed" if end is End.HEAD else "they got no upgrade"
    counts = sorted({len(each.steps) for each in journeys})
    steps = (
        f"{counts[0]} to {counts[-1]} steps"
        if len(counts) > 1
        else f"{counts[0]} steps"
        if counts != [1]
        else "one step"
    )
    return f"they went to {last} in {steps}" + ("" if end is End.HEAD else " and were stuck there")


def _deprecation_changes(package: str, old: Catalog, new: Catalog) -> Iterator[Change]:
    before, after = (
        {(each.schema, each.name): each.message for each in catalog.deprecations if each.package == package}
        for catalog in (old, new)
    )
    for key in sorted(before.keys() | after.keys()):
        schema, name = key
        what = f"{schema.removeprefix('olm.')} {name or package}"
        channel = name if schema == "olm.channel" else ""
        if key not in after:
            yield Change("note", "deprecation-removed", package, f"{what} is not deprecated any more", channel)
        elif key not in before:
            message = f"{what} is now deprecated: {after[key]}"
            yield Change("change", "deprecation-added", package, message, channel)
        elif before[key] != after[key]:
            message = f"the deprecation of {what} now says: {after[key]}"
            yield Change("note", "deprecation-changed", package, message, channel)


def _users(names: list[str]) -> str:
    return _list(names) if len(names) <= 8 else f"{names[0]} to {names[-1]} ({len(names)} versions)"


def _version(bundle: Bundle) -> str:
    return bundle.version or bundle.name


def _short(name: str, versions: Mapping[str, Version]) -> str:
    return str(versions[name]) if name in versions else name


def _order(name: str, versions: Mapping[str, Version]) -> tuple[bool, Version, str]:
    return name not in versions, versions.get(name, Version()), name


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
