"""Kubernetes manifests as YAML text: read as Kubernetes' own tools read them, written so that the same value gives the
same bytes."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from balise.model.errors import InputError
from balise.model.yaml_writing import scalar_style

__all__ = ["Manifest", "dump", "dump_all", "read_manifests"]

Manifest: TypeAlias = dict[str, Any]

_LINE_WIDTH = 110


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without dates (the reference tools keep them as text) and without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen and key != "<<":
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Block style, lists indented under their key, no aliases, long texts as literal blocks."""

    def ignore_aliases(self, _: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (PyYAML's)
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=scalar_style(value))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Dumper.add_representer(str, _text)


def read_manifests(path: Path) -> list[Manifest]:
    """The objects in one YAML or JSON file, in the file's order; empty documents are left out.

    Raises :class:`InputError` with file, line and column when the file cannot be read, is no YAML, or holds something
    that is not an object with ``apiVersion``, ``kind`` and ``metadata.name``.
    """
    try:
        documents = [document for document in yaml.load_all(path.read_text("utf-8"), _Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"not valid YAML: {error.problem}", place=place) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not valid YAML: {error}", place=str(path)) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", place=str(path)) from error
    for document in documents:
        _must_be_object(document, path)
    return documents


def dump(value: object) -> str:
    """One YAML document with sorted keys: equal values give equal text, whatever order they were built in."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True, width=_LINE_WIDTH
    )


def dump_all(manifests: list[Manifest]) -> str:
    """Several objects as one stream of YAML documents, as ``kubectl apply -f -`` reads it."""
    return "---\n".join(dump(manifest) for manifest in manifests)


def _must_be_object(document: object, path: Path) -> None:
    match document:
        case {"apiVersion": str(), "kind": str(), "metadata": {"name": str()}}:
            return
    raise InputError(
        "holds a document that is not a Kubernetes object",
        place=str(path),
        way_out="give it apiVersion, kind and metadata.name",
    )
