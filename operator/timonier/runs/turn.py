"""One turn of a run: what its status says next, from what it said before and what is seen now. Pure.

A run is a list of steps. Each is begun, tried again after some failures, and ends. Once one has failed for good, or the
run is cancelled or out of time, what is left forward is skipped, and what undoes or cleans up goes on.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from timonier.api.conditions import condition_of
from timonier.api.moments import stamp
from timonier.api.runs import RunSpec, StepStatus
from timonier.runs import story
from timonier.runs.outcome import Outcome, Progress
from timonier.runs.reasons import Reason, Words
from timonier.runs.steps import (
    Steps,
    begun,
    cut,
    ended,
    planned,
    put_back,
    put_off,
    retry_at,
    seen,
    until_retry,
    wait,
    waiting,
)

__all__ = ["Hold", "Run", "Seen", "StepPlan", "Turn", "present", "steps_of", "turn"]

_LOOK_AGAIN: Final = 5.0
_LOOK_AT_JOB: Final = 15.0
# Another attempt would find the same.
_HOPELESS: Final = frozenset(
    {Reason.WRONG_PASSWORD, Reason.NOT_INITIALIZED, Reason.CORRUPTED, Reason.PERMISSION_DENIED, Reason.MISMATCH,
     Reason.SNAPSHOT_NOT_FOUND, Reason.NOT_SUPPORTED, Reason.NOTHING_TO_BACK_UP, Reason.BACKUP_NOT_FOUND,
     Reason.WRONG_APPLICATION, Reason.VOLUMES_DIFFER, Reason.CLAIM_MANAGED, Reason.APPLICATION_EXISTS, Reason.NOT_READY,
     Reason.SAFETY_BACKUP_FAILED, Reason.HOOK_FAILED, Reason.PREFLIGHT_FAILED, Reason.BACKUP_FAILED,
     Reason.PROGRESS_DEADLINE_EXCEEDED, Reason.CRASH_LOOP, Reason.IMAGE_PULL_FAILED, Reason.VERIFICATION_FAILED,
     Reason.BAKE_FAILED, Reason.REVISION_NOT_FOUND}
)  # fmt: skip

When = Literal["Forward", "Always", "Failure", "Never"]


class StepPlan(NamedTuple):
    """One step. Forward: until something fails. Always: whatever happened. Failure: only once something has failed.

    Never: as things have come, it is left out. `mark` goes into the status when the step begins. `retries` is how often
    it is tried again after a failure; None leaves that to the run's backoffLimit.
    """

    name: str
    when: When = "Forward"
    mark: Mapping[str, Any] = MappingProxyType({})
    retries: int | None = None


class Hold(NamedTuple):
    """Why the run waits. `step` is the first that does not begin now; None: neither does the run.

    Those from `again` on are done once more, as far as they were begun. It concerns steps forward alone.
    """

    why: str
    step: str | None
    again: str


Blame = Callable[[str | None, Words, datetime], Mapping[str, Any]]
"""What the first failure adds to the status, from the name of the step and why; no step, where it was interrupted."""


def _no_blame(_step: str | None, _words: Words, _now: datetime) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Run:
    """What a turn needs to know of a run.

    `created` is the time of its creation, `what` names it for people, `facts` go into the status when it begins,
    `news` once it has begun, and what `blame` says when something has failed. While steps are on `hold`, its time does
    not run.
    """

    what: str
    generation: int
    created: str
    spec: RunSpec
    status: Mapping[str, Any]
    plans: tuple[StepPlan, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    news: Mapping[str, Any] = field(default_factory=dict)
    blame: Blame = _no_blame
    hold: Hold | None = None
    replan: Callable[[Mapping[str, Any]], tuple[StepPlan, ...]] | None = None
    """The plans for another status, where they depend on it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is observed: why the run cannot begin, and what has become of the present step.

    `task` None: nothing is known to have been begun. `job` is the name of the Job that the present attempt has.
    """

    obstacle: Words | None = None
    task: Progress | Outcome | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be said and done. `start` is the step that is to be there; `stop` that which is to go, if it runs."""

    status: dict[str, Any]
    start: StepStatus | None = None
    stop: StepStatus | None = None
    again: float | None = None


Record = Callable[[StepStatus, Mapping[str, Any], Steps], Mapping[str, Any]]
"""What a step that ended well adds to the status, from its result, and from what came of the steps before."""


@dataclass(slots=True)
class _State:
    run: Run
    now: datetime
    status: dict[str, Any]
    steps: Steps
    failure: Words | None
    task: Progress | Outcome | None
    job: str | None
    record: Record
    stop: StepStatus | None = None
    turn: Turn | None = field(default=None)


