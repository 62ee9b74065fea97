"""What is the matter, in a word, for each state that pods and probes can be in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timonier.api.application import RecoveryProbeStatus
from timonier.api.moments import stamp
from timonier.api.policies import RecoveryPolicy
from timonier.recovery.troubles import Trouble, TroubleReason, helps, trouble_with

Manifest = dict[str, Any]
NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
PROBES = {
    "probes": [
        {"name": "files", "command": ["test"], "indicates": "DataLoss", "failureThreshold": 2},
        {"name": "answers", "command": ["test"], "failureThreshold": 2},
    ]
}
POLICY = RecoveryPolicy.model_validate(PROBES)


def pod(
    *, unready: float | None = 60, deleted: float | None = None, container: Manifest | None = None, **status: Any
) -> Any:
    ready = {"type": "Ready", "status": "True" if unready is None else "False"}
    ready |= {"lastTransitionTime": stamp(NOW - timedelta(seconds=unready or 60))}
    metadata = {"name": "web-a", "uid": "a", "creationTimestamp": stamp(NOW - timedelta(hours=1))}
    if deleted is not None:
        metadata["deletionTimestamp"] = stamp(NOW - timedelta(seconds=deleted))
    usual = {"name": "web", "image": "web", "ready": unready is None, "restartCount": 0, "state": {"running": {}}}
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "conditions": [ready, *status.pop("conditions", ())],
            "containerStatuses": [usual | (container or {})],
            **status,
        },
    }


def ended(reason: str, code: int = 1) -> Manifest:
    last = {"terminated": {"exitCode": code, "reason": reason}}
    return {"restartCount": 3, "lastState": last, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}


def waiting(reason: str) -> Manifest:
    return {"state": {"waiting": {"reason": reason, "message": "no"}}}


NO_ROOM = {"type": "PodScheduled", "status": "False", "message": "no node has room"}
CASES = {
    "all is well": (pod(unready=None), None),
    "not ready for a moment": (pod(unready=5), None),
    "not ready": (pod(), TroubleReason.NOT_READY),
    "crashes": (pod(unready=1, container=ended("Error")), TroubleReason.CRASH_LOOP),
    "out of memory": (pod(container=ended("OOMKilled", 137)), TroubleReason.OUT_OF_MEMORY),
    "no image": (pod(container=waiting("ImagePullBackOff")), TroubleReason.IMAGE_PULL_FAILED),
    "no Secret": (pod(container=waiting("CreateContainerConfigError")), TroubleReason.CANNOT_START),
    "no room": (pod(conditions=[NO_ROOM]), TroubleReason.UNSCHEDULABLE),
    "no room for a moment": (pod(unready=5, conditions=[NO_ROOM]), None),
    "going": (pod(deleted=30), None),
    "does not go": (pod(deleted=61), TroubleReason.STUCK_TERMINATING),
    "is over": (pod(phase="Failed"), None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_pod_is_in(case: str) -> None:
    found, reason = CASES[case]
    trouble = trouble_with(POLICY, [found], [], [], None, NOW)
    assert (trouble.reason if trouble else None) is reason
    assert trouble is None or trouble.pod == found


def failures(name: str, count: int) -> RecoveryProbeStatus:
    return RecoveryProbeStatus(name=name, failures=count, message="exit code 1")


def reason_of(*probes: RecoveryProbeStatus, pods: Any = (), missing: str | None = None) -> TroubleReason | None:
    found = trouble_with(POLICY, pods, [], probes, missing, NOW)
    return found.reason if found else None


def test_probes_count_once_they_have_failed_often_enough() -> None:
    assert reason_of(failures("files", 1), failures("answers", 1)) is None
    assert reason_of(failures("answers", 2)) is TroubleReason.UNWELL
    assert reason_of(failures("gone", 9)) is None


def test_lost_data_goes_before_all_else_and_being_unwell_behind() -> None:
    broken = pod(container=ended("Error"))
    assert reason_of(failures("files", 2), pods=[broken]) is TroubleReason.DATA_LOST
    assert reason_of(failures("answers", 2), pods=[broken]) is TroubleReason.CRASH_LOOP
    assert reason_of(failures("answers", 2), missing="there are 0 of 1 pods") is TroubleReason.MISSING_PODS


def test_an_event_tells_only_of_its_own_pod() -> None:
    def event(uid: str) -> Manifest:
        return {"reason": "FailedMount", "note": "no disk", "regarding": {"kind": "Pod", "name": "web-a", "uid": uid}}

    def told(uid: str) -> Trouble | None:
        return trouble_with(POLICY, [pod()], [event(uid)], [], None, NOW)

    assert [getattr(told(uid), "reason", None) for uid in ("a", "b")] == [
        TroubleReason.VOLUME_NOT_READY, TroubleReason.NOT_READY,
    ]  # fmt: skip


def test_only_lost_data_is_restored() -> None:
    for reason in TroubleReason:
        assert helps("RestoreBackup", reason) == (reason is TroubleReason.DATA_LOST)
        assert helps("Alert", reason)
