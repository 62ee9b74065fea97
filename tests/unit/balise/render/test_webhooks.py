"""Webhooks without OLM: who makes the certificates, where the API server is led, and what the operator may touch."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from balise.generate.webhooks import MATCH_CONDITIONS_ANNOTATION
from balise.model.errors import InputError
from balise.render.bundle import Bundle
from balise.render.installation import render
from balise.render.options import Options
from balise.render.webhooks import CERTIFICATES_ANNOTATION

CRD: dict[str, Any] = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                       "metadata": {"name": "stores.acme.example"}}  # fmt: skip
CSV: dict[str, Any] = {
    "metadata": {"name": "acme.v1.2.3", "annotations": {}},
    "spec": {
        "installModes": [{"type": "AllNamespaces", "supported": True}],
        "install": {
            "strategy": "deployment",
            "spec": {
                "deployments": [
                    {
                        "name": "acme",
                        "spec": {
                            "selector": {"matchLabels": {"app": "acme"}},
                            "template": {
                                "spec": {
                                    "serviceAccountName": "acme",
                                    "containers": [{"name": "operator", "image": "registry.example/acme:1"}],
                                }
                            },
                        },
                    }
                ]
            },
        },
    },
}
DEFINITIONS: list[dict[str, Any]] = [
    {
        "type": "ConversionWebhook",
        "generateName": "convert.acme.example",
        "deploymentName": "acme",
        "webhookPath": "/convert",
        "containerPort": 443,
        "targetPort": 9443,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "conversionCRDs": ["stores.acme.example"],
    },
    {
        "type": "ValidatingAdmissionWebhook",
        "generateName": "stores.acme.example",
        "deploymentName": "acme",
        "webhookPath": "/validate",
        "containerPort": 443,
        "targetPort": 9443,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "rules": [
            {"apiGroups": ["acme.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["stores"]}
        ],
    },
]
SERVICE = {"name": "acme-service", "namespace": "ops", "path": "/convert", "port": 443}


def only(manifests: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def bundle(offered: str = "operator") -> Bundle:
    csv = copy.deepcopy(CSV)
    csv["spec"]["webhookdefinitions"] = DEFINITIONS
    if offered:
        csv["metadata"]["annotations"][CERTIFICATES_ANNOTATION] = offered
    return Bundle(csv, (CRD | {"spec": {"group": "acme.example"}},), ())


def test_the_api_server_is_led_to_a_service_in_front_of_the_pods() -> None:
    manifests = render(bundle(), Options("ops"))
    service = only(manifests, "Service", "acme-service")
    assert service["spec"]["selector"] == {"app": "acme"}
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(443, 9443)]
    conversion = only(manifests, "CustomResourceDefinition")["spec"]["conversion"]
    assert conversion["webhook"] == {"clientConfig": {"service": SERVICE}, "conversionReviewVersions": ["v1"]}
    assert manifests[-1]["kind"] == "ValidatingWebhookConfiguration", "it must not hold up what comes before it"
    (webhook,) = manifests[-1]["webhooks"]
    assert webhook["clientConfig"]["service"] == SERVICE | {"path": "/validate"}
    assert webhook["failurePolicy"] == "Fail"
    (where,) = webhook["namespaceSelector"]["matchExpressions"]
    assert where == {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["ops"]}


def test_or_to_a_url() -> None:
    manifests = render(bundle(), Options("ops", webhook_url="https://127.0.0.1:1/"))
    conversion = only(manifests, "CustomResourceDefinition")["spec"]["conversion"]
    assert conversion["webhook"]["clientConfig"] == {"url": "https://127.0.0.1:1/convert"}


def test_an_operator_with_certificates_of_its_own_may_touch_these_objects_only() -> None:
    manifests = render(bundle(), Options("ops"))
    secret = only(manifests, "Secret")
    assert (secret["metadata"]["name"], "data" in secret) == ("acme-service-cert", False)
    assert only(manifests, "Role", "acme-certificates")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["acme-service-cert"],
            "verbs": ["get", "update"],
        }
    ]
    rules = only(manifests, "ClusterRole", "acme-certificates-ops")["rules"]
    assert [(rule["resources"], rule["resourceNames"]) for rule in rules] == [
        (["customresourcedefinitions"], ["stores.acme.example"]),
        (["validatingwebhookconfigurations"], ["stores.acme.example"]),
    ]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "update"}
    assert only(manifests, "RoleBinding", "acme-certificates")["subjects"][0]["name"] == "acme"


def test_cert_manager_makes_them_where_it_is_chosen() -> None:
    manifests = render(bundle(), Options("ops", certificates="cert-manager"))
    certificate = only(manifests, "Certificate")
    assert certificate["spec"]["secretName"] == "acme-service-cert"
    assert "acme-service.ops.svc" in certificate["spec"]["dnsNames"]
    assert certificate["spec"]["issuerRef"]["name"] == only(manifests, "Issuer")["metadata"]["name"]
    injected = {"cert-manager.io/inject-ca-from": "ops/acme-service-cert"}
    for kind in ("CustomResourceDefinition", "ValidatingWebhookConfiguration"):
        assert only(manifests, kind)["metadata"]["annotations"] == injected
    pod = only(manifests, "Deployment")["spec"]["template"]["spec"]
    assert [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]] == [
        "/tmp/k8s-webhook-server/serving-certs",
        "/apiserver.local.config/certificates",
    ]
    assert {each["secret"]["secretName"] for each in pod["volumes"]} == {"acme-service-cert"}
    assert not [each for each in manifests if "certificates" in each["metadata"]["name"]]


def test_a_webhook_is_asked_about_what_its_author_says_alone() -> None:
    conditions = [{"name": "changes", "expression": "object.spec != oldObject.spec"}]
    given = bundle()
    given.csv["metadata"]["annotations"][MATCH_CONDITIONS_ANNOTATION] = json.dumps({"stores.acme.example": conditions})
    (webhook,) = render(given, Options("ops"))[-1]["webhooks"]
    assert webhook["matchConditions"] == conditions
    (webhook,) = render(bundle(), Options("ops"))[-1]["webhooks"]
    assert "matchConditions" not in webhook
    for text in ("{", "[]", '{"a": 1}', "[" * 50_000):
        given.csv["metadata"]["annotations"][MATCH_CONDITIONS_ANNOTATION] = text
        with pytest.raises(InputError, match="no JSON object of lists"):
            render(given, Options("ops"))


def test_somebody_must_make_them() -> None:
    with pytest.raises(InputError, match=r"has webhooks \(convert.acme.example, stores.acme.example\)") as refusal:
        render(bundle(offered=""), Options("ops"))
    assert "--certificates cert-manager" in refusal.value.way_out


def test_without_webhooks_nothing_is_added() -> None:
    csv = copy.deepcopy(CSV)
    assert render(Bundle(csv, (CRD,), ()), Options("ops")) == render(
        Bundle(csv, (CRD,), ()), Options("ops", certificates="cert-manager")
    )
