"""The Job that runs the mover once, and the Secret with what only it may know: as they are created."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from timonier.api.backup_store import BackupStore, BackupStoreSpec
from timonier.api.fields import stated_fields
from timonier.api.pods import PodSecurity, Toleration
from timonier.api.references import APPLICATION_LABEL, RUN_LABEL
from timonier.api.resources import JOBS, SECRETS, Resource
from timonier.engine.contract import Manifest
from timonier.runs.credentials import STORE_FOLDER
from timonier.runs.names import shortened
from timonier.runs.owners import owned_by

__all__ = [
    "APPLICATION_FILE",
    "CONTAINER",
    "HOST_LABEL",
    "MOVER_ID",
    "STORE_LABEL",
    "UNLOCK_LABEL",
    "ClaimMount",
    "Follower",
    "Identity",
    "ScratchMount",
    "Task",
    "hostname",
    "job",
    "job_name",
    "secret",
    "store_label",
]

CONTAINER: Final = "mover"
"""The name of the mover's container."""
HOST_LABEL: Final = "timonier.dev/mover"
"""On a pod of the mover: the name that it gives itself, which the locks that it holds carry."""
APPLICATION_FILE: Final = "/credentials/application.json"
"""Where a mover finds the Application that it saves with the data."""

STORE_LABEL: Final = "timonier.dev/store"
"""On a Job of the mover: which store it works on, by `store_label`."""
UNLOCK_LABEL: Final = "timonier.dev/unlock"
"""On a Job whose mover breaks all locks of its store first: no other may begin meanwhile."""

MOVER_ID: Final = 65532
"""User and group of the mover where the data does not ask for others; the group of the files in a store's volume."""

_CREDENTIALS_FOLDER: Final = "/credentials"
_VARIABLE: Final = re.compile("[A-Z_]+")
_LONGEST_NAME: Final = 63
_LONGEST_STEP: Final = 40
_TYPE: Final = "timonier.dev/mover"


@dataclass(frozen=True, slots=True)
class ClaimMount:
    """A volume of the application's in the mover's pod."""

    claim: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ScratchMount:
    """A volume that is made with the mover's pod and goes with it; `claim` is the spec of its claim."""

    path: str
    claim: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Follower:
    """What runs in the mover's pod once the mover has done well: a container and what its pod needs for it.

    The folders of the mover's scratch volumes are mounted in it as `mounts` says, by their paths in the mover.
    """

    container: Mapping[str, Any]
    volumes: tuple[Mapping[str, Any], ...]
    mounts: Mapping[str, str]
    pod: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the mover runs as: the application's own user where it touches the application's files."""

    user: int = MOVER_ID
    group: int = MOVER_ID
    groups: tuple[int, ...] = ()
    fs_group: int | None = None

    @classmethod
    def of(cls, security: PodSecurity | None, *, takes_ownership: bool = False) -> "Identity":
        """The user of an application's pods. `takes_ownership`: volumes that nobody has used yet become theirs."""
        if security is None:
            return cls()
        user = MOVER_ID if security.run_as_user is None else security.run_as_user
        group = user if security.run_as_group is None else security.run_as_group
        fs_group = group if security.fs_group is None and takes_ownership else security.fs_group
        own = (fs_group,) if fs_group is not None else ()
        return cls(
            user=user,
            group=group,
            groups=tuple(dict.fromkeys((*security.supplemental_groups, *own))),
            fs_group=fs_group if takes_ownership else None,
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One call of the mover: what it is told, which volumes it sees, as whom and where it runs.

    `deadline` is in seconds; `node` the only node that can have the volumes, None for any.
    """

    name: str
    host: str
    instruction: Mapping[str, Any]
    deadline: int
    claims: tuple[ClaimMount, ...] = ()
    identity: Identity = Identity()
    node: str | None = None
    application: str | None = None
    tolerations: tuple[Toleration, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    scratch: tuple[ScratchMount, ...] = ()
    follower: Follower | None = None

    @property
    def unlocks(self) -> bool:
        """It breaks every lock of the store first."""
        return bool(self.instruction.get("unlock"))


def store_label(store: BackupStore) -> str:
    """What stands for a store in a label, which its name might be too long for."""
    metadata = store.metadata
    return hashlib.sha256(f"{metadata.namespace}/{metadata.name}".encode()).hexdigest()[:16]


def job_name(owner: Manifest, step: str, attempt: int | str) -> str:
    """The name of the Job of one attempt: the same each time, and no other's.

    >>> job_name({"metadata": {"name": "nightly.1", "uid": "0a1b2c3d-4e5f"}}, "Transfer", 2)
    'nightly-1-0a1b2c3d-transfer-2'
    """
    metadata = owner["metadata"]
    rest = f"-{metadata['uid'].replace('-', '')[:8]}-{shortened(_label(step), _LONGEST_STEP)}-{attempt}"
    return _label(metadata["name"])[: _LONGEST_NAME - len(rest)].rstrip("-") + rest


def hostname(owner: Manifest, step: str, attempt: int | str) -> str:
    """The name that the mover's pod gives itself: it begins with the uid of the object that the Job belongs to.

    >>> hostname({"metadata": {"uid": "0a1b2c3d-4e5f"}}, "Transfer", 2)
    '0a1b2c3d-4e5f-transfer-2'
    """
    rest = f"-{attempt}"
    room = _LONGEST_NAME - len(owner["metadata"]["uid"]) - len(rest) - 1
    return f"{owner['metadata']['uid']}-{shortened(_label(step), room)}{rest}"


def secret(owner: Manifest, resource: Resource, task: Task, entries: Mapping[str, bytes]) -> dict[str, Any]:
    """The Secret that goes with the Job of that task: it has the Job's name, and cannot be changed."""
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "type": _TYPE,
        "immutable": True,
        "metadata": _metadata(owner, resource, task),
        "data": {name: base64.b64encode(value).decode() for name, value in sorted({**entries, **task.files}.items())},
    }


