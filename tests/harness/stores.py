"""Servers beside the cluster that keep backups: restic's REST protocol (rclone) and S3 (Versity's gateway).

Both keep what they are given as plain files below a folder of ours, so a test can damage them, and both can be stopped
and started again under the same address.
"""

import hashlib
import os
import platform
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from devcluster.errors import UnavailableError
from devcluster.go_toolchain import find_go, required_go
from devcluster.locking import exclusive
from devcluster.processes import as_administrator
from devcluster.programs import build_failure, cache_folder
from devcluster.progress import silent

__all__ = ["Server", "Stores", "damage", "rest_server", "s3_server", "small_disk"]

_MODULE = Path(__file__).parent / "go-stores"
_GATEWAY = "github.com/versity/versitygw/cmd/versitygw"


@dataclass(slots=True)
class Server:
    """A server of backups, started by `rest_server` or `s3_server`.

    `authority` is the certificate to trust, None without TLS. `user` and `password` are empty when anybody may come in.
    """

    kind: str
    folder: Path
    address: str
    port: int
    user: str
    password: str
    authority: Path | None
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it answers, such as http://10.201.0.1:40001, without credentials."""
        return f"{'https' if self.authority else 'http'}://{self.address}:{self.port}"

    def repository(self, name: str) -> str:
        """The address of a repository as restic takes it, with the credentials where they belong into it."""
        if self.kind == "s3":
            bucket = self.folder / "backups"
            bucket.mkdir(exist_ok=True)
            return f"s3:{self.url}/backups/{name}"
        scheme, _, rest = self.url.partition("://")
        who = f"{self.user}:{self.password}@" if self.user else ""
        return f"rest:{scheme}://{who}{rest}/{name}/"

    def credentials(self) -> dict[str, str]:
        """Environment for restic."""
        return {"AWS_ACCESS_KEY_ID": self.user, "AWS_SECRET_ACCESS_KEY": self.password} if self.kind == "s3" else {}

    def files(self, name: str) -> Path:
        """The folder that holds a repository's files."""
        return self.folder / "backups" / name if self.kind == "s3" else self.folder / name

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        if self._process is not None and self._process.poll() is None:
            return
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=dict(self.environment)
            )
        deadline = time.monotonic() + 20
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the server of backups does not start: {self.log.read_text()[-600:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it: connections break, and new ones are refused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=1):
                return True
        except OSError:
            return False


class Stores(Protocol):
    """Starts a server for the rest of a test. `megabytes`: its disk is only so large. S3 always takes credentials."""

    def __call__(
        self,
        kind: Literal["rest", "s3"] = "rest",
        *,
        tls: bool = False,
        credentials: bool = True,
        megabytes: int | None = None,
    ) -> Server: ...


@contextmanager
def rest_server(address: str, folder: Path, *, tls: bool = False, credentials: bool = True) -> Iterator[Server]:
    """A server of restic's REST protocol on that address, with its files in that folder, for the life of the block.

    Raises UnavailableError when rclone is missing.
    """
    program = shutil.which("rclone")
    if program is None:
        raise UnavailableError("the REST server is rclone's: run 'apt-get install rclone'")
    with _server("rest", address, folder, tls=tls, credentials=credentials) as (server, certificate, key):
        # rclone remembers its listings by default, and would not see what a test does to the files.
        server.command = [program, "serve", "restic", "--config=", "--cache-objects=false"]
        server.command += [f"--addr={address}:{server.port}", str(folder)]
        if tls:
            server.command += [f"--cert={certificate}", f"--key={key}"]
        if credentials:
            server.environment = {**os.environ, "RCLONE_USER": server.user, "RCLONE_PASS": server.password}
        server.start()
        yield server


@contextmanager
def s3_server(address: str, folder: Path, *, tls: bool = False) -> Iterator[Server]:
    """An S3 server on that address, with its files in that folder, for the life of the block.

    Raises UnavailableError when it is not built yet and cannot be.
    """
    program = _gateway()
    with _server("s3", address, folder, tls=tls, credentials=True) as (server, certificate, key):
        server.command = [str(program), "--port", f"{address}:{server.port}"]
        if tls:
            server.command += ["--cert", str(certificate), "--key", str(key)]
        # Without what only other clients than restic ask for, any file system will do.
        server.command += ["posix", "--nometa", str(folder)]
        keys = {"ROOT_ACCESS_KEY_ID": server.user, "ROOT_SECRET_ACCESS_KEY": server.password}
        server.environment = {**os.environ, **keys}
        server.start()
        yield server


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size mounted on the folder, for the life of the block. Raises UnavailableError."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=as_administrator(os.environ))
    if done.returncode != 0:
        raise UnavailableError(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a server that was killed may not be gone yet.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, env=as_administrator(os.environ))


def damage(repository: Path) -> Path:
    """Overwrite the middle of the largest pack of a repository's files; which one."""
    packs = [path for path in (repository / "data").rglob("*") if path.is_file()]
    victim = max(packs, key=lambda path: (path.stat().st_size, path.name))
    victim.chmod(0o600)
    with victim.open("r+b") as file:
        file.seek(victim.stat().st_size // 2)
        file.write(secrets.token_bytes(64))
    return victim


@contextmanager
def _server(
    kind: str, address: str, folder: Path, *, tls: bool, credentials: bool
) -> Iterator[tuple[Server, Path, Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        certificate, key = Path(place, "server.crt"), Path(place, "server.key")
        if tls:
            _certify(address, certificate, key)
        server = Server(
            kind=kind,
            folder=folder,
            address=address,
            port=_free_port(address),
            user="keeper" if credentials else "",
            password=secrets.token_hex(12) if credentials else "",
            authority=certificate if tls else None,
            command=[],
            environment=dict(os.environ),
            log=Path(place, "log"),
        )
        try:
            yield server, certificate, key
        finally:
            server.stop()


def _certify(address: str, certificate: Path, key: Path) -> None:
    """A certificate that is its own authority."""
    if shutil.which("openssl") is None:
        raise UnavailableError("certificates are made by openssl: run 'apt-get install openssl'")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=backups", "-addext", f"subjectAltName=IP:{address}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, capture_output=True, check=True)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _gateway() -> Path:
    """Versity's gateway, built once and kept like devcluster's programs."""
    cache = cache_folder(os.environ)
    required = (_MODULE / "go.mod").read_text()
    key = hashlib.sha256(f"{platform.machine()}\n{required}".encode()).hexdigest()[:12]
    target = cache / f"versitygw-{key}"
    with exclusive(cache / f"versitygw-{key}.lock", lambda: None):
        if target.exists():
            return target
        go = find_go(required_go(required), cache, silent)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".versitygw-") as place:
            unfinished = Path(place, "versitygw")
            flags = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "local"}
            command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(unfinished), _GATEWAY]
            environment = {**os.environ, **flags, "CGO_ENABLED": "0"}
            done = subprocess.run(command, cwd=_MODULE, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise UnavailableError(f"Go could not build the S3 server: {build_failure(done.stderr)}")
            unfinished.replace(target)
    return target
