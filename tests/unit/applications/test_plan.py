"""What an Application needs: what is applied in which order, what is deleted, what is never touched."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.application_specs import application, applications, specs
from harness.live_objects import live
from timonier.api import resources
from timonier.api.application import Application
from timonier.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from timonier.applications.children import MANAGER, owner_reference
from timonier.applications.plan import (
    SCALE_MANAGER,
    Announcement,
    Delete,
    Observed,
    Plan,
    Refusal,
    plan,
    wanted_objects,
)
from timonier.applications.revisions import Course
from timonier.engine.difference import differs

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
BY_KIND = {resource.kind: resource for resource in vars(resources).values() if isinstance(resource, Resource)}
RANDOM = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

Manifest = dict[str, Any]
PORTS = {"ports": [{"name": "http", "containerPort": 8080}]}
STORAGE = {"storage": [{"name": "data", "size": "1Gi", "mountPath": "/data"}]}
FULL: dict[str, Any] = {
    "workload": {**PORTS, "resources": {"requests": {"cpu": "100m"}}},
    "config": {"env": {"A": "1"}},
    "network": {"ingress": {"host": "web.example.org"}},
    "scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 5, "metrics": [{"type": "cpu", "target": 70}]}},
}


def observed(*manifests: Manifest) -> Observed:
    found: dict[Resource, list[Manifest]] = {}
    for manifest in manifests:
        found.setdefault(BY_KIND[manifest["kind"]], []).append(manifest)
    return Observed(found)


def after(result: Plan, before: Observed = Observed()) -> Observed:  # noqa: B008 - it is frozen
    """The world once everything in the plan has been done, by an API server and nobody else."""
    world = {
        (resource, manifest["metadata"]["name"]): manifest
        for resource, manifests in before.objects.items()
        for manifest in manifests
    }
    for gone in (*result.delete, *result.delete_last):
        del world[gone.resource, gone.name]
    for step in result.apply:
        key = (step.resource, step.manifest["metadata"]["name"])
        if step.manager == MANAGER:
            kept = {"replicas": world[key]["spec"]["replicas"]} if key in world and _has_replicas(world[key]) else {}
            world[key] = live(step.manifest)
            if step.resource in (DEPLOYMENTS, STATEFUL_SETS):
                world[key]["spec"] = kept | world[key]["spec"]
        elif key in world:
            world[key]["spec"] = world[key]["spec"] | step.manifest["spec"]
            world[key]["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop("f:replicas", None)
    return observed(*world.values())


def _has_replicas(manifest: Manifest) -> bool:
    return "replicas" in manifest.get("spec", {})


def steps(result: Plan) -> list[tuple[str, str]]:
    return [(step.resource.kind, step.manifest["metadata"]["name"]) for step in result.apply]


ORDERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the least": ({}, ["NetworkPolicy", "Deployment"]),
    "with everything": (
        FULL,
        ["ConfigMap", "NetworkPolicy", "Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler",
         "Deployment", "Deployment"],
    ),
    "with a volume": (
        {"workload": STORAGE, "network": {"networkPolicy": "None"}}, ["PersistentVolumeClaim", "Deployment"],
    ),
    "with members": (
        {"workload": {"kind": "StatefulSet", **STORAGE, **PORTS}, "scaling": {"replicas": 3}},
        ["NetworkPolicy", "Service", "Service", "PodDisruptionBudget", "StatefulSet"],
    ),
    "suspended": (FULL | {"suspend": True}, ["ConfigMap", "NetworkPolicy", "Service", "Ingress", "Deployment"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDERS)
def test_what_pods_need_is_there_before_they_are(case: str) -> None:
    spec, kinds = ORDERS[case]
    result = plan(application(spec), Observed(), NOW)
    assert [kind for kind, _ in steps(result)] == kinds
    assert result.delete == ()
    assert not result.blocked


def test_the_service_of_the_members_comes_first_and_each_has_its_name() -> None:
    result = plan(application({"workload": {"kind": "StatefulSet", **PORTS}}), Observed(), NOW)
    assert [name for kind, name in steps(result) if kind == "Service"] == ["web-headless", "web"]


@RANDOM
@given(applications())
def test_what_is_looked_up_before_planning_is_what_is_planned(web: Application) -> None:
    assert set(wanted_objects(Course(web))) == {
        (BY_KIND[kind], name) for kind, name in steps(plan(web, Observed(), NOW))
    }


@RANDOM
@given(applications())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(web: Application) -> None:
    world = after(plan(web, Observed(), NOW))
    again = plan(web, world, NOW)
    assert again.delete == ()
    assert not again.blocked
    for step in again.apply:
        found = world.find(step.resource, step.manifest["metadata"]["name"])
        assert found is not None
        assert step.manager == MANAGER
        assert not differs(step.manifest, found, MANAGER)
    settled = plan(web.model_copy(update={"status": again.status}), world, datetime(2030, 1, 1, tzinfo=UTC))
    assert settled.status == again.status
    assert settled.events == ()


@RANDOM
@given(specs(), specs())
def test_from_any_spec_to_any_other_in_one_plan(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Whatever was there before, the world becomes that of the new spec; only volumes may be left over."""
    assume(first["workload"]["kind"] == second["workload"]["kind"])
    before, web = application(first), application(second)
    world = after(plan(before, Observed(), NOW))
    changed = after(plan(web, world, NOW), world)
    settled = plan(web, changed, NOW)
    assert settled.delete == ()
    for step in settled.apply:
        found = changed.find(step.resource, step.manifest["metadata"]["name"])
        assert found is not None
        assert step.manager == MANAGER
        assert not differs(step.manifest, found, MANAGER)
    fresh = set(wanted_objects(Course(web)))
    left = {
        (resource, manifest["metadata"]["name"])
        for resource, manifests in changed.objects.items()
        for manifest in manifests
    }
    assert {resource for resource, _ in left - fresh} <= {PERSISTENT_VOLUME_CLAIMS}


