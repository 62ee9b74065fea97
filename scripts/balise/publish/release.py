"""What a release changes in a project, as a pure function: texts in, edited texts and reasons against it out.

:func:`plan_release` edits what a person would edit: the version, the changelog, the catalog's template. What is
generated from these is not its concern; :func:`hazards` judges the catalog that comes of it beside the one before.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from balise.graph.diff import compare_catalogs
from balise.graph.templates import basic, semver
from balise.graph.upgrades import End, candidates, journey
from balise.model.catalog import Catalog, Channel
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version
from balise.model.yaml_editing import scalar
from balise.publish.template import ARCHETYPES, Template, is_editable, parse_template, tag_of

__all__ = ["Plan", "Project", "Wish", "diffs", "hazards", "plan_release", "released_changelog", "with_toml_value"]


@dataclass(frozen=True, slots=True)
class Project:
    """What there is before the release.

    ``channels`` are those of ``[tool.balise]``, ``bundles`` the versions that have a bundle, ``released`` those that
    have a tag; ``image`` is the reference that a bundle gets where the template has none to follow. ``template`` and
    ``changelog`` are None where there is no such file.
    """

    package: str
    version: str
    pyproject: str
    template: Template | None
    catalog: Catalog
    changelog: str | None = None
    channels: tuple[str, ...] = ()
    bundles: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    image: str = ""

    def is_developed(self, version: str) -> bool:
        """Whether the version is the one being worked on: its bundle may be there, and was never given to anybody."""
        return version == self.version and version not in self.released


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person wants: ``channels`` is empty for the project's own; ``date`` is that of the release."""

    version: str
    date: str
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """New texts; or ``reasons`` against the release, each with what to do instead."""

    pyproject: str = ""
    template: str = ""
    changelog: str | None = None
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    template: Template
    channels: list[str] = field(default_factory=list)
    """The channels' full names, as the bundle's annotations list them."""
    notes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def plan_release(project: Project, wish: Wish) -> Plan:
    """The edits of a release.

    Raises:
        InputError: when a file is written in a way that cannot be edited in place, or the version is none.
    """
    try:
        version = Version.parse(wish.version)
    except InvalidVersionError as error:
        raise InputError(str(error), place="VERSION", way_out="give a semantic version such as 1.2.3") from None
    if version.build:
        raise InputError("build metadata gives no order", place=wish.version, way_out="leave the + part out")
    channels = wish.channels or project.channels
    draft = _Draft(project.template or _first_template(project.package, channels))
    if wish.version in project.released or (wish.version in project.bundles and not project.is_developed(wish.version)):
        draft.reasons.append(
            f"{wish.version} has a bundle already, and whoever installed it keeps what they have: take a new version"
        )
        return Plan(reasons=tuple(draft.reasons))
    changelog = _changelog(project, wish, draft)
    image = _image(project, wish.version, draft.template.images)
    match draft.template.schema:
        case semver.SCHEMA:
            _enter_semver(version, channels, image, draft)
        case basic.SCHEMA:
            _enter_basic(project, version, channels, image, draft)
        case schema:
            known = ", ".join(each for each in (semver.SCHEMA, basic.SCHEMA) if is_editable(each))
            draft.reasons.append(f"a template of schema {schema!r} is not known here: use {known}")
    if draft.reasons:
        return Plan(notes=tuple(draft.notes), reasons=tuple(draft.reasons))
    pyproject = _pyproject(project, wish, draft.channels)
    return Plan(pyproject, draft.template.text, changelog, tuple(draft.notes))


def _changelog(project: Project, wish: Wish, draft: _Draft) -> str | None:
    if project.changelog is None:
        draft.notes.append("there is no CHANGELOG.md; users will ask what changed")
        return None
    found = released_changelog(project.changelog, wish.version, wish.date)
    if found is None and any(wish.version in each[0] for each in _RELEASED.finditer(project.changelog)):
        return project.changelog
    if found is None:
        draft.reasons.append("CHANGELOG.md says nothing under Unreleased: write there what users will notice")
    return found


