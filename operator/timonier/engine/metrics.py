"""The operator's Prometheus metrics: what controller-runtime exposes, under our prefix, and what it lacks.

No label ever carries an object's name: the number of series does not grow with the number of objects.
"""

from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

__all__ = [
    "ADMISSIONS",
    "API_REQUESTS",
    "AUTHORIZATIONS",
    "AUTHOR_REVIEWS",
    "BACKUP_HEALTHY",
    "BACKUP_LAST_SUCCESS",
    "CACHE_OBJECTS",
    "CERTIFICATE_EXPIRY",
    "LEADER",
    "QUEUE_ADDS",
    "QUEUE_DEPTH",
    "QUEUE_LATENCY",
    "QUEUE_LONGEST_RUNNING",
    "QUEUE_RETRIES",
    "QUEUE_UNFINISHED",
    "QUEUE_WORK",
    "RECONCILE_ACTIVE",
    "RECONCILE_ERRORS",
    "RECONCILE_MAX",
    "RECONCILE_PANICS",
    "RECONCILE_TIME",
    "RECONCILE_TOTAL",
    "RECOVERY_ACTIONS",
    "RECOVERY_TIME",
    "REGISTRY",
    "ROLLBACKS",
    "RUN_TIME",
    "WATCH_EVENTS",
    "WATCH_SWEEPS",
    "WEBHOOK_OBJECTS",
    "WEBHOOK_REQUESTS",
    "WEBHOOK_TIME",
    "distribution_version",
]

# When each series began: nobody asks, and it doubles their number.
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def distribution_version() -> str:
    """The installed version of this distribution, or `unknown` when it runs from bare files."""
    try:
        return version("timonier")
    except PackageNotFoundError:
        return "unknown"


Info("timonier_build", "Version of the operator.", registry=REGISTRY).info({"version": distribution_version()})

RECONCILE_TOTAL = Counter(
    "timonier_reconcile", "Reconciles by how they ended: success, requeue_after, error.",
    ["controller", "result"], registry=REGISTRY,
)  # fmt: skip
RECONCILE_ERRORS = Counter(
    "timonier_reconcile_errors", "Reconciles that failed, panics included.", ["controller"], registry=REGISTRY
)
RECONCILE_PANICS = Counter(
    "timonier_reconcile_panics", "Reconciles that failed in a way nobody foresaw.", ["controller"], registry=REGISTRY
)
RECONCILE_TIME = Histogram(
    "timonier_reconcile_time_seconds", "Seconds per reconcile.", ["controller"], buckets=_SECONDS, registry=REGISTRY
)
RECONCILE_ACTIVE = Gauge(
    "timonier_reconcile_active_workers", "Workers that are reconciling now.", ["controller"], registry=REGISTRY
)
RECONCILE_MAX = Gauge(
    "timonier_reconcile_max_concurrent", "Workers that may reconcile at once.", ["controller"], registry=REGISTRY
)

QUEUE_DEPTH = Gauge("timonier_workqueue_depth", "Keys that wait.", ["controller"], registry=REGISTRY)
QUEUE_ADDS = Counter("timonier_workqueue_adds", "Keys added, duplicates included.", ["controller"], registry=REGISTRY)
QUEUE_LATENCY = Histogram(
    "timonier_workqueue_queue_duration_seconds", "Seconds that a key waited for a worker.",
    ["controller"], buckets=_SECONDS, registry=REGISTRY,
)  # fmt: skip
QUEUE_WORK = Histogram(
    "timonier_workqueue_work_duration_seconds", "Seconds that a key kept its worker.",
    ["controller"], buckets=_SECONDS, registry=REGISTRY,
)  # fmt: skip
QUEUE_RETRIES = Counter(
    "timonier_workqueue_retries", "Keys put back after a failure.", ["controller"], registry=REGISTRY
)
QUEUE_UNFINISHED = Gauge(
    "timonier_workqueue_unfinished_work_seconds", "Seconds of work begun and not ended, all workers together.",
    ["controller"], registry=REGISTRY,
)  # fmt: skip
QUEUE_LONGEST_RUNNING = Gauge(
    "timonier_workqueue_longest_running_processor_seconds", "Age of the oldest work that has not ended.",
    ["controller"], registry=REGISTRY,
)  # fmt: skip

