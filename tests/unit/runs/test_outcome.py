"""What a Job and its pod say, from the shapes that the Job controller and the kubelet leave."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timonier.api.moments import stamp
from timonier.runs.outcome import (
    UNTOLD,
    Progress,
    command_outcome,
    finished,
    has_succeeded,
    next_look,
    outcome_of,
    probe_outcome,
    progress_of,
)
from timonier.runs.reasons import Reason


def job(**condition: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"status": "True", **condition}]} if condition else {}}


def pod(message: str | None = None, *, age: int = 1, code: int = 0, reason: str = "Completed") -> dict[str, Any]:
    ended = {"exitCode": code, "reason": reason} | ({"message": message} if message is not None else {})
    return {
        "metadata": {"name": f"pod-{age}", "creationTimestamp": f"2026-11-27T08:00:0{age}Z"},
        "status": {"containerStatuses": [{"state": {"terminated": ended}}]},
    }


COMPLETE, FAILED = job(type="Complete"), job(type="Failed", reason="BackoffLimitExceeded")


def test_a_job_is_over_when_it_says_so() -> None:
    assert finished(COMPLETE)
    assert finished(FAILED)
    assert not finished(job())
    assert not finished(job(type="FailureTarget"))


def test_the_result_is_what_the_mover_left() -> None:
    found = outcome_of(COMPLETE, [pod('{"ok":true,"snapshot":"abc","bytes":5}')])
    assert (found.error, dict(found.result)) == (None, {"snapshot": "abc", "bytes": 5})


def test_the_longer_pods_run_the_less_often_they_are_looked_at() -> None:
    now = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

    waited = (0, 10, 60, 200, 9999)
    looks = [next_look(stamp(now - timedelta(seconds=seconds)), now) for seconds in waited]
    assert [next_look(None, now), *looks] == [0.5, 0.5, 0.5, 3.0, 10.0, 15.0]
    assert [has_succeeded({"status": {"phase": phase}}) for phase in ("Succeeded", "Failed", "Running")] == [
        True, False, False,
    ]  # fmt: skip
    # Its phase follows a second after its containers.
    for codes, well in (([0], True), ([0, 0], True), ([0, 1], False), ([0, None], False), ([], False)):
        states = [
            {"state": {"terminated": {"exitCode": code}} if code is not None else {"running": {}}} for code in codes
        ]
        assert has_succeeded({"status": {"phase": "Running", "containerStatuses": states}}) == well


def test_the_newest_pod_counts() -> None:
    found = outcome_of(COMPLETE, [pod('{"ok":true,"bytes":2}', age=2), pod('{"ok":true,"bytes":1}', age=1)])
    assert found.result["bytes"] == 2


def test_an_error_comes_with_its_code_its_words_and_its_locks() -> None:
    locks = [{"hostname": "host", "pid": 1, "time": "2026-11-27T08:00:00Z", "exclusive": True}]
    said = {
        "ok": False,
        "error": "Locked",
        "message": "It is locked.",
        "locks": [*locks, {"hostname": "odd", "time": "x"}],
    }
    found = outcome_of(FAILED, [pod(json.dumps(said), code=1, reason="Error")])
    assert (found.error, found.message) == (Reason.LOCKED, "It is locked.")
    assert [lock.hostname for lock in found.locks] == ["host", "odd"]
    assert found.locks[1].time == UNTOLD


def test_a_job_may_learn_late_when_its_mover_ended() -> None:
    late = {**job(type="Failed", lastTransitionTime="2026-11-27T09:00:00Z")}
    left = pod('{"ok":false,"error":"Locked","message":"It is locked."}', code=1)
    assert outcome_of(late, [left]).ended == datetime(2026, 11, 27, 9, tzinfo=UTC)
    left["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = "2026-11-27T08:00:00Z"
    assert outcome_of(late, [left]).ended == datetime(2026, 11, 27, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("job", "pods", "error", "words"),
    [
        pytest.param(FAILED, [], Reason.INTERRUPTED, "went away", id="evicted"),
        pytest.param(COMPLETE, [], Reason.INTERRUPTED, "removed before", id="removed afterwards"),
        pytest.param(FAILED, [pod(code=137, reason="Error")], Reason.INTERRUPTED, "137", id="killed"),
        pytest.param(FAILED, [pod(code=137, reason="OOMKilled")], Reason.INTERRUPTED, "memory", id="out of memory"),
        pytest.param(FAILED, [pod(code=2, reason="Error")], Reason.FAILED, "exit code 2", id="no result"),
        pytest.param(FAILED, [pod("{broken", code=1)], Reason.FAILED, "without a result", id="half a result"),
        pytest.param(FAILED, [pod('"text"', code=1)], Reason.FAILED, "without a result", id="another result"),
        pytest.param(job(type="Failed", reason="DeadlineExceeded"), [], Reason.TIMED_OUT, "in time", id="too slow"),
        pytest.param(FAILED, [pod('{"ok":false,"error":"New"}', code=1)], Reason.FAILED, "did not say", id="new code"),
    ],
)  # fmt: skip
def test_what_left_no_result_says_why(job: Any, pods: Any, error: Reason, words: str) -> None:
    found = outcome_of(job, pods)
    assert found.error is error
    assert words in found.message


def test_a_pod_that_cannot_run_says_what_it_waits_for() -> None:
    unscheduled = {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]}}
    pulling = {"status": {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]}}
    creating = {"status": {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}}
    assert "fits on no node: 0/1 nodes" in (progress_of([unscheduled]).trouble or "")
    assert "cannot start: no" in (progress_of([pulling]).trouble or "")
    assert progress_of([creating]) == progress_of([]) == Progress()


def test_a_command_says_how_it_ended_by_its_exit_code() -> None:
    failed = Reason.MIGRATION_FAILED
    assert command_outcome(COMPLETE, [], failed).error is None
    found = command_outcome(FAILED, [pod("first\nsecond\n", code=3, reason="Error")], failed)
    assert (found.error, found.message) == (failed, "it ended with exit code 3: first second")
    assert command_outcome(FAILED, [], failed).error is Reason.INTERRUPTED
    late = command_outcome(job(type="Failed", reason="DeadlineExceeded"), [], failed)
    assert (late.error, "in time" in late.message) == (failed, True)


def test_a_probe_whose_pod_others_ended_has_no_verdict_yet() -> None:
    disrupted = pod(code=1, reason="Error")
    disrupted["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    for ended, reason in (
        (pod(code=3, reason="Error"), Reason.VERIFICATION_FAILED),
        (pod(code=137, reason="OOMKilled"), Reason.VERIFICATION_FAILED),
        (pod(code=137, reason="Error"), Reason.INTERRUPTED),
        (pod(code=143, reason="Error"), Reason.INTERRUPTED),
        (disrupted, Reason.INTERRUPTED),
    ):
        assert probe_outcome(FAILED, [ended]).error is reason
    assert probe_outcome(COMPLETE, [pod(code=143)]).error is None
    late = job(type="Failed", reason="DeadlineExceeded")
    assert probe_outcome(late, [pod(code=143, reason="Error")]).error is Reason.VERIFICATION_FAILED
