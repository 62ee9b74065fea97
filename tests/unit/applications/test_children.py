"""What every child shares: names, labels, ownership, and the exact form in which it is applied."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.application_specs import application
from harness.live_objects import live
from timonier.api.resources import CONFIG_MAPS, DEPLOYMENTS, SERVICES, STATEFUL_SETS
from timonier.applications.children import (
    MANAGER,
    child,
    claim_name,
    config_name,
    controller,
    fingerprint,
    headless_name,
    labels,
    manifest_of,
    owner_reference,
    selector_labels,
    workload_resource,
)
from timonier.engine.difference import differs

LONGEST = "a" * 52


def test_the_selector_is_part_of_the_labels_and_only_the_name() -> None:
    web = application({"suspend": True})
    assert selector_labels(web) == {"timonier.dev/application": "web"}
    assert selector_labels(web).items() <= labels(web).items()
    assert labels(web)["app.kubernetes.io/managed-by"] == "timonier"


@pytest.mark.parametrize(("kind", "resource"), [("Deployment", DEPLOYMENTS), ("StatefulSet", STATEFUL_SETS)])
def test_the_workloads_resource(kind: str, resource: Any) -> None:
    assert workload_resource(application({"workload": {"kind": kind}})) == resource


def test_names_of_children_fit_what_they_name() -> None:
    longest = application(name=LONGEST)
    assert len(headless_name(longest)) <= 63  # a Service
    assert len(config_name(longest)) <= 253
    assert len(claim_name(longest, "b" * 63)) <= 253
    assert len(f"{LONGEST}-{'0' * 10}") <= 63  # the label controller-revision-hash of a StatefulSet's pods


def test_ownership_needs_no_permission_on_finalizers() -> None:
    reference = owner_reference(application())
    assert reference["controller"] is True
    assert reference["uid"] == "uid-1"
    assert "blockOwnerDeletion" not in reference


def test_a_child_that_still_blocks_the_deletion_of_its_owner_is_written_once_more() -> None:
    """As versions before the first release made them; then no more."""
    web = application()
    wanted = child(web, SERVICES, "web", {"spec": {"type": "ClusterIP"}})
    before = dict(owner_reference(web)) | {"blockOwnerDeletion": True}
    metadata = wanted["metadata"] | {"ownerReferences": [before]}
    old = live(wanted | {"metadata": metadata})
    entry = f'k:{{"uid":"{web.metadata.uid}"}}'
    owned = old["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]
    owned["f:ownerReferences"] = {entry: {".": {}, **{f"f:{name}": {} for name in before}}}
    assert differs(wanted, old, MANAGER)
    assert not differs(wanted, live(wanted), MANAGER)


def test_the_controller_is_the_owner_that_says_so() -> None:
    other = {"kind": "Other", "uid": "2"}
    ours = owner_reference(application())
    assert controller({"metadata": {"ownerReferences": [other, ours]}}) == ours
    assert controller({"metadata": {"ownerReferences": [other]}}) is None
    assert controller({"metadata": {}}) is None


def test_a_child_is_addressed_labelled_and_owned() -> None:
    web = application()
    made = child(web, CONFIG_MAPS, "web-config", {"data": {"a": ""}}, annotations={"b": "c"})
    assert made == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "namespace": "shop",
            "name": "web-config",
            "labels": labels(web),
            "annotations": {"b": "c"},
            "ownerReferences": [owner_reference(web)],
        },
        "data": {"a": ""},
    }
    assert "ownerReferences" not in child(web, CONFIG_MAPS, "web-config", {}, owned=False)["metadata"]


PRUNED: dict[str, tuple[Any, Any]] = {
    "nulls": ({"a": None, "b": 1}, {"b": 1}),
    "empty maps and lists": ({"a": {}, "b": [], "c": {"d": {}}}, {}),
    "what means something when empty": (
        {"emptyDir": {}, "from": [{"podSelector": {}}, {"namespaceSelector": {}}]},
        {"emptyDir": {}, "from": [{"podSelector": {}}, {"namespaceSelector": {}}]},
    ),
    "but not when it is not there": ({"emptyDir": None}, {}),
    "zeros that the API server leaves out": ({"readOnly": False, "initialDelaySeconds": 0, "value": ""}, {}),
    "and the same when they say something": ({"readOnly": True, "value": "x"}, {"readOnly": True, "value": "x"}),
    "zeros that it keeps": (
        {"replicas": 0, "runAsUser": 0, "optional": False, "args": [""], "terminationGracePeriodSeconds": 0},
        {"replicas": 0, "runAsUser": 0, "optional": False, "args": [""], "terminationGracePeriodSeconds": 0},
    ),
    "words of people, which only look like names of fields": (
        {"nodeSelector": {"value": ""}, "annotations": {"readOnly": "", "value": ""}, "labels": {}},
        {"nodeSelector": {"value": ""}, "annotations": {"readOnly": "", "value": ""}},
    ),
    "items of lists": ({"a": [{"b": None, "c": 1}]}, {"a": [{"c": 1}]}),
    "tuples become lists": ({"a": ("b",)}, {"a": ["b"]}),
    "the data of a ConfigMap is kept as it is": (
        {"kind": "ConfigMap", "data": {"value": "", "readOnly": "", "emptyDir": ""}},
        {"kind": "ConfigMap", "data": {"value": "", "readOnly": "", "emptyDir": ""}},
    ),
}


@pytest.mark.parametrize("case", PRUNED)
def test_a_manifest_has_what_the_api_server_would_store(case: str) -> None:
    given_values, expected = PRUNED[case]
    assert manifest_of(given_values) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "value", "emptyDir", "readOnly", "podSelector"]), below, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["spec", "metadata"]), JSON))
def test_pruning_twice_is_pruning_once(values: dict[str, Any]) -> None:
    once = manifest_of(values)
    assert manifest_of(once) == once


def test_a_fingerprint_is_short_stable_and_depends_on_content_alone() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) == "43258cff783fe703"
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    assert len(fingerprint({})) == 16
