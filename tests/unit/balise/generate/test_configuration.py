from __future__ import annotations

import re
from pathlib import Path

import pytest

from balise.generate import configuration
from balise.model.errors import InputError


def changed(project: Path, pattern: str, replacement: str) -> Path:
    text = project.read_text()
    new = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert new != text
    project.write_text(new)
    return project


def test_version_and_output_have_defaults_and_the_image_is_expanded(project: Path) -> None:
    found = configuration.read(project)
    assert found.version == "1.2.3"
    assert found.output == project.parent / "bundle"
    assert found.image == "registry.example/acme:v1.2.3"
    assert found.default_channel == "stable-v1"
    assert found.suggested_namespace == "acme-system"


def test_registry_can_be_given(project: Path) -> None:
    assert configuration.read(project, registry="localhost:5000").image == "localhost:5000/acme:v1.2.3"


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^package.*", 'package = "Acme"', r"pyproject.toml:6: tool.balise.package is 'Acme'"),
        (r"^package.*\n", "", r"pyproject.toml:5: tool.balise.package is missing"),
        (r"^version.*", 'version = "1.2"', "tool.balise.version is '1.2'"),
        (r"^display-name.*", 'display-name = "Ac"', "has 2 characters"),
        (r"^icon.*", 'icon = "none.svg"', "which is not a file"),
        (r"^icon.*", 'icon = "pyproject.toml"', r"expected one of \.gif, \.jpeg, \.jpg, \.png, \.svg"),
        (r"^maintainers.*", 'maintainers = [{ name = "Ann" }]', "expected { name"),
        (r"^maintainers.*", 'maintainers = [{ name = "Ann", email = "ann" }]', "with a full email"),
        (r"^links.*", 'links = "https://x"', "expected a list such as"),
        (r"^categories.*", 'categories = ["Storrage"]', "did you mean 'Storage'"),
        (r"^capability.*", 'capability = "Level 3"', "known: Basic Install, Seamless Upgrades"),
        (r"^maturity.*", 'maturity = "good"', "has 'good'"),
        (r"^min-kube-version.*", 'min-kube-version = "1.28"', r"is '1\.28'"),
        (r"^install-modes.*", 'install-modes = ["AllNamespace"]', "did you mean 'AllNamespaces'"),
        (r"^install-modes.*", "install-modes = []", "install-modes is empty"),
        (r"^channels.*", 'channels = "stable"', "expected a list"),
        (r"^channels.*", 'channels = ["a"]\ndefault-channel = "b"', "default-channel has 'b'"),
        (r"^registry.*\n", "", "there is no registry"),
        (r"^image.*", 'image = "{host}/acme"', r"it may hold \{registry\}"),
        (r"^created-at.*", 'created-at = "today"', "expected 2026-01-31"),
        (r"^keywords", "keyword", r"tool\.balise\.keywords is missing"),
        (r"^keywords(.*)", r"keywords\1\nkeyword = 1", r":16: tool\.balise\.keyword is not known\n  did you mean"),
        (r"^crds.*", 'crds = "module"', r'"module:function"'),
        (r"^crds.*", "crds = 1", r"tool\.balise\.code\.crds is 1"),
        (r"^crds.*", "crds = []", "is empty"),
        (r"^\[tool\.balise\.code\](.|\n)*", "", r"tool\.balise\.code is missing"),
        (r"^\[tool\.balise\](.|\n)*", "", r"has no \[tool\.balise\] table"),
        (r"^name = .*", "name =", "not valid TOML"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place(project: Path, pattern: str, replacement: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        configuration.read(changed(project, pattern, replacement))
    assert re.search(message, str(caught.value)), str(caught.value)
    assert str(caught.value).startswith(str(project))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        configuration.read(tmp_path / "pyproject.toml")


def test_the_table_of_balise_check_is_its_own_affair(project: Path) -> None:
    before = configuration.read(project)
    project.write_text(project.read_text() + '\n[tool.balise.check]\nignore = ["BAL1103"]\n')
    assert configuration.read(project) == before
