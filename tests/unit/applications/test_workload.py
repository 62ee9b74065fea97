"""The Deployment or StatefulSet, and the pod template in it."""

import copy
from typing import Any

import pytest
from hypothesis import given

from harness.application_specs import application, applications
from harness.live_objects import live
from timonier.api.application import Application, Image
from timonier.applications.workload import command_pod, config_data, image_reference, mark_of, workload_manifest

STORAGE = {"name": "data", "size": "1024Mi", "mountPath": "/data"}
DIGEST = f"sha256:{'a' * 64}"


def made(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    return workload_manifest(application(spec), None, 1)


def pod(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = made(spec)["spec"]["template"]["spec"]
    return found


def container(workload: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    (found,) = pod({"workload": workload or {}, **spec})["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "web"),
        ({"tag": "1.0"}, "web:1.0"),
        ({"digest": DIGEST}, f"web@{DIGEST}"),
        ({"tag": "1.0", "digest": DIGEST}, f"web:1.0@{DIGEST}"),
    ],
)
def test_the_image(image: dict[str, str], reference: str) -> None:
    assert image_reference(Image.model_validate({"repository": "web"} | image)) == reference


def test_the_least_application_is_a_restricted_deployment() -> None:
    labels = {
        "app.kubernetes.io/name": "web",
        "app.kubernetes.io/instance": "web",
        "app.kubernetes.io/managed-by": "timonier",
        "timonier.dev/application": "web",
    }
    assert made()["spec"] == {
        "replicas": 1,
        "selector": {"matchLabels": {"timonier.dev/application": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "serviceAccountName": "default",
                "containers": [
                    {
                        "name": "web",
                        "image": "registry.example/web:1.0",
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True},
            },
        },
    }


CONTAINER_SECURITY: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
    ({"allowPrivilegeEscalation": True}, {"allowPrivilegeEscalation": True, "capabilities": {"drop": ["ALL"]}}),
    ({"privileged": True}, {"privileged": True, "capabilities": {"drop": ["ALL"]}}),
    (
        {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
        {"allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}},
    ),
    ({"capabilities": {"add": ["SYS_ADMIN"]}}, {"capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]}}),
    ({"capabilities": {"drop": ["KILL"]}}, {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["KILL"]}}),
    ({"capabilities": {"drop": []}}, {"allowPrivilegeEscalation": False}),
    (
        {"runAsUser": 0, "readOnlyRootFilesystem": True},
        {
            "runAsUser": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    ),
]


@pytest.mark.parametrize(("stated", "applied"), CONTAINER_SECURITY)
def test_what_the_container_may_do(stated: dict[str, Any], applied: dict[str, Any]) -> None:
    assert container({"securityContext": stated})["securityContext"] == applied


RUNTIME = {"type": "RuntimeDefault"}
POD_SECURITY: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {"seccompProfile": RUNTIME, "runAsNonRoot": True}),
    ({"runAsUser": 1000}, {}, {"seccompProfile": RUNTIME, "runAsNonRoot": True, "runAsUser": 1000}),
    ({"runAsUser": 0}, {}, {"seccompProfile": RUNTIME, "runAsUser": 0}),
    ({}, {"runAsUser": 0}, {"seccompProfile": RUNTIME}),
    ({"runAsNonRoot": False}, {}, {"seccompProfile": RUNTIME, "runAsNonRoot": False}),
    (
        {"seccompProfile": {"type": "Unconfined"}, "fsGroup": 5},
        {},
        {"seccompProfile": {"type": "Unconfined"}, "runAsNonRoot": True, "fsGroup": 5},
    ),
]


@pytest.mark.parametrize(("stated", "stated_for_container", "applied"), POD_SECURITY)
def test_what_the_pod_may_do(
    stated: dict[str, Any], stated_for_container: dict[str, Any], applied: dict[str, Any]
) -> None:
    found = pod({"workload": {"podSecurityContext": stated, "securityContext": stated_for_container}})
    assert found["securityContext"] == applied


@pytest.mark.parametrize(("account", "mounted"), [(None, False), ("robot", True)])
def test_a_token_is_mounted_only_where_an_account_is_named(account: str | None, mounted: bool) -> None:
    found = pod({"workload": {"serviceAccountName": account} if account else {}})
    assert found["automountServiceAccountToken"] is mounted
    assert found["serviceAccountName"] == (account or "default")


@pytest.mark.parametrize(
    ("modes", "strategy"),
    [
        ([], "RollingUpdate"),
        (["ReadWriteMany"], "RollingUpdate"),
        (["ReadOnlyMany"], "RollingUpdate"),
        (["ReadWriteOnce"], "Recreate"),
        (["ReadWriteOncePod"], "Recreate"),
        (["ReadWriteMany", "ReadWriteOnce"], "Recreate"),
    ],
)
def test_pods_that_cannot_share_a_volume_replace_one_another(modes: list[str], strategy: str) -> None:
    storage = [
        STORAGE | {"name": f"v{index}", "mountPath": f"/v{index}", "accessMode": mode}
        for index, mode in enumerate(modes)
    ]
    found = made({"workload": {"storage": storage}})["spec"]["strategy"]
    assert found["type"] == strategy
    assert ("rollingUpdate" in found) is (strategy == "RollingUpdate")


def test_the_volumes_of_a_deployment_are_claims_by_name() -> None:
    found = pod({"workload": {"storage": [STORAGE]}})
    assert found["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "web-data"}}]
    assert found["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_the_volumes_of_a_stateful_set_are_templates(policy: str) -> None:
    wanted = STORAGE | {"storageClassName": "fast"}
    spec = made({"workload": {"kind": "StatefulSet", "storage": [wanted]}, "deletionPolicy": policy})["spec"]
    (template,) = spec["volumeClaimTemplates"]
    assert template["metadata"]["name"] == "data"
    assert template["metadata"]["labels"]["timonier.dev/application"] == "web"
    assert template["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "fast",
    }
    assert spec["serviceName"] == "web-headless"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": policy, "whenScaled": "Retain"}
    assert "volumes" not in spec["template"]["spec"]
    assert "strategy" not in spec


def test_volumes_and_how_they_are_mounted() -> None:
    volumes = [
        {"name": "tls", "mountPath": "/tls", "readOnly": True, "secret": {"secretName": "web-tls", "defaultMode": 256}},
        {"name": "app", "mountPath": "/app.conf", "subPath": "app.conf", "configMap": {"name": "web", "items": []}},
        {"name": "tmp", "mountPath": "/tmp", "readOnly": False, "emptyDir": {}},
    ]
    found = pod({"workload": {"volumes": volumes}})
    assert found["volumes"] == [
        {"name": "tls", "secret": {"secretName": "web-tls", "defaultMode": 256}},
        {"name": "app", "configMap": {"name": "web"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    assert found["containers"][0]["volumeMounts"] == [
        {"name": "tls", "mountPath": "/tls", "readOnly": True},
        {"name": "app", "mountPath": "/app.conf", "subPath": "app.conf"},
        {"name": "tmp", "mountPath": "/tmp"},
    ]


def test_probes_are_named_as_the_container_names_them() -> None:
    probes = {"liveness": {"exec": {"command": ["true"]}}, "startup": {"tcpSocket": {"port": 1}, "periodSeconds": 3}}
    found = container({"probes": probes})
    assert found["livenessProbe"] == {"exec": {"command": ["true"]}}
    assert found["startupProbe"] == {"tcpSocket": {"port": 1}, "periodSeconds": 3}
    assert "readinessProbe" not in found
    assert "probes" not in found


def test_amounts_are_spelt_as_they_are_stored() -> None:
    found = container({"resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}}})
    assert found["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}


CONFIG = {"files": {"/etc/a/app.conf": "1", "/etc/b/app.conf": "2", "/etc/ü b": "3"}, "env": {"B": "2", "A": "1"}}


def test_files_of_one_name_are_kept_apart_and_mounted_one_by_one() -> None:
    web = application({"config": CONFIG})
    data = config_data(web)
    assert sorted(data.values()) == ["1", "1", "2", "2", "3"]
    mounts = container(config=CONFIG)["volumeMounts"]
    assert {mount["mountPath"]: data[mount["subPath"]] for mount in mounts} == CONFIG["files"]
    assert all(mount["readOnly"] and mount["name"] == "timonier-config" for mount in mounts)
    assert pod({"config": CONFIG})["volumes"] == [{"name": "timonier-config", "configMap": {"name": "web-config"}}]


def test_the_keys_of_the_config_are_keys_of_a_config_map() -> None:
    longest = {f"/{'x' * 511}": "", f"/a/{'y' * 300}.conf": ""}
    keys = config_data(application({"config": {"files": longest, "env": {"z" * 249: ""}}}))
    assert len(keys) == 3
    assert all(len(key) <= 253 for key in keys)


def test_variables_of_the_config_come_first_by_name_and_give_way() -> None:
    own = [{"name": "B", "value": "mine"}, {"name": "C", "value": "$(A)"}]
    found = container({"env": own}, config=CONFIG)["env"]
    reference = {"configMapKeyRef": {"name": "web-config", "key": "env.A"}}
    assert found == [{"name": "A", "valueFrom": reference}, *own]


def config_hash(config: dict[str, Any] | None) -> str | None:
    found = made({"config": config} if config is not None else {})["spec"]["template"]["metadata"]
    value: str | None = found.get("annotations", {}).get("timonier.dev/config-hash")
    return value


def test_a_change_of_content_rolls_the_pods_and_nothing_else_does() -> None:
    base = config_hash(CONFIG)
    assert base is not None
    assert config_hash(copy.deepcopy(CONFIG)) == base
    reordered = {"env": dict(sorted(CONFIG["env"].items())), "files": dict(sorted(CONFIG["files"].items()))}
    assert config_hash(reordered) == base
    for changed in (
        CONFIG | {"env": {"A": "1", "B": "3"}},
        CONFIG | {"files": CONFIG["files"] | {"/etc/a/app.conf": "4"}},
        {"files": CONFIG["files"]},
        {"env": CONFIG["env"]},
    ):
        assert config_hash(changed) not in (base, None)
    assert config_hash({}) is None
    assert config_hash(None) is None


def foreign(kind: str = "Deployment") -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"legacy": "web"}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/web:1.0", "args": ["--old"]}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"legacy": "web"}}, "template": template}
    return live(
        {"apiVersion": "apps/v1", "kind": kind, "metadata": {"namespace": "shop", "name": "web"}, "spec": spec},
        manager="somebody",
    )


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_an_adopted_workload_keeps_its_selector_and_all_that_the_spec_does_not_state(kind: str) -> None:
    web = application({"adopt": True, "workload": {"kind": kind, "resources": {"requests": {"cpu": "1"}}}})
    adopted = workload_manifest(web, foreign(kind), 2)
    assert adopted["metadata"]["annotations"] == {"timonier.dev/adopted": "true"}
    spec = adopted["spec"]
    assert spec.pop("persistentVolumeClaimRetentionPolicy", None) == (
        {"whenDeleted": "Retain", "whenScaled": "Retain"} if kind == "StatefulSet" else None
    )
    assert spec == {
        "replicas": 2,
        "selector": {"matchLabels": {"legacy": "web"}},
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": "registry.example/web:1.0",
                        "resources": {"requests": {"cpu": "1"}},
                    }
                ]
            }
        },
    }


def test_an_adopted_workload_takes_on_a_new_config() -> None:
    web = application({"adopt": True, "config": CONFIG})
    template = workload_manifest(web, foreign(), 1)["spec"]["template"]
    assert template["metadata"] == {"annotations": {"timonier.dev/config-hash": config_hash(CONFIG)}}
    assert template["spec"]["volumes"][0]["name"] == "timonier-config"


@given(applications())
def test_every_mount_has_its_volume_and_every_volume_is_mounted(web: Application) -> None:
    spec = workload_manifest(web, None, 1)["spec"]
    template = spec["template"]["spec"]
    volumes = [volume["name"] for volume in template.get("volumes", ())]
    volumes += [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())]
    mounts = template["containers"][0].get("volumeMounts", [])
    assert len(volumes) == len(set(volumes))
    assert {mount["name"] for mount in mounts} == set(volumes)
    assert len({mount["mountPath"] for mount in mounts}) == len(mounts)


@given(applications())
def test_the_selector_selects_the_pods_and_nothing_is_null(web: Application) -> None:
    spec = workload_manifest(web, None, None)["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert "None" not in repr(spec).replace("'None'", "")
    assert "replicas" not in spec


READS: dict[str, Any] = {
    "workload": {
        "image": {"repository": "web", "tag": "1"},
        "args": ["serve"],
        "env": [{"name": "B", "value": "2"}],
        "storage": [STORAGE],
        "ports": [{"name": "http", "containerPort": 8080}],
        "serviceAccountName": "shop",
        "probes": {"readiness": {"tcpSocket": {"port": "http"}}},
    },
    "config": {"env": {"A": "1"}, "files": {"/etc/app.conf": "x"}},
}


def test_a_command_has_the_environment_and_a_configuration_of_its_own() -> None:
    made = command_pod(application(READS), ("up", "now"), image=None, config="mine", volumes=False)
    (found,) = made["containers"]
    assert (found["image"], found["command"], made["restartPolicy"]) == ("web:1", ["up", "now"], "Never")
    assert not {"args", "ports", "readinessProbe"} & found.keys()
    assert found["env"] == [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "mine", "key": "env.A"}}},
        {"name": "B", "value": "2"},
    ]
    assert [volume["configMap"]["name"] for volume in made["volumes"]] == ["mine"]
    assert [mount["mountPath"] for mount in found["volumeMounts"]] == ["/etc/app.conf"]
    assert (made["serviceAccountName"], made["securityContext"]["runAsNonRoot"]) == ("shop", True)
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_command_has_the_volumes_of_a_deployment_where_it_is_to() -> None:
    def mounted(kind: str, *, volumes: bool) -> bool:
        spec = {**READS, "workload": READS["workload"] | {"kind": kind}}
        made = command_pod(application(spec), ("up",), image="other:2", config="mine", volumes=volumes)
        (found,) = made["containers"]
        assert found["image"] == "other:2"
        named = "data" in [volume["name"] for volume in made["volumes"]]
        assert named == ("/data" in [mount["mountPath"] for mount in found["volumeMounts"]])
        return named

    assert mounted("Deployment", volumes=True)
    assert not mounted("Deployment", volumes=False)
    assert not mounted("StatefulSet", volumes=True)


def test_pods_carry_the_mark_of_their_revision_and_those_that_were_there_before_have_none() -> None:
    def template(adopted: Any = None, mark: str | None = None) -> Any:
        return workload_manifest(application(READS), adopted, 1, "web-1", mark)["spec"]["template"]

    live = {"spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "own"}]}}}}
    for adopted in (None, live):
        assert mark_of(template(adopted)) is None
        assert mark_of(template(adopted, "web-2")) == "web-2"
    assert mark_of({}) is None


def test_a_workload_says_which_revision_it_states_and_its_pods_do_not() -> None:
    found = workload_manifest(application(), None, 1, "web-3")
    assert found["metadata"]["annotations"] == {"timonier.dev/revision": "web-3"}
    assert found["spec"]["template"] == made()["spec"]["template"]


def test_a_command_has_what_the_template_of_a_workload_that_was_taken_over_has() -> None:
    config = {"valueFrom": {"configMapKeyRef": {"name": "web-config", "key": "env.OLD"}}}
    container = {
        "name": "own",
        "image": "old",
        "env": [{"name": "KEPT", "value": "1"}, {"name": "B", "value": "0"}, {"name": "OLD", **config}],
        "envFrom": [{"secretRef": {"name": "theirs"}}],
        "securityContext": {"runAsUser": 7},
        "workingDir": "/srv",
        "volumeMounts": [
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "claimed", "mountPath": "/data"},
            {"name": "timonier-config", "mountPath": "/old.conf", "subPath": "gone"},
        ],
    }
    volumes = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "claimed", "persistentVolumeClaim": {"claimName": "theirs"}},
        {"name": "timonier-config", "configMap": {"name": "web-config"}},
    ]
    pod = {"containers": [container], "volumes": volumes, "hostname": "web", "initContainers": [{"name": "waits"}]}
    # Two such pods cannot be on one node: a command that took that over would have none beside the pods that run.
    nodes = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}
    pod |= {"affinity": {"nodeAffinity": nodes, "podAntiAffinity": {}, "podAffinity": {}}}
    pod |= {"topologySpreadConstraints": [{"maxSkew": 1}]}
    live = {
        "metadata": {"annotations": {"timonier.dev/adopted": "true"}},
        "spec": {"selector": {}, "template": {"spec": pod | {"serviceAccountName": "theirs"}}},
    }
    app = application({"workload": {"env": [{"name": "B", "value": "2"}]}, "config": {"env": {"A": "1"}}})

    def of(live: Any, *, volumes: bool = False, image: str | None = None) -> Any:
        return command_pod(app, ("up",), image=image, config="mine", volumes=volumes, live=live)

    made = of(live)
    (own,) = made["containers"]
    carried = {"configMapKeyRef": {"name": "mine", "key": "env.A"}}
    assert {each["name"]: each.get("value", each.get("valueFrom")) for each in own["env"]} == {
        "KEPT": "1", "B": "2", "A": carried,
    }  # fmt: skip
    assert (own["image"], own["envFrom"], own["securityContext"]) == (
        image_reference(app.spec.workload.image), [{"secretRef": {"name": "theirs"}}], {"runAsUser": 7},
    )  # fmt: skip
    assert [mount["mountPath"] for mount in own["volumeMounts"]] == ["/scratch"]
    assert [volume["name"] for volume in made["volumes"]] == ["scratch"]
    assert (made["serviceAccountName"], made["restartPolicy"]) == ("theirs", "Never")
    assert not {"hostname", "initContainers", "topologySpreadConstraints"} & set(made)
    assert made["affinity"] == {"nodeAffinity": nodes}
    assert own["workingDir"] == "/srv"
    assert "workingDir" not in of(live, image="another")["containers"][0]
    (own,) = of(live, volumes=True)["containers"]
    assert [mount["mountPath"] for mount in own["volumeMounts"]] == ["/scratch", "/data"]
    ours = {**live, "metadata": {}}
    assert of(ours) == of(None)
