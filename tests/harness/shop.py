"""Applications with data, for tests: a database, a shop that uses it, and plain files; and a client that counts."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.applications import application
from harness.images import BUSYBOX, POSTGRES, SHOP
from harness.kube import Manifest

__all__ = [
    "CHECKSUM",
    "DUMP",
    "LOAD",
    "MIGRATION",
    "MIGRATIONS_BEGUN",
    "VERIFY",
    "Visits",
    "database_application",
    "files_application",
    "rows",
    "shop_application",
    "visiting",
]

DUMP = ["pg_dump", "--format=custom", "--compress=0", "postgres"]
"""Writes a database to standard output, in the pod of the database or of a shop."""
LOAD = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error", "--single-transaction"]
LOAD += ["--dbname=postgres"]
"""Reads what DUMP wrote; a part of it is refused and changes nothing."""
CHECKSUM = "select count(*) || ' ' || md5(string_agg(id || item || cents, ',' order by id)) from orders"
"""What the orders are, in a line, whatever columns a migration has added."""
MIGRATIONS_BEGUN = "select coalesce(string_agg(version, ' ' order by at), '') from migrations"
"""The versions whose migrations have begun, in order."""
MIGRATION = {"name": "schema", "command": ["shop", "migrate"], "downCommand": ["shop", "down"]}
"""An entry of spec.upgrade.migrations: does nothing for v4 and v5 but to be counted, and fails half way for v3."""
VERIFY = {"name": "sums", "http": {"path": "/verify", "port": "http"}, "intervalSeconds": 1, "failureThreshold": 2}
"""An entry of spec.upgrade.verify: fails for v5."""


def _image(name: str) -> dict[str, str]:
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "Never"}


def database_application(namespace: str, name: str = "db", *, password: str = "", **spec: Any) -> Manifest:
    """PostgreSQL as a StatefulSet of one pod with a volume; everybody is trusted unless a password is given."""
    workload = {
        "kind": "StatefulSet",
        "image": _image(POSTGRES),
        "ports": [{"name": "postgres", "containerPort": 5432}],
        "probes": {"readiness": {"exec": {"command": ["pg_isready", "-q"]}, "periodSeconds": 1, "timeoutSeconds": 5}},
        "podSecurityContext": {"runAsUser": 999, "runAsGroup": 999, "fsGroup": 999},
        "storage": [{"name": "data", "size": "1Gi", "mountPath": "/var/lib/postgresql/data"}],
        "terminationGracePeriodSeconds": 20,
        **({"env": [{"name": "POSTGRES_PASSWORD", "value": password}]} if password else {}),
    }
    return application(namespace, name, workload=workload | spec.pop("workload", {}), **spec)


def rows(count: int) -> str:
    """A statement that makes the shop's table with so many orders, in a database without one."""
    return (
        "create table orders (id bigint primary key, item text not null, cents bigint not null);"
        f"insert into orders select n, 'item ' || md5(n::text), n * 7 from generate_series(1, {count}) n"
    )


def shop_application(
    namespace: str,
    version: str = "v1",
    *,
    name: str = "shop",
    database: str = "db",
    replicas: int = 3,
    orders: int = 1000,
    **spec: Any,
) -> Manifest:
    """The shop of a version, in front of the database of that name; `spec` may have upgrade, backup, ..."""
    settings = {"PGHOST": database, "SHOP_ROWS": str(orders)}
    ready = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 3}
    workload = {
        "image": _image(f"{SHOP}:{version}"),
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": key, "value": value} for key, value in settings.items()],
        "probes": {"readiness": ready | {"failureThreshold": 2}},
        "terminationGracePeriodSeconds": 15,
    }
    scaling = {"replicas": replicas}
    return application(namespace, name, workload=workload | spec.pop("workload", {}), scaling=scaling, **spec)


def files_application(namespace: str, name: str = "files", **spec: Any) -> Manifest:
    """A web server for the files of a volume, which its user may change."""
    workload = {
        "image": _image(BUSYBOX),
        "command": ["httpd", "-f", "-p", "8080", "-h", "/data"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "probes": {"readiness": {"tcpSocket": {"port": "http"}, "periodSeconds": 1}},
        "podSecurityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
        "storage": [{"name": "data", "size": "1Gi", "mountPath": "/data"}],
        # A process that is the first of its container does not heed SIGTERM without a handler.
        "terminationGracePeriodSeconds": 1,
    }
    return application(namespace, name, workload=workload | spec.pop("workload", {}), **spec)


@dataclass(slots=True)
class Visits:
    """What a client saw. `failures` says when, in seconds from the start, at which step, and what."""

    good: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Requests that were sent."""
        return sum(self.good.values()) + len(self.failures)


@contextmanager
def visiting(url: str, *, clients: int = 2, pause: float = 0.05) -> Iterator[Visits]:
    """Ask that URL again and again while the block runs, each time by a new connection; good answers by their version.

    An answer is good with status 200 and JSON; its `version` is counted.
    """
    parts = urlsplit(url)
    visits, over, lock, start = Visits(), threading.Event(), threading.Lock(), time.monotonic()

    def ask() -> str:
        """The version that answered. Raises what a client would see, with a note of how far it came."""
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        step = "connecting"
        try:
            connection.connect()
            step = "waiting for an answer"
            connection.request("GET", parts.path or "/")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ValueError(f"status {answer.status}: {body.decode(errors='replace')}")  # noqa: TRY301
            version: str = json.loads(body)["version"]
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            error.add_note(step)
            raise
        finally:
            connection.close()
        return version

    def visit() -> None:
        while not over.is_set():
            begun = time.monotonic() - start
            try:
                version = ask()
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                ended, step = time.monotonic() - start, error.__notes__[-1]
                failure = f"{begun:.2f} to {ended:.2f} s, {step}: {type(error).__name__}: {error}"
                with lock:
                    visits.failures.append(failure)
            else:
                with lock:
                    visits.good[version] += 1
            over.wait(pause)

    threads = [threading.Thread(target=visit, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        over.set()
        for thread in threads:
            thread.join()
