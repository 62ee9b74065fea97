"""`balise preview`, served and written, in a real browser."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from balise import cli

REPOSITORY = Path(__file__).parents[4]
CONFIG = REPOSITORY / "pyproject.toml"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A catalog's folder, and the address at which it is shown."""
    assert cli.main(["catalog", "build", "--config", str(CONFIG), "--output", str(tmp_path)]) == 0
    arguments = [sys.executable, "-m", "balise", "preview", "--catalog", str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield tmp_path, process.stdout.readline().split()[0]
        finally:
            process.terminate()
            process.wait(10)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_server_shows_what_is_on_disk_now(server: tuple[Path, str]) -> None:
    folder, url = server
    assert url.startswith("http://127.0.0.1:")
    assert status(url) == status(f"{url}timonier/") == 200
    assert status(f"{url}../pyproject.toml") == 404
    catalog = folder / "timonier/catalog.yaml"
    catalog.write_text(catalog.read_text().replace("defaultChannel: ", "defaultChannel: un"))
    assert status(url) == 500


def test_pages_in_a_browser_light_and_dark(server: tuple[Path, str], browser: Any, tmp_path: Path) -> None:
    _, url = server
    page = browser.open(url)
    assert page.evaluate("document.querySelector('.card h2').textContent") == "Timonier"
    page.evaluate("document.querySelector('.card h2 a').focus()")
    page.press("Enter")
    page.settle()
    page.go(page.evaluate("location.href"))
    assert page.evaluate("location.pathname") == "/timonier/index.html"
    assert page.evaluate("document.querySelector('h1').textContent") == "Timonier"
    assert page.evaluate("document.querySelector('img.icon').naturalWidth") > 0, "the icon is shown"
    assert page.evaluate("document.querySelectorAll('.levels .has').length") >= 1
    assert page.evaluate("document.querySelector('.graph a.node') !== null")
    headings = page.evaluate("[...document.querySelectorAll('h1, h2')].map((each) => each.textContent)")
    assert {"Custom resource definitions", "Install", "Upgrades"} <= set(headings)
    for scheme, colour in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(16, 22, 29)")):
        page.colours(scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour
    page.command("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=False)
    assert page.evaluate("document.documentElement.scrollWidth <= 360"), "nothing sticks out on a telephone"
    assert page.complaints == []
    page.command("Page.close")


def test_pages_are_written_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preview", "--config", str(CONFIG), "--output", str(tmp_path)]) == 0
    assert (tmp_path / "timonier/index.html").is_file()
    assert f"open {tmp_path / 'index.html'}" in capsys.readouterr().out


def test_bundle_is_shown_before_any_catalog_has_it(tmp_path: Path) -> None:
    folder = min((REPOSITORY / "bundle").iterdir())
    assert cli.main(["preview", "--bundle", str(folder), "--output", str(tmp_path)]) == 0
    assert "Timonier" in (tmp_path / "timonier/index.html").read_text()


def test_catalog_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "catalog.yaml").write_text("schema: olm.package\nname: p\n")
    assert cli.main(["preview", "--catalog", str(tmp_path), "--output", str(tmp_path / "site")]) == 1
    assert "default channel" in capsys.readouterr().err
