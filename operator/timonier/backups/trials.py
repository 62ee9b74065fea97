"""Restores on trial: the volumes that are made for one, and what looks at the data there. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from timonier.api.application import Application, Storage
from timonier.api.pods import PodSecurity
from timonier.applications.children import config_name, manifest_of
from timonier.applications.workload import command_pod, volume_claim_spec
from timonier.backups.volumes import DATA_FOLDER
from timonier.engine.contract import Manifest
from timonier.runs.mover import Follower, Identity, ScratchMount

__all__ = ["follower", "place_of", "scratch_mounts", "trial_identity", "volumes_of"]

_OF_THE_POD: Final = ("imagePullSecrets", "serviceAccountName", "automountServiceAccountToken")


def volumes_of(application: Application) -> tuple[Storage, ...]:
    """What volumes the application has."""
    return application.spec.workload.storage


def place_of(storages: Sequence[Storage], volume: str) -> Storage | None:
    """The storage that a volume of a backup is of: data is of data, and data-0 of the data of a StatefulSet's pods."""
    exact = next((storage for storage in storages if storage.name == volume), None)
    if exact is not None:
        return exact
    name, _, ordinal = volume.rpartition("-")
    return next((storage for storage in storages if storage.name == name and ordinal.isdecimal()), None)


def scratch_mounts(application: Application, volumes: Iterable[str]) -> tuple[ScratchMount, ...]:
    """A volume for each of the backup's, as large and of the same class."""
    storages = volumes_of(application)
    return tuple(
        ScratchMount(f"{DATA_FOLDER}/{volume}", manifest_of(volume_claim_spec(storage)))
        for volume in sorted(volumes)
        if (storage := place_of(storages, volume)) is not None
    )


def trial_identity(application: Application) -> Identity:
    """Whom the mover runs as: the volumes become that user's."""
    return Identity.of(application.spec.workload.pod_security_context or PodSecurity(), takes_ownership=True)


def follower(
    application: Application, command: Sequence[str], volumes: Iterable[str], live: Manifest | None = None
) -> Follower:
    """The application's image with the restored data where it has its own; of a StatefulSet, that of its first pod.

    `live` is its workload as it is.
    """
    pod = command_pod(application, command, image=None, config=config_name(application), volumes=False, live=live)
    (container,) = pod["containers"]
    storages = volumes_of(application)
    places: dict[str, str] = {}
    for volume in sorted(volumes, key=_by_ordinal):
        storage = place_of(storages, volume)
        if storage is not None and storage.mount_path not in places.values():
            places[f"{DATA_FOLDER}/{volume}"] = storage.mount_path
    kept: dict[str, Any] = {name: pod[name] for name in _OF_THE_POD if name in pod}
    return Follower(container, tuple(pod.get("volumes", ())), places, kept)


def _by_ordinal(volume: str) -> tuple[int, str]:
    ordinal = volume.rpartition("-")[2]
    return int(ordinal) if ordinal.isdecimal() else 0, volume