@RANDOM
@given(specs(), specs())
def test_the_number_of_pods_survives_a_change_of_who_decides(first: dict[str, Any], second: dict[str, Any]) -> None:
    assume(first["workload"]["kind"] == second["workload"]["kind"])
    before, web = application(first), application(second)
    world = after(plan(before, Observed(), NOW))
    workload = wanted_objects(Course(web))[0]
    replicas = (world.find(*workload) or {})["spec"].get("replicas", 1)
    changed = after(plan(web, world, NOW), world)
    now = (changed.find(*workload) or {})["spec"].get("replicas", 1)
    autoscaling = web.spec.scaling.autoscaling
    if web.spec.suspend:
        assert now == 0
    elif autoscaling and before.spec.scaling.autoscaling and not before.spec.suspend:
        assert now == replicas  # the autoscaler itself goes to its new bounds
    elif autoscaling:
        assert now == max(replicas, autoscaling.min_replicas)
    else:
        assert now == web.spec.scaling.replicas


OWNERS = ("ours", "another's", "nobody's", "orphaned")


def owned_by(owner: str, web: Application, resource: Resource, name: str) -> Manifest:
    """A live object of the given name, as one that belongs to that owner looks."""
    wanted = {(r.kind, m["metadata"]["name"]): m for r, m in _all(web)}[resource.kind, name]
    if owner == "ours":
        return live(wanted)
    manifest = copy.deepcopy(dict(wanted))
    manifest["metadata"].pop("ownerReferences", None)
    if owner == "orphaned":
        return live(manifest)
    manifest["metadata"].pop("labels", None)
    if owner == "another's":
        manifest["metadata"]["ownerReferences"] = [
            owner_reference(web) | {"name": "other", "uid": "uid-2", "kind": "Helmsman"}
        ]
    return live(manifest, manager="somebody")


def _all(web: Application) -> list[tuple[Resource, Manifest]]:
    return [
        (step.resource, dict(step.manifest)) for step in plan(web, Observed(), NOW).apply if step.manager == MANAGER
    ]


@RANDOM
@given(applications(), st.data())
def test_what_belongs_to_somebody_else_is_neither_written_nor_deleted(web: Application, data: st.DataObject) -> None:
    owners = {target: data.draw(st.sampled_from(OWNERS)) for target in wanted_objects(Course(web))}
    world = observed(*(owned_by(owner, web, *target) for target, owner in owners.items()))
    mine = {
        target
        for target, owner in owners.items()
        if owner in ("ours", "orphaned") or (owner == "nobody's" and web.spec.adopt)
    }
    result = plan(web, world, NOW)
    written = {(step.resource, step.manifest["metadata"]["name"]) for step in result.apply}
    assert written <= mine
    stalled = {condition["type"]: condition for condition in result.status["conditions"]}["Stalled"]
    if wanted_objects(Course(web))[0] not in mine:
        assert written == set()  # without the workload nothing else is of use
    else:
        headless = {(SERVICES, "web-headless")}  # an adopted workload has its own
        assert mine - written <= headless
    blocking = set(owners) - mine - ({(SERVICES, "web-headless")} - written)
    if blocking:
        assert result.blocked
        assert (stalled["status"], stalled["reason"]) == ("True", "Conflict")
    for gone in result.delete:
        assert owners[gone.resource, gone.name] == "ours"


