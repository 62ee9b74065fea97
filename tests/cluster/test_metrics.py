"""Metrics over TLS, to whoever the API server knows and lets."""

import base64
import ssl
import urllib.error
import urllib.request

import pytest

from harness.fixtures import Installation
from harness.kube import SECRETS, Kube, Manifest
from harness.operator_process import OperatorProcess
from timonier.api.resources import SERVICE_ACCOUNTS
from timonier.webhooks.authority import SECRET_NAME

pytestmark = pytest.mark.cluster

RBAC = "rbac.authorization.k8s.io"


def scraped(replica: OperatorProcess, authority: str, token: str) -> tuple[int, str]:
    request = urllib.request.Request(f"https://127.0.0.1:{replica.webhooks}/metrics")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        context = ssl.create_default_context(cadata=authority)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_token_of_the_cluster_and_a_permission_are_needed(
    kube: Kube, operator: OperatorProcess, installation: Installation, namespace: str
) -> None:
    account: Manifest = {
        "apiVersion": "v1",
        "kind": SERVICE_ACCOUNTS.kind,
        "metadata": {"namespace": namespace, "name": "prometheus"},
    }
    kube.apply(account)
    path = SERVICE_ACCOUNTS.url(namespace, "prometheus", "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = kube.request("POST", path, request)["status"]["token"]
    secret = kube.get(SECRETS, installation.namespace, SECRET_NAME) or {}
    authority = base64.b64decode(secret["data"]["ca.crt"]).decode()

    assert scraped(operator, authority, "")[0] == 401
    assert scraped(operator, authority, f"{token}x")[0] == 401
    refused = scraped(operator, authority, token)
    assert refused[0] == 403
    assert f"system:serviceaccount:{namespace}:prometheus may not get /metrics" in refused[1]
    kube.apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"metrics-{namespace}"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "timonier-metrics-reader"},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "prometheus"}],
        }
    )
    kube.wait("it may read them", lambda: scraped(operator, authority, token)[0] == 200, 10)
    assert "timonier_reconcile_total" in scraped(operator, authority, token)[1]
