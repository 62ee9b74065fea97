"""A settled cluster is left alone: the operator writes nothing at all, however many Applications there are."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.applications import PORTS, application
from harness.audit import AuditLog
from harness.fixtures import Installation
from harness.kube import Kube
from timonier.api.resources import APPLICATIONS

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1200)]

COUNT = int(os.environ.get("STEADY_STATE_APPLICATIONS", "1000"))
SECONDS = float(os.environ.get("STEADY_STATE_SECONDS", "120"))


def test_no_write_at_all_in_two_minutes(
    kube: Kube, installation: Installation, audit: AuditLog, namespace: str
) -> None:
    installation.running()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: kube.apply(application(namespace, f"web-{n:04}", workload=PORTS)), range(COUNT)):
            pass
    kube.wait("all are ready", lambda: ready(kube, namespace) == COUNT, seconds=600, every=2)
    # What tests before this one left behind may still be going, with writes to what is just gone.
    kube.wait("it is settled", lambda: no_write_for(5, audit, installation.user), seconds=120)
    # A replica that starts looks at every object once: that must not write either.
    installation.stop()
    quiet = audit.from_now()
    operator = installation.running()
    time.sleep(SECONDS)
    reconciled = sum(count for series, count in operator.scrape().items() if "reconcile_total" in series)
    assert reconciled >= COUNT, "it has not even looked"
    assert Counter((call.verb, call.path) for call in quiet.writes(installation.user)) == Counter()
    print(f"{COUNT} Applications, {SECONDS:.0f} s, no write; {operator.resident_mib():.0f} MiB")


def no_write_for(seconds: float, audit: AuditLog, user: str) -> bool:
    before = audit.from_now()
    time.sleep(seconds)
    return not before.writes(user)


def ready(kube: Kube, namespace: str) -> int:
    return sum(
        any(condition["type"] == "Ready" and condition["status"] == "True"
            for condition in found.get("status", {}).get("conditions", ()))
        for found in kube.list(APPLICATIONS, namespace)
    )  # fmt: skip
