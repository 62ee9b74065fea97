"""The parts of a pod that an Application states, in the shapes that Kubernetes gives them.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import (
    ATOMIC,
    DEFAULTED,
    AbsolutePath,
    DnsLabel,
    DnsName,
    EnvName,
    FileMode,
    Key,
    LabelValue,
    Model,
    Number,
    PortName,
    PortNumber,
    PortRef,
    QualifiedName,
    Quantity,
    RelativePath,
    Seconds,
    Text,
    Word,
    rules,
    spelt,
)

__all__ = [
    "ContainerSecurity",
    "EnvFrom",
    "EnvVar",
    "PodSecurity",
    "Port",
    "Probe",
    "Probes",
    "PullSecret",
    "Resources",
    "Toleration",
    "Volume",
]


class Port(Model):
    """A port that the container listens on."""

    name: PortName = Field(description="Name of the port, unique here; the Service and the Ingress refer to it.")
    container_port: PortNumber = Field(description="Number that the container listens on.")
    protocol: Literal["TCP", "UDP", "SCTP"] = Field(
        default="TCP", description="Transport protocol.", json_schema_extra=DEFAULTED
    )


class KeySelector(Model):
    """One key of a Secret or ConfigMap."""

    name: DnsName = Field(description="Name of the object, in the Application's namespace.")
    key: Key = Field(description="Key within it.")
    optional: bool | None = Field(
        default=None, description="Whether the pod may start when the object or key is missing."
    )


class FieldSelector(Model):
    """One field of the pod itself."""

    field_path: Annotated[
        str,
        spelt(
            r"^(metadata\.(name|namespace|uid|(labels|annotations)\['[-_./a-zA-Z0-9]+'\])"
            r"|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?))$",
            "must be metadata.name, .namespace, .uid, .labels['key'] or .annotations['key'], spec.nodeName or "
            ".serviceAccountName, status.hostIP, .hostIPs, .podIP or .podIPs",
            min_length=1,
            max_length=400,
        ),
    ] = Field(description="Path of the pod's field, such as metadata.name or status.podIP.")


class ResourceSelector(Model):
    """One resource amount of the container itself."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.divisor) || self.divisor == '1' || self.resource.endsWith('.cpu') == (self.divisor == '1m')",
                "1m is for cpu, and the units of bytes are for the other resources",
                ".divisor",
            ),
        )
    )
    resource: Literal[
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
    ] = Field(description="Such as limits.memory or requests.cpu.")
    divisor: Literal["1", "1m", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"] | None = (
        Field(default=None, description="Unit that the amount is expressed in, rounded up; 1 if unset.")
    )


class EnvSource(Model):
    """Where a variable takes its value from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef), has(self.resourceFieldRef)]"
                ".filter(x, x).size() == 1",
                "state exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef",
            )
        )
    )
    secret_key_ref: KeySelector | None = Field(default=None, description="Take it from a Secret.")
    config_map_key_ref: KeySelector | None = Field(default=None, description="Take it from a ConfigMap.")
    field_ref: FieldSelector | None = Field(default=None, description="Take it from a field of the pod.")
    resource_field_ref: ResourceSelector | None = Field(
        default=None, description="Take it from the container's resources."
    )


class EnvVar(Model):
    """One environment variable."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!(has(self.value) && has(self.valueFrom))", "state either value or valueFrom, not both"),
        )
    )
    name: EnvName = Field(description="Name of the variable.")
    value: Text | None = Field(
        default=None, description="Its value; $(OTHER) is replaced by variables that stand before it."
    )
    value_from: EnvSource | None = Field(default=None, description="Where its value is taken from instead.")


class ObjectSource(Model):
    """A whole Secret or ConfigMap."""

    name: DnsName = Field(description="Name of the object, in the Application's namespace.")
    optional: bool | None = Field(default=None, description="Whether the pod may start when the object is missing.")


