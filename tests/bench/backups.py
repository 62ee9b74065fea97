"""Backups and restores beside restic run by hand, on the same data, the same store and the same machine.

    make bench-backups             1 GB in 2,000 files, four times in turn; needs root and Linux, as a real node does

By hand means: restic on the node itself, from the volume's own folder. Ours has a pod to start, a status to write and
the result to prove; the aim is at most 10 % and 3 s more, in the mean: the times of objects are whole seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from harness.backups import PASSWORD, backup, restore, server_store, volume_store, wait_over, wait_store
from harness.benchmark import NAMESPACE, benchmark, impossible
from harness.kube import Kube
from harness.movers import PERSISTENT_VOLUMES
from harness.shop import files_application
from harness.stores import Server, rest_server
from timonier.api.moments import moment
from timonier.api.resources import PERSISTENT_VOLUME_CLAIMS, RESTORES


@dataclass(frozen=True, slots=True)
class Pair:
    """Seconds of ours and by hand, for one thing that was done."""

    what: str
    ours: float
    by_hand: float

    def row(self, megabytes: float) -> str:
        """The measurement as a line of the table, with the share of what is allowed."""
        allowed = self.by_hand * 1.1 + 3
        ours = f"ours {self.ours:6.1f} s ({megabytes / self.ours:6.1f} MB/s)"
        hand = f"by hand {self.by_hand:6.1f} s ({megabytes / self.by_hand:6.1f} MB/s)"
        return f"{self.what:8} {ours}   {hand}   {self.ours / allowed:.2f} of what is allowed ({allowed:.1f} s)"


def fill(folder: Path, megabytes: int, files: int) -> None:
    """Data of which half can be compressed, in files of one size, owned by the application's user."""
    size = megabytes * 10**6 // files
    for number in range(files):
        place = folder / f"{number % 50:02}"
        place.mkdir(exist_ok=True)
        half = size // 2
        (place / f"{number:05}").write_bytes(os.urandom(half) + b"\0" * (size - half))
    subprocess.run(["chown", "-R", "1000:1000", *folder.iterdir()], check=True)


def folder_of(kube: Kube, claim: str) -> Path:
    """Where the node has a volume."""

    def bound() -> str:
        found = kube.get(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, claim) or {}
        return str(found.get("spec", {}).get("volumeName", ""))

    volume = kube.get(PERSISTENT_VOLUMES, None, kube.wait(f"{claim} is bound", bound, 60))
    assert volume is not None
    return Path(volume["spec"]["local"]["path"])


def by_hand(server: Server, repository: str, *arguments: str) -> float:
    """Seconds that restic takes."""
    environment = {**os.environ, "RESTIC_REPOSITORY": server.repository(repository), "RESTIC_PASSWORD": PASSWORD}
    start = time.monotonic()
    subprocess.run(["restic", "--no-cache", *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def lasted(run: dict[str, object]) -> float:
    """Seconds from the creation of a run's object to its end, as they are written."""
    metadata, status = run["metadata"], run["status"]
    assert isinstance(metadata, dict)
    assert isinstance(status, dict)
    return (moment(status["completionTime"]) - moment(metadata["creationTimestamp"])).total_seconds()


def measure(kube: Kube, server: Server, data: Path, number: int) -> list[Pair]:
    """One backup and one restore each, into repositories that are new."""
    ours, theirs = f"ours-{number}", f"theirs-{number}"
    kube.apply(*server_store(NAMESPACE, server, ours))
    wait_store(kube, NAMESPACE, ours)
    by_hand(server, theirs, "init")
    kube.apply(backup(NAMESPACE, "files", ours, ours))
    made = wait_over(kube, NAMESPACE, ours, seconds=600)
    hand = by_hand(server, theirs, "backup", str(data))
    claim, target = volume_store(NAMESPACE, f"target-{number}")[0], {"name": f"target-{number}"}
    kube.apply(claim)
    kube.apply(restore(NAMESPACE, "files", ours, ours, to={"claim": {**target, "confirm": f"target-{number}"}}))
    back = wait_over(kube, NAMESPACE, ours, resource=RESTORES, seconds=600)
    with tempfile.TemporaryDirectory() as place:
        hand_back = by_hand(server, theirs, "restore", "latest", "--target", place)
    return [Pair("backup", lasted(made), hand), Pair("restore", lasted(back), hand_back)]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    reason = impossible()
    if reason is not None:
        print(f"not measured: {reason}")
        return 0
    with (
        benchmark("bench-backups") as bench,
        rest_server(bench.cluster.host_address, bench.folder / "store") as store,
    ):
        bench.kube.apply(files_application(NAMESPACE))
        bench.kube.wait_condition(NAMESPACE, "files", "Ready", seconds=90)
        data = folder_of(bench.kube, "files-data")
        fill(data, arguments.megabytes, arguments.files)
        pairs: list[Pair] = []
        for number in range(arguments.rounds):
            for pair in measure(bench.kube, store, data, number):
                print(pair.row(arguments.megabytes), flush=True)
                pairs.append(pair)
        print(f"in the mean of {arguments.rounds}:")
        for what in ("backup", "restore"):
            ours, by_hand_ = zip(*((pair.ours, pair.by_hand) for pair in pairs if pair.what == what), strict=True)
            print(Pair(what, mean(ours), mean(by_hand_)).row(arguments.megabytes), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
