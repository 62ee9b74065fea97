"""Backups of real volumes into real stores: what is made, what is said, and what is left behind."""

from typing import Literal

import pytest

from harness.backups import backup, restore, server_store, wait_over, wait_store
from harness.fixtures import Kubectl
from harness.kube import Kube
from harness.operator_process import OperatorProcess
from harness.shop import files_application
from harness.stores import Stores
from timonier.api.resources import RESTORES

pytestmark = pytest.mark.node


@pytest.fixture
def files(kube: Kube, kubectl: Kubectl, operator: OperatorProcess, namespace: str, mover: str) -> str:
    """The namespace of an application with some files."""
    kube.apply(files_application(namespace))
    kube.wait_condition(namespace, "files", "Ready", seconds=60)
    in_files(kubectl, namespace, "mkdir -p /data/a/b; for n in $(seq 200); do echo $n > /data/a/b/$n; done")
    in_files(kubectl, namespace, "dd if=/dev/urandom of=/data/big bs=1M count=8")
    return namespace


def in_files(kubectl: Kubectl, namespace: str, script: str) -> str:
    """What a script says in the pod of the application with files."""
    return kubectl("exec", "--namespace", namespace, "deploy/files", "--", "sh", "-c", script).strip()


def checksum(kubectl: Kubectl, namespace: str) -> str:
    """Of names and contents of all files."""
    return in_files(kubectl, namespace, "cd /data && find . -type f | sort | xargs sha256sum | sha256sum")


@pytest.mark.parametrize("kind", ["rest", "s3"])
def test_files_are_backed_up_to_a_server(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores, kind: Literal["rest", "s3"]
) -> None:
    kube.apply(*server_store(files, stores(kind, tls=True)), backup(files, "files"))
    made = wait_over(kube, files, "first")["status"]
    assert (made["files"], made["bytes"] > 8 << 20, made["transferred"] > 8 << 20) == (201, True, True)
    store = wait_store(kube, files)["status"]
    assert (store["type"], store["phase"]) == (kind.upper(), "Available")
    assert made["repository"] == store["repository"]
    print(kubectl("get", "backupstores,backups", "--namespace", files))


def test_files_come_back_in_place_and_what_was_there_is_backed_up_first(
    kube: Kube, kubectl: Kubectl, files: str, stores: Stores
) -> None:
    before = checksum(kubectl, files)
    kube.apply(*server_store(files, stores()), backup(files, "files"))
    wait_over(kube, files, "first")
    in_files(kubectl, files, "rm -r /data/a; echo new > /data/new")

    kube.apply(restore(files, "files"))
    made = wait_over(kube, files, "back", resource=RESTORES)["status"]
    print(kubectl("get", "backups,restores,pods,jobs", "--namespace", files))
    assert made["bytes"] > 8 << 20
    assert {step["name"]: step["state"] for step in made["steps"]} == {
        "SafetyBackup": "Succeeded", "Quiesce": "Succeeded", "Load": "Succeeded", "Resume": "Succeeded",
        "Stop": "Skipped", "BringBack": "Skipped", "Restart": "Skipped",
    }  # fmt: skip
    assert checksum(kubectl, files) == before
    again = {"inPlace": {"application": "files", "confirm": "files", "safetyBackup": False}}
    kube.apply(restore(files, "files", "back-safety", "forth", to=again))
    wait_over(kube, files, "forth", resource=RESTORES)
    assert in_files(kubectl, files, "ls /data; cat /data/new") == "big\nnew\nnew"