class EnvFrom(Model):
    """Every key of a Secret or ConfigMap as an environment variable."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.secretRef) != has(self.configMapRef)", "state exactly one of secretRef and configMapRef"),
        )
    )
    prefix: EnvName | None = Field(default=None, description="Put in front of every key.")
    secret_ref: ObjectSource | None = Field(default=None, description="Take the keys of a Secret.")
    config_map_ref: ObjectSource | None = Field(default=None, description="Take the keys of a ConfigMap.")


class PullSecret(Model):
    """A Secret with the credentials of a registry."""

    name: DnsName = Field(description="Name of the Secret, in the Application's namespace.")


ResourceName = Annotated[
    str,
    spelt(
        r"^(cpu|memory|ephemeral-storage|hugepages-[1-9][0-9]*[KMG]i|"
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?)$",
        "must be cpu, memory, ephemeral-storage, hugepages-<size> or a device such as example.com/gpu",
        min_length=1,
        max_length=253,
    ),
]
# In a map of int-or-string, CEL knows an amount's type only when it runs.
_REQUESTED = "has(self.requests) && k in self.requests"
_COMPARED = "quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k])))"


class Resources(Model):
    """What the container asks for and may use."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.limits) || self.limits.all(k, !({_REQUESTED}) || {_COMPARED} <= 0)",
                "a request must not be greater than the limit of the same resource",
                ".requests",
            ),
            (
                "!has(self.requests) || self.requests.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] || "
                f"(has(self.limits) && k in self.limits && {_COMPARED} == 0))",
                "hugepages and devices cannot be shared: state the same amount in requests and limits",
                ".requests",
            ),
            (
                "!has(self.limits) || self.limits.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] || "
                "quantity(string(self.limits[k])).isInteger())",
                "hugepages and devices come in whole numbers",
                ".limits",
            ),
            (
                "!has(self.limits) || !self.limits.exists(k, k.startsWith('hugepages-')) || "
                "'cpu' in self.limits || 'memory' in self.limits || "
                "(has(self.requests) && ('cpu' in self.requests || 'memory' in self.requests))",
                "hugepages need cpu or memory beside them",
                ".limits",
            ),
        )
    )
    requests: dict[ResourceName, Quantity] = Field(
        default={}, max_length=16, description="Amounts that the scheduler reserves, by resource: cpu, memory, …"
    )
    limits: dict[ResourceName, Quantity] = Field(
        default={}, max_length=16, description="Amounts that the container may not exceed, by resource."
    )


class HttpHeader(Model):
    """A header of a probe's request."""

    name: Annotated[str, spelt(r"^[-A-Za-z0-9]+$", "must be letters, digits and '-'", min_length=1, max_length=253)] = (
        Field(description="Name of the header.")
    )
    value: Annotated[str, Field(max_length=4096)] = Field(description="Its value.")


class HttpGet(Model):
    """A probe that asks by HTTP; any status from 200 to 399 is good."""

    port: PortRef = Field(description="Name or number of the port.")
    path: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        default=None, description="Path; / if unset."
    )
    scheme: Literal["HTTP", "HTTPS"] | None = Field(
        default=None, description="HTTP if unset; HTTPS checks no certificate."
    )
    host: DnsName | None = Field(default=None, description="Host to connect to; the pod's address if unset.")
    http_headers: tuple[HttpHeader, ...] = Field(
        default=(),
        max_length=16,
        description="Headers to send.",
        json_schema_extra=ATOMIC,
    )


class TcpSocket(Model):
    """A probe that opens a TCP connection."""

    port: PortRef = Field(description="Name or number of the port.")


class Exec(Model):
    """A probe that runs a command in the container; exit status 0 is good."""

    command: tuple[Text, ...] = Field(
        min_length=1,
        max_length=64,
        description="Program and arguments; no shell is involved.",
        json_schema_extra=ATOMIC,
    )


class Grpc(Model):
    """A probe that asks the gRPC health service."""

    port: PortNumber = Field(description="Number of the port.")
    service: Word | None = Field(default=None, description="Service to ask about; the server as a whole if unset.")


class Probe(Model):
    """One question to the container, asked again and again."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.httpGet), has(self.tcpSocket), has(self.exec), has(self.grpc)].filter(x, x).size() == 1",
                "state exactly one of httpGet, tcpSocket, exec and grpc",
            )
        )
    )
    http_get: HttpGet | None = Field(default=None, description="Ask by HTTP.")
    tcp_socket: TcpSocket | None = Field(default=None, description="Open a TCP connection.")
    exec: Exec | None = Field(default=None, description="Run a command.")
    grpc: Grpc | None = Field(default=None, description="Ask the gRPC health service.")
    initial_delay_seconds: Seconds | None = Field(
        default=None, description="Seconds to wait before the first question."
    )
    period_seconds: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=None, description="Seconds between questions; 10 if unset."
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=None, description="Seconds to wait for an answer; 1 if unset."
    )
    success_threshold: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Good answers in a row that make the container good again; 1 if unset."
    )
    failure_threshold: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Bad answers in a row that make the container bad; 3 if unset."
    )


class Probes(Model):
    """How the kubelet finds out how the container is."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.liveness) || !has(self.liveness.successThreshold) || self.liveness.successThreshold == 1",
                "liveness.successThreshold must be 1",
            ),
            (
                "!has(self.startup) || !has(self.startup.successThreshold) || self.startup.successThreshold == 1",
                "startup.successThreshold must be 1",
            ),
        )
    )
    liveness: Probe | None = Field(default=None, description="Bad answers restart the container.")
    readiness: Probe | None = Field(default=None, description="Bad answers take the pod out of its Services.")
    startup: Probe | None = Field(default=None, description="Until it is good, the other probes are not asked.")


