"""What keeps a backup from beginning, which volumes it takes, and what its mover is told."""

import json
from typing import Any

import pytest

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.runs import StepStatus
from timonier.backups.access import refusal, unready
from timonier.backups.plan import Surroundings, instruction, obstacle, record_of, saved
from timonier.backups.volumes import mounts, node_of
from timonier.runs.reasons import Reason


def application(kind: str = "Deployment", *storage: str) -> Application:
    volumes = [{"name": name, "size": "1Gi", "mountPath": f"/{name}"} for name in storage]
    workload = {"kind": kind, "image": {"repository": "web", "tag": "1"}, "storage": volumes}
    metadata = {"name": "web", "namespace": "shop", "uid": "u"}
    return Application.model_validate({"metadata": metadata, "spec": {"workload": workload}})


def store(namespace: str = "shop", *, ready: str = "True", full: str = "False", **spec: Any) -> BackupStore:
    conditions = [
        {"type": "Ready", "status": ready, "message": "as it is", "reason": "X"},
        {"type": "QuotaExceeded", "status": full, "message": "too much", "reason": "X"},
    ]
    stated = {"encryption": {"passwordSecretRef": {"name": "p"}}, "s3": None, "rest": {"url": "http://a/b"}, **spec}
    metadata = {"name": "offsite", "namespace": namespace, "uid": "1", "generation": 1}
    status = {"observedGeneration": 1, "conditions": conditions}
    return BackupStore.model_validate({"metadata": metadata, "spec": stated, "status": status})


def backup(**spec: Any) -> Backup:
    stated = {"targetRef": {"name": "web"}, "storeRef": {"name": "offsite"}, **spec}
    metadata = {"name": "first", "namespace": "shop", "uid": "run-1"}
    return Backup.model_validate({"metadata": metadata, "spec": stated})


def around(**fields: Any) -> Surroundings:
    given: dict[str, Any] = {
        "application": application("Deployment", "data"),
        "store": store(),
        "paths": ("/data/data",),
    }
    return Surroundings(**given | fields)


BUSY = Reason.VOLUME_NOT_REACHABLE, "on two nodes"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"application": None}, Reason.APPLICATION_NOT_FOUND, id="no application"),
        pytest.param({"store": None}, Reason.STORE_NOT_FOUND, id="no store"),
        pytest.param({"refused": "no"}, Reason.STORE_NOT_ALLOWED, id="usage policy"),
        pytest.param({"store": store(ready="False")}, Reason.STORE_NOT_READY, id="store not ready"),
        pytest.param({"store": store(readOnly=True)}, Reason.STORE_READ_ONLY, id="store read-only"),
        pytest.param({"store": store(full="True")}, Reason.STORE_FULL, id="store full"),
        pytest.param({"paths": ()}, Reason.VOLUME_NOT_REACHABLE, id="volumes not there yet"),
        pytest.param({"paths": (), "application": application()}, Reason.NOTHING_TO_BACK_UP, id="no volumes"),
        pytest.param({"unreachable": BUSY}, Reason.VOLUME_NOT_REACHABLE, id="volumes apart"),
        pytest.param({"rival": "restore again"}, Reason.ANOTHER_RUN, id="another run"),
    ],
)
def test_what_keeps_it_from_beginning(fields: dict[str, Any], reason: Reason | None) -> None:
    found = obstacle(backup(), around(**fields))
    assert (found[0] if found else None) == reason


def test_it_needs_a_store() -> None:
    found = obstacle(backup(storeRef=None), around())
    assert found is not None
    assert found[0] is Reason.STORE_NOT_STATED


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        ({"from": "Selector", "selector": {"team": "a"}}, True),
        ({"from": "Selector", "selector": {"team": "a", "stage": "live"}}, False),
    ],
)
def test_who_may_use_a_store_of_another_namespace(policy: dict[str, Any], allowed: bool) -> None:
    found = store("vault", usagePolicy=policy)
    assert (refusal(found, "shop", {"team": "a"}) is None) == allowed
    assert refusal(found, "vault", {}) is None


def test_a_store_that_was_not_looked_at_since_it_changed_is_not_ready() -> None:
    changed = store().model_copy(update={"metadata": store().metadata.model_copy(update={"generation": 2})})
    assert unready(changed, writes=False) == (
        Reason.STORE_NOT_READY,
        "the BackupStore offsite has not been looked at yet",
    )
    assert unready(store(readOnly=True), writes=False) is None


def claim(name: str, mode: str = "ReadWriteOnce", phase: str = "Bound") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"accessModes": [mode]}, "status": {"phase": phase}}


def pod(node: str, *claims: str, phase: str = "Running") -> dict[str, Any]:
    volumes = [{"persistentVolumeClaim": {"claimName": name}} for name in claims] + [{"emptyDir": {}}]
    return {"metadata": {"name": "web-0"}, "spec": {"nodeName": node, "volumes": volumes}, "status": {"phase": phase}}


