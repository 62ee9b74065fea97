"""Hooks: which steps they are, where they run, and what their end means."""

from typing import Any

import pytest

from timonier.api.application import Application
from timonier.api.probes import Hook
from timonier.engine.exec import Container, Ended
from timonier.runs.hooks import (
    container_of,
    hook_of,
    is_hook,
    is_post,
    lost,
    outcome_of_hook,
    post_steps,
    pre_steps,
)
from timonier.runs.reasons import Reason
from timonier.runs.turn import StepPlan

WEB = Application.model_validate(
    {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
        "spec": {"workload": {"image": {"repository": "web"}}},
    }
)


def hook(name: str = "freeze", **fields: Any) -> Hook:
    return Hook.model_validate({"name": name, "exec": {"command": ["true"]}, **fields})


def test_hooks_are_steps_and_those_afterwards_always_run() -> None:
    pre, post = (hook("freeze"),), (hook("thaw"), hook("freeze"))
    plans = (*pre_steps(pre), StepPlan("Transfer"), *post_steps(post))
    assert [(plan.name, plan.when) for plan in plans] == [
        ("PreHook/freeze", "Forward"),
        ("Transfer", "Forward"),
        ("PostHook/thaw", "Always"),
        ("PostHook/freeze", "Always"),
    ]
    assert [is_post(plan.name) for plan in plans] == [False, False, True, True]
    assert hook_of("PostHook/freeze", pre, post) is post[1]
    assert hook_of("PreHook/thaw", pre, post) is None
    assert [is_hook(plan.name) for plan in plans] == [True, False, True, True]


@pytest.mark.parametrize(
    ("ended", "on_error", "error", "words"),
    [
        (Ended(0, b"", b""), "Fail", None, ""),
        (Ended(3, b"out", b"no room\n"), "Fail", Reason.HOOK_FAILED, "the hook freeze ended with exit code 3: no room"),
        (Ended(3, b"out", b""), "Fail", Reason.HOOK_FAILED, "the hook freeze ended with exit code 3: out"),
        (Ended(3, b"", b""), "Continue", None, "the hook freeze ended with exit code 3; it goes on all the same"),
        ("no pod", "Fail", Reason.HOOK_FAILED, "the hook freeze could not be run to its end: no pod"),
    ],
)
def test_what_the_end_of_a_hook_means(ended: Ended | str, on_error: str, error: Reason | None, words: str) -> None:
    found = outcome_of_hook(hook(onError=on_error), ended)
    assert (found.error, found.message) == (error, words)


def test_a_hook_of_which_nobody_knows_is_run_again_only_where_it_cleans_up() -> None:
    assert lost("PreHook/freeze").error is Reason.HOOK_FAILED
    assert lost("PostHook/thaw").error is Reason.INTERRUPTED


def pod(name: str, *containers: str, ready: str = "True", age: int = 0, **metadata: Any) -> dict[str, Any]:
    created = f"2026-11-27T08:0{9 - age}:00Z"
    return {
        "metadata": {"namespace": "shop", "name": name, "creationTimestamp": created, **metadata},
        "spec": {"containers": [{"name": container} for container in containers or ("web",)]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


@pytest.mark.parametrize(
    ("pods", "container", "expected"),
    [
        pytest.param([pod("new"), pod("old", age=1)], None, "old/web", id="the oldest"),
        pytest.param([pod("sick", ready="False", age=1), pod("well")], None, "well/web", id="a ready one"),
        pytest.param([pod("p", "proxy", "web")], None, "p/web", id="the application's"),
        pytest.param([pod("p", "proxy", "main")], None, "p/proxy", id="an adopted one's first"),
        pytest.param([pod("p", "proxy", "web")], "proxy", "p/proxy", id="the one that is stated"),
        pytest.param([pod("p")], "none", Reason.NOT_SUPPORTED, id="one that is not there"),
        pytest.param([pod("p", deletionTimestamp="x")], None, Reason.NOT_READY_YET, id="one that is going"),
        pytest.param([], None, Reason.NOT_READY_YET, id="none"),
    ],
)
def test_where_a_command_runs(pods: list[Any], container: str | None, expected: Any) -> None:
    found = container_of(WEB, pods, container)
    assert (f"{found.pod}/{found.name}" if isinstance(found, Container) else found[0]) == expected
