"""The Application kind, v1: what runs, how it is configured, reached and scaled, and what becomes of its data."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import (
    ATOMIC,
    DEFAULTED,
    AbsolutePath,
    Annotations,
    DnsLabel,
    DnsName,
    EnvName,
    Labels,
    Model,
    Number,
    PortName,
    Seconds,
    Size,
    Text,
    Word,
    keyed_by,
    rules,
    spelt,
)
from timonier.api.metadata import Metadata
from timonier.api.pods import (
    ContainerSecurity,
    EnvFrom,
    EnvVar,
    PodSecurity,
    Port,
    Probes,
    PullSecret,
    Resources,
    Toleration,
    Volume,
)
from timonier.api.policies import BackupPolicy, RecoveryPolicy, UpgradePolicy
from timonier.api.runs import ConditionModel, Time

__all__ = [
    "Application",
    "ApplicationSpec",
    "Autoscaling",
    "Config",
    "DeletionPolicy",
    "Image",
    "Ingress",
    "Metadata",
    "Network",
    "Scaling",
    "Service",
    "Storage",
    "Workload",
]

DeletionPolicy = Literal["Retain", "Delete"]

_PATH_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
# Volumes by this name carry spec.config.
_RESERVED = rules(("self != 'timonier-config'", "timonier-config is the operator's own: choose another name"))


def _unique_mounts(what: str) -> tuple[str, str]:
    return (
        "self.all(a, self.exists_one(b, b.mountPath == a.mountPath))",
        f"each entry of {what} needs a mountPath of its own",
    )


def _known_port(probe: str) -> tuple[str, str, str]:
    """A probe that names a port names one of the workload's."""
    at = f"self.probes.{probe}"
    handlers = (
        f"(!has({at}.{handler}) || type({at}.{handler}.port) == int || "
        f"(has(self.ports) && self.ports.exists(p, p.name == {at}.{handler}.port)))"
        for handler in ("httpGet", "tcpSocket")
    )
    rule = f"!has(self.probes) || !has({at}) || ({' && '.join(handlers)})"
    return rule, "port must be a number or the name of a port in workload.ports", f".probes.{probe}"


class Image(Model):
    """Which image runs."""

    repository: Annotated[
        str,
        spelt(
            r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?/)?" rf"{_PATH_PART}(/{_PATH_PART})*$",
            "must be an image such as registry.example/team/web: its tag goes into tag, its digest into digest",
            min_length=1,
            max_length=512,
        ),
    ] = Field(description="Image without tag and digest, such as registry.example/team/web.")
    tag: (
        Annotated[
            str,
            spelt(
                r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$",
                "must be letters, digits, '_', '.' and '-', not beginning with '.' or '-'",
                max_length=128,
            ),
        ]
        | None
    ) = Field(default=None, description="Tag of the image; latest if neither tag nor digest is set.")
    digest: (
        Annotated[
            str,
            spelt(
                r"^sha(256:[a-f0-9]{64}|512:[a-f0-9]{128})$",
                "must be sha256: and 64 digits of 0-9 and a-f, or sha512: and 128 of them",
                max_length=135,
            ),
        ]
        | None
    ) = Field(default=None, description="Digest of the image, such as sha256:…; it decides when a tag is set as well.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None,
        description="When nodes pull the image; Always for the tag latest and IfNotPresent for others if unset.",
    )


