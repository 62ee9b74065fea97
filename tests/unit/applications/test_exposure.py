"""How an Application is reached: Services, Ingress, NetworkPolicy, endpoints."""

from typing import Any

import pytest
from hypothesis import given

from harness.application_specs import application, applications
from timonier.api.application import Application
from timonier.applications.exposure import (
    endpoints,
    has_service,
    headless_service,
    ingress,
    network_policy,
    service,
)

SELECTOR = {"timonier.dev/application": "web"}
HTTP = {"name": "http", "containerPort": 8080}
DNS = {"name": "dns", "containerPort": 53, "protocol": "UDP"}


def app(*ports: dict[str, Any], **network: Any) -> Application:
    return application({"workload": {"ports": list(ports)}, "network": network})


@pytest.mark.parametrize(
    ("ports", "network", "expected"),
    [
        ((), {}, False),
        ((HTTP,), {}, True),
        ((HTTP,), {"service": {}}, True),
        ((HTTP,), {"service": {"enabled": True}}, True),
        ((HTTP,), {"service": {"enabled": False}}, False),
        ((), {"service": {"enabled": False}}, False),
    ],
)
def test_there_is_a_service_where_there_are_ports_unless_it_is_disabled(
    ports: tuple[dict[str, Any], ...], network: dict[str, Any], expected: bool
) -> None:
    assert has_service(app(*ports, **network)) is expected


def test_without_a_word_about_the_network_ports_make_a_service() -> None:
    assert has_service(application({"workload": {"ports": [HTTP]}}))


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_the_service(kind: str) -> None:
    made = service(app(HTTP, DNS, service={"type": kind, "annotations": {"a": "b"}}), SELECTOR)
    assert made["metadata"]["name"] == "web"
    assert made["metadata"]["annotations"] == {"a": "b"}
    assert made["spec"] == {
        "type": kind,
        "selector": SELECTOR,
        "ports": [
            {"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"},
            {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
        ],
    }


def test_members_find_each_other_before_they_are_ready_and_without_ports() -> None:
    made = headless_service(app(), SELECTOR)
    assert made["metadata"]["name"] == "web-headless"
    assert made["spec"] == {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": SELECTOR}


@pytest.mark.parametrize("port", [None, "http", "admin"])
def test_the_ingress_leads_to_the_named_port_or_the_first(port: str | None) -> None:
    wanted = {"host": "web.example.org"} | ({"port": port} if port else {})
    made = ingress(app(HTTP, {"name": "admin", "containerPort": 9090}, ingress=wanted))
    assert made is not None
    assert made["spec"] == {
        "rules": [
            {
                "host": "web.example.org",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "web", "port": {"name": port or "http"}}},
                        }
                    ]
                },
            }
        ]
    }


