"""One cluster: brought up, looked at, harmed on purpose, taken down."""

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster import components, configuration, node
from devcluster.api import Api
from devcluster.errors import DevclusterError
from devcluster.layout import Layout
from devcluster.locking import exclusive, exclusive_folder
from devcluster.network import SIMULATED, Network, free_network, routes
from devcluster.ports import Ports, choose_ports
from devcluster.processes import as_administrator
from devcluster.programs import cache_folder, find_programs
from devcluster.progress import Report, silent
from devcluster.spec import ClusterSpec

__all__ = [
    "Cluster",
    "Given",
    "ProcessStatus",
    "Status",
    "default_folder",
    "down",
    "given",
    "load_image",
    "running",
    "status",
    "up",
]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One background process; `pid` is the last one known."""

    name: str
    pid: int | None
    running: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A cluster as it is now. `ready`: every process runs and the API server says that it is ready."""

    name: str
    directory: Path
    kubeconfig: Path
    url: str
    ready: bool
    processes: tuple[ProcessStatus, ...]

    def dead(self) -> list[str]:
        """The processes that should run and do not."""
        return [process.name for process in self.processes if not process.running]

    def as_json(self) -> dict[str, Any]:
        """For `devcluster status --json`."""
        return {
            "name": self.name,
            "directory": str(self.directory),
            "kubeconfig": str(self.kubeconfig),
            "url": self.url,
            "ready": self.ready,
            "processes": [
                {"name": process.name, "pid": process.pid, "running": process.running} for process in self.processes
            ],
        }