class Storage(Model):
    """A volume for the application's own data."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
                "size cannot shrink: a volume can only grow",
                ".size",
            ),
            (
                "(has(self.storageClassName) ? self.storageClassName : '') == "
                "(has(oldSelf.storageClassName) ? oldSelf.storageClassName : '')",
                "storageClassName cannot change: add another storage entry and move the data",
                ".storageClassName",
            ),
            (
                "self.accessMode == oldSelf.accessMode",
                "accessMode cannot change: add another storage entry and move the data",
                ".accessMode",
            ),
        )
    )
    name: DnsLabel = Field(
        description="Name of the volume, unique here; a part of its claim's name.", json_schema_extra=_RESERVED
    )
    size: Size = Field(description="Bytes to reserve, such as 10Gi. It can grow, never shrink.")
    mount_path: AbsolutePath = Field(description="Absolute path of the mount in the container.")
    storage_class_name: DnsName | None = Field(
        default=None, description="StorageClass; the cluster's default if unset."
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"] = Field(
        default="ReadWriteOnce", description="How nodes may mount it together.", json_schema_extra=DEFAULTED
    )


class Workload(Model):
    """The pods."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.kind != 'StatefulSet' || (has(self.storage) == has(oldSelf.storage) && "
                "(!has(self.storage) || self.storage == oldSelf.storage))",
                "storage of a StatefulSet cannot change after creation: make a new Application and move the data",
                ".storage",
            ),
            *(_known_port(probe) for probe in ("liveness", "readiness", "startup")),
        )
    )
    kind: Literal["Deployment", "StatefulSet"] = Field(
        default="Deployment",
        description="Deployment for pods that are all alike; StatefulSet where each has a name and volumes of its own.",
        json_schema_extra=DEFAULTED
        | rules(("self == oldSelf", "kind cannot change: delete the Application and create it with the other kind")),
    )
    image: Image = Field(description="Which image runs.")
    image_pull_secrets: tuple[PullSecret, ...] = Field(
        default=(), max_length=16, description="Credentials for the registry.", json_schema_extra=keyed_by("name")
    )
    command: tuple[Text, ...] = Field(
        default=(), max_length=64, description="Program; the image's if unset.", json_schema_extra=ATOMIC
    )
    args: tuple[Text, ...] = Field(
        default=(), max_length=256, description="Its arguments; the image's if unset.", json_schema_extra=ATOMIC
    )
    ports: tuple[Port, ...] = Field(
        default=(),
        max_length=32,
        description="Ports that the container listens on. With any, a Service of the Application's name is made.",
        json_schema_extra=keyed_by("name")
        | rules(
            (
                "self.all(p, self.exists_one(q, q.containerPort == p.containerPort && q.protocol == p.protocol))",
                "each containerPort may be listed once per protocol",
            )
        ),
    )
    env: tuple[EnvVar, ...] = Field(
        default=(), max_length=256, description="Environment variables.", json_schema_extra=keyed_by("name")
    )
    env_from: tuple[EnvFrom, ...] = Field(
        default=(),
        max_length=32,
        description="Secrets and ConfigMaps whose keys become environment variables.",
        json_schema_extra=ATOMIC,
    )
    resources: Resources | None = Field(default=None, description="What the container asks for and may use.")
    probes: Probes | None = Field(default=None, description="How the kubelet finds out how the container is.")
    security_context: ContainerSecurity | None = Field(
        default=None, description="What the container may do, over defaults that pass Pod Security level restricted."
    )
    pod_security_context: PodSecurity | None = Field(
        default=None, description="What every process of the pod may do, over defaults that pass level restricted."
    )
    service_account_name: DnsName | None = Field(
        default=None, description="Service account whose token is mounted; if unset no token is mounted."
    )
    storage: tuple[Storage, ...] = Field(
        default=(),
        max_length=16,
        description="Volumes for the application's own data: one for all pods of a Deployment, one for each pod of a "
        "StatefulSet.",
        json_schema_extra=keyed_by("name") | rules(_unique_mounts("storage")),
    )
    volumes: tuple[Volume, ...] = Field(
        default=(),
        max_length=16,
        description="Other things that are mounted: Secrets, ConfigMaps, tokens and scratch space.",
        json_schema_extra=keyed_by("name") | rules(_unique_mounts("volumes")),
    )
    node_selector: Labels = Field(default={}, description="Labels that a node must carry.")
    tolerations: tuple[Toleration, ...] = Field(
        default=(), max_length=32, description="Taints that the pods put up with.", json_schema_extra=ATOMIC
    )
    termination_grace_period_seconds: Seconds | None = Field(
        default=None, description="Seconds between the request to stop and the kill; 30 if unset."
    )

    @property
    def for_one_pod(self) -> bool:
        """Whether it has a volume that its pods cannot share."""
        shared = all(each.access_mode in ("ReadWriteMany", "ReadOnlyMany") for each in self.storage)
        return self.kind == "Deployment" and not shared


