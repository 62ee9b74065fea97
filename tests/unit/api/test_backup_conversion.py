"""A Backup is the same in v1alpha1 and v1, its status included; `CONVERSION_EXAMPLES` random ones for each law."""

import base64
import copy
import json
import os
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.backup_specs import backup_specs, backup_statuses, simple_backup_specs, simple_backup_statuses
from timonier.api.backup import BackupSpec, BackupStatus
from timonier.api.conversion import STASH, ConversionError, convert, to_v1, to_v1alpha1
from timonier.api.v1alpha1 import BackupSpec as SimpleSpec
from timonier.api.v1alpha1 import BackupStatus as SimpleStatus

Manifest = dict[str, Any]

laws = settings(
    max_examples=int(os.environ.get("CONVERSION_EXAMPLES", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def backup(version: str, spec: Any, status: Any = None) -> Manifest:
    return {
        "apiVersion": f"timonier.dev/{version}",
        "kind": "Backup",
        "metadata": {"name": "b", "namespace": "shop", "annotations": {"example.com/owner": "ann"}},
        "spec": spec,
    } | ({"status": status} if status is not None else {})


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@laws
@given(backup_specs(), st.none() | backup_statuses())
def test_v1_comes_back_as_it_was(spec: Any, status: Any) -> None:
    BackupSpec.model_validate(spec)
    BackupStatus.model_validate(status or {})
    given_ = backup("v1", spec, status)
    before = copy.deepcopy(given_)
    simple = to_v1alpha1(given_)
    SimpleSpec.model_validate(simple["spec"])
    SimpleStatus.model_validate(simple.get("status", {}))
    assert text(to_v1(simple)) == text(before)
    assert text(given_) == text(before)


@laws
@given(simple_backup_specs(), st.none() | simple_backup_statuses())
def test_v1alpha1_comes_back_as_it_was_and_needs_no_stash(spec: Any, status: Any) -> None:
    given_ = backup("v1alpha1", spec, status)
    stored = to_v1(given_)
    BackupSpec.model_validate(stored["spec"])
    BackupStatus.model_validate(stored.get("status", {}))
    assert text(to_v1alpha1(stored)) == text(given_)


@laws
@given(backup_specs(), backup_statuses(), simple_backup_specs())
def test_an_edit_wins_and_leaves_alone_what_v1alpha1_does_not_show(spec: Any, status: Any, edited: Any) -> None:
    simple = to_v1alpha1(backup("v1", spec, status))
    stored = to_v1(simple | {"spec": edited})
    assert to_v1alpha1(stored)["spec"] == edited
    shown = {"targetRef", "method", "retain", "cancel"}
    assert {name: value for name, value in stored["spec"].items() if name not in shown} == {
        name: value for name, value in spec.items() if name not in shown
    }
    assert stored["status"] == status
    assert STASH not in stored["metadata"]["annotations"]


@laws
@given(backup_specs(), backup_statuses(), backup_statuses())
def test_no_annotation_changes_the_status(spec: Any, status: Any, forged: Any) -> None:
    """The API server keeps the status that v1alpha1 shows; the annotation is in the hands of whoever writes."""
    simple, other = to_v1alpha1(backup("v1", spec, status)), to_v1alpha1(backup("v1", spec, forged))
    for value in (other["metadata"]["annotations"].get(STASH), packed({"rest": {}, "fields": {}, "status": forged})):
        annotations = {STASH: value} if value else {}
        written = simple | {"metadata": simple["metadata"] | {"annotations": annotations}}
        assert to_v1(written)["status"] == status


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def test_each_field_by_example() -> None:
    simple = {"application": "web", "type": "dump", "keepForever": True, "cancel": False}
    stored = {"targetRef": {"name": "web"}, "method": "Command", "retain": "Forever", "cancel": False}
    assert to_v1(backup("v1alpha1", simple, {"state": "Running"})) == backup("v1", stored, {"phase": "Running"})


def test_a_method_that_only_a_later_release_knows_is_not_shown_and_never_lost() -> None:
    simple = to_v1alpha1(backup("v1", {"targetRef": {"name": "web"}, "method": "Stream"}))
    assert simple["spec"] == {"application": "web"}
    with pytest.raises(ConversionError, match="method"):
        to_v1(simple)


def test_a_stash_that_makes_it_an_imported_one_without_saying_so_is_refused() -> None:
    other = to_v1alpha1(backup("v1", {"targetRef": {"name": "web"}, "imported": {"run": "r", "snapshot": "s"}}))
    with pytest.raises(ConversionError, match="imported goes with reason"):
        to_v1(other)


@pytest.mark.parametrize(
    ("version", "spec", "status"),
    [
        ("v1alpha1", {"application": "web", "type": "none"}, None),
        ("v1alpha1", {"application": "web", "type": ["full"]}, None),
        ("v1alpha1", ["application"], None),
        ("v1alpha1", "web", None),
        ("v1", ["targetRef"], None),
        ("v1", {}, "done"),
    ],
)
def test_what_no_schema_would_let_pass_is_refused(version: str, spec: Any, status: Any) -> None:
    """The API server asks before it looks at the schema."""
    with pytest.raises(ConversionError, match=f"not what the schema of {version} says"):
        convert(backup(version, spec, status), "v1" if version == "v1alpha1" else "v1alpha1")


def test_other_kinds_have_no_other_version() -> None:
    with pytest.raises(ConversionError, match="no conversion of Restore"):
        convert(backup("v1", {}) | {"kind": "Restore"}, "v1alpha1")
