"""Bad input is refused by the API server itself, in words: no webhook and no operator is running here."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from harness.kube import Kube, Manifest, RefusedError
from timonier.api.crd import crds
from timonier.api.resources import APPLICATIONS

pytestmark = pytest.mark.cluster

MALFORMED = Path(__file__).parents[1] / "fixtures" / "malformed"
SAMPLES = Path(__file__).parents[2] / "operator" / "samples"


@dataclass(frozen=True)
class Malformed:
    """An Application that must be refused: which field, and what the message must say. Updates follow what is fine."""

    before: tuple[Manifest, ...]
    refused: Manifest
    field: str
    says: str


def malformed(path: Path) -> Malformed:
    """Read a fixture, whose head says why it is wrong: `# field:` and `# says:` in its head, then one or more documents, the last of them refused."""
    text = path.read_text()
    facts = dict(re.findall(r"^# (field|says): (.+)$", text, flags=re.MULTILINE))
    *before, refused = yaml.safe_load_all(text)
    return Malformed(tuple(before), refused, facts["field"], facts["says"])


CASES = {path.stem: malformed(path) for path in sorted(MALFORMED.glob("*.yaml"))}


@pytest.fixture(scope="module")
def definitions(kube: Kube) -> None:
    """The definitions from the models as they are now: cluster tests that install a bundle apply the same."""
    kube.apply(*crds(), manager="administrator")
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
        path = APPLICATIONS.url(namespace, manifest["metadata"]["name"])
        kube.request("PATCH", path, manifest, "application/merge-patch+json", fieldValidation="Strict")
    else:
        kube.request("POST", APPLICATIONS.url(namespace), manifest, fieldValidation="Strict")


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


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_api_server_accepts_the_samples(kube: Kube, definitions: None, namespace: str, path: Path) -> None:
    submit(kube, namespace, yaml.safe_load(path.read_text()), update=False)