class Config(Model):
    """Configuration that the Application carries itself. A change rolls the pods."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.files) ? self.files.map(k, bytes(self.files[k]).size()).sum() : 0) + "
                "(has(self.env) ? self.env.map(k, bytes(self.env[k]).size()).sum() : 0) <= 900000",
                "files and env together hold at most 900000 bytes: keep more than that in a volume",
            ),
        )
    )
    files: dict[AbsolutePath, Annotated[str, Field(max_length=262144)]] = Field(
        default={},
        max_length=64,
        description="Text files by absolute path in the container. Together with env at most 900 kB.",
        json_schema_extra=rules(
            (
                "self.all(a, !self.exists(b, b.startsWith(a + '/')))",
                "a path cannot be a file and the folder of another file at once",
            ),
        ),
    )
    env: dict[EnvName, Annotated[str, Field(max_length=16384)]] = Field(
        default={},
        max_length=256,
        description="Environment variables. One of the same name in workload.env goes before it.",
    )


class Service(Model):
    """The Service in front of the pods."""

    enabled: bool | None = Field(
        default=None, description="Whether there is one; if unset, when workload.ports has any."
    )
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP", description="Who can reach it.", json_schema_extra=DEFAULTED
    )
    annotations: Annotations = Field(default={}, description="Annotations for it, such as a cloud's settings.")


class Ingress(Model):
    """A way in by HTTP from outside of the cluster."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.className) || !has(self.annotations) || "
                "!('kubernetes.io/ingress.class' in self.annotations)",
                "state the class either in className or in the annotation kubernetes.io/ingress.class, not in both",
                ".className",
            ),
        )
    )
    host: DnsName = Field(
        description="Host name that leads here.",
        json_schema_extra=rules(("!self.matches('^[0-9.]+$')", "must be a host name, not an address")),
    )
    path: Annotated[
        str,
        spelt(
            r"^/(([^/.][^/]*|\.[^/.][^/]*)(/([^/.][^/]*|\.[^/.][^/]*))*/?)?$",
            "must begin with '/', without '//' and parts that begin with '..' or are '.'",
            min_length=1,
            max_length=1024,
        ),
    ] = Field(
        default="/",
        description="Prefix of the paths that lead here.",
        json_schema_extra=DEFAULTED
        | rules(("!self.lowerAscii().contains('%2f')", "must not contain the code %2F of a slash")),
    )
    class_name: DnsName | None = Field(default=None, description="IngressClass; the cluster's default if unset.")
    tls_secret_name: DnsName | None = Field(default=None, description="Secret with the certificate; no TLS if unset.")
    port: PortName | None = Field(
        default=None, description="Name of the port of workload.ports; the first one if unset."
    )
    annotations: Annotations = Field(default={}, description="Annotations for it, such as the controller's settings.")


class Network(Model):
    """How the application is reached."""

    service: Service | None = Field(default=None, description="The Service in front of the pods.")
    ingress: Ingress | None = Field(default=None, description="A way in by HTTP from outside of the cluster.")
    network_policy: Literal["Restricted", "None"] = Field(
        default="Restricted",
        description="Restricted lets in pods of this namespace on workload.ports, the whole cluster on the Ingress' "
        "port, and anybody on the ports of a Service that is not ClusterIP. None makes no NetworkPolicy.",
        json_schema_extra=DEFAULTED,
    )