def job(
    owner: Manifest, resource: Resource, task: Task, *, image: str, store: BackupStore, entries: Sequence[str]
) -> dict[str, Any]:
    """The Job. `entries` are the names of what the Secret holds."""
    metadata = _metadata(owner, resource, task)
    metadata["labels"] |= {STORE_LABEL: store_label(store)} | ({UNLOCK_LABEL: "true"} if task.unlocks else {})
    # Not the Application's label: its Service would send requests here.
    labels = {**_labels(resource), HOST_LABEL: task.host}
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,  # another attempt is the operator's decision, and another Job
            "activeDeadlineSeconds": max(1, task.deadline),
            "template": {"metadata": {"labels": labels}, "spec": _pod(task, image, store.spec, entries)},
        },
    }


def _metadata(owner: Manifest, resource: Resource, task: Task) -> dict[str, Any]:
    belongs = {APPLICATION_LABEL: task.application} if task.application else {}
    return {
        "namespace": owner["metadata"]["namespace"],
        "name": task.name,
        "labels": {**_labels(resource), **belongs},
        "ownerReferences": owned_by(owner, resource),
    }


def _labels(resource: Resource) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "timonier-mover",
        "app.kubernetes.io/component": "mover",
        "app.kubernetes.io/managed-by": "timonier",
        RUN_LABEL: resource.kind.lower(),
    }


