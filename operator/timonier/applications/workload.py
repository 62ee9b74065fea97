"""The Deployment or StatefulSet of an Application, and the pod template in it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from timonier.api.application import Application, Image, Storage
from timonier.api.fields import stated_fields
from timonier.api.references import NEXT_LABEL
from timonier.api.resources import DEPLOYMENTS, STATEFUL_SETS
from timonier.applications.children import (
    ADOPTED_ANNOTATION,
    HASH_ANNOTATION,
    REPLICAS_ANNOTATION,
    REVISION_ANNOTATION,
    child,
    claim_name,
    config_name,
    fingerprint,
    headless_name,
    labels,
    manifest_of,
    selector_labels,
    workload_resource,
)
from timonier.engine.contract import Manifest

__all__ = [
    "command_pod",
    "config_data",
    "image_reference",
    "image_version",
    "mark_of",
    "volume_claim_spec",
    "workload_beside",
    "workload_manifest",
]

COMMAND_CONTAINER: Final = "command"
"""The name of the container that runs a command once."""
_VOLUME_SOURCES: Final = ("secret", "configMap", "emptyDir", "projected")
_PROBES: Final = {"liveness": "livenessProbe", "readiness": "readinessProbe", "startup": "startupProbe"}
_CONFIG_VOLUME: Final = "timonier-config"
_LONGEST_FILE_NAME: Final = 200
_LONGEST_VERSION: Final = 20
# A command is no pod of its application's: it does not wait for the same, is not found at the same address, and need
# not be where other pods are, or are not.
_NOT_OF_COMMANDS: Final = frozenset(
    {"initContainers", "hostname", "subdomain", "hostNetwork", "activeDeadlineSeconds", "topologySpreadConstraints"}
)


def workload_manifest(
    application: Application,
    adopted: Manifest | None,
    replicas: int | None,
    revision: str | None = None,
    mark: str | None = None,
    kept: int | None = None,
) -> dict[str, Any]:
    """The workload as it is applied. `revision` is the name of what it states, `mark` what its pods say of that.

    `kept` is the number of pods to come back to when all are stopped.

    `adopted` is the live workload when it was, or is now, taken over: it keeps its selector and everything that the
    spec does not state. `replicas` None leaves their number to whoever owns it.
    """
    resource = workload_resource(application)
    stateful = resource == STATEFUL_SETS
    body: dict[str, Any] = {"replicas": replicas}
    if adopted is not None:
        body |= {"selector": adopted["spec"]["selector"], "template": _adopted_template(application, adopted, mark)}
    else:
        body |= {"selector": {"matchLabels": selector_labels(application)}, "template": _template(application, mark)}
        body |= _stateful_fields(application) if stateful else {"strategy": _strategy(application)}
    if stateful:
        when_deleted = application.spec.deletion_policy
        body["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": when_deleted, "whenScaled": "Retain"}
    annotations = {ADOPTED_ANNOTATION: "true"} if adopted is not None else {}
    annotations |= {REVISION_ANNOTATION: revision} if revision else {}
    annotations |= {REPLICAS_ANNOTATION: str(kept)} if kept else {}
    return child(application, resource, application.metadata.name, {"spec": body}, annotations=annotations)


def workload_beside(
    application: Application, name: str, replicas: int, revision: str, mark: str | None, pods: Mapping[str, str]
) -> dict[str, Any]:
    """A second Deployment of that name, with the volumes of the first one and a ConfigMap of its own.

    `pods` are the labels of its pods, `revision` and `mark` as of `workload_manifest`.
    """
    template = _template(application, mark)
    template["metadata"]["labels"] = dict(pods)
    (container,) = template["spec"]["containers"]
    _read_config(application, container, template["spec"]["volumes"], config_name(application, name))
    selector = {"matchLabels": {NEXT_LABEL: application.metadata.name}}
    body = {"replicas": replicas, "selector": selector, "template": template, "strategy": _strategy(application)}
    return child(application, DEPLOYMENTS, name, {"spec": body}, annotations={REVISION_ANNOTATION: revision})


def image_reference(image: Image) -> str:
    """The image as a container names it.

    >>> image_reference(Image(repository="registry.example/web", tag="1.0"))
    'registry.example/web:1.0'
    """
    tag = f":{image.tag}" if image.tag else ""
    return f"{image.repository}{tag}" + (f"@{image.digest}" if image.digest else "")


def image_version(image: Image) -> str:
    """What a column has room for; the whole image is beside it in the status."""
    if image.tag or not image.digest:
        tag = image.tag or "latest"
        return tag if len(tag) <= _LONGEST_VERSION else f"{tag[: _LONGEST_VERSION - 1]}…"
    algorithm, _, digest = image.digest.partition(":")
    return f"{algorithm}:{digest[:12]}"


def volume_claim_spec(storage: Storage) -> dict[str, Any]:
    """The spec of the claim for one storage entry."""
    return {
        "accessModes": [storage.access_mode],
        "resources": {"requests": {"storage": storage.size}},
        "storageClassName": storage.storage_class_name,
    }


def config_data(application: Application) -> dict[str, str]:
    """The keys of the ConfigMap that carries spec.config; empty without any."""
    config = application.spec.config
    if config is None:
        return {}
    files = {_file_key(path): content for path, content in config.files.items()}
    return files | {_env_key(name): value for name, value in config.env.items()}


def _file_key(path: str) -> str:
    # The hash keeps /a/b.conf and /c/b.conf apart; the file's name, as much as a key has room for, is for people.
    name = path.rpartition("/")[2][-_LONGEST_FILE_NAME:]
    return f"file.{fingerprint(path)[:8]}.{re.sub('[^-._a-zA-Z0-9]', '_', name)}"


def _env_key(name: str) -> str:
    return f"env.{name}"


def command_pod(
    application: Application,
    command: Sequence[str],
    *,
    image: str | None,
    config: str,
    volumes: bool,
    live: Manifest | None = None,
) -> dict[str, Any]:
    """A pod that runs a command once, with the Application's environment, configuration and service account.

    `config` is the name of the ConfigMap that carries spec.config for it; with `volumes` it has those of a Deployment.
    `live` is the workload as it is: of one that was taken over, the pod has what the spec does not state as well.
    """
    taken_over = live is not None and ADOPTED_ANNOTATION in live["metadata"].get("annotations", {})
    template = _over(live, application) if live and taken_over else _template(application, None)["spec"]
    (container,) = template["containers"]
    with_claims = volumes and application.spec.workload.kind == "Deployment"
    mounted = [volume for volume in template["volumes"] if with_claims or "persistentVolumeClaim" not in volume]
    there = {volume["name"] for volume in mounted}
    # A folder to work in is one of its image's.
    kept = ("env", "envFrom", "imagePullPolicy", "resources", "securityContext", *(() if image else ("workingDir",)))
    own = {name: container[name] for name in kept if name in container} | {
        "name": COMMAND_CONTAINER,
        "image": image or container["image"],
        "command": list(command),
        "env": container["env"],
        "volumeMounts": [mount for mount in container["volumeMounts"] if mount["name"] in there],
        # The end of the log is then known without asking for it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    _read_config(application, own, mounted, config)
    pod = {**template, "containers": [own], "volumes": mounted, "restartPolicy": "Never", "enableServiceLinks": False}
    return manifest_of(pod)


def mark_of(template: Mapping[str, Any]) -> str | None:
    """The revision that a workload, a pod or the template of one says it is of; pods of a first one say none."""
    found: str | None = template.get("metadata", {}).get("annotations", {}).get(REVISION_ANNOTATION)
    return found


def _over(live: Manifest, application: Application) -> dict[str, Any]:
    """The pod of a workload that was taken over, with what the spec states over what is there.

    What was carried from spec.config is none of what is there: another revision may have had it.
    """
    there = live["spec"]["template"]["spec"]
    stated = manifest_of(_adopted_template(application, live, None)["spec"])
    old, new = there["containers"][0], stated["containers"][0]
    env = [each for each in old.get("env", ()) if not _is_from(each, config_name(application))]
    container = {**old, **new} | {
        "env": _merged("name", env, new.get("env", ())),
        "volumeMounts": _merged("mountPath", _without_config(old.get("volumeMounts", ())), new.get("volumeMounts", ())),
        **{name: {**old.get(name, {}), **new.get(name, {})} for name in ("resources", "securityContext")},
    }
    node_affinity = there.get("affinity", {}).get("nodeAffinity")
    return {name: value for name, value in {**there, **stated}.items() if name not in _NOT_OF_COMMANDS} | {
        "affinity": {"nodeAffinity": node_affinity},
        "containers": [container],
        "volumes": _merged("name", _without_config(there.get("volumes", ())), stated.get("volumes", ())),
        "securityContext": {**there.get("securityContext", {}), **stated.get("securityContext", {})},
    }


def _merged(key: str, there: Iterable[Mapping[str, Any]], stated: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return list({each[key]: dict(each) for each in (*there, *stated)}.values())


def _without_config(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in items if each["name"] != _CONFIG_VOLUME]


def _is_from(variable: Mapping[str, Any], config: str) -> bool:
    source: Mapping[str, Any] = variable.get("valueFrom", {}).get("configMapKeyRef", {})
    return source.get("name") == config


def _read_config(
    application: Application, container: dict[str, Any], volumes: Iterable[dict[str, Any]], config: str
) -> None:
    """Have a container, and the volumes of its pod, read the ConfigMap of that name for the Application's own."""
    container["env"] = [_from_config(variable, config_name(application), config) for variable in container["env"]]
    for volume in volumes:
        if volume["name"] == _CONFIG_VOLUME:
            volume["configMap"] = {"name": config}


