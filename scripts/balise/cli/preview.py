"""`balise preview`: the operator's listing as OperatorHub shows it, beside its upgrade graph."""

from __future__ import annotations

import argparse
import http.server
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from balise.model.errors import BaliseError, InputError

if TYPE_CHECKING:
    from balise.model.catalog import Catalog

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "preview"
HELP = "show the operator's listing as OperatorHub shows it, beside its upgrade graph"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--config", type=Path, default=Path("pyproject.toml"), metavar="FILE",
                        help="the project's pyproject.toml; its catalog is shown (default: %(default)s)")  # fmt: skip
    parser.add_argument("--catalog", type=Path, metavar="DIR", help="show this file-based catalog instead")
    parser.add_argument("--bundle", type=Path, metavar="DIR",
                        help="show this bundle instead, as if its channels had nothing else")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the pages there instead of serving them")
    parser.add_argument("--port", type=int, default=0, help="of the loopback address (default: a free one)")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted, or write the pages."""
    from balise.publish.preview import site  # noqa: PLC0415 (slow imports, only wanted here)

    load = _source(args)
    pages = site(load())
    if args.output is not None:
        from balise.publish.trees import write_file  # noqa: PLC0415

        for path, make in pages.items():
            write_file(args.output / path, make().encode())
        sys.stdout.write(f"wrote {len(pages)} pages; open {args.output / 'index.html'}\n")
        return 0
    pages["index.html"]()  # what is missing is told now, not in the browser
    _serve(args.port, load)
    return 0


def _source(args: argparse.Namespace) -> Callable[[], Catalog]:
    """What gives the catalog as it is now."""
    from balise.cli._catalog.sources import load_valid  # noqa: PLC0415 (slow imports, only wanted here)

    if args.bundle is not None:
        if args.catalog is not None:
            raise InputError("shows one bundle, --catalog a catalog", place="--bundle", way_out="leave one of them out")
        return lambda: _of_bundle(args.bundle)
    if args.catalog is not None:
        return lambda: load_valid(args.catalog)

    def of_project() -> Catalog:
        from balise.generate import configuration  # noqa: PLC0415

        settings = configuration.read(args.config)
        folder = settings.root / "catalog" / settings.package
        if not folder.is_dir():
            raise InputError("is not there yet", place=str(folder), way_out="run balise catalog build")
        return load_valid(folder)

    return of_project


def _of_bundle(folder: Path) -> Catalog:
    from balise.graph.rendering import render_bundle  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.model.bundle import BundleLoadError, load_bundle  # noqa: PLC0415
    from balise.model.catalog import catalog_from_blobs  # noqa: PLC0415

    try:
        bundle = load_bundle(folder)
    except BundleLoadError as error:
        raise InputError(f"the bundle cannot be loaded: {error}", place=str(folder)) from None
    found = render_bundle(bundle, str(bundle.csv.annotations.get("containerImage") or "preview"))
    package, name = found.blob["package"], found.blob["name"]
    channels = [each.strip() for each in bundle.annotations.channels if each.strip()]
    default = bundle.annotations.default_channel or (channels[0] if channels else "")
    blob = {"schema": "olm.package", "name": package, "defaultChannel": default, "description": found.description}
    entries = [{"name": name}]
    return catalog_from_blobs(
        [
            {**blob, "icon": found.icon} if found.icon else blob,
            *({"schema": "olm.channel", "package": package, "name": each, "entries": entries} for each in channels),
            found.blob,
        ]
    )


def _serve(port: int, load: Callable[[], Catalog]) -> None:
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(load))
    except OSError as error:
        raise InputError(f"cannot be listened on: {error.strerror}", place=f"port {port}") from None
    with server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/ (Ctrl+C ends)\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.2)


def _handler(load: Callable[[], Catalog]) -> type[http.server.BaseHTTPRequestHandler]:
    from balise.publish.listing_page import message_page  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.publish.preview import site  # noqa: PLC0415

    class Handler(http.server.BaseHTTPRequestHandler):
        """Every page is made anew, from the files as they are then: a reload shows what was edited."""

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).lstrip("/")
            try:
                pages = site(load())
                make = pages.get(f"{path}index.html" if path.endswith("/") or not path else path)
                status = 200 if make else 404
                text = make() if make else message_page("There is no such page", path)
            except BaliseError as error:
                status, text = 500, message_page("This cannot be shown", str(error))
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nobody waits for a log."""

    return Handler