def test_an_ingress_with_everything() -> None:
    wanted = {
        "host": "web.example.org",
        "path": "/shop",
        "className": "public",
        "tlsSecretName": "web-tls",
        "annotations": {"a": "b"},
    }
    made = ingress(app(HTTP, ingress=wanted))
    assert made is not None
    assert made["spec"]["ingressClassName"] == "public"
    assert made["spec"]["tls"] == [{"hosts": ["web.example.org"], "secretName": "web-tls"}]
    assert made["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/shop"
    assert made["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize("without", [application(), app(HTTP), app(ingress={"host": "web.example.org"})])
def test_no_ingress_where_none_is_asked_for_or_nothing_listens(without: Application) -> None:
    assert ingress(without) is None


PORT = {"port": 8080, "protocol": "TCP"}
ADMIN = {"port": 9090, "protocol": "TCP"}
NAMESPACE, CLUSTER = [{"podSelector": {}}], [{"namespaceSelector": {}}]
TWO = (HTTP, {"name": "admin", "containerPort": 9090})
POLICIES: dict[str, tuple[Application, list[dict[str, Any]] | None]] = {
    "no ports: nobody": (app(), None),
    "ports: the namespace": (app(HTTP), [{"from": NAMESPACE, "ports": [PORT]}]),
    "no Service: the namespace all the same": (
        app(HTTP, service={"enabled": False}),
        [{"from": NAMESPACE, "ports": [PORT]}],
    ),
    "Ingress: the cluster, on its port alone": (
        app(*TWO, ingress={"host": "web.example.org", "port": "admin"}),
        [{"from": NAMESPACE, "ports": [PORT, ADMIN]}, {"from": CLUSTER, "ports": [ADMIN]}],
    ),
    "load balancer: everybody": (app(*TWO, service={"type": "LoadBalancer"}), [{"ports": [PORT, ADMIN]}]),
    "node port: everybody": (app(HTTP, service={"type": "NodePort"}), [{"ports": [PORT]}]),
    "a Service that is disabled is no way in": (
        app(HTTP, service={"type": "NodePort", "enabled": False}),
        [{"from": NAMESPACE, "ports": [PORT]}],
    ),
}


@pytest.mark.parametrize("case", POLICIES)
def test_who_gets_in(case: str) -> None:
    made = network_policy(POLICIES[case][0], {"matchLabels": SELECTOR})
    assert made is not None
    spec = {"podSelector": {"matchLabels": SELECTOR}, "policyTypes": ["Ingress"]}
    rules = POLICIES[case][1]
    assert made["spec"] == spec | ({"ingress": rules} if rules else {})


def test_none_makes_no_policy() -> None:
    assert network_policy(app(HTTP, networkPolicy="None"), {}) is None


@given(applications())
def test_no_rule_lets_everybody_in_unless_the_service_is_meant_for_outside(web: Application) -> None:
    made = network_policy(web, {"matchLabels": SELECTOR})
    outside = has_service(web) and web.spec.network and web.spec.network.service
    if made is None or (outside and outside.type != "ClusterIP"):
        return
    assert all("from" in rule and rule["ports"] for rule in made["spec"].get("ingress", ()))


def balancer(*addresses: dict[str, str]) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": list(addresses)}}}


def point(name: str, scope: str, url: str) -> dict[str, str]:
    return {"name": name, "scope": scope, "url": url}


INSIDE = point("http", "Cluster", "http://web.shop.svc:8080")
ENDPOINTS: dict[str, tuple[Application, dict[str, Any] | None, list[dict[str, str]]]] = {
    "no Service": (app(), None, []),
    "before the Service is there": (app(HTTP), None, [INSIDE]),
    "a Service without a balancer": (app(HTTP), {"status": {}}, [INSIDE]),
    "a balancer by address": (
        app(HTTP), balancer({"ip": "192.0.2.7"}), [INSIDE, point("http", "External", "http://192.0.2.7:8080")],
    ),
    "a balancer by name": (
        app(HTTP), balancer({"hostname": "b.example.org", "ip": "192.0.2.7"}),
        [INSIDE, point("http", "External", "http://b.example.org:8080")],
    ),
    "a balancer by an IPv6 address": (
        app(HTTP), balancer({"ip": "2001:db8::7"}), [INSIDE, point("http", "External", "http://[2001:db8::7]:8080")],
    ),
    "an Ingress": (
        app(HTTP, ingress={"host": "web.example.org", "path": "/shop"}), None,
        [INSIDE, point("ingress", "External", "http://web.example.org/shop")],
    ),
    "an Ingress with TLS": (
        app(HTTP, ingress={"host": "web.example.org", "tlsSecretName": "t"}), None,
        [INSIDE, point("ingress", "External", "https://web.example.org/")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDPOINTS)
def test_where_it_is_reachable(case: str) -> None:
    web, live_service, expected = ENDPOINTS[case]
    assert endpoints(web, live_service) == expected


@pytest.mark.parametrize(
    ("name", "protocol", "scheme"),
    [
        ("http", "TCP", "http"),
        ("http-admin", "TCP", "http"),
        ("https", "TCP", "https"),
        ("grpc", "TCP", "grpc"),
        ("valkey", "TCP", "tcp"),
        ("dns", "UDP", "udp"),
    ],
)
def test_the_scheme_of_an_address(name: str, protocol: str, scheme: str) -> None:
    (found,) = endpoints(app({"name": name, "containerPort": 1, "protocol": protocol}), None)
    assert found["url"] == f"{scheme}://web.shop.svc:1"
