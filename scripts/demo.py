"""The whole story in a minute: from code to a running operator that was installed from its own catalog.

    make demo              everything, cleaned up at the end
    make demo KEEP=--keep  leave the cluster and the operator up, and say how to look around

No root, no container engine: a real API server with simulated nodes. A simulated node runs no containers, so the
operator runs as a process beside the cluster, under the service account and with the permissions of its bundle.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from devcluster.cluster import Cluster, down, up
from devcluster.errors import DevclusterError
from devcluster.progress import Progress
from devcluster.spec import ClusterSpec

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = REPOSITORY / ".venv" / "bin"
SAMPLES = REPOSITORY / "operator" / "samples"
SYSTEM = "timonier-system"
SHOP = "shop"

_COLOUR = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def paint(code: str, text: str) -> str:
    """Colour on a terminal, plain text elsewhere."""
    return f"\033[{code}m{text}\033[0m" if _COLOUR else text


class DemoError(Exception):
    """A step did not end as it should; the message says which, and what was seen."""


class Narrator:
    """Prints the transcript: chapters, the commands that are run, what they print, and how long things took."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def chapter(self, title: str) -> None:
        """A headline with the time since the start."""
        print(f"\n{paint('1;36', f'■ {title}')}  {paint('2', f'+{self.elapsed():.1f} s')}", flush=True)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """A remark."""
        print(f"  {text}", flush=True)

    def took(self, what: str, seconds: float) -> None:
        """A measurement."""
        print(
            f"  {paint('1;32', '✔')} {what} {paint('1', f'{seconds:.2f} s')}",
            flush=True,
        )

    def run(self, command: Sequence[str], *, shown: str, lines: int = 40, stdin: str | None = None) -> str:
        """Run a command and show it with what it prints. Raises DemoError when it fails."""
        print(f"  {paint('1;33', '$')} {paint('1', shown)}", flush=True)
        done = subprocess.run(command, capture_output=True, text=True, input=stdin, cwd=REPOSITORY, check=False)
        output = done.stdout.splitlines() + (done.stderr.splitlines() if done.returncode else [])
        for line in output[:lines]:
            print(f"    {line}")
        if len(output) > lines:
            print(paint("2", f"    … {len(output) - lines} more lines"))
        if done.returncode:
            raise DemoError(f"`{shown}` ended with exit code {done.returncode}")
        return done.stdout


