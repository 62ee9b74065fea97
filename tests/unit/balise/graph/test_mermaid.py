"""The Mermaid picture, line by line as opm draws it."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from balise.graph.mermaid import MermaidOptions, mermaid
from balise.model.catalog import Catalog, catalog_from_blobs
from balise.model.errors import InputError


def bundle(version: str) -> dict[str, Any]:
    properties = [{"type": "olm.package", "value": {"packageName": "app", "version": version}}]
    return {"schema": "olm.bundle", "package": "app", "name": f"app.v{version}", "properties": properties}


def channel(name: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "olm.channel", "package": "app", "name": name, "entries": list(entries)}


def catalog(*channels: dict[str, Any], deprecated: tuple[tuple[str, str], ...] = ()) -> Catalog:
    names = {entry["name"] for each in channels for entry in each["entries"]}
    entries = [{"reference": {"schema": schema, "name": name}, "message": "Gone."} for schema, name in deprecated]
    return catalog_from_blobs([
        {"schema": "olm.package", "name": "app", "defaultChannel": "stable"},
        *channels,
        *(bundle(name.removeprefix("app.v")) for name in sorted(names)),
        {"schema": "olm.deprecations", "package": "app", "entries": entries},
    ])  # fmt: skip


THREE = channel(
    "stable",
    {"name": "app.v1.0.0"},
    {"name": "app.v1.1.0", "replaces": "app.v1.0.0"},
    {"name": "app.v1.2.0", "replaces": "app.v1.1.0", "skips": ["app.v1.1.0"], "skipRange": "<1.1.0"},
)


def test_whole_picture() -> None:
    found = mermaid(
        catalog(THREE, deprecated=(("olm.bundle", "app.v1.1.0"), ("olm.channel", "stable"), ("olm.package", "")))
    )
    a, b, c = (f'app-stable-app.v1.{n}.0["app.v1.{n}.0"]' for n in range(3))
    assert found == textwrap.dedent(f"""\
        graph LR
          classDef deprecated fill:#E8960F
          classDef skipped stroke:#FF0000,stroke-width:4px
          classDef deprecatedskipped fill:#E8960F,stroke:#FF0000,stroke-width:4px
          %% package "app"
          subgraph "app"
            %% channel "stable"
            subgraph app-stable["stable"]
              {c}
              {b}-- skip --> {c}
              {a}-- "skipRange(<1.1.0)" --> {c}
              {b}-- replace --> {c}
              {b}
              {a}-- replace --> {b}
              {a}
            end
          end
        style app fill:#989695
        style app-stable fill:#DCD0FF
        class app-stable-app.v1.1.0 deprecatedskipped
        linkStyle 3 stroke:#FF0000,stroke-width:3px,stroke-dasharray:5;
        """)


def test_without_v0_semantics_nothing_is_skipped() -> None:
    found = mermaid(catalog(THREE), MermaidOptions(v0_semantics=False))
    assert "linkStyle" not in found
    assert not [line for line in found.splitlines() if line.startswith("class ")]


def test_minimum_cuts_what_is_older() -> None:
    found = mermaid(catalog(THREE, channel("old", {"name": "app.v0.9.0"})), MermaidOptions(minimum="app.v1.1.0"))
    assert "app.v1.0.0" not in found
    assert "app.v0.9.0" not in found
    assert 'app.v1.1.0["app.v1.1.0"]-- replace --> ' in found
    assert "skipRange" not in found  # it does not cover the minimum


def test_other_packages_can_be_left_out() -> None:
    assert "subgraph" not in mermaid(catalog(THREE), MermaidOptions(package="other"))


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"there is no bundle app\.v9"):
        mermaid(catalog(THREE), MermaidOptions(minimum="app.v9"))
    with pytest.raises(InputError, match=r"bundle app\.v1: 'x'"):
        mermaid(catalog_from_blobs([{**bundle("x"), "name": "app.v1"}]))
