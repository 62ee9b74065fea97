"""A real API server that asks the operator before RBAC: an administrator's deletion of what is protected is refused."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.cluster import Cluster, running
from devcluster.spec import ClusterSpec
from harness.applications import application
from harness.backups import backup
from harness.fixtures import OPERATOR_NAMESPACE, install
from harness.kube import NAMESPACES, Kube, Manifest, RefusedError
from harness.loopback_service import LoopbackService
from harness.operator_process import OperatorProcess, service_account_kubeconfig, start_operator
from timonier.api.resources import APPLICATIONS, BACKUP_STORES, BACKUPS, Resource
from timonier.webhooks.certificates import Lives, renewed

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PACKAGING = Path(__file__).parents[2] / "operator" / "packaging" / "authorization"
NAMESPACE = "protected"
SOON = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
PAST = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Guarded:
    kube: Kube
    operator: OperatorProcess


def configured(folder: Path, url: str) -> Path:
    """The files that are shipped, filled in, and the operator's certificate beside them."""
    trust = renewed(None, ["127.0.0.1"], datetime.now(UTC), Lives(), published=True)
    (folder / "tls.crt").write_text(trust.leaf.certificate)
    (folder / "tls.key").write_text(trust.leaf.key)
    kubeconfig = yaml.safe_load((PACKAGING / "webhook.kubeconfig").read_text())
    (cluster,) = (each["cluster"] for each in kubeconfig["clusters"])
    del cluster["tls-server-name"]
    cluster["server"] = f"{url}/authorize"
    cluster["certificate-authority-data"] = base64.b64encode(trust.bundle.encode()).decode()
    (folder / "webhook.kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    configuration = yaml.safe_load((PACKAGING / "authorization-configuration.yaml").read_text())
    first = configuration["authorizers"][0]["webhook"]
    first["connectionInfo"]["kubeConfigFile"] = str(folder / "webhook.kubeconfig")
    (folder / "configuration.yaml").write_text(yaml.safe_dump(configuration))
    return folder / "configuration.yaml"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A cluster of its own, as the flags are the API server's."""
    folder, replicas = tmp_path_factory.mktemp("authorization"), list[OperatorProcess]()
    service = LoopbackService(lambda: replicas)
    argument = f"--authorization-config={configured(folder, service.url)}"
    with running(ClusterSpec(name="authorization", count=1, apiserver_args=(argument,)), folder / "cluster") as cluster:
        assert isinstance(cluster, Cluster)
        kube = Kube(cluster.kubeconfig)
        install(kube, service.url)
        account = service_account_kubeconfig(
            cluster.kubeconfig, OPERATOR_NAMESPACE, "timonier", folder / "operator.kubeconfig"
        )
        replicas.append(
            start_operator(account, OPERATOR_NAMESPACE, folder / "log", "--webhook-certificates", str(folder))
        )
        replicas[0].wait_ready()
        kube.apply({"apiVersion": "v1", "kind": NAMESPACES.kind, "metadata": {"name": NAMESPACE}})
        try:
            yield Guarded(kube, replicas[0])
        finally:
            replicas[0].stop()
            service.close()


def refused(kube: Kube, method: str, path: str, body: Any = None, **query: str) -> str:
    """Why the API server refuses it, as if it were done; empty when it does not."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    try:
        kube.request(method, path, body, kind, dryRun="All", **query)
    except RefusedError as error:
        if error.status != 403:
            raise
        return error.message
    return ""


def wait_protected(
    kube: Kube, resource: Resource, name: str, why: str, *, method: str = "DELETE", sub: str | None = None
) -> None:
    """The operator has to hear of it, and the API server keeps what it was answered for a second."""
    path, body = resource.url(NAMESPACE, name, sub), {"metadata": {"labels": {"a": "b"}}} if method == "PATCH" else None
    kube.wait(f"{name} is protected", lambda: why in refused(kube, method, path, body), 20)


def good_backup(kube: Kube, application: str, name: str, status: Manifest) -> None:
    """A Backup that is said to have been made, once the operator has said its own word of it."""
    kube.apply(backup(NAMESPACE, application, name, suspend=True))
    kube.wait("it waits", lambda: (kube.get(BACKUPS, NAMESPACE, name) or {}).get("status", {}).get("conditions"), 20)
    kube.patch(BACKUPS, NAMESPACE, name, {"status": {"phase": "Succeeded", **status}}, "status")


def frozen(name: str, until: str) -> Manifest:
    return application(NAMESPACE, name, changeFreeze={"until": until, "reason": "holidays"})


def test_an_application_under_a_change_freeze_is_not_changed_and_its_namespace_not_deleted(guarded: Guarded) -> None:
    kube = guarded.kube
    kube.apply(frozen("shop", SOON), frozen("blog", PAST))
    wait_protected(kube, APPLICATIONS, "shop", "holidays")
    blog = APPLICATIONS.url(NAMESPACE, "blog")
    for sub in (None, "scale"):
        wait_protected(kube, APPLICATIONS, "shop", "is under a change freeze until", method="PATCH", sub=sub)
    assert refused(kube, "DELETE", APPLICATIONS.url(NAMESPACE))
    assert refused(kube, "DELETE", NAMESPACES.url(None, NAMESPACE))
    for method, body in (("PATCH", {"metadata": {"labels": {"a": "b"}}}), ("DELETE", None)):
        assert refused(kube, method, blog, body) == ""
    assert kube.get(APPLICATIONS, NAMESPACE, "shop") is not None
    kube.wait_condition(NAMESPACE, "shop", "Ready", seconds=60)  # the operator's own status is let through


def test_the_last_good_backup_of_an_application_stays_and_others_go(guarded: Guarded) -> None:
    kube = guarded.kube
    kube.apply(application(NAMESPACE, "web"))
    for name in ("older", "newer"):
        good_backup(kube, "web", name, {})
    older, newer = (BACKUPS.url(NAMESPACE, name) for name in ("older", "newer"))
    for path in (older, newer):
        kube.wait("there is another one", lambda path=path: refused(kube, "DELETE", path) == "", 20)
    kube.delete(BACKUPS, NAMESPACE, "older")
    wait_protected(kube, BACKUPS, "newer", "is the last good backup of the Application web")
    assert "last good backup" in refused(kube, "DELETE", BACKUPS.url(NAMESPACE))
    kube.delete(APPLICATIONS, NAMESPACE, "web")
    kube.wait("nobody needs it any more", lambda: refused(kube, "DELETE", newer) == "", 20)


def test_a_store_under_a_lock_and_what_is_in_it_stay(guarded: Guarded) -> None:
    kube = guarded.kube
    store = {
        "apiVersion": BACKUP_STORES.api_version,
        "kind": BACKUP_STORES.kind,
        "metadata": {"namespace": NAMESPACE, "name": "vault"},
        "spec": {
            "rest": {"url": "http://127.0.0.1:1/"},
            "encryption": {"passwordSecretRef": {"name": "vault", "key": "password"}},
            "retentionLock": {"until": SOON},
        },
    }
    kube.apply(store)
    good_backup(kube, "gone", "kept", {"store": {"name": "vault"}})
    wait_protected(kube, BACKUP_STORES, "vault", "is under a retention lock")
    wait_protected(kube, BACKUPS, "kept", "is under a retention lock")
    wait_protected(kube, BACKUP_STORES, "vault", "is under a retention lock", method="PATCH")


def asked(guarded: Guarded) -> float:
    series = guarded.operator.scrape()
    return sum(count for name, count in series.items() if name.startswith("timonier_authorization_reviews_total"))


def test_other_requests_are_not_asked_about(guarded: Guarded) -> None:
    kube = guarded.kube
    before = asked(guarded)
    for number in range(20):
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": NAMESPACE, "name": f"n-{number}"}}
        kube.create(config)
        kube.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/n-{number}")
        kube.list(APPLICATIONS, NAMESPACE)
    assert asked(guarded) == before
    refused(kube, "DELETE", APPLICATIONS.url(NAMESPACE, "shop"))
    assert asked(guarded) > before


def test_without_the_operator_rbac_decides(guarded: Guarded) -> None:
    """The last one: the operator does not come back."""
    kube = guarded.kube
    kube.apply(frozen("alone", SOON))
    wait_protected(kube, APPLICATIONS, "alone", "change freeze")
    guarded.operator.stop()
    kube.wait("RBAC decides", lambda: refused(kube, "DELETE", APPLICATIONS.url(NAMESPACE, "alone")) == "", 20)
