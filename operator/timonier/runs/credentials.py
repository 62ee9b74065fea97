"""How a mover gets into a store: the environment and the files that its Secret holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import quote

from timonier.api.backup_store import BackupStoreSpec, RestStore, S3Store
from timonier.api.resources import CONFIG_MAPS, SECRETS, Resource

__all__ = ["AUTHORITY", "STORE_FOLDER", "Missing", "Source", "credentials", "sources"]

AUTHORITY: Final = "ca.crt"
"""The file with the certificates that the store's is signed by."""
STORE_FOLDER: Final = "/store"
"""Where the volume of a store is mounted."""

_S3_KEYS: Final = {
    "accessKeyId": "AWS_ACCESS_KEY_ID",
    "secretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "sessionToken": "AWS_SESSION_TOKEN",
}
_USER, _KEY = "username", "password"
_REST_KEYS: Final = {_USER: _USER, _KEY: _KEY}
_OPTIONAL: Final = frozenset({"sessionToken"})


class Source(NamedTuple):
    """An object in the store's namespace that has something to tell."""

    resource: Resource
    name: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not there, as a sentence."""

    message: str


class _Wanted(NamedTuple):
    source: Source
    key: str
    entry: str


def sources(spec: BackupStoreSpec) -> tuple[Source, ...]:
    """The objects to read, each once."""
    return tuple(sorted({wanted.source for wanted in _wanted(spec)}))


def credentials(
    spec: BackupStoreSpec, found: Mapping[Source, Mapping[str, bytes] | None]
) -> dict[str, bytes] | Missing:
    """What the mover's Secret holds: variables of the environment by name, and the file `ca.crt`.

    `found` has the decoded data of each of `sources`, None for one that does not exist.
    """
    entries = {"RESTIC_REPOSITORY": _repository(spec).encode()}
    for wanted in _wanted(spec):
        kind, name = wanted.source.resource.kind, wanted.source.name
        data = found.get(wanted.source)
        if data is None:
            return Missing(f"the {kind} {name}, which the store names, does not exist")
        if wanted.key in data:
            entries[wanted.entry] = data[wanted.key]
        elif wanted.key not in _OPTIONAL:
            return Missing(f"the {kind} {name}, which the store names, has no key {wanted.key}")
    user, key = entries.pop(_USER, None), entries.pop(_KEY, b"")
    if user is not None:
        entries["RESTIC_REPOSITORY"] = _with_login(entries["RESTIC_REPOSITORY"], user, key)
    return entries


def _with_login(repository: bytes, user: bytes, password: bytes) -> bytes:
    """The address of a REST server with who asks: restic before 0.16 takes them nowhere else."""
    scheme, _, rest = repository.partition(b"//")
    return b"%s//%s:%s@%s" % (scheme, quote(user, safe="").encode(), quote(password, safe="").encode(), rest)


def _wanted(spec: BackupStoreSpec) -> Iterator[_Wanted]:
    password = spec.encryption.password_secret_ref
    yield _Wanted(Source(SECRETS, password.name), password.key, "RESTIC_PASSWORD")
    server: S3Store | RestStore | None = spec.s3 or spec.rest
    if server is None:
        return
    keys = _S3_KEYS if spec.s3 else _REST_KEYS
    if server.credentials_secret_ref:
        source = Source(SECRETS, server.credentials_secret_ref.name)
        yield from (_Wanted(source, key, entry) for key, entry in keys.items())
    if server.ca_bundle_ref:
        yield _Wanted(Source(CONFIG_MAPS, server.ca_bundle_ref.name), server.ca_bundle_ref.key, AUTHORITY)


def _repository(spec: BackupStoreSpec) -> str:
    """The address as restic takes it. Source: https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html"""
    if spec.s3:
        place = f"{spec.s3.bucket}/{spec.s3.prefix}" if spec.s3.prefix else spec.s3.bucket
        return f"s3:{spec.s3.endpoint.rstrip('/')}/{place}"
    if spec.rest:
        return f"rest:{spec.rest.url.rstrip('/')}/"
    folder = spec.pvc.sub_path if spec.pvc else None
    return f"{STORE_FOLDER}/{folder}" if folder else STORE_FOLDER
