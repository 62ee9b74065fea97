"""What a capability gives the engine, and what the engine gives back: the reconciler contract."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from timonier.api.resources import Resource

__all__ = ["Change", "Manifest", "Reconciler", "Request", "Result", "Rule"]

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


@dataclass(frozen=True, slots=True)
class Change:
    """A new state of an object, and whom it may concern.

    `owner` is the object of a primary kind that controls it; `application` the name of the Application that it belongs
    to or is about. `urgent` is False where only the object's status moved: such changes come in bursts, and one look
    after the burst is enough.
    """

    resource: Resource
    key: Request
    urgent: bool
    owner: tuple[Resource, Request] | None = None
    application: str | None = None


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
    def watched(self) -> tuple[Resource, ...]:
        """The other kinds that it must hear of; its own as well, where others write statuses that matter to it."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The least permissions it works with; the ClusterServiceVersion is generated from them."""

    def concerned(self, change: Change) -> Iterable[Request]:
        """The keys of its kind that a change of any watched object may matter to: pure, and quick."""

    async def reconcile(self, request: Request) -> Result:
        """Observe, plan, act, and write the status last."""
