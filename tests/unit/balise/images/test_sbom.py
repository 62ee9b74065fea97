"""Bills of materials: complete for what dpkg and pip know, valid, and the same bytes for the same image."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from balise import cli
from balise.images.packages import Package, describes_packages, installed, locked_hashes
from balise.images.sbom import document
from balise.model.errors import InputError

from .test_layout import Files, image, layer, written

REPOSITORY = Path(__file__).parents[4]
STATUS = b"""Package: restic
Status: install ok installed
Maintainer: Somebody <somebody@example.org>
Architecture: amd64
Version: 0.14.0-1+b5
Description: backup program
 Version: 9 is no field of its own

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: never
Status: unknown ok not-installed
Architecture: all
"""
RELEASE = b'# comment\nID=debian\nVERSION_ID="12"\n'
DEBIAN: Files = {
    "var/lib/dpkg/status": STATUS,
    "usr/lib/os-release": RELEASE,
    "etc/os-release": "../usr/lib/os-release",
}
PYTHON: Files = {
    "opt/venv/lib/python3.13/site-packages/Typing_Extensions-4.16.0.dist-info/METADATA": (
        b"Metadata-Version: 2.4\nName: Typing_Extensions\nVersion: 4.16.0\nLicense-Expression: PSF-2.0\n\nVersion: 9\n"
    ),
    "opt/venv/lib/python3.13/site-packages/odd-1.dist-info/METADATA": b"Name: odd\n\n",
}
LOCK = """# comment
typing-extensions==4.16.0 ; python_version < '3.13' \\
    --hash=sha256:{0} \\
    --hash=sha256:{1}
    # via aiohttp
other==1 --hash=sha256:{0}
""".format("b" * 64, "a" * 64)
RESTIC = Package("deb", "debian", "restic", "0.14.0-1+b5", "amd64", "debian-12")
TYPING = Package("pypi", "", "typing-extensions", "4.16.0", license="PSF-2.0", hashes=("a" * 64, "b" * 64))


def contents(*each: Files) -> dict[str, bytes]:
    return {
        path: data
        for part in each
        for path, data in part.items()
        if isinstance(data, bytes) and describes_packages(path)
    }


def strict(text: str) -> None:
    """Fail with what the schema of CycloneDX 1.6 has against the document."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert error is None, error


def test_what_dpkg_and_pip_have_installed() -> None:
    found = installed(contents(DEBIAN, PYTHON), ["PATH=/bin", "PYTHON_VERSION=3.13.9"], locked_hashes(LOCK))
    assert found == (RESTIC, Package("generic", "", "python", "3.13.9"), TYPING)


def test_a_distroless_image_has_a_file_for_each_package() -> None:
    files = {"var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 2026a\nArchitecture: all\n"}
    assert installed(files, [], {}) == (Package("deb", "debian", "tzdata", "2026a", "all", "debian"),)


def test_a_package_that_is_not_as_locked_has_no_hashes() -> None:
    (found,) = installed(contents(PYTHON), [], locked_hashes(LOCK.replace("4.16.0", "4.15.0")))
    assert found.hashes == ()


def test_every_package_of_our_lock_is_read_with_its_hashes() -> None:
    text = (REPOSITORY / "requirements/runtime.txt").read_text()
    locked = locked_hashes(text)
    assert len(locked) == sum("==" in line for line in text.splitlines() if not line.startswith((" ", "#")))
    assert sum(map(len, locked.values())) == text.count("--hash=sha256:")
    assert all(locked.values())


def bill(folder: Path) -> str:
    labels = {
        "org.opencontainers.image.title": "acme",
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.revision": "c0ffee",
    }
    found = image(folder, DEBIAN, PYTHON, created="2026-01-02T03:04:05Z", config={"Labels": labels})
    return document(found, [TYPING, RESTIC])


def test_the_document_follows_its_schema_and_the_image_alone(tmp_path: Path) -> None:
    first, second = bill(tmp_path / "one"), bill(tmp_path / "another")
    strict(first)
    assert first == second
    read = json.loads(first)
    described = read["metadata"]["component"]
    assert (described["type"], described["name"], described["version"]) == ("container", "acme", "1.2.3")
    assert described["properties"] == [{"name": "org.opencontainers.image.revision", "value": "c0ffee"}]
    assert read["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    purls = ["pkg:deb/debian/restic@0.14.0-1%2Bb5?arch=amd64&distro=debian-12", "pkg:pypi/typing-extensions@4.16.0"]
    assert [each["purl"] for each in read["components"]] == purls
    (reference,) = read["components"][1]["externalReferences"]
    assert [each["content"] for each in reference["hashes"]] == ["a" * 64, "b" * 64]
    assert read["components"][1]["licenses"] == [{"license": {"id": "PSF-2.0"}}]
    (root,) = (each for each in read["dependencies"] if each["ref"] == described["bom-ref"])
    assert root["dependsOn"] == purls


def test_another_image_has_another_serial_number(tmp_path: Path) -> None:
    one, other = (json.loads(document(image(tmp_path / name, {name: b""}), [])) for name in ("one", "other"))
    assert one["serialNumber"] != other["serialNumber"]


def test_an_image_of_docker_tells_nanoseconds(tmp_path: Path) -> None:
    found = image(tmp_path / "image", DEBIAN, created="2026-01-02T03:04:05.123456789Z")
    assert json.loads(document(found, []))["metadata"]["timestamp"] == "2026-01-02T03:04:05.123456+00:00"


def test_what_is_installed_twice_is_one_component(tmp_path: Path) -> None:
    twice = [TYPING, dataclasses.replace(TYPING, license="MIT"), RESTIC]
    texts = {document(image(tmp_path / name, DEBIAN), twice) for name in ("one", "other")}
    (text,) = texts
    strict(text)
    assert [each["name"] for each in json.loads(text)["components"]] == ["restic", "typing-extensions"]


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which is no time"):
        document(image(tmp_path / "image", DEBIAN, created="yesterday"), [])


def test_an_image_that_says_nothing_about_itself(tmp_path: Path) -> None:
    text = document(image(tmp_path / "image", DEBIAN), [RESTIC], name="acme")
    strict(text)
    assert json.loads(text)["metadata"]["timestamp"] == "1970-01-01T00:00:00+00:00"


def test_the_command_writes_what_is_in_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, Any] = {"config": {"Env": ["PYTHON_VERSION=3.13.9"]}}
    folder = written(tmp_path / "image", [layer(DEBIAN, zipped=True), layer(PYTHON)], **settings)
    lock, output = tmp_path / "lock.txt", tmp_path / "acme.cdx.json"
    lock.write_text(LOCK)
    arguments = ["sbom", str(folder), "--lock", str(lock), "--name", "acme"]
    assert cli.main([*arguments, "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"3 packages in {output}\n"
    strict(output.read_text())
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == output.read_text()


def test_an_image_without_packages_and_a_lock_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "image", [layer({"a": b""})])
    assert cli.main(["sbom", str(folder)]) == 1
    assert "has no package that dpkg or pip knows" in capsys.readouterr().err
    assert cli.main(["sbom", str(folder), "--lock", str(tmp_path / "none.txt")]) == 1
    assert "none.txt" in capsys.readouterr().err
    good = written(tmp_path / "good", [layer(DEBIAN)])
    assert cli.main(["sbom", str(good), "--output", str(tmp_path / "nowhere" / "x")]) == 1
    assert "cannot be written" in capsys.readouterr().err
