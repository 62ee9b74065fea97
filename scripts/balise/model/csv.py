"""A ClusterServiceVersion, decoded: what the checks ask of it, under the field's own names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from balise.model.semver import Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from balise.model.documents import Document

__all__ = ["GVK", "ApiDescription", "ClusterServiceVersion", "Permission", "api_group_version"]


class GVK(NamedTuple):
    """A group, version and kind."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group or 'core'}/{self.version}, Kind={self.kind}"


def api_group_version(api_version: str) -> tuple[str, str] | None:
    """Group and version of an apiVersion; None where it has more than one slash.

    >>> api_group_version("apps/v1"), api_group_version("v1"), api_group_version("a/b/c")
    (('apps', 'v1'), ('', 'v1'), None)
    """
    group, slash, version = api_version.partition("/")
    if not slash:
        return "", group
    return None if "/" in version else (group, version)


@dataclass(frozen=True, slots=True)
class ApiDescription:
    """An entry of customresourcedefinitions or apiservicedefinitions; ``group`` is empty in the former."""

    name: str
    group: str
    version: str
    kind: str
    description: str
    resources: tuple[Mapping[str, str], ...]

    @property
    def crd_group(self) -> str:
        """The group in a CRD's name: what follows the first dot, or the whole name where there is none."""
        _, dot, group = self.name.partition(".")
        return group if dot else self.name


@dataclass(frozen=True, slots=True)
class Permission:
    """A service account and the rules it gets; a rule is a PolicyRule's mapping."""

    service_account: str
    rules: tuple[Mapping[str, Sequence[str]], ...]


@dataclass(frozen=True)
class ClusterServiceVersion:
    """A decoded CSV. ``fields`` has canonical names and no nulls; ``document`` is where it was read."""

    document: Document
    fields: Mapping[str, Any]

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """``metadata``, decoded."""
        return self.fields.get("metadata") or {}

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        """``spec``, decoded."""
        return self.fields.get("spec") or {}

    @property
    def name(self) -> str:
        """``metadata.name``; empty where there is none."""
        return str(self.metadata.get("name", ""))

    @property
    def annotations(self) -> Mapping[str, str]:
        """``metadata.annotations``; empty where there are none."""
        return self.metadata.get("annotations") or {}

    @property
    def version(self) -> Version:
        """``spec.version``; 0.0.0 where there is none."""
        return self.spec.get("version") or Version()

    @property
    def release(self) -> tuple[int | str, ...]:
        """``spec.release`` as pre-release identifiers; empty where there is none."""
        return self.spec.get("release") or ()

    @property
    def min_kube_version(self) -> str:
        """``spec.minKubeVersion``; empty where there is none."""
        return str(self.spec.get("minKubeVersion", ""))

    @cached_property
    def strategy(self) -> Mapping[str, Any]:
        """``spec.install.spec``"""
        return (self.spec.get("install") or {}).get("spec") or {}

    @property
    def deployments(self) -> Sequence[Mapping[str, Any]] | None:
        """The deployments; None where the field is absent, which is not the same as an empty list."""
        return self.strategy.get("deployments")

    def permissions(self, field: str) -> tuple[Permission, ...]:
        """``permissions`` or ``clusterPermissions``"""
        return tuple(
            Permission(entry.get("serviceAccountName", ""), tuple(entry.get("rules") or ()))
            for entry in self.strategy.get(field) or ()
        )

    def crds(self, relation: str) -> tuple[ApiDescription, ...]:
        """The CRDs that are ``owned`` or ``required``."""
        return _descriptions(self.spec.get("customresourcedefinitions"), relation)

    def api_services(self, relation: str) -> tuple[ApiDescription, ...]:
        """The aggregated APIs that are ``owned`` or ``required``."""
        return _descriptions(self.spec.get("apiservicedefinitions"), relation)


def _descriptions(definitions: Mapping[str, Any] | None, relation: str) -> tuple[ApiDescription, ...]:
    return tuple(
        ApiDescription(
            entry.get("name", ""),
            entry.get("group", ""),
            entry.get("version", ""),
            entry.get("kind", ""),
            entry.get("description", ""),
            tuple(entry.get("resources") or ()),
        )
        for entry in (definitions or {}).get(relation) or ()
    )
