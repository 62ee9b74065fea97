"""What is the matter with an application, in a word of a closed list: from its pods, and from probes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from timonier.api.application import RecoveryProbeStatus
from timonier.api.policies import RecoveryAction, RecoveryPolicy
from timonier.applications.reasons import Reason
from timonier.applications.trouble import trouble_of
from timonier.engine.contract import Manifest
from timonier.runs.outcome import has_ended

__all__ = ["PATIENCE", "Trouble", "TroubleReason", "helps", "trouble_with"]


class TroubleReason(StrEnum):
    """What can be the matter."""

    DATA_LOST = "DataLost"
    """A probe says that data is missing."""
    CRASH_LOOP = "CrashLoop"
    """A container ends again and again."""
    OUT_OF_MEMORY = "OutOfMemory"
    """A container ends again and again for want of memory."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """A node cannot get the image."""
    CANNOT_START = "ContainerCannotStart"
    """A container cannot be started."""
    UNSCHEDULABLE = "Unschedulable"
    """A pod fits on no node, or waits for its volume."""
    VOLUME_NOT_READY = "VolumeNotReady"
    """A volume cannot be mounted."""
    STUCK_TERMINATING = "StuckTerminating"
    """A pod should have gone long ago: its node may be lost."""
    NOT_READY = "NotReady"
    """A pod runs and is not ready."""
    MISSING_PODS = "MissingPods"
    """There are fewer pods than asked for."""
    UNWELL = "Unwell"
    """A probe says that it is unwell."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is the matter, why, and the pod that it is about, where it is about one."""

    reason: TroubleReason
    message: str
    pod: Manifest | None = None


_BY_REASON: Final[Mapping[Reason, TroubleReason]] = {
    Reason.CRASH_LOOP: TroubleReason.CRASH_LOOP,
    Reason.IMAGE_PULL_FAILED: TroubleReason.IMAGE_PULL_FAILED,
    Reason.CONTAINER_CANNOT_START: TroubleReason.CANNOT_START,
    Reason.UNSCHEDULABLE: TroubleReason.UNSCHEDULABLE,
    Reason.VOLUME_NOT_READY: TroubleReason.VOLUME_NOT_READY,
    Reason.PROBE_FAILED: TroubleReason.NOT_READY,
}
# A pod that is stuck is a matter of its node, and one that fits nowhere of the cluster: others would fare no better.
_NO_RESTART: Final = frozenset(
    {TroubleReason.UNSCHEDULABLE, TroubleReason.STUCK_TERMINATING, TroubleReason.MISSING_PODS, TroubleReason.DATA_LOST}
)
_NO_ROLLBACK: Final = frozenset({TroubleReason.STUCK_TERMINATING, TroubleReason.DATA_LOST})
_STUCK_AFTER: Final = 60.0
PATIENCE: Final = 15.0
"""Seconds for which a pod that is not ready is no trouble yet."""
_LONGEST: Final = 1024


def helps(action: RecoveryAction, reason: TroubleReason) -> bool:
    """Whether an action can help at all.

    >>> helps("RestartPod", TroubleReason.CRASH_LOOP), helps("RestartPod", TroubleReason.UNSCHEDULABLE)
    (True, False)
    """
    if action == "RestartPod":
        return reason not in _NO_RESTART
    if action == "RollbackRevision":
        return reason not in _NO_ROLLBACK
    return action != "RestoreBackup" or reason is TroubleReason.DATA_LOST


def trouble_with(
    policy: RecoveryPolicy,
    pods: Sequence[Manifest],
    events: Sequence[Manifest],
    probes: Sequence[RecoveryProbeStatus],
    missing: str | None,
    now: datetime,
) -> Trouble | None:
    """What is the matter; None when nothing is. What says that data is lost goes before all else.

    `missing` says how many pods are not there, where that has lasted for a while.
    """
    lost = _by_probe(policy, probes, "DataLoss")
    if lost is not None:
        return lost
    ours = sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]), reverse=True)
    for pod in ours:
        if (found := _of_pod(pod, events, now)) is not None:
            return found
    if missing is not None:
        return Trouble(TroubleReason.MISSING_PODS, missing)
    return _by_probe(policy, probes, "Unwell")


def _by_probe(policy: RecoveryPolicy, failing: Sequence[RecoveryProbeStatus], indicates: str) -> Trouble | None:
    failures = {probe.name: probe for probe in failing}
    for probe in policy.probes:
        found = failures.get(probe.name)
        if probe.indicates == indicates and found is not None and found.failures >= probe.failure_threshold:
            reason = TroubleReason.DATA_LOST if indicates == "DataLoss" else TroubleReason.UNWELL
            return Trouble(reason, f"the probe {probe.name} failed {found.failures} times in a row: {found.message}")
    return None


def _of_pod(pod: Manifest, events: Sequence[Manifest], now: datetime) -> Trouble | None:
    metadata, name = pod["metadata"], pod["metadata"]["name"]
    if metadata.get("deletionTimestamp"):
        late = (now - datetime.fromisoformat(metadata["deletionTimestamp"]).astimezone(UTC)).total_seconds()
        if late < _STUCK_AFTER:
            return None
        where = pod["spec"].get("nodeName", "no node")
        return Trouble(TroubleReason.STUCK_TERMINATING, f"pod {name} on {where} should have gone {late:.0f} s ago", pod)
    status: Mapping[str, Any] = pod.get("status", {})
    if has_ended(pod) or _is_ready(status):
        return None
    own = [event for event in events if event["regarding"].get("uid") == metadata["uid"]]
    words = trouble_of([pod], own)
    reason = _BY_REASON.get(words[0], TroubleReason.NOT_READY) if words else TroubleReason.NOT_READY
    if words and reason is TroubleReason.CRASH_LOOP:
        out = "out of memory" in words[1]
        return Trouble(TroubleReason.OUT_OF_MEMORY if out else reason, words[1][:_LONGEST], pod)
    if _unready_for(pod, now) < PATIENCE:
        return None  # most come up by themselves
    return Trouble(reason, words[1][:_LONGEST] if words else f"pod {name} is not ready", pod)


def _unready_for(pod: Manifest, now: datetime) -> float:
    conditions: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("conditions", ())
    ready = next((found for found in conditions if found.get("type") == "Ready"), {})
    since = ready.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return (now - datetime.fromisoformat(since).astimezone(UTC)).total_seconds()


def _is_ready(status: Mapping[str, Any]) -> bool:
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions", ())
    return any((found.get("type"), found.get("status")) == ("Ready", "True") for found in conditions)
