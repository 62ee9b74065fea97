"""Would server-side apply change anything? Each case is one of the three reasons, or none."""

import copy
from typing import Any

import pytest

from timonier.engine.difference import differs

DESIRED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web"},
        "ownerReferences": [{"apiVersion": "timonier.dev/v1", "kind": "Application", "name": "web", "uid": "u1"}],
    },
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["-v", "-x"],
                        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }
        },
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
    },
}
OWNED: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:ownerReferences": {'k:{"uid":"u1"}': {}}},
    "f:spec": {
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"web"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:env": {'k:{"name":"NODE"}': {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}}},
                        "f:ports": {
                            'k:{"containerPort":80,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                                "f:protocol": {},
                            }
                        },
                    }
                },
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
            }
        },
        "f:volumeClaimTemplates": {},
    },
}


def live() -> dict[str, Any]:
    """What the API server holds after our apply: our fields, its defaults, and the ownership."""
    state = copy.deepcopy(DESIRED)
    state["metadata"] |= {
        "uid": "w1",
        "resourceVersion": "7",
        "managedFields": [{"manager": "timonier", "operation": "Apply", "fieldsV1": copy.deepcopy(OWNED)}],
    }
    container(state)["terminationMessagePath"] = "/dev/termination-log"
    state["spec"]["progressDeadlineSeconds"] = 600
    return state


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


def owned_container(manifest: dict[str, Any]) -> dict[str, Any]:
    fields = manifest["metadata"]["managedFields"][0]["fieldsV1"]
    found: dict[str, Any] = fields["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}']
    return found


def foreign_label(state: dict[str, Any]) -> None:
    state["metadata"]["labels"]["team"] = "blue"


def foreign_sidecar(state: dict[str, Any]) -> None:
    state["spec"]["template"]["spec"]["containers"].insert(0, {"name": "mesh", "image": "mesh:1"})


def filled_in_where_we_own_the_whole(state: dict[str, Any]) -> None:
    state["spec"]["volumeClaimTemplates"][0] |= {"status": {"phase": "Pending"}}
    state["spec"]["volumeClaimTemplates"][0]["metadata"]["creationTimestamp"] = None
    state["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = "Filesystem"
    container(state)["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] = "v1"


@pytest.mark.parametrize("change", [lambda _: None, foreign_label, foreign_sidecar, filled_in_where_we_own_the_whole])
def test_defaults_and_what_others_added_are_no_difference(change: Any) -> None:
    state = live()
    change(state)
    assert not differs(DESIRED, state, "timonier")


def other_image(state: dict[str, Any]) -> None:
    container(state)["image"] = "evil:1"


def image_taken_over_by_another_manager(state: dict[str, Any]) -> None:
    del owned_container(state)["f:image"]


def atomic_list_taken_over(state: dict[str, Any]) -> None:
    container(state)["args"].append("--debug")
    del owned_container(state)["f:args"]


def label_gone(state: dict[str, Any]) -> None:
    del state["metadata"]["labels"]["app"]


def owner_gone(state: dict[str, Any]) -> None:
    del state["metadata"]["ownerReferences"]


def items_out_of_order(state: dict[str, Any]) -> None:
    container(state)["args"].reverse()


def argument_that_we_no_longer_state(state: dict[str, Any]) -> None:
    container(state)["args"].append("--debug")


def field_inside_of_a_whole_that_we_no_longer_state(state: dict[str, Any]) -> None:
    container(state)["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] = "v2"


def field_that_we_no_longer_state(state: dict[str, Any]) -> None:
    container(state)["command"] = ["sh"]
    owned_container(state)["f:command"] = {}


def list_item_that_we_no_longer_state(state: dict[str, Any]) -> None:
    container(state)["ports"].append({"containerPort": 81, "protocol": "TCP"})
    owned_container(state)["f:ports"]['k:{"containerPort":81,"protocol":"TCP"}'] = {".": {}}


def never_applied_by_us(state: dict[str, Any]) -> None:
    state["metadata"]["managedFields"][0]["manager"] = "kubectl"


def written_by_update_only(state: dict[str, Any]) -> None:
    state["metadata"]["managedFields"][0]["operation"] = "Update"


@pytest.mark.parametrize(
    "change",
    [
        other_image,
        image_taken_over_by_another_manager,
        atomic_list_taken_over,
        label_gone,
        owner_gone,
        items_out_of_order,
        argument_that_we_no_longer_state,
        field_inside_of_a_whole_that_we_no_longer_state,
        field_that_we_no_longer_state,
        list_item_that_we_no_longer_state,
        never_applied_by_us,
        written_by_update_only,
    ],
)
def test_each_reason_to_apply_is_seen(change: Any) -> None:
    state = live()
    change(state)
    assert differs(DESIRED, state, "timonier")


def test_ownership_through_a_subresource_is_not_ours() -> None:
    state = live()
    state["metadata"]["managedFields"][0]["subresource"] = "status"
    assert differs(DESIRED, state, "timonier")