class Kubectl:
    """kubectl against the demo's cluster."""

    def __init__(self, cluster: Cluster, narrator: Narrator) -> None:
        program = cluster.kubectl() or shutil.which("kubectl")
        if program is None:
            raise DemoError("kubectl is needed: put it on PATH")
        self._base = [str(program), "--kubeconfig", str(cluster.kubeconfig)]
        self._narrator = narrator

    def show(self, *arguments: str) -> str:
        """Run it as a chapter's step, shown to the reader."""
        return self._narrator.run([*self._base, *arguments], shown=f"kubectl {' '.join(arguments)}")

    def ask(self, *arguments: str) -> str:
        """Run it quietly; an empty answer when it fails."""
        done = subprocess.run([*self._base, *arguments], capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def apply(self, manifests: str) -> None:
        """Apply manifests quietly. Raises DemoError when they are refused."""
        command = [*self._base, "apply", "--server-side", "--filename", "-"]
        done = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoError(done.stderr.strip())


def wait_for(what: str, probe: Callable[[], bool], seconds: float = 30.0) -> float:
    """Wait until something is true. Returns the seconds it took; raises DemoError when it takes too long."""
    began = time.monotonic()
    while not probe():
        if time.monotonic() - began > seconds:
            raise DemoError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - began


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def release(narrator: Narrator) -> Path:
    """Generate the bundle, build the catalog, check both, ask what OLM would do. Returns what it would install."""
    narrator.chapter("From code to a bundle and a catalog")
    narrator.run([str(BIN / "balise"), "generate"], shown="balise generate", lines=6)
    narrator.run([str(BIN / "balise"), "catalog", "build"], shown="balise catalog build", lines=6)
    narrator.run([str(BIN / "balise"), "check", "bundle", "catalog"], shown="balise check bundle catalog", lines=8)
    narrator.chapter("What will OLM do with it?")
    command = ["plan", "--catalog", "catalog/timonier", "--package", "timonier"]
    narrator.run([str(BIN / "balise"), *command], shown=f"balise {' '.join(command)}", lines=20)
    answer = subprocess.run(
        [str(BIN / "balise"), *command, "--format", "json"], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    (head,) = json.loads(answer.stdout)["final"]
    return REPOSITORY / "bundle" / head.removeprefix("timonier.v")


def install(kubectl: Kubectl, narrator: Narrator, bundle: Path, webhooks: str) -> None:
    """Install the bundle the way OLM does, and nothing else: the operator gets what its CSV asks for."""
    narrator.chapter("Install that version, with exactly the permissions its CSV asks for")
    command = [
        str(BIN / "balise"),
        "render",
        str(bundle),
        "--namespace",
        SYSTEM,
        "--webhook-url",
        f"https://{webhooks}",
    ]
    manifests = subprocess.run(command, capture_output=True, text=True, check=False)
    if manifests.returncode:
        raise DemoError(manifests.stderr)
    kinds = sorted(document["kind"] for document in yaml.safe_load_all(manifests.stdout))
    # The operator runs beside the cluster here: its Service would lead nowhere.
    shown = (
        f"balise render bundle/{bundle.name} --namespace {SYSTEM} --webhook-url https://{webhooks} | kubectl apply -f -"
    )
    narrator.say(f"{paint('1;33', '$')} {paint('1', shown)}")
    narrator.say("  " + ", ".join(kinds))
    kubectl.apply(manifests.stdout)
    allowed = kubectl.ask("auth", "can-i", "get", "secrets", "--all-namespaces",
                          f"--as=system:serviceaccount:{SYSTEM}:timonier")  # fmt: skip
    narrator.say(f"may it read Secrets? {paint('1', allowed.strip() or 'no')}")


@contextlib.contextmanager
def operator(
    cluster: Cluster, kubectl: Kubectl, narrator: Narrator, folder: Path, webhooks: str, *, keep: bool
) -> Iterator[Path]:
    """The operator's process, under its service account. Yields its log; stopped at the end unless `keep`."""
    token = kubectl.ask("create", "token", "timonier", "--namespace", SYSTEM, "--duration", "12h").strip()
    source = yaml.safe_load(cluster.kubeconfig.read_text())
    source["users"] = [{"name": "operator", "user": {"token": token}}]
    source["contexts"] = [{"name": "op", "context": {"cluster": source["clusters"][0]["name"], "user": "operator"}}]
    source["current-context"] = "op"
    kubeconfig = folder / "operator.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(source))
    kubeconfig.chmod(0o600)
    log = folder / "operator.log"
    command = [str(BIN / "timonier"), "run", "--kubeconfig", str(kubeconfig), "--namespace", SYSTEM,
               "--health-address", "", "--metrics-address", "", "--webhook-address", webhooks]  # fmt: skip
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=keep)
    try:
        seconds = wait_for("the operator leads", lambda: '"became the leader"' in log.read_text())
        narrator.took("the operator runs and leads after", seconds)
        seconds += wait_for("it serves webhooks", lambda: "serving webhooks" in log.read_text())
        narrator.took("its webhooks answer, with a certificate of its own, after", seconds)
        yield log
    finally:
        if not keep:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def applications_in(path: Path) -> list[str]:
    """The names of a file's Applications, where it has nothing else: runs want data and stores, which are not here."""
    documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
    names = [document["metadata"]["name"] for document in documents if document["kind"] == "Application"]
    return names if len(names) == len(documents) else []


def applications(kubectl: Kubectl, narrator: Narrator) -> None:
    """Run four applications, scale one, vandalise one, delete all, and time each."""
    narrator.chapter(
        "Four applications: a web server, a database, an autoscaled one, and one in the simple form v1alpha1"
    )
    kubectl.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}))
    samples = {path: names for path in sorted(SAMPLES.glob("*.yaml")) if (names := applications_in(path))}
    tried = ("apply", "--namespace", SHOP, "--filename", str(next(iter(samples))), "--dry-run=server")
    seconds = wait_for("requests are reviewed", lambda: bool(kubectl.ask(*tried)))
    narrator.took("who writes them is asked what they may do; reviewed after", seconds)
    names = [name for found in samples.values() for name in found]
    began = time.monotonic()
    for sample in samples:
        kubectl.show("apply", "--namespace", SHOP, "--filename", str(sample.relative_to(REPOSITORY)))
    for name in names:
        waiting = ("wait", "--for=condition=Ready", f"application/{name}", "--namespace", SHOP, "--timeout=40s")
        if not kubectl.ask(*waiting):
            kubectl.show("get", "application", name, "--namespace", SHOP, "--output", "yaml")
            raise DemoError(f"{name} did not get ready")
    narrator.took("all Ready after", time.monotonic() - began)
    kubectl.show("get", "applications", "--namespace", SHOP)
    kubectl.show("get", "deployments,statefulsets,services,ingresses,networkpolicies,hpa,pdb,pvc", "--namespace", SHOP)
    scale(kubectl, narrator)
    vandalise(kubectl, narrator)
    delete(kubectl, narrator, names)


