"""The operator's one door to the API server: a handful of verbs over any resource, on the official async client.

The generated API classes and models of the client are never imported: they cost tens of megabytes and would hide
the fields that this version of them does not know.
"""

import json
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import getproxies_environment

import aiohttp
from kopf import ConnectionInfo
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from yaml import YAMLError

from timonier.api.resources import Resource
from timonier.engine.contract import Manifest
from timonier.engine.errors import ApiError, ConnectionSettingsError, NotLeaderError, api_error
from timonier.engine.metrics import API_REQUESTS

__all__ = ["FIELD_MANAGER", "READ_TIMEOUT", "WRITE_TIMEOUT", "Access", "Client", "Page", "answer_of", "connect"]

FIELD_MANAGER: Final = "timonier"

_JSON = "application/json"
# With a parameter, so that the library takes what we encoded as it is.
_APPLY = "application/apply-patch+yaml; charset=utf-8"
_MERGE = "application/merge-patch+json"
_METADATA_ONLY = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{_JSON}"
_METADATA_OF_ONE = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

# A write that the server has not answered by then is given up. It must be shorter than what is left of a lease
# when we notice that we could not renew it (lease duration minus renew deadline): see engine/lease.py.
WRITE_TIMEOUT: Final = 4.0
READ_TIMEOUT: Final = 30.0

# Every escape of JSON, so that one that is itself escaped is not taken for one; with a group for two surrogates.
_ESCAPE: Final = re.compile(r"\\(?:(ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})|.)")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its items, and the resourceVersion of the whole list."""

    items: tuple[Manifest, ...]
    resource_version: int


@dataclass(frozen=True, slots=True)
class Access:
    """What one more connection to the API server needs to be of the same identity, by the same way.

    `server_name` is the name to expect in the certificate when it is not the host's.
    """

    host: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext
    proxy: str | None
    proxy_headers: Mapping[str, str] | None
    server_name: str | None
    trust_env: bool


async def load_configuration(kubeconfig: str | None) -> Configuration:
    """The connection to use: the file given, else the pod's own service account, else the user's kubeconfig.

    Raises ConnectionSettingsError when there is none, or when it cannot be read.
    """
    configuration = Configuration()
    if kubeconfig is None:
        try:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        except ConfigException:
            pass
        else:
            return configuration
    source = f"the kubeconfig {kubeconfig}" if kubeconfig else "neither a service account nor ~/.kube/config"
    try:
        await kubernetes_config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    except (ConfigException, YAMLError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        # The library trips over a file of another shape in as many ways as there are shapes.
        raise ConnectionSettingsError(f"{source} does not tell how to reach a cluster: {error}") from error
    return configuration


@asynccontextmanager
async def connect(
    kubeconfig: str | None = None, *, agent: str = FIELD_MANAGER, may_write: Callable[[], bool] = lambda: True
) -> AsyncIterator["Client"]:
    """A client for the life of a `async with` block. `agent` names this process in the API server's audit log."""
    configuration = await load_configuration(kubeconfig)
    configuration.connection_pool_maxsize = 64
    # Otherwise every single request reads ~/.netrc, in a thread, and looks at the environment anew.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
    api = ApiClient(configuration)
    try:
        yield Client(api, agent=agent, may_write=may_write)
    finally:
        await api.close()


async def kopf_login(configuration: Configuration) -> ConnectionInfo:
    """The same connection, in the words of kopf: both halves of the operator are one identity."""
    token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    return ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme="Bearer" if token else None,
        token=token.removeprefix("Bearer ") if token else None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
    )


