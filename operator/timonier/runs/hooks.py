"""What an application is made to do around a run: hooks as steps, and what their end means. Pure."""

from collections.abc import Sequence
from typing import Final

from timonier.api.application import Application
from timonier.api.probes import Hook
from timonier.engine.contract import Manifest
from timonier.engine.exec import Container, Ended
from timonier.runs.outcome import Outcome
from timonier.runs.reasons import Reason, Words
from timonier.runs.turn import StepPlan

__all__ = [
    "container_of",
    "hook_of",
    "is_hook",
    "is_post",
    "lost",
    "outcome_of_hook",
    "post_steps",
    "pre_steps",
    "wants_pods",
]

_PRE: Final = "PreHook/"
_POST: Final = "PostHook/"
_LONGEST_OUTPUT: Final = 500


def pre_steps(hooks: Sequence[Hook]) -> tuple[StepPlan, ...]:
    """The steps before: each begins once at most, as nobody knows whether twice would do harm."""
    return tuple(StepPlan(f"{_PRE}{hook.name}") for hook in hooks)


def post_steps(hooks: Sequence[Hook]) -> tuple[StepPlan, ...]:
    """The steps afterwards, whatever happened: they undo what those before did."""
    return tuple(StepPlan(f"{_POST}{hook.name}", "Always") for hook in hooks)


def is_post(step: str) -> bool:
    """The step is a hook that runs whatever happened.

    >>> is_post("PostHook/thaw")
    True
    """
    return step.startswith(_POST)


def is_hook(step: str) -> bool:
    """The step is a hook.

    >>> is_hook("PostHook/thaw"), is_hook("Transfer")
    (True, False)
    """
    return step.startswith((_PRE, _POST))


def hook_of(step: str, pre: Sequence[Hook], post: Sequence[Hook]) -> Hook | None:
    """The hook that a step is."""
    name = step.partition("/")[2]
    return next((hook for hook in (pre if step.startswith(_PRE) else post) if hook.name == name), None)


def lost(step: str) -> Outcome:
    """What it means that a hook had begun, and nobody knows how it ended."""
    if step.startswith(_PRE):
        return Outcome(Reason.HOOK_FAILED, "it is not known whether it ran: the operator was replaced meanwhile")
    return Outcome(Reason.INTERRUPTED, "it is not known whether it ran: the operator was replaced meanwhile")


def outcome_of_hook(hook: Hook, ended: Ended | str) -> Outcome:
    """What the end of its command means for the run; a text says why it could not be run, or did not end."""
    if isinstance(ended, Ended):
        if ended.exit_code == 0:
            return Outcome()
        said = (ended.error_output or ended.output).decode(errors="replace").strip()[-_LONGEST_OUTPUT:]
        message = f"the hook {hook.name} ended with exit code {ended.exit_code}" + (f": {said}" if said else "")
    else:
        message = f"the hook {hook.name} could not be run to its end: {ended}"
    if hook.on_error == "Continue":
        return Outcome(message=f"{message}; it goes on all the same")
    return Outcome(Reason.HOOK_FAILED, message)


def container_of(application: Application, pods: Sequence[Manifest], name: str | None) -> Container | Words:
    """Where a command is executed: in the oldest pod that is ready; words say why there is none.

    `name` is the container's; the application's own if None.
    """
    ready = sorted((pod for pod in pods if _is_ready(pod)), key=_age)
    if not ready:
        return Reason.NOT_READY_YET, f"no pod of the Application {application.metadata.name} is ready"
    pod = ready[0]
    names = [container["name"] for container in pod["spec"]["containers"]]
    wanted = name or (application.metadata.name if application.metadata.name in names else names[0])
    if wanted not in names:
        return Reason.NOT_SUPPORTED, f"the pod {pod['metadata']['name']} has no container {wanted}"
    return Container(pod["metadata"]["namespace"], pod["metadata"]["name"], wanted)


def wants_pods(application: Application) -> bool:
    """Whether there are to be any: else nothing can be asked of them, and that none is ready is as it should be."""
    scaling = application.spec.scaling
    return not application.spec.suspend and (scaling.autoscaling is not None or scaling.replicas > 0)


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any((found.get("type"), found.get("status")) == ("Ready", "True") for found in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]
