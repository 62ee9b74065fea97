"""What is secret is in no log at its most talkative, in no event and in no metric, whatever goes wrong with it."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from harness.applications import application
from harness.backups import PASSWORD, backup, restore, wait_over
from harness.fixtures import Installation
from harness.kube import SECRETS, Kube, Manifest, RefusedError
from harness.movers import application_with_volume, played, waiting_store
from harness.operator_process import OperatorProcess
from harness.simple_objects import SIMPLE, apply, simple, wait_for_conversion
from timonier.api.conversion import STASH
from timonier.api.resources import APPLICATIONS, EVENTS, GROUP, RESTORES, Resource
from timonier.webhooks.authority import SECRET_NAME

pytestmark = pytest.mark.cluster

LEGACY_EVENTS = Resource("", "v1", "events", "Event")
PLACES = {
    "environment": "marker-in-env-of-an-application",
    "file": "marker-in-a-config-file",
    "encryption password": "marker-in-a-password-of-encryption",
    "user of a store": "marker-in-a-user-of-a-store",
    "password of a store": "marker-in-a-password-of-a-store",
    "token for the metrics": "marker-in-a-bearer-token",
    "forged review": "marker-in-a-forged-review",
    "refused request": "marker-in-a-refused-request",
    "forged stash": "marker-in-a-forged-stash",
    "broken HTTP": "marker-in-a-broken-request",
    "dump": "marker-in-a-command",
}


def spoken_to(replica: OperatorProcess, authority: str) -> Iterator[int]:
    """The statuses that a stranger on the pod network gets for all sorts of things with secrets in them."""
    context = ssl.create_default_context(cadata=authority)
    secret = PLACES["forged review"]
    manifest = {
        "apiVersion": APPLICATIONS.api_version,
        "kind": "Application",
        "metadata": {"name": secret, "annotations": {STASH: base64.b64encode(secret.encode()).decode()}},
        "spec": {"workload": {"image": secret, "env": [secret, {"name": 1, "value": secret}], "ports": [{secret: 1}]}},
    }
    kinds = {"/convert": "ConversionReview", "/review": "AdmissionReview", "/authorize": "SubjectAccessReview"}
    for path, kind in kinds.items():
        for version in (f"{GROUP}/v1alpha1", f"{GROUP}/v1", secret):
            request = {
                "uid": secret,
                "desiredAPIVersion": version,
                "objects": [manifest, {**manifest, "apiVersion": f"{GROUP}/v1alpha1"}],
                "kind": {"kind": secret if version == secret else "Application"},
                "userInfo": {"username": secret, "groups": [secret], "extra": {secret: secret}},
                "object": manifest,
                "oldObject": {**manifest, "spec": {"workload": {"env": secret}}},
            }
            spec = {"user": secret, "resourceAttributes": {"verb": "delete", "group": GROUP, "resource": secret}}
            review = {"apiVersion": secret, "kind": kind, "request": request, "spec": spec}
            for body in (json.dumps(review), json.dumps(review)[:-20], json.dumps([secret]), secret):
                yield status_of(f"https://127.0.0.1:{replica.webhooks}{path}?{secret}", context, body.encode())
    headers = {"Authorization": f"Bearer {PLACES['token for the metrics']}"}
    yield status_of(f"https://127.0.0.1:{replica.webhooks}/metrics", context, None, headers)
    yield status_of(f"https://127.0.0.1:{replica.webhooks}/review", context, b"{}", {"X": PLACES["broken HTTP"] * 500})


def status_of(url: str, context: ssl.SSLContext, body: bytes | None, headers: Mapping[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, dict(headers or {})), timeout=10, context=context
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def secret_of(namespace: str, name: str, **entries: str) -> Manifest:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}


def store(namespace: str) -> list[Manifest]:
    where = {"url": "http://127.0.0.1:1/offsite", "credentialsSecretRef": {"name": "keys"}}
    return [
        secret_of(namespace, "password", password=PLACES["encryption password"]),
        secret_of(namespace, "keys", username=PLACES["user of a store"], password=PLACES["password of a store"]),
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "BackupStore",
            "metadata": {"namespace": namespace, "name": "offsite"},
            "spec": {"rest": where, "encryption": {"passwordSecretRef": {"name": "password"}}},
        },
    ]


def exposed(kube: Kube, namespace: str, replica: OperatorProcess) -> dict[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{replica.metrics}/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    events = [kube.list(resource, namespace) for resource in (EVENTS, LEGACY_EVENTS)]
    return {"log": replica.log.read_text(), "metrics": metrics, "events": json.dumps(events)}


@pytest.mark.usefixtures("reviewed")
def test_no_secret_is_in_logs_events_or_metrics(
    cluster: Any,
    kube: Kube,
    installation: Installation,
    operator_factory: Callable[..., OperatorProcess],
    namespace: str,
) -> None:
    replica = operator_factory("--log-level", "debug")
    wait_for_conversion(kube, namespace)
    webhooks = kube.get(SECRETS, installation.namespace, SECRET_NAME) or {}
    authority = base64.b64decode(webhooks["data"]["ca.crt"]).decode()

    # What is as it should be: variables, files, a store with a password, a backup and a restore.
    variables = {"env": [{"name": "A", "value": PLACES["environment"]}]}
    files = {"files": {"/etc/a.conf": PLACES["file"]}}
    with played(cluster.kubeconfig, namespace):
        kube.apply(*store(namespace), *waiting_store(namespace, "shelf"))
        kube.apply(*application_with_volume(namespace, workload=variables, config=files))
        kube.apply(backup(namespace, "web", store="shelf"))
        assert wait_over(kube, namespace, "first", seconds=60)["status"]["phase"] == "Succeeded"
        kube.apply(restore(namespace, "web"))
        wait_over(kube, namespace, "back", resource=RESTORES, seconds=60)

    # What is refused, by RBAC, by us, by the schema and by other policies; and what cannot be converted.
    refused = application(namespace, "refused", workload={"env": [{"name": "A", "value": PLACES["refused request"]}]})
    stranger = Kube(cluster.kubeconfig, acting_as="nobody")
    for user, manifest in (
        (stranger, refused),
        (kube, {**refused, "spec": {**refused["spec"], "backup": {"storeRef": {"name": "offsite"}}}}),
        (kube, {**refused, "spec": {"workload": PLACES["refused request"]}}),
    ):
        with pytest.raises(RefusedError):
            user.apply(manifest)
    forged = simple(namespace, "forged")
    forged["metadata"]["annotations"] = {STASH: base64.b64encode(PLACES["forged stash"].encode()).decode()}
    with pytest.raises(RefusedError, match="take the annotation away"):
        apply(kube, forged)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": namespace, "name": "none"},
        "spec": {"hard": {"count/configmaps": "1", "count/deployments.apps": "1", "count/jobs.batch": "1"}},
    }
    kube.apply(quota)
    kube.apply(application(namespace, "poor", workload=variables, config=files))
    dump = {"method": "Command", "command": {"dump": ["sh", "-c", PLACES["dump"]], "load": ["true"]}}
    kube.apply(application(namespace, "dumped", backup={"storeRef": {"name": "offsite"}, **dump}))
    kube.apply(backup(namespace, "dumped", "second"))
    kube.wait("the quota is told of", lambda: "exceeded quota" in replica.log.read_text(), 30)
    kube.request("GET", SIMPLE.url(namespace))

    statuses = list(spoken_to(replica, authority))
    assert set(statuses) <= {200, 400, 401}
    assert {200, 400, 401} <= set(statuses)

    secrets = {
        **PLACES,
        "password of the shelf": PASSWORD,
        "own token": yaml.safe_load(installation.kubeconfig.read_text())["users"][0]["user"]["token"],
    }
    for name in ("tls.key", "ca.key"):
        key = base64.b64decode(webhooks["data"][name]).decode()
        secrets[name] = key.splitlines()[1]
    found = [
        (place, name)
        for place, text in exposed(kube, namespace, replica).items()
        for name, secret in secrets.items()
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")[:-1])
        if form in text
    ]
    assert found == []
    assert '"level": "debug"' in replica.log.read_text()
