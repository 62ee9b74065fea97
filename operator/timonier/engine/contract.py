"""What a capability gives the engine, and what the engine gives back: the reconciler contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from timonier.api.resources import Resource

__all__ = ["Manifest", "Reconciler", "Request", "Result", "Rule"]

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON values. Never mutated: the cache hands the same one to everybody."""


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """All that a reconcile is told: which object. What happened to it is for the reconciler to observe."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended well. `requeue_after` (seconds) asks to be run again; None waits for the next change."""

    requeue_after: float | None = None


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A permission that a reconciler needs: the rows of an RBAC role.

    `resources` may name subresources (`applications/status`). `names` narrows the rule to those objects.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def manifest(self) -> dict[str, Any]:
        """The rule as it stands in a Role, ClusterRole or ClusterServiceVersion."""
        rule: dict[str, Any] = {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            "verbs": list(self.verbs),
        }
        return rule | ({"resourceNames": list(self.names)} if self.names else {})


class Reconciler(Protocol):
    """One capability: brings the world of one object to what its spec asks.

    `reconcile` may be called at any time, any number of times, and may be killed between any two API calls; it must
    only ever depend on what it observes. Raising any exception retries the key with exponential backoff.
    """

    @property
    def primary(self) -> Resource:
        """The kind whose keys this reconciler is called with."""

    @property
    def owned(self) -> tuple[Resource, ...]:
        """The kinds of its children: a change of one enqueues the object that controls it."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The least permissions it works with; the ClusterServiceVersion is generated from them."""

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, act, and write the status last."""
