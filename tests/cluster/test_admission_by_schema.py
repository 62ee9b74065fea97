"""Bad input is refused by the API server itself, in words: no operator is running here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from harness.application_specs import specs
from harness.fixtures import Installation
from harness.kube import CRDS, Kube, Manifest, RefusedError, resource_of
from timonier.api.application import Application
from timonier.api.crd import crds
from timonier.api.resources import APPLICATIONS
from timonier.applications.children import MANAGER
from timonier.applications.plan import Observed, plan
from timonier.engine.difference import differs

pytestmark = pytest.mark.cluster

MALFORMED = Path(__file__).parents[1] / "fixtures" / "malformed"
SAMPLES = Path(__file__).parents[2] / "operator" / "samples"
# Samples in another version than the one that is stored need a running operator, which converts them.
STORED = [path for path in sorted(SAMPLES.glob("*.yaml")) if APPLICATIONS.api_version + "\n" in path.read_text()]


@dataclass(frozen=True)
class Malformed:
    """An Application that must be refused: which field, and what the message must say. Updates follow what is fine."""

    before: tuple[Manifest, ...]
    refused: Manifest
    field: str
    says: str


def malformed(path: Path) -> Malformed:
    """Read a fixture: its head says which field and which message, its last document is the one to refuse."""
    text = path.read_text()
    facts = dict(re.findall(r"^# (field|says): (.+)$", text, flags=re.MULTILINE))
    *before, refused = yaml.safe_load_all(text)
    return Malformed(tuple(before), refused, facts["field"], facts["says"])


CASES = {path.stem: malformed(path) for path in sorted(MALFORMED.glob("*.yaml"))}


@pytest.fixture(scope="module")
def definitions(kube: Kube, installation: Installation) -> None:
    """The definitions from the models as they are now, with the conversion of the bundle that is installed."""
    for definition in crds():
        installed = kube.get(CRDS, None, definition["metadata"]["name"]) or {}
        spec = definition["spec"] | {"conversion": installed["spec"]["conversion"]}
        kube.apply(definition | {"spec": spec}, manager="administrator")
    kube.wait("Applications are served", lambda: served(kube))


def served(kube: Kube) -> bool:
    try:
        kube.list(APPLICATIONS)
    except RefusedError:
        return False
    return True


def submit(kube: Kube, namespace: str, manifest: Manifest, *, update: bool) -> None:
    """What `kubectl apply` sends, which asks that unknown fields are errors."""
    manifest = manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}
    if update:
        path = resource_of(manifest).url(namespace, manifest["metadata"]["name"])
        kube.request("PATCH", path, manifest, "application/merge-patch+json", fieldValidation="Strict")
    else:
        kube.request("POST", resource_of(manifest).url(namespace), manifest, fieldValidation="Strict")


@pytest.mark.parametrize("name", CASES)
def test_the_api_server_refuses_it_and_names_the_field_and_the_rule(
    kube: Kube, definitions: None, namespace: str, name: str
) -> None:
    case = CASES[name]
    for manifest in case.before:
        submit(kube, namespace, manifest, update=False)
    with pytest.raises(RefusedError) as refusal:
        submit(kube, namespace, case.refused, update=bool(case.before))
    assert refusal.value.status == (400 if case.says == "unknown field" else 422)
    assert case.field in refusal.value.message
    assert case.says in refusal.value.message


def test_every_field_of_the_fixtures_is_told_apart() -> None:
    assert len(CASES) >= 20
    assert len({(case.field, case.says) for case in CASES.values()}) == len(CASES)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_the_api_server_accepts_the_samples(kube: Kube, definitions: None, namespace: str, path: Path) -> None:
    submit(kube, namespace, yaml.safe_load(path.read_text()), update=False)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(spec=specs())
def test_whatever_is_accepted_has_children_that_are_accepted_and_stored_as_they_were_applied(
    kube: Kube, definitions: None, namespace: str, spec: dict[str, Any]
) -> None:
    """Nothing is refused later than at the Application; and a second apply of any child would write nothing."""
    manifest = {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"name": "web", "namespace": namespace},
        "spec": spec,
    }
    stored = kube.request("POST", APPLICATIONS.url(namespace), manifest, fieldValidation="Strict", dryRun="All")
    for step in plan(Application.model_validate(stored), Observed(), datetime.now(UTC)).apply:
        if step.manager != MANAGER:
            continue  # takes a field over from an object that a dry run does not leave
        path = step.resource.url(namespace, step.manifest["metadata"]["name"])
        query = {"fieldManager": MANAGER, "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
        child = kube.request("PATCH", path, step.manifest, "application/apply-patch+yaml", **query)
        assert not differs(step.manifest, child, MANAGER), f"{step.resource}: {step.manifest}\n{child}"
