"""Least privilege, proven: what the tests exercised is what the bundle asks for, nothing more and nothing less.

Runs after the other cluster tests (see `pytest_collection_modifyitems` in conftest.py): the audit log is the witness.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.audit import AuditLog, Call
from harness.fixtures import Installation
from timonier import process

pytestmark = pytest.mark.cluster

# The API server turns one PATCH with apply semantics into `patch`, and checks `create` as well when it creates.
Permission = tuple[str, str, str]


def granted() -> Iterator[Permission]:
    for scope in process.rules().values():
        for rule in scope:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield rule["apiGroups"][0], resource, verb


def exercised(calls: Iterator[Call]) -> Iterator[Permission]:
    for call in calls:
        yield call.group, call.path, call.verb
        if call.verb == "patch" and call.status == 201:
            yield call.group, call.path, "create"


def test_permissions_exercised_equal_those_granted(cluster: Any, installation: Installation) -> None:
    log = AuditLog(Path(cluster.audit_log), whole=True)
    calls = [call for call in log.calls(installation.user) if call.resource]
    refused = sorted({(call.verb, call.group, call.path, call.namespace) for call in calls if call.status == 403})
    used = set(exercised(iter(calls)))
    asked = set(granted())
    assert not refused or all(verb in ("create", "patch") for verb, *_ in refused), f"missing permissions: {refused}"
    assert asked - used == set(), "permissions that nothing uses"
    assert used - asked == set(), "permissions used beyond those granted"


def test_no_wildcards_and_no_escalation() -> None:
    for group, resource, verb in granted():
        assert "*" not in (group, resource, verb)
        assert verb not in ("escalate", "bind", "impersonate")
        assert resource not in ("secrets", "pods/exec")
