from __future__ import annotations

import copy
from typing import Any

import pytest

from balise.generate.webhooks import checked_webhooks
from balise.model.errors import InputError

DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "acme"},
    "spec": {"template": {"spec": {"containers": [{"ports": [{"name": "hooks", "containerPort": 9443}]}]}}},
}
CRD: dict[str, Any] = {"metadata": {"name": "stores.acme.example"}, "spec": {"conversion": {"strategy": "Webhook"}}}
CONVERSION: dict[str, Any] = {
    "type": "ConversionWebhook",
    "generateName": "convert.acme.example",
    "deploymentName": "acme",
    "webhookPath": "/convert",
    "targetPort": 9443,
    "conversionCRDs": ["stores.acme.example"],
}
VALIDATION: dict[str, Any] = {
    "type": "ValidatingAdmissionWebhook",
    "generateName": "a.acme.example",
    "deploymentName": "acme",
    "webhookPath": "/validate",
    "targetPort": "hooks",
    "rules": [{"apiGroups": ["acme.example"], "resources": ["stores"]}],
}


def check(*definitions: dict[str, Any], served: tuple[str, ...] = (), **changes: Any) -> tuple[dict[str, Any], ...]:
    arguments: dict[str, Any] = {"deployment": DEPLOYMENT, "crds": [CRD], "install_modes": ["AllNamespaces"]} | changes
    paths = served or tuple({each["webhookPath"] for each in definitions})
    return checked_webhooks(list(definitions), paths, **arguments, place="acme:webhooks")


def test_conditions_have_a_name_and_an_expression() -> None:
    good = VALIDATION | {"matchConditions": [{"name": "a", "expression": "true"}]}
    assert check(CONVERSION, good) == (good, CONVERSION)
    for bad in ([{"name": "a"}], [{"name": "a", "expression": "true", "more": 1}], ["true"]):
        with pytest.raises(InputError, match="a name and an expression each"):
            check(CONVERSION, VALIDATION | {"matchConditions": bad})


def test_good_definitions_are_sorted_by_name() -> None:
    assert check(CONVERSION, VALIDATION) == (VALIDATION, CONVERSION)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"webhookPath": "/elsewhere"}, "/elsewhere is defined as a webhook, and the operator does not serve it"),
        ({"type": "Webhook"}, "expected type, generateName"),
        ({"webhookPath": "convert"}, "begins with '/'"),
        ({"matchConditions": [{"name": "a", "expression": "true"}]}, "on admission webhooks alone"),
        ({"matchConditions": "true"}, "a name and an expression each"),
        ({"deploymentName": "other"}, "is served by 'other'; the Deployment is 'acme'"),
        ({"targetPort": 8443}, "targetPort 8443 is no port"),
        ({"conversionCRDs": ["else.acme.example"]}, "else.acme.example is to be converted, and no CRD"),
        ({"conversionCRDs": []}, "stores.acme.example asks for conversion by webhook, and no definition names it"),
        ({"rules": [{"apiGroups": ["*"], "resources": ["pods"]}]}, r"a rule for \*, which OLM refuses"),
        (
            {
                "rules": [
                    {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["validatingWebhookConfigurations"]}
                ]
            },
            "a rule for validatingWebhookConfigurations, which OLM refuses",
        ),
    ],
)
def test_what_would_fail_on_install_is_refused_before(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        check(CONVERSION | change, served=("/convert",))


def test_a_path_that_nobody_is_told_of_is_refused() -> None:
    with pytest.raises(InputError, match="/validate is served by the operator, and no definition leads there"):
        check(CONVERSION, served=("/convert", "/validate"))


def test_conversion_twice_and_in_some_namespaces_is_refused() -> None:
    with pytest.raises(InputError, match="converted by two webhooks"):
        check(CONVERSION, CONVERSION | {"generateName": "b.acme.example"})
    with pytest.raises(InputError, match="AllNamespaces as the only install mode"):
        check(CONVERSION, install_modes=["AllNamespaces", "OwnNamespace"])


def test_a_dot_in_the_deployments_name_is_refused() -> None:
    deployment = copy.deepcopy(DEPLOYMENT)
    deployment["metadata"]["name"] = "ac.me"
    with pytest.raises(InputError, match="a dot in its name"):
        check(CONVERSION | {"deploymentName": "ac.me"}, deployment=deployment)
