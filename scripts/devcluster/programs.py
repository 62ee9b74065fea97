"""Where the programs of a cluster come from: KUBEBUILDER_ASSETS first, else built once from Go modules and kept.

They are built in groups, one binary each, which is called by the names of its programs through links: linking five
control plane components apart costs five times the memory and disk for the same packages. A group is built when one of
its programs is wanted.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from devcluster.errors import DevclusterError, UnavailableError
from devcluster.go_toolchain import find_go, required_go
from devcluster.locking import exclusive
from devcluster.progress import Report

__all__ = [
    "GROUPS",
    "build_detail",
    "build_failure",
    "cache_folder",
    "find_programs",
    "kubernetes_version",
    "module_of",
    "version_key",
]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "controlplane": ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl"),
    "pki": ("pki",),
    "node": ("kubelet", "kube-proxy"),
    "pause": ("pause",),
}

_TITLES = {
    "controlplane": "the control plane",
    "pki": "the certificate maker",
    "node": "kubelet and kube-proxy",
    "pause": "the pods' first process",
}

# Two Go modules: what only a real node needs is another one, so that neither's change makes the other build again.
_MODULES = {"controlplane": "go", "pki": "go", "node": "go-node", "pause": "go-node"}

# Runs in a container that holds nothing else, no C library either.
_STATIC = ("pause",)


def kubernetes_version(go_mod: str) -> str:
    """The version of k8s.io/kubernetes that a go.mod asks for, such as v1.34.4."""
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v[\w.+-]+)", go_mod, re.MULTILINE)
    if found is None:
        raise DevclusterError("the Go module does not name k8s.io/kubernetes: reinstall devcluster")
    return found[1]


def module_of(group: str) -> Path:
    """The folder of the Go module that a group is built from."""
    return Path(__file__).parent / _MODULES[group]


def version_key(sources: Mapping[str, bytes], target: str) -> str:
    """The name under which built programs are kept: another source or platform is another key.

    `sources` holds file contents by relative path, `target` names the platform.
    """
    digest = hashlib.sha256(target.encode())
    for name in sorted(sources):
        digest.update(f"\0{name}\0{len(sources[name])}\0".encode())
        digest.update(sources[name])
    return f"{kubernetes_version(sources['go.mod'].decode())}-{digest.hexdigest()[:12]}"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """$XDG_CACHE_HOME/timonier/devcluster, by default below ~/.cache."""
    given = environment.get("XDG_CACHE_HOME", "")
    # XDG Base Directory Specification: a relative path is to be ignored.
    root = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return root / "timonier" / "devcluster"


def find_programs(names: Iterable[str], environment: Mapping[str, str], report: Report) -> dict[str, Path]:
    """Each program's path; what is not at hand is built. Raises DevclusterError."""
    wanted = tuple(names)
    found = _given(wanted, environment)
    for group, members in GROUPS.items():
        missing = [name for name in wanted if name in members and name not in found]
        if missing:
            folder = _built(group, environment, report)
            found.update({name: folder / name for name in missing})
    return found


def _given(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, Path]:
    assets = environment.get("KUBEBUILDER_ASSETS")
    if not assets:
        return {}
    found = {name: Path(assets).absolute() / name for name in names if os.access(Path(assets) / name, os.X_OK)}
    for essential in ("etcd", "kube-apiserver"):
        if essential in names and essential not in found:
            raise UnavailableError(
                f"KUBEBUILDER_ASSETS={assets} holds no {essential}: run 'setup-envtest use -p path' and set the "
                f"variable to its answer, or unset it and devcluster builds the programs itself"
            )
    return found


def _built(group: str, environment: Mapping[str, str], report: Report) -> Path:
    module = module_of(group)
    sources = {str(path.relative_to(module)): path.read_bytes() for path in sorted(module.rglob("*")) if path.is_file()}
    cache = cache_folder(environment)
    key = version_key(sources, f"{platform.system()}/{platform.machine()}")
    folder = cache / key / group
    if folder.is_dir():
        return folder
    with exclusive(cache / f"{key}-{group}.lock", lambda: report("waiting for another process that builds", group)):
        if not folder.is_dir():
            go = find_go(required_go(sources["go.mod"].decode()), cache, report)
            _build(group, folder, go, kubernetes_version(sources["go.mod"].decode()), report)
    return folder


def _build(group: str, folder: Path, go: str, version: str, report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{group}-", dir=folder.parent))
    try:
        _compile(group, unfinished / group, go, version, report)
        for name in GROUPS[group]:
            if name != group:
                (unfinished / name).symlink_to(group)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _compile(group: str, target: Path, go: str, version: str, report: Report) -> None:
    major, minor = version.removeprefix("v").split(".")[:2]
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion={version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    command = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(target), f"./{group}"]
    environment = os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    if group in _STATIC:
        environment["CGO_ENABLED"] = "0"
    step = f"building {_TITLES[group]}, Kubernetes {version} (once; minutes)"
    log = target.with_suffix(".log")
    report(step, "")
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=module_of(group), env=environment, stdout=sink, stderr=sink)
    try:
        while _still_running(process):
            report(step, build_detail(log.read_text(errors="replace")))
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0:
        raise UnavailableError(f"Go could not build {_TITLES[group]}: {build_failure(log.read_text(errors='replace'))}")
    log.unlink()


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return True
    return False


def build_failure(log: str) -> str:
    """The end of what `go build -v` complained about. Lines without a space only name packages."""
    complaints = [line for line in log.splitlines() if " " in line and not line.startswith("go: downloading ")]
    return " | ".join(complaints[-4:]) or "it gave no reason"


def build_detail(log: str) -> str:
    """How far `go build -v` is: it names each package once it is compiled, and each module that it downloads."""
    lines = log.splitlines()
    packages = sum(" " not in line for line in lines)
    if not lines:
        return "reading packages"
    return f"{packages} packages compiled, now {lines[-1].removeprefix('go: ')}" if packages else lines[-1][4:]
