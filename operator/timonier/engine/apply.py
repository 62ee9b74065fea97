"""Acting on the cluster: apply what differs, delete what is ours, and let the cache know at once."""

import logging
from collections.abc import Callable

from timonier.api.resources import Resource
from timonier.engine.cache import Cache
from timonier.engine.client import FIELD_MANAGER, Client
from timonier.engine.contract import Change, Manifest, Request
from timonier.engine.difference import differs
from timonier.engine.errors import ConflictError, ForbiddenError, NotFoundError

__all__ = ["Applier"]

logger = logging.getLogger(__name__)


class Applier:
    """Writes children and statuses, and nothing at all where nothing would change.

    `announce` is told of what others depend on and no watch will tell, as its echo is no news: statuses and creations.
    """

    def __init__(self, client: Client, cache: Cache, announce: Callable[[Change], None] = lambda _change: None) -> None:
        self._client = client
        self._cache = cache
        self._announce = announce

    async def live(self, resource: Resource, namespace: str | None, name: str) -> Manifest | None:
        """The object as the cache has it, else as the API server has it: foreign objects are not in the cache."""
        known = self._cache.get(resource, Request(namespace or "", name))
        if known is not None:
            return known
        try:
            return await self._client.get(resource, namespace, name)
        except NotFoundError:
            return None

    async def version(self, resource: Resource, namespace: str, name: str) -> str | None:
        """What differs whenever the object has been written; None when there is none. Its content stays where it is."""
        try:
            metadata = await self._client.metadata(resource, namespace, name)
        except NotFoundError:
            return None
        return f"{metadata['uid']}/{metadata['resourceVersion']}"

    async def some(
        self, resource: Resource, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> tuple[Manifest, ...]:
        """Objects that are not in the cache, selected on the server; no more than one page of them."""
        return await self._client.first_page(
            resource, namespace, label_selector=label_selector, field_selector=field_selector
        )

    async def apply(
        self, resource: Resource, manifest: Manifest, live: Manifest | None, *, manager: str = FIELD_MANAGER
    ) -> Manifest | None:
        """Bring an object to what the manifest states. Returns its new state, or None when nothing had to be written.

        `live` is the state that the decision to write was based on; None means that the object does not exist.
        """
        if live is not None and not differs(manifest, live, manager):
            return None
        written = await self._client.apply(resource, manifest, manager=manager)
        self._cache.written(resource, written)
        logger.info(
            "created" if live is None else "changed", extra={"child": f"{resource.kind}/{manifest['metadata']['name']}"}
        )
        return written

    async def apply_status(
        self, resource: Resource, primary: Manifest, status: Manifest, *, manager: str = FIELD_MANAGER
    ) -> Manifest | None:
        """Write all that `manager` has to say in the status, when it differs: the object's new state, else None.

        The uid is stated, so that an object of the same name that was created since is not written to.
        """
        if not differs({"metadata": {}, "status": status}, primary, manager, "status"):
            return None
        metadata = primary["metadata"]
        manifest = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]},
            "status": status,
        }
        try:
            written = await self._client.apply(resource, manifest, manager=manager, subresource="status")
        except (NotFoundError, ConflictError) as error:
            logger.info("the object went away before its status was written: %s", error)
            return None
        if (change := self._cache.written(resource, written)) is not None:
            self._announce(change)
        return written

    async def create(self, resource: Resource, manifest: Manifest, *, watched: bool = False) -> Manifest:
        """Create an object whose name says what it is for: one that is there already is returned as it is.

        So a step that is begun again after a crash finds what it had begun. Every object of a `watched` kind is in the
        cache, or will be in a moment: then ConflictError, and another try, does without a look of its own.
        """
        metadata = manifest["metadata"]
        try:
            created = await self._client.create(resource, manifest)
        except ConflictError as error:
            known = self._cache.get(resource, Request(metadata.get("namespace", ""), metadata["name"]))
            if known is not None:
                return known
            if watched:
                raise
            try:
                return await self._client.get(resource, metadata.get("namespace"), metadata["name"])
            except ForbiddenError:
                raise error from None  # of a kind that is watched: the cache will have it in a moment
        if (change := self._cache.written(resource, created)) is not None:
            self._announce(change)
        logger.info("created", extra={"child": f"{resource.kind}/{metadata['name']}"})
        return created

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Manifest) -> None:
        """Change a few fields of an object of ours; fine when it is gone."""
        try:
            self._cache.written(resource, await self._client.merge(resource, namespace, name, patch))
        except NotFoundError:
            return

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete one object; fine when it is gone already, or is another by now."""
        try:
            await self._client.delete(resource, namespace, name, uid=uid)
        except (NotFoundError, ConflictError):
            return
        logger.info("deleted", extra={"child": f"{resource.kind}/{name}"})
