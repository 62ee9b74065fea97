"""The definition that is generated from the models: structural, bounded, and told in words."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from timonier.api.crd import APPLICATION, KINDS, Column, Kind, crd, crds
from timonier.applications.status import Reason

Node = dict[str, Any]


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, below in node.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


def schema_of(kind: Kind) -> Node:
    schema: Node = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


ALL = {path: node for kind in KINDS for path, node in nodes(schema_of(kind), kind.resource.kind)}
NODES = {path: node for path, node in ALL.items() if path.partition(".")[2].startswith(("spec", "status"))}
FIELDS = {path: node for path, node in NODES.items() if not path.endswith(("[]", "{}"))}
RULES = [(path, rule) for path, node in ALL.items() for rule in node.get("x-kubernetes-validations", ())]


def test_every_field_is_described_in_a_sentence() -> None:
    said = {path: node.get("description", "") for path, node in FIELDS.items()}
    assert not [path for path, text in said.items() if not text.endswith((".", "…")) or text[:1].islower()]


def is_bounded(path: str, node: Node) -> bool:
    if "enum" in node or node.get("type") == "boolean":
        return True
    if node.get("x-kubernetes-int-or-string"):
        return {"maxLength", "minimum"} <= node.keys()
    if node["type"] == "integer":
        counted_by_the_api_server = path.endswith("eneration")
        return "minimum" in node and ("maximum" in node or counted_by_the_api_server)
    bounds = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}
    return bounds[node["type"]] in node or bool(node.get("properties"))


def test_every_value_is_bounded() -> None:
    assert not [path for path, node in NODES.items() if not is_bounded(path, node)]


def test_no_maximum_is_one_that_the_api_server_takes_for_a_negative_number() -> None:
    # It reads bounds as float64: 2**63 - 1 becomes 2**63, which is -(2**63) as an int64.
    bounded = {path: node["maximum"] for path, node in ALL.items() if "maximum" in node}
    assert not {path: maximum for path, maximum in bounded.items() if float(maximum) >= 2**63}


def is_structural(node: Node) -> bool:
    """Each value has one type, stated where it stands. Source: the Kubernetes documentation of structural schemas."""
    either = bool(node.get("x-kubernetes-int-or-string"))
    foreign = {"$ref", "$defs", "oneOf", "allOf", "not", "title", "propertyNames", "patternProperties", "const"}
    return (
        ("type" in node) != either
        and ("anyOf" not in node or either)
        and not node.keys() & foreign
        and all(name.startswith("x-kubernetes-") for name in node if name.startswith("x-"))
        and not {"properties", "additionalProperties"} <= node.keys()
        and ("default" not in node or "enum" not in node or node["default"] in node["enum"])
    )


def test_the_schema_is_structural() -> None:
    assert not [path for path, node in NODES.items() if not is_structural(node)]


def test_a_list_says_how_it_is_merged_and_its_keys_are_always_there() -> None:
    for path, node in NODES.items():
        if node.get("type") != "array":
            continue
        keys = node.get("x-kubernetes-list-map-keys", [])
        assert node["x-kubernetes-list-type"] in (("map",) if keys else ("atomic", "set")), path
        for key in keys:
            assert key in node["items"]["required"] or "default" in node["items"]["properties"][key], path


def test_text_is_checked_by_rules_with_words_never_by_a_bare_pattern() -> None:
    assert not [path for path, node in ALL.items() if "pattern" in node and ".status" not in path]


def test_every_rule_has_a_message_for_people() -> None:
    for path, rule in RULES:
        message = rule["message"]
        assert len(message) > 15, path
        assert not [code for code in ("self.", "^", "has(") if code in message], path
        assert not message.endswith("."), path


def test_what_a_rule_points_to_exists() -> None:
    assert not [(path, rule) for path, rule in RULES if f"{path}{rule.get('fieldPath', '')}" not in ALL]


def test_the_definitions_are_the_same_each_time_and_are_json() -> None:
    assert json.dumps(crds()) == json.dumps(crds())
    assert [manifest["spec"]["names"]["kind"] for manifest in crds()] == [
        "Application",
        "Backup",
        "BackupStore",
        "Restore",
        "Upgrade",
    ]


def test_what_kubectl_apply_keeps_of_it_in_an_annotation_fits() -> None:
    # metadata.annotations may hold 256 KiB in all; client-side apply puts the whole manifest there.
    assert max(len(json.dumps(crd(kind))) for kind in KINDS) < 200_000


SHOWN = {
    "Name": "customer-portal-frontend",
    "Ready": "False",
    "Status": max((reason for reason in Reason if "Minimum" not in reason), key=len),  # those are Available's
    "Pods": "10/12",
    "Version": "1.29.3-alpine3.22-sl…",
    "Age": "365d",
}


def test_the_columns_fit_100_characters_with_realistic_names() -> None:
    columns = ["Name", *(column.name for column in APPLICATION.columns if column.priority == 0)]
    assert columns == list(SHOWN)
    widths = [max(len(name), len(value)) for name, value in SHOWN.items()]
    assert sum(widths) + 3 * (len(widths) - 1) <= 100  # kubectl puts three blanks between columns


def test_the_columns_answer_is_it_good_what_is_it_doing_what_version() -> None:
    shown = [column.name for column in APPLICATION.columns if column.priority == 0]
    assert shown[:2] == ["Ready", "Status"]
    assert {"Pods", "Version", "Age"} < set(shown)
    assert {column.name for column in APPLICATION.columns if column.priority} == {"Image", "Endpoint", "Message"}


@pytest.mark.parametrize(
    ("kind", "column"),
    [pytest.param(kind, column, id=f"{kind.resource.kind}-{column.name}") for kind in KINDS for column in kind.columns],
)
def test_a_column_reads_a_field_that_exists(kind: Kind, column: Column) -> None:
    path = column.path.partition("[")[0]
    assert f"{kind.resource.kind}{path}" in FIELDS or path == ".metadata.creationTimestamp"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.kind)
def test_no_more_than_seven_columns_and_the_age_last(kind: Kind) -> None:
    shown = [column.name for column in kind.columns if column.priority == 0]
    assert len(shown) <= 7
    assert shown[-1] == "Age"


@pytest.mark.parametrize("path", APPLICATION.scale.values())
def test_the_scale_subresource_reads_fields_that_exist(path: str) -> None:
    assert f"Application{path}" in FIELDS
