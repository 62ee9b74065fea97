"""Backups that are found in a store become objects: once each, with what the store tells of them."""

import json
from datetime import UTC, datetime
from typing import Any

from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.backups.imports import found_in, imported, status_of, unknown

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
STORE = BackupStore.model_validate(
    {
        "metadata": {"name": "offsite", "namespace": "shop", "uid": "s"},
        "spec": {"pvc": {"claimName": "c"}, "encryption": {"passwordSecretRef": {"name": "p"}}},
    }
)


def said(run: str = "run-1", **fields: Any) -> str:
    told = {
        "run": run, "snapshot": "5" * 64, "time": "2026-11-26T08:00:00Z", "application": "web", "namespace": "shop",
        "method": "Files", "revision": None, "bytes": 2048, "files": 3, "manifestHash": "h",
        "tags": {"backup": "nightly", "image": "web:1", "volumes": "logs,data"},
    }  # fmt: skip
    return json.dumps(told | fields)


def backup(uid: str, status: dict[str, Any] | None = None, **spec: Any) -> Backup:
    metadata = {"name": uid, "namespace": "shop", "uid": uid}
    return Backup.model_validate(
        {"metadata": metadata, "spec": {"targetRef": {"name": "web"}, **spec}, "status": status or {}}
    )


def test_lines_that_describe_none_of_ours_are_left_out() -> None:
    odd = ["", "{", "[]", said(application=None), said(method="Tape"), json.dumps({"run": "x"})]
    assert [found.run for found in found_in([*odd, said()])] == ["run-1"]


def test_only_what_nobody_stands_for_and_is_of_the_stores_namespace_is_unknown() -> None:
    ended = {"phase": "Succeeded"}
    elsewhere = {"reason": "Imported", "imported": {"run": "run-2", "snapshot": "x"}}
    backups = [backup("run-1", ended), backup("other", ended, **elsewhere)]
    lines = [said("run-1"), said("run-2"), said("run-3"), said("run-4", namespace="bank")]
    assert [found.run for found in unknown(found_in(lines), STORE, backups)] == ["run-3"]
    # One that was created and then not told of, as the operator was killed in between.
    half = backup("half", **elsewhere)
    assert [found.run for found in unknown(found_in(lines[:2]), STORE, [half])] == ["run-1", "run-2"]


def test_it_gets_its_old_name_or_one_that_is_free() -> None:
    (found,) = found_in([said("0a1b2c3d-9999")])
    assert imported(found, STORE, ())["metadata"]["name"] == "nightly"
    assert imported(found, STORE, ("nightly",))["metadata"]["name"] == "nightly-0a1b2c3d"
    (nameless,) = found_in([said(tags={})])
    assert imported(nameless, STORE, ())["metadata"]["name"] == "web"
    (long,) = found_in([said("0a1b2c3d-9999", tags={"backup": "x" * 63})])
    assert len(imported(long, STORE, ("x" * 63,))["metadata"]["name"]) <= 63


def test_the_object_is_one_that_the_definition_takes_and_says_all_that_is_known() -> None:
    (found,) = found_in([said()])
    made = imported(found, STORE, ())
    status = status_of(found, STORE, "r" * 64, NOW)
    Backup.model_validate(made | {"metadata": made["metadata"] | {"uid": "1"}, "status": status})
    assert (status["phase"], status["snapshotID"], status["volumes"]) == ("Succeeded", "5" * 64, ["data", "logs"])
    assert (status["size"], status["applicationImage"], status["backupTime"]) == (
        "2Ki",
        "web:1",
        "2026-11-26T08:00:00Z",
    )
    (bare,) = found_in([said(bytes=None, files=None, manifestHash=None, tags={})])
    assert {"bytes", "manifestHash", "volumes"} & status_of(bare, STORE, "r", NOW).keys() == set()