class Metric(Model):
    """One load to keep at its target."""

    type: Literal["cpu", "memory"] = Field(description="Resource that is measured; it needs a request.")
    target: Annotated[int, Field(ge=1, le=1000)] = Field(description="Average use to keep, in percent of the request.")


class ScalingPolicy(Model):
    """A limit on how fast the number of pods changes."""

    type: Literal["Pods", "Percent"] = Field(description="Unit of the value.")
    value: Annotated[int, Field(ge=1, le=10000)] = Field(description="Most pods, or percent of them, per period.")
    period_seconds: Annotated[int, Field(ge=1, le=1800)] = Field(description="Length of the period in seconds.")


class ScalingRules(Model):
    """How one direction is scaled."""

    stabilization_window_seconds: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        default=None, description="Seconds to look back for the safest recommendation."
    )
    select_policy: Literal["Max", "Min", "Disabled"] | None = Field(
        default=None, description="Which of the policies counts; Disabled forbids the direction."
    )
    policies: tuple[ScalingPolicy, ...] = Field(
        default=(), max_length=8, description="Limits on the speed.", json_schema_extra=ATOMIC
    )


class ScalingBehavior(Model):
    """How fast the number of pods changes."""

    scale_up: ScalingRules | None = Field(default=None, description="How pods are added.")
    scale_down: ScalingRules | None = Field(default=None, description="How pods are taken away.")


