"""Nothing is lost between v1alpha1 and v1, in either direction, edited or not.

`CONVERSION_EXAMPLES=10000` tries that many random objects for each law instead of a few.
"""

import base64
import copy
import json
import os
import time
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.application_specs import specs
from harness.simple_specs import edits, simple_specs
from timonier.api.conversion import STASH, TOO_LARGE, ConversionError, convert, to_v1, to_v1alpha1

Manifest = dict[str, Any]

laws = settings(
    max_examples=int(os.environ.get("CONVERSION_EXAMPLES", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
STATUS = st.sampled_from([None, {"observedGeneration": 3, "ready": "1/1"}])
ANNOTATIONS = st.sampled_from([None, {"example.com/owner": "ann"}])


def manifest(version: str, spec: Any, status: Any = None, annotations: Any = None) -> Manifest:
    metadata = {"name": "web", "namespace": "shop", "uid": "u", "generation": 2}
    return {
        "apiVersion": f"timonier.dev/{version}",
        "kind": "Application",
        "metadata": metadata | ({"annotations": annotations} if annotations else {}),
        "spec": spec,
    } | ({"status": status} if status else {})


def shown(spec: Any, annotations: Any = None) -> Any:
    return to_v1alpha1(manifest("v1", spec, annotations=annotations))


def accepted(simple: Any) -> Any:
    """As v1; None where that would break a rule between what v1alpha1 shows and what it does not."""
    try:
        return to_v1(simple)
    except ConversionError as error:
        assert "with what v1alpha1 does not show" in str(error)  # noqa: PT017 - the other outcome is as good
        return None


def said(simple: Any) -> Any:
    """A spec by its meaning: a list or map that is empty says the same as none."""
    return {name: value for name, value in simple.items() if value not in ([], {})}


def raised(spec: Any, annotations: Any = None) -> Any:
    return to_v1(manifest("v1alpha1", spec, annotations=annotations))["spec"]


@laws
@given(specs(), STATUS, ANNOTATIONS)
def test_v1_comes_back_as_it_was(spec: Any, status: Any, annotations: Any) -> None:
    given_ = manifest("v1", spec, status, annotations)
    before = copy.deepcopy(given_)
    back = to_v1(to_v1alpha1(given_))
    assert back == before
    assert given_ == before
    # Lists keep their order, and equal values their spelling: 1 is not "1", and not true.
    assert json.dumps(back, sort_keys=True) == json.dumps(before, sort_keys=True)


@laws
@given(simple_specs(), STATUS, ANNOTATIONS)
def test_v1alpha1_comes_back_as_it_was_and_needs_no_stash(spec: Any, status: Any, annotations: Any) -> None:
    given_ = manifest("v1alpha1", spec, status, annotations)
    assert json.dumps(to_v1alpha1(to_v1(given_)), sort_keys=True) == json.dumps(given_, sort_keys=True)


@laws
@given(st.data(), specs())
def test_an_edit_in_v1alpha1_says_in_v1_what_it_said(data: Any, spec: Any) -> None:
    simple = shown(spec)
    edited = simple | {"spec": data.draw(edits(simple["spec"]))}
    stored = accepted(edited)
    assume(stored is not None)
    again = to_v1alpha1(stored)
    assert said(again["spec"]) == said(edited["spec"])
    assert to_v1alpha1(to_v1(again)) == again


@laws
@given(st.data(), specs())
def test_an_edit_leaves_alone_what_v1alpha1_does_not_show(data: Any, spec: Any) -> None:
    simple = shown(spec)
    edited = simple | {"spec": simple["spec"] | {"image": "other:2"}}
    after = to_v1(edited)["spec"]
    assert after["workload"]["image"]["repository"] == "other"
    image = spec["workload"]["image"]
    kept = {"repository", "tag", "digest"}
    expected = copy.deepcopy(spec)
    expected["workload"]["image"] = {name: value for name, value in image.items() if name not in kept}
    expected["workload"]["image"] |= {"repository": "other", "tag": "2"}
    assert after == expected


@laws
@given(specs(), simple_specs())
def test_a_stored_object_carries_no_stash(spec: Any, simple: Any) -> None:
    assert STASH not in json.dumps(to_v1(shown(spec)))
    stashed = manifest("v1alpha1", simple, annotations=shown(spec)["metadata"].get("annotations"))
    assert STASH not in json.dumps(accepted(stashed))


def test_each_field_by_example() -> None:
    """The table of the design: what the simple form says, in the words of v1."""
    simple = {
        "image": f"reg.example:5000/app:1.2@sha256:{'a' * 64}",
        "stateful": True,
        "replicas": 2,
        "maxReplicas": 5,
        "targetCPUPercent": 70,
        "cpu": "100m",
        "memory": "1Gi",
        "ports": [8080],
        "env": {"B": "2", "A": "1"},
        "suspend": False,
    }
    assert raised(simple) == {
        "workload": {
            "kind": "StatefulSet",
            "image": {"repository": "reg.example:5000/app", "tag": "1.2", "digest": f"sha256:{'a' * 64}"},
            "ports": [{"name": "p8080", "containerPort": 8080, "protocol": "TCP"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}},
        },
        "scaling": {
            "replicas": 2,
            "autoscaling": {"minReplicas": 2, "maxReplicas": 5, "metrics": [{"type": "cpu", "target": 70}]},
        },
        "suspend": False,
    }


V1 = {
    "workload": {
        "image": {"repository": "web", "pullPolicy": "Always"},
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "admin", "containerPort": 9090},
        ],
        "env": [
            {"name": "Z", "value": "last"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "A", "value": "first"},
        ],
        "serviceAccountName": "web",
        "resources": {"requests": {"memory": "1Gi"}},
    },
    "network": {"ingress": {"host": "web.example.org"}},
    "scaling": {"autoscaling": {"maxReplicas": 3, "metrics": [{"type": "memory", "target": 70}]}, "replicas": 1},
}


def test_what_v1alpha1_shows_of_a_rich_object() -> None:
    assert shown(V1)["spec"] == {
        "image": "web",
        "ports": [8080, 9090],
        "env": {"Z": "last", "A": "first"},
        "replicas": 1,
        "memory": "1Gi",
    }


def test_edited_fields_win_one_by_one() -> None:
    simple = shown(V1)
    spec = simple["spec"] | {"ports": [9090, 7000], "env": {"A": "new", "B": "added"}, "replicas": 2}
    after = to_v1(simple | {"spec": spec})["spec"]
    assert after["workload"]["ports"] == [
        {"name": "admin", "containerPort": 9090},
        {"name": "p7000", "containerPort": 7000, "protocol": "TCP"},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    ]
    assert after["workload"]["env"] == [
        V1["workload"]["env"][1],
        {"name": "A", "value": "new"},
        {"name": "B", "value": "added"},
    ]  # type: ignore[index]
    assert after["scaling"] == V1["scaling"] | {"replicas": 2}
    assert after["network"] == V1["network"]
    assert after["workload"]["serviceAccountName"] == "web"


def test_a_new_port_takes_no_name_that_is_there() -> None:
    ports = [{"name": "p7000", "containerPort": 53, "protocol": "UDP"}]
    simple = shown({"workload": {"image": {"repository": "web"}, "ports": ports}})
    after = to_v1(simple | {"spec": simple["spec"] | {"ports": [7000]}})["spec"]
    assert [port["name"] for port in after["workload"]["ports"]] == ["p7000-1", "p7000"]


def test_what_does_not_fit_can_be_read_and_is_not_lost_by_writing() -> None:
    noise = [base64.b64encode(os.urandom(20_000)).decode() for _ in range(12)]
    spec = {"workload": {"image": {"repository": "web"}, "env": [
        {"name": f"V{n}", "valueFrom": None, "value": text} for n, text in enumerate(noise)
    ]}}  # fmt: skip
    simple = shown(spec)
    assert simple["metadata"]["annotations"][STASH] == TOO_LARGE
    assert simple["spec"]["image"] == "web"
    with pytest.raises(ConversionError, match="write it in v1"):
        to_v1(simple)


def test_a_field_that_only_a_later_release_knows_is_carried_along_and_never_lost() -> None:
    """While replicas of two releases answer: the older one shows the object, and refuses what it cannot judge."""
    later = V1 | {"notYet": {"every": "day"}}
    simple = shown(later)
    assert simple["spec"] == shown(V1)["spec"]
    assert to_v1alpha1(manifest("v1", later)) == simple
    with pytest.raises(ConversionError, match="notYet"):
        to_v1(simple)


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


@pytest.mark.parametrize(
    "stash",
    [
        "nonsense",
        "bm90IHpsaWI=",
        packed([]),
        packed({"rest": {}, "fields": {"ports": ["", {"workload": {"ports": ["not a port"]}}]}}),
        packed({"rest": {"workload": {"privileges": "all"}}, "fields": {}}),
        packed({"rest": {"workload": {"tolerations": 7}}, "fields": {}}),
        packed({"rest": "x" * 10, "fields": {}}),
        packed({"spec": {}}),
        base64.b64encode(zlib.compress(b" " * 50_000_000)).decode(),
        packed("[" * 100_000),
    ],
)
def test_a_forged_stash_is_refused_quickly(stash: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConversionError, match="take the annotation away"):
        raised({"image": "web", "ports": [1]}, {STASH: stash})
    assert time.monotonic() - began < 1


def test_one_of_our_own_that_v1_had_under_our_name_is_not_kept() -> None:
    simple = shown({"workload": {"image": {"repository": "web"}}}, {STASH: "mine", "other": "kept"})
    assert simple["metadata"]["annotations"] == {"other": "kept"}


@pytest.mark.parametrize(("given_", "wanted"), [("v1", "v2"), ("v2", "v1"), ("", "v1")])
def test_unknown_versions_are_refused(given_: str, wanted: str) -> None:
    with pytest.raises(ConversionError, match="no conversion"):
        convert(manifest(given_, {}), wanted)


def test_the_same_version_is_not_touched() -> None:
    value = manifest("v1", V1)
    assert convert(value, "v1") == value


def test_an_object_without_spec_is_converted() -> None:
    value = {"apiVersion": "timonier.dev/v1", "kind": "Application", "metadata": {"name": "web"}}
    assert convert(value, "v1alpha1") == value | {"apiVersion": "timonier.dev/v1alpha1"}
    assert convert(convert(value, "v1alpha1"), "v1") == value


def test_it_is_quick() -> None:
    """Bound: 1 ms an object on average, both ways together."""
    value = manifest("v1", V1)
    began = time.process_time()
    for _ in range(500):
        to_v1(to_v1alpha1(value))
    milliseconds = (time.process_time() - began) * 2
    print(f"{milliseconds:.3f} ms there and back")
    assert milliseconds < 2