def _from_config(variable: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    if not _is_from(variable, old):
        return dict(variable)
    source = variable["valueFrom"]["configMapKeyRef"]
    return {**variable, "valueFrom": {"configMapKeyRef": {**source, "name": new}}}


def _strategy(application: Application) -> dict[str, Any]:
    """How a Deployment replaces its pods. All of it is stated, so that a later change of type removes the rest."""
    if any(storage.access_mode.startswith("ReadWriteOnce") for storage in application.spec.workload.storage):
        return {"type": "Recreate"}  # a new pod could not mount the volume while the old one has it
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}


def _stateful_fields(application: Application) -> dict[str, Any]:
    templates = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": storage.name, "labels": labels(application)},
            "spec": volume_claim_spec(storage),
        }
        for storage in application.spec.workload.storage
    ]
    return {"serviceName": headless_name(application), "volumeClaimTemplates": templates}


def _template(application: Application, mark: str | None) -> dict[str, Any]:
    workload = application.spec.workload
    container = _container(application, application.metadata.name)
    container["securityContext"] = _container_security(container.get("securityContext", {}))
    pod = _pod(application) | {
        "containers": [container],
        "automountServiceAccountToken": workload.service_account_name is not None,
        # Stated even so: the API server keeps the last name, in a deprecated field, when it is only left out.
        "serviceAccountName": workload.service_account_name or "default",
    }
    pod["securityContext"] = _pod_security(pod.get("securityContext", {}), container["securityContext"])
    return {"metadata": {"labels": labels(application), "annotations": _annotations(application, mark)}, "spec": pod}


