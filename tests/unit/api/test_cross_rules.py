"""The rules that are written twice say the same: in CEL, for the API server, and here, for the conversion."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from harness.application_specs import specs
from timonier.api.application import ApplicationSpec
from timonier.api.conversion import ConversionError, to_v1, to_v1alpha1
from timonier.api.crd import APPLICATION, crd
from timonier.api.cross_rules import broken_rule

MALFORMED = Path(__file__).parents[2] / "fixtures" / "malformed"
BROKEN = [
    "autoscaling-without-request",
    "ingress-port-unknown",
    "ingress-to-disabled-service",
    "ingress-without-port",
    "probe-port-unknown",
    "request-over-limit",
    "storage-shared-by-replicas",
]


def spec_of(name: str) -> Any:
    *_, manifest = yaml.safe_load_all((MALFORMED / f"{name}.yaml").read_text())
    return manifest["spec"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_api_server_refuses_is_refused_in_its_words(name: str) -> None:
    message = broken_rule(ApplicationSpec.model_validate(spec_of(name)))
    assert message is not None
    assert message in str(crd(APPLICATION)["spec"]["versions"][0])


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(specs())
def test_what_keeps_the_rules_is_let_pass(spec: Any) -> None:
    assert broken_rule(ApplicationSpec.model_validate(spec)) is None


RICH: dict[str, Any] = {
    "workload": {
        "image": {"repository": "web"},
        "ports": [{"name": "http", "containerPort": 8080}],
        "probes": {"liveness": {"httpGet": {"port": "http"}}},
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
        "storage": [{"name": "data", "size": "1Gi", "mountPath": "/data"}],
    },
    "network": {"ingress": {"host": "web.example.org"}},
}


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"ports": []}, "network.ingress needs a port"),
        ({"ports": [9090]}, "port must be a number or the name of a port"),
        ({"cpu": "3"}, "a request must not be greater than the limit"),
        ({"replicas": 2}, "several replicas of a Deployment share each volume"),
        ({"config": {"files": {"/data": "x"}}}, "a path cannot be a file"),
    ],
)
def test_an_edit_in_v1alpha1_that_would_break_one_is_refused(edit: dict[str, Any], says: str) -> None:
    value = {"apiVersion": "timonier.dev/v1", "kind": "Application", "metadata": {"name": "web"}, "spec": RICH}
    simple = to_v1alpha1(value)
    with pytest.raises(ConversionError, match=says):
        to_v1(simple | {"spec": simple["spec"] | edit})
