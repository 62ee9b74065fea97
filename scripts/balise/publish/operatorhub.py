"""What a pull request to the community catalogs (OperatorHub.io, OpenShift) holds for one version, as a pure function.

The tree is ``operators/PACKAGE/VERSION/{manifests,metadata}``, and ``operators/PACKAGE/ci.yaml`` beside the versions.
For a package that is published as a file-based catalog, ``release-config.yaml`` in the version's folder says which
channels of which template it enters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from balise.model.bundle import Bundle
from balise.model.catalog import Catalog, ChannelEntry
from balise.model.errors import InputError
from balise.model.semver import InvalidVersionError, Version
from balise.model.yaml_text import SyntaxProblem, load
from balise.model.yaml_writing import dump

__all__ = ["UPDATE_GRAPHS", "Choices", "Pipeline", "Submission", "Tree", "plan_submission", "read_pipeline"]

UPDATE_GRAPHS: Final = ("replaces-mode", "semver-mode")
"""How the catalogs' own CI joins the versions: by the CSVs' ``replaces``, or all lower ones by version."""

_PARTS: Final = ("manifests/", "metadata/", "tests/")
_ARCHETYPES: Final = ("candidate", "fast", "stable")


@dataclass(frozen=True, slots=True)
class Tree:
    """What the catalogs' repository holds of the package already: content by path below ``operators/PACKAGE/``."""

    files: Mapping[str, bytes] = field(default_factory=dict)

    def versions(self) -> dict[str, dict[str, bytes]]:
        """The published versions' files, by version and by path below it."""
        found: dict[str, dict[str, bytes]] = {}
        for path, content in self.files.items():
            version, slash, rest = path.partition("/")
            if slash and rest.startswith(_PARTS):
                found.setdefault(version, {})[rest] = content
        return found


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person decides: ``update_graph`` is empty for what fits, ``overwrite`` replaces a published version."""

    update_graph: str = ""
    reviewers: tuple[str, ...] = ()
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What an existing ``ci.yaml`` says; ``templates`` are the types of those that its catalog mapping names."""

    update_graph: str = ""
    templates: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """Files to write, by path below ``operators/PACKAGE/``; or why not. ``unchanged`` when all is there already."""

    folder: str
    files: Mapping[str, bytes]
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unchanged: bool = False


def read_pipeline(content: bytes | None, place: str) -> Pipeline:
    """The part of ``ci.yaml`` that matters here; raises InputError where it is not of the catalogs' schema."""
    if content is None:
        return Pipeline()
    try:
        data = load(content)
    except SyntaxProblem as problem:
        where = f"{place}:{problem.mark.line + 1}:{problem.mark.column + 1}"
        raise InputError(f"is not YAML: {problem.message}", place=where) from None
    if data is not None and not isinstance(data, dict):
        raise InputError("is not a mapping", place=place)
    data = data or {}
    graph = data.get("updateGraph", "")
    if graph not in ("", *UPDATE_GRAPHS):
        raise InputError(f"updateGraph is {graph!r}", place=place, way_out=f"use {' or '.join(UPDATE_GRAPHS)}")
    return Pipeline(graph, _templates(data.get("fbc"), place))


def _templates(fbc: Any, place: str) -> dict[str, str] | None:
    match fbc:
        case {"enabled": True, "catalog_mapping": list(mapping)}:
            pass
        case None | {"enabled": False}:
            return None
        case _:
            raise InputError(
                "fbc is enabled without a catalog_mapping", place=place, way_out="list its templates there"
            )
    found = {}
    for each in mapping:
        match each:
            case {"template_name": str(name), "type": str(kind)}:
                found[name] = kind
            case _:
                raise InputError("an entry of fbc.catalog_mapping lacks template_name or type", place=place)
    return found


def plan_submission(
    bundle: Bundle, tree: Tree, choices: Choices, *, archetypes: Iterable[str] = (), catalog: Catalog | None = None
) -> Submission:
    """What to write for a bundle.

    Args:
        bundle: the version.
        tree: what is published already.
        choices: what the person decides.
        archetypes: which of candidate, fast and stable our own semver template lists the version in.
        catalog: our own catalog, whose channels and edges a basic template of theirs is told.

    Raises:
        InputError: when their ``ci.yaml`` is not of its schema.
    """
    package, version = bundle.annotations.package, str(bundle.csv.version)
    place = f"operators/{package}/ci.yaml"
    present = tree.files.get("ci.yaml")
    pipeline = read_pipeline(present, place)
    graph = pipeline.update_graph or choices.update_graph or _fitting_graph(bundle)
    reasons = [*_misnamed(bundle, package, version)]
    notes = []
    files = {path: content for path, content in bundle.files.items() if path.startswith(_PARTS)}
    if pipeline.templates is None:
        reasons += _graph_reasons(bundle, tree, version, graph)
    else:
        config, why = _release_config(bundle, pipeline.templates, tree, tuple(archetypes), catalog)
        reasons += why
        files["release-config.yaml"] = config
    written = {f"{version}/{path}": content for path, content in sorted(files.items())}
    if present is None:
        written["ci.yaml"] = _pipeline_file(graph, choices.reviewers)
    elif not pipeline.update_graph and pipeline.templates is None:
        notes.append(f"{place} has no updateGraph: their CI warns; add updateGraph: {graph}")
    elif choices.update_graph not in ("", pipeline.update_graph):
        notes.append(f"{place} is kept, with updateGraph: {pipeline.update_graph or 'none'}")
    before = {path: content for path, content in tree.files.items() if path.startswith(f"{version}/")}
    same = before == {path: content for path, content in written.items() if path != "ci.yaml"}
    if before and not same and not choices.overwrite:
        reasons.append(_published_already(before, written, version))
    return Submission(version, written, tuple(reasons), tuple(notes), unchanged=same and present is not None)


