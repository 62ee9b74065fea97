"""The NetworkPolicy for installations by OLM is the one that installations without it get."""

import tomllib
from pathlib import Path

import yaml

from balise.render.bundle import load
from balise.render.installation import render
from balise.render.options import Options

REPOSITORY = Path(__file__).parents[3]
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def test_the_file_is_what_render_writes() -> None:
    rendered = render(load(REPOSITORY / "bundle" / VERSION), Options("timonier-system"))
    (policy,) = (each for each in rendered if each["kind"] == "NetworkPolicy")
    # Whoever applies the file chooses the namespace.
    del policy["metadata"]["namespace"]
    assert policy == yaml.safe_load((REPOSITORY / "operator/packaging/network/network-policy.yaml").read_text())


def test_no_bundle_has_one() -> None:
    # Community pipelines refuse a bundle with a NetworkPolicy.
    for folder in (REPOSITORY / "bundle").iterdir():
        assert all(each["kind"] != "NetworkPolicy" for each in load(folder).others)
