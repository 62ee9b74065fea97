"""Rules that no definition has: who breaks them, and that nothing else is hindered."""

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
    assert [each.field for each in broken("Application", spec, None)] == ([field] if field else [])
    assert broken("Application", {**spec, "suspend": True}, spec) == ()


HIDDEN = ("storeRef", "reason", "imported", "scheduledTime")
BACKUP = {"targetRef": {"name": "web"}, "reason": "Manual", "retain": "Policy"}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, []),
        ({"retain": "Forever", "cancel": True, "suspend": True}, []),
        ({"storeRef": {"name": "mine"}}, ["spec.storeRef"]),
        ({"targetRef": {"name": "other"}, "method": "Files"}, ["spec.targetRef", "spec.method"]),
        ({"reason": "Imported", "imported": {"run": "r", "snapshot": "s"}}, ["spec.reason", "spec.imported"]),
    ],
)
def test_what_of_a_backup_cannot_change_by_any_version(change: dict[str, Any], fields: list[str]) -> None:
    assert [each.field for each in broken("Backup", BACKUP | change, BACKUP)] == fields
    assert broken("Backup", BACKUP | change, None) == ()
    assert all(
        ("v1alpha1 does not show it" in each.message) == (each.field[5:] in HIDDEN)
        for each in broken("Backup", BACKUP | change, BACKUP)
    )
    assert broken("Restore", change, {}) == ()


def test_a_manual_backup_may_be_replaced_by_a_manifest_of_v1alpha1() -> None:
    """Of what the API server had added to it, nothing is in the manifest."""
    replaced = {"targetRef": {"name": "web"}, "retain": "Policy"}
    assert broken("Backup", replaced, BACKUP) == ()
    assert [each.field for each in broken("Backup", replaced, BACKUP | {"reason": "Scheduled"})] == ["spec.reason"]
