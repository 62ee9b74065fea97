"""Catalogs of real size: how long it takes to check, compare and draw 20 MB, and to render a template.

    make bench                     this first; with $OPM set, opm validates beside it, in turn

The catalog is synthetic: this project's bundle in many packages and versions, descriptions and all.
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from balise.graph.rendering import render_bundle
from balise.model.bundle import load_bundle
from balise.model.yaml_writing import dump_all

REPOSITORY = Path(__file__).resolve().parents[2]
BALISE = Path(sys.executable).with_name("balise")
IMAGE = "registry.example.org/timonier-bundle:v0.1.0"
BYTES = 20 * 2**20
VERSIONS = 10
ROUNDS = 3


def synthetic(size: int) -> list[dict[str, Any]]:
    """Packages of some versions each, until their bundles have *size* bytes."""
    original = render_bundle(load_bundle(REPOSITORY / "bundle/0.1.0"), IMAGE).blob
    length = len(dump_all([original]))
    blobs: list[dict[str, Any]] = []
    for number in range(size // length // VERSIONS + 1):
        package = f"package-{number}"
        names = [f"{package}.v1.{minor}.0" for minor in range(VERSIONS)]
        edges = [
            {"name": name, **({"replaces": before} if before else {})}
            for name, before in zip(names, ["", *names], strict=False)
        ]
        blobs.append({"schema": "olm.package", "name": package, "defaultChannel": "stable"})
        blobs.append({"schema": "olm.channel", "package": package, "name": "stable", "entries": edges})
        for minor, name in enumerate(names):
            blob = copy.deepcopy(original) | {"name": name, "package": package}
            for each in blob["properties"]:
                if each["type"] == "olm.package":
                    each["value"] = {"packageName": package, "version": f"1.{minor}.0"}
            blobs.append(blob)
    return blobs


def write(folder: Path) -> None:
    """Write the catalog as YAML and as JSON."""
    blobs = synthetic(BYTES)
    streams = {"yaml": dump_all(list(blobs)), "json": "".join(json.dumps(blob, indent=4) + "\n" for blob in blobs)}
    for form, text in streams.items():
        (folder / form).mkdir()
        (folder / form / f"catalog.{form}").write_text(text)
        print(f"{form}: {len(text.encode()) / 2**20:.1f} MiB, {len(blobs)} documents")


def measure(title: str, command: Sequence[str | Path]) -> None:
    """Run a command several times; print the best wall-clock time, and the most memory that one of its processes took.

    Commands are measured in a process of their own, whose children they are alone.
    """
    code = (
        "import resource, subprocess, sys, time\n"
        f"took = []\nfor _ in range({ROUNDS}):\n"
        "    began = time.perf_counter()\n"
        "    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "    took.append(time.perf_counter() - began)\n"
        "print(min(took), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True)
    seconds, memory = map(float, done.stdout.split())
    print(f"{title:<44} {seconds:6.2f} s  {memory:5.0f} MiB", flush=True)


def main() -> int:
    """Measure."""
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]))
        return 0
    opm = os.environ.get("OPM")
    with tempfile.TemporaryDirectory(prefix="balise-bench-") as temporary:
        # In a process of its own: a child starts with the size of its parent.
        subprocess.run([sys.executable, __file__, "--write", temporary], check=True)
        for form in ("yaml", "json"):
            folder = Path(temporary, form)
            measure(f"balise check, {form}", [BALISE, "check", folder, "--profile", "reference", "--no-cache"])
            if opm:
                measure(f"opm validate, {form}", [opm, "validate", folder])
        measure(
            "balise catalog diff, YAML with JSON", [BALISE, "catalog", "diff", f"{temporary}/yaml", f"{temporary}/json"]
        )
        measure("balise prove, all packages", [BALISE, "prove", "--catalog", f"{temporary}/yaml"])
        measure("balise catalog graph, Mermaid", [BALISE, "catalog", "graph", f"{temporary}/yaml"])
        template = Path(temporary, "template.yaml")
        template.write_text(f"schema: olm.semver\nstable: {{bundles: [{{image: {IMAGE}}}]}}\n")
        bundles = REPOSITORY / "bundle"
        measure("balise catalog render-template, one bundle",
                [BALISE, "catalog", "render-template", template, "--bundles", bundles])  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