class Autoscaling(Model):
    """The number of pods follows the load."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.minReplicas <= self.maxReplicas",
                "minReplicas must not be greater than maxReplicas",
                ".minReplicas",
            ),
        )
    )
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="Fewest pods.", json_schema_extra=DEFAULTED
    )
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(description="Most pods.")
    metrics: tuple[Metric, ...] = Field(
        min_length=1, max_length=2, description="Loads to keep at their target.", json_schema_extra=keyed_by("type")
    )
    behavior: ScalingBehavior | None = Field(default=None, description="How fast the number of pods changes.")


class Scaling(Model):
    """How many pods."""

    replicas: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=1,
        description="Number of pods, also set by kubectl scale; unused with autoscaling.",
        json_schema_extra=DEFAULTED,
    )
    autoscaling: Autoscaling | None = Field(default=None, description="Let the number of pods follow the load.")


class ChangeFreeze(Model):
    """A time in which nothing is changed."""

    until: Time = Field(description="Until then nobody can change or delete the Application.")
    reason: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="Why, for people.")


class ApplicationSpec(Model):
    """What the user wants."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.network) || !has(self.network.ingress) || (has(self.workload.ports) && "
                "self.workload.ports.size() > 0 && !(has(self.network.service) && has(self.network.service.enabled) "
                "&& !self.network.service.enabled))",
                "network.ingress needs a port in workload.ports and a Service that is not disabled",
                ".network.ingress",
            ),
            (
                "!has(self.network) || !has(self.network.ingress) || !has(self.network.ingress.port) || "
                "!has(self.workload.ports) || self.workload.ports.exists(p, p.name == self.network.ingress.port)",
                "network.ingress.port must be the name of a port in workload.ports",
                ".network.ingress.port",
            ),
            (
                "!has(self.network) || !has(self.network.service) || !has(self.network.service.enabled) || "
                "!self.network.service.enabled || (has(self.workload.ports) && self.workload.ports.size() > 0)",
                "network.service.enabled needs a port in workload.ports",
                ".network.service.enabled",
            ),
            (
                "!has(self.scaling.autoscaling) || self.scaling.autoscaling.metrics.all(m, has(self.workload.resources)"
                " && has(self.workload.resources.requests) && m.type in self.workload.resources.requests)",
                "scaling.autoscaling needs a request in workload.resources.requests for each resource that it measures",
                ".scaling.autoscaling.metrics",
            ),
            (
                "self.workload.kind != 'Deployment' || !has(self.workload.storage) || "
                "(self.scaling.replicas <= 1 && !has(self.scaling.autoscaling)) || "
                "self.workload.storage.all(s, s.accessMode in ['ReadWriteMany', 'ReadOnlyMany'])",
                "several replicas of a Deployment share each volume: use accessMode ReadWriteMany or kind StatefulSet",
                ".workload.storage",
            ),
            (
                "!has(self.workload.storage) || !has(self.workload.volumes) || self.workload.storage.all(s, "
                "!self.workload.volumes.exists(v, v.name == s.name || v.mountPath == s.mountPath))",
                "workload.storage and workload.volumes must differ in name and mountPath",
                ".workload.volumes",
            ),
            (
                "!has(self.config) || !has(self.config.files) || self.config.files.all(path, "
                "(!has(self.workload.storage) || !self.workload.storage.exists(s, s.mountPath == path)) && "
                "(!has(self.workload.volumes) || !self.workload.volumes.exists(v, v.mountPath == path)))",
                "a path cannot be a file of config.files and the mountPath of a volume at once",
                ".config.files",
            ),
        )
    )
    workload: Workload = Field(description="The pods: image, command, ports, resources, storage.")
    config: Config | None = Field(
        default=None, description="Configuration that the Application carries itself: files and variables."
    )
    network: Network | None = Field(
        default=None, description="How the application is reached: Service, Ingress, NetworkPolicy."
    )
    scaling: Scaling = Field(
        default=Scaling(),
        description="How many pods: a number, or bounds between which the number follows the load.",
        json_schema_extra={"default": {"replicas": 1}} | DEFAULTED,
    )
    backup: BackupPolicy | None = Field(default=None, description="How the application's data is backed up.")
    upgrade: UpgradePolicy | None = Field(
        default=None,
        description="Carry out each change of the workload, the configuration or a Secret that is referred to as one "
        "Upgrade: checked, backed up, migrated, verified, and rolled back when it fails. If unset, a change replaces "
        "the pods as the platform does.",
    )
    recovery: RecoveryPolicy | None = Field(
        default=None, description="What is done when the application is unwell; if unset, status only tells."
    )
    adopt: bool | None = Field(
        default=None,
        description="Take over an existing workload of this name, without a restart where the spec says what it is. "
        "Its number of pods becomes scaling.replicas: state it. Taking over is remembered.",
    )
    suspend: bool | None = Field(default=None, description="Stop every pod and keep all data, until it is unset.")
    change_freeze: ChangeFreeze | None = Field(
        default=None,
        description="Have the authorization webhook refuse changes; without it in the cluster, this does nothing.",
    )
    deletion_policy: DeletionPolicy = Field(
        default="Retain",
        description="What happens to the volumes of workload.storage when the Application is deleted.",
        json_schema_extra=DEFAULTED,
    )


class EndpointStatus(Model):
    """One way to reach the application."""

    name: Word = Field(description="Name of the port, or ingress.")
    scope: Literal["Cluster", "External"] = Field(description="From where it is reachable.")
    url: Annotated[str, Field(max_length=2048)] = Field(description="Address, such as http://web.shop.svc:8080.")


class LastBackup(Model):
    """The newest good backup."""

    name: DnsName = Field(description="Its name.")
    time: Time = Field(description="The moment whose data it holds.")
    size: Annotated[str, Field(max_length=32)] | None = Field(default=None, description="Bytes of data, for people.")


class RecoveryEvent(Model):
    """One thing that was done to make the application well again."""

    time: Time = Field(description="When.")
    action: Annotated[str, Field(max_length=64)] = Field(description="What was done.")
    reason: Annotated[str, Field(max_length=64)] = Field(description="What was the matter, in a word.")
    target: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Pod, revision or Restore that it was about."
    )
    uid: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="Which pod of that name.")
    message: Annotated[str, Field(max_length=1024)] | None = Field(default=None, description="Why, as a sentence.")
    recovered_seconds: Number | None = Field(
        default=None, description="Seconds from the beginning of the trouble until the application was well again."
    )


