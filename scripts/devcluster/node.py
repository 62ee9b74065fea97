"""A real node: namespaces of its own, a cable to them, and containerd, kubelet and kube-proxy inside. Linux, root."""

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from devcluster import node_configuration as files
from devcluster.errors import DevclusterError, UnavailableError
from devcluster.images import Entry, Image, names_in, write_image, write_layer
from devcluster.layout import Layout
from devcluster.network import Network, connect, connected, disconnect
from devcluster.processes import Daemon, as_administrator

__all__ = [
    "check",
    "check_folder",
    "furnish",
    "has_containerd",
    "inside",
    "load_image",
    "remove",
    "start",
]

_PLUGIN_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")

_LAUNCHER = (sys.executable, "-m", "devcluster.namespaces")


def check() -> None:
    """Raise UnavailableError when this machine cannot have a real node as it is: one sentence, and the way out."""
    if sys.platform != "linux":
        raise UnavailableError("a real node needs Linux: take simulated ones with --nodes kwok")
    if os.geteuid() != 0:
        raise UnavailableError(
            "a real node needs root: run the command with sudo, or take simulated ones (--nodes kwok)"
        )
    path = as_administrator(os.environ)["PATH"]
    missing = [name for name in files.PACKAGES if shutil.which(name, path=path) is None]
    if missing or _plugins() is None:
        raise UnavailableError(files.missing_sentence(missing, plugins=_plugins() is None))
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise UnavailableError(
            f"a real node needs namespaces of its own, which this machine does not grant ({answer.stderr.strip()}): "
            f"where root is confined to a container, that one has to be privileged"
        )


def check_folder(folder: Path) -> None:
    """Raise DevclusterError when a node could not see its own folder there."""
    for target in files.HIDDEN:
        if folder.resolve().is_relative_to(target):
            raise DevclusterError(f"a real node has a {target} of its own, so {folder} cannot be its folder: see --dir")


def _plugins() -> Path | None:
    folders = [Path(folder) for folder in _PLUGIN_FOLDERS]
    return next((one for one in folders if all((one / name).exists() for name in files.CNI_PLUGINS)), None)


def furnish(layout: Layout, network: Network, pause: Path) -> None:
    """Write what a node reads, once. `check` has passed."""
    etc, tunables = layout.node_configuration, layout.node / "tunables"
    (etc / "cni").mkdir(parents=True)
    tunables.mkdir()
    for name, value in files.TUNABLES.items():
        (tunables / name.replace("/", ".")).write_text(value + "\n")
    plugins = _plugins()
    if plugins is None:
        raise UnavailableError(files.missing_sentence([], plugins=True))
    (etc / "containerd.toml").write_text(files.containerd_configuration(layout, plugins, _snapshotter(layout.folder)))
    (etc / "cni" / "10-devcluster.conflist").write_text(files.network_configuration(network))
    (etc / "kubelet.yaml").write_text(files.kubelet_configuration(layout, network, f"/{layout.label}"))
    layer = etc / "pause.layer"
    write_layer(layer, [Entry("pause", pause.read_bytes())])
    write_image(layout.pause_image, Image(files.PAUSE_IMAGE, entrypoint=["/pause"], user="65535:65535"), [layer])
    layer.unlink()


def _snapshotter(folder: Path) -> str:
    """Layers are stacked by the kernel, except on a file system that is such a stack itself: there they are copied."""
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    kind = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return "native" if kind in ("overlayfs", "aufs") else "overlayfs"


def start(layout: Layout, network: Network, init: Daemon) -> None:
    """Make the namespaces and lay the cable, unless both are there. As after a reboot, nothing runs in them."""
    if init.alive() and connected(network, layout.label):
        return
    remove(layout, network, init)
    for target in files.HIDDEN:
        place = layout.node / Path(target).name
        # A reboot empties the one, and addresses of pods that are no more would stay taken in the other.
        if place.name in ("run", "cni"):
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(exist_ok=True)
    for folder in _cgroups(layout):
        _enable_controllers(folder.parent)
        folder.mkdir(exist_ok=True)
    description = json.dumps(files.surroundings(layout))
    command = (*_LAUNCHER, "make", str(init.pid_file), description)
    if not init.start_through(command, as_administrator(os.environ)):
        raise UnavailableError(f"the node's namespaces could not be made: {init.tail(3)}")
    connect(network, layout.label, _pid(init))


def inside(init: Daemon, daemon: Daemon, command: Sequence[str]) -> list[str]:
    """The launcher that starts a daemon's command in the node's namespaces."""
    return [*_LAUNCHER, "enter", str(_pid(init)), str(daemon.pid_file), *command]


def _pid(init: Daemon) -> int:
    identity = init.identity()
    if identity is None or not init.alive():
        raise DevclusterError("the node does not run: 'devcluster up' with the same options starts it again")
    return identity.pid


def remove(layout: Layout, network: Network, init: Daemon) -> None:
    """End the node with everything in it, and take back what the kernel keeps for it. Raises DevclusterError."""
    # A few thousand processes and mounts may have to go before the first process is gone.
    init.stop(0, patience=120)
    if init.alive():
        raise DevclusterError("the kernel has not ended the node's processes within two minutes: try again later")
    disconnect(network, layout.label)
    for folder in _cgroups(layout):
        _remove_cgroup(folder)


def _cgroups(layout: Layout) -> list[Path]:
    return files.cgroup_folders(Path("/proc/mounts").read_text(), layout.label)


def _enable_controllers(hierarchy: Path) -> None:
    """On version 2 a group has the controllers that its parent hands down; kubelet needs most of them."""
    available = hierarchy / "cgroup.controllers"
    if available.exists():
        for controller in available.read_text().split():
            # One that cannot be had, such as cpu beside realtime processes, is missed by kubelet, which says so.
            with contextlib.suppress(OSError):
                (hierarchy / "cgroup.subtree_control").write_text(f"+{controller}")


def _remove_cgroup(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while folder.exists():
        for below, _, _ in os.walk(folder, topdown=False):
            try:
                Path(below).rmdir()
            except OSError as error:
                # The kernel lets go of the last process of a group a moment after its end.
                if time.monotonic() > deadline:
                    raise DevclusterError(f"the control group {below} could not be removed: {error.strerror}") from None
                time.sleep(0.02)


def has_containerd(init: Daemon) -> bool:
    """It answers."""
    return _ctr(init, "version").returncode == 0


def load_image(init: Daemon, archive: Path) -> list[str]:
    """Import an archive as `docker save` and others write it, compressed or not; the names that it gives.

    Raises DevclusterError.
    """
    names = names_in(archive)
    with archive.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    # containerd does not see our path, but what we send.
    with gzip.open(archive) if compressed else archive.open("rb") as content:
        command = _ctr_command(init, "images", "import", "-")
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if process.stdin is not None:
            # When it stops reading, it says itself what it does not like.
            with contextlib.suppress(BrokenPipeError):
                shutil.copyfileobj(content, process.stdin, 1 << 20)
        output, _ = process.communicate()
    if process.returncode != 0:
        lines = output.decode(errors="replace").splitlines() or ["no reason given"]
        raise DevclusterError(f"{archive} could not be loaded as an image: {lines[-1]}")
    return names


def _ctr(init: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_ctr_command(init, *arguments), capture_output=True, text=True, check=False)


def _ctr_command(init: Daemon, *arguments: str) -> list[str]:
    address = ["ctr", "--address", files.CONTAINERD_SOCKET, "--namespace", "k8s.io"]
    return ["nsenter", f"--target={_pid(init)}", "--mount", "--net", *address, *arguments]
