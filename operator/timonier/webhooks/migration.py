"""Brings stored objects to the version that is stored now, so that a definition's old versions can one day go.

The API server re-writes an object in the stored version whenever somebody writes it, be the change empty; only when all
are rewritten may the old version be taken out of the definition's `status.storedVersions`.
"""

import asyncio
import logging
from collections.abc import Sequence

from timonier.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource
from timonier.engine.client import Client
from timonier.engine.contract import Manifest
from timonier.engine.errors import NotFoundError

__all__ = ["migrate", "old_versions"]

logger = logging.getLogger(__name__)


def old_versions(definition: Manifest) -> Sequence[str]:
    """The versions, beside the one that is stored now, that objects may still be stored in."""
    stored = next(each["name"] for each in definition["spec"]["versions"] if each["storage"])
    return [name for name in definition.get("status", {}).get("storedVersions", ()) if name != stored]


async def migrate(client: Client, resource: Resource, *, settle: float) -> int:
    """Rewrite every object of the kind if any may be stored in an old version. Returns how many were rewritten.

    Before it begins, the definition must have stayed as it is for `settle` seconds. Raises ApiError, after which it may
    begin anew: what is rewritten stays so, and the definition is changed last, over the state that it had before.
    """
    definition = await _settled(client, f"{resource.plural}.{resource.group}", settle)
    old = old_versions(definition)
    if not old:
        return 0
    count = 0
    async for page in client.pages(resource, metadata_only=True):
        for manifest in page.items:
            metadata = manifest["metadata"]
            try:
                await client.merge(resource, metadata["namespace"], metadata["name"], {}, subresource="status")
            except NotFoundError:
                continue
            count += 1
    stored = [name for name in definition["status"]["storedVersions"] if name not in old]
    current = next(each["name"] for each in definition["spec"]["versions"] if each["storage"])
    status = {**definition["status"], "storedVersions": stored or [current]}
    await client.replace(CUSTOM_RESOURCE_DEFINITIONS, {**definition, "status": status}, subresource="status")
    logger.info("stored objects are of version %s now", current, extra={"objects": count, "were": list(old)})
    return count


async def _settled(client: Client, name: str, settle: float) -> Manifest:
    """The definition. Each API server takes up a new one in its own time, and stores in the old version until then."""
    generation = None
    while True:
        definition = await client.get(CUSTOM_RESOURCE_DEFINITIONS, None, name)
        if not old_versions(definition) or definition["metadata"]["generation"] == generation:
            return definition
        generation = definition["metadata"]["generation"]
        await asyncio.sleep(settle)
