"""The published JSON Schemas: generated, and in agreement with the decoders on everything in the corpus."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from balise.checks.catalog import check_catalog
from balise.checks.suites.catalog import CATALOG_CHECKS
from balise.model.bundle import BundleLoadError, load_bundle
from balise.model.catalog_blobs import BLOB_TYPES, meta
from balise.model.catalog_files import ReadProblem, catalog_files, read_documents
from balise.model.documents import first_document
from balise.model.go_types import MismatchError, decode
from balise.model.json_schemas import catalog_schema, csv_schema
from balise.model.yaml_text import SyntaxProblem

REPOSITORY = Path(__file__).parents[4]
CORPUS = Path(os.environ.get("BALISE_CORPUS", REPOSITORY.parent / "shared/corpus"))

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus is not at {CORPUS} (set BALISE_CORPUS)")


@pytest.mark.parametrize(
    ("name", "schema"), [("catalog", catalog_schema()), ("clusterserviceversion", csv_schema())]
)  # fmt: skip
def test_published_schema_is_the_generated_one(name: str, schema: dict[str, Any]) -> None:
    published = json.loads((REPOSITORY / "docs/schemas" / f"{name}.json").read_text())
    assert published == schema, f"run `balise schema` and write its output to docs/schemas/{name}.json"
    jsonschema.Draft202012Validator.check_schema(schema)


def documents(folder: Path) -> Iterator[Any]:
    for path in catalog_files(folder):
        for _, document in read_documents(str(folder / path), (folder / path).read_bytes()):
            assert not isinstance(document, ReadProblem)
            yield document.data


@needs_corpus
def test_catalogs() -> None:
    validator = jsonschema.Draft202012Validator(catalog_schema())
    unreadable = {CATALOG_CHECKS[name].code for name in ("no-schema", "type", "property")}
    folders = [*(CORPUS / "catalogs").iterdir(), *(CORPUS / "broken-catalogs/kube-green").iterdir()]
    for folder in folders:
        if (folder / "catalog.yaml").stat().st_size > 100_000:
            continue  # jsonschema takes its time
        report = check_catalog(folder)
        accepted = all(validator.is_valid(document) for document in documents(folder))
        if report.valid:
            assert accepted, folder  # the schema refuses nothing that opm takes
        elif {finding.code for finding in report.findings} & unreadable:
            assert not accepted, folder  # and takes nothing that opm cannot read


def csvs() -> Iterator[Any]:
    for folder in sorted((CORPUS / "bundles").glob("*/*"))[::8]:
        try:
            yield load_bundle(folder).csv.document.data
        except BundleLoadError:
            continue
    for verdict in map(json.loads, (CORPUS / "broken-bundles.jsonl").read_text().splitlines()):
        if "unable to parse CSV" not in (verdict.get("loadError") or ""):
            continue
        (file,) = (CORPUS / verdict["dir"] / "manifests").glob("*clusterserviceversion*")
        try:
            document = first_document(str(file), file.read_bytes())
        except SyntaxProblem:
            continue
        if document is not None:
            yield document.data


@needs_corpus
def test_csvs() -> None:
    validator = jsonschema.Draft202012Validator(csv_schema())
    verdicts = set()
    for csv in csvs():
        try:
            decode(csv, "ClusterServiceVersion")
            readable = True
        except MismatchError:
            readable = False
        assert validator.is_valid(csv) == readable, csv.get("metadata", {}).get("name")
        verdicts.add(readable)
    assert verdicts == {True, False}


@pytest.mark.parametrize(
    ("blob", "accepted"),
    [
        ({"schema": "acme.notes", "anything": [1]}, True),
        ({"name": "x"}, False),
        ({"schema": "olm.package", "name": "a", "defaultChannel": "b"}, True),
        ({"schema": "olm.package", "name": "a"}, False),
        ({"schema": "olm.channel", "package": "a", "name": "b", "entries": [{"name": "c", "skips": "d"}]}, False),
        ({"schema": "olm.bundle", "package": "a", "name": "b", "properties": [{"type": "x", "value": None}]}, True),
        ({"schema": "olm.bundle", "package": "a", "name": "b", "properties": [{"type": "x"}]}, False),
        ({"schema": "olm.bundle", "package": "a", "name": "b",
          "properties": [{"type": "olm.gvk", "value": {"group": 1}}]}, False),
    ],
)  # fmt: skip
def test_catalog_schema(blob: dict[str, Any], accepted: bool) -> None:
    assert jsonschema.Draft202012Validator(catalog_schema()).is_valid(blob) == accepted


def test_every_schema_of_a_catalog_is_known() -> None:
    assert {meta({"schema": name}, "schema") for name in BLOB_TYPES} == set(BLOB_TYPES)
