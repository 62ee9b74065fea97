"""Suite ``object``: manifests that can disturb a whole cluster.

The rules are those of operator-framework/api, validation/internal/object.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from balise.checks.registry import Options, Violation, check
from balise.model.go_types import MismatchError, decode

if TYPE_CHECKING:
    from balise.model.bundle import Bundle, ManifestObject

__all__: list[str] = []

_SUITE: Final = "object"
_TYPE: Final = "ObjectFailedValidation"
_BUDGET, _PRIORITY, _ROLE, _CLUSTER_ROLE = "PodDisruptionBudget", "PriorityClass", "Role", "ClusterRole"


def _decoded(bundle: Bundle, *kinds: str) -> Iterator[tuple[ManifestObject, Any]]:
    """The objects of some kinds, of whatever group, that decode into the kind's type."""
    for each in bundle.objects:
        if each.gvk.kind in kinds:
            try:
                yield each, decode(each.data, each.gvk.kind) or {}
            except MismatchError:
                continue  # BAL1601 tells


@check(
    "BAL1601",
    suites=_SUITE,
    type="ParseError",
    hint="write a value of the type that is named",
    reference="object.go",
    example="""
        kind: PodDisruptionBudget
        spec:
          selector: app=example
        # instead
        kind: PodDisruptionBudget
        spec:
          selector: {matchLabels: {app: example}}
        """,
)
def undecodable(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """An object does not fit its type.

    PodDisruptionBudgets, PriorityClasses, Roles and ClusterRoles are read into their types before they are looked at.
    """
    for each in bundle.objects:
        if each.gvk.kind in (_BUDGET, _PRIORITY, _ROLE, _CLUSTER_ROLE):
            try:
                decode(each.data, each.gvk.kind)
            except MismatchError as error:
                yield Violation(f"the {each.gvk.kind} {each.name!r}: {error}", each.document, error.path)


@check(
    "BAL1602",
    suites=_SUITE,
    type=_TYPE,
    hint="allow at least one pod to be unavailable",
    reference="object.go: validatePDB",
    example="""
        kind: PodDisruptionBudget
        spec:
          maxUnavailable: 0
        # instead
        kind: PodDisruptionBudget
        spec:
          maxUnavailable: 1
        """,
)
def budget_maximum(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """A PodDisruptionBudget allows no disruption.

    With maxUnavailable 0 or "0%" no node on which such a pod runs can be drained, and so no cluster be upgraded. The
    reference refuses every percentage here; so does the profile ``reference``.
    """
    for each, budget in _decoded(bundle, _BUDGET):
        maximum = (budget.get("spec") or {}).get("maxUnavailable")
        # The reference reads the number of a percentage as 0, whatever it says.
        refused = isinstance(maximum, str) if options.exact else maximum == "0%"
        if refused or (isinstance(maximum, int) and maximum == 0):
            message = f"the PodDisruptionBudget {each.name!r} has maxUnavailable {maximum!r}"
            yield Violation(message, each.document, ("spec", "maxUnavailable"))


@check(
    "BAL1603",
    suites=_SUITE,
    type=_TYPE,
    hint="write less than 100%",
    reference="object.go: validatePDB",
    example="""
        kind: PodDisruptionBudget
        spec:
          minAvailable: 100%
        # instead
        kind: PodDisruptionBudget
        spec:
          maxUnavailable: 1
        """,
)
def budget_minimum(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A PodDisruptionBudget asks for all pods to be available.

    With minAvailable "100%" no node on which such a pod runs can be drained.
    """
    for each, budget in _decoded(bundle, _BUDGET):
        if (budget.get("spec") or {}).get("minAvailable") == "100%":
            message = f"the PodDisruptionBudget {each.name!r} has minAvailable 100%"
            yield Violation(message, each.document, ("spec", "minAvailable"))


@check(
    "BAL1604",
    suites=_SUITE,
    type=_TYPE,
    hint="set globalDefault: false, and name the class in the pods that need it",
    reference="object.go: validatePriorityClass",
    example="""
        kind: PriorityClass
        globalDefault: true
        # instead
        kind: PriorityClass
        globalDefault: false
        """,
)
def global_priority(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A PriorityClass is the default of the whole cluster.

    An operator must not change the priority of pods that are not its own.
    """
    for each, priority in _decoded(bundle, _PRIORITY):
        if priority.get("globalDefault"):
            message = f"the PriorityClass {each.name!r} has globalDefault: true"
            yield Violation(message, each.document, ("globalDefault",))


def _rules(bundle: Bundle, group: str, resource: str, verbs: set[str]) -> Iterator[tuple[ManifestObject, int, Any]]:
    """The rules that allow one of *verbs* on a resource. Wildcards for groups and resources do not count."""
    for each, role in _decoded(bundle, _ROLE, _CLUSTER_ROLE):
        for index, rule in enumerate(role.get("rules") or ()):
            if (
                group in (rule.get("apiGroups") or ())
                and resource in (rule.get("resources") or ())
                and not verbs.isdisjoint(rule.get("verbs") or ())
            ):
                yield each, index, rule


@check(
    "BAL1605",
    suites=_SUITE,
    level="warning",
    type="ValidationFailed",
    hint="leave PodDisruptionBudgets to whoever runs the cluster, or ship one in the bundle",
    reference="object.go: audit",
    example="""
        kind: Role
        rules:
          - {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [create]}
        # instead
        kind: Role
        rules:
          - {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [get, list]}
        """,
)
def role_for_budgets(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A role may create or change PodDisruptionBudgets.

    Whoever can change them can keep nodes from being drained.
    """
    for each, index, _rule in _rules(bundle, "policy", "poddisruptionbudgets", {"*", "create", "update", "patch"}):
        message = f"the {each.kind} {each.name!r} may create or change poddisruptionbudgets"
        yield Violation(message, each.document, ("rules", index, "verbs"))


_DEFAULT_CONSTRAINTS: Final = {
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "node-exporter",
    "nonroot",
    "privileged",
    "restricted",
}


@check(
    "BAL1606",
    suites=_SUITE,
    type=_TYPE,
    hint="create SecurityContextConstraints of your own, and only use the default ones",
    reference="object.go: audit",
    example="""
        kind: ClusterRole
        rules:
          - apiGroups: [security.openshift.io]
            resources: [securitycontextconstraints]
            resourceNames: [privileged]
            verbs: [update]
        # instead
        kind: ClusterRole
        rules:
          - apiGroups: [security.openshift.io]
            resources: [securitycontextconstraints]
            resourceNames: [privileged]
            verbs: [use]
        """,
)
def role_for_default_constraints(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A role may change OpenShift's default SecurityContextConstraints.

    The default ones, such as ``privileged``, belong to the platform; changing them changes every workload's rights.
    """
    group, resource = "security.openshift.io", "securitycontextconstraints"
    for each, index, rule in _rules(bundle, group, resource, {"*", "delete", "update", "patch"}):
        names = sorted(_DEFAULT_CONSTRAINTS.intersection(rule.get("resourceNames") or ()))
        if names:
            message = f"the {each.kind} {each.name!r} may change the default {resource} {', '.join(names)}"
            yield Violation(message, each.document, ("rules", index, "resourceNames"))