def steps_of(status: Mapping[str, Any]) -> Steps:
    """The steps as the status has them."""
    return tuple(StepStatus.model_validate(found) for found in status.get("steps", ()))


def present(run: Run) -> StepStatus | None:
    """The step that is under way, or waits for its next attempt; None when the run has not begun, or is over."""
    if story.is_over(run.status) or not run.status.get("startTime"):
        return None
    return _next(steps_of(run.status), run.plans, _failure(run.status))


def turn(run: Run, sight: Seen, record: Record, now: datetime) -> Turn:
    """The next turn."""
    if story.is_over(run.status):
        return Turn(dict(run.status))
    failure = _failure(run.status)
    status = dict(run.status)
    if run.hold is None or failure is not None:
        status = story.released(status, now)
    if not status.get("startTime"):
        made = _before_start(run, sight, now)
        if made is not None:
            return made
        status = {name: value for name, value in status.items() if name != "heldSeconds"}  # its time begins now
        status = story.started({**status, **run.facts}, planned(plan.name for plan in run.plans), now)
    status |= run.news
    state = _State(run, now, status, steps_of(status), failure, sight.task, sight.job, record)
    while state.turn is None:
        _advance(state)
    return replace(state.turn, stop=state.stop)


def _before_start(run: Run, sight: Seen, now: datetime) -> Turn | None:
    spec, status = run.spec, run.status
    if spec.cancel:
        words = Reason.CANCELLED, "it was cancelled before it began"
        return Turn(story.ended(status, (), words, run.generation, now))
    if spec.suspend:
        words = Reason.SUSPENDED, "spec.suspend is set"
        return Turn(story.waiting(status, words, run.generation, now))
    obstacle = sight.obstacle
    if run.hold is not None and run.hold.step is None:
        status, obstacle = story.held(status, stamp(now)), (Reason.NOT_READY_YET, run.hold.why)
    if obstacle is None:
        return None
    reason, message = obstacle
    left = story.seconds_left(status, run.created, spec.timeout_seconds, now)
    if reason in _HOPELESS:
        return Turn(story.ended(status, (), obstacle, run.generation, now))
    if left <= 0:
        late = reason, f"it could not begin within {spec.timeout_seconds} s: {message}"
        return Turn(story.ended(status, (), late, run.generation, now))
    return Turn(story.waiting(status, obstacle, run.generation, now), again=min(_LOOK_AGAIN, left))


def _advance(state: _State) -> None:
    """One decision. It sets `turn` when that was the last."""
    run, now = state.run, state.now
    step = _next(state.steps, run.plans, state.failure)
    if step is None:
        state.steps = tuple(_left_out(state.steps))
        done = state.failure or (Reason.SUCCEEDED, f"the {run.what} is done")
        state.turn = Turn(story.ended(state.status, state.steps, done, run.generation, now))
    elif state.failure is None and (words := _interruption(run, step, state.status, now)) is not None:
        if step.state == "Running" or step.attempts:
            # Its Job may have been made a moment ago, and the status does not name it yet.
            running = step.model_copy(update={"job_ref": step.job_ref or state.job})
            state.stop = running if step.state == "Running" else None
            state.steps = ended(state.steps, step.name, "Failed", now, words[1])
        _fail(state, words)
    elif state.failure is None and run.hold is not None and _holds(run, run.hold, state.steps, step):
        _hold(state, run.hold, step)
    elif step.state == "Pending":
        _begin(state, step)
    elif isinstance(state.task, Outcome):
        outcome, state.task, state.job = state.task, None, None
        _take(state, step, outcome)
    elif isinstance(state.task, Progress):
        state.steps = seen(state.steps, step.name, state.job, state.task.trouble)
        state.turn = _going(state, again=state.task.again or _patience(state))
    elif step.job_ref:
        _take(state, step, Outcome(Reason.INTERRUPTED, "its Job was removed before it was done"))
    else:
        state.turn = _going(state, start=step)


def _begin(state: _State, step: StepStatus) -> None:
    pause = until_retry(step, state.now)
    if pause > 0:
        state.turn = _going(state, again=pause)
        return
    state.steps = begun(state.steps, step.name, state.now)
    state.status |= next((plan.mark for plan in state.run.plans if plan.name == step.name), {})
    state.turn = _going(state, start=next(found for found in state.steps if found.name == step.name))


def _planned(run: Run, when: When) -> frozenset[str]:
    """The names of the steps that are planned so."""
    return frozenset(plan.name for plan in run.plans if plan.when == when)


def _holds(run: Run, hold: Hold, steps: Steps, step: StepStatus) -> bool:
    """The present step is not to begin, or to go on."""
    names = [found.name for found in steps]
    first = hold.again if step.state == "Running" else hold.step or names[0]
    forward = _planned(run, "Forward")
    return step.name in forward and first in names and names.index(step.name) >= names.index(first)


