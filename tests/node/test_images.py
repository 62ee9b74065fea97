"""The images and the stores of the tests with data: each runs restricted, and does what other tests count on."""

import json
import shutil
import urllib.error
import urllib.request
from typing import Any, Literal

import pytest

from harness.fixtures import Kubectl
from harness.images import SHOP_VERSIONS
from harness.kube import PODS, Kube, Manifest
from harness.operator_process import OperatorProcess
from harness.shop import (
    CHECKSUM,
    MIGRATIONS_BEGUN,
    database_application,
    files_application,
    shop_application,
    visiting,
)
from harness.stores import Stores, damage
from timonier.api.resources import SERVICES

pytestmark = pytest.mark.node

STDLIB = "hashlib, http.client, json, lzma, socket, sqlite3, ssl, subprocess, tarfile, urllib.request, zoneinfo"


@pytest.fixture
def restricted(kube: Kube, namespace: str) -> str:
    """The name of a namespace that admits no pod but restricted ones."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    return namespace


def run_to_end(
    kube: Kube, kubectl: Kubectl, namespace: str, name: str, image: str, command: list[str], **env: str
) -> tuple[int, str]:
    """Run a command in a restricted pod with a read-only root file system; its exit code and its output."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": command,
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name}, "spec": spec})

    def ended() -> Manifest | None:
        found: dict[str, Any] = kube.get(PODS, namespace, name) or {}
        statuses = found.get("status", {}).get("containerStatuses", [{}])
        state: Manifest | None = statuses[0].get("state", {}).get("terminated")
        return state

    state = kube.wait(f"pod {name} ends", ended, 60)
    assert state is not None
    return state["exitCode"], kubectl("logs", "--namespace", namespace, name)


def sql(kubectl: Kubectl, namespace: str, statement: str) -> str:
    """What the database's own psql answers."""
    return kubectl("exec", "--namespace", namespace, "db-0", "--", "psql", "-XAtqc", statement).strip()


def url_of(kube: Kube, namespace: str, name: str) -> str:
    """Where the Service of that name answers: this machine has a route to Services."""
    service = kube.get(SERVICES, namespace, name)
    assert service is not None
    return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"


def test_the_mover_has_restic_and_enough_of_python(kube: Kube, kubectl: Kubectl, restricted: str, mover: str) -> None:
    authorities = "ssl.create_default_context().get_ca_certs()"
    script = f"id -u; restic version; exec python3 -c 'import {STDLIB}; print(len({authorities}) > 50)'"
    code, output = run_to_end(kube, kubectl, restricted, "mover", mover, ["sh", "-c", script])
    user, version, trusting = output.splitlines()
    assert (code, user, trusting) == (0, "65532", "True")
    assert version.startswith("restic 0.")


def test_a_database_keeps_its_rows_and_asks_for_its_password(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, restricted: str, postgres: str
) -> None:
    kube.apply(database_application(restricted, password="open sesame"))
    kube.wait_condition(restricted, "db", "Ready", seconds=90)
    sql(kubectl, restricted, "create table orders as select n as id, md5(n::text) as item, n as cents "
        "from generate_series(1, 100000) n")  # fmt: skip
    before = sql(kubectl, restricted, CHECKSUM)
    assert before.startswith("100000 ")

    first = kube.get(PODS, restricted, "db-0")
    assert first is not None
    kube.delete(PODS, restricted, "db-0")

    def is_new_and_ready() -> bool:
        found = kube.get(PODS, restricted, "db-0")
        if found is None or found["metadata"]["uid"] == first["metadata"]["uid"]:
            return False
        return bool(found.get("status", {}).get("containerStatuses", [{}])[0].get("ready"))

    kube.wait("a new pod is ready", is_new_and_ready, 60)
    assert sql(kubectl, restricted, CHECKSUM) == before
    # It was shut down in order, not killed.
    assert "was not properly shut down" not in kubectl("logs", "--namespace", restricted, "db-0")

    # kube-proxy learns of a ready pod a moment later than we do.
    reached = "until pg_isready -q; do sleep 0.1; done"
    ask = ["sh", "-c", f"{reached}; exec psql --no-password -XAtc 'select count(*) from orders'"]
    env = {"PGHOST": "db", "PGCONNECT_TIMEOUT": "5"}
    code, output = run_to_end(kube, kubectl, restricted, "stranger", postgres, ask, **env)
    assert code != 0
    assert "no password supplied" in output
    assert run_to_end(kube, kubectl, restricted, "friend", postgres, ask, PGPASSWORD="open sesame", **env) == (
        0,
        "100000\n",
    )


