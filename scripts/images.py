"""Build the operator's and the mover's image of a commit, so that whoever builds it again gets the same digests.

Needs buildah and git. `check` builds both twice, from sources of other ages, and says what differs.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from balise.images.difference import differences
from balise.images.layout import Image, open_layout
from balise.model.errors import InputError

REPOSITORY: Final = Path(__file__).parents[1]
# The name of each image, and the stage of the Containerfile that is built for it: none is the last one.
STAGES: Final = {"timonier": "", "timonier-mover": "mover"}


@dataclass(frozen=True, slots=True)
class Sources:
    """A commit's files in a folder of their own: what is not committed is in no image."""

    folder: Path
    commit: str
    seconds: int

    @property
    def version(self) -> str:
        """The version that the commit calls itself."""
        version: str = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]["version"]
        return version


def main() -> int:
    """Do what the command line asks for; 1 when two builds differ, or when one fails."""
    args = _parser().parse_args()
    try:
        commit = _git("rev-parse", f"{args.commit}^{{commit}}").decode().strip()
        if _git("status", "--porcelain"):
            sys.stderr.write(f"images: what is not committed is left out: {commit} is built\n")
        return check(commit, args) if args.action == "check" else build(commit, args)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"images: {Path(error.cmd[0]).name} failed, see above\n")
        return 1
    except (InputError, OSError) as error:
        sys.stderr.write(f"images: {error}\n")
        return 1


def build(commit: str, args: argparse.Namespace) -> int:
    """Build each image into a folder of the output, in the OCI image layout."""
    with tempfile.TemporaryDirectory(prefix="timonier-images-") as scratch:
        sources = export(commit, Path(scratch))
        for name in STAGES:
            folder = args.output / name
            shutil.rmtree(folder, ignore_errors=True)
            print(f"{name}:v{sources.version} {build_one(sources, name, folder, args).digest} in {folder}")
    return 0


def check(commit: str, args: argparse.Namespace) -> int:
    """Build each image twice; say the digest that both builds have, or what differs."""
    failed = False
    for name in STAGES:
        images = list[Image]()
        with tempfile.TemporaryDirectory(prefix="timonier-images-") as scratch:
            for number in (1, 2):
                folder = Path(scratch, str(number))
                sources = export(commit, folder / "sources", age=number * 86_400)
                images.append(build_one(sources, name, folder / "image", args))
            found = list(differences(*images))
        failed |= bool(found)
        print(f"{name}: {'NOT reproduced' if found else f'twice {images[0].digest}'}")
        for line in found:
            print(f"  {line}")
    return int(failed)


def export(commit: str, folder: Path, *, age: int = 0) -> Sources:
    """The files of a commit, as old as it is, or as many seconds older; modes are git's, not a umask's."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit))) as content:
        content.extractall(folder, filter="data")
    seconds = int(_git("log", "-1", "--format=%ct", commit))
    for path in folder.rglob("*"):
        os.utime(path, (seconds - age, seconds - age), follow_symlinks=False)
    return Sources(folder, commit, seconds)


def build_one(sources: Sources, name: str, folder: Path, args: argparse.Namespace) -> Image:
    """Build one image into a folder. Raises CalledProcessError when buildah fails, which has then said why."""
    tag = f"localhost/{name}:v{sources.version}"
    given = {
        "BASE_IMAGE": args.base_image,
        "MOVER_BASE_IMAGE": args.mover_base_image,
        "APT_SOURCES": "\n".join(args.apt_source),
        "VERSION": sources.version,
        "REVISION": sources.commit,
    }
    stage = STAGES[name]
    options = [
        "--quiet",
        "--layers=false",
        f"--isolation={args.isolation}",
        f"--timestamp={sources.seconds}",
        # Both would name what is no input: the times of the sources, and the builder's version.
        "--omit-history",
        "--identity-label=false",
        *(f"--build-arg={key}={value}" for key, value in given.items() if value),
        *([f"--target={stage}"] if stage else [f"--volume={volume}" for volume in args.volume]),
    ]
    folder.parent.mkdir(parents=True, exist_ok=True)
    # What buildah tells goes to standard error: standard output is for digests.
    buildah = _program("buildah")
    subprocess.run([buildah, "build", *options, f"--tag={tag}", sources.folder], stdout=sys.stderr, check=True)
    layout = f"oci:{folder}:v{sources.version}"
    subprocess.run([buildah, "push", "--quiet", tag, layout], stdout=sys.stderr, check=True)
    return open_layout(folder)


def _git(*arguments: str) -> bytes:
    return subprocess.run([_program("git"), "-C", REPOSITORY, *arguments], stdout=subprocess.PIPE, check=True).stdout


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"images: {name} is needed: install it, for instance with apt-get install {name}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="images", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["build", "check"])
    parser.add_argument("--commit", default="HEAD", help="what is built (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "dist/images", metavar="DIR",
                        help="where images are written to (default: dist/images)")  # fmt: skip
    parser.add_argument("--base-image", default="", metavar="IMAGE",
                        help="what the operator's image stands on (default: what the Containerfile says)")  # fmt: skip
    parser.add_argument("--mover-base-image", default="", metavar="IMAGE", help="the same for the mover's")
    parser.add_argument("--apt-source", action="append", default=[], metavar="ENTRY",
                        help="where the mover's packages come from, as in sources.list; may be repeated")  # fmt: skip
    parser.add_argument("--volume", action="append", default=[], metavar="SOURCE:TARGET[:ro]",
                        help="seen while pip runs, and in no image: what it needs to reach its index")  # fmt: skip
    parser.add_argument("--isolation", default="chroot", choices=["chroot", "oci", "rootless"],
                        help="how buildah runs commands (default: %(default)s)")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