def scale(kubectl: Kubectl, narrator: Narrator) -> None:
    """`kubectl scale` works on the Application itself."""
    narrator.chapter("Scale")
    kubectl.show("scale", "application/web", "--replicas=4", "--namespace", SHOP)

    def scaled() -> bool:
        value = json.loads(kubectl.ask("get", "application", "web", "--namespace", SHOP, "--output", "json") or "{}")
        return bool(value.get("status", {}).get("readyReplicas") == 4)

    narrator.took("4 replicas ready after", wait_for("4 ready replicas", scaled))


def vandalise(kubectl: Kubectl, narrator: Narrator) -> None:
    """Delete one child and change another; the watch brings both back."""
    narrator.chapter("Vandalise its children")
    kubectl.show("delete", "service", "web", "--namespace", SHOP, "--wait=false")
    seconds = wait_for("the Service is back", lambda: bool(kubectl.ask("get", "service", "web", "--namespace", SHOP)))
    narrator.took("the Service is back after", seconds)
    kubectl.show("set", "image", "deployment/web", "*=registry.example/evil:1", "--namespace", SHOP)

    def repaired() -> bool:
        images = "jsonpath={.spec.template.spec.containers[*].image}"
        return "evil" not in kubectl.ask("get", "deployment", "web", "--namespace", SHOP, "--output", images)

    narrator.took("the image is back after", wait_for("the image is back", repaired))
    kubectl.show("get", "events", "--namespace", SHOP, "--field-selector=involvedObject.kind=Application",
                 "--output=custom-columns=TYPE:.type,REASON:.reason,NOTE:.message")  # fmt: skip


def delete(kubectl: Kubectl, narrator: Narrator, names: Sequence[str]) -> None:
    """Owner references clean up; the data stays unless the Application says otherwise."""
    narrator.chapter("Delete")
    kubectl.show("delete", "applications", *names, "--namespace", SHOP)

    def gone() -> bool:
        return not kubectl.ask("get", "deployments,statefulsets,services,hpa", "--namespace", SHOP, "--output", "name")

    narrator.say("(Kubernetes' garbage collector looks for new kinds every 30 s; later deletions take a second)")
    narrator.took("all children gone after", wait_for("no children left", gone, seconds=90.0))
    left = kubectl.ask("get", "pvc", "--namespace", SHOP, "--output", "name").split()
    narrator.say(f"kept, because deletionPolicy is Retain: {', '.join(left) or 'nothing'}")


def main() -> int:
    """Run the demo. Returns the exit code."""
    parser = argparse.ArgumentParser(description="From code to a running, installed operator.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster and the operator up")
    keep = parser.parse_args().keep
    narrator = Narrator()
    folder = REPOSITORY / ".devcluster" / "demo" if keep else Path(tempfile.mkdtemp(prefix="timonier-demo-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        narrator.chapter("A real Kubernetes API server with simulated nodes")
        progress = Progress(sys.stdout)
        cluster = up(ClusterSpec(name="demo"), folder / "cluster", progress)
        progress.end()
        narrator.took("API server, controllers and two simulated nodes are up after", narrator.elapsed())
        kubectl = Kubectl(cluster, narrator)
        bundle = release(narrator)
        webhooks = f"127.0.0.1:{free_port()}"
        install(kubectl, narrator, bundle, webhooks)
        with operator(cluster, kubectl, narrator, folder, webhooks, keep=keep) as log:
            applications(kubectl, narrator)
        narrator.chapter("Done")
        if keep:
            narrator.say(f"export KUBECONFIG={cluster.kubeconfig}")
            narrator.say("kubectl apply -f operator/samples/web.yaml; kubectl get applications --watch")
            narrator.say(f"the operator logs to {log}; it ends with: pkill -f {folder / 'operator.kubeconfig'}")
            narrator.say(f"the cluster ends with: .venv/bin/devcluster down --dir {folder / 'cluster'}")
    except KeyboardInterrupt:
        narrator.say("interrupted; cleaned up")
        return 130
    except (DemoError, DevclusterError) as error:
        print(f"\n{paint('1;31', '✘')} {error}", file=sys.stderr)
        return 1
    finally:
        if not keep:
            down(folder / "cluster")
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