class Seccomp(Model):
    """Which system calls are allowed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.localhostProfile) == (self.type == 'Localhost')",
                "state localhostProfile exactly when type is Localhost",
                ".localhostProfile",
            ),
        )
    )
    type: Literal["RuntimeDefault", "Localhost", "Unconfined"] = Field(description="Where the profile comes from.")
    localhost_profile: RelativePath | None = Field(
        default=None, description="Path of the profile on the node, for Localhost."
    )


Capability = Annotated[
    str,
    spelt(
        r"^[A-Z]+(_[A-Z0-9]+)*$",
        "must be the name of a capability in capitals, such as NET_BIND_SERVICE",
        max_length=64,
    ),
]


class Capabilities(Model):
    """Linux capabilities, without the CAP_ prefix."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.add) ? self.add : [], has(self.drop) ? self.drop : []]"
                ".all(l, !l.exists(c, c.startsWith('CAP_')))",
                "leave out the prefix CAP_",
            ),
        )
    )
    add: tuple[Capability, ...] = Field(default=(), max_length=64, description="To grant.", json_schema_extra=ATOMIC)
    drop: tuple[Capability, ...] = Field(
        default=(),
        max_length=64,
        description="To take away; ALL if unset.",
        json_schema_extra=ATOMIC,
    )


_ROOT = (
    "!(has(self.runAsNonRoot) && self.runAsNonRoot && has(self.runAsUser) && self.runAsUser == 0)",
    "user 0 is root, which runAsNonRoot refuses",
    ".runAsUser",
)


class ContainerSecurity(Model):
    """What the container's processes may do."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _ROOT,
            (
                "!has(self.allowPrivilegeEscalation) || self.allowPrivilegeEscalation || !("
                "(has(self.privileged) && self.privileged) || (has(self.capabilities) && has(self.capabilities.add) && "
                "'SYS_ADMIN' in self.capabilities.add))",
                "a privileged container, or one with the capability SYS_ADMIN, can gain rights: leave this unset",
                ".allowPrivilegeEscalation",
            ),
        )
    )
    run_as_user: Number | None = Field(default=None, description="User id of the processes; the image's if unset.")
    run_as_group: Number | None = Field(default=None, description="Group id of the processes; the image's if unset.")
    run_as_non_root: bool | None = Field(default=None, description="Refuse to start as root.")
    privileged: bool | None = Field(default=None, description="Give the container the rights of the node's root.")
    allow_privilege_escalation: bool | None = Field(default=None, description="Allow to gain rights; false if unset.")
    read_only_root_filesystem: bool | None = Field(
        default=None,
        description="Forbid writing outside of volumes; false if unset, since most images write somewhere.",
    )
    capabilities: Capabilities | None = Field(default=None, description="Linux capabilities; all are dropped if unset.")
    seccomp_profile: Seccomp | None = Field(
        default=None, description="System calls that are allowed; the pod's if unset."
    )


class PodSecurity(Model):
    """What every process of the pod may do."""

    model_config = ConfigDict(json_schema_extra=rules(_ROOT))
    run_as_user: Number | None = Field(default=None, description="User id of the processes; the image's if unset.")
    run_as_group: Number | None = Field(default=None, description="Group id of the processes; the image's if unset.")
    run_as_non_root: bool | None = Field(default=None, description="Refuse to start as root; true if unset.")
    fs_group: Number | None = Field(default=None, description="Group that owns the files of volumes.")
    fs_group_change_policy: Literal["OnRootMismatch", "Always"] | None = Field(
        default=None, description="Whether ownership is set at each mount, or only where the volume's root differs."
    )
    supplemental_groups: tuple[Number, ...] = Field(
        default=(),
        max_length=32,
        description="Further groups of the processes.",
        json_schema_extra=ATOMIC,
    )
    seccomp_profile: Seccomp | None = Field(
        default=None, description="System calls that are allowed; RuntimeDefault if unset."
    )


class Toleration(Model):
    """A taint of nodes that the pods put up with."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "without a key, operator must be Exists, which means every taint",
                ".operator",
            ),
            (
                "!has(self.value) || self.value == '' || !has(self.operator) || self.operator == 'Equal'",
                "operator Exists takes no value",
                ".value",
            ),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds needs effect NoExecute",
                ".tolerationSeconds",
            ),
        )
    )
    key: QualifiedName | None = Field(
        default=None, description="Key of the taint; every taint if unset, with operator Exists."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How the value is compared; Equal if unset."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; every effect if unset."
    )
    toleration_seconds: Number | None = Field(
        default=None, description="Seconds to stay on a node with a NoExecute taint."
    )


