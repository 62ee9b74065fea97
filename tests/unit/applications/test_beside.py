"""What an Upgrade tries beside an Application's own workload: which objects, who reaches it, and when it goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.application_specs import application
from harness.live_objects import live
from timonier.api.moments import stamp
from timonier.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    Resource,
)
from timonier.applications.plan import Observed, Plan, plan, wanted_objects
from timonier.applications.revisions import Beside, Course, Traffic

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
LABEL, NEXT = "timonier.dev/application", "timonier.dev/next"
SHARED = {"name": "data", "size": "1Gi", "mountPath": "/data", "accessMode": "ReadWriteMany"}
OLD = {"workload": {"ports": [{"name": "http", "containerPort": 8080}]}, "config": {"env": {"A": "old"}}}
NEW = {
    "workload": {
        "image": {"repository": "web", "tag": "2"},
        "ports": [{"name": "http", "containerPort": 9090}],
        "storage": [SHARED],
    },
    "config": {"env": {"A": "new"}, "files": {"/etc/web.conf": "new"}},
}
OWN = [
    (CONFIG_MAPS, "web-next-config"),
    (NETWORK_POLICIES, "web-next"),
    (SERVICES, "web-next"),
    (DEPLOYMENTS, "web-next"),
]

Manifest = dict[str, Any]


def course(traffic: Traffic = "None", replicas: int | None = None, old: Manifest = OLD) -> Course:
    spec = {name: old[name] for name in ("scaling", "suspend", "network") if name in old}
    beside = Beside(application(NEW | spec), application(old), "web-2", "web-2", replicas, traffic)
    return Course(application(old), revision="web-1", beside=beside)


def decide(going: Course, *found: Manifest) -> Plan:
    kinds = {resource.kind: resource for resource in (CONFIG_MAPS, DEPLOYMENTS, NETWORK_POLICIES, SERVICES)}
    objects: dict[Resource, list[Manifest]] = {}
    for manifest in found:
        objects.setdefault(kinds[manifest["kind"]], []).append(manifest)
    return plan(going.application, Observed(objects, going=going), NOW)


def applied(result: Plan) -> dict[tuple[Resource, str], Any]:
    return {(step.resource, step.manifest["metadata"]["name"]): step.manifest for step in reversed(result.apply)}


def test_it_has_pods_a_configuration_a_service_and_a_policy_of_its_own() -> None:
    result = decide(course())
    made = applied(result)
    own = [name for name in made if name[1].startswith("web-next")][::-1]
    assert own == OWN
    assert set(wanted_objects(course())) == set(made)
    assert made[CONFIG_MAPS, "web-next-config"]["data"]["env.A"] == "new"
    assert made[CONFIG_MAPS, "web-config"]["data"] == {"env.A": "old"}
    pod = made[DEPLOYMENTS, "web-next"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (variable,) = container["env"]
    assert variable["valueFrom"]["configMapKeyRef"]["name"] == "web-next-config"
    assert {volume["name"]: volume for volume in pod["volumes"]} == {
        "data": {"name": "data", "persistentVolumeClaim": {"claimName": "web-data"}},
        "timonier-config": {"name": "timonier-config", "configMap": {"name": "web-next-config"}},
    }
    assert (PERSISTENT_VOLUME_CLAIMS, "web-data") in made
    assert made[SERVICES, "web-next"]["spec"]["ports"][0]["port"] == 9090
    assert made[NETWORK_POLICIES, "web-next"]["spec"]["podSelector"] == {"matchLabels": {NEXT: "web"}}
    assert all(NEXT in made[name]["metadata"]["labels"] for name in own)
    owners = {made[name]["metadata"]["ownerReferences"][0]["name"] for name in own}
    assert owners == {"web"}


@pytest.mark.parametrize(
    ("traffic", "selected", "leads_to"), [("None", False, LABEL), ("Shared", True, LABEL), ("All", False, NEXT)]
)
def test_whom_the_service_leads_to(traffic: Traffic, selected: bool, leads_to: str) -> None:
    made = applied(decide(course(traffic)))
    pods = made[DEPLOYMENTS, "web-next"]["spec"]["template"]["metadata"]["labels"]
    assert ((LABEL in pods), pods[NEXT], pods["app.kubernetes.io/instance"]) == (selected, "web", "web")
    assert made[DEPLOYMENTS, "web-next"]["spec"]["selector"] == {"matchLabels": {NEXT: "web"}}
    assert made[SERVICES, "web"]["spec"]["selector"] == {leads_to: "web"}
    assert made[SERVICES, "web"]["spec"]["ports"][0]["port"] == (9090 if traffic == "All" else 8080)
    assert made[SERVICES, "web-next"]["spec"]["selector"] == {NEXT: "web"}


def replicas(going: Course, *found: Manifest) -> int:
    count: int = applied(decide(going, *found))[DEPLOYMENTS, "web-next"]["spec"]["replicas"]
    return count


def test_it_has_as_many_pods_as_the_first_or_those_that_are_stated_and_none_without_any() -> None:
    many = OLD | {"scaling": {"replicas": 5}}
    assert (replicas(course(old=many)), replicas(course(replicas=2, old=many))) == (5, 2)
    for none in ({"suspend": True}, {"scaling": {"replicas": 0}}):
        assert (replicas(course(old=OLD | none)), replicas(course(replicas=2, old=OLD | none))) == (0, 0)
    scaling = {"autoscaling": {"minReplicas": 2, "maxReplicas": 9, "metrics": [{"type": "cpu", "target": 70}]}}
    scaled = OLD | {"scaling": scaling, "workload": OLD["workload"] | {"resources": {"requests": {"cpu": "1"}}}}
    result = applied(plan(application(scaled), Observed(), NOW))
    # Other pods have the load meanwhile, of which it would see too little.
    frozen = applied(decide(course(old=scaled)))[HORIZONTAL_POD_AUTOSCALERS, "web"]["spec"]["behavior"]
    assert frozen == {"scaleDown": {"selectPolicy": "Disabled"}}
    assert "behavior" not in result[HORIZONTAL_POD_AUTOSCALERS, "web"]["spec"]
    made = result[DEPLOYMENTS, "web"]
    assert replicas(course(old=scaled), live(made | {"spec": made["spec"] | {"replicas": 7}})) == 7


def test_it_goes_once_everything_else_is_as_it_is_to_be() -> None:
    there = [live(manifest) for (_, name), manifest in applied(decide(course("All"))).items() if name != "web-data"]
    result = decide(Course(application(OLD), revision="web-1"), *there)
    assert result.delete == result.delete_last == ()  # requests were led to it a moment ago
    assert result.lingers
    assert applied(result)[SERVICES, "web"]["spec"]["selector"] == {LABEL: "web"}
    front = applied(result)[SERVICES, "web"]
    there = [live(front) if (each["kind"], each["metadata"]["name"]) == ("Service", "web") else each for each in there]
    result = decide(Course(application(OLD), revision="web-1"), *there)
    assert (result.delete, result.lingers) == ((), False)
    assert {(gone.resource, gone.name) for gone in result.delete_last} == set(OWN)
    assert decide(course("All"), *there).delete_last == ()


def test_ports_of_other_numbers_and_names_are_reached() -> None:
    network = {"network": {"ingress": {"host": "web.example"}}}
    renamed = {"workload": {"ports": [{"name": "page", "containerPort": 8080}]}}
    old = OLD | network | renamed
    for traffic, port, name in (("None", "page", 8080), ("All", "http", 9090), ("Shared", "page", 8080)):
        made = applied(decide(course(traffic, old=old)))
        rule = made[INGRESSES, "web"]["spec"]["rules"][0]["http"]["paths"][0]
        assert rule["backend"]["service"]["port"] == {"name": port}
        (found,) = made[SERVICES, "web"]["spec"]["ports"]
        assert (found["name"], found["targetPort"]) == (port, name)


@pytest.mark.parametrize(
    ("old", "new", "leads_to"),
    [
        (("http", 8080), ("http", 9090), "http"),
        (("http", 8080), ("page", 8080), 8080),
        (("http", 8080), ("http", 8080), 8080),
        (("http", 8080), ("http", 8081), "http"),
    ],
)
def test_a_canary_is_reached_by_what_its_port_and_the_old_one_have_in_common(
    old: tuple[str, int], new: tuple[str, int], leads_to: str | int
) -> None:
    here, there = (
        application({"workload": {"ports": [{"name": name, "containerPort": number}]}}) for name, number in (old, new)
    )
    beside = Beside(there, here, "web-2", "web-2", 1, "Shared")
    (port,) = applied(decide(Course(here, revision="web-1", beside=beside)))[SERVICES, "web"]["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("http", 8080, leads_to)
    # Nor are the old pods lost while they are replaced.
    (port,) = applied(decide(Course(there, revision="web-2", beside=beside)))[SERVICES, "web"]["spec"]["ports"]
    assert (port["name"], port["targetPort"]) == (new[0], leads_to)


def test_what_served_a_moment_ago_stays_for_those_who_are_on_their_way() -> None:
    there = [live(manifest) for (_, name), manifest in applied(decide(course("None"))).items() if name != "web-data"]
    (front,) = (each for each in there if (each["kind"], each["metadata"]["name"]) == ("Service", "web"))
    for seconds, lingers in ((2, True), (6, False)):
        front["metadata"]["managedFields"][0]["time"] = stamp(NOW - timedelta(seconds=seconds))
        result = decide(Course(application(OLD), revision="web-1"), *there)
        assert (result.lingers, bool(result.delete_last)) == (lingers, not lingers)


def test_pods_for_which_no_budget_speaks_have_one_of_their_own() -> None:
    many = OLD | {"scaling": {"replicas": 3}}
    for traffic, there in (("None", True), ("All", True), ("Shared", False)):
        made = applied(decide(course(traffic, old=many)))
        assert ((POD_DISRUPTION_BUDGETS, "web-next") in made) == there
        assert (POD_DISRUPTION_BUDGETS, "web") in made


@pytest.mark.parametrize("adopt", [True, False])
@pytest.mark.parametrize(("kind", "name"), [("Deployment", "web-next"), ("ConfigMap", "web-next-config")])
def test_what_is_of_another_under_its_name_is_left_alone(adopt: bool, kind: str, name: str) -> None:
    foreign = {"kind": kind, "metadata": {"name": name, "uid": "theirs"}, "spec": {}}
    result = decide(course(old=OLD | {"adopt": adopt}), foreign)
    if kind == "ConfigMap":  # what is there already does not go for it
        own = live(applied(decide(course()))[DEPLOYMENTS, "web-next"])
        kept = decide(course(old=OLD | {"adopt": adopt}), foreign, own)
        assert kept.delete_last == ()
    assert (DEPLOYMENTS, "web-next") not in applied(result)
    assert result.blocked
    assert decide(Course(application(OLD)), foreign).delete_last == ()
