"""Timonier beside a minimal controller-runtime program, on the same API server, in the same run.

    make bench                     1,000 Applications each, twice in turn: time to all Ready, writes, memory, CPU
    make bench BENCH="--scale"     and timonier alone with 10,000 Applications and 20,000 foreign Secrets: memory

Figures of one machine mean little: what counts is the ratio, and the number of writes, which is the same everywhere.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import devcluster.cluster
from devcluster.progress import Progress
from devcluster.spec import ClusterSpec
from harness.audit import AuditLog, Call
from harness.fixtures import OPERATOR_NAMESPACE, install
from harness.kube import Kube, Manifest
from harness.loopback_service import LoopbackService
from harness.operator_process import OperatorProcess, service_account_kubeconfig, start_operator
from timonier.api.resources import APPLICATIONS, Resource
from timonier.engine.client import connect

PEER = Path(__file__).with_name("peer")
SECRETS = Resource("", "v1", "secrets", "Secret")
CREATORS = 32


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: seconds to all Ready, writes by resource, resident MiB, CPU seconds."""

    contestant: str
    seconds: float
    writes: Counter[str]
    resident: float
    cpu: float

    def row(self, count: int) -> str:
        """The measurement as a line of the table."""
        detail = ", ".join(f"{path} {number / count:.2f}" for path, number in sorted(self.writes.items()))
        return (
            f"{self.contestant:20} {self.seconds:7.1f} s {count / self.seconds:7.0f}/s "
            f"{sum(self.writes.values()) / count:6.2f} writes each  {self.resident:5.0f} MiB {self.cpu:6.1f} s CPU"
            f"   {detail}"
        )


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program under test: how it is started (its pid is returned), and under which user it writes."""

    name: str
    user: str
    start: Callable[[], subprocess.Popen[bytes]]


def application(namespace: str, number: int, replicas: int) -> Manifest:
    """One Application: a web server with a port."""
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"namespace": namespace, "name": f"web-{number:05}"},
        "spec": {
            "workload": {
                "image": {"repository": "registry.example/web", "tag": "1.0"},
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            },
            "scaling": {"replicas": replicas},
        },
    }


async def create_many(kubeconfig: Path, resource: Resource, manifests: Iterator[Manifest]) -> None:
    """Create objects, `CREATORS` at a time."""
    async with connect(str(kubeconfig), agent="bench") as client:

        async def creator() -> None:
            for manifest in manifests:
                await client.create(resource, manifest)

        async with asyncio.TaskGroup() as group:
            for _ in range(CREATORS):
                group.create_task(creator())


def ready_count(kube: Kube, namespace: str) -> int:
    """How many Applications say Ready=True about their current generation."""
    count = 0
    for manifest in kube.list(APPLICATIONS, namespace):
        conditions = {found["type"]: found for found in manifest.get("status", {}).get("conditions", ())}
        ready = conditions.get("Ready", {})
        current = ready.get("observedGeneration") == manifest["metadata"]["generation"]
        count += ready.get("status") == "True" and current
    return count


def measure(kube: Kube, kubeconfig: Path, audit_log: Path, contestant: Contestant, count: int, replicas: int) -> Run:
    """Run a contestant against `count` new Applications in a namespace of their own."""
    namespace = f"bench-{contestant.name}-{time.time_ns() % 10**9}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    with running(contestant) as process:
        time.sleep(3)
        log = AuditLog(audit_log)
        began = time.monotonic()
        asyncio.run(create_many(kubeconfig, APPLICATIONS, (application(namespace, n, replicas) for n in range(count))))
        while ready_count(kube, namespace) < count:
            if time.monotonic() - began > 600:
                raise SystemExit(f"{contestant.name}: only {ready_count(kube, namespace)} of {count} got ready")
            time.sleep(0.5)
        seconds = time.monotonic() - began
        time.sleep(2)
        resident, cpu = usage(process.pid)
        writes = Counter(call.path for call in writes_of(log, contestant.user))
    kube.delete_namespace_and_wait(namespace, seconds=600)
    return Run(contestant.name, seconds, writes, resident, cpu)


def writes_of(log: AuditLog, user: str) -> list[Call]:
    """What a user wrote and the API server carried out, beside the Applications themselves, which the bench creates."""
    done = [call for call in log.writes(user) if call.status < 300]
    return [call for call in done if (call.verb, call.path) != ("create", APPLICATIONS.plural)]


@contextmanager
def running(contestant: Contestant) -> Iterator[subprocess.Popen[bytes]]:
    """A contestant's process for the life of the block."""
    process = contestant.start()
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def usage(pid: int) -> tuple[float, float]:
    """Resident MiB and CPU seconds of a process so far."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return resident, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def contestants(kube: Kube, kubeconfig: Path, folder: Path) -> list[Contestant]:
    """Timonier under its own service account; the peer as a cluster administrator."""
    replicas: list[OperatorProcess] = []
    install(kube, LoopbackService(lambda: replicas).url)
    account = service_account_kubeconfig(kubeconfig, OPERATOR_NAMESPACE, "timonier", folder / "timonier.kubeconfig")
    program = folder / "peer"
    print("building the peer", flush=True)
    subprocess.run(["go", "build", "-trimpath", "-o", str(program), "."], cwd=PEER, check=True)
    administrator = kube.whoami()

    def start_timonier() -> subprocess.Popen[bytes]:
        replicas.append(start_operator(account, OPERATOR_NAMESPACE, folder / "timonier.log"))
        return replicas[-1].process

    def start_peer() -> subprocess.Popen[bytes]:
        with (folder / "peer.log").open("ab") as sink:
            return subprocess.Popen([str(program), "-config", str(kubeconfig)], stdout=sink, stderr=sink)

    return [
        Contestant("timonier", f"system:serviceaccount:{OPERATOR_NAMESPACE}:timonier", start_timonier),
        Contestant("controller-runtime", administrator, start_peer),
    ]


def compare(
    kube: Kube, kubeconfig: Path, audit_log: Path, entrants: list[Contestant], arguments: argparse.Namespace
) -> None:
    """Both in turn, as often as asked; then the ratio pair by pair."""
    rounds: list[list[Run]] = []
    for _ in range(arguments.rounds):
        pair = []
        for entrant in entrants:
            run = measure(kube, kubeconfig, audit_log, entrant, arguments.count, 1)
            print(run.row(arguments.count), flush=True)
            pair.append(run)
        rounds.append(pair)
    for number, (ours, theirs) in enumerate(rounds, 1):
        print(
            f"round {number}: time timonier/peer {ours.seconds / theirs.seconds:.2f}, "
            f"writes {sum(ours.writes.values()) / sum(theirs.writes.values()):.2f}, "
            f"memory {ours.resident / theirs.resident:.2f}"
        )


def at_scale(kube: Kube, kubeconfig: Path, ours: Contestant, count: int, secrets: int) -> None:
    """Resident memory with many Applications (no pods: those are not what is measured) and foreign Secrets."""
    for namespace in ("many", "foreign"):
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    with running(ours) as process:
        asyncio.run(create_many(kubeconfig, APPLICATIONS, (application("many", n, 0) for n in range(count))))
        while ready_count(kube, "many") < count:
            time.sleep(10)
        print(f"{count} Applications: {usage(process.pid)[0]:.0f} MiB", flush=True)
    with running(ours) as process:
        time.sleep(30)
        before = usage(process.pid)[0]
        print(f"{count} Applications, started afresh: {before:.0f} MiB", flush=True)
        asyncio.run(
            create_many(
                kubeconfig,
                SECRETS,
                (
                    {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "foreign", "name": f"s-{n}"},
                     "stringData": {"value": "x" * 1000}}
                    for n in range(secrets)
                ),
            )
        )  # fmt: skip
        print(f"and {secrets} foreign Secrets: {usage(process.pid)[0]:.0f} MiB (was {before:.0f})", flush=True)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="Applications per run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="pairs of runs (default: %(default)s)")
    parser.add_argument("--scale", action="store_true", help="measure memory with 10,000 Applications as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="timonier-bench-") as name:
        folder = Path(name)
        progress = Progress(sys.stdout)
        with devcluster.cluster.running(ClusterSpec(name="bench", count=4), folder / "cluster", progress) as cluster:
            progress.end()
            kube = Kube(cluster.kubeconfig)
            entrants = contestants(kube, cluster.kubeconfig, folder)
            compare(kube, cluster.kubeconfig, cluster.audit_log, entrants, arguments)
            if arguments.scale:
                at_scale(kube, cluster.kubeconfig, entrants[0], 10_000, 20_000)


if __name__ == "__main__":
    main()