def _adopted_template(application: Application, live: Manifest, mark: str | None) -> dict[str, Any]:
    """Only what the spec states: whatever else were put in would restart the pods that are being taken over."""
    name = live["spec"]["template"]["spec"]["containers"][0]["name"]
    pod = _pod(application) | {"containers": [_container(application, name)]}
    return {"metadata": {"annotations": _annotations(application, mark)}, "spec": pod}


def _annotations(application: Application, mark: str | None) -> dict[str, str]:
    data = config_data(application)
    return ({HASH_ANNOTATION: fingerprint(data)} if data else {}) | ({REVISION_ANNOTATION: mark} if mark else {})


def _pod(application: Application) -> dict[str, Any]:
    workload = application.spec.workload
    return {
        "imagePullSecrets": [stated_fields(secret) for secret in workload.image_pull_secrets],
        "serviceAccountName": workload.service_account_name,
        "securityContext": stated_fields(workload.pod_security_context),
        "nodeSelector": dict(workload.node_selector),
        "tolerations": [stated_fields(toleration) for toleration in workload.tolerations],
        "terminationGracePeriodSeconds": workload.termination_grace_period_seconds,
        "volumes": _volumes(application),
    }


def _container(application: Application, name: str) -> dict[str, Any]:
    workload = application.spec.workload
    probes = stated_fields(workload.probes)
    return {
        "name": name,
        "image": image_reference(workload.image),
        "imagePullPolicy": workload.image.pull_policy,
        "command": list(workload.command),
        "args": list(workload.args),
        "ports": [
            {"name": port.name, "containerPort": port.container_port, "protocol": port.protocol}
            for port in workload.ports
        ],
        "env": _env(application),
        "envFrom": [stated_fields(source) for source in workload.env_from],
        "resources": stated_fields(workload.resources),
        "securityContext": stated_fields(workload.security_context),
        "volumeMounts": _mounts(application),
        **{field: probes[probe] for probe, field in _PROBES.items() if probe in probes},
    }


