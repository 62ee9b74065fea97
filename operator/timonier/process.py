"""The operator process: the only place that knows every part, and how they are wired.

Every replica watches, serves health and metrics, and takes part in the election; the one that holds the lease
reconciles. A replica that loses the lease ends: its successor is already warm, and a fresh process knows no stale work.
"""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from timonier.api.crd import KINDS, WEBHOOK_SERVICE
from timonier.api.references import APPLICATION_LABEL, REVISION_LABEL, RUN_LABEL, application_of
from timonier.api.resources import (
    CONTROLLER_REVISIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    JOBS,
    LEASES,
    SELF_SUBJECT_REVIEWS,
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Resource,
)
from timonier.applications.reconciler import ApplicationReconciler
from timonier.backups.policy_reconciler import BackupPolicyReconciler
from timonier.backups.reconciler import BackupReconciler
from timonier.backups.restore_reconciler import RestoreReconciler
from timonier.backups.store_reconciler import BackupStoreReconciler
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.client import Client, connect
from timonier.engine.contract import Change, Reconciler, Request, Rule
from timonier.engine.controller import Controller
from timonier.engine.errors import ApiError, NotLeaderError
from timonier.engine.events import EventRecorder
from timonier.engine.lease import Election
from timonier.engine.logs import unheard
from timonier.engine.metrics import distribution_version
from timonier.engine.server import serving
from timonier.engine.watch import WatchedKind, Watcher
from timonier.recovery.reconciler import RecoveryReconciler
from timonier.runs.background import Background
from timonier.runs.driver import Driver, Gate, Refusal
from timonier.runs.movers import Movers
from timonier.upgrades.reconciler import UpgradeReconciler
from timonier.webhooks import conversion, server
from timonier.webhooks.access import Access
from timonier.webhooks.authority import Authority
from timonier.webhooks.authorization import AUTHORIZE_PATH
from timonier.webhooks.authorship import Authorship
from timonier.webhooks.certificates import Lives, Pair, pace
from timonier.webhooks.definitions import PORT, ROUTES, TARGETS, definitions
from timonier.webhooks.exposition import METRICS_PATH, Exposition
from timonier.webhooks.migration import migrate
from timonier.webhooks.serving import Webhooks, from_files

__all__ = ["LeaseLostError", "Options", "deployment", "rules", "run", "webhooks"]

LEASE_NAME: Final = "timonier"
DEPLOYMENT: Final = "timonier"
_MIGRATED: Final = tuple(kind.resource for kind in KINDS if kind.older)
_MIGRATED_NAMES: Final = tuple(f"{resource.plural}.{resource.group}" for resource in _MIGRATED)
ARCHITECTURES: Final = ("amd64",)
"""What the operator's image is built and tested for."""
RECONCILERS: Final = (
    ApplicationReconciler,
    BackupPolicyReconciler,
    BackupReconciler,
    BackupStoreReconciler,
    RecoveryReconciler,
    RestoreReconciler,
    UpgradeReconciler,
)
_SELECTORS: Final = {JOBS: RUN_LABEL, CONTROLLER_REVISIONS: REVISION_LABEL}
"""Labels that watched objects carry, where it is not that of their Application."""
_MOVER: Final = "registry.timonier.dev/timonier/timonier-mover"
_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DRAIN_SECONDS = 10.0
# The API server keeps sending requests to a pod that ends until every proxy has heard of it.
_LINGER = 5
_STUCK_SECONDS = 600.0
_RENEWAL_RETRY = 2.0
_MIGRATION_PERIOD = 600.0
_MIGRATION_RETRY = 10.0
# How long the API servers of a cluster may take until each of them knows a new definition.
_DEFINITION_SETTLES = 5.0

logger = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """The lease went to another replica, or could not be renewed in time: this process must end."""


@dataclass(frozen=True, slots=True)
class Options:
    """How one replica runs.

    `watch_namespaces` empty means the whole cluster; an empty address serves nothing; without a `mover_image` it is
    that of this version. Without a certificate in `webhook_certificates` the operator makes its own, which live as long
    as `lives` says. After the signal to stop, webhooks are served for another `webhook_linger` seconds: until nobody is
    sent here.
    """

    kubeconfig: str | None = None
    namespace: str = ""
    watch_namespaces: tuple[str, ...] = ()
    workers: int = 16
    health_address: str = ":8081"
    metrics_address: str = ""
    webhook_address: str = f":{PORT}"
    webhook_certificates: Path = Path("/tmp/k8s-webhook-server/serving-certs")  # noqa: S108 - where OLM mounts them
    webhook_linger: float = 0.0
    lives: Lives = field(default_factory=Lives)
    mover_image: str = ""
    identity: str = field(default_factory=lambda: f"{os.uname().nodename}_{uuid4().hex[:8]}")


