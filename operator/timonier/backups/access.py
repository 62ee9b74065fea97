"""Whether a store may be used from a namespace, and can be at present."""

from collections.abc import Mapping

from timonier.api.backup_store import BackupStore
from timonier.api.conditions import condition_of
from timonier.runs.reasons import Reason, Words

__all__ = ["refusal", "unready"]


def refusal(store: BackupStore, namespace: str, labels: Mapping[str, str]) -> str | None:
    """Why a namespace with these labels may not use the store; None when it may. The store's own always may."""
    own = store.metadata.namespace
    policy = store.spec.usage_policy
    if namespace == own or policy.from_ == "All":
        return None
    which = f"the BackupStore {own}/{store.metadata.name}"
    if policy.from_ == "Same":
        return f"{which} may be used in its own namespace only (spec.usagePolicy)"
    wanted = policy.selector or {}
    lacking = sorted(f"{key}={value}" for key, value in wanted.items() if labels.get(key) != value)
    return f"{which} wants the label {lacking[0]} on the namespace {namespace} (spec.usagePolicy)" if lacking else None


def unready(store: BackupStore, *, writes: bool) -> Words | None:
    """Why the store cannot be used now; None when it can."""
    name = store.metadata.name
    ready = condition_of(store.status, "Ready")
    if writes and store.spec.read_only:
        return Reason.STORE_READ_ONLY, f"the BackupStore {name} takes no new backups: its spec.readOnly is set"
    if ready is None or store.status.get("observedGeneration") != store.metadata.generation:
        return Reason.STORE_NOT_READY, f"the BackupStore {name} has not been looked at yet"
    if ready["status"] != "True":
        return Reason.STORE_NOT_READY, f"the BackupStore {name} is not ready: {ready['message']}"
    full = condition_of(store.status, "QuotaExceeded")
    if writes and full is not None and full["status"] == "True":
        return Reason.STORE_FULL, f"the BackupStore {name} is full: {full['message']}"
    return None