@pytest.mark.slow  # tests/node/test_upgrades.py relies on all of it
def test_every_version_of_the_shop_does_what_it_is_for(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, restricted: str, shop: str
) -> None:
    kube.apply(database_application(restricted), shop_application(restricted))
    kube.wait_condition(restricted, "shop", "Ready", seconds=90)
    before = sql(kubectl, restricted, CHECKSUM)
    assert before.startswith("1000 ")

    def migrate(version: str) -> tuple[int, str]:
        name, image = f"migrate-{version}", f"{shop}:{version}"
        return run_to_end(kube, kubectl, restricted, name, image, ["shop", "migrate"], PGHOST="db")

    with visiting(url_of(kube, restricted, "shop") + "/orders/7") as visits:
        kube.wait("v1 serves", lambda: visits.good["v1"] > 5)
        assert migrate("v2")[0] == 0
        kube.apply(shop_application(restricted, "v2"))
        kube.wait_condition(restricted, "shop", "Ready", seconds=60)
        known = visits.good["v2"]
        kube.wait("v2 serves", lambda: visits.good["v2"] > known + 5)
    assert sql(kubectl, restricted, CHECKSUM) == before
    assert sql(kubectl, restricted, "select distinct currency from orders") == "EUR"

    code, output = migrate("v3")
    assert code == 1
    assert "division by zero" in output
    assert sql(kubectl, restricted, CHECKSUM) != before
    assert sql(kubectl, restricted, MIGRATIONS_BEGUN) == "v2 v3"

    assert SHOP_VERSIONS[3:] == ("v4", "v5")
    for version in SHOP_VERSIONS[3:]:
        kube.apply(shop_application(restricted, version, name=version, replicas=1))
    kube.wait_condition(restricted, "v5", "Ready", seconds=60)

    def verdict() -> int:
        try:
            with urllib.request.urlopen(url_of(kube, restricted, "v5") + "/verify", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    kube.wait("v5 fails its own check", lambda: verdict() == 500)
    assert kube.conditions(restricted, "v4")["Ready"]["status"] == "False"


def test_files_are_served_from_their_volume(
    kube: Kube, kubectl: Kubectl, operator: OperatorProcess, restricted: str
) -> None:
    kube.apply(files_application(restricted))
    kube.wait_condition(restricted, "files", "Ready", seconds=60)
    write = ["deployment/files", "--", "sh", "-c", "echo kept > /data/page"]
    kubectl("exec", "--namespace", restricted, *write)

    def page() -> str:
        try:
            with urllib.request.urlopen(url_of(kube, restricted, "files") + "/page", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError as error:
            return str(error)

    kube.wait("the page is served", lambda: page() == "kept\n")


@pytest.mark.parametrize(("kind", "tls"), [("rest", True), ("s3", False)])
def test_a_pod_keeps_backups_in_a_store_beside_the_cluster(
    kube: Kube, kubectl: Kubectl, restricted: str, mover: str, stores: Stores, kind: Literal["rest", "s3"], tls: bool
) -> None:
    store = stores(kind, tls=tls, megabytes=24)
    assert shutil.disk_usage(store.folder).total == 24 << 20
    env = {"RESTIC_REPOSITORY": store.repository("one"), "RESTIC_PASSWORD": "secret", **store.credentials()}
    restic = ["restic", "--no-cache"]
    if store.authority is not None:
        env["AUTHORITY"] = store.authority.read_text()
        restic.append("--cacert=/tmp/ca.crt")

    def run(name: str, script: str) -> tuple[int, str]:
        given = (
            '[ -z "$AUTHORITY" ] || printf %s "$AUTHORITY" >/tmp/ca.crt; set -e; restic() { '
            + " ".join(["command", *restic])
            + ' "$@"; }; '
        )
        return run_to_end(kube, kubectl, restricted, name, mover, ["sh", "-c", given + script], **env)

    code, output = run("first", "restic init; restic backup /usr/bin/python3; restic check --read-data")
    assert code == 0, output
    store.stop()
    store.start()
    code, output = run("second", "restic snapshots --json")
    assert code == 0, output
    (snapshot,) = json.loads(output)
    assert snapshot["paths"] == ["/usr/bin/python3"]
    damage(store.files("one"))
    assert run("third", "restic check --read-data")[0] == 1


def test_a_store_lets_nobody_in_without_credentials(stores: Stores) -> None:
    def status(method: str, url: str) -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status("POST", stores().url + "/one/?create=true") == 401
    assert status("POST", stores(credentials=False).url + "/one/?create=true") == 200
    bucket = stores("s3")
    assert bucket.repository("one") == f"s3:{bucket.url}/backups/one"
    assert status("GET", bucket.url + "/backups") == 403
