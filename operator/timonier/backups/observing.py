"""What backups and restores look at: the cache first, and the API server for what is not watched."""

from collections.abc import Iterator, Mapping

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.backup_store import BackupStore
from timonier.api.references import APPLICATION_LABEL, NEXT_LABEL
from timonier.api.resources import (
    APPLICATIONS,
    BACKUP_STORES,
    BACKUPS,
    CONTROLLER_REVISIONS,
    JOBS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    UPGRADES,
)
from timonier.api.runs import StoreRef
from timonier.applications.beside import is_beside
from timonier.applications.children import controller, workload_resource
from timonier.applications.revisions import running
from timonier.applications.status import selector_text
from timonier.backups.access import refusal
from timonier.engine.apply import Applier
from timonier.engine.cache import Cache
from timonier.engine.contract import Manifest, Request
from timonier.engine.reading import read
from timonier.runs.outcome import has_ended

__all__ = ["Observer"]


class Observer:
    """Finds what belongs to an Application, and the stores."""

    def __init__(self, cache: Cache, applier: Applier) -> None:
        self._cache = cache
        self._applier = applier

    def application(self, key: Request) -> Application | None:
        """The Application, when it is there."""
        found = self._cache.get(APPLICATIONS, key)
        return None if found is None else read(Application, found)

    def running(self, key: Request) -> Application | None:
        """The Application as it runs now: not as its spec asks for, while an upgrade goes on and after one failed."""
        application = self.application(key)
        if application is None:
            return None
        owned = self._cache.owned(application.metadata.uid)
        revisions = (manifest for resource, manifest in owned if resource == CONTROLLER_REVISIONS)
        return running(application, revisions, self._cache.about(UPGRADES, key))

    def store(self, reference: StoreRef | None, namespace: str) -> BackupStore | None:
        """The store that is meant from a namespace, when it is there."""
        if reference is None:
            return None
        found = self._cache.get(BACKUP_STORES, Request(reference.namespace or namespace, reference.name))
        return None if found is None else read(BackupStore, found)

    def backups(self, namespace: str) -> Iterator[Backup]:
        """Every Backup of a namespace."""
        for found in self._cache.all(BACKUPS, namespace):
            backup = read(Backup, found)
            if backup is not None:
                yield backup

    def workload(self, application: Application) -> Manifest | None:
        """Its Deployment or StatefulSet."""
        metadata = application.metadata
        return self._cache.get(workload_resource(application), Request(metadata.namespace, metadata.name))

    def claims(self, application: Request) -> list[Manifest]:
        """The volumes that carry its label."""
        return list(self._cache.about(PERSISTENT_VOLUME_CLAIMS, application))

    async def claim(self, key: Request) -> Manifest | None:
        """Any volume by its name."""
        return await self._applier.live(PERSISTENT_VOLUME_CLAIMS, key.namespace, key.name)

    async def pods(self, application: Request) -> tuple[Manifest, ...]:
        """Its pods, also those of a workload that was taken over, which have labels of their own.

        What an Upgrade tries beside them is none of these.
        """
        found = self.application(application)
        workload = self.workload(found) if found is not None else None
        selector = (
            selector_text(workload["spec"]["selector"]) if workload else f"{APPLICATION_LABEL}={application.name}"
        )
        pods = await self._applier.some(PODS, application.namespace, label_selector=selector)
        # Who chose labels before may have given them to the pods of Jobs as well.
        return tuple(pod for pod in pods if (controller(pod) or {}).get("kind") != JOBS.kind and not is_beside(pod))

    async def pods_beside(self, application: Request) -> tuple[Manifest, ...]:
        """The pods that an Upgrade tries."""
        return await self._applier.some(PODS, application.namespace, label_selector=f"{NEXT_LABEL}={application.name}")

    async def users(self, claim: Request) -> list[Manifest]:
        """The pods of its namespace that mount a volume, as far as one page of them tells."""
        pods = await self._applier.some(PODS, claim.namespace)
        return [pod for pod in pods if _mounts(pod, claim.name)]

    async def refusal(self, store: BackupStore, namespace: str) -> str | None:
        """Why the store may not be used from a namespace."""
        labels: Mapping[str, str] = {}
        if store.metadata.namespace != namespace and store.spec.usage_policy.from_ == "Selector":
            found = await self._applier.live(NAMESPACES, None, namespace)
            labels = {} if found is None else found["metadata"].get("labels", {})
        return refusal(store, namespace, labels)


def _mounts(pod: Manifest, claim: str) -> bool:
    if has_ended(pod):
        return False
    volumes = pod["spec"].get("volumes", ())
    return any(volume.get("persistentVolumeClaim", {}).get("claimName") == claim for volume in volumes)
