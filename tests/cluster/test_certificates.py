"""Certificates renewed and replicas replaced while the API server asks: not one request fails."""

import base64
import json
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
from harness.kube import CRDS, SECRETS, Kube, RefusedError
from harness.operator_process import OperatorProcess
from timonier.api.resources import APPLICATIONS, GROUP, Resource

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SIMPLE = Resource(GROUP, "v1alpha1", "applications", "Application")
DEFINITION = f"{APPLICATIONS.plural}.{GROUP}"
REVIEW = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "ConversionReview",
    "request": {"uid": "1", "desiredAPIVersion": SIMPLE.api_version, "objects": []},
}
LEAF, AUTHORITY = 9.0, 36.0


@dataclass(slots=True)
class Load:
    """What was asked, and what went wrong."""

    done: int = 0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def repeat(self, ask: Callable[[], object], pause: float) -> None:
        """Ask until told to stop."""
        while not self.stop.is_set():
            try:
                ask()
            except (OSError, RefusedError) as error:
                self.failures.append(f"{time.monotonic():.1f}: {error}")
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
    definition = kube.get(CRDS, None, DEFINITION) or {}
    return base64.b64decode(definition["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle", "")).decode()


def leaf(kube: Kube, installation: Installation) -> x509.Certificate:
    secret = kube.get(SECRETS, installation.namespace, "timonier-service-cert") or {}
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


@pytest.mark.timeout(240)
def test_ten_renewals_and_two_new_authorities_under_load(
    kube: Kube, installation: Installation, operator_factory: Callable[..., OperatorProcess], namespace: str
) -> None:
    """Beside the API server, which keeps its connections, somebody asks each replica over a new one each time."""
    lives = ("--certificate-life", str(LEAF), "--authority-life", str(AUTHORITY))
    replicas = [operator_factory(*lives), operator_factory(*lives)]
    kube.apply(application(namespace))
    # What the Secret held before may have years to live.
    kube.wait("the certificates are short-lived", lambda: renew_now(kube, installation, replicas), seconds=60)

    def fresh(replica: OperatorProcess) -> Callable[[], None]:
        def ask() -> None:
            context = ssl.create_default_context(cadata=bundle(kube))
            request = urllib.request.Request(
                f"https://127.0.0.1:{replica.webhooks}/convert",
                data=json.dumps(REVIEW).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                assert answer.status == 200

        return ask

    def through_the_api_server() -> None:
        kube.request("GET", SIMPLE.url(namespace, "web"))

    leaves, issuers = set(), set()
    with load(through_the_api_server, *map(fresh, replicas), pause=0.1) as total:
        deadline = time.monotonic() + 150
        while (len(leaves) <= 10 or len(issuers) <= 2) and time.monotonic() < deadline:
            current = leaf(kube, installation)
            leaves.add(current.serial_number)
            issuers.add(current.issuer)
            time.sleep(0.5)
    print(f"{len(leaves) - 1} renewals, {len(issuers) - 1} new authorities, {total.done} requests")
    assert not total.failures
    assert len(leaves) > 10
    assert len(issuers) > 2
    assert total.done > 300


def renew_now(kube: Kube, installation: Installation, replicas: list[OperatorProcess]) -> bool:
    """Empty the Secret until the leader has made certificates that live as long as this test wants."""
    current = leaf(kube, installation)
    life = (current.not_valid_after_utc - current.not_valid_before_utc).total_seconds()
    if life > 2 * LEAF + 60:
        kube.patch(SECRETS, installation.namespace, "timonier-service-cert", {"data": {"ca.crt": None}})
        time.sleep(1)
        return False
    return all(replica.ready() for replica in replicas)


def test_replicas_are_replaced_under_load_without_a_failed_request(
    kube: Kube, operator_factory: Callable[..., OperatorProcess], namespace: str
) -> None:
    linger = ("--webhook-linger", "2")
    replicas = [operator_factory(*linger), operator_factory(*linger)]
    kube.apply(application(namespace))
    kube.wait("conversion answers", lambda: readable(kube, namespace))

    def read() -> None:
        kube.request("GET", SIMPLE.url(namespace, "web"))

    def write() -> None:
        kube.patch(SIMPLE, namespace, "web", {"metadata": {"labels": {"at": str(time.monotonic_ns())}}})

    with load(read, read, write) as total:
        for _ in range(2):
            for old in list(replicas):
                replicas.append(operator_factory(*linger))
                replicas.remove(old)
                assert old.stop() == 0
    print(f"{total.done} requests while 4 replicas were replaced")
    assert not total.failures
    assert total.done > 100


def readable(kube: Kube, namespace: str) -> bool:
    try:
        kube.request("GET", SIMPLE.url(namespace, "web"))
    except RefusedError:
        return False
    return True