class KeyPath(Model):
    """Where one key goes."""

    key: Key = Field(description="Key of the object.")
    path: RelativePath = Field(description="Path of the file, relative to the mount.")
    mode: FileMode | None = Field(default=None, description="Permission bits, in decimal: 256 is octal 0400.")


class SecretVolume(Model):
    """The keys of a Secret as files."""

    secret_name: DnsName = Field(description="Name of the Secret, in the Application's namespace.")
    items: tuple[KeyPath, ...] = Field(default=(), max_length=64, description="Only these.", json_schema_extra=ATOMIC)
    optional: bool | None = Field(default=None, description="Whether the pod may start when it is missing.")
    default_mode: FileMode | None = Field(default=None, description="Permission bits of the files, in decimal.")


class ConfigMapVolume(Model):
    """The keys of a ConfigMap as files."""

    name: DnsName = Field(description="Name of the ConfigMap, in the Application's namespace.")
    items: tuple[KeyPath, ...] = Field(default=(), max_length=64, description="Only these.", json_schema_extra=ATOMIC)
    optional: bool | None = Field(default=None, description="Whether the pod may start when it is missing.")
    default_mode: FileMode | None = Field(default=None, description="Permission bits of the files, in decimal.")


class EmptyDir(Model):
    """Scratch space that lives as long as the pod."""

    medium: Literal["Memory"] | None = Field(
        default=None, description="Memory keeps it in RAM; the node's disk if unset."
    )
    size_limit: Quantity | None = Field(default=None, description="Most bytes it may hold.")


class ProjectedObject(Model):
    """A Secret or ConfigMap as a part of a projected volume."""

    name: DnsName = Field(description="Name of the object, in the Application's namespace.")
    items: tuple[KeyPath, ...] = Field(default=(), max_length=16, description="Only these.", json_schema_extra=ATOMIC)
    optional: bool | None = Field(default=None, description="Whether the pod may start when it is missing.")


class TokenProjection(Model):
    """A token of the pod's service account, renewed in place."""

    path: RelativePath = Field(description="Path of the file, relative to the mount.")
    audience: Word | None = Field(default=None, description="For whom the token is; the API server if unset.")
    expiration_seconds: Annotated[int, Field(ge=600, le=4294967296)] | None = Field(
        default=None, description="Life of the token; 3600 if unset."
    )


class Projection(Model):
    """One source of a projected volume."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.secret), has(self.configMap), has(self.serviceAccountToken)].filter(x, x).size() == 1",
                "state exactly one of secret, configMap and serviceAccountToken",
            )
        )
    )
    secret: ProjectedObject | None = Field(default=None, description="Keys of a Secret.")
    config_map: ProjectedObject | None = Field(default=None, description="Keys of a ConfigMap.")
    service_account_token: TokenProjection | None = Field(
        default=None, description="A token of the pod's service account."
    )


class Projected(Model):
    """Several sources in one directory."""

    sources: tuple[Projection, ...] = Field(
        min_length=1, max_length=8, description="What is put together.", json_schema_extra=ATOMIC
    )
    default_mode: FileMode | None = Field(default=None, description="Permission bits of the files, in decimal.")


class Volume(Model):
    """Something mounted into the container that is not the application's own data."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.secret), has(self.configMap), has(self.emptyDir), has(self.projected)]"
                ".filter(x, x).size() == 1",
                "state exactly one of secret, configMap, emptyDir and projected",
            )
        )
    )
    name: DnsLabel = Field(
        description="Name of the volume, unique here.",
        json_schema_extra=rules(
            ("self != 'timonier-config'", "timonier-config is the operator's own: choose another name")
        ),
    )
    mount_path: AbsolutePath = Field(description="Absolute path of the mount in the container.")
    sub_path: RelativePath | None = Field(default=None, description="Mount only this path of the volume.")
    read_only: bool | None = Field(default=None, description="Forbid writing to it.")
    secret: SecretVolume | None = Field(default=None, description="The keys of a Secret as files.")
    config_map: ConfigMapVolume | None = Field(default=None, description="The keys of a ConfigMap as files.")
    empty_dir: EmptyDir | None = Field(default=None, description="Scratch space that lives as long as the pod.")
    projected: Projected | None = Field(default=None, description="Several sources in one directory.")