def _first_template(package: str, channels: Sequence[str]) -> Template:
    """The template of a project that has none: opm's semver template, where that can make the channels."""
    if all(_archetype(each) in ARCHETYPES for each in channels):
        text = f"schema: {semver.SCHEMA}\ngenerateMajorChannels: true\n"
    else:
        text = (
            f"schema: {basic.SCHEMA}\nentries:\n- schema: olm.package\n  name: {package}\n"
            f"  defaultChannel: {scalar(channels[0])}\n"
        )
    return parse_template("catalog/template.yaml", text.encode())


def _archetype(channel: str) -> str:
    """The archetype of a channel's name, such as candidate of ``candidate-v0``."""
    return re.sub(r"-v\d+(\.\d+)?$", "", channel)


def _image(project: Project, version: str, images: Sequence[str]) -> str:
    """The bundle's image, named as the template names the others."""
    for image in reversed(images):
        tag = tag_of(image)
        if tag in project.bundles:
            name, _, _ = image.partition("@")
            return f"{name.removesuffix(tag)}{version}"
    return project.image


# --- The template -----------------------------------------------------------------------------------------------------


def _enter_semver(version: Version, channels: Iterable[str], image: str, draft: _Draft) -> None:
    """opm makes the edges; only the lists are ours to fill."""
    archetypes = list(dict.fromkeys(map(_archetype, channels)))
    unknown = [each for each in archetypes if each not in ARCHETYPES]
    if unknown or not archetypes:
        wrong = f"not {', '.join(unknown)}" if unknown else "and none is given"
        draft.reasons.append(
            f"a semver template has the channels {', '.join(ARCHETYPES)}, {wrong}:"
            " name some of these with --channel, or turn catalog/template.yaml into a basic template"
        )
        return
    for archetype in archetypes:
        if archetype not in draft.template.archetypes_of(str(version)):
            draft.template = draft.template.add_to_archetype(archetype, image)
        draft.channels += draft.template.channel_names(archetype, version.major, version.minor)


def _enter_basic(project: Project, version: Version, channels: Iterable[str], image: str, draft: _Draft) -> None:
    names = list(dict.fromkeys(channels))
    if not names:
        draft.reasons.append("no channel is given: name one with --channel")
        return
    versions = _versions(project.catalog, project.package)
    name = f"{project.package}.v{version}"
    for channel in names:
        _enter_channel(project, channel, name, version, versions, draft)
    if draft.reasons:
        return
    _let_backports_on(project, names, name, version, versions, draft)
    if image not in draft.template.images:
        draft.template = draft.template.add_entry({"schema": "olm.bundle", "image": image})
    draft.channels = names


def _enter_channel(
    project: Project, channel: str, name: str, version: Version, versions: Mapping[str, Version], draft: _Draft
) -> None:
    """Put the version on top of a channel, or begin the channel with it."""
    place = draft.template.channel(channel)
    if place is None:
        draft.template = draft.template.add_entry(_new_channel(project, channel, name, version, versions))
        draft.notes.append(f"channel {channel} is new: nobody is subscribed to it yet")
        return
    found = next((each for each in project.catalog.channels_of(project.package) if each.name == channel), None)
    chain = candidates(found) if found else []
    if not chain:
        draft.reasons.append(f"channel {channel} has no single head: run balise catalog build and balise check catalog")
        return
    if found is not None and any(entry.name == name for entry in found.entries):
        return
    head = chain[0].name
    if head in versions and versions[head] > version:
        line = f"{channel}-{version.major}.{version.minor}"
        draft.reasons.append(
            f"{version} is lower than {versions[head]}, the head of {channel}, so nobody there would ever be offered"
            f" it: release it into a channel of its own for back-ports, such as --channel {line}"
        )
        return
    draft.template = draft.template.add_to_channel(place, {"name": name, "replaces": head})


