"""The mover's Job and Secret: restricted, without a secret in sight, and with no way for data to become an option."""

import base64
import json
from typing import Any

import pytest

from timonier.api.backup_store import BackupStore
from timonier.api.pods import PodSecurity
from timonier.api.references import APPLICATION_LABEL, RUN_LABEL
from timonier.api.resources import BACKUPS, CONFIG_MAPS, SECRETS
from timonier.runs.credentials import Missing, Source, credentials, sources
from timonier.runs.mover import ClaimMount, Identity, Task, hostname, job, job_name, secret

OWNER = {"metadata": {"namespace": "shop", "name": "nightly", "uid": "0a1b2c3d-0000-4000-8000-000000000000"}}
PASSWORD = Source(SECRETS, "password")


def store(**spec: Any) -> BackupStore:
    metadata = {"name": "offsite", "namespace": "shop", "uid": "1"}
    encryption = {"passwordSecretRef": {"name": "password"}}
    return BackupStore.model_validate({"metadata": metadata, "spec": {"encryption": encryption, **spec}})


S3 = {"endpoint": "https://s3.example/", "bucket": "backups", "prefix": "a/b", "credentialsSecretRef": {"name": "keys"}}
REST = {
    "url": "https://rest.example:8000/shop/",
    "credentialsSecretRef": {"name": "keys"},
    "caBundleRef": {"name": "ca"},
}
PVC = {"claimName": "shelf", "subPath": "deep/down"}
SECRET = {"password": b"p\xc3\xa4ss"}


def test_each_kind_of_store_has_its_address_and_its_keys() -> None:
    keys = {"accessKeyId": b"id", "secretAccessKey": b"secret", "more": b"x"}
    s3 = store(s3=S3)
    assert sources(s3.spec) == (Source(SECRETS, "keys"), PASSWORD)
    assert credentials(s3.spec, {Source(SECRETS, "keys"): keys, PASSWORD: SECRET}) == {
        "RESTIC_REPOSITORY": b"s3:https://s3.example/backups/a/b",
        "RESTIC_PASSWORD": b"p\xc3\xa4ss",
        "AWS_ACCESS_KEY_ID": b"id",
        "AWS_SECRET_ACCESS_KEY": b"secret",
    }
    login = {"username": b"me@home", "password": b"a/b:c"}
    found = {Source(SECRETS, "keys"): login, Source(CONFIG_MAPS, "ca"): {"ca.crt": b"PEM"}, PASSWORD: SECRET}
    assert credentials(store(rest=REST).spec, found) == {
        "RESTIC_REPOSITORY": b"rest:https://me%40home:a%2Fb%3Ac@rest.example:8000/shop/",
        "RESTIC_PASSWORD": b"p\xc3\xa4ss",
        "ca.crt": b"PEM",
    }
    assert credentials(store(pvc=PVC).spec, {PASSWORD: SECRET}) == {
        "RESTIC_REPOSITORY": b"/store/deep/down",
        "RESTIC_PASSWORD": b"p\xc3\xa4ss",
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({PASSWORD: None}, "the Secret password, which the store names, does not exist"),
        ({PASSWORD: {}}, "the Secret password, which the store names, has no key password"),
    ],
)
def test_what_is_missing_is_named(found: Any, words: str) -> None:
    assert credentials(store(pvc=PVC).spec, found) == Missing(words)


TASK = Task(
    name="nightly-0a1b2c3d-transfer-1",
    host=hostname(OWNER, "Transfer", 1),
    instruction={"task": "backup", "tags": {"image": "web:$(RESTIC_PASSWORD)"}},
    deadline=60,
    claims=(ClaimMount("web-data", "/data/data", read_only=True),),
    identity=Identity.of(PodSecurity(run_as_user=999, fs_group=990)),
    node="node-2",
    application="web",
    files={"application.json": b"{}"},
)
ENTRIES = {"RESTIC_REPOSITORY": b"/store", "RESTIC_PASSWORD": b"open sesame", "ca.crt": b"PEM"}


def made(task: Task = TASK, **spec: Any) -> dict[str, Any]:
    entries = sorted({**ENTRIES, **task.files})
    return job(OWNER, BACKUPS, task, image="mover:1", store=store(**(spec or {"s3": S3})), entries=entries)


