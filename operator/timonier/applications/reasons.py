"""Every reason that a condition of an Application can have: a closed list, for people and for programs."""

from enum import StrEnum

__all__ = ["Reason", "Words"]


class Reason(StrEnum):
    """Every reason that a condition of an Application can have."""

    ALL_REPLICAS_READY = "AllReplicasReady"
    """Every pod that is asked for runs the wanted revision and is ready."""
    AUTOSCALER_ACTIVE = "AutoscalerActive"
    """As AllReplicasReady; the autoscaler decides how many pods there are."""
    SCALED_TO_ZERO = "ScaledToZero"
    """No pods are asked for, and there are none."""
    ROLLOUT_IN_PROGRESS = "RolloutInProgress"
    """Pods are being brought to the wanted revision or number."""
    ROLLOUT_COMPLETE = "RolloutComplete"
    """Every pod is of the wanted revision, and as many as asked for exist."""
    REPLICAS_NOT_READY = "ReplicasNotReady"
    """The rollout is complete, and some pods are not ready."""
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
    """Enough pods are available to serve."""
    MINIMUM_REPLICAS_UNAVAILABLE = "MinimumReplicasUnavailable"
    """Too few pods are available to serve."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """The rollout has made no progress for too long."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """The namespace's quota refuses further pods."""
    FAILED_CREATE = "FailedCreate"
    """Pods are refused for another reason than the quota."""
    REFUSED = "Refused"
    """The API server refuses an object that is needed: a quota, a policy or a rule of its own."""
    UNSCHEDULABLE = "Unschedulable"
    """A pod fits on no node, or waits for its volume."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """A node cannot get the image."""
    CONTAINER_CANNOT_START = "ContainerCannotStart"
    """A container cannot be started: a Secret or a program is missing, or the image would run as root."""
    CRASH_LOOP = "CrashLoop"
    """A container ends again and again."""
    VOLUME_NOT_READY = "VolumeNotReady"
    """A volume of a pod cannot be mounted."""
    PROBE_FAILED = "ProbeFailed"
    """A container runs and does not answer its probe."""
    CONFLICT = "Conflict"
    """An object of a name that is needed belongs to somebody else."""
    SUSPENDED = "Suspended"
    """spec.suspend is set."""
    RUNNING = "Running"
    """spec.suspend is not set."""
    HEALTHY = "Healthy"
    """Nothing needs a person."""


Words = tuple[Reason, str]
"""A reason, and the sentence that explains it."""