def _published_already(before: Mapping[str, bytes], written: Mapping[str, bytes], version: str) -> str:
    paths = {*before, *written} - {"ci.yaml"}
    differing = sorted(path for path in paths if before.get(path) != written.get(path))
    shown = ", ".join(path.removeprefix(f"{version}/") for path in differing[:3]) + (
        f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    )
    return (
        f"{version} is published with other content ({shown}); whoever installed it keeps what they have:"
        " release a new version, or say --overwrite"
    )


def _misnamed(bundle: Bundle, package: str, version: str) -> Iterator[str]:
    if not package:
        yield "metadata/annotations.yaml does not say which package it belongs to"
    if version == "0.0.0":
        yield "the ClusterServiceVersion has no spec.version"
    if bundle.csv.name != (expected := f"{package}.v{version}"):
        yield f"the ClusterServiceVersion is named {bundle.csv.name}; their CI wants {expected}"


def _fitting_graph(bundle: Bundle) -> str:
    spec = bundle.csv.spec
    edges = spec.get("replaces") or spec.get("skips") or bundle.csv.annotations.get("olm.skipRange")
    return "replaces-mode" if edges else "semver-mode"


def _graph_reasons(bundle: Bundle, tree: Tree, version: str, graph: str) -> Iterator[str]:
    """Why users of published versions would not get this one, where the CSVs make the graph."""
    others = sorted((each for each in tree.versions() if each != version), key=_order)
    if not others or graph != "replaces-mode":
        return
    package = bundle.annotations.package
    published = {f"{package}.v{other}" for other in others}
    replaced = bundle.csv.spec.get("replaces")
    skipped = bundle.csv.spec.get("skips") or ()
    if not replaced and not skipped:
        yield (
            f"with updateGraph: replaces-mode a version that replaces nothing is a second head beside {others[-1]}:"
            " set tool.balise.replaces, or updateGraph: semver-mode"
        )
    elif replaced and replaced not in published:
        yield (
            f"it replaces {replaced}, which is not published (there are {', '.join(others[-5:])}):"
            " nobody could come from it, and nobody comes from the others"
        )


def _order(version: str) -> tuple[Version, str]:
    try:
        return Version.parse_tolerant(version), version
    except InvalidVersionError:
        return Version(), version


def _pipeline_file(graph: str, reviewers: tuple[str, ...]) -> bytes:
    data: dict[str, Any] = {"updateGraph": graph}
    if reviewers:
        data |= {"addReviewers": True, "reviewers": list(reviewers)}
    return f"---\n{dump(data)}".encode()


def _release_config(
    bundle: Bundle,
    templates: Mapping[str, str],
    tree: Tree,
    archetypes: tuple[str, ...],
    catalog: Catalog | None,
) -> tuple[bytes, list[str]]:
    """``release-config.yaml``: for each of their templates, where in it the version belongs."""
    entries: list[dict[str, Any]] = []
    reasons = []
    for name, kind in sorted(templates.items()):
        if f"catalog-templates/{name}" not in tree.files:
            reasons.append(f"ci.yaml maps the template {name}, which is not in catalog-templates/")
        elif kind == "olm.semver":
            channels = [each.title() for each in _ARCHETYPES if each in archetypes]
            entries.append({"template_name": name, "channels": channels})
            if not channels:
                reasons.append(f"catalog/template.yaml lists {bundle.csv.name} in none of {', '.join(_ARCHETYPES)}")
        else:
            found = list(_basic_entries(bundle, catalog))
            entries += [{"template_name": name, **each} for each in found]
            if not found:
                reasons.append(f"no channel of our catalog has {bundle.csv.name}: run balise catalog build")
    return f"---\n{dump({'catalog_templates': entries})}".encode(), reasons


def _basic_entries(bundle: Bundle, catalog: Catalog | None) -> Iterator[dict[str, Any]]:
    """The version's channels, those with the same edges together."""
    groups: dict[ChannelEntry, list[str]] = {}
    for channel in catalog.channels_of(bundle.annotations.package) if catalog else ():
        for entry in channel.entries:
            if entry.name == bundle.csv.name:
                groups.setdefault(entry, []).append(channel.name)
    for entry, channels in groups.items():
        found: dict[str, Any] = {"channels": sorted(channels)}
        edges = {"replaces": entry.replaces, "skips": list(entry.skips), "skipRange": entry.skip_range}
        yield found | {key: value for key, value in edges.items() if value}
