"""The models and the definition that is generated from them say the same about every value.

What only CEL can say (how fields depend on one another) is proven against a real API server in
tests/cluster/test_admission_by_schema.py.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from harness.application_specs import specs
from timonier.api.application import Application, ApplicationSpec
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.conversion import convert
from timonier.api.crd import KINDS, structural
from timonier.api.restore import Restore
from timonier.api.upgrade import Upgrade

SAMPLES = Path(__file__).parents[3] / "operator" / "samples"
MODELS = tuple(zip(KINDS, (Application, BackupStore, Backup, Restore, Upgrade), strict=True))
SCHEMA = structural(ApplicationSpec)
VALIDATOR = Draft202012Validator(SCHEMA)
Spec = dict[str, Any]
Place = tuple[Any, ...]


def model_accepts(spec: Spec) -> bool:
    try:
        ApplicationSpec.model_validate(spec)
    except ValidationError:
        return False
    return True


def definition_accepts(spec: Spec) -> bool:
    """By the structural schema and by those CEL rules that stand for a pattern."""
    return VALIDATOR.is_valid(spec) and all(well_spelt(node, value) for node, value in together(SCHEMA, spec))


def together(node: Mapping[str, Any], value: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
    yield node, value
    if isinstance(value, dict):
        for name, below in value.items():
            schema = node.get("properties", {}).get(name, node.get("additionalProperties"))
            if schema:
                yield from together(schema, below)
    elif isinstance(value, list):
        for item in value:
            yield from together(node["items"], item)


def well_spelt(node: Mapping[str, Any], value: Any) -> bool:
    return all(_holds(rule["rule"], value) for rule in node.get("x-kubernetes-validations", ()))


def _holds(rule: str, value: Any) -> bool:
    if match := re.fullmatch(r"(?:type\(self\) == int \|\| )?self\.matches\((\".*\")\)", rule):
        return not isinstance(value, str) or _found(json.loads(match[1]), value)
    if match := re.fullmatch(r"self\.all\(key, key\.size\(\) <= (\d+) && key\.matches\((\".*\")\)\)", rule):
        longest, pattern = int(match[1]), json.loads(match[2])
        return all(len(key) <= longest and _found(pattern, key) for key in value)
    return True


def _found(pattern: str, text: str) -> bool:
    # In Go's and Rust's regular expressions, unlike in Python's, "$" does not match before a last line feed.
    assert pattern.endswith("$")
    return re.search(rf"{pattern[:-1]}\Z", text) is not None


def test_the_evaluation_of_rules_knows_the_rules() -> None:
    """Guards `_holds`: were rules generated in another form, the tests below would prove nothing."""
    text = json.dumps(SCHEMA)
    assert text.count("self.matches(") > 20
    assert text.count("key.matches(") >= 6
    assert not definition_accepts({"workload": {"image": {"repository": "a:b"}}})
    assert not definition_accepts({"workload": {"image": {"repository": "a"}, "nodeSelector": {"?": ""}}})


def test_the_repository_of_the_image_is_all_that_is_required() -> None:
    least: Spec = {"workload": {"image": {"repository": "web"}}}
    assert model_accepts(least)
    assert definition_accepts(least)
    for place in ((), ("workload",), ("workload", "image")):
        less = copy.deepcopy(least)
        last = inside(less, place)
        last.clear()
        assert not model_accepts(less)
        assert not definition_accepts(less)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_samples_are_accepted_by_both(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    kind, model = {known.resource.kind: (known, model) for known, model in MODELS}[manifest["kind"]]
    for older in kind.older:
        if manifest["apiVersion"].endswith(f"/{older.name}"):
            assert Draft202012Validator(structural(older.spec)).is_valid(manifest["spec"])
            older.spec.model_validate(manifest["spec"])
            manifest = convert(manifest, kind.resource.version)
    schema = structural(kind.spec)
    assert Draft202012Validator(schema).is_valid(manifest["spec"])
    assert all(well_spelt(node, value) for node, value in together(schema, manifest["spec"]))
    named = manifest | {"metadata": manifest["metadata"] | {"namespace": "shop", "uid": "1"}}
    model.model_validate(named)


def test_every_kind_that_is_served_has_a_sample() -> None:
    kinds = {yaml.safe_load(path.read_text())["kind"] for path in SAMPLES.glob("*.yaml")}
    assert kinds == {kind.resource.kind for kind in KINDS}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(spec=specs())
def test_what_the_model_accepts_the_definition_accepts(spec: Spec) -> None:
    assert model_accepts(spec)
    assert definition_accepts(spec)


def inside(spec: Spec, place: Place) -> Any:
    value: Any = spec
    for step in place:
        value = value[step]
    return value


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place in a spec that holds text or a whole number."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from places(below, (*place, name))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places(below, (*place, index))
    elif not isinstance(value, bool):
        yield place


_WORDS = st.one_of(
    st.sampled_from(
        [
            *["", "a", "A", "a-b", "a--b", "-a", "a.b", "ends-", "a b", "1", "0", "UPPER_CASE", "Always", "https"],
            *["..", "/", "/a", "/a/", "/a/../b", "a/b", "//a", "a:b", "/a:b", "/..a", "y/" * 200],
            *["1Gi", "-1", "1 Gi", "0.1n", "1e3", "8" * 33, "x" * 64, "x" * 254, "line\n"],
        ]
    ),
    st.text(max_size=4),
)
_NUMBERS = st.one_of(st.sampled_from([-1, 0, 1, 65535, 65536, 2**31, 2**63]), st.integers(-5, 5))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=300)
@given(spec=specs(), data=st.data())
def test_both_say_the_same_about_a_value_that_may_be_wrong(spec: Spec, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(list(places(spec))))
    changed = copy.deepcopy(spec)
    parent, name = inside(changed, place[:-1]), place[-1]
    parent[name] = data.draw(_WORDS if isinstance(parent[name], str) else _NUMBERS)
    assert model_accepts(changed) == definition_accepts(changed), (place, parent[name])


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=200)
@given(spec=specs(), data=st.data())
def test_both_say_the_same_when_a_field_is_left_out(spec: Spec, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(list(places(spec))))
    changed = copy.deepcopy(spec)
    depth = data.draw(st.integers(1, len(place)))
    del inside(changed, place[: depth - 1])[place[depth - 1]]
    assert model_accepts(changed) == definition_accepts(changed), place[:depth]


@given(spec=specs(), data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_a_field_that_nobody_knows_is_refused_by_the_model(spec: Spec, data: st.DataObject) -> None:
    """The API server drops or refuses it, whichever the client asks for; the operator must never skip over one."""
    place = data.draw(st.sampled_from([(), ("workload",), ("workload", "image")]))
    inside(spec, place)["mispelt"] = "x"
    assert not model_accepts(spec)


@pytest.mark.parametrize(
    ("value", "port"),
    [(0, False), (1, True), (65535, True), (65536, False), ("http", True), ("80", False), ("", False)],
)
def test_a_probe_names_its_port_by_number_or_by_name(value: int | str, port: bool) -> None:
    probe = {"httpGet": {"port": value}}
    spec: Spec = {"workload": {"image": {"repository": "web"}, "probes": {"liveness": probe}}}
    assert model_accepts(spec) is port
    assert definition_accepts(spec) is port


IMAGES = {
    ("repository", True): ["web", "team/web", "registry.example:5000/team/web", "a.b/c__d"],
    ("repository", False): ["web:1", "web@sha256:00", "Web", "https://a.b/web", "a.b/web/", "a.b//web", ""],
    ("tag", True): ["v1.0_rc-1", "latest", "_1"],
    ("tag", False): ["", "-1", ".1", "1.0 ", "1/2", "x" * 129],
    ("digest", True): [f"sha256:{'0' * 64}", f"sha512:{'f' * 128}"],
    ("digest", False): [f"sha256:{'0' * 63}", f"sha256:{'F' * 64}", f"md5:{'0' * 32}", "0" * 64],
}


@pytest.mark.parametrize(("field", "accepted"), IMAGES)
def test_images(field: str, accepted: bool) -> None:
    for value in IMAGES[field, accepted]:
        spec: Spec = {"workload": {"image": {"repository": "web"} | {field: value}}}
        assert model_accepts(spec) is accepted, value
        assert definition_accepts(spec) is accepted, value
