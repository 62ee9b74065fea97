"""What the operator may do, as its bundle asks for it, and what it was seen to do."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from harness.audit import Call
from harness.fixtures import newest_bundle

__all__ = [
    "ELSEWHERE",
    "NODE_ONLY",
    "NODE_ONLY_BACKUPS",
    "Permission",
    "each",
    "exercised",
    "granted_to_the_bundle",
]

Permission = tuple[str, str, str]
"""Group; resource or resource/subresource; verb."""

NODE_ONLY_BACKUPS: frozenset[Permission] = frozenset(
    {("timonier.dev", "applications", "create"), ("", "pods/exec", "get")}
)
NODE_ONLY: frozenset[Permission] = NODE_ONLY_BACKUPS | {("", "pods", "delete"), ("timonier.dev", "restores", "create")}
"""Permissions that only real pods make the operator use: the tests of the real node are their witness."""
ELSEWHERE: frozenset[Permission] = frozenset({("", "pods/exec", "create")})
"""Permissions that only other releases of Kubernetes ask for than that of the tests: 1.35 and newer."""


def granted_to_the_bundle() -> Iterator[Permission]:
    """Every permission that the bundle's CSV asks for."""
    (path,) = newest_bundle().glob("manifests/*.clusterserviceversion.yaml")
    install = yaml.safe_load(path.read_text())["spec"]["install"]["spec"]
    for scope in ("permissions", "clusterPermissions"):
        for account in install[scope]:
            yield from each(account["rules"])


def each(rules: Iterable[dict[str, Any]]) -> Iterator[Permission]:
    """The permissions that rules of a role give."""
    for rule in rules:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield rule["apiGroups"][0], resource, verb


def exercised(calls: Iterable[Call]) -> Iterator[Permission]:
    """What the API server checked for these calls: for an apply that creates, `create` beside `patch`."""
    for call in calls:
        yield call.group, call.path, call.verb
        if call.verb == "patch" and call.status == 201:
            yield call.group, call.path, "create"
