"""The packages in an image: those that dpkg knows, those that pip installed, a Python built from source."""

from __future__ import annotations

import email.parser
import email.policy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Package", "describes_packages", "installed", "locked_hashes"]

_DPKG: Final = re.compile(r"var/lib/dpkg/(status|status\.d/[^/]+)")
_PYTHON: Final = re.compile(r".+\.dist-info/METADATA")
_RELEASES: Final = ("etc/os-release", "usr/lib/os-release")
_LOCKED: Final = re.compile(r"([A-Za-z0-9][\w.-]*)==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A package as package URLs name it; ``architecture`` and ``distribution`` are empty where a type knows none.

    ``hashes`` are SHA-256 digests of the archives that may have been installed, as a lock states them.
    """

    type: str
    namespace: str
    name: str
    version: str
    architecture: str = ""
    distribution: str = ""
    license: str = ""
    hashes: tuple[str, ...] = ()


def describes_packages(path: str) -> bool:
    """Whether a file of an image says which packages are in it; :func:`installed` reads no other."""
    return path in _RELEASES or bool(_DPKG.fullmatch(path) or _PYTHON.fullmatch(path))


def installed(
    files: Mapping[str, bytes], environment: Iterable[str], locked: Mapping[tuple[str, str], tuple[str, ...]]
) -> tuple[Package, ...]:
    """All packages of an image, sorted, each once: from its files, and from its configuration's environment.

    The environment tells of the Python in Docker's official images (PYTHON_VERSION), which is no package of Debian's.
    ``locked`` is what :func:`locked_hashes` gives.
    """
    found = {*_debian(files), *_python(files, locked)}
    found |= {
        Package("generic", "", "python", value)
        for name, _, value in (variable.partition("=") for variable in environment)
        if name == "PYTHON_VERSION" and value
    }
    return tuple(sorted(found))


def locked_hashes(requirements: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """The hashes of a requirements file that pip would accept with ``--require-hashes``, by name and version."""
    logical = requirements.replace("\\\n", " ").splitlines()
    return {
        (_normal(match[1]), match[2]): tuple(sorted(_HASH.findall(line)))
        for line in logical
        if (match := _LOCKED.match(line))
    }


def _debian(files: Mapping[str, bytes]) -> Iterator[Package]:
    release = _release(files)
    vendor = release.get("ID", "debian")
    distribution = f"{vendor}-{release['VERSION_ID']}" if "VERSION_ID" in release else vendor
    for path, content in files.items():
        if not _DPKG.fullmatch(path):
            continue
        for paragraph in content.decode(errors="replace").split("\n\n"):
            fields = _fields(paragraph)
            # A package that was removed but for its configuration is in the database still; status.d has no states.
            state = fields.get("Status", "install ok installed").split()
            if "Package" in fields and "Version" in fields and state[-1] == "installed":
                yield Package(
                    "deb", vendor, fields["Package"], fields["Version"], fields.get("Architecture", ""), distribution
                )


def _python(files: Mapping[str, bytes], locked: Mapping[tuple[str, str], tuple[str, ...]]) -> Iterator[Package]:
    for path, content in files.items():
        if not _PYTHON.fullmatch(path):
            continue
        metadata = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(content)
        name, version = metadata["Name"], metadata["Version"]
        if name and version:
            # Core metadata 2.4: License-Expression is an SPDX expression; the older License is free text.
            expression = str(metadata["License-Expression"] or "")
            hashes = locked.get((_normal(name), version), ())
            yield Package("pypi", "", _normal(name), version, license=expression, hashes=hashes)


def _release(files: Mapping[str, bytes]) -> dict[str, str]:
    text = next((files[path].decode(errors="replace") for path in _RELEASES if path in files), "")
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}


def _fields(paragraph: str) -> dict[str, str]:
    lines = (line for line in paragraph.splitlines() if not line.startswith((" ", "\t")))
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def _normal(name: str) -> str:
    # Python Packaging User Guide, Name normalization.
    return re.sub(r"[-_.]+", "-", name).lower()
