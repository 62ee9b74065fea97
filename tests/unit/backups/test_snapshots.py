"""The method Snapshot: what the driver is asked for, how long that is waited for, and what the mover gets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.application_specs import application
from timonier.api.backup import Backup
from timonier.api.moments import stamp
from timonier.api.runs import StepStatus
from timonier.backups.plan import Surroundings, instruction, obstacle, record_of, run_of
from timonier.backups.snapshots import scratch_of, snapshot_name, taken, usable, volume_snapshot
from timonier.runs.mover import ClaimMount
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason
from timonier.runs.turn import Seen, turn

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
OWNER = {"metadata": {"name": "nightly", "namespace": "shop", "uid": "0a1b2c3d-4e5f"}}
MOUNT = ClaimMount("web-data", "/data/data", read_only=True)
STORAGE = {"name": "data", "size": "1Gi", "mountPath": "/data"}
SNAPPED = application(
    {
        "workload": {"storage": [STORAGE]},
        "backup": {
            "storeRef": {"name": "offsite"},
            "method": "Snapshot",
            "volumeSnapshotClassName": "fast",
            "hooks": {name: [{"name": name, "exec": {"command": [name]}}] for name in ("pre", "post")},
        },
    }
)

Manifest = dict[str, Any]


def backup(**status: Any) -> Backup:
    metadata = {"name": "nightly", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-11-30T12:00:00Z"}
    return Backup.model_validate({"metadata": metadata, "spec": {"targetRef": {"name": "web"}}, "status": status})


def snapshot(**status: Any) -> Manifest:
    made = volume_snapshot(OWNER, SNAPPED, MOUNT, None)
    return {**made, "status": status} if status else made


def test_it_is_asked_for_by_a_name_that_is_the_same_each_time_and_goes_with_the_backup() -> None:
    made = volume_snapshot(OWNER, SNAPPED, MOUNT, "fast")
    assert made["metadata"]["name"] == snapshot_name(OWNER, "data") == "nightly-0a1b2c3d-data-snapshot"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "0a1b2c3d-4e5f"
    assert made["spec"] == {
        "source": {"persistentVolumeClaimName": "web-data"}, "volumeSnapshotClassName": "fast",
    }  # fmt: skip
    assert "volumeSnapshotClassName" not in snapshot()["spec"]


def look(*found: Manifest, ago: float = 5) -> Reason | str | None:
    step = StepStatus(name="Snapshot", state="Running", start_time=stamp(NOW - timedelta(seconds=ago)))
    seen = taken(found, step, NOW)
    return seen.error if isinstance(seen, Outcome) else seen.trouble


def test_the_application_goes_on_once_every_volume_has_been_cut() -> None:
    cut, ready = snapshot(creationTime="2026-11-30T12:00:00Z"), snapshot(readyToUse=True)
    assert look(cut, ready) is None
    assert look(cut, snapshot()) == "the snapshot of the volume web-data is not taken yet"
    failing = snapshot(readyToUse=False, error={"message": "no room"})
    assert look(failing) == "the snapshot of the volume web-data is not taken yet: no room"
    assert look(failing, ago=121) is Reason.FAILED
    assert look(snapshot(error=None), ago=119) == "the snapshot of the volume web-data is not taken yet"


def test_what_is_cut_may_still_be_on_its_way() -> None:
    step = StepStatus(name="Transfer", state="Running", start_time=stamp(NOW - timedelta(seconds=100)))
    assert usable([snapshot(readyToUse=True)], step, NOW) is None
    waits = usable([snapshot(readyToUse=True), snapshot(creationTime="x", readyToUse=False)], step, NOW)
    assert isinstance(waits, Progress)
    assert waits.again == 5.0  # it may take hours
    assert waits.trouble == "the snapshot of the volume web-data cannot be read yet"


@pytest.mark.parametrize(
    ("capacity", "restores", "size"), [(None, None, "1Gi"), ("2Gi", "1Gi", "2Gi"), ("1Gi", "1100Mi", "1100Mi")]
)
def test_the_mover_gets_a_volume_that_is_made_of_it_and_large_enough(
    capacity: str | None, restores: str | None, size: str
) -> None:
    claim = {
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "csi",
            "resources": {"requests": {"storage": "1Gi"}},
        },
        "status": {"capacity": {"storage": capacity}} if capacity else {},
    }
    (made,) = scratch_of([MOUNT], {"web-data": claim}, [snapshot(readyToUse=True, restoreSize=restores)])
    assert made.path == "/data/data"
    assert made.claim == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "csi",
        "resources": {"requests": {"storage": size}},
        "dataSource": {
            "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot_name(OWNER, "data"),
        },
    }  # fmt: skip


def test_the_time_of_a_backup_is_that_of_its_data() -> None:
    at = {"Snapshot": "2026-11-30T12:00:00Z", "Transfer": "2026-11-30T12:40:00Z"}
    both = [StepStatus(name=name, state="Succeeded", start_time=time) for name, time in at.items()]
    result = {"snapshot": "abc", "bytes": 1, "added": 1, "files": 1, "manifestHash": "h"}
    assert record_of(None)(both[1], result, tuple(both))["backupTime"] == at["Snapshot"]
    assert record_of(None)(both[1], result, (both[1],))["backupTime"] == at["Transfer"]


def steps(**fails: Outcome) -> list[tuple[str, str]]:
    status: dict[str, Any] = {}
    now, seen = NOW, Seen()
    for _ in range(100):
        made = turn(run_of(backup(**status), SNAPPED, {"method": "Snapshot"}), seen, lambda *_: {}, now)
        status, seen = made.status, Seen()
        if made.start is not None:
            seen = Seen(task=fails.get(made.start.name.partition("/")[0], Outcome()), job="job")
        elif made.again:
            now += timedelta(seconds=made.again)
        if status["phase"] in ("Succeeded", "Failed"):
            return [(step["name"], step["state"]) for step in status["steps"]]
    raise AssertionError(status)


def test_hooks_are_around_the_snapshot_and_it_is_let_go_whatever_happened() -> None:
    names = ["PreHook/pre", "Snapshot", "PostHook/post", "Transfer", "Release"]
    assert steps() == [(name, "Succeeded") for name in names]
    failed = Outcome(Reason.FAILED, "no room")
    assert [state for _, state in steps(Snapshot=failed)] == [
        "Succeeded", "Failed", "Succeeded", "Skipped", "Succeeded",
    ]  # fmt: skip
    hopeless = Outcome(Reason.WRONG_PASSWORD, "no")
    assert [state for _, state in steps(Transfer=hopeless)] == [
        "Succeeded", "Succeeded", "Succeeded", "Failed", "Succeeded",
    ]  # fmt: skip


def test_it_waits_for_no_node_that_could_have_the_volumes_but_wants_some() -> None:
    words = Reason.VOLUME_NOT_REACHABLE, "on two nodes"
    around = Surroundings(SNAPPED, None, unreachable=words, paths=("/data/data",))
    found = obstacle(backup(), around)
    assert found is not None
    assert found[0] is Reason.STORE_NOT_FOUND
    told = instruction(backup(method="Snapshot"), SNAPPED, ("/data/data",), "/a.json")
    assert (told["task"], told["tags"]["method"], told["tags"]["volumes"]) == ("backup", "Snapshot", "data")
