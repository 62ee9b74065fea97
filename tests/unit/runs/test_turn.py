"""A run from turn to turn: what it does next, whatever happens, and that each end is the right one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonier.api.conditions import condition_of
from timonier.api.runs import RunSpec, StepStatus
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason
from timonier.runs.steps import Steps
from timonier.runs.turn import Hold, Run, Seen, StepPlan, Turn, present, steps_of, turn

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
PLANS = (StepPlan("Quiesce"), StepPlan("Load"), StepPlan("BringBack", "Failure"), StepPlan("Resume", "Always"))
DONE = Outcome(result={"bytes": 5})


def a_run(**spec: Any) -> Run:
    return Run("restore of web", 1, "2026-11-27T08:00:00Z", RunSpec(**spec), {}, PLANS)


def record(step: StepStatus, result: Mapping[str, Any], _steps: Steps) -> Mapping[str, Any]:
    return {"bytes": result["bytes"]} if step.name == "Load" else {}


def follow(run: Run, *tasks: Outcome | Progress | None, seconds: float = 0) -> tuple[Run, list[str], list[Turn]]:
    """Give each step that is begun what is next in `tasks`; what was begun, in order, and every turn."""
    begun: list[str] = []
    turns: list[Turn] = []
    now, given = NOW, list(tasks)
    seen = Seen()
    while True:
        now += timedelta(seconds=seconds)
        made = turn(run, seen, record, now)
        turns.append(made)
        run = replace(run, status=made.status)
        if made.start is not None:
            begun.append(f"{made.start.name} {made.start.attempts}")
        if made.status["phase"] not in ("Pending", "Running") or (made.start is None and not given):
            return run, begun, turns
        if made.start is None and made.again:
            now += timedelta(seconds=made.again)
        seen = Seen(task=given.pop(0) if given and made.start is not None else None, job="job")
        if made.start is not None and seen.task is None:
            return run, begun, turns


def states(run: Run) -> dict[str, str]:
    return {step.name: step.state for step in steps_of(run.status)}


def verdict(run: Run, type_: str) -> tuple[str, str]:
    found = next(condition for condition in run.status["conditions"] if condition["type"] == type_)
    return found["status"], found["reason"]


def test_all_steps_one_after_the_other() -> None:
    run, begun, turns = follow(a_run(), DONE, DONE, DONE, seconds=2)
    assert begun == ["Quiesce 1", "Load 1", "Resume 1"]
    assert states(run) == {"Quiesce": "Succeeded", "Load": "Succeeded", "BringBack": "Skipped", "Resume": "Succeeded"}
    assert (run.status["phase"], run.status["step"], run.status["bytes"]) == ("Succeeded", "Resume", 5)
    assert run.status["duration"] == "6s"
    assert verdict(run, "Succeeded") == ("True", "Succeeded")
    assert [made.status.get("step") for made in turns] == ["Quiesce", "Load", "Resume", "Resume"]


def test_a_failure_for_good_brings_back_what_was_and_cleans_up() -> None:
    run, begun, _ = follow(a_run(), DONE, Outcome(Reason.CORRUPTED, "It is damaged."), DONE, DONE)
    assert begun == ["Quiesce 1", "Load 1", "BringBack 1", "Resume 1"]
    assert states(run) == {"Quiesce": "Succeeded", "Load": "Failed", "BringBack": "Succeeded", "Resume": "Succeeded"}
    assert (run.status["phase"], run.status["step"]) == ("Failed", "Load")
    assert verdict(run, "Succeeded") == ("False", "Corrupted")


def test_while_it_cleans_up_the_failure_is_known_and_it_still_progresses() -> None:
    run, _, _ = follow(a_run(), Outcome(Reason.MISMATCH, "Other data."))
    assert verdict(run, "Succeeded") == ("False", "Mismatch")
    assert verdict(run, "Progressing") == ("True", "Running")
    assert states(run) == {"Quiesce": "Failed", "Load": "Skipped", "BringBack": "Running", "Resume": "Pending"}


def test_the_first_failure_counts_and_later_ones_are_told() -> None:
    broken = Outcome(Reason.PERMISSION_DENIED, "No.")
    run, _, _ = follow(a_run(), Outcome(Reason.MISMATCH, "Other data."), broken, broken)
    assert verdict(run, "Succeeded") == ("False", "Mismatch")
    message = condition_of(run.status, "Succeeded")["message"]  # type: ignore[index]
    assert message.startswith("step Quiesce failed: Other data.; then step BringBack failed: No.")


def test_what_has_been_seen_is_said_once_it_has_begun() -> None:
    run = replace(a_run(), news={"seen": True})
    made = turn(run, Seen(), record, NOW)
    assert made.status["seen"] is True
    assert "seen" not in turn(replace(a_run(suspend=True), news={"seen": True}), Seen(), record, NOW).status


def test_cancelled_before_the_status_names_its_job_the_job_is_stopped_all_the_same() -> None:
    begun = turn(a_run(), Seen(), record, NOW)
    assert begun.start is not None
    made = turn(replace(a_run(cancel=True), status=begun.status), Seen(task=Progress(), job="job"), record, NOW)
    assert made.stop is not None
    assert made.stop.job_ref == "job"


@pytest.mark.parametrize("error", [Reason.UNREACHABLE, Reason.INTERRUPTED, Reason.NO_SPACE, Reason.REFUSED])
def test_what_may_pass_is_tried_again_as_often_as_asked(error: Reason) -> None:
    gone = Outcome(error, "Not now.")
    run, begun, turns = follow(a_run(backoff_limit=2), gone, gone, DONE, DONE, DONE)
    assert begun == ["Quiesce 1", "Quiesce 2", "Quiesce 3", "Load 1", "Resume 1"]
    assert run.status["phase"] == "Succeeded"
    assert [made.again for made in turns if made.again] == [10.0, 20.0]

    run, begun, _ = follow(a_run(backoff_limit=1), gone, gone, DONE, DONE)
    assert begun == ["Quiesce 1", "Quiesce 2", "BringBack 1", "Resume 1"]
    assert verdict(run, "Succeeded") == ("False", error)


def test_a_lock_is_waited_for_until_the_time_is_over() -> None:
    locked = Outcome(Reason.LOCKED, "Another one works on it.")
    _, begun, _ = follow(a_run(backoff_limit=0), locked, locked, locked, DONE)
    assert begun == ["Quiesce 1", "Quiesce 2", "Quiesce 3", "Quiesce 4", "Load 1"]


def test_nothing_begins_while_something_is_in_the_way() -> None:
    seen = Seen(obstacle=(Reason.STORE_NOT_READY, "the store is not ready"))
    made = turn(a_run(), seen, record, NOW)
    assert (made.status["phase"], made.start, made.again) == ("Pending", None, 5.0)
    assert "startTime" not in made.status
    run = replace(a_run(), status=made.status)
    assert verdict(run, "Accepted") == ("False", "StoreNotReady")

    late = turn(run, seen, record, NOW + timedelta(seconds=3600))
    assert (late.status["phase"], late.start) == ("Failed", None)
    assert "could not begin within 3600 s" in late.status["conditions"][2]["message"]


def test_what_can_never_begin_fails_at_once() -> None:
    made = turn(a_run(), Seen(obstacle=(Reason.NOTHING_TO_BACK_UP, "no volumes")), record, NOW)
    assert (made.status["phase"], made.start) == ("Failed", None)


def test_suspended_it_waits_without_an_end_and_cancelled_it_never_begins() -> None:
    made = turn(a_run(suspend=True), Seen(), record, NOW + timedelta(days=3))
    assert (made.status["phase"], made.start, made.again) == ("Pending", None, None)
    made = turn(a_run(cancel=True, suspend=True), Seen(), record, NOW)
    assert (made.status["phase"], made.start) == ("Cancelled", None)


def test_cancelled_on_its_way_it_stops_the_step_and_undoes_what_was_done() -> None:
    run, _, _ = follow(a_run(), DONE)
    cancelled = replace(run, spec=RunSpec(cancel=True))
    made = turn(cancelled, Seen(task=Progress(), job="job"), record, NOW)
    assert made.stop is not None
    assert (made.stop.name, made.start and made.start.name) == ("Load", "BringBack")
    run, _, _ = follow(replace(cancelled, status=made.status), DONE, DONE)
    assert run.status["phase"] == "Cancelled"
    assert verdict(run, "Cancelled") == ("True", "Cancelled")


def test_what_runs_whatever_happened_is_not_cut_off() -> None:
    run, begun, _ = follow(a_run(), DONE, DONE)
    assert begun[-1] == "Resume 1"
    cancelled = replace(run, spec=RunSpec(cancel=True))
    made = turn(cancelled, Seen(task=Progress(), job="job"), record, NOW)
    assert (made.stop, states(replace(run, status=made.status))["Resume"]) == (None, "Running")
    made = turn(replace(cancelled, status=made.status), Seen(task=DONE, job="job"), record, NOW)
    assert (made.status["phase"], states(replace(run, status=made.status))["Resume"]) == ("Succeeded", "Succeeded")


def test_out_of_time_it_fails_and_cleans_up() -> None:
    run, _, _ = follow(a_run(timeout_seconds=60), DONE)
    made = turn(run, Seen(task=Progress(), job="job"), record, NOW + timedelta(seconds=61))
    assert (made.stop and made.stop.name, made.start and made.start.name) == ("Load", "BringBack")
    run, _, _ = follow(replace(run, status=made.status), DONE, DONE)
    assert (run.status["phase"], verdict(run, "Succeeded")) == ("Failed", ("False", "TimedOut"))


def test_a_job_that_was_seen_and_is_gone_was_interrupted_one_never_seen_is_begun() -> None:
    run, _, _ = follow(a_run())
    again = turn(run, Seen(job="job"), record, NOW)
    assert (again.start and again.start.attempts, again.status["steps"][0]["state"]) == (1, "Running")

    known = turn(run, Seen(task=Progress("it waits"), job="job"), record, NOW)
    assert known.status["steps"][0]["jobRef"] == "job"
    gone = turn(replace(run, status=known.status), Seen(job="job"), record, NOW)
    assert (gone.start, gone.status["steps"][0]["state"]) == (None, "Pending")
    assert "Interrupted" in gone.status["steps"][0]["message"]


def test_the_present_step_is_that_which_runs_or_waits_for_another_attempt() -> None:
    assert present(a_run()) is None
    run, _, _ = follow(a_run(), DONE)
    found = present(run)
    assert found is not None
    assert (found.name, found.state) == ("Load", "Running")


OUTCOMES = st.sampled_from(
    [DONE, Progress(), Outcome(Reason.UNREACHABLE, "x"), Outcome(Reason.CORRUPTED, "x"), Outcome(Reason.LOCKED, "x")]
)


def test_what_is_on_hold_waits_and_what_was_begun_of_it_is_begun_again() -> None:
    hold = Hold("nobody is there", "Load", "Load")
    run, _, _ = follow(a_run(timeout_seconds=60), DONE)
    made = turn(replace(run, hold=hold), Seen(task=DONE, job="job"), record, NOW)
    assert (made.stop and made.stop.name, made.start) == ("Load", None)
    run = replace(run, status=made.status)
    assert states(run) == {"Quiesce": "Succeeded", "Load": "Pending", "BringBack": "Pending", "Resume": "Pending"}
    later = turn(replace(run, hold=hold), Seen(), record, NOW + timedelta(days=1))
    assert (later.status["phase"], later.stop) == ("Running", None)
    run, begun, _ = follow(replace(run, status=later.status), DONE, DONE)
    assert begun == ["Load 2", "Resume 1"]
    assert run.status["phase"] == "Succeeded"


def test_on_hold_before_its_start_no_time_runs() -> None:
    run = a_run(timeout_seconds=60)
    hold = Hold("nobody is there", None, "Load")
    made = turn(replace(run, hold=hold), Seen(), record, NOW)
    made = turn(replace(run, hold=hold, status=made.status), Seen(), record, NOW + timedelta(days=1))
    assert (made.status["phase"], made.start) == ("Pending", None)
    begun = turn(replace(run, status=made.status), Seen(), record, NOW + timedelta(days=1))
    assert begun.start is not None
    assert not {"heldTime", "heldSeconds"} & set(begun.status)


def test_what_is_under_way_and_is_not_to_be_done_again_goes_on_while_the_next_waits() -> None:
    hold = Hold("nobody is there", "Quiesce", "Load")
    run, _, _ = follow(a_run())
    made = turn(replace(run, hold=hold), Seen(task=Progress(), job="job"), record, NOW)
    assert (made.stop, states(replace(run, status=made.status))["Quiesce"]) == (None, "Running")
    made = turn(replace(run, hold=hold, status=made.status), Seen(task=DONE, job="job"), record, NOW)
    run = replace(run, status=made.status)
    assert (made.start, states(run)["Quiesce"], states(run)["Load"]) == (None, "Succeeded", "Pending")
    made = turn(run, Seen(), record, NOW)
    assert (made.start and made.start.name, made.start and made.start.attempts) == ("Load", 1)


def test_what_was_put_back_has_all_its_retries_and_the_time_that_it_took_before() -> None:
    hold, bad = Hold("nobody is there", "Load", "Load"), Outcome(Reason.UNREACHABLE, "x")
    run, _, _ = follow(a_run(timeout_seconds=600, backoff_limit=1), DONE)
    now = NOW
    for _ in range(3):  # each time it has worked for long, and waited for longer
        now += timedelta(seconds=500)
        run = replace(run, status=turn(replace(run, hold=hold), Seen(), record, now).status)
        now += timedelta(seconds=500)
        run = replace(run, status=turn(run, Seen(), record, now).status)
    assert states(run)["Load"] == "Running"
    made = turn(run, Seen(task=bad, job="job"), record, now)
    assert states(replace(run, status=made.status))["Load"] == "Pending"
    run = replace(run, status=made.status)
    run = replace(run, status=turn(run, Seen(), record, now + timedelta(seconds=20)).status)
    made = turn(run, Seen(task=bad, job="job"), record, now + timedelta(seconds=20))
    assert states(replace(run, status=made.status))["Load"] == "Failed"


def test_what_waits_for_its_next_attempt_has_all_its_retries_after_a_hold() -> None:
    hold, bad = Hold("nobody is there", "Load", "Load"), Outcome(Reason.UNREACHABLE, "x")
    run, _, _ = follow(a_run(), DONE)
    run = replace(run, status=turn(run, Seen(task=bad, job="job"), record, NOW).status)
    run = replace(run, status=turn(replace(run, hold=hold), Seen(), record, NOW).status)
    made = turn(run, Seen(), record, NOW)
    assert made.start is not None
    assert (made.start.attempts, made.start.void_attempts, made.start.retry_time) == (2, 1, None)


def test_hold_is_nothing_to_what_comes_before_and_to_the_way_back() -> None:
    run, begun, _ = follow(replace(a_run(), hold=Hold("x", "Load", "Load")), DONE)
    assert (begun, states(run)["Quiesce"]) == (["Quiesce 1"], "Succeeded")
    run = replace(run, spec=RunSpec(cancel=True))
    run, begun, _ = follow(run, DONE, DONE)
    assert (begun, run.status["phase"]) == (["BringBack 1", "Resume 1"], "Cancelled")
    assert "heldTime" not in run.status


@given(
    st.lists(OUTCOMES, max_size=30),
    st.lists(st.integers(0, 400), min_size=60, max_size=60),
    st.sets(st.integers(0, 40)),
)
def test_whatever_happens_no_step_begins_twice_the_same_and_the_last_one_ends_it(
    tasks: list[Outcome | Progress], pauses: list[int], held: set[int]
) -> None:
    run, now, begun = a_run(timeout_seconds=600), NOW, []
    seen, given = Seen(), list(tasks)
    for number, pause in enumerate(pauses):
        run = replace(run, hold=Hold("x", "Load", "Load") if number in held else None)
        made = turn(run, seen, record, now)
        if run.status.get("phase") == "Succeeded":
            assert made.status == run.status
        run = replace(run, status=made.status)
        if made.start is not None:
            begun.append((made.start.name, made.start.attempts))
        task: Outcome | Progress = given.pop(0) if given else DONE
        seen = Seen(task=task if present(run) else None, job="job")
        now += timedelta(seconds=pause)
    assert len(begun) == len(set(begun))
    if run.status["phase"] in ("Succeeded", "Failed"):
        assert "Running" not in states(run).values()
        assert ("Resume", 1) in begun
        assert (("BringBack", 1) in begun) == (states(run)["BringBack"] != "Skipped")
        # What went well is not undone for what fails after it.
        ways = [states(run)[name] for name in ("Quiesce", "Load")]
        assert (states(run)["BringBack"] == "Skipped") == ("Failed" not in ways)


def test_what_went_well_is_not_undone_for_what_fails_in_the_end() -> None:
    failed = Outcome(Reason.HOOK_FAILED, "nobody answers")
    run, begun, _ = follow(a_run(), DONE, DONE, failed)
    assert begun == ["Quiesce 1", "Load 1", "Resume 1"]
    assert states(run) == {"Quiesce": "Succeeded", "Load": "Succeeded", "BringBack": "Skipped", "Resume": "Failed"}
    assert verdict(run, "Succeeded") == ("False", "HookFailed")
    broken = Outcome(Reason.MISMATCH, "not the same")
    run, begun, _ = follow(a_run(), DONE, broken, DONE, failed)
    assert begun == ["Quiesce 1", "Load 1", "BringBack 1", "Resume 1"]
    assert verdict(run, "Succeeded") == ("False", "Mismatch")
