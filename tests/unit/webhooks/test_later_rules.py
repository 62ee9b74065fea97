"""Rules between fields of an earlier release and later ones: who breaks them, and that nothing else is hindered."""

from typing import Any

import pytest

from timonier.webhooks.later_rules import broken

STORAGE = [{"name": "data", "accessMode": "ReadWriteOnce"}]
SHARED = [{"name": "data", "accessMode": "ReadWriteMany"}]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, None),
        ({"backup": {}}, "spec.backup.method"),
        ({"backup": {"method": "Snapshot"}}, "spec.backup.method"),
        ({"backup": {"method": "Command"}}, None),
        ({"backup": {}, "workload": {"storage": STORAGE}}, None),
        ({"upgrade": {"backupBefore": "Always"}}, "spec.upgrade"),
        ({"upgrade": {"rollbackData": "RestoreBackup"}}, "spec.upgrade"),
        ({"upgrade": {"rollbackData": "RestoreBackup"}, "backup": {"method": "Command"}}, None),
        ({"upgrade": {"backupBefore": "WhenStateful"}}, None),
        ({"upgrade": {"strategy": "Canary"}}, None),
        ({"upgrade": {"strategy": "Rolling"}, "workload": {"storage": STORAGE}}, None),
        ({"upgrade": {"strategy": "Canary"}, "workload": {"storage": STORAGE}}, "spec.upgrade.strategy"),
        ({"upgrade": {"strategy": "BlueGreen"}, "workload": {"storage": SHARED}}, None),
        ({"upgrade": {"strategy": "BlueGreen"}, "workload": {"kind": "StatefulSet"}}, "spec.upgrade.strategy"),
    ],
)
def test_which_rule_a_spec_breaks(spec: dict[str, Any], field: str | None) -> None:
    assert [each.field for each in broken(spec, None)] == ([field] if field else [])
    assert broken({**spec, "suspend": True}, spec) == ()
