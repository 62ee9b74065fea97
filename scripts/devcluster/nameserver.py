"""The cluster's name server: a background process in a real node's network that answers from Services and endpoints."""

import logging
import socketserver
import struct
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster.api import Api
from devcluster.following import follow
from devcluster.names import Record, answer, records

__all__ = ["main"]

Manifest = dict[str, Any]

SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"

# RFC 1035: a response by UDP is at most 512 bytes; one that is longer is cut, says so, and is asked for again by TCP.
_DATAGRAM = 512
_TRUNCATED = 0x02


class Directory:
    """The names as they are now; fed by two watches, read by every request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, dict[tuple[str, str], Manifest]] = {SERVICES: {}, SLICES: {}}
        self.names: Mapping[str, Record] = {}

    def feed(self, api: Api, collection: str) -> None:
        """Follow one of the two collections for ever."""

        def listed(items: list[Manifest]) -> None:
            self._update(collection, {_key(item): item for item in items})

        def changed(kind: str, item: Manifest) -> None:
            rest = {key: other for key, other in self._objects[collection].items() if key != _key(item)}
            self._update(collection, rest if kind == "DELETED" else rest | {_key(item): item})

        follow(api, collection, listed, changed)

    def _update(self, collection: str, objects: dict[tuple[str, str], Manifest]) -> None:
        with self._lock:
            self._objects[collection] = objects
            self.names = records(self._objects[SERVICES].values(), self._objects[SLICES].values())


def _key(item: Manifest) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


class _UdpServer(socketserver.ThreadingUDPServer):
    directory: Directory
    daemon_threads = True


class _TcpServer(socketserver.ThreadingTCPServer):
    directory: Directory
    allow_reuse_address = True
    daemon_threads = True


class _Datagram(socketserver.BaseRequestHandler):
    server: _UdpServer

    def handle(self) -> None:
        query, connection = self.request
        response = answer(query, self.server.directory.names)
        if len(response) > _DATAGRAM:
            # Header and question stay; the counts of records say that none follows.
            question = response[12 : response.index(0, 12) + 5]
            response = response[:2] + bytes([response[2] | _TRUNCATED]) + response[3:6] + bytes(6) + question
        if response:
            connection.sendto(response, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    server: _TcpServer
    timeout = 5

    def handle(self) -> None:
        while len(size := self.rfile.read(2)) == 2:
            query = self.rfile.read(struct.unpack("!H", size)[0])
            response = answer(query, self.server.directory.names)
            self.wfile.write(struct.pack("!H", len(response)) + response)


def main(arguments: list[str]) -> int:
    """`python -m devcluster.nameserver KUBECONFIG ADDRESS`: serve until stopped."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    api, place, directory = Api(Path(arguments[0])), (arguments[1], 53), Directory()
    udp, tcp = _UdpServer(place, _Datagram), _TcpServer(place, _Stream)
    udp.directory = tcp.directory = directory
    for work, collection in ((directory.feed, SERVICES), (directory.feed, SLICES)):
        threading.Thread(target=work, args=(api, collection), daemon=True).start()
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    udp.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