def test_each_volume_has_a_place_of_its_own() -> None:
    one = mounts(application("Deployment", "data", "logs"), [claim("web-data"), claim("web-logs", phase="Pending")],
                 read_only=True)  # fmt: skip
    assert [(mount.claim, mount.path, mount.read_only) for mount in one] == [("web-data", "/data/data", True)]
    names = ["data-web-0", "data-web-10", "data-web-x", "other-web-0", "data-web-0-1"]
    several = mounts(application("StatefulSet", "data"), [claim(name) for name in names], read_only=False)
    assert [(mount.claim, mount.path) for mount in several] == [
        ("data-web-0", "/data/data-0"),
        ("data-web-10", "/data/data-10"),
    ]


def test_the_mover_goes_where_the_volumes_are() -> None:
    data, logs = claim("web-data"), claim("web-logs", "ReadWriteMany")
    assert node_of([data, logs], []) is None
    assert node_of([data, logs], [pod("n1", "web-data"), pod("n2", "web-logs")]) == "n1"
    assert node_of([data], [pod("n1", "web-data", phase="Succeeded")]) is None
    apart = node_of([data, claim("more")], [pod("n1", "web-data"), pod("n2", "more")])
    assert isinstance(apart, tuple)
    assert "web-data on n1" in apart[1] or "more on n2" in apart[1]
    single = node_of([claim("web-data", "ReadWriteOncePod")], [pod("n1", "web-data")])
    assert isinstance(single, tuple)
    assert "ReadWriteOncePod" in single[1]


def test_what_the_mover_is_told() -> None:
    told = instruction(backup(), application(), ("/data/data",), "/credentials/application.json")
    assert (told["task"], told["run"], told["paths"]) == ("backup", "run-1", ["/data/data"])
    for held, small in ((1 << 30, True), (200 << 30, False), (None, False)):  # two processes have its index in memory
        where = store().model_copy(update={"status": {"bytes": held} if held else {}})
        assert ("small" in instruction(backup(), application(), ("/data/data",), "/a.json", where)) == small
    assert told["tags"]["image"] == "web:1"


def test_what_the_mover_found_goes_into_the_status() -> None:
    result = {"snapshot": "abc", "bytes": 2048, "added": 5, "files": 7, "manifestHash": "h"}
    step = StepStatus(name="Transfer", state="Running", start_time="2026-11-27T08:00:00Z")
    assert record_of(store())(step, result, ()) == {
        "snapshotID": "abc", "bytes": 2048, "size": "2Ki", "transferred": 5, "files": 7, "manifestHash": "h",
        "backupTime": "2026-11-27T08:00:00Z",
    }  # fmt: skip


def test_what_is_saved_is_what_was_written_at_the_revision_that_runs() -> None:
    metadata = {
        "name": "web",
        "namespace": "shop",
        "uid": "1",
        "annotations": {"note": "a", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    spec = {"workload": {"image": {"repository": "web", "tag": "2"}}, "config": {"env": {"A": "2"}}, "suspend": True}
    written = {"apiVersion": "timonier.dev/v1", "kind": "Application", "metadata": metadata, "spec": spec}
    runs = Application.model_validate(written)
    told = json.loads(saved(written, runs))
    assert (told["spec"], told["metadata"]) == (
        spec, {"name": "web", "namespace": "shop", "annotations": {"note": "a"}},
    )  # fmt: skip
    before = {**spec, "workload": {"image": {"repository": "web", "tag": "1"}}}
    del before["config"]
    told = json.loads(saved(written, Application.model_validate({**written, "spec": before})))
    assert (told["spec"]["workload"], told["spec"]["suspend"]) == (before["workload"], True)
    assert "config" not in told["spec"]
    Application.model_validate({**written, "spec": told["spec"]})


def test_what_is_saved_can_be_an_application_again_whatever_the_new_spec_says() -> None:
    def of(before: dict[str, Any], **spec: Any) -> Any:
        metadata = {"name": "web", "namespace": "shop", "uid": "1"}
        written = {"apiVersion": "timonier.dev/v1", "kind": "Application", "metadata": metadata}
        written["spec"] = {"workload": {"image": {"repository": "web", "tag": "2"}, **new}} | spec
        runs = {
            **written,
            "spec": {**written["spec"], "workload": {"image": {"repository": "web", "tag": "1"}, **before}},
        }
        return json.loads(saved(written, Application.model_validate(runs)))["spec"]

    new = {"ports": [{"name": "web", "containerPort": 80}], "resources": {"requests": {"cpu": "1"}}}
    ingress = {"host": "shop.example", "port": "web"}
    network = {"ingress": ingress, "service": {"enabled": True}, "networkPolicy": "None"}
    assert of(new | {"command": ["a"]}, network=network)["network"] == network
    other = {"ports": [{"name": "http", "containerPort": 80}]}
    assert of(other, network=network)["network"] == {"service": {"enabled": True}, "networkPolicy": "None"}
    unnamed = network | {"ingress": {"host": "shop.example"}}
    assert of(other, network=unnamed)["network"] == unnamed
    assert of({}, network=network)["network"] == {"networkPolicy": "None"}
    assert "network" not in of({}, network={"ingress": ingress})
    scaling = {"autoscaling": {"minReplicas": 2, "maxReplicas": 4, "metrics": [{"type": "cpu", "target": 50}]}}
    assert of(new | {"command": ["a"]}, scaling=scaling)["scaling"] == scaling
    assert of({}, scaling=scaling)["scaling"] == {"replicas": 2}
