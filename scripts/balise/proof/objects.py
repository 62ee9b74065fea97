"""Existing custom resources held against the schema of the next version, as OLM v0 does before it updates a CRD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balise.model.catalog_files import ReadProblem, read_documents
from balise.model.documents import file_bytes, render_path
from balise.model.errors import InputError
from balise.model.structural_schema import mismatches
from balise.proof.contents import Contents, mapping, sequence
from balise.proof.crd_safety import served_versions

__all__ = ["RefusedObject", "read_objects", "refused_objects"]


@dataclass(frozen=True, slots=True)
class RefusedObject:
    """An object that the new schema does not allow. ``tolerated`` where a conversion webhook makes OLM go on anyway."""

    text: str
    tolerated: bool


def refused_objects(old: Contents, new: Contents, objects: Sequence[Mapping[str, Any]]) -> Iterator[RefusedObject]:
    """Objects of a version that both CRDs serve and that do not fit the new schema: the InstallPlan then fails."""
    for name, after in new.crds.items():
        before = old.crds.get(name)
        if before is None:
            continue
        spec = mapping(after.get("spec"))
        both = set(served_versions(before)) & set(served_versions(after))
        tolerated = mapping(spec.get("conversion")).get("strategy") == "Webhook"
        for version in sequence(spec.get("versions")):
            if version.get("name") not in both:
                continue
            schema = mapping(mapping(version.get("schema")).get("openAPIV3Schema"))
            for found in objects:
                if found.get("apiVersion") == f"{spec.get('group')}/{version.get('name')}" and (
                    found.get("kind") == mapping(spec.get("names")).get("kind")
                ):
                    yield from _refused(found, schema, tolerated)


def _refused(found: Mapping[str, Any], schema: Mapping[str, Any], tolerated: bool) -> Iterator[RefusedObject]:
    metadata = mapping(found.get("metadata"))
    which = f"{found.get('kind')} {metadata.get('namespace', 'default')}/{metadata.get('name')}"
    for mismatch in mismatches(dict(found), schema):
        place = render_path(mismatch.path)
        yield RefusedObject(f"the existing {which} does not fit the new schema: {place}: {mismatch.message}", tolerated)


def read_objects(paths: Sequence[Path]) -> list[Mapping[str, Any]]:
    """Objects in files, or in the YAML and JSON files of folders; lists are taken apart."""
    objects: list[Mapping[str, Any]] = []
    for path in paths:
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in {".yaml", ".yml", ".json"})
        for file in files:
            for _, document in read_documents(str(file), file_bytes(file)):
                if isinstance(document, ReadProblem):
                    raise InputError(document.message, place=":".join(map(str, document.position)))
                data = mapping(document.data)
                objects += sequence(data.get("items")) if str(data.get("kind")).endswith("List") else [data]
    return objects
