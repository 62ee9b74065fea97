"""When a backup is restored on trial, and what came of it: a backup is as good as its restore. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from timonier.api.application import Application
from timonier.api.backup import Backup
from timonier.api.conditions import condition_of
from timonier.api.moments import moment, stamp
from timonier.api.resources import RESTORES
from timonier.api.restore import Restore
from timonier.applications.children import owner_reference
from timonier.backups.schedule import Decision, Timing, decide
from timonier.runs import story
from timonier.runs.names import shortened

__all__ = ["LOOK_AGAIN", "Trial", "failed_before", "plan_trial"]

LOOK_AGAIN: Final = timedelta(seconds=30)
"""After which time it is asked again whether something that is held may begin."""

_LONGEST_NAME: Final = 44
_KEPT_SECONDS: Final = 7 * 86400


@dataclass(frozen=True, slots=True)
class Trial:
    """A Restore to `create`; what those that have ended found, by the name of the Backup; `failed` says what the newest
    found wrong. `status` is for the Application's; `again` is in how many seconds to look.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    create: dict[str, Any] | None = None
    verified: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: str | None = None
    again: float | None = None


def plan_trial(
    application: Application,
    timing: Timing | None,
    good: Backup | None,
    trials: Sequence[Restore],
    now: datetime,
    *,
    held: bool = False,
) -> Trial:
    """Decide. `good` is the newest good backup: without one there is nothing to try. `held`: nothing may begin now."""
    ended = [trial for trial in trials if trial.spec.to.scratch and story.is_over(trial.status)]
    ended.sort(key=lambda trial: str(trial.status.get("completionTime", "")))
    verified = {str(trial.status["backup"]): _found(trial) for trial in ended if "backup" in trial.status}
    newest = verified.get(good.metadata.name) if good is not None else None
    failed = _words(good, newest) if good is not None and newest is not None else None
    if timing is None:
        return Trial(verified=verified, failed=failed)
    last = application.status.get("lastVerificationTime")
    begun = moment(last) if last else now
    running = any(trial.spec.to.scratch and not story.is_over(trial.status) for trial in trials)
    metadata = application.metadata
    decision = decide(timing, metadata.namespace, metadata.name, last=begun, now=now, running=running)
    if held and decision.action in ("Start", "Replace"):
        decision = Decision("Wait", decision.scheduled, now + LOOK_AGAIN)
    due = decision.scheduled if decision.action in ("Start", "Replace", "Miss") else None
    starts = due is not None and decision.action != "Miss" and good is not None
    return Trial(
        status={"lastVerificationTime": stamp(due or begun)},
        create=_restore(application, good, due) if starts and good is not None and due is not None else None,
        verified=verified,
        failed=failed,
        again=max(0.0, (decision.again - now).total_seconds()) if decision.again else None,
    )


def failed_before(backup: Backup) -> str | None:
    """What a trial of that backup found wrong whose Restore is gone by now."""
    found: Mapping[str, Any] | None = backup.status.get("verified")
    return _words(backup, found) if found is not None else None


def _words(backup: Backup, found: Mapping[str, Any]) -> str | None:
    if found["result"] == "Passed":
        return None
    return f"the trial restore of {backup.metadata.name} failed: {found.get('message', '')}"


def _found(trial: Restore) -> Mapping[str, Any]:
    said = condition_of(trial.status, "Succeeded") or {"message": ""}
    well = trial.status["phase"] == "Succeeded"
    found = {"time": trial.status["completionTime"], "result": "Passed" if well else "Failed"}
    return found if well else found | {"message": said["message"][:2048]}


def _restore(application: Application, backup: Backup, scheduled: datetime) -> dict[str, Any]:
    """The Restore of one scheduled time: it has the same name each time, so that it is made once."""
    metadata = application.metadata
    verify = application.spec.backup.verify if application.spec.backup else None
    scratch: dict[str, Any] = {"application": metadata.name}
    if verify is not None and verify.job is not None:
        scratch["job"] = list(verify.job)
    return {
        "apiVersion": RESTORES.api_version,
        "kind": RESTORES.kind,
        "metadata": {
            "namespace": metadata.namespace,
            "name": f"{shortened(metadata.name, _LONGEST_NAME)}-trial-{scheduled:%Y%m%d%H%M}",
            "ownerReferences": [owner_reference(application)],
        },
        "spec": {
            "from": {"backupRef": {"name": backup.metadata.name}},
            "to": {"scratch": scratch},
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
        },
    }
