import ipaddress

import pytest

from devcluster.errors import DevclusterError
from devcluster.network import SIMULATED, Network, destinations_of, free_network, network_of


def test_a_network_has_room_apart_for_cable_pods_and_services() -> None:
    network = network_of(201)
    everything = ipaddress.ip_network(network.everything)
    cable = ipaddress.ip_network(f"{network.host}/30", strict=False)
    parts = [cable, ipaddress.ip_network(network.pods), ipaddress.ip_network(network.services)]
    assert ipaddress.ip_address(network.node) in cable
    assert all(part.subnet_of(everything) for part in parts)  # type: ignore[arg-type]
    assert not any(one.overlaps(other) for one in parts for other in parts if one is not other)
    assert len(network.device) < 16  # Linux, IFNAMSIZ


def test_the_first_network_that_nobody_has_is_taken() -> None:
    assert free_network([]) == network_of(201)
    assert free_network(["10.201.0.0/30", "10.202.64.7", "192.168.1.0/24", "10.204.0.0/16"]) == network_of(203)


def test_a_way_out_is_nobodys_network() -> None:
    assert free_network(["0.0.0.0/1", "128.0.0.0/1"]) == network_of(201)


def test_a_machine_without_a_free_network_is_told() -> None:
    with pytest.raises(DevclusterError, match="devcluster down"):
        free_network(["10.0.0.0/8"])


def test_the_default_route_is_no_destination() -> None:
    answer = [{"dst": "default", "gateway": "192.0.2.1"}, {"dst": "192.0.2.0/24", "dev": "eth0"}]
    assert destinations_of(answer) == ["192.0.2.0/24"]


def test_the_api_server_is_the_first_service() -> None:
    assert SIMULATED.api_service() == "10.96.0.1"
    assert network_of(201).api_service() == "10.201.128.1"


def test_a_network_survives_its_file() -> None:
    assert Network(**network_of(210).as_json()) == network_of(210)