def _pod(task: Task, image: str, store: BackupStoreSpec, entries: Sequence[str]) -> dict[str, Any]:
    shelf = ClaimMount(store.pvc.claim_name, STORE_FOLDER, only_reads(task, store)) if store.pvc else None
    claims = [*task.claims, *([shelf] if shelf else [])]
    volumes = {mount.claim: f"claim-{index}" for index, mount in enumerate(claims)}
    scratch = {f"scratch-{index}": mount for index, mount in enumerate(task.scratch)}
    files = [name for name in sorted(entries) if not _VARIABLE.fullmatch(name)]
    container = {
        "name": CONTAINER,
        "image": image,
        "env": _environment(task, entries, locks=not only_reads(task, store)),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            *([{"name": "credentials", "mountPath": _CREDENTIALS_FOLDER, "readOnly": True}] if files else []),
            *({"name": volumes[mount.claim], "mountPath": mount.path, "readOnly": mount.read_only} for mount in claims),
            *({"name": name, "mountPath": mount.path} for name, mount in scratch.items()),
        ],
    }
    pod = {
        "hostname": task.host,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": _security(task.identity, shares_store=store.pvc is not None),
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *([{"name": "credentials", "secret": _as_files(task.name, files)}] if files else []),
            *(
                {
                    "name": volumes[mount.claim],
                    "persistentVolumeClaim": {"claimName": mount.claim}
                    | ({"readOnly": True} if mount is shelf and mount.read_only else {}),
                }
                for mount in claims
            ),
            *(
                {"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": dict(mount.claim)}}}
                for name, mount in scratch.items()
            ),
        ],
        "tolerations": [stated_fields(toleration) for toleration in task.tolerations],
    }
    if task.follower is not None:
        pod = _followed(pod, task.follower, {mount.path: name for name, mount in scratch.items()})
    return pod | ({"affinity": _only_on(task.node)} if task.node else {})


def _followed(pod: Mapping[str, Any], follower: Follower, scratch: Mapping[str, str]) -> dict[str, Any]:
    """The mover goes first; what follows sees nothing of its credentials."""
    own = {volume["name"]: f"own-{volume['name']}"[:_LONGEST_NAME] for volume in follower.volumes}
    mounts = [{**mount, "name": own[mount["name"]]} for mount in follower.container.get("volumeMounts", ())]
    mounts += [{"name": scratch[path], "mountPath": place} for path, place in follower.mounts.items()]
    return {
        **pod,
        **follower.pod,
        "initContainers": pod["containers"],
        "containers": [{**follower.container, "volumeMounts": mounts}],
        "volumes": [*pod["volumes"], *({**volume, "name": own[volume["name"]]} for volume in follower.volumes)],
    }


def _environment(task: Task, entries: Sequence[str], *, locks: bool) -> list[dict[str, Any]]:
    # One by one, so that nothing else of a Secret can set how the mover's programs behave.
    variables = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": task.name, "key": name}}}
        for name in sorted(entries)
        if _VARIABLE.fullmatch(name)
    ]
    instruction = {**task.instruction} if locks else {**task.instruction, "noLock": True}
    told = json.dumps(instruction, sort_keys=True, separators=(",", ":"))
    # Its last word in the log has it, as a proof that it is the mover's own.
    pod = {"name": "TIMONIER_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    return [*variables, pod, {"name": "TIMONIER_TASK", "value": told.replace("$(", "$$(")}]


def only_reads(task: Task, store: BackupStoreSpec) -> bool:
    """Whether the store's volume is mounted to be read only, without a lock.

    All volumes of a pod are given to its fsGroup, bar those that it only reads; the store's belongs to all movers.
    """
    return store.pvc is not None and task.identity.fs_group is not None


def _as_files(name: str, files: Sequence[str]) -> dict[str, Any]:
    # Any user of the pod may read them: whom it runs as is not known to own them, and it is alone.
    return {"secretName": name, "defaultMode": 0o444, "items": [{"key": file, "path": file} for file in files]}


def _security(identity: Identity, *, shares_store: bool) -> dict[str, Any]:
    # Every mover is in one group, in which all files of a store's volume are.
    groups = list(dict.fromkeys((*identity.groups, *((MOVER_ID,) if shares_store else ()))))
    fs_group = MOVER_ID if shares_store and identity == Identity() else identity.fs_group
    stated: dict[str, Any] = {
        "runAsUser": identity.user,
        "runAsGroup": identity.group,
        "runAsNonRoot": identity.user != 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if groups:
        stated["supplementalGroups"] = groups
    if fs_group is not None:
        stated |= {"fsGroup": fs_group, "fsGroupChangePolicy": "OnRootMismatch"}
    return stated


def _only_on(node: str) -> dict[str, Any]:
    field_is = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [field_is]}}}


def _label(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
