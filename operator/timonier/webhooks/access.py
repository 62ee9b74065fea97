"""Ask the API server what a person may do: SubjectAccessReviews in their name, at once, and remembered briefly."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from timonier.api.resources import SELF_SUBJECT_REVIEWS, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from timonier.engine.client import Client
from timonier.webhooks.permissions import Need, Permission

__all__ = ["Access", "Subject"]

_REMEMBERED: Final = 10.0
_MOST: Final = 10_000
_AT_ONCE: Final = 16
"""Questions at a time: the connections are those of the reconcilers and of the lease, and anybody may send reviews."""


class Subject(NamedTuple):
    """Who asks, as the API server knows them; `extra` is JSON."""

    username: str
    uid: str
    groups: tuple[str, ...]
    extra: str

    @classmethod
    def of(cls, user: Mapping[str, Any]) -> "Subject":
        """From the `userInfo` of a request."""
        groups = user.get("groups")
        return cls(
            str(user.get("username", "")),
            str(user.get("uid", "")),
            tuple(map(str, groups)) if isinstance(groups, list) else (),
            json.dumps(user.get("extra") or {}, sort_keys=True),
        )


class Access:
    """What is allowed counts for 10 s. What is refused is asked anew, so that whoever was just granted it may go on."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        """`clock` counts seconds."""
        self._client = client.unguarded()  # a question changes nothing: every replica may ask
        self._clock = clock
        self._allowed: dict[tuple[Subject, Permission | str], float] = {}
        self._tokens: dict[bytes, tuple[Subject, float]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._own: str | None = None

    async def own_name(self) -> str:
        """The user that this operator is. Raises ApiError."""
        if self._own is None:
            self._own = str((await self._ask(SELF_SUBJECT_REVIEWS))["userInfo"]["username"])
        return self._own

    async def subject_of(self, token: str) -> Subject | None:
        """Whose token it is; None when it is nobody's. Raises ApiError."""
        key, now = hashlib.sha256(token.encode()).digest(), self._clock()
        known = self._tokens.get(key)
        if known is not None and known[1] > now:
            return known[0]
        status = await self._ask(TOKEN_REVIEWS, {"token": token})
        if not status.get("authenticated"):
            return None
        if len(self._tokens) >= _MOST:
            self._tokens.clear()
        subject = Subject.of(status["user"])
        self._tokens[key] = (subject, now + _REMEMBERED)
        return subject

    async def may_get(self, subject: Subject, path: str) -> bool:
        """Whether the subject may read what is at a path that is no object's. Raises ApiError."""
        return await self._may(subject, path)

    async def missing(self, subject: Subject, needs: Iterable[Need]) -> tuple[Need, ...]:
        """Those that the subject does not meet. Raises ApiError."""
        asked = tuple(needs)
        met = await asyncio.gather(*(self._meets(subject, need) for need in asked))
        return tuple(need for need, is_met in zip(asked, met, strict=True) if not is_met)

    async def _meets(self, subject: Subject, need: Need) -> bool:
        for permission in need.any_of:
            if await self._may(subject, permission):
                return True
        return False

    async def _may(self, subject: Subject, permission: Permission | str) -> bool:
        key, now = (subject, permission), self._clock()
        if self._allowed.get(key, now) > now:
            return True
        status = await self._ask(SUBJECT_ACCESS_REVIEWS, _question(subject, permission))
        if not status.get("allowed") or status.get("denied"):
            self._allowed.pop(key, None)
            return False
        if len(self._allowed) >= _MOST:
            self._allowed.clear()
        self._allowed[key] = now + _REMEMBERED
        return True

    async def _ask(self, resource: Resource, spec: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The status of a review that is answered at once."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
        async with self._turns:
            answer = await self._client.create(resource, body | ({"spec": spec} if spec is not None else {}))
        status: Mapping[str, Any] = answer.get("status", {})
        return status


def _question(subject: Subject, permission: Permission | str) -> dict[str, Any]:
    about: dict[str, Any] = {"nonResourceAttributes": {"verb": "get", "path": permission}}
    if isinstance(permission, Permission):
        attributes = {
            "verb": permission.verb,
            "group": permission.group,
            "resource": permission.resource,
            "subresource": permission.subresource,
            "namespace": permission.namespace,
            "name": permission.name,
        }
        about = {"resourceAttributes": {name: value for name, value in attributes.items() if value}}
    spec = {
        "user": subject.username,
        "uid": subject.uid,
        "groups": list(subject.groups),
        "extra": json.loads(subject.extra),
        **about,
    }
    return {name: value for name, value in spec.items() if value}
