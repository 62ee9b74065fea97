"""A minimal client of the API server: standard library only, so that it starts in no time."""

import base64
import contextlib
import http.client
import json
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from devcluster.errors import DevclusterError

__all__ = ["Answer", "Api"]

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a body; `body` is empty when the answer was not JSON."""

    status: int
    body: Manifest


class Api:
    """Requests under the identity of a kubeconfig that devcluster wrote (certificates inside)."""

    def __init__(self, kubeconfig: Path) -> None:
        value = yaml.safe_load(kubeconfig.read_text())
        cluster, user = value["clusters"][0]["cluster"], value["users"][0]["user"]
        address = urlsplit(cluster["server"])
        self._host, self._port = address.hostname or "", address.port or 443
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        # The ssl module reads a client's certificate from files only.
        with tempfile.NamedTemporaryFile("wb") as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._context.load_cert_chain(pair.name)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """One request. Raises OSError or http.client.HTTPException when there is no answer."""
        with self._connection(10) as connection:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": content_type, "Accept": "application/json"})
            response = connection.getresponse()
            text = response.read()
        try:
            value = json.loads(text)
        except ValueError:
            value = {}
        return Answer(response.status, value if isinstance(value, dict) else {})

    def create(self, collection: str, manifest: Manifest) -> None:
        """POST; an object that is there already is fine."""
        answer = self.request("POST", collection, manifest)
        if answer.status not in (200, 201, 202, 409):
            what = f"{manifest['kind']} {manifest['metadata']['name']}"
            raise DevclusterError(f"the API server refused {what}: {answer.body.get('message')}")

    def answers(self, path: str) -> bool:
        """GET gives 200."""
        try:
            return self.request("GET", path).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def watch(self, path: str, seconds: int) -> Iterator[Manifest]:
        """The events of a watch that the API server ends after that time. Raises as `request` does."""
        with self._connection(seconds + 10) as connection:
            connection.request("GET", f"{path}&timeoutSeconds={seconds}", headers={"Accept": "application/json"})
            response = connection.getresponse()
            while line := response.readline():
                event: Manifest = json.loads(line)
                yield event

    @contextlib.contextmanager
    def _connection(self, timeout: float) -> Iterator[http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
        try:
            yield connection
        finally:
            connection.close()