class Cluster:
    """A cluster of ours in a folder. Made by `up` and `running`, or for a folder that holds one."""

    def __init__(
        self, spec: ClusterSpec, directory: Path, addresses: components.Addresses, programs: Mapping[str, Path]
    ) -> None:
        self.spec = spec
        self.directory = directory
        self._layout = Layout(directory)
        self._addresses = addresses
        self._programs = programs

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self._layout.kubeconfig

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON event a line, Metadata level."""
        return self._layout.audit_log

    @property
    def url(self) -> str:
        """Where the API server answers."""
        return components.server_url(self._addresses)

    @property
    def host_address(self) -> str:
        """The address under which pods of a real node reach what listens on this machine; else loopback."""
        return self._addresses.network.host

    def load_image(self, archive: Path) -> list[str]:
        """Give the real node an image from an archive as `docker save` writes it; its names. Raises DevclusterError."""
        if self.spec.nodes != "real":
            raise DevclusterError(
                f"cluster {self.spec.name} has simulated nodes, which take any image for granted: nothing to load"
            )
        return node.load_image(self._layout.daemon(components.INIT), archive)

    def kubectl(self) -> Path | None:
        """The kubectl that was built with the control plane; None when it came from elsewhere."""
        beside = self._programs["kube-apiserver"].with_name("kubectl")
        return beside if beside.exists() else None

    def status(self) -> Status:
        """Look at every process and ask the API server."""
        processes = []
        for name in components.daemons_of(self.spec):
            daemon = self._layout.daemon(name)
            identity = daemon.identity()
            processes.append(ProcessStatus(name, identity.pid if identity else None, daemon.alive()))
        ready = all(process.running for process in processes) and self._bootstrap_api().answers("/readyz")
        return Status(self.spec.name, self.directory, self.kubeconfig, self.url, ready, tuple(processes))

    def start(self, report: Report = silent) -> None:
        """Start what does not run and wait until pods can be created. Raises DevclusterError."""
        real = self.spec.nodes == "real"
        if real:
            # First, as the API server listens at our end of the cable.
            report("making the node's namespaces", "")
            node.start(self._layout, self._addresses.network, self._layout.daemon(components.INIT))
            self._start_daemons(("containerd",))
        # The API server keeps trying until etcd answers, so both start at once; the others give up sooner.
        self._start_daemons(("etcd", "kube-apiserver"))
        self._wait_for("kube-apiserver", "starting etcd and kube-apiserver", self._is_serving, report)
        if real:
            self._prepare_containerd(report)
        self._start_daemons(tuple(name for name in components.daemons_of(self.spec) if name != components.INIT))
        api = self._bootstrap_api()
        for collection, manifest in configuration.bootstrap_objects(self.spec):
            api.create(collection, manifest)
        self._wait_for(
            "kube-controller-manager",
            "starting controllers",
            lambda: api.answers("/api/v1/namespaces/default/serviceaccounts/default"),
            report,
        )
        if real:
            self._wait_for("kubelet", "waiting for the node", lambda: self._nodes_are_ready(1), report)
        elif self.spec.count:
            ready = lambda: self._nodes_are_ready(self.spec.count)  # noqa: E731
            self._wait_for("kwok", f"waiting for {self.spec.count} simulated nodes", ready, report)

    def stop(self) -> None:
        """Stop every process of this cluster, the API server first so that nobody reconnects."""
        for name in ("kube-apiserver", *reversed(components.daemons_of(self.spec))):
            if name != components.INIT:
                self._layout.daemon(name).stop(0)
        if self.spec.nodes == "real":
            node.remove(self._layout, self._addresses.network, self._layout.daemon(components.INIT))

    def stop_apiserver(self) -> None:
        """Kill the API server at once, as a crash would: every connection breaks, nothing is said to anyone."""
        self._layout.daemon("kube-apiserver").stop(0)

    def start_apiserver(self, seconds: float = 60.0) -> None:
        """Start the API server and wait until it is ready. Raises DevclusterError."""
        self._start_daemons(("kube-apiserver",))
        self._wait_for("kube-apiserver", "starting kube-apiserver", self._is_serving, silent, seconds)

    def restart_apiserver(self) -> None:
        """`stop_apiserver` and `start_apiserver`: some four seconds without an API server."""
        self.stop_apiserver()
        self.start_apiserver()

    def _bootstrap_api(self) -> Api:
        return Api(self._layout.identity_kubeconfig("bootstrap"))

    def _is_serving(self) -> bool:
        return self._bootstrap_api().answers("/readyz")

    def _prepare_containerd(self, report: Report) -> None:
        init = self._layout.daemon(components.INIT)
        self._wait_for("containerd", "starting containerd", lambda: node.has_containerd(init), report)
        node.load_image(init, self._layout.pause_image)

    def _nodes_are_ready(self, count: int) -> bool:
        try:
            nodes = self._bootstrap_api().request("GET", "/api/v1/nodes").body.get("items", [])
        except (OSError, http.client.HTTPException):
            return False
        return sum(_is_ready(item) for item in nodes) >= count

    def _start_daemons(self, names: tuple[str, ...]) -> None:
        for name in names:
            daemon = self._layout.daemon(name)
            if daemon.alive():
                continue
            command = components.command_of(name, self.spec, self._layout, self._addresses, self._programs)
            if name not in components.INSIDE:
                daemon.start(command, _environment())
                continue
            launcher = node.inside(self._layout.daemon(components.INIT), daemon, command)
            if not daemon.start_through(launcher, as_administrator(_environment())):
                raise DevclusterError(f"{name} could not be started in the node's namespaces: {daemon.tail(3)}")

    def _wait_for(
        self, daemon_name: str, step: str, reached: Callable[[], bool], report: Report, seconds: float = 90.0
    ) -> None:
        deadline = time.monotonic() + seconds
        daemon = self._layout.daemon(daemon_name)
        report(step, "")
        while not reached():
            report(step, "")
            if not daemon.alive():
                raise DevclusterError(f"{daemon_name} ended while {step}; the end of its log:\n{daemon.tail()}")
            if time.monotonic() > deadline:
                raise DevclusterError(
                    f"not done within {seconds:.0f} s: {step}; the end of {daemon_name}'s log:\n{daemon.tail()}"
                )
            time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Given:
    """The cluster that KUBECONFIG names. It is not ours: it cannot be harmed and has no audit log that we can read."""

    kubeconfig: Path
    url: str
    directory: Path

    @property
    def audit_log(self) -> Path:
        """Raises DevclusterError."""
        raise self._not_ours("its audit log cannot be read")

    def stop_apiserver(self) -> None:
        """Raises DevclusterError."""
        raise self._not_ours("its API server cannot be stopped")

    def start_apiserver(self) -> None:
        """Raises DevclusterError."""
        raise self._not_ours("its API server cannot be started")

    def restart_apiserver(self) -> None:
        """Raises DevclusterError."""
        raise self._not_ours("its API server cannot be restarted")

    def _not_ours(self, what: str) -> DevclusterError:
        return DevclusterError(
            f"the cluster of KUBECONFIG={self.kubeconfig} is not ours, so {what}: unset KUBECONFIG for one that is"
        )


def given(environment: Mapping[str, str], directory: Path) -> Given | None:
    """The cluster of $KUBECONFIG, when it is set. Raises DevclusterError when it cannot be read."""
    path = environment.get("KUBECONFIG")
    if not path:
        return None
    try:
        value = yaml.safe_load(Path(path).read_text())
        context = next(item["context"] for item in value["contexts"] if item["name"] == value["current-context"])
        server = next(item["cluster"]["server"] for item in value["clusters"] if item["name"] == context["cluster"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise DevclusterError(
            f"KUBECONFIG={path} names no cluster ({type(error).__name__}: {error}): correct it, or unset it and "
            f"devcluster makes a cluster of its own"
        ) from None
    return Given(Path(path).absolute(), str(server), directory)


def default_folder(name: str) -> Path:
    """`.devcluster/NAME` below the current folder."""
    return Path.cwd() / ".devcluster" / name


def up(spec: ClusterSpec, directory: Path, report: Report = silent) -> Cluster:
    """Make the cluster, or start what of it does not run. Raises DevclusterError.

    When a new cluster does not come up, or we are interrupted, nothing of it stays.
    """
    if spec.nodes == "real":
        node.check()
        node.check_folder(directory)
    directory = directory.absolute()
    with exclusive_folder(directory, lambda: report("waiting for another devcluster that works on this folder", "")):
        existing = _load(directory)
        if existing is not None:
            if existing.spec != spec:
                raise DevclusterError(
                    f"{directory} holds a cluster with other settings ({existing.spec}): "
                    f"run 'devcluster down --name {existing.spec.name}' first, or choose another --name"
                )
            existing.start(report)
            return existing
        if any(directory.iterdir()):
            raise DevclusterError(f"{directory} is not empty and holds no cluster of ours: choose another --dir")
        try:
            cluster = _create(spec, directory, report)
            cluster.start(report)
        except BaseException:
            _remove(directory)
            raise
        return cluster


def load_image(directory: Path, archive: Path) -> list[str]:
    """Give the cluster in that folder an image: see `Cluster.load_image`."""
    cluster = _load(directory.absolute())
    if cluster is None:
        raise DevclusterError(f"there is no cluster in {directory}: 'devcluster up --nodes real' makes one")
    return cluster.load_image(archive)


def down(directory: Path, report: Report = silent) -> bool:
    """Stop the processes of the cluster and remove its folder. False when there is none. Raises DevclusterError."""
    directory = directory.absolute()
    if not directory.exists():
        return False
    with exclusive_folder(directory, lambda: report("waiting for another devcluster that works on this folder", "")):
        if _load(directory) is None and any(directory.iterdir()):
            raise DevclusterError(f"{directory} holds no cluster of ours: nothing was touched")
        report("stopping", "")
        _remove(directory)
    return True


def status(directory: Path) -> Status | None:
    """The cluster in that folder as it is now; None when there is none."""
    cluster = _load(directory.absolute())
    return None if cluster is None else cluster.status()


@contextmanager
def running(spec: ClusterSpec, directory: Path, report: Report = silent) -> Iterator[Cluster | Given]:
    """A cluster for the life of the block: that of $KUBECONFIG, else one of our own, removed afterwards."""
    external = given(os.environ, directory)
    if external is not None:
        if spec.apiserver_args:
            raise DevclusterError("KUBECONFIG is set, and flags of its API server cannot be chosen here: unset it")
        yield external
        return
    cluster = up(spec, directory, report)
    try:
        yield cluster
    finally:
        down(directory, report)


def _create(spec: ClusterSpec, directory: Path, report: Report) -> Cluster:
    programs = find_programs(components.programs_of(spec), os.environ, report)
    layout = Layout(directory)
    with _free_network(spec, report) as network:
        addresses = components.Addresses(choose_ports(), network)
        layout.state.write_text(
            json.dumps(
                {
                    "spec": spec.as_json(),
                    "ports": addresses.ports.as_json(),
                    "network": network.as_json(),
                    "programs": {name: str(path) for name, path in sorted(programs.items())},
                },
                indent=2,
            )
        )
        if spec.nodes == "real":
            node.furnish(layout, network, programs["pause"])
            node.start(layout, network, layout.daemon(components.INIT))
    _mint(programs["pki"], layout, network)
    _write_kubeconfigs(layout, spec.name, components.server_url(addresses))
    layout.audit_policy.write_text(configuration.audit_policy())
    layout.kwok_configuration.write_text(configuration.kwok_configuration())
    layout.etcd_data.mkdir(mode=0o700)
    layout.volumes.mkdir()
    return Cluster(spec, directory, addresses, programs)


@contextmanager
def _free_network(spec: ClusterSpec, report: Report) -> Iterator[Network]:
    """A network that nobody else chooses before the block has ended, at whose end its route has to be there."""
    if spec.nodes == "kwok":
        yield SIMULATED
        return
    with exclusive(cache_folder(os.environ) / "network.lock", lambda: report("waiting for another devcluster", "")):
        yield free_network(routes())


def _mint(pki: Path, layout: Layout, network: Network) -> None:
    request = configuration.certificates(network)
    answer = subprocess.run([str(pki), str(layout.pki)], input=request, text=True, capture_output=True, check=False)
    if answer.returncode != 0:
        raise DevclusterError(f"no certificates could be made: {answer.stderr.strip()}")


def _write_kubeconfigs(layout: Layout, name: str, url: str) -> None:
    authority = (layout.pki / "ca.crt").read_bytes()
    for identity in configuration.IDENTITIES:
        certificate, key = Path(layout.certificate(identity)).read_bytes(), Path(layout.key(identity)).read_bytes()
        target = layout.kubeconfig if identity == "administrator" else layout.identity_kubeconfig(identity)
        target.parent.mkdir(exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(configuration.kubeconfig(f"devcluster-{name}", url, authority, certificate, key))


def _load(directory: Path) -> Cluster | None:
    try:
        value = json.loads(Layout(directory).state.read_text())
        spec = ClusterSpec.from_json(value["spec"])
        addresses = components.Addresses(Ports(**value["ports"]), Network(**value.get("network", SIMULATED.as_json())))
        programs = {name: Path(path) for name, path in value["programs"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DevclusterError(
            f"{Layout(directory).state} cannot be read ({error}): stop its processes by hand and remove the folder"
        ) from None
    return Cluster(spec, directory, addresses, programs)


def _remove(directory: Path) -> None:
    cluster = _load(directory)
    if cluster is not None:
        cluster.stop()
    shutil.rmtree(directory)


def _environment() -> dict[str, str]:
    # A kubeconfig or proxy of the caller's is none of the components' business.
    proxies = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
    return {name: value for name, value in os.environ.items() if name != "KUBECONFIG" and name.lower() not in proxies}


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = {item["type"]: item["status"] for item in node.get("status", {}).get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
