"""The command `devcluster`: the one place where errors are shown."""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from devcluster import cluster as clusters
from devcluster.errors import DevclusterError
from devcluster.progress import Progress
from devcluster.spec import ClusterSpec

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. 0: done; 1: a reason was printed; 130: interrupted."""
    options = _parser().parse_args(arguments)
    progress = Progress()
    previous = signal.signal(signal.SIGTERM, _interrupt)
    folder = options.dir or clusters.default_folder(options.name)
    try:
        code: int = _COMMANDS[options.command](options, folder, progress)
    except DevclusterError as error:
        progress.end()
        sys.stderr.write(f"devcluster: {error}\n")
        return 1
    except OSError as error:
        progress.end()
        sys.stderr.write(f"devcluster: {error.filename or folder}: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        progress.end()
        sys.stderr.write("devcluster: interrupted; a cluster that was not finished has been removed\n")
        return 130
    else:
        return code
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devcluster", description="A real Kubernetes control plane on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "bring a cluster up, or what of it does not run"),
        ("down", "stop a cluster and remove its folder"),
        ("status", "say how a cluster is; exit code 0 when it is ready"),
        ("load-image", "give a real node an image, from an archive as 'docker save' writes it"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--name", default="default", help="which cluster (default: default)")
        command.add_argument("--dir", type=Path, help="its folder (default: .devcluster/NAME)")
        if name == "up":
            command.add_argument(
                "--nodes", choices=("kwok", "real"), default="kwok", help="simulated nodes or a real one"
            )
            command.add_argument("--count", type=int, default=2, help="how many simulated nodes (default: 2)")
            command.add_argument(
                "--apiserver-arg", action="append", default=[], metavar="--NAME=VALUE", help="a flag for kube-apiserver"
            )
        if name == "load-image":
            command.add_argument("archive", type=Path, metavar="ARCHIVE", help="a .tar or .tar.gz file")
        if name == "status":
            command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _up(options: argparse.Namespace, folder: Path, progress: Progress) -> int:
    spec = ClusterSpec(options.name, options.nodes, options.count, tuple(options.apiserver_arg))
    external = clusters.given(os.environ, folder)
    if external is not None:
        sys.stderr.write(f"KUBECONFIG is set: the cluster at {external.url} is used; its kubeconfig:\n")
        _print(str(external.kubeconfig))
        return 0
    cluster = clusters.up(spec, folder, progress)
    progress.end()
    sys.stderr.write(f"cluster {spec.name} is up at {cluster.url}; its kubeconfig:\n")
    _print(str(cluster.kubeconfig))
    kubectl = cluster.kubectl()
    if kubectl is not None and shutil.which("kubectl") is None:
        sys.stderr.write(f"there is no kubectl on PATH; here is one: {kubectl}\n")
    return 0


def _down(options: argparse.Namespace, folder: Path, progress: Progress) -> int:
    found = clusters.down(folder, progress)
    progress.end()
    _print(f"cluster {options.name} is gone" if found else f"there is no cluster in {folder}")
    return 0


def _status(options: argparse.Namespace, folder: Path, _progress: Progress) -> int:
    found = clusters.status(folder)
    if options.json:
        _print(json.dumps(None if found is None else found.as_json(), indent=2))
    elif found is None:
        _print(f"there is no cluster in {folder}: 'devcluster up --dir {shlex.quote(str(folder))}' makes one")
    else:
        _print(_describe(found))
    return 0 if found is not None and found.ready else 1


def _load_image(options: argparse.Namespace, folder: Path, _progress: Progress) -> int:
    for name in clusters.load_image(folder, options.archive):
        _print(name)
    return 0


def _describe(found: clusters.Status) -> str:
    lines = [f"cluster {found.name} at {found.url} is {'ready' if found.ready else 'NOT ready'}"]
    lines += [
        f"  {process.name:<24} {'running' if process.running else 'DEAD':<8} pid {process.pid or '-'}"
        for process in found.processes
    ]
    lines.append(f"kubeconfig {found.kubeconfig}")
    if found.dead():
        lines.append(f"'devcluster up' with the same options starts again: {', '.join(found.dead())}")
    return "\n".join(lines)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


_COMMANDS = {"up": _up, "down": _down, "status": _status, "load-image": _load_image}


if __name__ == "__main__":
    sys.exit(main())
