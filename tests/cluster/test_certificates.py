"""Certificates renewed and replicas replaced while the API server asks: not one request fails.

`RENEWALS`, `HANDOVERS` and `REPLACEMENTS` say how often, where that is to take less time than it does by itself.
"""

import base64
import json
import os
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from cryptography import x509

from harness.applications import application
from harness.fixtures import Installation
from harness.kube import SECRETS, Kube, RefusedError
from harness.operator_process import OperatorProcess
from harness.simple_objects import SIMPLE, definition, wait_for_conversion
from timonier.api.resources import APPLICATIONS
from timonier.webhooks.authority import SECRET_NAME

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.usefixtures("reviewed")]

REVIEW = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "ConversionReview",
    "request": {"uid": "1", "desiredAPIVersion": SIMPLE.api_version, "objects": []},
}
# A third of a leaf's life is what its renewal, and each replica's taking it up, may be late on a busy machine.
LEAF, AUTHORITY = 15.0, 45.0
RENEWALS, HANDOVERS = (int(os.environ.get(name, default)) for name, default in (("RENEWALS", 10), ("HANDOVERS", 2)))
REQUESTS = 300


@dataclass(slots=True)
class Load:
    """What was asked, and what went wrong."""

    done: int = 0
    failures: list[str] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "")
    stop: threading.Event = field(default_factory=threading.Event)

    def repeat(self, ask: Callable[[], object], pause: float) -> None:
        """Ask until told to stop."""
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                ask()
            except (OSError, RefusedError) as error:
                self.failures.append(f"{ask.__name__} after {time.monotonic() - began:.1f} s: {error}")
            self.longest = max(self.longest, (time.monotonic() - began, ask.__name__))
            self.done += 1
            time.sleep(pause)


@contextmanager
def load(*asking: Callable[[], object], pause: float = 0.02) -> Iterator[Load]:
    """Each of `asking` again and again, in a thread of its own, for the life of the block."""
    total = Load()
    threads = [threading.Thread(target=total.repeat, args=(ask, pause)) for ask in asking]
    for thread in threads:
        thread.start()
    try:
        yield total
    finally:
        total.stop.set()
        for thread in threads:
            thread.join()


def bundle(kube: Kube) -> str:
    """Whom the API server trusts now."""
    client = definition(kube)["spec"]["conversion"]["webhook"]["clientConfig"]
    return base64.b64decode(client.get("caBundle", "")).decode()


def leaf(kube: Kube, installation: Installation) -> x509.Certificate:
    secret = kube.get(SECRETS, installation.namespace, SECRET_NAME) or {}
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


@pytest.mark.timeout(360)
def test_renewals_and_new_authorities_under_load(
    kube: Kube, installation: Installation, operator_factory: Callable[..., OperatorProcess], namespace: str
) -> None:
    """Beside the API server, which keeps its connections, somebody asks each replica over a new one each time."""
    lives = ("--certificate-life", str(LEAF), "--authority-life", str(AUTHORITY))
    # What others made lives for days. No replica runs now: the first one makes its own.
    kube.patch(SECRETS, installation.namespace, SECRET_NAME, {"data": None})
    replicas = [operator_factory(*lives), operator_factory(*lives)]
    kube.wait("requests are reviewed", lambda: answered(lambda: kube.apply(application(namespace))), 60)

    def fresh(replica: OperatorProcess) -> Callable[[], None]:
        def ask() -> None:
            context = ssl.create_default_context(cadata=bundle(kube))
            request = urllib.request.Request(
                f"https://127.0.0.1:{replica.webhooks}/convert",
                data=json.dumps(REVIEW).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                assert answer.status == 200

        return ask

    def through_the_api_server() -> None:
        kube.request("GET", SIMPLE.url(namespace, "web"))

    def reviewed_by_us() -> None:
        kube.request("POST", APPLICATIONS.url(namespace), application(namespace, "other"), dryRun="All")

    asking = (through_the_api_server, reviewed_by_us, *map(fresh, replicas))
    for ask in asking:
        kube.wait("it is answered", lambda ask=ask: answered(ask))
    leaves, issuers = set(), set()
    with load(*asking, pause=0.1) as total:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and not total.failures:
            current = leaf(kube, installation)
            leaves.add(current.serial_number)
            issuers.add(current.issuer)
            if len(leaves) > RENEWALS and len(issuers) > HANDOVERS and total.done > REQUESTS:
                break
            time.sleep(0.5)
    print(f"{len(leaves) - 1} renewals, {len(issuers) - 1} new authorities, {total.done} requests")
    assert not total.failures
    assert len(leaves) > RENEWALS
    assert len(issuers) > HANDOVERS
    assert total.done > REQUESTS


def answered(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (OSError, RefusedError):
        return False
    return True


def test_replicas_are_replaced_under_load_without_a_failed_request(
    kube: Kube, installation: Installation, operator_factory: Callable[..., OperatorProcess], namespace: str
) -> None:
    linger = ("--webhook-linger", "2")
    # The test before left a certificate that lives for seconds.
    kube.patch(SECRETS, installation.namespace, SECRET_NAME, {"data": None})
    replicas = [operator_factory(*linger), operator_factory(*linger)]
    kube.wait("requests are reviewed", lambda: answered(lambda: kube.apply(application(namespace))), 60)
    wait_for_conversion(kube, namespace)

    def read() -> None:
        kube.request("GET", SIMPLE.url(namespace, "web"))

    def write() -> None:
        kube.patch(SIMPLE, namespace, "web", {"metadata": {"labels": {"at": str(time.monotonic_ns())}}})

    kube.apply(application(namespace, "other"))

    def reviewed_by_us() -> None:
        # Another one: a patch in the old version takes longer, and would start anew each time without an end.
        kube.patch(APPLICATIONS, namespace, "other", {"spec": {"config": {"env": {"AT": str(time.monotonic_ns())}}}})

    with load(read, read, write, reviewed_by_us) as total:
        for _ in range(int(os.environ.get("REPLACEMENTS", "2"))):
            for old in list(replicas):
                replicas.append(operator_factory(*linger))
                replicas.remove(old)
                assert old.stop() == 0
                served = total.done
                kube.wait("requests go on", lambda served=served: total.done > served + 25)
    print(f"{total.done} requests while replicas were replaced; the longest: {total.longest}")
    assert not total.failures
    assert total.done > 100
