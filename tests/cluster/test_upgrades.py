"""Upgrades where no pod really runs: which are made when, who may hold them up, and what becomes of old ones.

The nodes are simulated: every command ends well at once, and only a pod whose volume never comes is never ready.
tests/node has real ones.
"""

from collections.abc import Callable
from typing import Any

import pytest

from harness.applications import application
from harness.backups import condition
from harness.fixtures import Kubectl
from harness.kube import SECRETS, Kube, Manifest
from harness.operator_process import OperatorProcess
from harness.restricted_pods import restricted_pod, restricted_spec
from harness.upgrades import step_states, wait_upgrade, wait_upgrade_step
from timonier.api.resources import (
    APPLICATIONS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    UPGRADES,
)

pytestmark = pytest.mark.cluster

MIGRATION = {"name": "schema", "command": ["up"], "downCommand": ["down"]}
STORAGE = {
    "name": "data",
    "size": "1Gi",
    "mountPath": "/data",
    "storageClassName": "nowhere",
    "accessMode": "ReadWriteMany",
}
WAITING = {"storage": [STORAGE]}
"""What a workload says whose pods wait for a volume that never comes."""
QUICK = {"progressDeadlineSeconds": 5}


def web(namespace: str, tag: str = "1", policy: Manifest | None = None, **spec: Any) -> Manifest:
    """An application that is upgraded by a policy."""
    workload = {"image": {"repository": "registry.example/web", "tag": tag}} | spec.pop("workload", {})
    return application(namespace, workload=workload, upgrade=policy or {}, **spec)