@RANDOM
@given(specs(), specs(), st.data())
def test_only_what_is_controlled_is_deleted_and_volumes_never_are(
    first: dict[str, Any], second: dict[str, Any], data: st.DataObject
) -> None:
    assume(first["workload"]["kind"] == second["workload"]["kind"])
    before, web = application(first), application(second)
    owners = {target: data.draw(st.sampled_from(OWNERS)) for target in wanted_objects(Course(before))}
    owners[wanted_objects(Course(before))[0]] = "ours"
    world = observed(*(owned_by(owner, before, *target) for target, owner in owners.items()))
    deleted = {(gone.resource, gone.name) for gone in plan(web, world, NOW).delete}
    unwanted = set(owners) - set(wanted_objects(Course(web)))
    assert deleted == {
        target for target in unwanted if owners[target] == "ours" and target[0] != PERSISTENT_VOLUME_CLAIMS
    }


def test_a_child_that_is_going_already_is_not_deleted_again() -> None:
    web = application({"network": {"networkPolicy": "None"}})
    policy = next(live(manifest) for resource, manifest in _all(application()) if resource == NETWORK_POLICIES)
    gone = Delete(NETWORK_POLICIES, "web", "uid of NetworkPolicy web")
    assert plan(web, observed(policy), NOW).delete == (gone,)
    policy["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert plan(web, observed(policy), NOW).delete == ()


def test_deletes_come_in_one_order_whatever_was_observed_first() -> None:
    everything = [live(manifest) for _, manifest in _all(application(FULL))]
    bare = application({"network": {"networkPolicy": "None"}})
    forth = plan(bare, observed(*everything), NOW).delete
    back = plan(bare, observed(*reversed(everything)), NOW).delete
    assert forth == back
    assert {gone.resource for gone in forth} == {
        CONFIG_MAPS, NETWORK_POLICIES, SERVICES, INGRESSES, POD_DISRUPTION_BUDGETS, HORIZONTAL_POD_AUTOSCALERS,
    }  # fmt: skip


def test_an_application_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    status = {"observedGeneration": 1}
    going = application(FULL, status=status, deletion_timestamp="2026-03-01T12:00:00Z")
    world = observed(*(live(manifest) for _, manifest in _all(application(FULL))))
    assert plan(going, world, NOW) == Plan(status=status)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_only_volumes_that_are_to_go_with_the_application_are_owned_by_it(policy: str) -> None:
    result = plan(application({"workload": STORAGE, "deletionPolicy": policy}), Observed(), NOW)
    (claim,) = [step.manifest for step in result.apply if step.resource == PERSISTENT_VOLUME_CLAIMS]
    assert claim["metadata"]["name"] == "web-data"
    assert ("ownerReferences" in claim["metadata"]) is (policy == "Delete")


def test_a_volume_that_outlived_its_application_is_taken_up_again() -> None:
    spec = {"workload": STORAGE, "deletionPolicy": "Retain"}
    claim = next(
        live(manifest) for _, manifest in _all(application(spec)) if manifest["kind"] == "PersistentVolumeClaim"
    )
    reborn = application(spec, uid="uid-9")
    result = plan(reborn, observed(claim), NOW)
    assert not result.blocked
    assert ("PersistentVolumeClaim", "web-data") in steps(result)


def foreign(labels: dict[str, str] | None = None, **metadata: Any) -> Manifest:
    chosen = labels or {"legacy": "web"}
    template = {
        "metadata": {"labels": chosen},
        "spec": {"containers": [{"name": "main", "image": "registry.example/web:1.0"}]},
    }
    return live(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": "shop", "name": "web", **metadata},
            "spec": {"replicas": 2, "selector": {"matchLabels": chosen}, "template": template},
        },
        manager="somebody",
    )


def stalled_message(result: Plan) -> str:
    conditions = {condition["type"]: condition for condition in result.status["conditions"]}
    assert conditions["Stalled"]["status"] == "True"
    return str(conditions["Ready"]["message"])


