"""The API server's audit log: who wrote what, in order. The only witness that does not depend on our own code."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["AuditLog", "Call"]

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the API server answered. `at` is its RFC 3339 time stamp, which sorts as text.

    `unauthorized` is True when it was refused for want of a permission; a quota or a namespace that is going away
    refuses with the same status.
    """

    at: str
    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    status: int
    agent: str
    source: str
    unauthorized: bool = False

    @property
    def is_write(self) -> bool:
        """It could have changed something."""
        return self.verb in WRITES

    @property
    def path(self) -> str:
        """The resource as an RBAC rule names it: `deployments`, `applications/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class AuditLog:
    """The calls recorded since this value was made, or all there are (`whole`)."""

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        self._path = path
        self._start = 0 if whole or not path.exists() else path.stat().st_size

    def from_now(self) -> "AuditLog":
        """The same log, from here on."""
        return AuditLog(self._path)

    def calls(self, user: str = "") -> Iterator[Call]:
        """All calls, or those of one user, in the order of the log."""
        with self._path.open("rb") as file:
            file.seek(self._start)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # still being written
                call = _call(json.loads(line))
                if not user or call.user == user:
                    yield call

    def writes(self, user: str) -> list[Call]:
        """The user's writes, without the renewals of the lease."""
        return [call for call in self.calls(user) if call.is_write and call.resource != "leases"]


def _call(event: dict[str, Any]) -> Call:
    about = event.get("objectRef", {})
    return Call(
        at=event["requestReceivedTimestamp"],
        user=event.get("user", {}).get("username", ""),
        verb=event["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        status=event.get("responseStatus", {}).get("code", 0),
        agent=event.get("userAgent", ""),
        source=",".join(event.get("sourceIPs", ())),
        unauthorized=event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
    )
