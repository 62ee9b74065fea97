"""Recovery of real pods: what ails them, what is done about it, and how long it takes."""

import json
from typing import Any

import pytest

from harness.backups import backup, condition, server_store, wait_over, wait_store
from harness.fixtures import Kubectl
from harness.kube import PODS, Kube, Manifest
from harness.operator_process import OperatorProcess
from harness.shop import files_application
from harness.stores import Stores
from timonier.api.resources import APPLICATIONS

pytestmark = pytest.mark.node

QUICK = {"unhealthyAfterSeconds": 10, "cooldownSeconds": 0}
# Once it is told to be ill it ends at once, again and again, until its pod has gone with its scratch volume.
ILL = "[ ! -e /scratch/ill ] || exit 3; httpd -p 8080 -h /tmp; while [ ! -e /scratch/ill ]; do sleep 0.2; done; exit 3"
SCRATCH = {"volumes": [{"name": "scratch", "mountPath": "/scratch", "emptyDir": {}}]}


def patient(namespace: str, script: str = ILL, *, tag: str = "1", **spec: Any) -> Manifest:
    """An application that runs a script of the shell."""
    made = files_application(namespace, "patient", **spec)
    workload = made["spec"]["workload"]
    del workload["storage"]
    workload |= {"command": ["sh", "-c", script], "env": [{"name": "VERSION", "value": tag}], **SCRATCH}
    return made


def wait_recovered(kube: Kube, namespace: str, name: str, seconds: float = 120) -> Manifest:
    """Wait until recovery says that it has helped. Returns the newest entry of its history."""

    def reached() -> Manifest | None:
        status = (kube.get(APPLICATIONS, namespace, name) or {}).get("status", {})
        history = status.get("recovery", {}).get("history", ())
        return history[0] if history and "recoveredSeconds" in history[0] else None

    try:
        found = kube.wait(f"{name} has recovered", reached, seconds, 0.2)
    except AssertionError as error:
        status = (kube.get(APPLICATIONS, namespace, name) or {}).get("status")
        raise AssertionError(f"{error}; its status: {json.dumps(status, indent=1)}") from None
    assert found is not None
    return found


def test_a_pod_that_crashes_for_what_is_in_it_is_replaced(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, archive: object
) -> None:
    kube.apply(patient(namespace, recovery=QUICK))
    kube.wait_condition(namespace, "patient", "Ready", seconds=60)
    (before,) = kube.list(PODS, namespace)
    kubectl("exec", "--namespace", namespace, "deploy/patient", "--", "touch", "/scratch/ill")
    done = wait_recovered(kube, namespace, "patient")
    print(f"{done['reason']}: {done['action']}, well again after {done['recoveredSeconds']} s")
    assert (done["action"], done["reason"], done["target"]) == ("RestartPod", "CrashLoop", before["metadata"]["name"])
    kube.wait_condition(namespace, "patient", "Ready", seconds=60)
    (after,) = (pod for pod in kube.list(PODS, namespace) if not pod["metadata"].get("deletionTimestamp"))
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    events = kubectl("events", "--namespace", namespace, "--for", "application/patient")
    assert "RestartPod" in events
    assert "Recovered" in events
    series = operator.scrape()
    assert series['timonier_recovery_actions_total{action="RestartPod",reason="CrashLoop"}'] >= 1


@pytest.mark.slow
def test_a_version_that_does_not_stay_well_is_given_up_for_the_one_before(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, archive: object
) -> None:
    recovery = QUICK | {"ladder": [{"action": "RollbackRevision", "timeoutSeconds": 60}, {"action": "Alert"}]}
    kube.apply(patient(namespace, "exec httpd -f -p 8080 -h /tmp", recovery=recovery, upgrade={}))
    kube.wait_condition(namespace, "patient", "Ready", seconds=60)
    # Well for long enough to be taken for good, and then never again.
    late = "[ ! -e /scratch/ill ] || exit 3; httpd -p 8080 -h /tmp; sleep 12; touch /scratch/ill; exit 3"
    kube.apply(patient(namespace, late, tag="2", recovery=recovery, upgrade={}))
    done = wait_recovered(kube, namespace, "patient")
    print(f"{done['reason']}: {done['action']}, well again after {done['recoveredSeconds']} s")
    assert (done["action"], done["target"]) == ("RollbackRevision", "patient-2")
    application = kube.get(APPLICATIONS, namespace, "patient")
    assert application is not None
    assert application["status"]["revision"] == "patient-1"
    assert condition(application, "Stalled")["reason"] == "UpgradeFailed"
    (pod,) = (pod for pod in kube.list(PODS, namespace) if not pod["metadata"].get("deletionTimestamp"))
    assert pod["spec"]["containers"][0]["env"] == [{"name": "VERSION", "value": "1"}]


@pytest.mark.slow
def test_data_that_is_lost_comes_back_from_the_last_good_backup_where_that_is_wanted(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, mover: str, stores: Stores
) -> None:
    probe = {"name": "files", "command": ["test", "-e", "/data/page"], "indicates": "DataLoss"}
    probe |= {"intervalSeconds": 5, "failureThreshold": 2}
    recovery = QUICK | {"probes": [probe], "ladder": [{"action": "RestoreBackup", "timeoutSeconds": 120}]}
    policy = {"storeRef": {"name": "offsite"}}
    kube.apply(*server_store(namespace, stores()), files_application(namespace, backup=policy))
    kube.wait_condition(namespace, "files", "Ready", seconds=60)
    inside = ["--namespace", namespace, "deploy/files", "--", "sh", "-c"]
    kubectl("exec", *inside, "echo kept > /data/page")
    wait_store(kube, namespace)
    kube.apply(backup(namespace, "files"))
    wait_over(kube, namespace, "first")
    kube.apply(files_application(namespace, backup=policy, recovery=recovery))
    kube.wait_condition(namespace, "files", "Ready", seconds=60)
    kubectl("exec", *inside, "rm /data/page; echo new > /data/new")
    done = wait_recovered(kube, namespace, "files", 180)
    print(f"{done['reason']}: {done['action']}, well again after {done['recoveredSeconds']} s")
    assert (done["action"], done["reason"]) == ("RestoreBackup", "DataLost")
    assert kubectl("exec", *inside, "ls /data; cat /data/page").split() == ["page", "kept"]
    print(kubectl("get", "applications,backups,restores", "--namespace", namespace))
    print(kubectl("events", "--namespace", namespace, "--for", "application/files"))