BACKUP_HEALTHY = Gauge(
    "timonier_backup_healthy", "1 while the BackupHealthy condition of an Application is True, 0 while it is False.",
    ["namespace", "application"], registry=REGISTRY,
)  # fmt: skip
BACKUP_LAST_SUCCESS = Gauge(
    "timonier_backup_last_success_timestamp_seconds", "The moment whose data the newest good backup holds.",
    ["namespace", "application"], registry=REGISTRY,
)  # fmt: skip
RUN_TIME = Histogram(
    "timonier_run_duration_seconds", "Seconds from start to end of a run, by how it ended.",
    ["kind", "phase"], buckets=(1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800, 43200), registry=REGISTRY,
)  # fmt: skip
RECOVERY_ACTIONS = Counter(
    "timonier_recovery_actions", "What was done to make applications well again, by what was the matter.",
    ["action", "reason"], registry=REGISTRY,
)  # fmt: skip
RECOVERY_TIME = Histogram(
    "timonier_recovery_duration_seconds", "Seconds from the beginning of trouble until an application was well again.",
    ["reason"], buckets=(10, 30, 60, 120, 300, 600, 1800, 3600, 10800), registry=REGISTRY,
)  # fmt: skip
ROLLBACKS = Counter(
    "timonier_upgrade_rollbacks", "Upgrades that were rolled back, by reason.", ["reason"], registry=REGISTRY
)

API_REQUESTS = Counter(
    "timonier_api_requests", "Requests to the API server by verb, resource and HTTP status.",
    ["verb", "resource", "code"], registry=REGISTRY,
)  # fmt: skip
WATCH_EVENTS = Counter(
    "timonier_watch_events", "Watch events received, by resource and type.", ["resource", "type"], registry=REGISTRY
)
WATCH_SWEEPS = Counter(
    "timonier_watch_sweeps", "Comparisons of the cache with the API server's list.", ["resource"], registry=REGISTRY
)
CACHE_OBJECTS = Gauge("timonier_cache_objects", "Objects in the cache.", ["resource"], registry=REGISTRY)
LEADER = Gauge("timonier_leader", "1 while this replica holds the lease.", registry=REGISTRY)

WEBHOOK_REQUESTS = Counter(
    "timonier_webhook_requests", "Questions of the API server by path, and whether they were answered: ok, error.",
    ["path", "result"], registry=REGISTRY,
)  # fmt: skip
WEBHOOK_TIME = Histogram(
    "timonier_webhook_request_duration_seconds", "Seconds per request of the API server.",
    ["path"], buckets=_SECONDS, registry=REGISTRY,
)  # fmt: skip
ADMISSIONS = Counter(
    "timonier_admission_reviews", "Requests whose author's permissions were reviewed, by what came of it.",
    ["kind", "result"], registry=REGISTRY,
)  # fmt: skip
AUTHOR_REVIEWS = Counter(
    "timonier_author_reviews", "Reviews of an Application's author before it does something by itself.",
    ["work", "result"], registry=REGISTRY,
)  # fmt: skip
AUTHORIZATIONS = Counter(
    "timonier_authorization_reviews", "Requests that the API server asked about before RBAC, by the answer.",
    ["result"], registry=REGISTRY,
)  # fmt: skip
WEBHOOK_OBJECTS = Counter(
    "timonier_webhook_converted_objects", "Objects converted, by the version they were asked in.",
    ["version"], registry=REGISTRY,
)  # fmt: skip
CERTIFICATE_EXPIRY = Gauge(
    "timonier_webhook_certificate_expiry_timestamp_seconds",
    "When the certificate that is served now ends.",
    registry=REGISTRY,
)