def _new_channel(
    project: Project, channel: str, name: str, version: Version, versions: Mapping[str, Version]
) -> dict[str, Any]:
    """A channel that begins with all that leads to the version elsewhere, so that whoever switches to it gets on."""
    entries: list[dict[str, Any]] = []
    package = project.catalog.package(project.package)
    default = package.default_channel if package else ""
    best = Version(), False
    for each in project.catalog.channels_of(project.package):
        chain = candidates(each)
        below = [entry for entry in chain if entry.name in versions and versions[entry.name] < version]
        if below and (versions[below[0].name], each.name == default) > best:
            best = versions[below[0].name], each.name == default
            entries = [_entry_blob(each, entry.name) for entry in reversed(below)]
    last = {"replaces": entries[-1]["name"]} if entries else {}
    return {
        "schema": "olm.channel",
        "package": project.package,
        "name": channel,
        "entries": [*entries, {"name": name, **last}],
    }


def _entry_blob(channel: Channel, name: str) -> dict[str, Any]:
    entry = next(each for each in channel.entries if each.name == name)
    edges = {"replaces": entry.replaces, "skips": list(entry.skips), "skipRange": entry.skip_range}
    return {"name": name, **{key: value for key, value in edges.items() if value}}


def _let_backports_on(
    project: Project, entered: list[str], name: str, version: Version, versions: Mapping[str, Version], draft: _Draft
) -> None:
    """Let the heads of the other channels skip a back-port: who has it could not switch to those otherwise."""
    for channel in project.catalog.channels_of(project.package):
        chain = candidates(channel)
        place = draft.template.channel(channel.name)
        if channel.name in entered or not chain or place is None:
            continue
        head = chain[0].name
        if head in versions and versions[head] > version:
            draft.template = draft.template.add_skip(place, head, name)
            draft.notes.append(
                f"{versions[head]} in {channel.name} now skips {version}, so that its users can go on from there"
            )


def _versions(catalog: Catalog, package: str) -> dict[str, Version]:
    found = {}
    for bundle in catalog.bundles_of(package):
        try:
            found[bundle.name] = Version.parse_tolerant(bundle.version)
        except InvalidVersionError:
            continue
    return found


# --- pyproject.toml and CHANGELOG.md ----------------------------------------------------------------------------------


def _pyproject(project: Project, wish: Wish, channels: list[str]) -> str:
    text = project.pyproject
    tables = tomllib.loads(text)
    ours = tables["tool"]["balise"]
    table = "tool.balise" if "version" in ours else "project"
    text = with_toml_value(text, table, "version", wish.version)
    if "created-at" in ours:
        text = with_toml_value(text, "tool.balise", "created-at", f"{wish.date}T00:00:00Z")
    if list(ours.get("channels", ())) != channels:
        text = with_toml_value(text, "tool.balise", "channels", channels)
    return text


def with_toml_value(text: str, table: str, key: str, value: str | list[str]) -> str:
    """TOML text with another value on the line of a key; raises InputError where that line cannot be found."""
    written = f'"{value}"' if isinstance(value, str) else "[" + ", ".join(f'"{each}"' for each in value) + "]"
    lines = text.splitlines(keepends=True)
    inside = False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            inside = line.strip().partition("#")[0].strip().strip("[] ") == table
        elif inside and (found := re.match(rf"(\s*{re.escape(key)}\s*=\s*)(\"[^\"]*\"|'[^']*'|\[[^\]]*\])", line)):
            lines[number] = f"{found[1]}{written}{line[found.end() :]}"
            break
    edited = "".join(lines)
    if _toml_value(edited, table, key) != value:
        raise InputError(
            f"{table}.{key} is not on a line of its own",
            place="pyproject.toml",
            way_out=f"write {key} = {written} there",
        )
    return edited


def _toml_value(text: str, table: str, key: str) -> Any:
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for step in (*table.split("."), key):
        found = found.get(step) if isinstance(found, dict) else None
    return found


