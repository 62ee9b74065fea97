import base64
import json
from pathlib import Path

import pytest
import yaml

from devcluster import components, configuration
from devcluster.errors import DevclusterError
from devcluster.layout import Layout
from devcluster.network import SIMULATED
from devcluster.ports import Ports, choose_ports
from devcluster.provisioner import needs_growth, needs_volume, volume_for, volume_is_done
from devcluster.spec import ClusterSpec

ADDRESSES = components.Addresses(Ports(2379, 2380, 6443, 10257, 10259, 10247), SIMULATED)
LAYOUT = Layout(Path("/clusters/demo"))


def command(daemon: str, spec: ClusterSpec = ClusterSpec()) -> list[str]:  # noqa: B008 - a frozen value
    programs = {name: Path("/bin") / name for name in components.programs_of(spec)}
    return components.command_of(daemon, spec, LAYOUT, ADDRESSES, programs)


@pytest.mark.parametrize("name", ["", "Demo", "-a", "a-", "a/b", "a" * 41])
def test_a_name_that_is_no_folder_or_label_is_refused(name: str) -> None:
    with pytest.raises(DevclusterError, match="cluster name"):
        ClusterSpec(name=name)


@pytest.mark.parametrize("wrong", [{"count": -1}, {"nodes": "virtual"}, {"apiserver_args": ("v=4",)}])
def test_other_wrong_choices_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DevclusterError):
        ClusterSpec(**wrong)  # type: ignore[arg-type]


def test_a_spec_survives_its_file() -> None:
    spec = ClusterSpec("demo-2", "kwok", 5, ("--v=4", "--feature-gates=A=true"))
    assert ClusterSpec.from_json(json.loads(json.dumps(spec.as_json()))) == spec


def test_chosen_ports_are_free_and_different() -> None:
    ports = choose_ports()
    numbers = set(ports.as_json().values())
    assert len(numbers) == len(ports.as_json())
    assert all(number > 1023 for number in numbers)
    assert Ports(**ports.as_json()) == ports


@pytest.mark.parametrize("daemon", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"])
def test_every_listener_is_on_loopback(daemon: str) -> None:
    line = command(daemon)
    addresses = [flag for flag in line if any(word in flag for word in ("bind-address", "listen-", "server-address"))]
    assert addresses
    assert all("127.0.0.1" in flag for flag in addresses)


def test_everything_that_is_written_lies_in_the_folder() -> None:
    line = command("kube-apiserver") + command("etcd")
    paths = [flag.partition("=")[2] for flag in line if flag.partition("=")[2].startswith("/")]
    assert paths
    assert all(path.startswith("/clusters/demo/") for path in paths)


def test_extra_flags_come_last_so_that_they_win() -> None:
    spec = ClusterSpec(apiserver_args=("--authorization-config=/a.yaml",))
    assert command("kube-apiserver", spec)[-1] == "--authorization-config=/a.yaml"


def test_the_programs_are_those_that_run_and_the_certificate_maker() -> None:
    assert set(components.programs_of(ClusterSpec())) == {
        "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "pki",
    }  # fmt: skip


def test_an_authorization_configuration_replaces_the_mode() -> None:
    line = command("kube-apiserver", ClusterSpec(apiserver_args=("--authorization-config=/a.yaml",)))
    assert not [flag for flag in line if flag.startswith("--authorization-mode")]
    assert "--authorization-mode=Node,RBAC" in command("kube-apiserver")


def test_the_audit_policy_drops_no_request_of_a_service_account() -> None:
    policy = yaml.safe_load(configuration.audit_policy())
    assert policy["rules"][-1] == {"level": "Metadata"}
    for rule in policy["rules"][:-1]:
        assert rule["level"] == "None"
        assert rule.get("users") or rule.get("nonResourceURLs")
        assert not any("serviceaccount" in user for user in rule.get("users", ()))


def test_a_kubeconfig_holds_everything_itself() -> None:
    value = yaml.safe_load(configuration.kubeconfig("demo", "https://127.0.0.1:1", b"ca", b"cert", b"key"))
    assert base64.b64decode(value["clusters"][0]["cluster"]["certificate-authority-data"]) == b"ca"
    assert base64.b64decode(value["users"][0]["user"]["client-key-data"]) == b"key"


def test_people_are_administrators_by_rbac_and_not_by_privilege() -> None:
    leaves = {leaf["file"]: leaf for leaf in json.loads(configuration.certificates(SIMULATED))}
    assert leaves["administrator"]["organizations"] == [configuration.ADMINISTRATORS]
    bound = [manifest for _, manifest in configuration.bootstrap_objects(ClusterSpec()) if "subjects" in manifest]
    assert bound[0]["subjects"][0]["name"] == configuration.ADMINISTRATORS


def test_simulated_nodes_take_turns_in_three_zones() -> None:
    zones = [configuration.node(index)["metadata"]["labels"]["topology.kubernetes.io/zone"] for index in range(4)]
    assert zones == ["zone-a", "zone-b", "zone-c", "zone-a"]


def claim(**changes: object) -> dict[str, object]:
    spec = {
        "storageClassName": "standard",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    value: dict[str, object] = {
        "metadata": {"namespace": "n", "name": "data", "uid": "u-1"},
        "spec": spec,
        "status": {"phase": "Pending"},
    }
    return value | changes


def test_only_pending_claims_of_our_class_get_a_volume() -> None:
    assert needs_volume(claim())
    assert not needs_volume(claim(spec={"storageClassName": "other"}))
    assert not needs_volume(claim(spec={"storageClassName": "standard", "volumeName": "mine"}))
    assert not needs_volume(claim(status={"phase": "Bound"}))


def test_a_volume_belongs_to_its_claim_alone() -> None:
    volume = volume_for(claim(), Path("/volumes"))
    assert volume["metadata"]["name"] == "pvc-u-1"
    assert volume["spec"]["claimRef"]["uid"] == "u-1"
    assert volume["spec"]["hostPath"]["path"] == "/volumes/pvc-u-1"


def test_a_volume_of_a_real_node_is_a_disk_of_that_node() -> None:
    spec = volume_for(claim(), Path("/volumes"), "real-0")["spec"]
    assert spec["local"] == {"path": "/volumes/pvc-u-1"}
    assert "hostPath" not in spec
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == ["real-0"]


def test_a_bound_claim_that_asks_for_more_grows() -> None:
    assert needs_growth(claim(status={"phase": "Bound", "capacity": {"storage": "512Mi"}}))
    assert not needs_growth(claim(status={"phase": "Bound", "capacity": {"storage": "1Gi"}}))
    assert not needs_growth(claim())


def test_a_volume_goes_with_its_claim_unless_it_is_to_be_kept() -> None:
    volume = volume_for(claim(), Path("/volumes"))
    assert not volume_is_done(volume | {"status": {"phase": "Bound"}})
    released = volume | {"status": {"phase": "Released"}}
    assert volume_is_done(released)
    kept = released | {"spec": released["spec"] | {"persistentVolumeReclaimPolicy": "Retain"}}
    assert not volume_is_done(kept)
    assert not volume_is_done(released | {"metadata": {"name": "somebody-elses"}})