def test_a_foreign_workload_stops_everything_and_the_message_says_what_to_do() -> None:
    result = plan(application(FULL), observed(foreign()), NOW)
    assert result.apply == ()
    assert result.delete == ()
    assert result.blocked
    assert stalled_message(result) == (
        "Deployment web exists already and was not made for this Application: set spec.adopt to true to take it "
        "over, delete it, or give the Application another name than web"
    )
    assert [(event.reason, event.type) for event in result.events] == [("Conflict", "Warning")]


@pytest.mark.parametrize("adopt", [True, False])
def test_what_somebody_else_controls_is_not_even_adopted(adopt: bool) -> None:
    owner = {"apiVersion": "x/v1", "kind": "Helmsman", "name": "h", "uid": "uid-2", "controller": True}
    result = plan(application({"adopt": adopt}), observed(foreign(ownerReferences=[owner])), NOW)
    assert result.apply == ()
    assert stalled_message(result).startswith("Deployment web is controlled by Helmsman h (uid uid-2): ")


def test_a_foreign_child_stops_only_itself() -> None:
    web = application(FULL)
    intruder = live(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"}, "spec": {}},
        manager="somebody",
    )
    result = plan(web, observed(intruder), NOW)
    assert ("Service", "web") not in steps(result)
    assert ("Deployment", "web") in steps(result)
    assert result.blocked
    assert "Service web exists already" in stalled_message(result)
    assert "endpoints" not in result.status


@pytest.mark.parametrize(
    ("said", "reason"),
    [('services "web" is forbidden: exceeded quota: small', "QuotaExceeded"), ("denied by policy", "Refused")],
)
def test_what_the_api_server_refuses_is_told_with_its_words(said: str, reason: str) -> None:
    web = application({"workload": {"ports": [{"name": "http", "containerPort": 80}]}})
    result = plan(web, Observed(), NOW, [Refusal(SERVICES, "web", said)])
    assert stalled_message(result) == f"Service web is refused: {said}"
    assert [(event.type, event.reason) for event in result.events] == [("Warning", reason)]
    assert "endpoints" not in result.status
    assert result.apply == plan(web, Observed(), NOW).apply


def test_an_answer_that_is_too_long_for_a_status_is_cut() -> None:
    result = plan(application(), Observed(), NOW, [Refusal(SERVICES, "web", "x" * 100_000)])
    assert len(stalled_message(result)) <= 2048


def test_adoption_is_told_once_and_remembered() -> None:
    web = application({"adopt": True, "workload": PORTS, "scaling": {"replicas": 2}})
    result = plan(web, observed(foreign()), NOW)
    assert Announcement("Adopted", "Normal", "took over Deployment web") in result.events
    workload = result.apply[-1].manifest
    assert workload["metadata"]["annotations"] == {"timonier.dev/adopted": "true"}
    service = next(step.manifest for step in result.apply if step.resource == SERVICES)
    assert service["spec"]["selector"] == {"legacy": "web"}
    assert result.status["selector"] == "legacy=web"

    adopted = live(workload | {"spec": foreign()["spec"]})
    forgotten = application({"workload": PORTS, "scaling": {"replicas": 2}})
    again = plan(forgotten, observed(adopted), NOW)
    assert again.apply[-1].manifest == workload
    assert not [event for event in again.events if event.reason == "Adopted"]


def test_an_adopted_workload_whose_mark_was_taken_away_gets_it_back() -> None:
    web = application({"adopt": True, "scaling": {"replicas": 2}})
    workload = plan(web, observed(foreign()), NOW).apply[-1].manifest
    found = live(workload | {"spec": foreign()["spec"]})
    del found["metadata"]["annotations"]
    assert plan(web, observed(found), NOW).apply[-1].manifest == workload


def test_an_adopted_stateful_set_keeps_the_service_of_its_members() -> None:
    web = application({"adopt": True, "workload": {"kind": "StatefulSet"}})
    result = plan(web, observed(foreign() | {"kind": "StatefulSet"}), NOW)
    assert ("Service", "web-headless") not in steps(result)


def test_children_that_were_orphaned_on_purpose_are_taken_up_without_being_asked() -> None:
    web = application(uid="uid-9")
    orphan = owned_by("orphaned", application(), DEPLOYMENTS, "web")
    result = plan(web, observed(orphan), NOW)
    assert not result.blocked
    assert "annotations" not in result.apply[-1].manifest["metadata"]
    assert not result.events


