"""Whom an operator may talk to without OLM: only where somebody says so, and never less than what it serves."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from balise import cli
from balise.model.errors import InputError
from balise.render.bundle import Bundle
from balise.render.installation import render
from balise.render.network import NETWORK_ANNOTATION
from balise.render.options import Options

Manifest = dict[str, Any]

CSV: Manifest = {
    "metadata": {"name": "acme.v1.2.3", "annotations": {NETWORK_ANNOTATION: "api-server"}},
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
                                "metadata": {"labels": {"app": "acme", "tier": "control"}},
                                "spec": {
                                    "containers": [
                                        {
                                            "name": "operator",
                                            "image": "registry.example/acme:1",
                                            "livenessProbe": {"httpGet": {"port": "health", "path": "/"}},
                                            "ports": [
                                                {"name": "health", "containerPort": 8081},
                                                {"name": "metrics", "containerPort": 8443},
                                            ],
                                        }
                                    ]
                                },
                            },
                        },
                    }
                ]
            },
        },
    },
}
WEBHOOK: Manifest = {
    "type": "ConversionWebhook",
    "generateName": "convert.acme.example",
    "deploymentName": "acme",
    "containerPort": 443,
    "targetPort": 9443,
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
}


def service(*ports: Manifest, **selector: str) -> Manifest:
    spec: Manifest = {"ports": list(ports)} | ({"selector": selector} if selector else {})
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "acme"}, "spec": spec}


def bundle(*others: Manifest, webhook: Manifest | None = None, container: Manifest | None = None) -> Bundle:
    csv = copy.deepcopy(CSV)
    if webhook is not None:
        csv["spec"]["webhookdefinitions"] = [webhook]
    csv["spec"]["install"]["spec"]["deployments"][0]["spec"]["template"]["spec"]["containers"][0] |= container or {}
    return Bundle(csv, (), others)


def annotated(bundle: Bundle, value: str | None) -> Bundle:
    bundle.csv["metadata"]["annotations"] = {} if value is None else {NETWORK_ANNOTATION: value}
    return bundle


def policies(bundle: Bundle, **options: Any) -> list[Manifest]:
    rendered = render(bundle, Options("ops", **({"certificates": "operator"} | options)))
    return [each for each in rendered if each["kind"] == "NetworkPolicy"]


def let_in(bundle: Bundle) -> list[tuple[int | str, str]]:
    (policy,) = policies(bundle)
    return [(port["port"], port["protocol"]) for rule in policy["spec"]["ingress"] for port in rule["ports"]]


def test_the_whole_of_a_policy() -> None:
    assert policies(bundle(webhook=WEBHOOK)) == [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "acme", "namespace": "ops"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "acme"}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": [{"port": 8443, "protocol": "TCP"}, {"port": 9443, "protocol": "TCP"}]}],
                "egress": [
                    {"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]},
                    {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
                ],
            },
        }
    ]


def test_it_comes_before_the_pods_that_it_is_for() -> None:
    kinds = [each["kind"] for each in render(bundle(), Options("ops"))]
    assert kinds.index("NetworkPolicy") < kinds.index("Deployment")


@pytest.mark.parametrize(
    ("said", "chosen", "expected"),
    [
        # An operator that says nothing may talk elsewhere: nobody cuts it off.
        (None, "", 0),
        ("none", "", 0),
        ("api-server", "", 1),
        (None, "api-server", 1),
        ("api-server", "none", 0),
    ],
)
def test_a_person_decides_and_else_the_bundle(said: str | None, chosen: str, expected: int) -> None:
    assert len(policies(annotated(bundle(), said), network_policy=chosen)) == expected


def test_an_annotation_that_nobody_understands_is_no_silence() -> None:
    with pytest.raises(InputError, match="'cluster', expected 'api-server' or 'none'"):
        policies(annotated(bundle(), "cluster"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (bundle(), [(8443, "TCP")]),
        (bundle(container={"ports": []}), []),
        (bundle(webhook=WEBHOOK | {"targetPort": "metrics"}), [(8443, "TCP")]),
        (bundle(webhook=WEBHOOK | {"targetPort": "elsewhere"}), [(8443, "TCP"), ("elsewhere", "TCP")]),
        (
            bundle(webhook={key: value for key, value in WEBHOOK.items() if key != "targetPort"}),
            [(443, "TCP"), (8443, "TCP")],
        ),
        (bundle(webhook=WEBHOOK | {"deploymentName": "another"}), [(8443, "TCP")]),
        # A port that is probed, but that a Service or a webhook leads to, is no mere health port.
        (bundle(service({"port": 80, "targetPort": "health"}, app="acme")), [(8081, "TCP"), (8443, "TCP")]),
        (bundle(webhook=WEBHOOK | {"targetPort": 8081}), [(8081, "TCP"), (8443, "TCP")]),
        (bundle(service({"port": 8081}, app="acme", tier="control")), [(8081, "TCP"), (8443, "TCP")]),
        (bundle(service({"port": 8081}, app="acme", tier="data")), [(8443, "TCP")]),
        (bundle(service({"port": 8081})), [(8443, "TCP")]),
        (bundle(service({"port": 53, "protocol": "UDP"}, app="acme")), [(53, "UDP"), (8443, "TCP")]),
        (bundle(container={"readinessProbe": {"tcpSocket": {"port": 8443}}}), []),
        (bundle(container={"readinessProbe": {"grpc": {"port": 8443}}}), []),
        (bundle(container={"readinessProbe": {"exec": {"command": ["true"]}}}), [(8443, "TCP")]),
        (bundle(container={"readinessProbe": {"httpGet": {"host": "acme.example", "port": 8443}}}), [(8443, "TCP")]),
    ],
)
def test_what_is_served_is_let_in(given: Bundle, expected: list[tuple[int | str, str]]) -> None:
    assert let_in(given) == expected


def test_an_api_server_elsewhere() -> None:
    (policy,) = policies(bundle(), api_server_ports=(8443, 8443, 443))
    assert [port["port"] for port in policy["spec"]["egress"][0]["ports"]] == [443, 8443]


def test_the_bundle_is_not_changed() -> None:
    given = bundle(service({"port": 80}, app="acme"), webhook=WEBHOOK)
    before = copy.deepcopy(given)
    policies(given)
    assert given == before


@pytest.mark.parametrize("port", ["0", "65536", "-1", "https", "²"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["render", "bundle", "--namespace", "ops", "--api-server-port", port])
    assert "is no port" in capsys.readouterr().err