@pytest.fixture
def ready(kube: Kube, operator: OperatorProcess, namespace: str) -> str:
    """The namespace of an application of version 1."""
    kube.apply(web(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    return namespace


def names(kube: Kube, resource: Any, namespace: str) -> list[str]:
    """Of all objects of a namespace."""
    return sorted(found["metadata"]["name"] for found in kube.list(resource, namespace))


def wait_stalled(kube: Kube, namespace: str, said: str) -> None:
    """Wait until the Application says that in its condition Stalled."""
    kube.wait(
        "it is said", lambda: said in condition(kube.get(APPLICATIONS, namespace, "web"), "Stalled").get("message", "")
    )


def image(kube: Kube, namespace: str) -> str:
    """What the Deployment states."""
    found = kube.get(DEPLOYMENTS, namespace, "web") or {}
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_change_is_one_upgrade_with_its_migration_and_nothing_else_makes_one(
    kube: Kube, kubectl: Kubectl, ready: str
) -> None:
    job = {"name": "asks", "job": {"command": ["ask"]}}
    policy = {"migrations": [MIGRATION], "verify": [job], "bakeSeconds": 1, "quiesce": True}
    kube.apply(web(ready, policy=policy, scaling={"replicas": 2}))
    kube.wait_condition(ready, "web", "Ready")
    assert names(kube, UPGRADES, ready) == []
    kube.apply(web(ready, "2", policy, scaling={"replicas": 2}, config={"env": {"A": "1"}}))
    made = wait_upgrade(kube, ready, "web-2")
    assert set(step_states(made).values()) <= {"Succeeded", "Skipped"}
    assert "end" in made["downtime"]
    application = kube.wait_condition(ready, "web", "Ready")
    assert application["status"]["revision"] == "web-2"
    assert "activeRun" not in application["status"]
    assert condition(application, "UpgradeFailed")["status"] == "False"
    # The log of the migration stays, and what it read.
    (kept,) = (found for found in kube.list(JOBS, ready) if "migrate" in found["metadata"]["name"])
    pod = kept["spec"]["template"]["spec"]
    (variable,) = pod["containers"][0]["env"]
    own = kube.get(CONFIG_MAPS, ready, variable["valueFrom"]["configMapKeyRef"]["name"])
    assert own is not None
    assert own["data"] == {"env.A": "1"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    print(kubectl("get", "applications,upgrades,controllerrevisions,jobs", "--namespace", ready))


def test_what_never_gets_ready_is_rolled_back_and_not_tried_again_until_the_spec_changes(
    kube: Kube, ready: str
) -> None:
    policy = QUICK | {"migrations": [MIGRATION], "rollbackData": "Command"}
    kube.apply(web(ready, "2", policy, workload=WAITING))
    failed = wait_upgrade(kube, ready, "web-2", phase="Failed")
    assert (failed["rollbackReason"], failed["rolledBack"]) == ("ProgressDeadlineExceeded", True)
    assert step_states(failed)["Undo/schema"] == "Succeeded"

    def stalled() -> Manifest | None:
        found = kube.get(APPLICATIONS, ready, "web")
        return found if condition(found, "Stalled").get("reason") == "UpgradeFailed" else None

    application = kube.wait("it says what failed", stalled)
    assert application is not None
    assert application["status"]["failedRevision"] == "web-2"
    assert (condition(application, "Available")["status"], image(kube, ready)) == ("True", "registry.example/web:1")
    kube.apply(web(ready, "2", policy, workload=WAITING, scaling={"replicas": 2}))
    kube.wait(
        "there are two pods", lambda: (kube.get(DEPLOYMENTS, ready, "web") or {})["status"].get("readyReplicas") == 2
    )
    assert names(kube, UPGRADES, ready) == ["web-2"]
    kube.apply(web(ready, "3", policy))
    wait_upgrade(kube, ready, "web-3")
    kube.wait_condition(ready, "web", "Ready")
    assert image(kube, ready) == "registry.example/web:3"


def test_a_person_approves_and_what_touched_nothing_gives_way_to_a_newer_spec(
    kube: Kube, kubectl: Kubectl, ready: str
) -> None:
    policy = {"approval": "Manual"}
    kube.apply(web(ready, "2", policy))
    wait_upgrade_step(kube, ready, "web-2", "Approve")
    kube.wait(
        "the Application says so", lambda: "in step Approve" in kube.conditions(ready, "web")["Progressing"]["message"]
    )
    assert kube.conditions(ready, "web")["Progressing"]["reason"] == "Upgrading"
    kube.apply(web(ready, "3", policy))
    wait_upgrade(kube, ready, "web-2", phase="Cancelled")
    wait_upgrade_step(kube, ready, "web-3", "Approve")
    assert image(kube, ready) == "registry.example/web:1"
    kubectl("annotate", "upgrade", "web-3", "timonier.dev/approve=true", "--namespace", ready)
    wait_upgrade(kube, ready, "web-3")
    kube.wait_condition(ready, "web", "Ready")


def test_paused_it_is_left_as_it_is_until_a_person_has_seen_enough(kube: Kube, kubectl: Kubectl, ready: str) -> None:
    kube.apply(web(ready, "2", QUICK | {"onFailure": "Pause"}, workload=WAITING))
    status = wait_upgrade_step(kube, ready, "web-2", "Pause")
    assert status["rollbackReason"] == "ProgressDeadlineExceeded"
    assert image(kube, ready) == "registry.example/web:2"
    kubectl("annotate", "upgrade", "web-2", "timonier.dev/rollback=true", "--namespace", ready)
    assert wait_upgrade(kube, ready, "web-2", phase="Failed")["rolledBack"] is True
    assert image(kube, ready) == "registry.example/web:1"


def test_cancelled_it_goes_back(kube: Kube, ready: str) -> None:
    kube.apply(web(ready, "2", workload=WAITING))
    wait_upgrade_step(kube, ready, "web-2", "Rollout")
    kube.patch(UPGRADES, ready, "web-2", {"spec": {"cancel": True}})
    cancelled = wait_upgrade(kube, ready, "web-2", phase="Cancelled")
    assert (cancelled["rollbackReason"], cancelled["rolledBack"]) == ("Cancelled", True)
    kube.wait("it is as before", lambda: image(kube, ready) == "registry.example/web:1")


def test_a_secret_that_is_written_is_an_upgrade_and_its_content_is_never_asked_for(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    def secret(value: str) -> Manifest:
        metadata = {"namespace": namespace, "name": "keys"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"KEY": value}}

    reads = {"envFrom": [{"secretRef": {"name": "keys", "optional": True}}]}
    kube.apply(web(namespace, workload=reads))
    kube.wait_condition(namespace, "web", "Ready")
    kube.apply(secret("a"))
    # The operator looks every minute; a change of the Application makes it look at once.
    kube.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": 2}}})

    def seen() -> bool:
        return "Secret/keys" in (kube.get(APPLICATIONS, namespace, "web") or {})["status"].get("references", {})

    kube.wait("its first state is known", seen)
    assert names(kube, UPGRADES, namespace) == []
    before = (kube.get(DEPLOYMENTS, namespace, "web") or {})["spec"]["template"]["metadata"].get("annotations", {})
    kube.apply(secret("b"))
    kube.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": 3}}})
    wait_upgrade(kube, namespace, "web-2")
    after = (kube.get(DEPLOYMENTS, namespace, "web") or {})["spec"]["template"]["metadata"]["annotations"]
    assert "timonier.dev/revision" not in before
    assert "timonier.dev/revision" in after
    assert kube.get(SECRETS, namespace, "keys") is not None


def test_old_upgrades_go_and_all_goes_with_the_application(kube: Kube, ready: str) -> None:
    for tag in ("2", "3", "4"):
        kube.apply(web(ready, tag, {"revisionHistoryLimit": 2}))
        wait_upgrade(kube, ready, f"web-{tag}")
    kube.wait("the oldest is gone", lambda: names(kube, UPGRADES, ready) == ["web-3", "web-4"])

    def revisions() -> list[str]:
        ours = kube.list(CONTROLLER_REVISIONS, ready, "timonier.dev/revision")
        return sorted(found["metadata"]["name"] for found in ours)

    kube.wait("its revision is gone", lambda: revisions() == ["web-2", "web-3", "web-4"])
    kube.delete(APPLICATIONS, ready, "web")
    kube.wait(
        "all is gone", lambda: not names(kube, UPGRADES, ready) and not names(kube, CONTROLLER_REVISIONS, ready), 60
    )


def test_an_upgrade_that_somebody_removes_has_failed(kube: Kube, ready: str) -> None:
    kube.apply(web(ready, "2", {"approval": "Manual"}))
    wait_upgrade_step(kube, ready, "web-2", "Approve")
    kube.delete(UPGRADES, ready, "web-2")
    kube.wait("it says so", lambda: kube.conditions(ready, "web").get("UpgradeFailed", {}).get("status") == "True")
    assert image(kube, ready) == "registry.example/web:1"


def test_an_upgrade_of_another_that_has_the_name_is_said_and_left_alone(kube: Kube, ready: str) -> None:
    kube.apply(
        {
            "apiVersion": UPGRADES.api_version,
            "kind": UPGRADES.kind,
            "metadata": {"namespace": ready, "name": "web-2"},
            "spec": {"targetRef": {"name": "other"}, "fromRevision": "a", "toRevision": "b", "policy": {}},
        }
    )
    kube.apply(web(ready, "2"))
    wait_stalled(kube, ready, "Upgrade web-2 exists already")
    assert image(kube, ready) == "registry.example/web:1"
    kube.delete(UPGRADES, ready, "web-2")
    wait_upgrade(kube, ready, "web-2")
    kube.wait_condition(ready, "web", "Ready")
    assert image(kube, ready) == "registry.example/web:2"


def test_set_again_the_policy_begins_with_what_runs(kube: Kube, ready: str) -> None:
    kube.apply(web(ready, "2"))
    wait_upgrade(kube, ready, "web-2")
    kube.wait_condition(ready, "web", "Ready")
    without = web(ready, "5")
    del without["spec"]["upgrade"]
    kube.apply(without)
    kube.wait("it is unset", lambda: "revision" not in (kube.get(APPLICATIONS, ready, "web") or {})["status"])
    kube.wait_condition(ready, "web", "Ready")
    before = (kube.get(DEPLOYMENTS, ready, "web") or {})["spec"]["template"]
    kube.apply(web(ready, "5"))
    kube.wait("it has a revision", lambda: "revision" in (kube.get(APPLICATIONS, ready, "web") or {})["status"])
    application = kube.wait_condition(ready, "web", "Ready")
    assert application["status"]["revision"] == "web-3"
    after = kube.get(DEPLOYMENTS, ready, "web") or {}
    assert (image(kube, ready), after["spec"]["template"]) == ("registry.example/web:5", before)
    assert names(kube, UPGRADES, ready) == ["web-2"]


def test_a_workload_that_was_taken_over_is_stopped_and_its_migration_has_what_its_pods_have(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    container = {"name": "own", "image": "registry.example/web:1", "env": [{"name": "THEIRS", "value": "1"}]}
    template = {"metadata": {"labels": {"app": "legacy"}}, "spec": restricted_spec(container)}
    kube.apply(
        {
            "apiVersion": DEPLOYMENTS.api_version,
            "kind": DEPLOYMENTS.kind,
            "metadata": {"namespace": namespace, "name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "legacy"}}, "template": template},
        }
    )
    policy = {"quiesce": True, "migrations": [MIGRATION]}
    kube.apply(web(namespace, "1", policy, adopt=True))
    kube.wait_condition(namespace, "web", "Ready")
    kube.apply(web(namespace, "2", policy, adopt=True))
    made = wait_upgrade(kube, namespace, "web-2")
    assert step_states(made)["Quiesce"] == "Succeeded"
    kube.wait_condition(namespace, "web", "Ready")
    assert image(kube, namespace) == "registry.example/web:2"
    (kept,) = (found for found in kube.list(JOBS, namespace) if "migrate" in found["metadata"]["name"])
    (variable,) = kept["spec"]["template"]["spec"]["containers"][0]["env"]
    assert variable == {"name": "THEIRS", "value": "1"}


def test_while_it_is_suspended_no_revision_is_good_or_bad(kube: Kube, ready: str) -> None:
    policy = {"verify": [{"name": "asks", "job": {"command": ["ask"]}}], "bakeSeconds": 8}
    kube.apply(web(ready, "2", policy))
    wait_upgrade_step(kube, ready, "web-2", "Bake")
    kube.patch(APPLICATIONS, ready, "web", {"spec": {"suspend": True}})

    def waits() -> Manifest | None:
        status: Manifest = (kube.get(UPGRADES, ready, "web-2") or {})["status"]
        return status if "heldTime" in status else None

    status = kube.wait("it waits", waits)
    assert status is not None
    assert {step_states(status)[name] for name in ("Rollout", "Verify/asks", "Bake")} == {"Pending"}
    said = {found["type"]: found["message"] for found in status["conditions"]}["Progressing"]
    assert said == "step Rollout: the Application is suspended: nothing would tell whether the new revision is well"
    kube.wait("its pod is gone", lambda: (kube.get(DEPLOYMENTS, ready, "web") or {})["status"].get("replicas", 0) == 0)
    kube.patch(APPLICATIONS, ready, "web", {"spec": {"suspend": None}})
    made = wait_upgrade(kube, ready, "web-2")
    assert {step["name"]: step.get("attempts") for step in made["steps"] if step["name"] in ("Rollout", "Bake")} == {
        "Rollout": 2, "Bake": 2,
    }  # fmt: skip
    assert made["heldSeconds"] >= 0
    assert image(kube, ready) == "registry.example/web:2"


def pod_on_a_lost_node(kube: Kube, namespace: str, **labels: str) -> Callable[[], None]:
    """A pod with these labels that has no end, as there is nobody on its node. Returns what takes it away."""
    kube.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lost"}, "spec": {"unschedulable": True}})
    container = {"name": "main", "image": "registry.example/web:1"}
    kube.apply(restricted_pod(namespace, "stays", container, labels, nodeName="lost"))

    def let_go() -> None:
        kube.request("DELETE", PODS.url(namespace, "stays"), {"gracePeriodSeconds": 0})

    return let_go


def test_an_old_pod_that_does_not_end_keeps_nobody_from_going_back(kube: Kube, ready: str) -> None:
    policy = QUICK | {"quiesce": True, "migrations": [MIGRATION], "rollbackData": "Command"}
    let_go = pod_on_a_lost_node(kube, ready, **{"timonier.dev/application": "web"})
    kube.apply(web(ready, "2", policy))
    failed = wait_upgrade(kube, ready, "web-2", phase="Failed")
    assert (failed["rollbackReason"], failed["rolledBack"]) == ("ProgressDeadlineExceeded", True)
    assert step_states(failed)["Quiesce"] == "Failed"
    assert image(kube, ready) == "registry.example/web:1"
    kube.wait("it serves", lambda: kube.conditions(ready, "web")["Available"]["status"] == "True")
    let_go()


def test_a_migration_whose_job_is_removed_is_not_tried_again_beside_itself(kube: Kube, ready: str) -> None:
    policy = {"quiesce": True, "migrations": [MIGRATION | {"backoffLimit": 1}]}
    kube.apply(web(ready, "2", policy, workload=WAITING))
    wait_upgrade_step(kube, ready, "web-2", "Migrate/schema")

    def migrations() -> list[str]:
        return [name for name in names(kube, JOBS, ready) if "migrate" in name]

    (first,) = kube.wait("it has a Job", migrations)
    let_go = pod_on_a_lost_node(kube, ready, **{"batch.kubernetes.io/job-name": first})
    kube.delete(JOBS, ready, first)

    kube.wait("it waits for it", lambda: told(kube, ready) == "its pod is still ending")
    assert migrations() == []
    let_go()
    (second,) = kube.wait("it is tried again", migrations)
    # Neither does anything else begin while one that was stopped still ends.
    let_go = pod_on_a_lost_node(kube, ready, **{"batch.kubernetes.io/job-name": second})
    kube.patch(UPGRADES, ready, "web-2", {"spec": {"cancel": True}})
    status = wait_upgrade_step(kube, ready, "web-2", "Rollback")
    assert status["rollout"] == {"revision": "web-1", "suspended": True}
    kube.wait("it waits for it", lambda: "may be at work on the data" in told(kube, ready))
    assert (kube.get(DEPLOYMENTS, ready, "web") or {})["spec"]["replicas"] == 0
    let_go()
    assert wait_upgrade(kube, ready, "web-2", phase="Cancelled")["rolledBack"] is True
    assert migrations() == []
    assert image(kube, ready) == "registry.example/web:1"


def told(kube: Kube, namespace: str) -> str:
    """What the present step says."""
    steps = (kube.get(UPGRADES, namespace, "web-2") or {})["status"]["steps"]
    return " ".join(step.get("message", "") for step in steps if step["state"] == "Running")


def test_a_revision_of_another_that_has_the_name_is_said_and_left_alone(kube: Kube, ready: str) -> None:
    kube.apply(
        {
            "apiVersion": CONTROLLER_REVISIONS.api_version,
            "kind": CONTROLLER_REVISIONS.kind,
            "metadata": {"namespace": ready, "name": "web-2"},
            "revision": 1,
            "data": {},
        }
    )
    kube.apply(web(ready, "2"))
    wait_stalled(kube, ready, "ControllerRevision web-2 exists already")
    assert image(kube, ready) == "registry.example/web:1"
    kube.delete(CONTROLLER_REVISIONS, ready, "web-2")
    wait_upgrade(kube, ready, "web-2", seconds=180)
    assert image(kube, ready) == "registry.example/web:2"


PORTS = {"ports": [{"name": "http", "containerPort": 8080}]}


def selector(kube: Kube, namespace: str) -> Manifest:
    """Whom the Application's Service leads to."""
    found: Manifest = (kube.get(SERVICES, namespace, "web") or {})["spec"]["selector"]
    return found


def beside(kube: Kube, namespace: str) -> list[str]:
    """All that is there of what is tried."""
    resources = (CONFIG_MAPS, DEPLOYMENTS, NETWORK_POLICIES, SERVICES)
    return [f"{each.kind} {name}" for each in resources for name in names(kube, each, namespace) if "-next" in name]


def test_blue_green_leads_there_at_once_and_leaves_nothing_behind(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str
) -> None:
    policy = {"strategy": "BlueGreen", "bakeSeconds": 3, "verify": [{"name": "asks", "job": {"command": ["ask"]}}]}
    kube.apply(web(namespace, policy=policy | QUICK, workload=PORTS, scaling={"replicas": 2}))
    kube.wait_condition(namespace, "web", "Ready")
    kube.apply(web(namespace, "2", policy | QUICK, workload=PORTS | WAITING, scaling={"replicas": 2}))
    wait_upgrade_step(kube, namespace, "web-2", "Preview")
    kube.wait("there is something beside it", lambda: "Deployment web-next" in beside(kube, namespace))
    assert selector(kube, namespace) == {"timonier.dev/application": "web"}
    assert wait_upgrade(kube, namespace, "web-2", phase="Failed")["rollbackReason"] == "ProgressDeadlineExceeded"
    kube.wait("nothing is left", lambda: beside(kube, namespace) == [])
    kube.apply(web(namespace, "3", policy, workload=PORTS, scaling={"replicas": 2}, config={"env": {"A": "1"}}))
    status = wait_upgrade_step(kube, namespace, "web-3", "Bake")
    assert step_states(status)["Verify/asks"] == "Succeeded"
    assert selector(kube, namespace) == {"timonier.dev/next": "web"}
    assert (kube.get(DEPLOYMENTS, namespace, "web-next") or {})["status"]["readyReplicas"] == 2
    assert image(kube, namespace) == "registry.example/web:1"
    print(kubectl("get", "pods,services,deployments", "--namespace", namespace))
    wait_upgrade_step(kube, namespace, "web-3", "Promote")
    kube.wait("it leads back", lambda: selector(kube, namespace) == {"timonier.dev/application": "web"})
    status = wait_upgrade(kube, namespace, "web-3")
    assert "downtime" not in status
    assert selector(kube, namespace) == {"timonier.dev/application": "web"}
    kube.wait("nothing is left", lambda: beside(kube, namespace) == [])
    kube.wait_condition(namespace, "web", "Ready")
    assert image(kube, namespace) == "registry.example/web:3"
    reasons = [event["reason"] for event in kube.list(EVENTS, namespace) if event["regarding"]["kind"] == "Application"]
    assert not {"Recreated", "Restored"} & set(reasons)


def test_a_canary_that_never_gets_ready_goes_and_nothing_else_was_touched(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    policy = QUICK | {"strategy": "Canary", "canary": [{"replicas": 1, "seconds": 2}, {"replicas": 2, "seconds": 2}]}
    kube.apply(web(namespace, policy=policy, workload=PORTS, scaling={"replicas": 3}))
    kube.wait_condition(namespace, "web", "Ready")
    before = (kube.get(DEPLOYMENTS, namespace, "web") or {})["spec"]["template"]
    kube.apply(web(namespace, "2", policy, workload=PORTS | WAITING, scaling={"replicas": 3}))
    status = wait_upgrade(kube, namespace, "web-2", phase="Failed")
    assert (status["rollbackReason"], status["rolledBack"]) == ("ProgressDeadlineExceeded", True)
    kube.wait("nothing is left", lambda: beside(kube, namespace) == [])
    assert (kube.get(DEPLOYMENTS, namespace, "web") or {})["spec"]["template"] == before
    kube.apply(web(namespace, "3", policy, workload=PORTS, scaling={"replicas": 3}))
    wait_upgrade_step(kube, namespace, "web-3", "Bake/2")
    assert (kube.get(DEPLOYMENTS, namespace, "web-next") or {})["status"]["readyReplicas"] == 2
    assert (kube.get(DEPLOYMENTS, namespace, "web") or {})["status"]["readyReplicas"] == 3
    wait_upgrade(kube, namespace, "web-3")
    kube.wait("nothing is left", lambda: beside(kube, namespace) == [])
    assert image(kube, namespace) == "registry.example/web:3"


def test_what_has_the_name_of_what_is_tried_is_left_alone(
    kube: Kube, operator: OperatorProcess, namespace: str
) -> None:
    kube.apply(web(namespace, policy={"strategy": "BlueGreen"}, workload=PORTS))
    other = application(namespace, name="web-next", workload=PORTS)
    kube.apply(other)
    kube.wait_condition(namespace, "web-next", "Ready")
    kube.apply(web(namespace, "2", {"strategy": "BlueGreen"}, workload=PORTS))
    status = wait_upgrade(kube, namespace, "web-2", phase="Failed")
    assert status["rollbackReason"] == "PreflightFailed"
    told = {found["type"]: found["message"] for found in status["conditions"]}["Succeeded"]
    assert "Deployment web-next exists already, and is not of this Application" in told
    assert (kube.get(DEPLOYMENTS, namespace, "web-next") or {})["metadata"]["ownerReferences"][0]["name"] == "web-next"
