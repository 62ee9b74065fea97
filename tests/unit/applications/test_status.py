"""What a status says: verdicts from the live workload, conditions with reasons from a closed list."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.application_specs import application, applications
from timonier.api.application import Application, ApplicationStatus
from timonier.applications.revisions import Course
from timonier.applications.scaling import suspended
from timonier.applications.status import Reason, Verdict, selector_text, status_of, verdict_of

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SELECTOR = {"matchLabels": {"a": "b"}}
AVAILABLE = {"type": "Available", "status": "True"}
UNAVAILABLE = {"type": "Available", "status": "False"}
TIRED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no progress"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "message": 'pods "web" is forbidden: exceeded quota: small'}
REFUSED = {"type": "ReplicaFailure", "status": "True", "message": 'pods "web" is forbidden: violates PodSecurity'}


def deployment(*conditions: dict[str, Any], spec: int = 2, generation: int = 3, **status: Any) -> dict[str, Any]:
    """A live Deployment whose status says `status`; all is well where nothing is stated."""
    counts = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2} | status
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": generation},
        "spec": {"replicas": spec},
        "status": counts | {"conditions": list(conditions or (AVAILABLE,))},
    }


def stateful(**status: Any) -> dict[str, Any]:
    counts = {"availableReplicas": 2, "currentRevision": "web-1", "updateRevision": "web-1"} | status
    return deployment(**counts) | {"kind": "StatefulSet"}


def scaled(replicas: int, kind: str = "Deployment", **spec: Any) -> Application:
    return application({"workload": {"kind": kind}, "scaling": {"replicas": replicas}, **spec})


GOOD = Verdict(2, 2, 2, available=True, rolled_out=True)
VERDICTS: dict[str, tuple[dict[str, Any], Verdict]] = {
    "all is well": (deployment(), GOOD),
    "not seen by its controller yet": (
        deployment(generation=4), Verdict(2, 2, 2, available=True, rolled_out=False),
    ),
    "old pods are left": (deployment(replicas=3), Verdict(2, 3, 2, available=True)),
    "new pods are missing": (deployment(updatedReplicas=1), Verdict(2, 2, 2, available=True)),
    "pods are not ready": (deployment(UNAVAILABLE, readyReplicas=1), Verdict(2, 2, 1, rolled_out=True)),
    "nothing is known yet": (deployment() | {"status": {}}, Verdict(2)),
    "no progress": (
        deployment(TIRED, AVAILABLE, updatedReplicas=1),
        Verdict(2, 2, 2, available=True, obstacle=(Reason.PROGRESS_DEADLINE_EXCEEDED, "no progress")),
    ),
    "progress, or none that counts": (
        deployment(AVAILABLE, {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}), GOOD,
    ),
    "the quota refuses pods": (
        deployment(QUOTA, replicas=0, updatedReplicas=0, readyReplicas=0),
        Verdict(2, obstacle=(Reason.QUOTA_EXCEEDED, str(QUOTA["message"]))),
    ),
    "something else refuses pods": (
        deployment(REFUSED, replicas=0, updatedReplicas=0, readyReplicas=0),
        Verdict(2, obstacle=(Reason.FAILED_CREATE, str(REFUSED["message"]))),
    ),
    "a refusal that is over": (deployment(AVAILABLE, QUOTA | {"status": "False"}), GOOD),
    "a StatefulSet that is well": (stateful(), GOOD),
    "one of several members is away": (
        stateful(availableReplicas=1, readyReplicas=1), Verdict(2, 2, 1, available=True, rolled_out=True),
    ),
    "all members are away": (stateful(availableReplicas=0, readyReplicas=0), Verdict(2, 2, 0, rolled_out=True)),
    "members of the old revision are left": (
        stateful(updateRevision="web-2"), Verdict(2, 2, 2, available=True, rolled_out=False),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VERDICTS)
def test_what_is_seen_of_the_workload(case: str) -> None:
    live, verdict = VERDICTS[case]
    assert verdict_of(scaled(2, live["kind"]), live, current=True) == verdict


def test_without_a_workload_nothing_is_there() -> None:
    assert verdict_of(scaled(2), None, current=False) == Verdict(2)


@pytest.mark.parametrize("conditions", [(AVAILABLE,), (TIRED,), (QUOTA,)])
def test_what_an_old_workload_says_is_no_verdict_about_the_new_one(conditions: tuple[dict[str, Any], ...]) -> None:
    verdict = verdict_of(scaled(2), deployment(*conditions), current=False)
    assert not verdict.rolled_out
    assert verdict.obstacle is None


def test_a_single_member_must_be_available() -> None:
    live = stateful(replicas=1, updatedReplicas=1, availableReplicas=0, readyReplicas=0)
    assert not verdict_of(scaled(1, "StatefulSet"), live, current=True).available


@pytest.mark.parametrize(
    ("verdict", "complete"),
    [
        (GOOD, True),
        (Verdict(2, 2, 2, rolled_out=False), False),
        (Verdict(2, 2, 1, rolled_out=True), False),
        (Verdict(0, rolled_out=True), True),
        (Verdict(2, 2, 2, rolled_out=True, obstacle=(Reason.CONFLICT, "x")), False),
    ],
)
def test_complete_is_all_there_new_ready_and_undisturbed(verdict: Verdict, complete: bool) -> None:
    assert verdict.complete is complete


CONFLICT = (Reason.CONFLICT, "Service web exists already")
TIRED_OUT = (Reason.PROGRESS_DEADLINE_EXCEEDED, "no progress")
AUTO = application({"scaling": {"autoscaling": {"maxReplicas": 5, "metrics": [{"type": "cpu", "target": 70}]}}})
Said = tuple[str, Reason]
T, F, U = "True", "False", "Unknown"
# Application, verdict, and what is said of Ready, Progressing, Available and Stalled.
CONDITIONS: dict[str, tuple[Application, Verdict, Said, Said, Said, Said]] = {
    "well": (
        scaled(2), GOOD, (T, Reason.ALL_REPLICAS_READY), (F, Reason.ROLLOUT_COMPLETE),
        (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (F, Reason.HEALTHY),
    ),
    "well, autoscaled": (
        AUTO, GOOD, (T, Reason.AUTOSCALER_ACTIVE), (F, Reason.ROLLOUT_COMPLETE),
        (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (F, Reason.HEALTHY),
    ),
    "no pods are asked for": (
        scaled(0), Verdict(0, rolled_out=True), (T, Reason.SCALED_TO_ZERO), (F, Reason.ROLLOUT_COMPLETE),
        (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (F, Reason.HEALTHY),
    ),
    "just created": (
        scaled(2), Verdict(2), (F, Reason.ROLLOUT_IN_PROGRESS), (T, Reason.ROLLOUT_IN_PROGRESS),
        (F, Reason.MINIMUM_REPLICAS_UNAVAILABLE), (F, Reason.HEALTHY),
    ),
    "rolling out": (
        scaled(2), Verdict(2, 3, 2, available=True), (F, Reason.ROLLOUT_IN_PROGRESS), (T, Reason.ROLLOUT_IN_PROGRESS),
        (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (F, Reason.HEALTHY),
    ),
    "rolled out, a pod is not ready": (
        scaled(2), Verdict(2, 2, 1, available=True, rolled_out=True),
        (F, Reason.REPLICAS_NOT_READY), (F, Reason.ROLLOUT_COMPLETE),
        (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (F, Reason.HEALTHY),
    ),
    "no progress, old pods serve": (
        scaled(2), Verdict(2, 3, 2, available=True, obstacle=TIRED_OUT),
        (F, Reason.PROGRESS_DEADLINE_EXCEEDED), (F, Reason.PROGRESS_DEADLINE_EXCEEDED),
        (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (T, Reason.PROGRESS_DEADLINE_EXCEEDED),
    ),
    "in the way of the workload": (
        scaled(2), Verdict(2, obstacle=CONFLICT), (F, Reason.CONFLICT), (F, Reason.CONFLICT),
        (U, Reason.CONFLICT), (T, Reason.CONFLICT),
    ),
    "in the way of another child": (
        scaled(2), Verdict(2, 2, 2, available=True, rolled_out=True, obstacle=CONFLICT),
        (F, Reason.CONFLICT), (F, Reason.CONFLICT), (T, Reason.MINIMUM_REPLICAS_AVAILABLE), (T, Reason.CONFLICT),
    ),
    "suspended": (
        scaled(2, suspend=True), Verdict(0, rolled_out=True), (F, Reason.SUSPENDED), (F, Reason.ROLLOUT_COMPLETE),
        (F, Reason.SUSPENDED), (F, Reason.HEALTHY),
    ),
    "being suspended": (
        scaled(2, suspend=True), Verdict(0, 2, 2, available=True), (F, Reason.SUSPENDED),
        (T, Reason.ROLLOUT_IN_PROGRESS), (F, Reason.SUSPENDED), (F, Reason.HEALTHY),
    ),
}  # fmt: skip


def conditions_of(web: Application, verdict: Verdict) -> dict[str, dict[str, Any]]:
    status = status_of(web, verdict, SELECTOR, (), NOW)
    return {condition["type"]: condition for condition in status["conditions"]}


@pytest.mark.parametrize("case", CONDITIONS)
def test_what_the_conditions_say(case: str) -> None:
    web, verdict, *expected = CONDITIONS[case]
    found = conditions_of(web, verdict)
    said = [(found[name]["status"], found[name]["reason"]) for name in ("Ready", "Progressing", "Available", "Stalled")]
    assert said == expected
    suspended = found["Suspended"]
    assert (suspended["status"], suspended["reason"]) == (
        (T, Reason.SUSPENDED) if web.spec.suspend else (F, Reason.RUNNING)
    )


def verdicts() -> list[Verdict]:
    counts = range(3)
    obstacles = (None, CONFLICT, TIRED_OUT)
    return [
        Verdict(desired, replicas, ready, available=available, rolled_out=rolled_out, obstacle=obstacle)
        for desired, replicas, ready, available, rolled_out, obstacle in product(
            counts, counts, counts, (True, False), (True, False), obstacles
        )
    ]


@pytest.mark.parametrize("web", [scaled(2), scaled(2, suspend=True), AUTO], ids=["fixed", "suspended", "autoscaled"])
def test_the_conditions_never_contradict_one_another(web: Application) -> None:
    for verdict in verdicts():
        found = {name: condition["status"] for name, condition in conditions_of(web, verdict).items()}
        assert set(found) == {"Ready", "Progressing", "Available", "Stalled", "Suspended"}
        assert (found["Stalled"] == T) == (verdict.obstacle is not None)
        assert not (found["Ready"] == T and {found["Stalled"], found["Progressing"], found["Suspended"]} & {T}), verdict
        assert not (found["Progressing"] == T and found["Stalled"] == T), verdict
        assert not (found["Suspended"] == T and T in (found["Ready"], found["Available"])), verdict


def test_every_reason_is_one_word_in_camel_case() -> None:
    assert all(reason.isalpha() and reason[0].isupper() for reason in Reason)


def test_every_condition_says_of_which_generation_it_speaks() -> None:
    status = status_of(application(generation=7), GOOD, SELECTOR, (), NOW)
    assert status["observedGeneration"] == 7
    assert {condition["observedGeneration"] for condition in status["conditions"]} == {7}


def test_the_time_of_a_transition_is_kept_until_the_next() -> None:
    first = status_of(scaled(2), Verdict(2), SELECTOR, (), NOW)
    later = datetime(2026, 3, 1, 13, 0, 0, tzinfo=UTC)
    second = status_of(application({"scaling": {"replicas": 2}}, status=first), GOOD, SELECTOR, (), later)
    times = {condition["type"]: condition["lastTransitionTime"] for condition in second["conditions"]}
    assert times["Ready"] == times["Progressing"] == times["Available"] == "2026-03-01T13:00:00Z"
    assert times["Stalled"] == times["Suspended"] == "2026-03-01T12:00:00Z"


def test_the_status_of_a_running_application() -> None:
    endpoint = {"name": "http", "scope": "Cluster", "url": "http://web.shop.svc:8080"}
    status = status_of(scaled(2), Verdict(2, 3, 1), SELECTOR, [endpoint], NOW)
    del status["conditions"]
    assert status == {
        "observedGeneration": 1,
        "image": "registry.example/web:1.0",
        "version": "1.0",
        "replicas": 3,
        "readyReplicas": 1,
        "ready": "1/2",
        "selector": "a=b",
        "endpoints": [endpoint],
    }


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ({}, "latest"),
        ({"tag": "1.0"}, "1.0"),
        ({"tag": "1.0", "digest": f"sha256:{'b' * 64}"}, "1.0"),
        ({"digest": f"sha256:{'0123456789ab' * 5}cdef"}, "sha256:0123456789ab"),
        ({"tag": "a" * 20}, "a" * 20),
        ({"tag": "a" * 21}, f"{'a' * 19}…"),
    ],
)
def test_the_version_fits_a_column(image: dict[str, str], version: str) -> None:
    web = application({"workload": {"image": {"repository": "web"} | image}})
    assert status_of(web, GOOD, SELECTOR, (), NOW)["version"] == version


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({}, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, "a in (1,2)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, "a notin (1)"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
        ({"matchLabels": {"b": "2"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}, "b=2,a"),
    ],
)
def test_selectors_as_text(selector: dict[str, Any], text: str) -> None:
    assert selector_text(selector) == text


@given(applications(), st.sampled_from(verdicts()), st.integers(0, 200))
def test_a_status_is_one_that_the_definition_allows(web: Application, verdict: Verdict, endpoints: int) -> None:
    many = [{"name": "http", "scope": "Cluster", "url": "http://web"}] * endpoints
    ApplicationStatus.model_validate(status_of(web, verdict, SELECTOR, many, NOW))


@given(applications(), st.sampled_from(verdicts()))
def test_the_same_status_again_is_the_same(web: Application, verdict: Verdict) -> None:
    first = status_of(web, verdict, SELECTOR, (), NOW)
    again = web.model_copy(update={"status": first})
    assert status_of(again, verdict, SELECTOR, (), datetime(2030, 1, 1, tzinfo=UTC)) == first


def test_while_a_restore_is_under_way_it_is_stopped_and_says_for_what() -> None:
    held = suspended(scaled(2))
    stopped = status_of(held, verdict_of(held, None, current=False), SELECTOR, (), NOW, "restore back")
    by_type = {condition["type"]: condition for condition in stopped["conditions"]}
    for type_, status in (("Ready", "False"), ("Available", "False"), ("Suspended", "True")):
        assert (by_type[type_]["status"], by_type[type_]["reason"]) == (status, "Restoring")
        assert "restore back is under way" in by_type[type_]["message"]


FAILED = (Reason.UPGRADE_FAILED, "the revision web-2 failed")


def told(verdict: Verdict, hold: str | None = None, **going: Any) -> dict[str, tuple[str, str]]:
    here = suspended(application()) if hold else application()
    course = Course(here, revision="web-1", status={"revision": "web-1"}, **going)
    status = status_of(here, verdict, SELECTOR, (), NOW, hold, course)
    assert status["revision"] == "web-1"
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_while_an_upgrade_is_under_way_not_all_is_as_asked_for_and_it_serves() -> None:
    found = told(GOOD, upgrading="the upgrade web-2 is under way")
    assert (found["Ready"], found["Progressing"]) == (("False", "Upgrading"), ("True", "Upgrading"))
    assert (found["Available"][0], found["Stalled"][0], found["UpgradeFailed"][0]) == ("True", "False", "False")
    trouble = Verdict(2, 2, 1, trouble=(Reason.CRASH_LOOP, "it ends"))
    assert told(trouble, upgrading="the upgrade web-2 is under way")["Ready"] == ("False", "CrashLoop")


def test_what_failed_needs_a_person_and_what_was_there_before_serves() -> None:
    found = told(GOOD, failed=FAILED)
    for type_ in ("Ready", "Stalled", "UpgradeFailed"):
        assert found[type_] == ("False" if type_ == "Ready" else "True", "UpgradeFailed")
    assert (found["Available"][0], found["Progressing"][0]) == ("True", "False")
    unwell = Verdict(2, 2, 1, rolled_out=True)
    assert told(unwell, failed=FAILED)["Ready"] == ("False", "ReplicasNotReady")


def test_stopped_for_an_upgrade_it_says_so() -> None:
    found = told(Verdict(0), hold="upgrade web-2", upgrading="the upgrade web-2 is under way")
    for type_, status in (("Ready", "False"), ("Available", "False"), ("Suspended", "True")):
        assert found[type_] == (status, "UpgradeDowntime")
    assert told(Verdict(0), hold="restore monday")["Suspended"] == ("True", "Restoring")


def test_without_revisions_nothing_is_said_of_upgrades() -> None:
    status = status_of(application(), GOOD, SELECTOR, (), NOW)
    assert "UpgradeFailed" not in [each["type"] for each in status["conditions"]]
    assert "revision" not in status