class RecoveryProbeStatus(Model):
    """A recovery probe that fails."""

    name: DnsLabel = Field(description="Name of the probe.")
    failures: Number = Field(description="Failures in a row.")
    message: Annotated[str, Field(max_length=1024)] | None = Field(default=None, description="What it last said.")


class RecoveryStatus(Model):
    """What is the matter, and what has been done about it."""

    trouble: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="What is the matter, in a word."
    )
    message: Annotated[str, Field(max_length=1024)] | None = Field(default=None, description="Why, as a sentence.")
    since: Time | None = Field(default=None, description="Since when.")
    rung: Annotated[int, Field(ge=0, le=16)] | None = Field(
        default=None, description="How many rungs of the ladder have been tried."
    )
    bad_revision: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="ControllerRevision that was given up, as it did not stay well."
    )
    probes: tuple[RecoveryProbeStatus, ...] = Field(
        default=(), max_length=8, description="Probes that fail.", json_schema_extra=keyed_by("name")
    )
    history: tuple[RecoveryEvent, ...] = Field(
        default=(), max_length=20, description="What was done, newest first.", json_schema_extra=ATOMIC
    )


class ApplicationStatus(Model):
    """What the operator observes."""

    observed_generation: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Generation of the spec that this status is about."
    )
    conditions: tuple[ConditionModel, ...] = Field(
        default=(), max_length=16,
        description="Verdicts: Ready, Progressing, Available, Stalled, Suspended; BackupHealthy with spec.backup, "
        "UpgradeFailed with spec.upgrade, and RecoverySuspended with spec.recovery.",
        json_schema_extra=keyed_by("type"),
    )  # fmt: skip
    image: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Image that the pods are made of."
    )
    version: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="Tag, or start of the digest; cut where it is longer than 20 characters."
    )
    replicas: Annotated[int, Field(ge=0, le=2147483647)] | None = Field(default=None, description="Pods that exist.")
    ready_replicas: Annotated[int, Field(ge=0, le=2147483647)] | None = Field(
        default=None, description="Pods that are ready."
    )
    ready: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Ready pods of those asked for, such as 2/3."
    )
    selector: Annotated[str, Field(max_length=8192)] | None = Field(
        default=None, description="Label selector of the pods, for the scale subresource."
    )
    endpoints: tuple[EndpointStatus, ...] = Field(
        default=(), max_length=64, description="Where the application is reachable.", json_schema_extra=ATOMIC
    )
    revision: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="ControllerRevision that was found to be good last; with spec.upgrade."
    )
    failed_revision: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="ControllerRevision that was rolled back; not tried again until the spec changes."
    )
    active_run: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Upgrade that is under way, such as upgrade/web-3."
    )
    references: dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=128)]] = Field(
        default={},
        max_length=256,
        description="State of the Secrets and ConfigMaps that came after the revision which refers to them.",
    )
    recovery: RecoveryStatus | None = Field(
        default=None, description="What is the matter, and what has been done about it; with spec.recovery."
    )
    last_backup: LastBackup | None = Field(default=None, description="The newest good backup.")
    last_schedule_time: Time | None = Field(
        default=None,
        description="Time of the backup schedule that was last begun or left out; at first, when it was made.",
    )
    last_verification_time: Time | None = Field(
        default=None, description="Time of the schedule of trial restores that was last begun or left out."
    )
    next_backup_time: Time | None = Field(default=None, description="When the schedule makes the next one.")


class Application(Model):
    """One application. `status` is what was last written, as JSON values."""

    api_version: Literal["timonier.dev/v1"] = "timonier.dev/v1"
    kind: Literal["Application"] = "Application"
    metadata: Metadata
    spec: ApplicationSpec
    status: Mapping[str, Any] = {}
