from __future__ import annotations

from typing import Any

import pytest

from balise.generate.permissions import normalised_rules
from balise.model.errors import InputError


def test_same_scope_is_one_rule_with_the_verbs_of_all() -> None:
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["watch", "get"]},
        {"apiGroups": [""], "resources": ["services", "configmaps"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch", "get"]},
    ]
    assert normalised_rules(rules, place="x") == [
        {"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch", "watch"]},
    ]


def test_names_and_urls_are_part_of_the_scope() -> None:
    rules: list[dict[str, Any]] = [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["a"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    assert len(normalised_rules(rules, place="x")) == 3


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}, "apiGroups has the wildcard '*'"),
        ({"apiGroups": [""], "resources": ["pods/*"], "verbs": ["get"]}, "resources has the wildcard 'pods/*'"),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}, "verbs has the wildcard '*'"),
        ({"nonResourceURLs": ["*"], "verbs": ["get"]}, "nonResourceURLs has the wildcard '*'"),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": []}, "no verbs"),
        ({"apiGroups": [""], "verbs": ["get"]}, "apply to nothing"),
        ({"apiGroups": [""], "resource": ["pods"], "verbs": ["get"]}, "unknown field 'resource'"),
        ({"apiGroups": "apps", "resources": ["pods"], "verbs": ["get"]}, "must be a list of strings"),
    ],
)
def test_bad_rules_are_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="code:rules, cluster, rule 2") as caught:
        normalised_rules([{"nonResourceURLs": ["/ok"], "verbs": ["get"]}, rule], place="code:rules, cluster")
    assert message in str(caught.value)
