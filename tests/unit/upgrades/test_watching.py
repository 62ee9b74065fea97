"""What is seen of a revision's image, its pods, and how it stays."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.application_specs import application
from timonier.api.moments import stamp
from timonier.api.policies import UpgradePolicy
from timonier.api.probes import Probe
from timonier.api.runs import StepStatus
from timonier.api.upgrade import Upgrade
from timonier.applications.revisions import Revision, read_revision
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.probing import instruction
from timonier.runs.reasons import Reason
from timonier.upgrades.watching import (
    baking,
    has_run,
    image_seen,
    is_tried,
    leads,
    left_to_go,
    loader,
    rolled,
    rolling_back,
    stop_all,
    stopped,
    switched,
)

Manifest = dict[str, Any]


def revision(manifest: Manifest) -> Revision:
    found = read_revision(manifest)
    assert found is not None
    return found


NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
BEFORE = revision(
    {
        "metadata": {"name": "web-2"},
        "revision": 2,
        "data": {"workload": {"image": {"repository": "web"}}, "mark": "web-2"},
    }
)
POLICY = UpgradePolicy(progress_deadline_seconds=60, bake_seconds=20)


def step(name: str = "Rollout", ago: float = 5) -> StepStatus:
    return StepStatus(name=name, state="Running", start_time=stamp(NOW - timedelta(seconds=ago)))


def pod(ready: bool = True, since: float = 5, **container: Any) -> Manifest:
    at = stamp(NOW - timedelta(seconds=since))
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": at}
    return {
        "metadata": {"name": "web-a", "creationTimestamp": at},
        "spec": {"nodeName": "node"},
        "status": {
            "phase": "Running",
            "conditions": [condition],
            "containerStatuses": [{"name": "web", "image": "web", "ready": ready, "restartCount": 0, **container}],
        },
    }


def workload(
    revision: str = "web-2", *, updated: int = 1, ready: int = 1, replicas: int = 1, seen: int = 2
) -> Manifest:
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": 2, "annotations": {"timonier.dev/revision": revision}},
        "spec": {"replicas": 1},
        "status": {
            "observedGeneration": seen,
            "replicas": replicas,
            "updatedReplicas": updated,
            "readyReplicas": ready,
        },
    }


def said(found: Outcome | Progress) -> Reason | str | None:
    return found.error if isinstance(found, Outcome) else "goes on"


def roll(live: Manifest | None, *pods: Manifest, name: str = "Rollout", ago: float = 5) -> Reason | str | None:
    return said(rolled(application(), "web-2", live, pods, step(name, ago), POLICY, NOW))


def test_it_is_rolled_out_when_every_pod_is_of_it_and_ready() -> None:
    assert roll(workload()) is None
    for live in (
        None,
        workload("web-1"),
        workload(seen=1),
        workload(updated=0),
        workload(ready=0),
        workload(replicas=2),
    ):
        assert roll(live) == "goes on"
        assert roll(live, ago=61) is Reason.PROGRESS_DEADLINE_EXCEEDED


PULLS = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}


def crashed(restarts: int) -> Manifest:
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended, "restartCount": restarts}


def test_what_will_not_come_right_is_not_waited_for() -> None:
    live = workload(ready=0)
    assert roll(live, pod(ready=False, **PULLS)) == "goes on"  # registries have bad moments
    assert roll(live, pod(ready=False, **PULLS), ago=31) == "goes on"  # that pod has only just been made
    assert roll(live, pod(ready=False, since=31, **PULLS), ago=31) is Reason.IMAGE_PULL_FAILED
    late = pod(ready=False, since=100, **PULLS)  # it has only just got a node
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(NOW - timedelta(seconds=29))}
    late["status"]["conditions"].append(scheduled)
    assert roll(live, late, ago=31) == "goes on"
    ended = {"terminated": {"exitCode": 1, "finishedAt": stamp(NOW - timedelta(seconds=29))}}
    assert roll(live, pod(ready=False, since=100, lastState=ended, **PULLS), ago=31) == "goes on"
    assert roll(live, pod(ready=False, **crashed(2))) == "goes on"
    assert roll(live, pod(ready=False, **crashed(3))) is Reason.CRASH_LOOP


def test_pods_that_do_not_end_are_not_waited_for_without_end() -> None:
    none, some = {"spec": {"replicas": 0}}, [pod()]
    assert said(stopped(none, some, step("Quiesce", 59), POLICY, NOW)) == "goes on"
    assert said(stopped(none, some, step("Quiesce", 61), POLICY, NOW)) is Reason.PROGRESS_DEADLINE_EXCEEDED
    assert said(stopped(none, [], step("Quiesce", 61), POLICY, NOW)) is None


def test_a_pod_has_run_once_a_container_of_it_was_started() -> None:
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    assert not has_run([pod(ready=False, **waiting), {"metadata": {"name": "new"}}])
    assert has_run([pod(ready=False, **waiting), pod(state={"running": {}})])
    assert has_run([pod(ready=False, **crashed(1))])


def test_on_the_way_back_everything_is_waited_for() -> None:
    live = workload(ready=0)
    assert roll(live, pod(ready=False, **crashed(9)), name="Recover", ago=299) == "goes on"
    assert roll(live, name="Recover", ago=301) is Reason.NOT_READY


MIGRATED = {
    "backup": "web-3-before",
    "steps": [{"name": "Migrate/schema", "state": "Succeeded", "attempts": 1}],
}


def undoing(data: str, *, down: bool = True, **status: Any) -> Upgrade:
    migration = {"name": "schema", "command": ["up"]} | ({"downCommand": ["down"]} if down else {})
    metadata = {"name": "web-3", "namespace": "shop", "uid": "u"}
    spec = {
        "targetRef": {"name": "web"},
        "fromRevision": "web-2",
        "toRevision": "web-3",
        "policy": {"rollbackData": data, "migrations": [migration]},
    }
    return Upgrade.model_validate({"metadata": metadata, "spec": spec, "status": status})


def back_to(
    live: Manifest | None, pods: Sequence[Manifest], left: Sequence[Manifest], found: Upgrade, ago: float = 5
) -> Reason | str | None:
    return said(rolling_back(live, pods, left, found, step("Rollback", ago), NOW))


def test_a_workload_that_cannot_be_written_is_not_waited_for_without_end() -> None:
    found = undoing("Command", **MIGRATED)

    def look(ago: float, obstacle: str) -> Reason | str | None:
        return said(rolling_back(workload("web-3"), [], [], found, step("Rollback", ago), NOW, obstacle=obstacle))

    assert look(599, "refused") == "goes on"
    assert look(601, "refused") is Reason.NOT_READY
    assert look(9999, "") == "goes on"  # nobody has come to it yet, as after a long outage
    assert back_to(workload(seen=1), [], [], found, 9999) == "goes on"  # stated, and not yet seen by its controller
    told = rolling_back(None, [], [], found, step("Rollback"), NOW, obstacle="a claim is refused")
    assert isinstance(told, Progress)
    assert told.trouble == "the revision before is being brought back; a claim is refused"


def test_something_is_tried_beside_as_long_as_requests_or_pods_are_left() -> None:
    tried, going = pod(), pod()
    for each in (tried, going):
        each["metadata"]["labels"] = {"timonier.dev/next": "web"}
    going["metadata"]["deletionTimestamp"] = stamp(NOW)
    led, not_led = ({"spec": {"selector": {f"timonier.dev/{label}": "web"}}} for label in ("next", "application"))
    assert is_tried(led, None, [])
    assert is_tried(not_led, workload(), [pod()])
    assert is_tried(None, None, [pod(), tried])
    assert not is_tried(not_led, going, [pod(), going])
    assert not is_tried(None, None, [])


def test_no_pod_of_the_new_revision_comes_after_the_last_look() -> None:
    begun = {"name": "Rollout", "state": "Failed", "attempts": 1}
    found = undoing("Command", **MIGRATED | {"steps": [*MIGRATED["steps"], begun]})
    assert back_to(workload(), [], [], found, 4) == "goes on"
    assert back_to(workload(), [], [], found, 6) is None
    assert back_to(workload(), [], [], undoing("Command", **MIGRATED), 4) is None  # none was ever asked for


def test_data_is_loaded_once_an_old_pod_is_ready() -> None:
    def waits(*pods: Manifest, ago: float = 5, **spec: Any) -> bool:
        return loader(application(spec), pods, step("RestoreData", ago), POLICY, NOW) is not None

    assert not waits(pod())
    assert waits()
    assert waits(pod(ready=False), ago=299)
    assert not waits(pod(ready=False), ago=301)  # then the Restore says why it cannot
    assert waits(ago=9999, suspend=True)


@pytest.mark.parametrize("data", ["None", "Command", "RestoreBackup"])
def test_before_data_goes_back_nothing_is_at_work_on_it(data: str) -> None:
    def back(live: Manifest | None, *left: Manifest) -> Reason | str | None:
        found = undoing(data, **MIGRATED)
        return back_to(live, left, left_to_go(found, left, BEFORE, []), found)

    assert back(workload()) is None
    assert back(workload(updated=0)) is None
    assert back(workload(), pod()) == (None if data == "None" else "goes on")
    told = rolling_back(workload(), [], [pod()], undoing("Command", **MIGRATED), step("Rollback", 9999), NOW)
    assert isinstance(told, Progress)
    assert told.trouble is not None
    assert "of which web-a is one; if its node is gone for good" in told.trouble
    assert back(workload("web-3")) == back(workload(seen=1)) == back(None) == "goes on"


def test_what_may_still_work_on_the_data_is_pods_of_other_revisions_and_of_migrations() -> None:
    def of(name: str, mark: str | None, phase: str = "Running") -> Manifest:
        annotations = {"timonier.dev/revision": mark} if mark else {}
        return {"metadata": {"name": name, "annotations": annotations}, "status": {"phase": phase}}

    pods = [of("old", "web-2"), of("new", "web-3"), of("ended", "web-3", "Failed"), of("first", None)]
    ending = {"metadata": {"name": "up", "deletionTimestamp": "x"}, "status": {"phase": "Running"}}
    commands = [ending, of("done", None, "Succeeded")]

    def left(found: Upgrade) -> list[str]:
        return [each["metadata"]["name"] for each in left_to_go(found, pods, BEFORE, commands)]

    stopped = {"rollout": {"revision": "web-2", "suspended": True}}
    assert left(undoing("Command", **MIGRATED)) == left(undoing("RestoreBackup", **MIGRATED)) == ["new", "first", "up"]
    # Where nothing is undone, it is what the old pods, which are stopped, must not meet.
    all_left = ["new", "first", "up"]
    assert left(undoing("None", **MIGRATED, **stopped)) == left(undoing("RestoreBackup", **stopped)) == all_left
    assert left(undoing("Command", down=False, **MIGRATED, **stopped)) == all_left
    assert left(undoing("None", **MIGRATED)) == []


def test_where_nothing_is_undone_no_pod_is_waited_for() -> None:
    for found in (undoing("Command", rollout={"revision": "web-2"}), undoing("RestoreBackup")):
        assert back_to(workload(), [pod()], left_to_go(found, [pod()], BEFORE, []), found) is None


def test_where_old_pods_do_not_come_all_are_stopped_for_the_data_to_go_back() -> None:
    rollout = {"revision": "web-2"}
    found = undoing("Command", rollout=rollout, **MIGRATED)
    ending = pod()
    ending["metadata"]["deletionTimestamp"] = stamp(NOW)
    assert stop_all(found, step("Rollback", 599), [pod()], NOW) == {}
    assert stop_all(found, step("Rollback", 601), [ending], NOW) == {}  # it only takes its time
    assert stop_all(found, step("Rollback", 601), [], NOW) == {}
    news = stop_all(found, step("Rollback", 601), [ending, pod()], NOW)
    assert news == {"rollout": {"revision": "web-2", "suspended": True}, "downtime": {"start": stamp(NOW)}}
    held = undoing("Command", **MIGRATED, **news)
    assert stop_all(held, step("Rollback", 700), [pod()], NOW) == {}
    stopped_now = {**workload(), "spec": {"replicas": 0}}
    assert back_to(stopped_now, [pod()], [], held, 9999) == "goes on"
    assert back_to(stopped_now, [], [], held) is None


@pytest.mark.parametrize(
    ("name", "there", "other"), [("Switch", "next", "application"), ("Promote", "application", "next")]
)
def test_requests_go_where_the_service_leads_a_moment_after_it_does(name: str, there: str, other: str) -> None:
    ports = application({"workload": {"ports": [{"name": "http", "containerPort": 80}]}})

    def look(label: str | None, ago: float, since: float | None = None, obstacle: str = "") -> Reason | str | None:
        service = {"spec": {"selector": {f"timonier.dev/{label}": "web"}}} if label else None
        seen = {} if since is None else {"switchedTime": stamp(NOW - timedelta(seconds=since))}
        assert leads(service, step(name)) == (label == there)
        return said(switched(ports, service, undoing("None", **seen), step(name, ago), NOW, obstacle=obstacle))

    assert look(there, 900) == look(there, 900, 1) == look(other, 59) == look(None, 59) == "goes on"
    assert look(there, 900, 6) is None
    late = Reason.PROGRESS_DEADLINE_EXCEEDED if name == "Switch" else "goes on"
    assert look(other, 601) == look(None, 601) == late
    if name != "Switch":
        assert look(other, 601, obstacle="refused") is Reason.NOT_READY
    assert said(switched(application(), None, undoing("None"), step(name), NOW)) is None  # it has no Service


def image(waiting: Manifest | None = None, waited: float = 5, **status: Any) -> Reason | str | None:
    container = {"name": "web", "state": {"waiting": waiting}} if waiting else {}
    found = {"status": {"containerStatuses": [container] if container else [], "phase": "Pending", **status}}
    return said(image_seen([found], [], waited))


def test_an_image_is_there_when_a_container_of_it_was_made() -> None:
    assert image(phase="Failed") is None
    assert image({"reason": "RunContainerError"}) is None
    assert image({"reason": "ContainerCreating"}) == "goes on"
    assert image(containerStatuses=[{"imageID": "sha256:0", "state": {}}]) is None


def test_an_image_that_is_not_there_is_said() -> None:
    assert image({"reason": "ErrImagePull"}) == "goes on"
    assert image({"reason": "ErrImagePull"}, waited=31) is Reason.IMAGE_PULL_FAILED
    assert image({"reason": "ErrImageNeverPull"}) is Reason.IMAGE_PULL_FAILED
    assert image({"reason": "InvalidImageName"}) is Reason.IMAGE_PULL_FAILED
    root = {"reason": "CreateContainerConfigError", "message": "image will run as root"}
    assert image(root) is Reason.PREFLIGHT_FAILED
    unscheduled = [{"type": "PodScheduled", "status": "False", "message": "too little memory"}]
    assert image(conditions=unscheduled) == "goes on"
    assert image(conditions=unscheduled, waited=61) is Reason.PREFLIGHT_FAILED


def test_a_pod_that_is_refused_is_said_with_the_reason() -> None:
    events = [{"note": "exceeded quota: small"}]
    assert said(image_seen([], events, 10)) == "goes on"
    found = image_seen([], events, 61)
    assert isinstance(found, Outcome)
    assert (found.error, "exceeded quota" in found.message) == (Reason.PREFLIGHT_FAILED, True)


def bake(*pods: Manifest, probes: Outcome | Progress | None = None, ago: float = 5) -> Reason | str | None:
    return said(baking(pods, probes, step("Bake", ago), POLICY.bake_seconds, POLICY, NOW))


def test_it_must_stay_well_for_so_long() -> None:
    assert bake(pod()) == "goes on"
    assert bake(pod(), ago=21) is None
    assert bake(pod(), probes=Progress(), ago=21) == "goes on"
    assert bake(pod(), probes=Outcome(), ago=21) is None
    assert bake(pod(), probes=Outcome(Reason.VERIFICATION_FAILED, "bad")) is Reason.BAKE_FAILED
    assert bake(pod(), probes=Outcome(Reason.INTERRUPTED, "evicted")) is Reason.INTERRUPTED


def test_without_any_pod_at_its_end_it_has_not_stayed_well() -> None:
    pending = pod(ready=False, since=1)
    pending["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}
    assert bake(ago=21) == bake(pending, ago=79) == "goes on"
    assert bake(ago=81) is bake(pending, ago=81) is Reason.BAKE_FAILED
    assert bake(pod(), pending, ago=21) is None  # that there is no room for more says nothing of it


def test_a_restart_or_a_pod_that_stays_away_is_not_well() -> None:
    def ended(ago: float) -> Manifest:
        return {"lastState": {"terminated": {"finishedAt": stamp(NOW - timedelta(seconds=ago)), "exitCode": 137}}}

    assert bake(pod(**ended(10)), ago=5) == "goes on"  # that was before
    assert bake(pod(**ended(2)), ago=5) is Reason.BAKE_FAILED
    assert bake(pod(ready=False, since=29), ago=40) == "goes on"
    assert bake(pod(ready=False, since=31), ago=40) is Reason.BAKE_FAILED
    assert bake(pod(ready=False, since=100), ago=5) == "goes on"
    for leaving in ("deletionTimestamp", "DisruptionTarget", "Evicted"):
        drained = pod(ready=False, since=100, **ended(2))
        if leaving == "DisruptionTarget":
            drained["status"]["conditions"].append({"type": leaving, "status": "True"})
        elif leaving == "Evicted":
            drained["status"] |= {"phase": "Failed", "reason": leaving}
        else:
            drained["metadata"][leaving] = stamp(NOW)
        assert bake(drained, ago=5) == "goes on"


def test_probes_are_asked_of_the_applications_own_service() -> None:
    app = application({"workload": {"ports": [{"name": "http", "containerPort": 8080}]}})
    usual = {"intervalSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3, "successThreshold": 1}

    def asked(**probe: Any) -> Manifest | None:
        found = instruction([Probe.model_validate({"name": "one", **probe})], app)
        return (
            None if found is None else {name: value for name, value in found["probes"][0].items() if name not in usual}
        )

    page = {"url": "http://web.shop.svc:8080/", "expectStatus": []}
    assert asked(http={"port": "http"}) == {"name": "one", "http": page}
    full = {"url": "https://a/b", "expectStatus": [204], "expectBody": "x"}
    assert asked(http=full) == {"name": "one", "http": full}
    assert asked(tcp={"port": 5432}) == {"name": "one", "tcp": {"host": "web.shop.svc", "port": 5432}}
    assert asked(tcp={"port": "none", "host": "db"}) == {"name": "one", "tcp": {"host": "db", "port": 0}}
    query = {"url": "http://p", "query": "up", "operator": ">", "value": "0"}
    assert asked(promQL=query) == {"name": "one", "promQL": query}
    assert asked(exec={"command": ["true"]}) is asked(job={"command": ["true"]}) is None
    page_probe = Probe.model_validate({"name": "one", "http": {"port": 8080}})
    told = instruction([page_probe], app, 60)
    assert told is not None
    assert told["seconds"] == 60
