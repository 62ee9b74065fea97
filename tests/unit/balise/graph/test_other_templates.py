"""The basic and the substitutes template, and what is no template."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from balise.graph.rendering import RenderedBundle
from balise.graph.templates import render_template
from balise.model.errors import InputError


def bundle(name: str, version: str, *, release: str = "", substitutes: str = "") -> dict[str, Any]:
    value = {"packageName": "app", "version": version, **({"release": release} if release else {})}
    properties: list[dict[str, Any]] = [{"type": "olm.package", "value": value}]
    if substitutes:
        properties.append({"type": "olm.csv.metadata", "value": {"annotations": {"olm.substitutesFor": substitutes}}})
    return {"schema": "olm.bundle", "name": name, "package": "app", "image": f"app:{name}", "properties": properties}


BUNDLES = {
    blob["image"]: blob
    for blob in (
        bundle("app.v1.0.0", "1.0.0"),
        bundle("app.v1.0.1", "1.0.1"),
        bundle("app-v1.0.0-1", "1.0.0", release="1"),
        bundle("app.v1.0.0-again", "1.0.0"),
        bundle("app.v1.0.0-0.2", "1.0.0+0.2", substitutes="app.v1.0.0"),
    )
}


def render(template: str) -> list[dict[str, Any]]:
    def renderer(image: str) -> RenderedBundle:
        return RenderedBundle(BUNDLES[image], "", None)

    return render_template(Path("template.yaml"), textwrap.dedent(template).encode(), renderer)


def test_basic_takes_the_bundles_from_their_images_and_the_rest_as_it_is() -> None:
    blobs = render("""
        schema: olm.template.basic
        entries:
        - {schema: olm.bundle, image: "app:app.v1.0.0"}
        - {schema: olm.channel, package: app, name: stable, entries: [{name: app.v1.0.0, unknown: 1, skips: []}]}
        - {schema: olm.package, name: app, defaultChannel: stable}
        - {schema: acme.notes, package: app, text: kept}
        """)
    assert blobs == [
        {"schema": "olm.package", "name": "app", "defaultChannel": "stable"},
        {"schema": "olm.channel", "package": "app", "name": "stable", "entries": [{"name": "app.v1.0.0"}]},
        BUNDLES["app:app.v1.0.0"],
        {"schema": "acme.notes", "package": "app", "text": "kept"},
    ]


def test_basic_refuses_a_bundle_with_more_than_an_image() -> None:
    with pytest.raises(InputError, match=r"template.yaml:4:3: .*has an image and nothing else"):
        render("""
            schema: olm.template.basic
            entries:
            - {schema: olm.bundle, image: "app:app.v1.0.0", package: app}
            """)


ENTRIES = """
schema: olm.template.substitutes
entries:
- {schema: olm.package, name: app, defaultChannel: stable}
- schema: olm.channel
  package: app
  name: stable
  entries:
  - {name: app.v1.0.0, replaces: app.v0.9.0, skipRange: "<1.0.0"}
  - {name: app.v1.1.0, replaces: app.v1.0.0}
  - {name: app.v1.2.0, replaces: app.v1.1.0, skips: [app.v1.0.0]}
""" + "".join(
    f"""- schema: olm.bundle
  package: app
  name: app.v{version}
  image: example.org/app:v{version}
  properties: [{{type: olm.package, value: {{packageName: app, version: {version}}}}}]
"""
    for version in ("1.0.0", "1.1.0", "1.2.0")
)


def test_substitute_inherits_the_edges_and_skips_its_base() -> None:
    blobs = render(f'{ENTRIES}substitutions: [{{name: "app:app-v1.0.0-1", base: app.v1.0.0}}]')
    (channel,) = (blob for blob in blobs if blob["schema"] == "olm.channel")
    assert channel["entries"] == [
        {"name": "app.v1.0.0"},
        {"name": "app.v1.1.0", "replaces": "app-v1.0.0-1", "skips": ["app.v1.0.0"]},
        {"name": "app.v1.2.0", "replaces": "app.v1.1.0", "skips": ["app-v1.0.0-1"]},
        {"name": "app-v1.0.0-1", "replaces": "app.v0.9.0", "skipRange": "<1.0.0", "skips": ["app.v1.0.0"]},
    ]
    assert [blob["name"] for blob in blobs if blob["schema"] == "olm.bundle"][:2] == ["app-v1.0.0-1", "app.v1.0.0"]


@pytest.mark.parametrize("name", ["app.v1.0.1", "app-v1.0.0-1", "app.v1.0.0-0.2"])
def test_a_higher_version_or_release_may_substitute(name: str) -> None:
    assert render(f'{ENTRIES}substitutions: [{{name: "app:{name}", base: app.v1.0.0}}]')


@pytest.mark.parametrize(
    ("substitutions", "message"),
    [
        ('[{name: "app:app.v1.0.0-again", base: app.v1.0.0}]', "app.v1.0.0-again is not newer than app.v1.0.0"),
        ('[{name: "app:app.v1.0.1", base: app.v7}]', "there is no bundle app.v7"),
        ('[{name: "app:app.v1.0.1"}]', "needs a name .* and a base"),
        ('[{name: "app:app.v1.0.1", base: app.v1.0.0}, {name: "app:app-v1.0.0-1", base: app.v1.0.0}]', "twice"),
        ('[{name: "app:app.v1.0.1", base: app.v1.0.0}, {name: "app:app.v1.0.1", base: app.v1.0.1}]', "cannot .* both"),
        ("{name: x}", "is a list of mappings"),
        ("[5]", "is a list of mappings"),
    ],
)  # fmt: skip
def test_substitution_refused(substitutions: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        render(f"{ENTRIES}substitutions: {substitutions}")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("schema: olm.template.composite", "template.yaml:1:9: .*'olm.template.composite' is not that of a template"),
        ("a: b", "the template has no schema"),
        ("schema: [olm.semver]", "is not that of a template"),
        ("- a", "a mapping with a schema is expected"),
        ("", "a mapping with a schema is expected"),
        ("a: [", "template.yaml:2:1: while parsing a flow node"),
        ("schema: olm.template.basic\nentries: {}", "template.yaml:2:10: entries must be a list"),
        ("schema: olm.template.basic\nentries: [{name: x}]", "the document has no schema"),
        ("schema: olm.template.basic\nentries: [{schema: olm.channel, name: 5}]", "yaml:2:39: name must be text"),
    ],
)  # fmt: skip
def test_no_template(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        render(template)


def test_entries_and_result_of_a_substitutes_template_are_valid_catalogs() -> None:
    with pytest.raises(InputError, match=r"the entries are no valid catalog: .* no default channel"):
        render(ENTRIES.replace("defaultChannel: stable", "defaultChannel: ''"))
    twin = ENTRIES.replace("version: 1.1.0", "version: 1.0.1")  # the version that the substitute has
    with pytest.raises(
        InputError, match=r"with app.v1.0.1 for app.v1.0.0 the catalog is not valid: .* both have version"
    ):
        render(f'{twin}substitutions: [{{name: "app:app.v1.0.1", base: app.v1.0.0}}]')
