"""Least privilege, proven: what the tests exercised is what the bundle asks for, nothing more and nothing less.

Runs after the other cluster tests (see `pytest_collection_modifyitems` in conftest.py): the audit log is the witness.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.audit import AuditLog
from harness.fixtures import Installation, rendered
from harness.permissions import ELSEWHERE, NODE_ONLY, Permission, each, exercised, granted_to_the_bundle

pytestmark = pytest.mark.cluster

WITNESSES = {
    "test_access_reviews.py",
    "test_applications.py",
    "test_backups.py",
    "test_conversion.py",
    "test_crash_safety.py",
    "test_leadership.py",
    "test_metrics.py",
    "test_recovery.py",
    "test_upgrades.py",
}


def granted() -> Iterator[Permission]:
    """Every permission that the bundle's CSV asks for, and those for certificates, which `balise render` adds."""
    yield from granted_to_the_bundle()
    yield from each(certificate_rules())


def certificate_rules() -> list[dict[str, Any]]:
    roles = [each for each in rendered("https://127.0.0.1:1") if each["kind"] in ("Role", "ClusterRole")]
    return [rule for role in roles if "-certificates" in role["metadata"]["name"] for rule in role["rules"]]


def test_permissions_exercised_equal_those_granted(
    cluster: Any, installation: Installation, request: pytest.FixtureRequest
) -> None:
    options = request.config.option
    if options.keyword or not {item.path.name for item in request.session.items} >= WITNESSES:
        pytest.skip(f"judges a whole run; this one lacks some of {', '.join(sorted(WITNESSES))}")
    log = AuditLog(Path(cluster.audit_log), whole=True)
    calls = [call for call in log.calls(installation.user) if call.resource]
    refused = {(call.verb, call.group, call.path) for call in calls if call.unauthorized}
    used = set(exercised(calls))
    asked = set(granted())
    assert not refused, "missing permissions"
    assert asked - used - NODE_ONLY - ELSEWHERE == set(), "permissions that nothing uses"
    assert used - asked == set(), "permissions used beyond those granted"


def test_no_wildcards_and_no_escalation() -> None:
    for group, resource, verb in granted_to_the_bundle():
        assert "*" not in (group, resource, verb)
        assert verb not in ("escalate", "bind", "impersonate")
        # Those that a store names are read one by one, by their name; the operator never has all of them.
        assert resource != "secrets" or verb in ("create", "delete", "get")


def test_what_certificates_need_is_named_one_by_one() -> None:
    for rule in certificate_rules():
        assert rule["resourceNames"]
        assert rule["verbs"] == ["get", "update"]