def own_namespace() -> str:
    """The namespace that the operator itself runs in: where its lease lives."""
    if name := os.environ.get("OPERATOR_NAMESPACE"):
        return name
    return _SERVICE_ACCOUNT_NAMESPACE.read_text().strip() if _SERVICE_ACCOUNT_NAMESPACE.exists() else "default"


def mover_image() -> str:
    """The mover's image of this version of the operator."""
    return f"{_MOVER}:v{distribution_version()}"


async def run(options: Options) -> None:
    """Run one replica until SIGTERM or SIGINT. Raises LeaseLostError, and whatever makes going on impossible."""
    asyncio.get_running_loop().set_exception_handler(unheard)
    election = Election(
        namespace=options.namespace or own_namespace(),
        name=LEASE_NAME,
        identity=options.identity,
        clock=time.monotonic,
    )
    agent = f"timonier/{distribution_version()} ({options.identity})"
    async with connect(options.kubeconfig, agent=agent, may_write=election.held) as client:
        replica = _Replica(options, client, election)
        async with serving(
            health_address=options.health_address,
            metrics_address=options.metrics_address,
            livez={"workers": replica.stuck},
            readyz={
                "cache": lambda: None if replica.watcher.synced.is_set() else "not filled yet",
                "webhooks": replica.webhooks_problem,
            },
        ):
            await replica.run()


