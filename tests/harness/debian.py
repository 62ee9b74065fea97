"""Layers of images made of Debian packages: fetched and unpacked, without a container engine and without a chroot.

apt finds the packages as it does for this machine (its sources, proxies and keys), but knows of none that is
installed, and keeps what it learns in a folder of ours. Maintainer scripts are not run: what they would set up (users,
links) is up to a layer above.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.locking import exclusive
from devcluster.programs import cache_folder

__all__ = ["UnavailableLayerError", "debian_layer", "impossible"]

# Not needed by any program of ours, and most of the bytes. LLVM is PostgreSQL's optional compiler of queries; perl is
# what its packages set clusters up with.
_LEFT_OUT = re.compile(
    r"^\./(usr/share/(doc|man|locale|info|lintian|i18n|perl|perl5|bash-completion)/|usr/lib/[^/]+/(perl|perl-base|gconv)/|"
    r"usr/bin/perl|usr/lib/[^/]+/lib(LLVM|z3|perl)|usr/lib/llvm|usr/lib/postgresql/[^/]+/lib/bitcode/|"
    r"(usr/)?lib/(systemd|udev)/|var/(cache|lib/apt)/|dev/)"
)
_AUTHORITIES = re.compile(r"^\./usr/share/ca-certificates/.*\.crt$")
_RECIPE = "1"
"""Part of every cache key: another number when the same packages would give another layer."""


class UnavailableLayerError(Exception):
    """The packages could not be had; the message says why, in a line."""


def impossible() -> str | None:
    """Why this machine can make no layers; None when it can."""
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    return f"layers are made of Debian's packages, and this machine has no {missing[0]}" if missing else None


def debian_layer(packages: Sequence[str], beneath: Sequence[str] = ()) -> Path:
    """An uncompressed tar file with those packages and what they need, from this machine's own release of Debian.

    What the packages of a layer `beneath` bring is left out. A layer is made once and kept; one made from older
    versions of the packages is as good. Raises UnavailableLayerError.
    """
    release = _release()
    key = hashlib.sha256("\n".join([_RECIPE, *sorted(packages), "", *sorted(beneath)]).encode()).hexdigest()[:12]
    target = cache_folder(os.environ) / "layers" / f"{release}-{packages[0]}-{key}.tar"
    with exclusive(target.with_suffix(".lock"), lambda: None):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as folder:
                unfinished = Path(folder, "layer.tar")
                _write(_fetched(packages, beneath, Path(folder)), unfinished)
                unfinished.replace(target)
    return target


def _release() -> str:
    known = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)$", known, re.MULTILINE)
    if found is None:
        raise UnavailableLayerError("/etc/os-release does not tell the release of Debian")
    return found[1]


@dataclass(frozen=True, slots=True)
class _Apt:
    """apt for a system without any package, which keeps its state in a folder."""

    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        status = self.folder / "status"
        status.touch()
        settings = {
            "Dir::State": self.folder,
            "Dir::State::Status": status,
            "Dir::Cache": self.folder,
            # apt's own user cannot write here.
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        options = [f"--option={name}={value}" for name, value in settings.items()]
        command = ["apt-get", "--quiet", "--quiet", "--yes", *options, *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def archives(self, packages: Sequence[str]) -> set[str]:
        """The names of the archives of those packages and what they need."""
        answer = self._install("--print-uris", packages)
        return {line.split()[1] for line in answer.splitlines() if line.startswith("'")}

    def fetch(self, packages: Sequence[str]) -> None:
        self._install("--download-only", packages)

    def _install(self, how: str, packages: Sequence[str]) -> str:
        done = self.run(how, "install", *packages)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise UnavailableLayerError(f"{packages[0]} could not be had: {' '.join(said)[:300]}")
        return done.stdout


def _fetched(packages: Sequence[str], beneath: Sequence[str], folder: Path) -> list[Path]:
    apt = _Apt(folder)
    # A source that does not answer need not be one that matters: what is missing is told by what follows.
    apt.run("update")
    # apt does not name what it has fetched already.
    known = apt.archives(beneath) if beneath else set()
    apt.fetch([*packages, *beneath])
    return sorted(path for path in (folder / "archives").glob("*.deb") if path.name not in known)


def _write(archives: Iterable[Path], target: Path) -> None:
    folders: set[str] = set()
    authorities = list[bytes]()
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        for archive in archives:
            content = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(content)) as package:
                for member in package:
                    if _LEFT_OUT.match(member.name) or member.name in folders:
                        continue
                    if member.isdir():
                        folders.add(member.name)
                    data = package.extractfile(member).read() if member.isreg() else b""
                    if _AUTHORITIES.match(member.name):
                        authorities.append(data)
                    layer.addfile(member, io.BytesIO(data))
        if authorities:
            # The one file that OpenSSL and Go read; its package makes it when it is set up.
            bundle = tarfile.TarInfo("./etc/ssl/certs/ca-certificates.crt")
            bundle.size, bundle.mode = sum(map(len, authorities)), 0o644
            layer.addfile(bundle, io.BytesIO(b"".join(authorities)))
