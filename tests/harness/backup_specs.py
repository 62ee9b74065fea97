"""Random Backups in both versions, their status included, as the API server accepts them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["backup_specs", "backup_statuses", "simple_backup_specs", "simple_backup_statuses"]

Spec = dict[str, Any]

_NAMES = st.sampled_from(["web", "database", "offsite"])
_TIMES = st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.250+02:00"])
_PHASES = st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Cancelled"])
_TEXTS = st.sampled_from(["", "it is done", "ü\n"])
_STORES = st.fixed_dictionaries({"name": _NAMES}, optional={"namespace": _NAMES})
_SPEC: dict[str, SearchStrategy[Any]] = {
    "storeRef": _STORES,
    "method": st.sampled_from(["Files", "Command", "Snapshot"]),
    "reason": st.sampled_from(["Manual", "Scheduled", "PreUpgrade"]),
    "retain": st.sampled_from(["Policy", "Forever"]),
    "scheduledTime": _TIMES,
    "timeoutSeconds": st.integers(10, 12),
    "backoffLimit": st.integers(0, 2),
    "ttlSecondsAfterFinished": st.integers(0, 2),
    "suspend": st.booleans(),
    "cancel": st.booleans(),
}
_IMPORTED = st.fixed_dictionaries(
    {"reason": st.just("Imported"), "imported": st.fixed_dictionaries({"run": _NAMES, "snapshot": _NAMES})}
)
_STEPS = st.lists(
    st.fixed_dictionaries(
        {"name": _NAMES, "state": st.sampled_from(["Pending", "Succeeded", "Failed"])},
        optional={"attempts": st.integers(0, 3), "startTime": _TIMES, "message": _TEXTS, "jobRef": _NAMES},
    ),
    max_size=3,
    unique_by=lambda step: step["name"],
)
_CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Accepted", "Succeeded"]),
            "status": st.sampled_from(["True", "False", "Unknown"]),
            "reason": st.just("Done"),
            "message": _TEXTS,
            "observedGeneration": st.integers(0, 3),
            "lastTransitionTime": _TIMES,
        }
    ),
    max_size=2,
    unique_by=lambda condition: condition["type"],
)
_STATUS: dict[str, SearchStrategy[Any]] = {
    "phase": _PHASES,
    "observedGeneration": st.integers(0, 3),
    "step": _NAMES,
    "steps": _STEPS,
    "conditions": _CONDITIONS,
    "store": _STORES,
    "size": st.sampled_from(["1 GiB", ""]),
    "bytes": st.integers(0, 2**62),
    "volumes": st.lists(_NAMES, max_size=2, unique=True),
    "verified": st.fixed_dictionaries({"time": _TIMES, "result": st.sampled_from(["Passed", "Failed"])}),
    "deletionProtected": st.booleans(),
    "logTail": _TEXTS,
}


def backup_specs() -> SearchStrategy[Spec]:
    """Specs of v1."""
    spec = st.fixed_dictionaries({"targetRef": st.fixed_dictionaries({"name": _NAMES})}, optional=_SPEC)
    return st.builds(lambda first, more: first | more, spec, st.one_of(st.just({}), _IMPORTED))


def backup_statuses() -> SearchStrategy[Spec]:
    """Statuses of v1."""
    return st.fixed_dictionaries({}, optional=_STATUS)


def simple_backup_specs() -> SearchStrategy[Spec]:
    """Specs of v1alpha1."""
    optional: dict[str, SearchStrategy[Any]] = {
        "type": st.sampled_from(["full", "snapshot", "dump"]),
        "keepForever": st.booleans(),
        "cancel": st.booleans(),
    }
    return st.fixed_dictionaries({"application": _NAMES}, optional=optional)


def simple_backup_statuses() -> SearchStrategy[Spec]:
    """Statuses of v1alpha1."""
    other = {name: values for name, values in _STATUS.items() if name != "phase"}
    return st.fixed_dictionaries({}, optional={"state": _PHASES, **other})
