"""How many pods, and who decides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.application_specs import application, applications
from harness.live_objects import live
from timonier.api.application import Application
from timonier.applications.plan import SCALE_MANAGER
from timonier.applications.scaling import (
    autoscaler,
    desired_replicas,
    disruption_budget,
    handed_over,
    kept_replicas,
    stated_replicas,
)

SELECTOR = {"matchLabels": {"a": "b"}}


def auto(low: int = 2, high: int = 5, **spec: Any) -> Application:
    autoscaling = {"minReplicas": low, "maxReplicas": high, "metrics": [{"type": "cpu", "target": 70}]}
    return application({"scaling": {"replicas": 7, "autoscaling": autoscaling}, **spec})


def fixed(replicas: int, **spec: Any) -> Application:
    return application({"scaling": {"replicas": replicas}, **spec})


def deployment(replicas: int | None, *, ours: bool) -> dict[str, Any]:
    """A live Deployment; `ours` says whether the operator stated its number of pods."""
    stated = {"replicas": replicas} if replicas is not None else {}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": stated}
    found = live(made if ours else made | {"spec": {}})
    return found | {"spec": stated}


@pytest.mark.parametrize(
    ("web", "stated"),
    [
        (application(), 1),
        (fixed(3), 3),
        (fixed(0), 0),
        (auto(), None),
        (fixed(3, suspend=True), 0),
        (auto(suspend=True), 0),
        (fixed(3, suspend=False), 3),
    ],
)
def test_the_number_that_is_stated(web: Application, stated: int | None) -> None:
    assert stated_replicas(web) == stated


@pytest.mark.parametrize(
    ("web", "live_replicas", "desired"),
    [
        (fixed(3), 9, 3),
        (fixed(0), 9, 0),
        (fixed(3, suspend=True), 3, 0),
        (auto(), None, 2),
        (auto(), 1, 2),
        (auto(), 4, 4),
        (auto(), 9, 9),
        (auto(suspend=True), 4, 0),
    ],
)
def test_the_number_there_should_be(web: Application, live_replicas: int | None, desired: int) -> None:
    found = deployment(live_replicas, ours=False) if live_replicas is not None else None
    assert desired_replicas(web, found) == desired


def test_a_workload_without_a_number_has_one_pod() -> None:
    assert desired_replicas(auto(1), deployment(None, ours=False)) == 1


HANDOVERS: dict[str, tuple[Application, dict[str, Any] | None, int | None]] = {
    "no autoscaling": (fixed(3), deployment(3, ours=True), None),
    "suspended": (auto(suspend=True), deployment(3, ours=True), None),
    "a new workload, of more than one": (auto(2), None, 2),
    "a new workload of one is created with one": (auto(1), None, None),
    "from a fixed number": (auto(2), deployment(4, ours=True), 4),
    "from a fixed number below the least": (auto(2), deployment(1, ours=True), 2),
    "done already": (auto(2), deployment(4, ours=False), None),
    "back from none at all": (auto(2), deployment(0, ours=True), 2),
    "back from none at all that somebody else wrote": (auto(2), deployment(0, ours=False), 2),
}


@pytest.mark.parametrize("case", HANDOVERS)
def test_the_number_is_handed_over_so_that_it_stays(case: str) -> None:
    web, found, replicas = HANDOVERS[case]
    manifest = handed_over(web, found)
    if replicas is None:
        assert manifest is None
    else:
        assert manifest == {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"replicas": replicas},
        }


def test_another_manager_takes_it_over() -> None:
    assert SCALE_MANAGER != "timonier"  # applied under the operator's own name it would be dropped at once


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_autoscaler(kind: str) -> None:
    rules = {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}
    autoscaling = {
        "minReplicas": 2,
        "maxReplicas": 5,
        "metrics": [{"type": "cpu", "target": 70}, {"type": "memory", "target": 80}],
        "behavior": {"scaleDown": rules},
    }
    made = autoscaler(application({"workload": {"kind": kind}, "scaling": {"autoscaling": autoscaling}}))
    assert made is not None
    assert made["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": target}},
            }
            for name, target in (("cpu", 70), ("memory", 80))
        ],
        "behavior": {"scaleDown": rules},
    }


@pytest.mark.parametrize("web", [fixed(3), auto(suspend=True)])
def test_no_autoscaler(web: Application) -> None:
    assert autoscaler(web) is None


@pytest.mark.parametrize(
    ("web", "there"),
    [
        (fixed(0), False),
        (fixed(1), False),
        (fixed(2), True),
        (fixed(2, suspend=True), False),
        (auto(1, 1), False),
        (auto(1, 2), True),
        (auto(2, suspend=True), False),
    ],
)
def test_a_budget_is_there_exactly_where_several_pods_may_be(web: Application, there: bool) -> None:
    made = disruption_budget(web, SELECTOR)
    assert (made is not None) is there
    if made is not None:
        assert made["spec"] == {
            "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": SELECTOR,
        }  # fmt: skip


@given(applications(), st.none() | st.integers(0, 9))
def test_the_numbers_agree(web: Application, live_replicas: int | None) -> None:
    found = deployment(live_replicas, ours=True) if live_replicas is not None else None
    stated, desired = stated_replicas(web), desired_replicas(web, found)
    assert stated is None or stated == desired
    assert (stated is None) == (autoscaler(web) is not None)
    handover = handed_over(web, found)
    assert handover is None or (stated is None and handover["spec"]["replicas"] == desired)


def test_stopped_it_knows_how_many_pods_the_autoscaler_had_asked_for() -> None:
    busy = deployment(5, ours=False)
    assert kept_replicas(auto(), busy) is kept_replicas(fixed(3, suspend=True), busy) is None
    assert kept_replicas(auto(suspend=True), None) is None
    assert kept_replicas(auto(suspend=True), busy) == 5
    stopped = deployment(0, ours=True)
    assert kept_replicas(auto(suspend=True), stopped) is None
    stopped["metadata"] = {**stopped["metadata"], "annotations": {"timonier.dev/replicas": "5"}}
    assert kept_replicas(auto(suspend=True), stopped) == 5
    handover = handed_over(auto(), stopped)
    assert handover is not None
    assert handover["spec"] == {"replicas": 5}
    stopped["metadata"]["annotations"]["timonier.dev/replicas"] = "many"
    handover = handed_over(auto(2), stopped)
    assert handover is not None
    assert handover["spec"] == {"replicas": 2}
