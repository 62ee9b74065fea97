"""Why pods do not come up: what is said for each state that a kubelet or a scheduler reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from timonier.applications.reasons import Reason
from timonier.applications.trouble import Suspect, due, next_look, stuck, suspect, trouble_of, unready_for

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
WORKLOAD = {"kind": "Deployment", "metadata": {"name": "web", "uid": "w"}, "spec": {"replicas": 1}}
MEMBERS = WORKLOAD | {"kind": "StatefulSet"}


def pod(container: dict[str, Any] | None = None, *, name: str = "web-1", created: int = 0, **status: Any) -> Any:
    statuses = [{"name": "web", "image": "web:1", "ready": False, "restartCount": 0} | container] if container else []
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": f"2026-03-01T11:00:{created:02}Z"},
        "spec": {"nodeName": "a"},
        "status": {"phase": "Pending", "containerStatuses": statuses} | status,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason} | ({"message": message} if message else {})}}


def ended(code: int, reason: str = "Error", *, restarts: int = 1, **state: Any) -> dict[str, Any]:
    last = {"terminated": {"exitCode": code, "reason": reason}}
    return {
        "restartCount": restarts,
        "lastState": last,
        "state": state or waiting("CrashLoopBackOff", "back-off")["state"],
    }


def event(reason: str, note: str, *, kind: str = "Pod", name: str = "web-1", seen: str = "2026-03-01T11:00:00Z") -> Any:
    return {"reason": reason, "note": note, "regarding": {"kind": kind, "name": name}, "deprecatedLastTimestamp": seen}


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
LOOP = "container web of pod web-1 ends again and again: "
PODS: dict[str, tuple[Any, tuple[Reason, str] | None]] = {
    "no node": (
        pod(conditions=[UNSCHEDULED]), (Reason.UNSCHEDULABLE, "pod web-1 fits on no node: 0/2 nodes are available"),
    ),
    "no image": (
        pod(waiting("ErrImagePull", "not found")),
        (Reason.IMAGE_PULL_FAILED, "pod web-1 cannot pull the image web:1: not found"),
    ),
    "no image, between two tries": (
        pod(waiting("ImagePullBackOff", 'Back-off pulling image "web:1": ErrImagePull: not found')),
        (Reason.IMAGE_PULL_FAILED, "pod web-1 cannot pull the image web:1: not found"),
    ),
    "no Secret": (
        pod(waiting("CreateContainerConfigError", 'secret "x"\nnot found')),
        (Reason.CONTAINER_CANNOT_START, 'container web of pod web-1 cannot start: secret "x" not found'),
    ),
    "no program": (
        pod({"restartCount": 2, "state": waiting("CrashLoopBackOff")["state"],
             "lastState": {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no /such"}}}),
        (Reason.CONTAINER_CANNOT_START, "container web of pod web-1 cannot start: no /such"),
    ),
    "it ends": (
        pod(ended(3), phase="Running"),
        (Reason.CRASH_LOOP, f"{LOOP}exit code 3 (Error); kubectl logs --previous tells more"),
    ),
    "it ends well": (
        pod(ended(0, "Completed")), (Reason.CRASH_LOOP, f"{LOOP}exit code 0, though it should keep running"),
    ),
    "it has too little memory": (
        pod(ended(137, "OOMKilled")),
        (Reason.CRASH_LOOP, f"{LOOP}exit code 137, out of memory: raise workload.resources.limits.memory"),
    ),
    "it runs again, between two ends": (
        pod(ended(3, restarts=2, running={})),
        (Reason.CRASH_LOOP, f"{LOOP}exit code 3 (Error); kubectl logs --previous tells more"),
    ),
    "it ended once and runs": (pod(ended(3, restarts=1, running={})), None),
    "it is being made": (pod(waiting("ContainerCreating")), None),
    "it is ready": (pod(ended(3), conditions=[{"type": "Ready", "status": "True"}]), None),
    "it was thrown off its node": (pod(ended(3), phase="Failed"), None),
}  # fmt: skip


@pytest.mark.parametrize("case", PODS)
def test_a_pod_is_told_in_plain_words(case: str) -> None:
    told, expected = PODS[case]
    assert trouble_of([told]) == expected


def test_a_pod_that_is_going_is_no_trouble() -> None:
    going = pod(waiting("ErrImagePull"))
    going["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert trouble_of([going]) is None


def test_the_newest_pod_counts() -> None:
    pods = [pod(ended(3), name="old"), pod(waiting("ErrImagePull"), name="new", created=9), pod(ended(4), name="older")]
    told = trouble_of(pods)
    assert told is not None
    assert told[0] is Reason.IMAGE_PULL_FAILED
    assert trouble_of(pods[::-1]) == told


def test_an_init_container_counts() -> None:
    assert trouble_of([pod(initContainerStatuses=[{"name": "init", "image": "i:1", **ended(1)}])]) == (
        Reason.CRASH_LOOP,
        "container init of pod web-1 ends again and again: exit code 1 (Error); kubectl logs --previous tells more",
    )


SUSPECTS: dict[str, tuple[Any, list[Any], Suspect | None]] = {
    "pods of a StatefulSet are missing": (MEMBERS, [], Suspect("StatefulSet", "web", "w")),
    "pods of a Deployment are missing, which says so itself": (WORKLOAD, [], None),
    "the pod says it itself": (WORKLOAD, [pod(waiting("ErrImagePull"))], None),
    "the pod is silent": (WORKLOAD, [pod(waiting("ContainerCreating"))], Suspect("Pod", "web-1", "web-1")),
    "the pod is only just made": (WORKLOAD, [pod() | {"spec": {}}], None),
    "all are ready": (WORKLOAD, [pod(conditions=[{"type": "Ready", "status": "True"}])], None),
}


@pytest.mark.parametrize("case", SUSPECTS)
def test_events_are_asked_for_only_where_pods_are_silent(case: str) -> None:
    workload, pods, expected = SUSPECTS[case]
    assert suspect(workload, pods) == expected


EVENTS: dict[str, tuple[list[Any], tuple[Reason, str] | None]] = {
    "none": ([], None),
    "of no interest": ([event("Pulled", "x")], None),
    "the latest": (
        [event("Unhealthy", "503", seen="2026-03-01T11:00:09Z"), event("FailedMount", "no secret")],
        (Reason.PROBE_FAILED, "pod web-1: 503"),
    ),
    "the latest of a series": (
        [event("Unhealthy", "503"),
         event("FailedMount", "no secret") | {"series": {"lastObservedTime": "2026-03-01T11:00:09Z"}}],
        (Reason.VOLUME_NOT_READY, "pod web-1: no secret"),
    ),
    "a quota": (
        [event("FailedCreate", "exceeded quota: x", kind="StatefulSet")], (Reason.QUOTA_EXCEEDED, "exceeded quota: x"),
    ),
    "another refusal": ([event("FailedCreate", "denied", kind="StatefulSet")], (Reason.FAILED_CREATE, "denied")),
}  # fmt: skip


@pytest.mark.parametrize("case", EVENTS)
def test_events_tell_what_pods_do_not(case: str) -> None:
    events, expected = EVENTS[case]
    assert trouble_of([pod(waiting("ContainerCreating"))], events) == expected


def status(seconds: float, ready: str = "False", reason: str = "ReplicasNotReady") -> dict[str, Any]:
    since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"conditions": [{"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": since}]}


def test_who_is_ready_or_suspended_or_unknown_is_left_alone() -> None:
    assert unready_for({}, NOW) is None
    assert unready_for(status(9, ready="True"), NOW) is None
    assert unready_for(status(9, reason="Suspended"), NOW) is None
    assert unready_for(status(9), NOW) == 9.0
    assert unready_for(status(-9), NOW) == 0.0


def test_looks_get_rarer_and_never_stop() -> None:
    looks, unready = 0, 0.0
    while unready < 3600:
        pause = next_look(unready)
        assert 0 < pause <= 60
        unready += pause
        assert due(unready)
        looks += 1
    assert looks < 70


def member(name: str, *, ready: bool = False, since: int = 30, revision: str = "old", **metadata: Any) -> Any:
    at = (NOW - timedelta(seconds=since)).isoformat()
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": at}
    labels = {"controller-revision-hash": revision}
    return {
        "metadata": {"name": name, "uid": name, "labels": labels, "creationTimestamp": at, **metadata},
        "spec": {},
        "status": {"phase": "Running", "conditions": [condition]},
    }


def test_a_stateful_set_waits_for_pods_of_an_older_revision_that_never_get_ready() -> None:
    moved = MEMBERS | {
        "metadata": {"name": "web", "generation": 2},
        "status": {"observedGeneration": 2, "updateRevision": "new"},
    }
    pods = [
        member("broken"),
        member("unlucky", since=19),
        member("well", ready=True),
        member("new", revision="new"),
        member("going", deletionTimestamp="2026-03-01T11:59:59Z"),
    ]
    assert [each["metadata"]["name"] for each in stuck(moved, pods, NOW)] == ["broken"]
    for told in (
        {"podManagementPolicy": "Parallel"},
        {"updateStrategy": {"type": "OnDelete"}},
        {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
    ):
        assert stuck(moved | {"spec": told}, pods, NOW) == []
    unseen = moved | {"metadata": {"name": "web", "generation": 3}}
    for other in (unseen, moved | {"kind": "Deployment"}, moved | {"status": {"observedGeneration": 2}}):
        assert stuck(other, pods, NOW) == []
