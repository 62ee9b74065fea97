"""Images for pods of a real node, made of what Debian has packaged, without a container engine or a registry."""

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devcluster.images import Entry, Image, write_image, write_images, write_layer
from harness.debian import UnavailableLayerError, debian_layer

__all__ = [
    "BUSYBOX",
    "MOVER",
    "POSTGRES",
    "SHOP",
    "SHOP_VERSIONS",
    "busybox_archive",
    "database_archive",
    "mover_archive",
    "static_busybox",
]

BUSYBOX = "example.test/busybox:1"
"""A shell and its tools. Its wget crashes where the C library's files are missing, as here; nc does not."""
POSTGRES = "example.test/postgres:1"
"""PostgreSQL as a user without rights, with its data in a folder of /var/lib/postgresql/data. $POSTGRES_PASSWORD, when
set as the data is made, is the password of the user postgres for connections by TCP; else everybody is trusted."""
MOVER = "example.test/timonier-mover:1"
"""The mover of backups, from this checkout."""
SHOP = "example.test/shop"
"""The demo application `harness/shop_program.py`, without a tag, which is one of SHOP_VERSIONS."""
SHOP_VERSIONS = ("v1", "v2", "v3", "v4", "v5")

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parents[1] / "operator" / "timonier"
_BASE = ("python3-minimal", "libpython3-stdlib", "ca-certificates", "dash", "coreutils", "libc-bin")

# Whatever user the pod runs as needs a name, or initdb refuses; the socket goes where that user can write. PostgreSQL
# takes SIGTERM for a wish to wait until every client has left, so a shell turns it into SIGINT.
_START_POSTGRES = """#!/bin/sh
set -eu
data=/var/lib/postgresql/data/cluster
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data.new"
    hosts=trust
    set -- --auth=trust
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        hosts=scram-sha-256
        printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
        set -- --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password
    fi
    initdb --pgdata="$data.new" "$@" --username=postgres --no-locale --encoding=UTF8 >/dev/null
    rm -f /tmp/password
    echo "host all all all $hosts" >>"$data.new/pg_hba.conf"
    mv "$data.new" "$data"
fi
# With an fsGroup, kubelet lets the group into a volume at each mount, and PostgreSQL refuses such a folder.
chmod 700 "$data"
postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c jit=off &
server=$!
trap 'kill -INT "$server"' TERM INT
status=0
# A signal that is heeded ends the wait, not the server.
while kill -0 "$server" 2>/dev/null; do
    status=0
    wait "$server" || status=$?
done
exit "$status"
"""


def static_busybox() -> Path | None:
    """The machine's busybox, when it is one that needs no other file."""
    found = shutil.which("busybox")
    # A dynamic program names its loader at its very beginning (ELF, PT_INTERP).
    return Path(found) if found and b"/ld-" not in Path(found).read_bytes()[:4096] else None


def busybox_archive(folder: Path, busybox: Path) -> Path:
    """The archive of the image BUSYBOX, made in that folder."""
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    entries = [
        Entry("bin/"),
        Entry("etc/"),
        Entry("tmp/", mode=0o1777),
        Entry("etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", mode=0o644),
        Entry("etc/group", b"root:x:0:\nuser:x:1000:\n", mode=0o644),
        Entry("bin/busybox", busybox.read_bytes()),
        *(Entry(f"bin/{name}", link="busybox") for name in names if name != "busybox"),
    ]
    layer, archive = folder / "busybox.layer", folder / "busybox.tar"
    write_layer(layer, entries)
    write_image(archive, Image(BUSYBOX, command=["sh"]), [layer])
    layer.unlink()
    return archive