def _env(application: Application) -> list[dict[str, Any]]:
    """Variables of the config, then those of the workload, which go before those of the same name."""
    stated = [stated_fields(variable) for variable in application.spec.workload.env]
    names = {variable["name"] for variable in stated}
    config = application.spec.config
    carried = [
        {"name": name, "valueFrom": {"configMapKeyRef": {"name": config_name(application), "key": _env_key(name)}}}
        for name in sorted(config.env if config else ())
        if name not in names
    ]
    return carried + stated


def _config_files(application: Application) -> list[str]:
    return sorted(application.spec.config.files) if application.spec.config else []


def _volumes(application: Application) -> list[dict[str, Any]]:
    workload = application.spec.workload
    volumes = []
    if workload.kind == "Deployment":
        for storage in workload.storage:
            claim = {"claimName": claim_name(application, storage.name)}
            volumes.append({"name": storage.name, "persistentVolumeClaim": claim})
    for volume in workload.volumes:
        stated = stated_fields(volume)
        volumes.append({"name": volume.name} | {name: stated[name] for name in _VOLUME_SOURCES if name in stated})
    if _config_files(application):
        volumes.append({"name": _CONFIG_VOLUME, "configMap": {"name": config_name(application)}})
    return volumes


def _mounts(application: Application) -> list[dict[str, Any]]:
    workload = application.spec.workload
    storage = [{"name": entry.name, "mountPath": entry.mount_path} for entry in workload.storage]
    volumes = [
        {"name": entry.name, "mountPath": entry.mount_path, "subPath": entry.sub_path, "readOnly": entry.read_only}
        for entry in workload.volumes
    ]
    # One mount for each file leaves what the image has beside it in place. Such mounts are not refreshed in a running
    # pod, which is right here: a change rolls the pods.
    files = [
        {"name": _CONFIG_VOLUME, "mountPath": path, "subPath": _file_key(path), "readOnly": True}
        for path in _config_files(application)
    ]
    return [*storage, *volumes, *files]


def _container_security(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The stated fields over what Pod Security level restricted asks for.

    The root filesystem stays writable: the level does not ask for less, and most images write beside their volumes.
    """
    privileged = stated.get("privileged") or "SYS_ADMIN" in stated.get("capabilities", {}).get("add", ())
    defaults = {} if privileged else {"allowPrivilegeEscalation": False}
    capabilities = {"drop": ["ALL"]} | stated.get("capabilities", {})
    return {**defaults, **stated, "capabilities": capabilities}


def _pod_security(stated: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    root = 0 in (stated.get("runAsUser"), container.get("runAsUser"))
    defaults: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    return defaults | ({} if root else {"runAsNonRoot": True}) | dict(stated)