def _hold(state: _State, hold: Hold, step: StepStatus) -> None:
    """What is to be done again is stopped, and its Job goes: what was seen of it says nothing any more.

    The time that it has taken does not count either.
    """
    if step.state == "Running":
        state.stop = step.model_copy(update={"job_ref": step.job_ref or state.job})
    names = [found.name for found in state.steps]
    forward = _planned(state.run, "Forward")
    late = state.steps[names.index(hold.again) :] if hold.again in names else ()
    back = [found for found in late if found.name in forward and (found.state != "Pending" or found.attempts)]
    since = min((found.start_time for found in back if found.start_time), default=stamp(state.now))
    for found in back:
        state.steps = put_back(state.steps, found.name)
    present = next(found for found in state.steps if found.name in forward and found.state == "Pending")
    state.steps = waiting(state.steps, present.name, hold.why)
    state.status = story.held(state.status, since)
    state.turn = _going(state, again=_LOOK_AGAIN)


def _take(state: _State, step: StepStatus, outcome: Outcome) -> None:
    now = state.now
    if outcome.error is None:
        state.status |= state.record(step, outcome.result, state.steps)
        state.steps = ended(state.steps, step.name, "Succeeded", now, outcome.message or None)
        return
    attempts = (step.attempts or 1) - (step.void_attempts or 0)
    stated = next((plan.retries for plan in state.run.plans if plan.name == step.name), None)
    most = state.run.spec.backoff_limit if stated is None else stated
    patient = outcome.error is Reason.LOCKED or attempts <= most
    if patient and outcome.error not in _HOPELESS:
        state.steps = put_off(state.steps, step.name, retry_at(attempts, now), f"{outcome.error}: {outcome.message}")
        state.turn = _going(state, again=wait(attempts))
        return
    state.steps = ended(state.steps, step.name, "Failed", now, outcome.message)
    _fail(state, (outcome.error, f"step {step.name} failed: {outcome.message}"), step.name)


def _fail(state: _State, words: Words, step: str | None = None) -> None:
    """From here on only what undoes and cleans up. The first failure is the one that counts; later ones are told."""
    if state.failure is None:
        state.failure = words
        state.status |= state.run.blame(step, words, state.now)
    else:
        state.failure = state.failure[0], cut(f"{state.failure[1]}; then {words[1]}")
    forward = _planned(state.run, "Forward")
    for found in state.steps:
        if found.name in forward and found.state == "Pending":
            state.steps = ended(state.steps, found.name, "Skipped", state.now)


def _going(state: _State, *, start: StepStatus | None = None, again: float | None = None) -> Turn:
    status = story.running(state.status, state.steps, state.failure, state.run.generation, state.now)
    return Turn(status, start=start, again=again)


def _patience(state: _State) -> float:
    left = story.seconds_left(state.status, state.run.created, state.run.spec.timeout_seconds, state.now)
    return min(_LOOK_AT_JOB, left) if left > 0 else _LOOK_AT_JOB


def _interruption(run: Run, step: StepStatus, status: Mapping[str, Any], now: datetime) -> Words | None:
    """Why it goes no further. What is to run whatever happened is not cut off: it has a time limit of its own."""
    if step.name in _planned(run, "Always"):
        return None
    if run.spec.cancel:
        return Reason.CANCELLED, "it was cancelled"
    if story.seconds_left(status, run.created, run.spec.timeout_seconds, now) <= 0:
        return Reason.TIMED_OUT, f"it took longer than {run.spec.timeout_seconds} s"
    return None


def _failure(status: Mapping[str, Any]) -> Words | None:
    found = condition_of(status, "Succeeded")
    if found is None or not story.has_failed(status):
        return None
    return Reason(found["reason"]), found["message"]


def _next(steps: Steps, plans: tuple[StepPlan, ...], failure: Words | None) -> StepStatus | None:
    whens = {plan.name: plan.when for plan in plans}
    wanted = {"Forward", "Always"}
    if failure is not None:
        # What went well is not undone for what failed after it, such as a hook in the end.
        forward = (found.state for found in steps if whens.get(found.name, "Forward") == "Forward")
        wanted = {"Always", "Failure"} if any(state in ("Failed", "Skipped") for state in forward) else {"Always"}
    undone = (found for found in steps if found.state in ("Pending", "Running"))
    return next((found for found in undone if whens.get(found.name, "Forward") in wanted), None)


def _left_out(steps: Steps) -> Iterable[StepStatus]:
    for found in steps:
        yield found.model_copy(update={"state": "Skipped"}) if found.state == "Pending" else found
