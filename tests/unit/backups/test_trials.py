"""The volumes of a restore on trial, and the application's image that looks at them."""

from typing import Any

from harness.application_specs import application
from timonier.api.backup_store import BackupStore
from timonier.api.resources import RESTORES
from timonier.backups.trials import follower, place_of, scratch_mounts, trial_identity
from timonier.runs.mover import Task, job
from timonier.runs.outcome import outcome_of
from timonier.runs.reasons import Reason

OWNER = {"metadata": {"namespace": "shop", "name": "trial", "uid": "0a1b2c3d-0000-4000-8000-000000000000"}}
DATA = {"name": "data", "size": "1Gi", "mountPath": "/var/data", "storageClassName": "fast"}
SECRET = {"name": "tmp", "mountPath": "/keys", "secret": {"secretName": "keys"}}
STORE = BackupStore.model_validate(
    {
        "metadata": {"name": "offsite", "namespace": "shop", "uid": "s"},
        "spec": {"rest": {"url": "https://a"}, "encryption": {"passwordSecretRef": {"name": "p"}}},
    }
)


def app(kind: str = "Deployment") -> Any:
    return application({"workload": {"kind": kind, "storage": [DATA], "volumes": [SECRET], "args": ["serve"]}})


def made(kind: str, volumes: list[str], command: tuple[str, ...] = ()) -> dict[str, Any]:
    here = app(kind)
    task = Task(
        name="trial-load-1",
        host="host",
        instruction={"task": "restore"},
        deadline=60,
        identity=trial_identity(here),
        scratch=scratch_mounts(here, volumes),
        follower=follower(here, command, volumes) if command else None,
    )
    found: dict[str, Any] = job(OWNER, RESTORES, task, image="mover:1", store=STORE, entries=["RESTIC_PASSWORD"])
    pod: dict[str, Any] = found["spec"]["template"]["spec"]
    return pod


def mounts(container: dict[str, Any]) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}


def test_a_volume_of_a_backup_is_of_a_storage_or_of_one_of_its_pods() -> None:
    storages = app().spec.workload.storage
    assert place_of(storages, "data") == place_of(storages, "data-0") == storages[0]
    assert place_of(storages, "data-x") is place_of(storages, "other-0") is None


def test_the_volumes_are_made_for_the_pod_and_go_with_it() -> None:
    pod = made("StatefulSet", ["data-0", "data-1"])
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert mounts(pod["containers"][0]) == {"/tmp": "tmp", "/data/data-0": "scratch-0", "/data/data-1": "scratch-1"}
    claim = volumes["scratch-0"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "1Gi")
    assert pod["securityContext"]["fsGroup"] == 65532


def test_what_looks_at_the_data_has_it_in_its_place_and_none_of_the_movers_credentials() -> None:
    for kind, names in (("Deployment", ["data"]), ("StatefulSet", ["data-1", "data-0"])):
        pod = made(kind, names, ("look", "here"))
        (mover,), (own,) = pod["initContainers"], pod["containers"]
        assert (mover["image"], own["command"]) == ("mover:1", ["look", "here"])
        assert mounts(own) == {"/keys": "own-tmp", "/var/data": "scratch-0"}
        assert mounts(mover)["/data/" + min(names)] == "scratch-0"
        assert "RESTIC_PASSWORD" not in str(own)
        assert len({volume["name"] for volume in pod["volumes"]}) == len(pod["volumes"])


def test_the_verdict_is_the_movers_and_then_that_of_what_looks() -> None:
    complete = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}

    def ended(said: str, code: int | None) -> dict[str, Any]:
        first = {"name": "mover", "state": {"terminated": {"exitCode": 0, "message": said}}}
        state = {"terminated": {"exitCode": code, "message": "no\nrows"}} if code is not None else {"waiting": {}}
        return {
            "metadata": {"name": "pod", "creationTimestamp": "2026-11-27T08:00:00Z"},
            "status": {"initContainerStatuses": [first], "containerStatuses": [{"name": "command", "state": state}]},
        }

    well = outcome_of(complete, [ended('{"ok":true,"bytes":5}', 0)])
    assert (well.error, dict(well.result)) == (None, {"bytes": 5})
    looked = outcome_of(failed, [ended('{"ok":true,"bytes":5}', 3)])
    assert looked.error is Reason.VERIFICATION_FAILED
    assert looked.message == "with the restored data, it ended with exit code 3: no rows"
    moved = outcome_of(failed, [ended('{"ok":false,"error":"Corrupted","message":"It is damaged."}', None)])
    assert moved.error is Reason.CORRUPTED
    assert outcome_of(failed, [ended('{"ok":true,"bytes":5}', None)]).error is Reason.INTERRUPTED
