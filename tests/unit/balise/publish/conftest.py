"""A real browser, driven by its debugging protocol, and a catalog with everything that a picture must show."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from balise.model.catalog import Catalog, catalog_from_blobs

VERSIONS = ("1.0.0", "1.0.1", "1.1.0", "1.2.0", "1.2.1", "2.0.0", "2.1.0-rc.1")
HOSTILE = "<img src=x onerror=alert(1)>&\"'"


def channel(name: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "olm.channel", "package": "demo", "name": name, "entries": list(entries)}


def entry(version: str, replaces: str = "", skips: tuple[str, ...] = (), skip_range: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"name": f"demo.v{version}"}
    if replaces:
        found["replaces"] = f"demo.v{replaces}"
    if skips:
        found["skips"] = [f"demo.v{skip}" for skip in skips]
    return found | ({"skipRange": skip_range} if skip_range else {})


def bundle(version: str) -> dict[str, Any]:
    value = {"packageName": "demo", "version": version}
    properties = [{"type": "olm.package", "value": value}]
    image = f"example.com/demo:v{version}"
    return {"schema": "olm.bundle", "package": "demo", "name": f"demo.v{version}", "image": image,
            "properties": properties}  # fmt: skip


def demo_catalog(*channels: dict[str, Any], deprecations: tuple[dict[str, Any], ...] = ()) -> Catalog:
    deprecated = {"schema": "olm.deprecations", "package": "demo", "entries": list(deprecations)}
    package = {"schema": "olm.package", "name": "demo", "defaultChannel": "stable"}
    return catalog_from_blobs([package, *channels, *map(bundle, VERSIONS), deprecated])


@pytest.fixture
def demo() -> Catalog:
    return demo_catalog(
        channel(
            "stable",
            entry("1.0.0"),
            entry("1.0.1", "1.0.0"),
            entry("1.1.0", "1.0.1", skip_range=">=0.9.0 <1.1.0"),
            entry("1.2.0", "1.1.0"),
            entry("1.2.1", "1.1.0", skips=("1.2.0",)),
            entry("2.0.0", "1.2.1", skip_range=">=1.1.0 <2.0.0"),
        ),
        channel(HOSTILE, entry("1.2.1"), entry("2.0.0", "1.2.1"), entry("2.1.0-rc.1", "2.0.0", skips=("1.2.1",))),
        channel("v1", entry("1.0.0", "0.9.0"), entry("1.1.0", "1.0.0")),
        deprecations=(
            {"reference": {"schema": "olm.bundle", "name": "demo.v1.0.0"}, "message": f"Loses data. {HOSTILE}"},
            {"reference": {"schema": "olm.channel", "name": "v1"}, "message": "Ends in March."},
        ),
    )


class Page:
    """One tab of the browser. ``complaints`` are errors of the page's script and what its policy forbade."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._browser.command(method, self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        found = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def go(self, url: str) -> None:
        self.command("Page.navigate", url=url)
        deadline = time.monotonic() + 20
        while self.evaluate("document.readyState + location.protocol") not in ("completefile:", "completehttp:"):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        for key in keys:
            text = {"text": "\r"} if key == "Enter" else {}
            code = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40}[key]
            for kind in ("keyDown", "keyUp"):
                more = text if kind == "keyDown" else {}
                self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

        self.settle()

    def settle(self) -> None:
        """Let the page hear of what was done: addresses change with a later event."""
        self.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 20))")

    def colours(self, scheme: str) -> None:
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        found = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def roles(self, role: str) -> list[str]:
        """Names of everything of that role, as a screen reader is told."""
        nodes = self.command("Accessibility.getFullAXTree")["nodes"]
        shown = [each for each in nodes if not each["ignored"]]
        return [each["name"]["value"] for each in shown if each["role"]["value"] == role]


class Browser:
    """Chromium without a window."""

    def __init__(self, program: str, profile: Path) -> None:
        arguments = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                     "--disable-dev-shm-usage", "--disable-background-networking", "--remote-debugging-port=0",
                     "--remote-allow-origins=*", f"--user-data-dir={profile}", "about:blank")  # fmt: skip
        self._process = subprocess.Popen(
            [program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        address = profile / "DevToolsActivePort"
        deadline = time.monotonic() + 40
        while not address.exists() or len(address.read_text().split()) < 2:
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.close()
                pytest.skip(f"{program} does not start here")
            time.sleep(0.05)
        port, path = address.read_text().split()
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=30)
        self._ids = itertools.count(1)
        self._pages: dict[str, Page] = {}

    def open(self, url: str, width: int = 1280, height: int = 900) -> Page:
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            page.command(f"{domain}.enable")
        page.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        page.go(url)
        return page

    def command(self, method: str, session: str = "", **parameters: object) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._socket.recv())
            self._note(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _note(self, answer: dict[str, Any]) -> None:
        page = self._pages.get(answer.get("sessionId", ""))
        if page is None:
            return
        if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] in ("error", "warning"):
            page.complaints.append(answer["params"]["entry"]["text"])
        if answer.get("method") == "Runtime.exceptionThrown":
            page.complaints.append(json.dumps(answer["params"]["exceptionDetails"]))

    def close(self) -> None:
        with contextlib.suppress(AttributeError):
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    started = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()
