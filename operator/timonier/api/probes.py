"""Probes and hooks: how the operator finds out whether an application is well, and what it has an application do.

They are shared by upgrades, backups, restores and recovery. The kubelet's own probes are in `timonier.api.pods`.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from timonier.api.fields import ATOMIC, DEFAULTED, DnsLabel, DnsName, Model, PortRef, rules, spelt

__all__ = [
    "Command",
    "ExecAction",
    "Hook",
    "HttpProbe",
    "JobAction",
    "Probe",
    "PromQLProbe",
    "TcpProbe",
    "Url",
    "longest_job",
    "longest_verdict",
]

Command = Annotated[
    tuple[Annotated[str, Field(max_length=8192)], ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)
]
"""A program and its arguments; no shell is put around it."""

Url = Annotated[
    str,
    spelt(
        r"^https?://[^/@\s?#]+[^@\s#]*$",
        "must be an address such as http://web:8080/healthz, without user, password and fragment",
        min_length=8,
        max_length=2048,
    ),
]

_SPARE_SECONDS = 120
_ProbeSeconds = Annotated[int, Field(ge=1, le=3600)]
_Threshold = Annotated[int, Field(ge=1, le=100)]


class HttpProbe(Model):
    """A request by HTTP that must be answered well."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.url) != has(self.port)", "state either url, or port with path: the application's own Service"),
            ("!has(self.path) || has(self.port)", "path goes with port; a url has its own path", ".path"),
        )
    )
    url: Url | None = Field(default=None, description="Whole address, asked from the application's namespace.")
    port: PortRef | None = Field(default=None, description="Port of the application's Service, by number or name.")
    path: Annotated[str, spelt(r"^/\S*$", "must begin with '/'", max_length=2048)] | None = Field(
        default=None, description="Path and query; / if unset."
    )
    expect_status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = Field(
        default=(), max_length=16, description="Good answers; 200 to 399 if unset.", json_schema_extra=ATOMIC
    )
    expect_body: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Regular expression that the first 64 KiB of the body must contain."
    )


class TcpProbe(Model):
    """A connection that must be accepted."""

    port: PortRef = Field(description="Port, by number, or by name where it is the application's own.")
    host: DnsName | None = Field(default=None, description="Host; the application's Service if unset.")


class ExecAction(Model):
    """A command in a running container of the application."""

    command: Command = Field(description="Program and arguments; exit code 0 is good.")
    container: DnsLabel | None = Field(default=None, description="Container; the application's if unset.")


class JobAction(Model):
    """A command in a pod of its own, with the application's environment, configuration and service account."""

    command: Command = Field(description="Program and arguments; exit code 0 is good.")
    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, description="Image; that of the revision it belongs to if unset."
    )


class PromQLProbe(Model):
    """A query of Prometheus whose first value must compare well."""

    url: Url = Field(description="Address of Prometheus, such as http://prometheus.monitoring:9090.")
    query: Annotated[str, Field(min_length=1, max_length=8192)] = Field(description="Query in PromQL.")
    operator: Literal["<", "<=", "==", "!=", ">=", ">"] = Field(description="How the value is compared.")
    value: Annotated[
        str, spelt(r"^-?[0-9]+(\.[0-9]+)?$", "must be a decimal number such as 0.95", min_length=1, max_length=32)
    ] = Field(description="What it is compared with, as a decimal number.")


class Probe(Model):
    """One way to find out whether the application is well."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.http), has(self.tcp), has(self.exec), has(self.job), has(self.promQL)]"
                ".filter(x, x).size() == 1",
                "state exactly one of http, tcp, exec, job and promQL",
            )
        )
    )
    name: DnsLabel = Field(description="Name, unique in its list.")
    http: HttpProbe | None = Field(default=None, description="A request by HTTP that must be answered well.")
    tcp: TcpProbe | None = Field(default=None, description="A connection that must be accepted.")
    exec: ExecAction | None = Field(default=None, description="A command in a running container.")
    job: JobAction | None = Field(default=None, description="A command in a pod of its own.")
    prom_ql: PromQLProbe | None = Field(default=None, alias="promQL", description="A query of Prometheus.")
    interval_seconds: _ProbeSeconds = Field(
        default=5, description="Seconds between attempts.", json_schema_extra=DEFAULTED
    )
    timeout_seconds: _ProbeSeconds = Field(
        default=5, description="Seconds until an attempt has failed.", json_schema_extra=DEFAULTED
    )
    failure_threshold: _Threshold = Field(
        default=3, description="Failures in a row that mean unwell.", json_schema_extra=DEFAULTED
    )
    success_threshold: _Threshold = Field(
        default=1, description="Successes in a row that mean well.", json_schema_extra=DEFAULTED
    )


def longest_verdict(probe: Probe) -> int:
    """Seconds within which a probe has come to a verdict, and its pod has been started."""
    attempts = probe.failure_threshold + probe.success_threshold
    return attempts * (probe.interval_seconds + probe.timeout_seconds) * 2 + _SPARE_SECONDS


def longest_job(probe: Probe) -> int:
    """Seconds within which the Job of a probe has ended: its own time, and that to find a node and fetch an image."""
    return probe.timeout_seconds + _SPARE_SECONDS


class Hook(Model):
    """Something that the application is made to do at one point of a run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.exec) != has(self.job)", "state exactly one of exec and job"),
        )
    )
    name: DnsLabel = Field(description="Name, unique in its list.")
    exec: ExecAction | None = Field(default=None, description="A command in a running container.")
    job: JobAction | None = Field(default=None, description="A command in a pod of its own.")
    timeout_seconds: _ProbeSeconds = Field(
        default=30, description="Seconds until it has failed.", json_schema_extra=DEFAULTED
    )
    on_error: Literal["Fail", "Continue"] = Field(
        default="Fail", description="What its failure means for the run.", json_schema_extra=DEFAULTED
    )