_UNRELEASED: Final = re.compile(r"^## (\[?)Unreleased\]?[ \t]*$", re.IGNORECASE | re.MULTILINE)
_RELEASED: Final = re.compile(r"^## \[?v?\d+\.\d+\.\d+[^\s\]]*\]?(.*)$", re.MULTILINE)


def released_changelog(text: str, version: str, date: str) -> str | None:
    """The changelog with what stood under Unreleased under the version; None where nothing stands there.

    The heading follows those that are there already: brackets and dates where they have them.
    """
    found = _UNRELEASED.search(text)
    if found is None:
        return None
    rest = text[found.end() :]
    following = re.search(r"^## ", rest, re.MULTILINE)
    content = rest[: following.start()] if following else rest
    if not [line for line in content.splitlines() if line.strip() and not line.startswith("#")]:
        return None
    former = _RELEASED.search(rest)
    dated = former is None or re.search(r"\d{4}-\d\d-\d\d", former[1])
    name = f"[{version}]" if found[1] else version
    heading = f"## {name} - {date}" if dated else f"## {name}"
    return f"{text[: found.end()]}\n\n{heading}\n\n{rest.lstrip()}"


# --- What comes of it -------------------------------------------------------------------------------------------------


def hazards(before: Catalog, after: Catalog, package: str, version: str) -> Iterator[str]:
    """Why the new catalog must not be published: whom it would strand, and what nobody would get.

    Args:
        before: the published catalog; empty for a first release.
        after: the one that is to take its place.
        package: the package that is released.
        version: the version that is released.
    """
    name = f"{package}.v{version}"
    for change in compare_catalogs(before, after):
        if change.kind == "bundle-changed" and change.bundles == (name,):
            continue  # it is being developed; a version with a tag does not get here
        if change.weight == "danger":
            yield change.message
        elif change.kind == "bundle-removed":
            yield f"{change.message}, and who runs it has no way on"
    versions = _versions(after, package)
    homes = [each for each in after.channels_of(package) if any(entry.name == name for entry in each.entries)]
    if not homes:
        yield f"no channel has {version}"
    elif not any(chain and chain[0].name == name for chain in map(candidates, homes)):
        heads = [(versions.get(chain[0].name), each.name) for each in homes if (chain := candidates(each))]
        told = ", ".join(f"{head}, the head of {channel}" for head, channel in heads)
        yield (
            f"{version} is lower than {told}, so nobody would ever be offered it: release it into a channel of its own"
            " for back-ports, or let the semver template generate minor channels"
        )
    for channel in homes:
        way = journey(channel, name, versions)
        if way.end is not End.HEAD:
            last = versions.get(way.last, way.last)
            yield f"users of {version} on {channel.name} would end {way.end.value}, at {last}"


def diffs(before: Mapping[str, str], after: Mapping[str, str], bundles: str) -> Iterator[str]:
    """Unified diffs of changed texts by path.

    Files of a new bundle below the folder *bundles* are shown beside those of the highest version that was there.
    """
    earlier = _latest_bundle(before, bundles)
    for path, text in sorted(after.items()):
        former = path
        if path not in before and earlier and path.startswith(f"{bundles}/"):
            former = "/".join((bundles, earlier, *path.removeprefix(f"{bundles}/").split("/")[1:]))
        old = before.get(former)
        yield from (
            f"{line}\n"
            for line in difflib.unified_diff(
                (old or "").splitlines(),
                text.splitlines(),
                "/dev/null" if old is None else former,
                path,
                lineterm="",
            )
        )


def _latest_bundle(paths: Iterable[str], bundles: str) -> str:
    found = {path.removeprefix(f"{bundles}/").partition("/")[0] for path in paths if path.startswith(f"{bundles}/")}
    versions = []
    for name in found:
        try:
            versions.append((Version.parse(name), name))
        except InvalidVersionError:
            continue
    return max(versions, default=(Version(), ""))[1]
