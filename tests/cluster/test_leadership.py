"""Two replicas: one writes, the other takes over, and never both."""

import itertools
import signal
import time
from collections.abc import Callable

import pytest

from harness.applications import application
from harness.audit import AuditLog, Call
from harness.fixtures import Installation
from harness.kube import Kube
from harness.operator_process import OperatorProcess
from timonier.api.resources import APPLICATIONS, DEPLOYMENTS, LEASES

pytestmark = pytest.mark.cluster

Factory = Callable[[], OperatorProcess]


def holder(kube: Kube, installation: Installation) -> str:
    lease = kube.get(LEASES, installation.namespace, "timonier")
    return str((lease or {}).get("spec", {}).get("holderIdentity") or "")


def leads(replica: OperatorProcess) -> bool:
    return replica.process.poll() is None and replica.scrape().get("timonier_leader") == 1.0


def the_leader(replicas: list[OperatorProcess]) -> OperatorProcess | None:
    return next((replica for replica in replicas if leads(replica)), None)


def repaired_after(kube: Kube, namespace: str, seconds: float) -> float:
    """Seconds until somebody repairs a deleted Deployment."""
    kube.delete(DEPLOYMENTS, namespace, "web")
    started = time.monotonic()
    kube.wait("somebody reconciles", lambda: kube.get(DEPLOYMENTS, namespace, "web"), seconds=seconds)
    return time.monotonic() - started


def test_kill_9_of_the_leader(
    kube: Kube, operator_factory: Factory, installation: Installation, audit: AuditLog, namespace: str
) -> None:
    replicas = [operator_factory(), operator_factory()]
    leader = kube.wait("a leader", lambda: the_leader(replicas))
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    first = holder(kube, installation)
    assert leader is not None
    leader.kill()
    seconds = repaired_after(kube, namespace, 20)
    assert holder(kube, installation) != first
    print(f"after kill -9 the other replica reconciled within {seconds:.1f} s")
    assert_never_two_writers(audit, installation.user)


def test_a_leader_that_is_told_to_stop_hands_over_at_once(
    kube: Kube, operator_factory: Factory, installation: Installation, audit: AuditLog, namespace: str
) -> None:
    replicas = [operator_factory(), operator_factory()]
    leader = kube.wait("a leader", lambda: the_leader(replicas))
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    assert leader is not None
    assert leader.stop() == 0
    seconds = repaired_after(kube, namespace, 5)
    print(f"after SIGTERM the other replica reconciled within {seconds:.1f} s")
    assert_never_two_writers(audit, installation.user)


def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes(
    kube: Kube, operator_factory: Factory, installation: Installation, audit: AuditLog, namespace: str
) -> None:
    """SIGSTOP is what a paused virtual machine looks like: the process wakes and believes that no time has passed."""
    replicas = [operator_factory(), operator_factory()]
    frozen = kube.wait("a leader", lambda: the_leader(replicas))
    kube.apply(application(namespace))
    kube.wait_condition(namespace, "web", "Ready")
    assert frozen is not None
    time.sleep(2)  # the events that follow: a request that is half sent when it is stopped is sent to its end later
    frozen.process.send_signal(signal.SIGSTOP)
    repaired_after(kube, namespace, 25)
    kube.patch(APPLICATIONS, namespace, "web", {"spec": {"scaling": {"replicas": 2}}})
    frozen.process.send_signal(signal.SIGCONT)
    kube.delete(DEPLOYMENTS, namespace, "web")
    kube.wait_condition(namespace, "web", "Ready")
    kube.wait("the old leader ends", lambda: frozen.process.poll() is not None, seconds=20)
    assert frozen.process.returncode == 1
    assert_never_two_writers(audit, installation.user)


def assert_never_two_writers(audit: AuditLog, user: str) -> None:
    """From the audit log alone: each write falls into the reign of the replica that sent it, and reigns do not overlap.

    Replicas share an identity and an address; they are told apart by the user agent, which carries the replica's name.
    """
    calls = [call for call in audit.calls(user) if call.is_write]
    changes = [call for call in calls if call.resource != "leases"]
    assert changes, "nothing was written at all"
    for earlier, later in itertools.pairwise(reigns(changes)):
        assert earlier[-1].at < later[0].at
    agents = [reign[0].agent for reign in reigns(changes)]
    assert len(agents) == len(set(agents)), f"a replica came back to write: {agents}"


def reigns(calls: list[Call]) -> list[list[Call]]:
    ordered = sorted(calls, key=lambda call: call.at)
    return [list(group) for _, group in itertools.groupby(ordered, key=lambda call: call.agent)]
