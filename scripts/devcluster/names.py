"""Names of Services and of the pods behind them, as Kubernetes defines them. Pure.

Source: Kubernetes, "DNS-Based Service Discovery" (github.com/kubernetes/dns, docs/specification.md), and RFC 1035 for
the messages. Addresses are of version 4; records of type SRV and PTR are not answered.
"""

import ipaddress
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DOMAIN", "Record", "answer", "records"]

Manifest = dict[str, Any]

DOMAIN = "cluster.local"

_A, _CNAME, _AAAA, _ANY, _INTERNET = 1, 5, 28, 255, 1
_NO_ERROR, _FORMAT_ERROR, _NO_SUCH_NAME, _NOT_IMPLEMENTED, _REFUSED = 0, 1, 3, 4, 5
_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Record:
    """What a name stands for: addresses, or another name."""

    addresses: tuple[str, ...] = ()
    alias: str = ""


def records(services: Iterable[Manifest], slices: Iterable[Manifest]) -> dict[str, Record]:
    """Every name of the cluster, in lower case and without the final dot."""
    found: dict[str, Record] = {}
    endpoints = _endpoints(slices)
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        key = (metadata["namespace"], metadata["name"])
        name = f"{metadata['name']}.{metadata['namespace']}.svc.{DOMAIN}"
        if spec.get("type") == "ExternalName":
            found[name] = Record(alias=spec["externalName"].rstrip(".").lower())
        elif spec.get("clusterIP") != "None":
            found[name] = Record((spec["clusterIP"],)) if spec.get("clusterIP") else Record()
        else:
            unready = bool(spec.get("publishNotReadyAddresses"))
            known = [(host, address) for host, address, ready in endpoints.get(key, ()) if ready or unready]
            found[name] = Record(tuple(sorted({address for _, address in known})))
            for host in {host for host, _ in known if host}:
                found[f"{host}.{name}"] = Record(tuple(sorted({address for other, address in known if other == host})))
    return found


def _endpoints(slices: Iterable[Manifest]) -> dict[tuple[str, str], list[tuple[str, str, bool]]]:
    """By Service: host name, address and readiness of each endpoint."""
    found: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
    for item in slices:
        metadata = item["metadata"]
        service = metadata.get("labels", {}).get("kubernetes.io/service-name")
        if service is None or item.get("addressType") != "IPv4":
            continue
        place = found.setdefault((metadata["namespace"], service), [])
        for endpoint in item.get("endpoints") or ():
            # An unset condition is to be taken for true (EndpointConditions).
            ready = endpoint.get("conditions", {}).get("ready") is not False
            place += [(endpoint.get("hostname", ""), address, ready) for address in endpoint["addresses"]]
    return found


def answer(query: bytes, known: Mapping[str, Record]) -> bytes:
    """The response to a query; empty when it deserves none, as it is no query.

    A name outside the cluster's domain is refused: whoever asks learns at once that nobody here knows.
    """
    if len(query) < 12 or query[2] & 0x80:
        return b""
    identity, flags, questions = struct.unpack_from("!HHH", query)
    operation = flags & 0x7900  # what was asked for and whether recursion was wanted, repeated in the response
    try:
        name, kind, end = _question(query)
    except (IndexError, struct.error, UnicodeDecodeError):
        return struct.pack("!HHHHHH", identity, 0x8000 | operation | _FORMAT_ERROR, 0, 0, 0, 0)
    code, content = _NOT_IMPLEMENTED, list[bytes]()
    if not flags & 0x7800 and questions == 1:
        code, content = _look_up(name, kind, known)
    authoritative = 0 if code == _REFUSED else 0x0400
    header = struct.pack("!HHHHHH", identity, 0x8000 | authoritative | operation | code, 1, len(content), 0, 0)
    return header + query[12:end] + b"".join(content)


def _question(query: bytes) -> tuple[str, int, int]:
    """Name, type and the place after the question. Names in questions are never compressed."""
    labels, place = [], 12
    while size := query[place]:
        if size > 63 or place + 1 + size >= len(query):
            raise IndexError
        labels.append(query[place + 1 : place + 1 + size].decode("ascii").lower())
        place += 1 + size
    kind, _ = struct.unpack_from("!HH", query, place + 1)
    return ".".join(labels), kind, place + 5


def _look_up(name: str, kind: int, known: Mapping[str, Record]) -> tuple[int, list[bytes]]:
    if name != DOMAIN and not name.endswith(f".{DOMAIN}"):
        return _REFUSED, []
    record = known.get(name)
    if record is None:
        # A name with names below it exists, though nothing is known about it (RFC 8020).
        exists = any(other.endswith(f".{name}") for other in known)
        return _NO_ERROR if exists else _NO_SUCH_NAME, []
    if record.alias:
        target = known.get(record.alias)
        following = [_address(record.alias, one) for one in target.addresses] if target and kind in (_A, _ANY) else []
        return _NO_ERROR, [_resource(name, _CNAME, _encoded(record.alias)), *following]
    return _NO_ERROR, [_address(name, one) for one in record.addresses] if kind in (_A, _ANY) else []


def _address(name: str, address: str) -> bytes:
    return _resource(name, _A, ipaddress.IPv4Address(address).packed)


def _resource(name: str, kind: int, data: bytes) -> bytes:
    return _encoded(name) + struct.pack("!HHIH", kind, _INTERNET, _SECONDS, len(data)) + data


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\0"