class Client:
    """Reads and writes objects as plain JSON values.

    Every write first asks `may_write()` and raises NotLeaderError when the answer is no, so that a replica that lost
    its lease cannot write whatever its reconcilers were in the middle of. Every method raises ApiError or a subclass.
    """

    def __init__(self, api: ApiClient, *, agent: str, may_write: Callable[[], bool]) -> None:
        self._api = api
        self._agent = agent
        self._may_write = may_write

    async def login(self) -> ConnectionInfo:
        """What kopf needs to connect as this client does."""
        return await kopf_login(self._api.configuration)

    def unguarded(self) -> "Client":
        """The same connection without the leadership question: for the lease itself and for tools."""
        return Client(self._api, agent=self._agent, may_write=lambda: True)

    def check_may_write(self, what: str) -> None:
        """Raises NotLeaderError, which says what was not done, when this replica may not write."""
        if not self._may_write():
            raise NotLeaderError(f"{what}: this replica does not hold the lease")

    async def access(self) -> Access:
        """What a connection beside this client's own needs; good for one that is opened at once, as tokens expire."""
        headers = {"User-Agent": self._agent}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        configuration = self._api.configuration
        return Access(
            host=configuration.host,
            headers=headers,
            tls=self._api.rest_client.ssl_context,
            proxy=configuration.proxy,
            proxy_headers=configuration.proxy_headers,
            server_name=configuration.tls_server_name,
            trust_env=bool((configuration.client_session_kwargs or {}).get("trust_env")),
        )

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Manifest:
        """One object. Raises NotFoundError."""
        return await self._request("GET", resource, resource.url(namespace, name))

    async def metadata(self, resource: Resource, namespace: str | None, name: str) -> Manifest:
        """One object's metadata, and nothing else of it. Raises NotFoundError."""
        answer = await self._request("GET", resource, resource.url(namespace, name), accept=_METADATA_OF_ONE)
        found: Manifest = answer["metadata"]
        return found

    async def pages(
        self, resource: Resource, *, namespace: str | None = None, label_selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Page]:
        """A whole collection, 500 objects at a time; with `metadata_only`, just each object's metadata."""
        query = {"limit": "500"} | ({"labelSelector": label_selector} if label_selector else {})
        accept = _METADATA_ONLY if metadata_only else _JSON
        while True:
            answer = await self._request("GET", resource, resource.url(namespace), query=query, accept=accept)
            metadata = answer["metadata"]
            yield Page(tuple(answer["items"] or ()), int(metadata["resourceVersion"]))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def first_page(
        self, resource: Resource, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> tuple[Manifest, ...]:
        """As many objects of a collection as one page holds."""
        query = {"limit": "500", "labelSelector": label_selector, "fieldSelector": field_selector}
        stated = {name: value for name, value in query.items() if value}
        answer = await self._request("GET", resource, resource.url(namespace), query=stated)
        return tuple(answer["items"] or ())

    async def apply(
        self,
        resource: Resource,
        manifest: Manifest,
        *,
        manager: str = FIELD_MANAGER,
        force: bool = True,
        subresource: str | None = None,
    ) -> Manifest:
        """Server-side apply: state the fields that are ours, and get the whole object back."""
        metadata = manifest["metadata"]
        url = resource.url(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true" if force else "false", "fieldValidation": "Strict"}
        return await self._request("PATCH", resource, url, query=query, body=manifest, content_type=_APPLY)

    async def create(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Create one object. Raises ConflictError when the name is taken."""
        url = resource.url(manifest["metadata"].get("namespace"))
        return await self._request("POST", resource, url, query={"fieldManager": FIELD_MANAGER}, body=manifest)

    async def replace(self, resource: Resource, manifest: Manifest, *, subresource: str | None = None) -> Manifest:
        """Write one object whole, over the version that it states. Raises ConflictError when it has moved on."""
        metadata = manifest["metadata"]
        url = resource.url(metadata.get("namespace"), metadata["name"], subresource)
        return await self._request("PUT", resource, url, query={"fieldManager": FIELD_MANAGER}, body=manifest)

    async def merge(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Manifest,
        *,
        subresource: str | None = None,
    ) -> Manifest:
        """JSON merge patch of one object."""
        url = resource.url(namespace, name, subresource)
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", resource, url, query=query, body=patch, content_type=_MERGE)

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str) -> None:
        """Delete the object that was seen, in the background. Raises ConflictError when it is another by now."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._request("DELETE", resource, resource.url(namespace, name), body=body)

    async def _request(
        self,
        method: str,
        resource: Resource,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> dict[str, Any]:
        if method != "GET":
            self.check_may_write(f"{method} {path}")
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": self._agent}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            response = await self._api.rest_client.request(
                method,
                url,
                headers=headers,
                body=encoded(body) if body is not None and content_type == _APPLY else body,
                _request_timeout=aiohttp.ClientTimeout(total=READ_TIMEOUT if method == "GET" else WRITE_TIMEOUT),
            )
            text = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            API_REQUESTS.labels(method, str(resource), "none").inc()
            raise ApiError(
                0, type(error).__name__, f"{method} {path}: no answer from the API server: {error!r}"
            ) from error
        API_REQUESTS.labels(method, str(resource), str(response.status)).inc()
        return answer_of(method, path, response.status, response.headers.get("Retry-After"), text)


def encoded(manifest: Manifest) -> bytes:
    r"""A manifest as JSON that is YAML as well: the API server reads what is applied by a parser of YAML.

    YAML does not know how JSON escapes a character beyond U+FFFF, by two surrogates, so those go as they are; all
    others are escaped, as YAML refuses some of them bare.

    >>> encoded({"sun": "\u2600", "face": "\U0001f600"}).decode()
    '{"sun":"\\u2600","face":"😀"}'
    """
    text = json.dumps(manifest, separators=(",", ":"))
    if "\\ud" in text:
        text = _ESCAPE.sub(lambda escape: json.loads(f'"{escape[0]}"') if escape[1] else escape[0], text)
    return text.encode()


def answer_of(method: str, path: str, status: int, retry_after: str | None, text: bytes) -> dict[str, Any]:
    """The JSON of a good answer; an error of the right type for a bad one."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        value = {"message": text[:200].decode(errors="replace")}
    if status < 300:
        return dict(value)
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    message = value.get("message") or f"{method} {path} failed"
    raise api_error(status, value.get("reason") or "Unknown", message, seconds)
