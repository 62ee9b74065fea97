"""How long a plan takes over 500 packages of 50 versions each, and how much memory: for one user, and for 500 at once.

.venv/bin/python tests/bench/plans.py
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from balise.model.catalog import catalog_from_blobs
from balise.planner.question import Question, installed_csv, source_of, universe_for
from balise.planner.rounds import Plan, plan
from balise.planner.universe import CatalogSource, Subscription, Universe

PACKAGES, VERSIONS = 500, 50


def blobs() -> Iterator[dict[str, Any]]:
    """Each package requires another one, so that plans go through nine of them."""
    for number in range(PACKAGES):
        name = f"p{number}"
        entries = [
            {"name": f"{name}.v1.{v}.0", "replaces": f"{name}.v1.{v - 1}.0", "skipRange": f">=1.0.0 <1.{v}.0"}
            for v in range(VERSIONS)
        ]
        yield {"schema": "olm.package", "name": name, "defaultChannel": "stable"}
        yield {"schema": "olm.channel", "package": name, "name": "stable", "entries": entries}
        needed = {"packageName": f"p{(number - 1) // 2}", "versionRange": ">=1.0.0 <2.0.0"}
        for version in range(VERSIONS):
            gvk = {"group": f"{name}.example.com", "kind": "K", "version": "v1"}
            own = {"packageName": name, "version": f"1.{version}.0"}
            properties = [{"type": "olm.package", "value": own}, {"type": "olm.gvk", "value": gvk}]
            properties += [{"type": "olm.package.required", "value": needed}] if number else []
            yield {"schema": "olm.bundle", "package": name, "name": f"{name}.v1.{version}.0", "properties": properties}


def subscriptions(source: CatalogSource, installed: str) -> Universe:
    """All packages subscribed in one namespace."""
    names = [f"p{number}" for number in range(PACKAGES)]
    csvs = [installed_csv(f"{name}{installed}", name, [source]) for name in names] if installed else []
    asked = [
        Subscription(
            name, name, "stable", source.key, installed_csv=f"{name}{installed}", current_csv=f"{name}{installed}"
        )
        if installed
        else Subscription(name, name, "stable", source.key)
        for name in names
    ]
    return Universe((source,), tuple(asked), tuple(csvs))


def measured(what: str, work: Callable[[], Plan]) -> None:
    """Print what a plan took; wall clock and, for a busy machine, processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    installs = sum(len(each.installs) for each in found.rounds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{what}: {wall:.2f} s ({processor:.2f} s of CPU), {installs} installs, {memory:.0f} MiB at most\n"
    )


def main() -> None:
    """Measure and print."""
    source = source_of("catalog", catalog_from_blobs(blobs()))
    last = f"p{PACKAGES - 1}"
    measured("one user, fresh", lambda: plan(universe_for(Question(last), [source])))
    measured("one user, upgrade", lambda: plan(universe_for(Question(last, installed=f"{last}.v1.0.0"), [source])))
    measured("500 users in one namespace, fresh", lambda: plan(subscriptions(source, "")))
    measured("500 users in one namespace, upgrade", lambda: plan(subscriptions(source, ".v1.0.0")))


if __name__ == "__main__":
    main()
