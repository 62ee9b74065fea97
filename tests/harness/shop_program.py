#!/usr/bin/python3
"""A shop that keeps its orders in PostgreSQL: what the images of the demo application run, one version each.

    shop serve      answer by HTTP on port 8080 until SIGTERM
    shop migrate    bring the data from the version before to this one
    shop down       undo that

v1 makes its table and $SHOP_ROWS orders at its first start. v2 needs a column that its migration adds. The migration of
v3 fails half way, with half of the prices gone. v4 never gets ready. v5 gets ready, and fails its own check at /verify.
Every migration that begins writes a row of the table `migrations`: that none runs twice can be counted there.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("SHOP_VERSION", "v1")
ROWS = int(os.environ.get("SHOP_ROWS", "1000"))
DRAIN_SECONDS = float(os.environ.get("SHOP_DRAIN_SECONDS", "3"))
HOST = socket.gethostname()
# By version: later ones can do with what v2's migration has made.
COLUMNS = "id, item, cents" if VERSION == "v1" else "id, item, cents, currency"

# Several first pods start at once: one of them makes the table.
INSTALL = f"""
begin;
select pg_advisory_xact_lock(1);
create table if not exists migrations (version text not null, pod text not null, at timestamptz default now());
create table if not exists orders (id bigint primary key, item text not null, cents bigint not null);
insert into orders select n, 'item ' || md5(n::text), n * 7 from generate_series(1, {ROWS}) n
    where not exists (select from orders);
commit;
"""
UP = {
    "v2": "begin; alter table orders add column currency text; update orders set currency = 'EUR';"
    " alter table orders alter column currency set not null; commit;",
    "v3": "alter table orders add column discount int; update orders set cents = 0 where id % 2 = 0;"
    " select 1 / 0 as discount;",
}
DOWN = {
    "v2": "alter table orders drop column if exists currency;",
    "v3": "alter table orders drop column if exists discount;",
}


class DatabaseError(Exception):
    """psql failed; the message is its own."""


def query(statement: str) -> list[list[str]]:
    """The rows of a statement, as text. Connects as the environment says (PGHOST, PGPASSWORD, ...)."""
    command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]
    command += ["--set=ON_ERROR_STOP=1", "--file=-"]
    environment = {"PGCONNECT_TIMEOUT": "8", **os.environ}  # within the patience of whoever asks
    done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise DatabaseError(" ".join(done.stderr.split()))
    return [line.split("\t") for line in done.stdout.splitlines()]


def migrate() -> None:
    """Not idempotent, as many are not: twice is an error."""
    query(f"insert into migrations (version, pod) values ('{VERSION}', '{HOST}');")
    print(f"migrating to {VERSION}", flush=True)
    query(UP.get(VERSION, ""))
    print(f"migrated to {VERSION}", flush=True)


def down() -> None:
    """Twice is as good as once."""
    query(DOWN.get(VERSION, ""))
    print(f"{VERSION} undone", flush=True)


def count() -> int:
    """How many orders there are."""
    return int(query("select count(*) from orders;")[0][0])


class Shop(ThreadingHTTPServer):
    """Serves until it is told to stop, and a little longer, as not everybody knows yet."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("", 8080), Handler)
        self.draining = False

    def drain(self) -> None:
        """Be unready, wait until no more requests are sent here, and stop."""
        self.draining = True
        print(f"draining for {DRAIN_SECONDS:g} s", flush=True)
        time.sleep(DRAIN_SECONDS)
        self.shutdown()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Shop
    timeout = 10

    def do_GET(self) -> None:
        try:
            status, answer = self.answer()
        except DatabaseError as error:
            status, answer = 503, {"error": str(error)}
        body = json.dumps({"version": VERSION, "pod": HOST, **answer}).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self) -> tuple[int, dict[str, object]]:
        if self.path == "/live":
            return 200, {}
        if self.path == "/ready":
            if self.server.draining or VERSION == "v4":
                return 503, {"ready": False}
            query(f"select {COLUMNS} from orders limit 1;")
            return 200, {"ready": True}
        if self.path == "/verify":
            return (500, {"error": "sums differ"}) if VERSION == "v5" else (200, {"orders": count()})
        if self.path == "/":
            return 200, {"orders": count()}
        number = self.path.removeprefix("/orders/")
        rows = query(f"select {COLUMNS} from orders where id = {number};") if number.isdecimal() else []
        return (
            (200, dict(zip(COLUMNS.split(", "), rows[0], strict=True))) if rows else (404, {"error": "no such order"})
        )

    def log_message(self, *arguments: object) -> None:
        """Probes would fill the log."""


def serve() -> None:
    """Until SIGTERM."""
    if VERSION == "v1":
        query(INSTALL)
    shop = Shop()
    # A handler interrupts the very loop that it would wait for.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=shop.drain).start())
    print(f"shop {VERSION} serves", flush=True)
    shop.serve_forever(poll_interval=0.1)
    shop.server_close()


def main() -> int:
    """Exit code 1 with a line on stderr when the database refuses."""
    command = {"serve": serve, "migrate": migrate, "down": down}.get(" ".join(sys.argv[1:]))
    if command is None:
        print("usage: shop serve|migrate|down", file=sys.stderr)
        return 2
    try:
        command()
    except DatabaseError as error:
        print(f"shop {VERSION}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
