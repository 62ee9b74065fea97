import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.names import Record, answer, records

NO_ERROR, FORMAT_ERROR, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = 0, 1, 3, 4, 5
A, AAAA = 1, 28


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name}, "spec": spec}


def endpoint(address: str, hostname: str = "", ready: bool | None = None) -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready}
    return {"addresses": [address], "conditions": conditions} | ({"hostname": hostname} if hostname else {})


def endpoint_slice(service_name: str, *endpoints: dict[str, Any], family: str = "IPv4") -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service_name}
    metadata = {"namespace": "shop", "name": f"{service_name}-x", "labels": labels}
    return {"metadata": metadata, "addressType": family, "endpoints": list(endpoints)}


def query(name: str, kind: int = A, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 0xBEEF, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def code_and_count(response: bytes) -> tuple[int, int]:
    identity, flags, _, count, _, _ = struct.unpack_from("!HHHHHH", response)
    assert identity == 0xBEEF
    assert flags & 0x8000
    return flags & 0xF, count


def test_a_service_has_its_cluster_address() -> None:
    assert records([service("web", clusterIP="10.0.0.7")], []) == {"web.shop.svc.cluster.local": Record(("10.0.0.7",))}


def test_a_headless_service_has_its_ready_endpoints_and_each_by_its_host_name() -> None:
    slices = [
        endpoint_slice("db", endpoint("10.1.0.1", "db-0", ready=True), endpoint("10.1.0.2", "db-1", ready=False)),
        endpoint_slice("db", endpoint("10.1.0.3")),
        endpoint_slice("db", endpoint("fd00::2"), family="IPv6"),
        endpoint_slice("other", endpoint("10.1.0.9")),
    ]
    found = records([service("db", clusterIP="None")], slices)
    assert found == {
        "db.shop.svc.cluster.local": Record(("10.1.0.1", "10.1.0.3")),
        "db-0.db.shop.svc.cluster.local": Record(("10.1.0.1",)),
    }
    early = records([service("db", clusterIP="None", publishNotReadyAddresses=True)], slices)
    assert early["db-1.db.shop.svc.cluster.local"] == Record(("10.1.0.2",))


def test_an_external_name_is_an_alias() -> None:
    found = records([service("out", type="ExternalName", externalName="Example.com.")], [])
    assert found == {"out.shop.svc.cluster.local": Record(alias="example.com")}


KNOWN = {
    "web.shop.svc.cluster.local": Record(("10.0.0.7", "10.0.0.8")),
    "empty.shop.svc.cluster.local": Record(),
    "out.shop.svc.cluster.local": Record(alias="example.com"),
    "in.shop.svc.cluster.local": Record(alias="web.shop.svc.cluster.local"),
}


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.shop.svc.cluster.local", A, (NO_ERROR, 2)),
        ("WEB.shop.svc.cluster.LOCAL", A, (NO_ERROR, 2)),
        ("web.shop.svc.cluster.local", AAAA, (NO_ERROR, 0)),
        ("empty.shop.svc.cluster.local", A, (NO_ERROR, 0)),
        ("shop.svc.cluster.local", A, (NO_ERROR, 0)),
        ("nothing.shop.svc.cluster.local", A, (NO_SUCH_NAME, 0)),
        ("web.shop.cluster.local", AAAA, (NO_SUCH_NAME, 0)),
        ("out.shop.svc.cluster.local", A, (NO_ERROR, 1)),
        ("in.shop.svc.cluster.local", A, (NO_ERROR, 3)),
        ("example.com", A, (REFUSED, 0)),
        ("notcluster.local", A, (REFUSED, 0)),
    ],
)
def test_questions_are_answered(name: str, kind: int, expected: tuple[int, int]) -> None:
    assert code_and_count(answer(query(name, kind), KNOWN)) == expected


def test_an_answer_is_a_name_a_type_a_life_and_an_address() -> None:
    asked = query("web.shop.svc.cluster.local")
    response = answer(asked, KNOWN)
    assert response[12 : len(asked)] == asked[12:]
    first = response[len(asked) :]
    name = asked[12:-4]
    assert first.startswith(name)
    assert struct.unpack_from("!HHIH", first, len(name)) == (A, 1, 5, 4)
    assert first[len(name) + 10 :][:4] == bytes([10, 0, 0, 7])


def test_what_is_no_question_gets_what_it_deserves() -> None:
    assert answer(b"short", KNOWN) == b""
    assert answer(query("web.shop.svc.cluster.local", flags=0x8100), KNOWN) == b""
    assert code_and_count(answer(query("web.shop.svc.cluster.local", flags=0x2800), KNOWN))[0] == NOT_IMPLEMENTED
    assert code_and_count(answer(query("web.shop.svc.cluster.local")[:-6], KNOWN))[0] == FORMAT_ERROR


@given(st.binary(max_size=80))
def test_no_message_ends_the_server(message: bytes) -> None:
    answer(message, KNOWN)