def mover_archive(folder: Path) -> Path:
    """The archive of the image MOVER, made in that folder. Raises UnavailableLayerError."""
    layers = [debian_layer(_BASE), debian_layer(["restic"], beneath=_BASE)]
    program = [
        Entry("opt/timonier/timonier/__init__.py", mode=0o644),
        *(
            Entry(f"opt/timonier/timonier/{path.relative_to(_PACKAGE)}", path.read_bytes(), mode=0o644)
            for path in sorted((_PACKAGE / "mover").rglob("*.py"))
        ),
    ]
    own, archive = folder / "mover.layer", folder / "mover.tar"
    write_layer(own, [*_accounts(), *program, *_compiled(layers[0], program)])
    environment = ["PATH=/usr/bin:/bin", "PYTHONPATH=/opt/timonier", "PYTHONDONTWRITEBYTECODE=1", "HOME=/tmp"]
    entrypoint = ["/usr/bin/python3", "-m", "timonier.mover"]
    image = Image(MOVER, entrypoint=entrypoint, environment=environment, user="65532:65532")
    write_image(archive, image, [*layers, own])
    own.unlink()
    return archive


def _compiled(base: Path, program: Sequence[Entry]) -> list[Entry]:
    """What the Containerfile compiles, by the image's own Python."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        with tarfile.open(base) as layer:
            layer.extractall(root, filter="fully_trusted")
        for entry in program:
            (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
            (root / entry.path).write_bytes(entry.content)
        recipe = (_HERE.parents[1] / "Containerfile").read_text()
        command = next(line for line in recipe.splitlines() if line.startswith("RUN ") and "py_compile" in line)
        environment = {"PATH": "/usr/bin:/usr/sbin", "PYTHONPATH": "/opt/timonier"}
        subprocess.run(["chroot", root, *json.loads(command.removeprefix("RUN "))], env=environment, check=True)
        found = sorted(root.rglob("*.pyc"))
        return [Entry(str(path.relative_to(root)), path.read_bytes(), mode=0o644) for path in found]


def database_archive(folder: Path) -> Path:
    """The archive of the image POSTGRES and of every version of SHOP, made in that folder.

    All have the same layers from Debian, so a shop finds psql and pg_dump. Raises UnavailableLayerError.
    """
    base, database = debian_layer(_BASE), debian_layer(["postgresql"], beneath=_BASE)
    layers = [base, database]
    programs = _postgres_programs(database)
    own, shop, archive = folder / "postgres.layer", folder / "shop.layer", folder / "databases.tar"
    write_layer(
        own,
        [
            *_accounts(),
            Entry("usr/local/bin/start-postgres", _START_POSTGRES.encode()),
            Entry("var/lib/postgresql/data/", owner=999),
        ],
    )
    write_layer(shop, [*_accounts(), Entry("usr/local/bin/shop", (_HERE / "shop_program.py").read_bytes())])
    environment = [f"PATH=/usr/local/bin:{programs}:/usr/bin:/bin", "HOME=/tmp", "PGUSER=postgres"]
    server = Image(POSTGRES, entrypoint=["start-postgres"], environment=[*environment, "PGHOST=/tmp"], user="999:999")
    images: list[tuple[Image, Sequence[Path]]] = [(server, [*layers, own])]
    for version in SHOP_VERSIONS:
        settings = [*environment, "PYTHONUNBUFFERED=1", f"SHOP_VERSION={version}"]
        image = Image(
            f"{SHOP}:{version}", entrypoint=["shop"], command=["serve"], environment=settings, user="65532:65532"
        )
        images.append((image, [*layers, shop]))
    write_images(archive, images)
    own.unlink()
    shop.unlink()
    return archive


def _accounts() -> list[Entry]:
    users = {"root": 0, "postgres": 999, "user": 1000, "nonroot": 65532}
    passwd = "".join(f"{name}:x:{number}:{number}::/tmp:/bin/sh\n" for name, number in users.items())
    group = "".join(f"{name}:x:{number}:\n" for name, number in users.items())
    return [
        Entry("tmp/", mode=0o1777),
        Entry("etc/passwd", passwd.encode(), mode=0o644),
        Entry("etc/group", group.encode(), mode=0o644),
    ]


def _postgres_programs(layer: Path) -> str:
    """The folder of the release that Debian has."""
    with tarfile.open(layer) as content:
        for name in content.getnames():
            if re.fullmatch(r"(\./)?usr/lib/postgresql/\d+/bin", name):
                return "/" + name.removeprefix("./")
    raise UnavailableLayerError("Debian's postgresql brings no server: its package has changed")
