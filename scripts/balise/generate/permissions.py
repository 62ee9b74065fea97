"""The operator's permissions as OLM wants them: literal, minimal, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from balise.generate.manifests import Manifest
from balise.model.errors import InputError

__all__ = ["normalised_rules"]

_LISTS = ("apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs")
_SCOPE = ("apiGroups", "resources", "resourceNames", "nonResourceURLs")


def normalised_rules(rules: Iterable[Mapping[str, Any]], *, place: str) -> list[Manifest]:
    """RBAC rules merged and sorted: one rule for each scope, every list without repeats and in order.

    Rules with the same groups, resources, names and URLs become one with the verbs of all. Raises :class:`InputError`
    for an unknown field, for a rule without verbs or without anything they apply to, and for every wildcard: what an
    operator may do should be readable from its bundle, and ``*`` also grants whatever is added later.
    """
    verbs_by_scope: dict[tuple[tuple[str, ...], ...], set[str]] = {}
    for index, rule in enumerate(rules):
        _must_be_literal(rule, f"{place}, rule {index + 1}")
        scope = tuple(tuple(sorted(set(rule.get(field, ())))) for field in _SCOPE)
        verbs_by_scope.setdefault(scope, set()).update(rule["verbs"])
    return [
        {field: list(values) for field, values in zip(_SCOPE, scope, strict=True) if values} | {"verbs": sorted(verbs)}
        for scope, verbs in sorted(verbs_by_scope.items())
    ]


def _must_be_literal(rule: Mapping[str, Any], place: str) -> None:
    for field, values in rule.items():
        if field not in _LISTS:
            raise InputError(f"unknown field {field!r}", place=place, way_out=f"a rule has {', '.join(_LISTS)}")
        if isinstance(values, str) or not all(isinstance(value, str) for value in values):
            raise InputError(f"{field} must be a list of strings, found {values!r}", place=place)
        if wildcards := [value for value in values if "*" in value and field != "resourceNames"]:
            raise InputError(
                f"{field} has the wildcard {wildcards[0]!r}",
                place=place,
                way_out="name what the operator uses, one by one",
            )
    if not rule.get("verbs"):
        raise InputError("no verbs", place=place, way_out="say what may be done: get, list, watch, …")
    if not (rule.get("apiGroups") and rule.get("resources")) and not rule.get("nonResourceURLs"):
        raise InputError(
            "the verbs apply to nothing", place=place, way_out="give apiGroups (core is '') and resources, or URLs"
        )