def test_resuming_states_the_number_before_giving_it_up() -> None:
    """Were the order another, server-side apply would drop the number, and one pod would be left."""
    suspended, running = application(FULL | {"suspend": True}), application(FULL)
    world = after(plan(suspended, Observed(), NOW))
    result = plan(running, world, NOW)
    keep, main = result.apply[-2:]
    assert (keep.manager, keep.manifest["spec"]) == (SCALE_MANAGER, {"replicas": 2})
    assert main.manager == MANAGER
    assert "replicas" not in main.manifest["spec"]


def test_suspending_takes_the_autoscaler_away_first() -> None:
    world = after(plan(application(FULL), Observed(), NOW))
    result = plan(application(FULL | {"suspend": True}), world, NOW)
    assert {gone.resource for gone in result.delete} == {HORIZONTAL_POD_AUTOSCALERS, POD_DISRUPTION_BUDGETS}
    assert result.apply[-1].manifest["spec"]["replicas"] == 0


def test_a_workload_that_is_well_is_not_ready_while_it_states_an_older_spec() -> None:
    old = application(generation=1)
    world = after(plan(old, Observed(), NOW))
    workload = world.find(DEPLOYMENTS, "web")
    assert workload is not None
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "observedGeneration": 1}
    well = observed(dict(workload) | {"status": counts | {"conditions": [{"type": "Available", "status": "True"}]}})
    newer = application({"workload": {"image": {"repository": "registry.example/web", "tag": "2.0"}}}, generation=2)
    assert ready(plan(old, well, NOW)) == "True"
    result = plan(newer, well, NOW)
    assert ready(result) == "False"
    assert result.status["observedGeneration"] == 2


def ready(result: Plan) -> str:
    return {condition["type"]: str(condition["status"]) for condition in result.status["conditions"]}["Ready"]


def conditions(**states: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": state} for name, state in states.items()]}


ANNOUNCED: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "creation": ({}, {}, []),
    "not ready yet": ({}, conditions(Ready="False", Available="False", Stalled="False", Suspended="False"), []),
    "not available any more": (
        {}, conditions(Ready="True", Available="True", Stalled="False"), [("MinimumReplicasUnavailable", "Warning")],
    ),
    "suspended": ({"suspend": True}, conditions(Suspended="False"), [("Suspended", "Normal")]),
    "suspended from the start": ({"suspend": True}, {}, [("Suspended", "Normal")]),
    "resumed": ({}, conditions(Suspended="True"), [("Running", "Normal")]),
    "suspended as before": ({"suspend": True}, conditions(Suspended="True"), []),
}  # fmt: skip


@pytest.mark.parametrize("case", ANNOUNCED)
def test_transitions_worth_telling_are_told_once(case: str) -> None:
    spec, status, expected = ANNOUNCED[case]
    web = application(spec, status=status)
    result = plan(web, Observed(), NOW)
    assert [(event.reason, event.type) for event in result.events] == expected
    told = application(spec, status=dict(result.status))
    assert plan(told, Observed(), NOW).events == ()


@RANDOM
@given(applications())
def test_a_plan_depends_on_nothing_but_what_it_is_given(web: Application) -> None:
    assert plan(web, Observed(), NOW) == plan(web, Observed(), NOW)


def test_volumes_of_a_revision_that_is_coming_are_made_beside_those_that_there_are() -> None:
    old = {"name": "old", "size": "1Gi", "mountPath": "/old"}
    new = {"name": "new", "size": "1Gi", "mountPath": "/new"}
    here, coming = application({"workload": {"storage": [old]}}), application({"workload": {"storage": [old, new]}})
    claims = [(PERSISTENT_VOLUME_CLAIMS, name) for name in ("web-old", "web-new")]
    going = Course(here, hold="upgrade web-2", coming=coming)
    assert [target for target in wanted_objects(going) if target[0] == PERSISTENT_VOLUME_CLAIMS] == claims
    made = plan(here, Observed(going=going), NOW).apply
    applied = [step.manifest for step in made if step.resource == PERSISTENT_VOLUME_CLAIMS]
    assert [manifest["metadata"]["name"] for manifest in applied] == ["web-old", "web-new"]


def test_a_conflict_of_names_does_not_make_it_forget_its_revisions() -> None:
    here = application()
    foreign = {"kind": "Deployment", "metadata": {"name": "web", "uid": "theirs"}, "spec": {"selector": {}}}
    known = {"revision": "web-1", "failedRevision": "web-2"}
    result = plan(here, Observed({DEPLOYMENTS: [foreign]}, going=Course(here, revision="web-1", status=known)), NOW)
    assert result.blocked
    assert {name: result.status[name] for name in known} == known