class _Replica:
    def __init__(self, options: Options, client: Client, election: Election) -> None:
        self._client = client
        self._election = election
        self._options = options
        self._leads = False
        cache = Cache(primaries=tuple(kind.primary for kind in RECONCILERS), application_of=application_of)
        applier = Applier(client, cache, self._tell_others)
        recorder = EventRecorder(client, instance=options.identity, clock=time.monotonic)
        access = Access(client, time.monotonic)
        self._cache = cache
        self._background = Background(self._wake)
        self._controllers = tuple(
            Controller(name, reconciler, workers=options.workers, clock=time.monotonic, random=random.random)
            for name, reconciler in _reconcilers(
                cache,
                applier,
                recorder,
                client,
                self._background,
                options.mover_image or mover_image(),
                Authorship(access).refusal,
            )
        )
        self.watcher = Watcher(client, cache, _watched_kinds(self._controllers), self._notice,
                               namespaces=options.watch_namespaces)  # fmt: skip
        self._authority = _authority(options, client)
        self._webhooks = _webhooks(options, self._authority, access, cache)

    async def run(self) -> None:
        stop_watching = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(self._answer(), name="webhooks")
            leading = group.create_task(self._lead(), name="leadership")
            watching = group.create_task(self.watcher.run(stop_watching), name="watches")
            await self._stopped(watching)
            lingering = group.create_task(self._linger(), name="last webhooks")
            await self._retire(leading)
            await lingering
            answering.cancel()
            stop_watching.set()

    def stuck(self) -> str | None:
        """A health question: is some key worked on for far too long?"""
        longest = max(controller.queue.longest_running() for controller in self._controllers)
        return f"a reconcile has been running for {longest:.0f} s" if longest > _STUCK_SECONDS else None

    def webhooks_problem(self) -> str | None:
        """A health question: could the API server ask this replica?"""
        return self._webhooks.problem() if self._webhooks else None

    async def _answer(self) -> None:
        if self._webhooks:
            await self._webhooks.run()

    async def _linger(self) -> None:
        if self._webhooks:
            self._webhooks.leave()
            await asyncio.sleep(self._options.webhook_linger)

    def _notice(self, change: Change) -> None:
        # Not `held()`: that is False for a moment when a renewal comes late, and a change missed then is lost for good.
        if self._leads:
            for controller in self._controllers:
                controller.notice(change)

    def _tell_others(self, change: Change) -> None:
        """What a reconciler wrote is news to those of other kinds; what it created also to those of its kind.

        A status is news to those of its kind who watch it expressly.
        """
        for controller in self._controllers:
            reconciler = controller.reconciler
            if change.urgent or reconciler.primary != change.resource or change.resource in reconciler.watched:
                controller.notice(change)

    def _wake(self, resource: Resource, request: Request) -> None:
        """Work in the background has ended: whoever began it is to look."""
        for controller in self._controllers:
            if controller.reconciler.primary == resource:
                controller.queue.add(request)

    async def _lead(self) -> None:
        lease_client = self._client.unguarded()
        await self._election.win(lease_client)
        self._leads = True
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(), name="controllers")
            group.create_task(self._renew(), name="certificates")
            group.create_task(self._migrate(), name="storage migration")
            await self._election.keep(lease_client)
            raise LeaseLostError("lost the lease")

    async def _work(self) -> None:
        await self.watcher.synced.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._background.run(), name="background work")
            for controller in self._controllers:
                for request in self._cache.keys(controller.reconciler.primary):
                    controller.resync(request)
                group.create_task(controller.run())

    async def _renew(self) -> None:
        """Keep the webhooks' certificate and its authority up to date, where that is ours to do."""
        while self._authority is not None:
            try:
                pause = pace((await self._authority.advance()).leaf.certificate)
            except (ApiError, NotLeaderError) as error:  # the latter, too, may pass: see `_notice`
                logger.warning("could not renew the webhooks' certificate: %s", error)
                pause = _RENEWAL_RETRY
            await asyncio.sleep(pause)

    async def _migrate(self) -> None:
        """Bring stored objects up to date; who sees only some namespaces leaves that to somebody who sees all."""
        while not self._options.watch_namespaces:
            pause = _MIGRATION_PERIOD
            try:
                for resource in _MIGRATED:
                    await migrate(self._client, resource, settle=_DEFINITION_SETTLES)
            except (ApiError, NotLeaderError) as error:
                logger.warning("could not bring stored objects to the version of today: %s", error)
                pause = _MIGRATION_RETRY
            await asyncio.sleep(pause)

    async def _stopped(self, watching: asyncio.Task[None]) -> None:
        """Return at the first signal to stop; also when the watches end, which is then reported by their task."""
        signalled = asyncio.Event()
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(signalled.wait())
        started = asyncio.create_task(self.watcher.started.wait())
        for phase in ((started, waiting, watching), (waiting, watching)):
            # Twice, as kopf has its own idea of signals when it starts.
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, signalled.set)
            await asyncio.wait(phase, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, started):
            task.cancel()

    async def _retire(self, leading: asyncio.Task[None]) -> None:
        """Finish what is being worked on, then hand the lease over."""
        logger.info("stopping")
        await asyncio.gather(*(controller.drain(_DRAIN_SECONDS) for controller in self._controllers))
        leading.cancel()
        await self._election.release(self._client.unguarded())


def _reconcilers(
    cache: Cache,
    applier: Applier,
    recorder: EventRecorder,
    client: Client,
    background: Background,
    image: str,
    refusal: Refusal,
) -> list[tuple[str, Reconciler]]:
    movers = Movers(cache, applier, client, image, background)
    driver, gate = Driver(cache, applier, recorder, client, movers, background, refusal), Gate()
    return [
        ("application", ApplicationReconciler(cache, applier, recorder)),
        ("backuppolicy", BackupPolicyReconciler(driver)),
        ("backupstore", BackupStoreReconciler(cache, applier, recorder, movers)),
        ("backup", BackupReconciler(driver, gate)),
        ("recovery", RecoveryReconciler(driver)),
        ("restore", RestoreReconciler(driver, gate)),
        ("upgrade", UpgradeReconciler(driver, gate)),
    ]


def _watched_kinds(controllers: Sequence[Controller]) -> list[WatchedKind]:
    primaries = sorted({controller.reconciler.primary for controller in controllers})
    others = {resource for controller in controllers for resource in controller.reconciler.watched} - set(primaries)
    return [WatchedKind(resource) for resource in primaries] + [
        WatchedKind(resource, _SELECTORS.get(resource, APPLICATION_LABEL)) for resource in sorted(others)
    ]


def _authority(options: Options, client: Client) -> Authority | None:
    """Our own certificates, where nobody mounted one."""
    if not options.webhook_address or (options.webhook_certificates / "tls.crt").exists():
        return None
    namespace = options.namespace or own_namespace()
    return Authority(client, namespace, WEBHOOK_SERVICE, TARGETS, options.lives, lambda: datetime.now(UTC))


