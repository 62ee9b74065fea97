"""Where no OLM makes certificates: the leader keeps an authority of our own, and tells the API server to trust it.

The authority is kept in a Secret that the installation made, empty. The operator may read and write this one Secret,
and the definitions and configurations that carry its bundle: each by its name, and create none.
"""

import base64
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from timonier.api.resources import SECRETS, Resource
from timonier.engine.client import Client
from timonier.engine.contract import Manifest
from timonier.engine.errors import NotFoundError
from timonier.webhooks.certificates import Lives, Trust, parse, renewed

__all__ = ["SECRET_NAME", "Authority", "Target", "with_bundle"]

SECRET_NAME: Final = "timonier-service-cert"  # noqa: S105 - the name of a Secret
"""What OLM calls the Secret with the certificate of the Service timonier-service."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """An object that says how the API server reaches us, and whom it trusts there."""

    resource: Resource
    name: str


@dataclass(frozen=True, slots=True)
class Authority:
    """The Secret in `namespace` and the `targets`. `service` is the name by which pods are reached in the cluster."""

    client: Client
    namespace: str
    service: str
    targets: tuple[Target, ...]
    lives: Lives
    clock: Callable[[], datetime]

    async def read(self) -> Trust | None:
        """What is kept now; None before the leader made it. Raises ApiError."""
        return _trust(await self.client.get(SECRETS, self.namespace, SECRET_NAME))

    async def advance(self) -> Trust:
        """Renew what is due, and give the API server the bundle that fits. Raises ApiError; may be killed anywhere."""
        found = [await self._target(target) for target in self.targets]
        targets = [
            (target.resource, each) for target, each in zip(self.targets, found, strict=True) if each is not None
        ]
        secret = await self.client.get(SECRETS, self.namespace, SECRET_NAME)
        before = _trust(secret)
        published = before is not None and all(with_bundle(each, before.bundle) == each for _, each in targets)
        names = sorted(
            {f"{self.service}.{self.namespace}.svc", *(host for _, each in targets for host in _hosts(each))}
        )
        trust = renewed(before, names, self.clock(), self.lives, published=published)
        # First whom to trust, then what to serve: of the two, only the wrong order refuses requests.
        for resource, each in targets:
            wanted = with_bundle(each, trust.bundle)
            if wanted != each:
                await self.client.replace(resource, wanted)
                logger.info("published the webhooks' authority", extra={"child": f"{resource.kind}/{_name(each)}"})
        if trust != before:
            await self.client.replace(SECRETS, {**secret, "data": _encoded(trust.data())})
            logger.info("renewed the webhooks' certificate", extra={"names": names})
        return trust

    async def _target(self, target: Target) -> Manifest | None:
        try:
            return await self.client.get(target.resource, None, target.name)
        except NotFoundError:
            return None  # the installation leaves out what it does not use


def with_bundle(manifest: Manifest, bundle: str) -> dict[str, Any]:
    """The object with `bundle` (PEM) wherever it says whom to trust; the argument is not changed."""
    encoded = base64.b64encode(bundle.encode()).decode()
    spec = manifest.get("spec", {})
    result = dict(manifest)
    if spec.get("conversion", {}).get("strategy") == "Webhook":
        conversion = spec["conversion"]
        webhook = {**conversion["webhook"], "clientConfig": _trusting(conversion["webhook"]["clientConfig"], encoded)}
        result["spec"] = {**spec, "conversion": {**conversion, "webhook": webhook}}
    if "webhooks" in manifest:
        result["webhooks"] = [
            {**each, "clientConfig": _trusting(each["clientConfig"], encoded)} for each in manifest["webhooks"]
        ]
    return result


def _trusting(client: Mapping[str, Any], encoded: str) -> dict[str, Any]:
    return {**client, "caBundle": encoded}


def _clients(manifest: Manifest) -> Iterator[Mapping[str, Any]]:
    conversion = manifest.get("spec", {}).get("conversion", {})
    if conversion.get("strategy") == "Webhook":
        yield conversion["webhook"]["clientConfig"]
    for each in manifest.get("webhooks", ()):
        yield each["clientConfig"]


def _hosts(manifest: Manifest) -> Iterator[str]:
    """The names that the API server expects in the certificate."""
    for client in _clients(manifest):
        if service := client.get("service"):
            yield f"{service['name']}.{service['namespace']}.svc"
        elif host := urlsplit(client.get("url", "")).hostname:
            yield host


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _trust(secret: Manifest) -> Trust | None:
    return parse({name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()})


def _encoded(data: Mapping[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
