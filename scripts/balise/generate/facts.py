"""What only the operator's code knows: its CRDs, its permissions, its Deployment; plus the files the author keeps."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balise.generate.configuration import Configuration
from balise.generate.manifests import Manifest, read_manifests
from balise.generate.permissions import normalised_rules
from balise.generate.webhooks import checked_webhooks
from balise.model.errors import InputError

__all__ = ["Facts", "gather"]


@dataclass(frozen=True, slots=True)
class Facts:
    """The operator as its code describes it. Rules are normalised; manifests carry neither status nor server fields."""

    crds: tuple[Manifest, ...]
    cluster_rules: tuple[Manifest, ...]
    namespaced_rules: tuple[Manifest, ...]
    deployment: Manifest
    webhooks: tuple[Manifest, ...]
    samples: tuple[Manifest, ...]
    manifests: tuple[Manifest, ...]
    description: str
    icon: bytes


def gather(configuration: Configuration) -> Facts:
    """Call the entry points and read the files that the configuration names.

    Raises :class:`InputError` for an entry point that is not there, raises, or gives something else than it should;
    for a glob that matches nothing; for a file that cannot be used; and for permissions with wildcards.
    """
    rules = _rules(configuration)
    crds = _crds(configuration)
    deployment = _clean(_deployment(configuration))
    return Facts(
        crds=tuple(sorted((_clean(crd) for crd in crds), key=lambda crd: str(crd["metadata"]["name"]))),
        cluster_rules=tuple(normalised_rules(rules["cluster"], place=f"{_named(configuration, 'rules')}, cluster")),
        namespaced_rules=tuple(
            normalised_rules(rules["namespaced"], place=f"{_named(configuration, 'rules')}, namespaced")
        ),
        deployment=deployment,
        webhooks=_webhooks(configuration, deployment, crds),
        samples=tuple(_read_globs(configuration, "samples", configuration.samples)),
        manifests=tuple(
            _clean(manifest) for manifest in _read_globs(configuration, "manifests", configuration.manifests)
        ),
        description=configuration.description.read_text("utf-8").strip() + "\n",
        icon=configuration.icon.read_bytes(),
    )


def _crds(configuration: Configuration) -> list[Manifest]:
    source = configuration.code.crds
    crds = (
        _read_globs(configuration, "code.crds", source) if not isinstance(source, str) else _call(configuration, source)
    )
    if not isinstance(crds, Sequence) or not crds or not all(_is_kind(crd, "CustomResourceDefinition") for crd in crds):
        raise InputError(
            "expected one or more CustomResourceDefinitions and nothing else", place=_named(configuration, "crds")
        )
    return list(crds)


def _rules(configuration: Configuration) -> dict[str, list[Manifest]]:
    source = configuration.code.rules
    if isinstance(source, str):
        found = _call(configuration, source)
        match found:
            case {"cluster": list(), "namespaced": list(), **rest} if not rest:
                return dict(found)
        raise InputError('expected {"cluster": [rule, …], "namespaced": [rule, …]}', place=source)
    manifests = _read_globs(configuration, "code.rules", source)
    return {
        name: [rule for manifest in manifests if manifest["kind"] == kind for rule in manifest.get("rules") or ()]
        for name, kind in (("cluster", "ClusterRole"), ("namespaced", "Role"))
    }


def _deployment(configuration: Configuration) -> Manifest:
    source = configuration.code.deployment
    if isinstance(source, str):
        found = _call(configuration, source, configuration.image)
    else:
        deployments = [
            each for each in _read_globs(configuration, "code.deployment", source) if _is_kind(each, "Deployment")
        ]
        if len(deployments) != 1:
            raise InputError(
                f"expected one Deployment, found {len(deployments)}", place=_named(configuration, "deployment")
            )
        found = deployments[0]
    match found:
        case {
            "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": [_, *_], "serviceAccountName": str()}}},
        }:
            return dict(found)
    raise InputError(
        "expected a Deployment whose pods have containers and a serviceAccountName",
        place=_named(configuration, "deployment"),
    )


def _webhooks(configuration: Configuration, deployment: Manifest, crds: list[Manifest]) -> tuple[Manifest, ...]:
    source = configuration.code.webhooks
    if not source:
        return ()
    match _call(configuration, source):
        case {"definitions": list(definitions), "served": list(served), **rest} if not rest:
            return checked_webhooks(definitions, served, deployment, crds, configuration.install_modes, place=source)
    raise InputError('expected {"definitions": [webhookdefinition, …], "served": [path, …]}', place=source)


def _is_kind(manifest: object, kind: str) -> bool:
    match manifest:
        case {"kind": found, "metadata": {"name": str()}}:
            return bool(found == kind)
    return False


def _named(configuration: Configuration, key: str) -> str:
    source: str | tuple[str, ...] = getattr(configuration.code, key)
    return source if isinstance(source, str) else f"tool.balise.code.{key}"


def _clean(manifest: Manifest) -> Manifest:
    """A manifest as an author writes it: without status and the fields that only an API server fills in."""
    metadata = {
        key: value
        for key, value in manifest["metadata"].items()
        if key not in ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
    }
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": metadata}


def _read_globs(configuration: Configuration, key: str, globs: Sequence[str]) -> list[Manifest]:
    paths: list[Path] = []
    for glob in globs:
        found = [path for path in configuration.root.glob(glob) if path.is_file()]
        if not found:
            raise InputError(
                f"no file matches {glob!r}",
                place=f"tool.balise.{key}",
                way_out=f"globs start from the folder of pyproject.toml, {configuration.root}",
            )
        paths.extend(found)
    return [manifest for path in sorted(set(paths)) for manifest in read_manifests(path)]


def _call(configuration: Configuration, entry_point: str, *arguments: str) -> Any:
    with _importable(configuration.root):
        function = _load(entry_point)
        try:
            return function(*arguments)
        except Exception as error:
            raise InputError(f"raised {type(error).__name__}: {error}", place=entry_point) from error


def _load(entry_point: str) -> Callable[..., Any]:
    module_name, _, name = entry_point.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"cannot import {module_name}: {type(error).__name__}: {error}",
            place=entry_point,
            way_out="run balise in the environment where the operator is installed",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"module {module_name} has no function {name}", place=entry_point)
    return function  # type: ignore[no-any-return]


@contextmanager
def _importable(root: Path) -> Iterator[None]:
    """Let entry points be found in the project's own folder too, installed or not."""
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
