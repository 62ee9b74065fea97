"""Images for pods of a real node, made of what Debian has packaged, without a container engine or a registry."""

import shutil
import subprocess
from pathlib import Path

from devcluster.images import Entry, Image, write_image, write_layer

__all__ = ["BUSYBOX", "busybox_archive", "static_busybox"]

BUSYBOX = "example.test/busybox:1"
"""A shell and its tools. Its wget crashes where the C library's files are missing, as here; nc does not."""


def static_busybox() -> Path | None:
    """The machine's busybox, when it is one that needs no other file."""
    found = shutil.which("busybox")
    # A dynamic program names its loader at its very beginning (ELF, PT_INTERP).
    return Path(found) if found and b"/ld-" not in Path(found).read_bytes()[:4096] else None


def busybox_archive(folder: Path, busybox: Path) -> Path:
    """The archive of the image BUSYBOX, made in that folder."""
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    entries = [
        Entry("bin/"),
        Entry("etc/"),
        Entry("tmp/", mode=0o1777),
        Entry("etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", mode=0o644),
        Entry("etc/group", b"root:x:0:\nuser:x:1000:\n", mode=0o644),
        Entry("bin/busybox", busybox.read_bytes()),
        *(Entry(f"bin/{name}", link="busybox") for name in names if name != "busybox"),
    ]
    layer, archive = folder / "busybox.layer", folder / "busybox.tar"
    write_layer(layer, entries)
    write_image(archive, Image(BUSYBOX, command=["sh"]), [layer])
    layer.unlink()
    return archive
