"""A small synchronous client for tests: any resource by manifest, and waiting for what should become true."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from kubernetes import config
from kubernetes.client import ApiClient

from timonier.api import resources
from timonier.api.resources import Resource

Manifest = dict[str, Any]
T = TypeVar("T")

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
SECRETS = Resource("", "v1", "secrets", "Secret")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
_EXTRA = (
    NAMESPACES,
    PODS,
    SECRETS,
    CRDS,
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Resource("", "v1", "resourcequotas", "ResourceQuota"),
    Resource("", "v1", "nodes", "Node", namespaced=False),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False),
)
_BY_KIND = {
    resource.kind: resource
    for resource in (*(value for value in vars(resources).values() if isinstance(value, Resource)), *_EXTRA)
}


class RefusedError(Exception):
    """The API server's answer was not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


def resource_of(manifest: Manifest) -> Resource:
    """The resource that a manifest belongs to, by its kind."""
    return _BY_KIND[manifest["kind"]]


def _message(text: bytes) -> str:
    """What an answer that is no success says: a Status object's message, or plain text (an unknown path's)."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.decode(errors="replace").strip()
    return str(value.get("message", value))


class Kube:
    """The cluster as one user sees it: that of the kubeconfig, or whom that one acts as."""

    def __init__(self, kubeconfig: Path, *, acting_as: str = "") -> None:
        self._api: ApiClient = config.new_client_from_config(str(kubeconfig))
        self._acting_as = {"Impersonate-User": acting_as} if acting_as else {}

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", **query: str
    ) -> Manifest:
        """One request; its answer as JSON. Raises RefusedError."""
        text, _ = self._answered(method, path, body, content_type, query)
        value: Manifest = json.loads(text) if text else {}
        return value

    def text(self, path: str) -> str:
        """What is there that is no object, such as metrics. Raises RefusedError."""
        text, _ = self._answered("GET", path, None, "application/json", {}, accept="text/plain")
        return text.decode()

    def warnings(self, method: str, path: str, body: Any, **query: str) -> list[str]:
        """What a request that is good is warned of. Raises RefusedError."""
        _, headers = self._answered(method, path, body, "application/json", query)
        found = [value for name, value in headers.items() if name.lower() == "warning"]
        return [text for value in found for text in re.findall(r'299 - "((?:[^"\\]|\\.)*)"', value)]

    def _answered(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        query: Mapping[str, str],
        *,
        accept: str = "application/json",
    ) -> tuple[bytes, Mapping[str, str]]:
        headers = {"Accept": accept, "Content-Type": content_type, **self._acting_as}
        self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        response = self._api.rest_client.request(method, url, headers=headers, body=body)
        text = response.read()
        if response.status >= 300:
            raise RefusedError(response.status, _message(text))
        return text, response.headers

    def apply(self, *manifests: Manifest, manager: str = "tests") -> Manifest:
        """Server-side apply, as a user does it. Returns the last object."""
        answer: Manifest = {}
        for manifest in manifests:
            metadata = manifest["metadata"]
            path = resource_of(manifest).url(metadata.get("namespace"), metadata["name"])
            answer = self.request(
                "PATCH", path, manifest, "application/apply-patch+yaml", fieldManager=manager, force="true"
            )
        return answer

    def create(self, manifest: Manifest) -> Manifest:
        """POST, refused when the name is taken."""
        return self.request("POST", resource_of(manifest).url(manifest["metadata"].get("namespace")), manifest)

    def patch(
        self, resource: Resource, namespace: str | None, name: str, patch: Any, subresource: str | None = None
    ) -> Manifest:
        """JSON merge patch."""
        path = resource.url(namespace, name, subresource)
        return self.request("PATCH", path, patch, "application/merge-patch+json", fieldManager="vandal")

    def get(self, resource: Resource, namespace: str | None, name: str) -> Manifest | None:
        """One object, or None."""
        try:
            return self.request("GET", resource.url(namespace, name))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def list(self, resource: Resource, namespace: str | None = None, selector: str = "") -> list[Manifest]:
        """All objects of a collection."""
        query = {"labelSelector": selector} if selector else {}
        items: list[Manifest] = self.request("GET", resource.url(namespace), **query)["items"] or []
        return items

    def delete(self, resource: Resource, namespace: str | None, name: str, *, orphan: bool = False) -> None:
        """Delete one object in the background, or leave its dependents (`orphan`). Fine when it is gone."""
        try:
            policy = "Orphan" if orphan else "Background"
            self.request("DELETE", resource.url(namespace, name), {"propagationPolicy": policy})
        except RefusedError as error:
            if error.status != 404:
                raise

    def wait(self, what: str, probe: Callable[[], T], seconds: float = 30.0, every: float = 0.05) -> T:
        """Ask every `every` seconds until the answer is true, and return it. Fails with `what` and the last answer."""
        deadline = time.monotonic() + seconds
        answer = probe()
        while not answer:
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}; last answer: {answer!r}")
            time.sleep(every)
            answer = probe()
        return answer

    def conditions(self, namespace: str, name: str) -> dict[str, Manifest]:
        """The conditions of an Application, by type."""
        application = self.get(resources.APPLICATIONS, namespace, name) or {}
        return {condition["type"]: condition for condition in application.get("status", {}).get("conditions", ())}

    def wait_condition(
        self, namespace: str, name: str, condition: str, status: str = "True", seconds: float = 30.0
    ) -> Manifest:
        """Wait until a condition of an Application has that status for the current generation."""

        def reached() -> Manifest | None:
            application = self.get(resources.APPLICATIONS, namespace, name)
            if application is None:
                return None
            generation = application["metadata"]["generation"]
            for found in application.get("status", {}).get("conditions", ()):
                if (found["type"], found["status"]) == (condition, status) and found[
                    "observedGeneration"
                ] == generation:
                    return application
            return None

        found = self.wait(
            f"{condition}={status} of {namespace}/{name}: now {self.conditions(namespace, name)}", reached, seconds
        )
        assert found is not None
        return found

    def delete_namespace_and_wait(self, name: str, seconds: float = 60.0) -> None:
        """Delete a namespace with all that is in it, and wait until it is gone."""
        self.delete(NAMESPACES, None, name)
        self.wait(f"namespace {name} is gone", lambda: self.get(NAMESPACES, None, name) is None, seconds)

    def whoami(self) -> str:
        """The user name that the API server sees."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return str(answer["status"]["userInfo"]["username"])

    def pages(self, resource: Resource) -> Iterator[Manifest]:
        """Every object of a collection, cluster-wide, page by page."""
        query = {"limit": "500"}
        while True:
            page = self.request("GET", resource.url(), **query)
            yield from page["items"]
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]
