"""The namespaces that a real node lives in: its own processes, mounts and network. Runs as a program.

    python -m devcluster.namespaces make PID_FILE DESCRIPTION
    python -m devcluster.namespaces enter INIT PID_FILE COMMAND...

`make` leaves a first process behind. The kernel ends every process of the namespaces when the first one ends, and gives
back mounts and network with the last of them: a node is removed by one signal to one process, and nothing can escape.
DESCRIPTION is JSON: {"binds": [[source, target], ...], "rebuilt": [folder, ...]}. `enter` starts a command inside. Both
write the new process into its pid file, whose number is the one that the machine knows it by, and end.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from devcluster.processes import write_identity

__all__ = ["main"]

# unshare(2), setns(2), mount(2): values of Linux's stable interface. The os module has the first two from 3.12 on.
_CLONE_NEWNS, _CLONE_NEWPID, _CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC = 2, 4, 8, 4096, 16384
_MS_SLAVE, _MS_SHARED = 1 << 19, 1 << 20

_LOOK_AFTER_SECONDS = 5

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "namespaces")


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    arguments = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None)
    _checked(_libc.mount(*arguments), f"mounting {source or kind} on {target}")


def _bind(source: str, target: str) -> None:
    _mount(source, target, "", _MS_BIND | _MS_REC)


def _make(arguments: Sequence[str]) -> int:
    pid_file, description = Path(arguments[0]), json.loads(arguments[1])
    _unshare(_CLONE_NEWPID)
    (read, write), (remembered, remember) = os.pipe(), os.pipe()

    def first_process() -> None:
        os.close(read)
        os.close(remember)
        if not os.read(remembered, 1):
            return
        _unshare(_CLONE_NEWNS | _CLONE_NEWNET)
        _furnish(description)
        os.write(write, b"ready")
        os.close(write)
        _collect_orphans(pid_file)

    _leave_behind(pid_file, first_process)
    os.close(write)
    os.write(remember, b"!")
    return 0 if os.read(read, 16) else 1


def _enter(arguments: Sequence[str]) -> int:
    init, pid_file, command = arguments[0], Path(arguments[1]), list(arguments[2:])
    network, mounts = (os.open(f"/proc/{init}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("net", "mnt"))
    processes = os.open(f"/proc/{init}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    _checked(_libc.setns(processes, _CLONE_NEWPID), "joining the node's processes")

    def program() -> None:
        _checked(_libc.setns(network, _CLONE_NEWNET), "joining the node's network")
        _checked(_libc.setns(mounts, _CLONE_NEWNS), "joining the node's mounts")
        os.execvp(command[0], command)  # noqa: S606 - a program with its arguments, no shell wanted

    _leave_behind(pid_file, program)
    return 0


def _leave_behind(pid_file: Path, work: Callable[[], None]) -> None:
    """Run `work` in a new process that outlives this one."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            work()
        except BaseException as error:  # noqa: BLE001 - a forked process must never return into its parent's code
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)
    # We are still in the machine's own mounts, whose /proc knows the process by the number that fork answered.
    write_identity(pid_file, pid)


def _furnish(description: dict[str, list[list[str]]]) -> None:
    """The node's view of the file system. What the machine mounts later is seen here; nothing is seen the other way."""
    _mount("", "/", "", _MS_REC | _MS_SLAVE)
    _mount("", "/", "", _MS_REC | _MS_SHARED)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for folder in description["rebuilt"]:
        _rebuild(Path(str(folder)))
    for source, target in description["binds"]:
        if Path(source).is_dir():
            Path(target).mkdir(parents=True, exist_ok=True)
        _bind(source, target)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _rebuild(folder: Path) -> None:
    """Put an empty folder over a folder of the machine and bind its entries into it: new ones can be added unseen."""
    entries = list(os.scandir(folder))
    descriptors = [os.open(entry.path, os.O_PATH | os.O_NOFOLLOW) for entry in entries]
    links = {entry.name: Path(entry.path).readlink() for entry in entries if entry.is_symlink()}
    kinds = {entry.name: entry.is_dir() for entry in entries}
    _mount("tmpfs", str(folder), "tmpfs", _MS_NOSUID | _MS_NODEV)
    folder.chmod(0o755)
    for entry, descriptor in zip(entries, descriptors, strict=True):
        target = folder / entry.name
        if entry.name in links:
            target.symlink_to(links[entry.name])
        else:
            make = target.mkdir if kinds[entry.name] else target.touch
            make()
            _bind(f"/proc/self/fd/{descriptor}", str(target))
        os.close(descriptor)


def _collect_orphans(pid_file: Path) -> None:
    """What the first process of a namespace owes the others, until it is killed.

    It ends, and everything with it, when its pid file is removed: nobody would ever find it again.
    """
    # Blocked, so that an orphan that ends while we look is still waited for.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while pid_file.exists():
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigtimedwait({signal.SIGCHLD}, _LOOK_AFTER_SECONDS)


def main(arguments: Sequence[str]) -> int:
    """Run one of the two forms. 1: the reason is on standard error."""
    command, rest = arguments[0], arguments[1:]
    return _make(rest) if command == "make" else _enter(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
