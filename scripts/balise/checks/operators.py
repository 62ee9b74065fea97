"""An operator's folder: its bundles side by side, and the file that ties them together.

For the suites ``communityoperators`` (ci.yaml) and ``packagemanifest`` (\\*.package.yaml).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from balise.checks.findings import Finding
from balise.checks.runner import Report
from balise.checks.suites.communityoperators import (
    COMMUNITY_SUITE,
    CONFIGURATION,
    DANGLING,
    LOOP,
    NAMES,
    PLATFORMS,
    platform_selector,
)
from balise.checks.suites.packagemanifest import PACKAGE_CHANNELS, PACKAGE_FIELDS, PACKAGE_SUITE
from balise.model.bundle import Bundle, BundleLoadError, load_bundle
from balise.model.documents import Document, FieldPath, file_bytes
from balise.model.errors import InputError
from balise.model.platform_versions import PLATFORM_ANNOTATION, InvalidPlatformError, PlatformRange
from balise.model.semver import InvalidRangeError, VersionRange
from balise.model.yaml_text import SyntaxProblem, load

if TYPE_CHECKING:
    from balise.checks.findings import Level
    from balise.checks.registry import Check

__all__ = ["OPERATOR_SUITES", "check_operators"]

OPERATOR_SUITES: Final = frozenset((COMMUNITY_SUITE, PACKAGE_SUITE))


def check_operators(paths: Iterable[str], suites: Sequence[str]) -> tuple[Report, ...]:
    """A report for each folder that holds bundles of *paths*, where one of the suites has something to say of it.

    What keeps a bundle from being loaded is in its own report, and the bundle is left out here.
    """
    folders: dict[str, list[Bundle]] = defaultdict(list)
    for path in paths:
        try:
            folders[os.path.normpath(f"{path}/..")].append(load_bundle(path))
        except (BundleLoadError, InputError):
            continue
    reports = []
    for folder, bundles in folders.items():
        found: list[Finding] = []
        if COMMUNITY_SUITE in suites:
            found += _community(folder, bundles)
        if PACKAGE_SUITE in suites:
            found += _packages(folder, bundles)
        if found:
            reports.append(Report(folder, tuple(found)))
    return tuple(reports)


def _finding(
    check: Check, message: str, document: Document, path: FieldPath = (), *, level: Level | None = None
) -> Finding:
    span = document.span(path)
    start = span.start
    return Finding(
        check.suites[0],
        level or check.level,
        check.code,
        check.type,
        "",
        message,
        start.file,
        start.line,
        start.column,
        check.hint,
        span.end_column,
        document.source_line(start.line),
    )


def _read(path: Path) -> Document | str | None:
    """The file as a document; what is wrong with it; or None where there is none."""
    if not path.is_file():
        return None
    try:
        data = file_bytes(path)
        return Document(str(path), data, load(data))
    except InputError as error:
        return error.message
    except SyntaxProblem as problem:
        return f"not YAML: {problem.message}"


def _community(folder: str, bundles: Sequence[Bundle]) -> Iterator[Finding]:
    names = {bundle.csv.name.partition(".")[0] for bundle in bundles}
    if len(names) > 1:
        newest = max(bundles, key=lambda bundle: bundle.csv.version)
        message = f"the bundles use several names: {', '.join(sorted(names))}"
        yield _finding(NAMES, message, newest.csv.document, ("metadata", "name"))
    yield from _replaced_platforms(bundles)
    path = Path(folder) / "ci.yaml"
    found = _read(path)
    configuration: Mapping[str, Any] = {}
    if isinstance(found, Document) and isinstance(found.data, dict):
        configuration = found.data
        yield from _configuration(found, configuration)
        yield from _release_configs(configuration, bundles)
    elif found is not None:
        reason = found if isinstance(found, str) else "no mapping"
        yield _finding(CONFIGURATION, f"ci.yaml is {reason}", Document(str(path), b"", None))
    if configuration.get("updateGraph") == "replaces-mode":
        yield from _graph(bundles)


def _replaced_platforms(bundles: Sequence[Bundle]) -> Iterator[Finding]:
    by_name = {bundle.csv.name: bundle for bundle in bundles}
    for bundle in bundles:
        replaced = by_name.get(str(bundle.csv.spec.get("replaces") or ""))
        if replaced is None:
            continue
        document, selector = platform_selector(bundle)
        try:
            own, other = (PlatformRange.parse(each or "v4.0") for each in (selector, platform_selector(replaced)[1]))
        except InvalidPlatformError:
            continue  # said of the bundle itself
        if not other.covers(own):
            message = f"{bundle.csv.name} is for OpenShift {own}, {replaced.csv.name}, which it replaces, for {other}"
            path: FieldPath = ("annotations", PLATFORM_ANNOTATION)
            yield _finding(PLATFORMS, message, document or bundle.csv.document, path)


_MODES: Final = ("replaces-mode", "semver-mode")


def _configuration(document: Document, configuration: Mapping[str, Any]) -> Iterator[Finding]:
    mode = configuration.get("updateGraph")
    if mode is None:
        yield _finding(CONFIGURATION, "updateGraph is not set", document, ("updateGraph",), level="warning")
    elif mode not in _MODES:
        message = f"updateGraph is {mode!r}, which is neither {' nor '.join(_MODES)}"
        yield _finding(CONFIGURATION, message, document, ("updateGraph",))
    reviewers = configuration.get("reviewers", [])
    if not isinstance(reviewers, list) or not all(isinstance(each, str) for each in reviewers):
        yield _finding(CONFIGURATION, "reviewers must be a list of names", document, ("reviewers",))
    fbc = configuration.get("fbc", {})
    if not isinstance(fbc, dict):
        yield _finding(CONFIGURATION, "fbc must be a mapping", document, ("fbc",))
        return
    if fbc.get("enabled") is not True:
        message = "file-based catalogs are not used: fbc.enabled is not true"
        yield _finding(CONFIGURATION, message, document, ("fbc", "enabled"), level="warning")
    mapping = fbc.get("catalog_mapping", [])
    for index, each in enumerate(mapping if isinstance(mapping, list) else [None]):
        if not isinstance(each, dict) or not all(isinstance(each.get(name), str) for name in ("template_name", "type")):
            message = "an entry of fbc.catalog_mapping needs template_name and type"
            yield _finding(CONFIGURATION, message, document, ("fbc", "catalog_mapping", index))


_SEMVER_CHANNELS: Final = frozenset(("Candidate", "Fast", "Stable"))


def _release_configs(configuration: Mapping[str, Any], bundles: Sequence[Bundle]) -> Iterator[Finding]:
    fbc = configuration.get("fbc")
    mapping = fbc.get("catalog_mapping") if isinstance(fbc, dict) else None
    types = {
        each["template_name"]: each.get("type")
        for each in (mapping if isinstance(mapping, list) else ())
        if isinstance(each, dict) and isinstance(each.get("template_name"), str)
    }
    for bundle in bundles:
        document = _read(Path(bundle.path) / "release-config.yaml")
        if not isinstance(document, Document) or not isinstance(document.data, dict):
            continue
        if not isinstance(fbc, dict) or fbc.get("enabled") is not True:
            message = "release-config.yaml is used, but ci.yaml does not have fbc.enabled: true"
            yield _finding(CONFIGURATION, message, document)
            continue
        templates = document.data.get("catalog_templates")
        for index, each in enumerate(templates if isinstance(templates, list) else ()):
            path: FieldPath = ("catalog_templates", index)
            name = each.get("template_name") if isinstance(each, dict) else None
            channels = each.get("channels") if isinstance(each, dict) else None
            if not isinstance(name, str) or name not in types:
                message = f"the template {name!r} is not in the fbc.catalog_mapping of ci.yaml"
                yield _finding(CONFIGURATION, message, document, (*path, "template_name"))
            elif (
                types[name] == "olm.semver"
                and isinstance(channels, list)
                and set(map(str, channels)) - _SEMVER_CHANNELS
            ):
                message = f"a semver template has only the channels {', '.join(sorted(_SEMVER_CHANNELS))}"
                yield _finding(CONFIGURATION, message, document, (*path, "channels"))


def _graph(bundles: Sequence[Bundle]) -> Iterator[Finding]:
    channels: dict[str, list[Bundle]] = defaultdict(list)
    for bundle in bundles:
        for channel in {each.strip() for each in bundle.annotations.channels if each.strip()}:
            channels[channel].append(bundle)
    looping: set[str] = set()
    for channel, members in sorted(channels.items()):
        by_name = {bundle.csv.name: bundle for bundle in members}
        for loop in _loops(by_name):
            if not looping.issuperset(loop):
                looping.update(loop)
                message = f"replaces leads in a circle: {' replaces '.join([*loop, loop[0]])}"
                yield _finding(LOOP, message, by_name[loop[0]].csv.document, ("spec", "replaces"))
        if looping.isdisjoint(by_name):
            for bundle in _dangling(members):
                message = f"nothing in channel {channel} replaces {bundle.csv.name}, which is not the newest there"
                yield _finding(DANGLING, message, bundle.csv.document, ("metadata", "name"))


def _loops(by_name: Mapping[str, Bundle]) -> Iterator[list[str]]:
    done: set[str] = set()
    for start in sorted(by_name):
        way: list[str] = []
        name = start
        while name in by_name and name not in done and name not in way:
            way.append(name)
            name = str(by_name[name].csv.spec.get("replaces") or "")
        if name in way:
            yield way[way.index(name) :]
        done.update(way)


def _dangling(members: Sequence[Bundle]) -> Iterator[Bundle]:
    """The bundles that no other one is an upgrade of, but for the newest of them."""
    ends = [bundle for bundle in members if not any(_upgrades(other, bundle) for other in members)]
    newest = max(ends, key=lambda bundle: bundle.csv.version, default=None)
    yield from (bundle for bundle in ends if bundle is not newest)


def _upgrades(newer: Bundle, older: Bundle) -> bool:
    csv, name = newer.csv, older.csv.name
    if newer is older:
        return False
    if name == csv.spec.get("replaces") or name in (csv.spec.get("skips") or ()):
        return True
    text = csv.annotations.get("olm.skipRange")
    try:
        return bool(text) and older.csv.version in VersionRange.parse(text or "")
    except InvalidRangeError:
        return False


def _packages(folder: str, bundles: Sequence[Bundle]) -> Iterator[Finding]:
    for path in sorted(Path(folder).glob("*.package.y*ml")):
        found = _read(path)
        if not isinstance(found, Document) or not isinstance(found.data, dict):
            reason = found if isinstance(found, str) else "no mapping"
            yield _finding(PACKAGE_FIELDS, f"the package manifest is {reason}", Document(str(path), b"", None))
            continue
        yield from _package(found, found.data, {bundle.csv.name: bundle for bundle in bundles})


def _package(document: Document, data: Mapping[str, Any], by_name: Mapping[str, Bundle]) -> Iterator[Finding]:
    if not isinstance(data.get("packageName"), str) or not data["packageName"]:
        yield _finding(PACKAGE_FIELDS, "packageName is missing", document, ("packageName",))
    channels = data.get("channels")
    if not isinstance(channels, list) or not channels:
        yield _finding(PACKAGE_FIELDS, "there are no channels", document, ("channels",))
        return
    names: list[Any] = [each.get("name") if isinstance(each, dict) else None for each in channels]
    for index, each in enumerate(channels):
        path: FieldPath = ("channels", index)
        for field in ("name", "currentCSV"):
            if not isinstance(each, dict) or not isinstance(each.get(field), str) or not each[field]:
                yield _finding(PACKAGE_FIELDS, f"the channel has no {field}", document, (*path, field))
        if names[index] in names[:index]:
            message = f"the channel {names[index]!r} is there twice"
            yield _finding(PACKAGE_FIELDS, message, document, (*path, "name"))
        if isinstance(each, dict) and isinstance(current := each.get("currentCSV"), str):
            yield from _chain(document, (*path, "currentCSV"), current, by_name)
    default = data.get("defaultChannel")
    if default is None and len(channels) > 1:
        yield _finding(PACKAGE_FIELDS, "several channels need a defaultChannel", document, ("defaultChannel",))
    elif default is not None and default not in names:
        yield _finding(PACKAGE_FIELDS, f"defaultChannel {default!r} is no channel", document, ("defaultChannel",))


def _chain(document: Document, path: FieldPath, current: str, by_name: Mapping[str, Bundle]) -> Iterator[Finding]:
    if current not in by_name:
        yield _finding(PACKAGE_CHANNELS, f"no folder has the ClusterServiceVersion {current!r}", document, path)
        return
    seen: set[str] = set()
    name = current
    while name and name not in seen:
        seen.add(name)
        replaced = str(by_name[name].csv.spec.get("replaces") or "")
        if replaced and replaced not in by_name:
            message = f"{name} replaces {replaced}, which no folder has"
            yield _finding(PACKAGE_CHANNELS, message, by_name[name].csv.document, ("spec", "replaces"))
            return
        name = replaced