def _webhooks(options: Options, authority: Authority | None, access: Access, cache: Cache) -> Webhooks | None:
    if not options.webhook_address:
        return None
    answers = {route: answering(access, cache.all) for route, answering in ROUTES.items()}
    pages = {METRICS_PATH: Exposition(access).answer}
    if authority is None:
        return Webhooks(answers, options.webhook_address, from_files(options.webhook_certificates), pages=pages)
    own = authority

    async def leaf() -> Pair | None:
        trust = await own.read()
        return trust.leaf if trust else None

    return Webhooks(answers, options.webhook_address, leaf, pages=pages)


def webhooks() -> dict[str, Any]:
    """What the API server is to be told of our webhooks, and the paths at which they are really served."""
    routes = server.application(dict.fromkeys(ROUTES, conversion.answer)).router.resources()
    served = {route.canonical for route in routes} - {AUTHORIZE_PATH}  # of which no definition tells the API server
    return {"definitions": definitions(DEPLOYMENT), "served": sorted(served)}


def rules() -> dict[str, list[dict[str, Any]]]:
    """Every permission the operator needs: `cluster` wherever Applications are, `namespaced` where it runs itself."""
    cluster = _united(
        *(rule for reconciler in RECONCILERS for rule in reconciler.rules),
        Rule(EVENTS.group, (EVENTS.plural,), ("create", "patch")),
        Rule(SUBJECT_ACCESS_REVIEWS.group, (SUBJECT_ACCESS_REVIEWS.plural,), ("create",)),
        Rule(TOKEN_REVIEWS.group, (TOKEN_REVIEWS.plural,), ("create",)),
        Rule(SELF_SUBJECT_REVIEWS.group, (SELF_SUBJECT_REVIEWS.plural,), ("create",)),
        Rule(CUSTOM_RESOURCE_DEFINITIONS.group, (CUSTOM_RESOURCE_DEFINITIONS.plural,), ("get",), _MIGRATED_NAMES),
        Rule(
            CUSTOM_RESOURCE_DEFINITIONS.group,
            (f"{CUSTOM_RESOURCE_DEFINITIONS.plural}/status",),
            ("update",),
            _MIGRATED_NAMES,
        ),
    )
    namespaced = [
        Rule(LEASES.group, (LEASES.plural,), ("create",)),
        Rule(LEASES.group, (LEASES.plural,), ("get", "update"), (LEASE_NAME,)),
    ]
    return {"cluster": [rule.manifest() for rule in cluster], "namespaced": [rule.manifest() for rule in namespaced]}


def _united(*rules: Rule) -> list[Rule]:
    """One rule for each resource, with all verbs that any of the rules gives it."""
    verbs: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for rule in rules:
        for resource in rule.resources:
            verbs.setdefault((rule.group, resource, rule.names), set()).update(rule.verbs)
    return [
        Rule(group, (resource,), tuple(sorted(verbs)), names)
        for (group, resource, names), verbs in sorted(verbs.items())
    ]


def deployment(image: str) -> dict[str, Any]:
    """The Deployment that runs the operator, for the ClusterServiceVersion and for installs without OLM."""
    labels = {"app.kubernetes.io/name": "timonier", "app.kubernetes.io/component": "operator"}
    container = {
        "name": "operator",
        "image": image,
        "args": ["run", f"--webhook-linger={_LINGER}"],
        "env": [
            {"name": "OPERATOR_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "WATCH_NAMESPACE",
             "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['olm.targetNamespaces']"}}},
            # By this name, tools that mirror a catalog's images find it, and replace it.
            {"name": "RELATED_IMAGE_MOVER", "value": mover_image()},
        ],
        "ports": [
            {"name": "health", "containerPort": 8081, "protocol": "TCP"},
            {"name": "webhooks", "containerPort": PORT, "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "health"}, "periodSeconds": 20, "timeoutSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 5},
        "startupProbe": {"httpGet": {"path": "/livez", "port": "health"}, "periodSeconds": 2, "failureThreshold": 60},
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "timonier",
                    "terminationGracePeriodSeconds": 30,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [
                            {"key": "kubernetes.io/arch", "operator": "In", "values": list(ARCHITECTURES)},
                            {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                        ]}],
                    }}},
                    "topologySpreadConstraints": [
                        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
                         "labelSelector": {"matchLabels": labels}},
                    ],
                },
            },
        },
    }  # fmt: skip