def test_the_pod_is_restricted_and_reaches_nothing_that_it_does_not_need() -> None:
    pod = made()["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["securityContext"] == {
        "runAsUser": 999,
        "runAsGroup": 999,
        "runAsNonRoot": True,
        "supplementalGroups": [990],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert (pod["automountServiceAccountToken"], pod["restartPolicy"]) == (False, "Never")
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchFields"][0]["values"] == ["node-2"]
    assert {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]} == {
        "/tmp": False, "/credentials": True, "/data/data": True,
    }  # fmt: skip


def test_no_secret_stands_in_the_job_and_only_files_are_mounted() -> None:
    text = json.dumps(made())
    assert "open sesame" not in text
    pod = made()["spec"]["template"]["spec"]
    items = next(volume for volume in pod["volumes"] if volume["name"] == "credentials")["secret"]["items"]
    assert [item["key"] for item in items] == ["application.json", "ca.crt"]
    variables = {each["name"]: each for each in pod["containers"][0]["env"]}
    assert variables["RESTIC_PASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": TASK.name, "key": "RESTIC_PASSWORD"}
    # Kubernetes would put the variable's value in its place.
    assert "$$(RESTIC_PASSWORD)" in variables["TIMONIER_TASK"]["value"]


def test_the_secret_is_the_jobs_own_and_cannot_be_changed() -> None:
    found = secret(OWNER, BACKUPS, TASK, ENTRIES)
    assert (found["metadata"]["name"], found["immutable"]) == (TASK.name, True)
    assert base64.b64decode(found["data"]["RESTIC_PASSWORD"]) == b"open sesame"
    assert set(found["data"]) == {"RESTIC_REPOSITORY", "RESTIC_PASSWORD", "ca.crt", "application.json"}


def test_the_services_of_the_application_do_not_find_the_pod() -> None:
    found = made()
    assert found["metadata"]["labels"][APPLICATION_LABEL] == "web"
    labels = found["spec"]["template"]["metadata"]["labels"]
    assert APPLICATION_LABEL not in labels
    assert labels[RUN_LABEL] == "backup"


def test_attempts_are_the_operators_and_the_time_is_bounded() -> None:
    spec = made()["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 60)


def test_a_store_on_a_volume_is_mounted_and_shared_by_all_movers() -> None:
    pod = made(pvc=PVC)["spec"]["template"]["spec"]
    assert pod["securityContext"]["supplementalGroups"] == [990, 65532]
    assert "fsGroup" not in pod["securityContext"]
    own = made(Task(name="s", host="s", instruction={}, deadline=60), pvc=PVC)["spec"]["template"]["spec"]
    assert own["securityContext"]["fsGroup"] == 65532
    assert {"name": "claim-0", "persistentVolumeClaim": {"claimName": "shelf"}} in own["volumes"]


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (None, Identity()),
        (PodSecurity(), Identity()),
        (PodSecurity(run_as_user=0), Identity(0, 0)),
        (PodSecurity(run_as_user=999, run_as_group=5, supplemental_groups=(7, 8)), Identity(999, 5, (7, 8))),
    ],
)
def test_the_mover_is_whom_the_applications_pods_are(security: PodSecurity | None, expected: Identity) -> None:
    assert Identity.of(security) == expected


def test_names_fit_and_are_unique_however_long_the_owner_is_called() -> None:
    owner = {"metadata": {"name": "a." * 31 + "b", "uid": "0a1b2c3d-0000-4000-8000-000000000000"}}
    name = job_name(owner, "Transfer", 12)
    assert len(name) <= 63
    assert name.endswith("-0a1b2c3d-transfer-12")
    assert len(hostname(owner, "Transfer", 12)) <= 63


def test_names_of_jobs_and_pods_are_no_longer_than_allowed_and_differ_all_the_same() -> None:
    owner = {"metadata": {"name": "w" * 60, "uid": "0a1b2c3d-4e5f-6789-abcd-0123456789ab"}}
    steps = [f"Migrate/{'m' * 62}{letter}" for letter in "ab"]
    for named in (job_name, hostname):
        names = {named(owner, step, attempt) for step in steps for attempt in (1, 2)}
        assert len(names) == 4
        assert max(map(len, names)) <= 63
